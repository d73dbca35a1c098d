"""The append-only log, on SQLite and on a real PostgreSQL: appending, auditing, erasing, carrying over, migrating."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from drawn_clip import ORIGIN, SPEC, draw, make_settings
from hypothesis import given
from hypothesis import strategies as st
from local_postgres import PROGRAMS, postgresql
from sqlalchemy import create_engine, text
from test_registry import entry

from countermark.core.database import open_database
from countermark.core.errors import RegistryError, UsageError
from countermark.core.settings import Settings
from provenance.log import TreeHead
from provenance.merkle import EMPTY_ROOT, Tree, leaf_hash
from provenance.registry import Registry, open_registry
from provenance.seal import seal
from provenance.tables import SCHEMA
from provenance.transfer import export_registry, import_registry
from provenance.verify import verify
from provenance.watermark.grid import GRID
from provenance.watermark.sketch import Sketch


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if not PROGRAMS:
        pytest.skip("PostgreSQL is not installed")
    with postgresql() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Settings of an empty registry in each kind of database."""
    settings = make_settings(tmp_path)
    if request.param == "sqlite":
        return settings
    url = request.getfixturevalue("server")
    with create_engine(url.replace("postgresql:", "postgresql+psycopg:")).begin() as connection:
        connection.execute(text("DROP SCHEMA public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    return settings.model_copy(update={"database_url": url})


def reference_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, as it is written there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + reference_root(leaves[:k]) + reference_root(leaves[k:])).digest()


@given(st.lists(st.binary(max_size=8), max_size=40))
def test_tree_is_that_of_the_rfc(leaves: list[bytes]) -> None:
    tree = Tree()
    assert tree.root == EMPTY_ROOT
    for leaf in leaves:
        tree = Tree.from_bytes(tree.size, tree.to_bytes()).append(leaf_hash(leaf))
    assert (tree.size, tree.root) == (len(leaves), reference_root(leaves))


def fill(registry: Registry, count: int, start: int = 0) -> None:
    for number in range(start, start + count):
        hashes, sketch = (
            (bytes([number]) * 32, bytes(32)),
            Sketch.of(np.random.default_rng(number).normal(size=(GRID, GRID)), 1 + number).to_bytes(),
        )
        row = entry(f"{number:016x}", owner="somebody", prompt_sha256="ab" * 32)
        registry.add(row, b"manifest %d" % number, hashes, sketch)


def test_additions_and_withdrawals_are_events(place: Settings) -> None:
    with open_registry(place) as registry:
        assert registry.audit().head == TreeHead(size=0, root=EMPTY_ROOT.hex())
        fill(registry, 5)
        kept = registry.head()
        registry.withdraw(f"{3:016x}")
        registry.withdraw("f" * 16)  # was never added, so nothing happens
        found = registry.audit(kept)
        assert found.problems == ()
        assert (found.head.size, found.videos, found.withdrawn) == (6, 4, 1)
        assert registry.head() == found.head != kept
        assert registry.find(entry().algorithm, f"{2:016x}").owner == "somebody"


def test_many_writers_at_once_leave_one_log(place: Settings) -> None:
    with open_registry(place):
        pass

    def work(part: int) -> None:
        with open_registry(place) as registry:
            fill(registry, 6, start=part * 10)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    with open_registry(place) as registry:
        found = registry.audit()
    assert (found.problems, found.videos, found.head.size) == ((), 36, 36)


DAMAGE = {
    "UPDATE seals SET file_sha256 = 'x' WHERE video_id = '0000000000000002'": "file_sha256 is not what",
    "UPDATE seals SET manifest = 'y' WHERE video_id = '0000000000000002'": "manifest_sha256 is not what",
    "UPDATE seals SET title = 'another' WHERE video_id = '0000000000000002'": "title, prompt hash",
    "UPDATE seals SET owner = NULL WHERE video_id = '0000000000000002'": "title, prompt hash",
    "UPDATE seals SET erased_at = CURRENT_TIMESTAMP": "erased without a record",
    "DELETE FROM seals WHERE video_id = '0000000000000002'": "not in the registry",
    "DELETE FROM log WHERE sequence = 2": "no event 2",
    "DELETE FROM log WHERE sequence = 4": "recorded head",
    "UPDATE log SET record = replace(record, 'generated', 'protected') WHERE sequence = 2": "Event 2 of the log",
    "UPDATE log_head SET size = 4": "recorded head",
}


@pytest.mark.parametrize("statement", DAMAGE)
def test_audit_notices_any_change(place: Settings, statement: str) -> None:
    expected = DAMAGE[statement]
    blob = "'y'::bytea" if place.database_url else "X'79'"
    statement = statement.replace("manifest = 'y'", f"manifest = {blob}")
    with open_registry(place) as registry:
        fill(registry, 5)
        with registry.session("written") as session:
            session.execute(text(statement))
            session.commit()
        problems = registry.audit().problems
    assert any(expected in problem for problem in problems)


def test_a_rewritten_log_is_noticed_through_a_kept_head(settings: Settings, tmp_path: Path) -> None:
    with open_registry(settings) as registry:
        fill(registry, 5)
        kept = registry.head()
    other = make_settings(tmp_path / "other")
    with open_registry(other) as registry:
        fill(registry, 6, start=1)  # a whole new history
        assert registry.audit().problems == ()
        assert "not those of the head" in registry.audit(kept).problems[0]
        assert "ends at" in registry.audit(TreeHead(size=9, root=kept.root)).problems[0]


def test_personal_data_is_erased_without_breaking_the_log(place: Settings) -> None:
    with open_registry(place) as registry:
        fill(registry, 3)
        kept = registry.head()
        video_id = f"{1:016x}"
        registry.erase(video_id)
        registry.erase(video_id)
        found = registry.find(entry().algorithm, video_id)
        assert found is not None
        assert (found.title, found.prompt_sha256, found.policy, found.owner) == ("", None, {}, None)
        assert found.erased_at is not None
        audit = registry.audit(kept)
        assert (audit.problems, audit.erased, audit.head.size) == ((), 1, 4)
        assert registry.manifest(video_id) == b"manifest 1"
        registry.erase(video_id, manifest=True)
        assert registry.audit(kept).problems == ()
        with pytest.raises(RegistryError, match="manifest erased"):
            registry.manifest(video_id)
        with pytest.raises(RegistryError, match="not in the registry"):
            registry.erase("f" * 16)
        with registry.session("read") as session:
            logged = " ".join(session.scalars(text("SELECT record FROM log")))
        for personal in ("somebody", "雨中的红气球", "ab" * 32):
            assert personal not in logged


def test_export_and_import_carry_everything(place: Settings, tmp_path: Path) -> None:
    path = tmp_path / "registry.jsonl"
    with open_registry(place) as registry:
        fill(registry, 4)
        registry.erase(f"{1:016x}")
        registry.withdraw(f"{2:016x}")
        done = export_registry(registry, path)
        assert (done.videos, done.head) == (3, registry.head())
        originals = list(registry.entries())
        hashes, sketches = registry.fingerprint(f"{0:016x}"), registry.sketches(entry().algorithm, newest=9)
        assert (len(hashes), len(sketches)) == (2, 3)
        with pytest.raises(UsageError, match="exists already"):
            export_registry(registry, path)
    assert path.stat().st_mode & 0o077 == 0
    with open_registry(make_settings(tmp_path / "other")) as other:
        assert import_registry(other, path).videos == 3
        assert list(other.entries()) == originals
        assert other.manifest(f"{0:016x}") == b"manifest 0"
        assert other.fingerprint(f"{0:016x}") == hashes
        assert sorted(other.sketches(entry().algorithm, newest=9)) == sorted(sketches)
        again = import_registry(other, path)
        assert (again.videos, again.present) == (0, 3)
        assert other.audit().problems == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[:-1], "missing or were changed"),
        (lambda lines: [lines[0], *lines[2:]], "in the registry and not in the log"),
        (lambda lines: [*lines[:-1], lines[-1].replace("model", "medol")], "generator is not what the log says"),
        (lambda lines: [lines[0], lines[1].replace("Studio", "Stadia"), *lines[2:]], "signer is not what"),
        (lambda lines: ["{}", *lines[1:]], "no exported registry"),
        (lambda lines: [lines[0], "not json"], "cannot be understood"),
        (lambda lines: [], "missing"),
    ],
)
def test_changed_exports_are_refused_whole(settings: Settings, tmp_path: Path, change, message: str) -> None:
    path = tmp_path / "registry.jsonl"
    with open_registry(settings) as registry:
        fill(registry, 3)
        export_registry(registry, path)
    path.write_text("\n".join(change(path.read_text().splitlines())))
    with open_registry(make_settings(tmp_path / "other")) as other:
        with pytest.raises(UsageError, match=message):
            import_registry(other, path)
        assert (other.count(), other.head().size) == (0, 0)


