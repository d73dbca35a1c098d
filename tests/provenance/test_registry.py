"""The registry."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from countermark.core.errors import ConfigurationError, RegistryError
from countermark.core.settings import Settings
from provenance.registry import Pending, RegistryEntry, open_registry


def entry(video_id: str = "10010000000000aa", **changes: object) -> RegistryEntry:
    fields: dict[str, object] = {
        "video_id": video_id,
        "algorithm": "org.countermark.video.2",
        "manifest_id": f"urn:c2pa:{video_id}",
        "claim_sha256": "c" * 64,
        "file_sha256": "f" * 64,
        "file_bytes": 3 * 1024**3,
        "kind": "generated",
        "generator": "model",
        "generator_version": "1",
        "title": "雨中的红气球",
        "prompt_sha256": None,
        "policy": {"action": "allow"},
        "signer": "Studio",
        "created_at": datetime(2026, 11, 22, 12, 30, 15, 123456, tzinfo=UTC),
    }
    return RegistryEntry.model_validate(fields | changes)


def test_what_is_added_is_found_again_unchanged(settings: Settings) -> None:
    with open_registry(settings) as registry:
        registry.add(entry(), b"manifest")
    with open_registry(settings) as registry:
        assert registry.find("org.countermark.video.2", entry().video_id) == entry()
        assert registry.find_manifest(entry().manifest_id) == entry()
        assert registry.manifest(entry().video_id) == b"manifest"
        assert registry.file_sha256(entry().video_id) == "f" * 64
        assert registry.count() == 1


@hypothesis_settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    serial=st.integers(0, 2**64 - 1),
    manifest=st.binary(min_size=1, max_size=2000),
    title=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=100),
)
def test_any_entry_round_trips(tmp_path: Path, serial: int, manifest: bytes, title: str) -> None:
    home = tmp_path / f"{serial:016x}-{abs(hash((manifest, title)))}"
    written = entry(f"{serial:016x}", title=title)
    with open_registry(Settings(home=home)) as registry:
        if registry.count() == 0:
            registry.add(written, manifest)
        assert registry.find(written.algorithm, written.video_id) == written
        assert registry.manifest(written.video_id) == manifest


def test_both_algorithm_and_value_must_match(settings: Settings) -> None:
    with open_registry(settings) as registry:
        registry.add(entry(), b"manifest")
        assert registry.find("com.example.other", entry().video_id) is None
        assert registry.find("org.countermark.video.2", "10010000000000ab") is None


def test_video_and_manifest_ids_are_taken_once(settings: Settings) -> None:
    with open_registry(settings) as registry:
        registry.add(entry(), b"manifest")
        with pytest.raises(RegistryError, match="already"):
            registry.add(entry(manifest_id="urn:c2pa:other"), b"manifest")
        with pytest.raises(RegistryError, match="already"):
            registry.add(entry("10010000000000ab", manifest_id=entry().manifest_id), b"manifest")
        assert registry.count() == 1


def test_withdraw_leaves_nothing(settings: Settings) -> None:
    pending = Pending(video_id=entry().video_id, host="here", folder="/f", output="/o")
    with open_registry(settings) as registry:
        registry.begin(pending)
        registry.add(entry(), b"manifest")
        registry.withdraw(entry().video_id)
        assert registry.count() == 0
        assert registry.pending("here") == []


def test_pending_is_kept_by_host(settings: Settings) -> None:
    pending = Pending(video_id=entry().video_id, host="here", folder="/f", output="/o")
    with open_registry(settings) as registry:
        registry.begin(pending)
        assert registry.pending("here") == [pending]
        assert registry.pending("elsewhere") == []
        registry.finish(pending.video_id)
        assert registry.pending("here") == []


def test_unknown_manifest_is_a_clear_error(settings: Settings) -> None:
    with open_registry(settings) as registry, pytest.raises(RegistryError, match="not in the registry"):
        registry.manifest("10010000000000aa")


def test_many_may_open_and_write_at_once(settings: Settings) -> None:
    def write(serial: int) -> None:
        with open_registry(settings) as registry:
            registry.add(entry(f"{serial:016x}"), b"manifest")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(16)))
    with open_registry(settings) as registry:
        assert registry.count() == 16


def test_damaged_database_is_a_clear_error(settings: Settings) -> None:
    settings.home.mkdir()
    (settings.home / "registry.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(RegistryError, match="not a database"), open_registry(settings):
        pass


def test_locked_database_is_a_clear_error(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("countermark.core.database.BUSY_MILLISECONDS", 50)
    with open_registry(settings) as registry:
        blocker = sqlite3.connect(settings.home / "registry.db", isolation_level=None)
        blocker.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RegistryError, match="locked"):
            registry.add(entry(), b"manifest")
        blocker.execute("ROLLBACK")
        blocker.close()
        assert registry.count() == 0


@pytest.mark.parametrize("url", ["nonsense", "nosuch://host/db"])
def test_unusable_url_is_a_configuration_error(settings: Settings, url: str) -> None:
    changed = settings.model_copy(update={"database_url": url})
    with pytest.raises(ConfigurationError, match="COUNTERMARK_DATABASE_URL"), open_registry(changed):
        pass


@pytest.mark.filterwarnings("ignore:Query string")
def test_password_is_not_in_the_message(settings: Settings, tmp_path: Path) -> None:
    changed = settings.model_copy(update={"database_url": f"sqlite:///{tmp_path}?password=hunter2"})
    with pytest.raises((RegistryError, ConfigurationError)) as caught, open_registry(changed):
        pass
    assert "hunter2" not in str(caught.value)