def test_registries_from_before_the_log_are_taken_into_it(place: Settings) -> None:
    with open_database(place, replace(SCHEMA, revision="0001")) as engine, engine.begin() as connection:
        for number in range(3):
            fields = json.loads(entry(f"{number:016x}").model_dump_json(exclude={"owner", "noise", "erased_at"}))
            fields["policy"] = json.dumps(fields["policy"])
            names = ", ".join(fields)
            values = ", ".join(f":{name}" for name in fields)
            statement = text(f"INSERT INTO seals ({names}, manifest) VALUES ({values}, :manifest)")
            connection.execute(statement, fields | {"manifest": b"old"})
        if number == 2 and not place.database_url:
            connection.execute(text("DROP TABLE alembic_version"))  # as made before there were migrations
    with open_registry(place) as registry:
        found = registry.audit()
        assert (found.problems, found.videos, found.head.size) == ((), 3, 3)
        assert registry.manifest(f"{1:016x}") == b"old"


def test_newer_registries_are_left_alone(place: Settings) -> None:
    with open_registry(place) as registry, registry.session("written") as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        session.commit()
    with pytest.raises(RegistryError, match="newer version"), open_registry(place):
        pass


def test_sealing_and_recovery_work_with_either_database(place: Settings, tmp_path: Path) -> None:
    sealed = seal(draw(), SPEC, tmp_path / "o.mp4", origin=ORIGIN, settings=place)
    assert verify(sealed.path, settings=place).conclusion == "verified"
    with open_registry(place) as registry:
        assert registry.audit().problems == ()
        assert registry.head().size == 1
