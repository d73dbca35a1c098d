"""The database that three rooms share, each with its own schema."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from local_postgres import PROGRAMS, postgresql
from sqlalchemy import event, text
from sqlalchemy.engine import Engine

from countermark.core import database
from countermark.core.errors import ConfigurationError, RegistryError
from countermark.core.settings import Settings
from countermark.service import tables as service
from policy import records
from provenance import tables as registry

ROOMS = {
    "registry": (registry.SCHEMA, registry.Base),
    "policy": (records.SCHEMA, records.Base),
    "service": (service.SCHEMA, service.Base),
}


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request, tmp_path: Path) -> Iterator[Settings]:
    if request.param == "sqlite":
        yield Settings(home=tmp_path / "home", database_url=None)
        return
    if not PROGRAMS:
        pytest.skip("PostgreSQL is not installed")
    with postgresql() as url:
        yield Settings(home=tmp_path / "home", database_url=url)


def test_every_schema_is_what_its_migrations_make(place: Settings) -> None:
    for schema, base in ROOMS.values():
        with database.open_database(place, schema) as engine, engine.connect() as connection:
            mine = set(base.metadata.tables)
            options = {"include_object": lambda thing, name, kind, *_: kind != "table" or name in mine}  # noqa: B023
            context = MigrationContext.configure(connection, opts=options)
            assert compare_metadata(context, base.metadata) == []
        scripts = ScriptDirectory(str(schema.versions.parent), version_locations=[str(schema.versions)])
        assert scripts.get_current_head() == schema.revision


def test_tables_from_before_migrations_are_kept_and_newer_ones_left_alone(place: Settings) -> None:
    with service.open_database(place) as engine, engine.begin() as connection:
        connection.execute(text("INSERT INTO service_quotas VALUES ('studio', 5, NULL)"))
        for later in ("preview", "token"):  # later revisions add them
            connection.execute(text(f"ALTER TABLE service_jobs DROP COLUMN {later}"))
        connection.execute(text("DROP TABLE service_alembic_version"))
    with service.open_database(place) as engine, engine.begin() as connection:
        assert connection.execute(text("SELECT queue_limit FROM service_quotas")).scalar() == 5
        connection.execute(text("UPDATE service_alembic_version SET version_num = '9999'"))
    newer = r"service's database is of a newer version"
    with pytest.raises(RegistryError, match=newer), service.open_database(place):
        pass


def test_many_processes_may_be_the_first(tmp_path: Path) -> None:
    code = (
        "from countermark.service.tables import open_database; from policy.records import open_records;"
        "from countermark.core.settings import Settings\n"
        "with open_database(Settings()) as e:\n"
        "    print(len(e.connect().exec_driver_sql('SELECT * FROM service_jobs').all()))\n"
        "with open_records(Settings()) as r: r.log('prompt', 'allow', {})\n"
    )
    environment = os.environ | {"COUNTERMARK_HOME": str(tmp_path / "home")}

    def start(_: int) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
        )

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(start, range(4)))
    assert [(each.returncode, each.stdout) for each in done] == [(0, "0\n")] * 4, done[0].stderr
    with records.open_records(Settings(home=tmp_path / "home")) as kept:
        assert kept.verify() == 4


@pytest.mark.parametrize("last", ["CREATE TABLE seals", "ALTER TABLE seals ADD COLUMN salt", "CREATE TABLE sketches"])
def test_a_migration_that_was_cut_off_is_made_again(place: Settings, last: str) -> None:
    def cut_off(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        if statement.strip().startswith(last):
            raise KeyboardInterrupt

    event.listen(Engine, "after_cursor_execute", cut_off)
    try:
        with pytest.raises(KeyboardInterrupt), database.open_database(place, registry.SCHEMA):
            pass
    finally:
        event.remove(Engine, "after_cursor_execute", cut_off)
    with database.open_database(place, registry.SCHEMA) as engine, engine.connect() as connection:
        assert connection.execute(text("SELECT size FROM log_head")).scalar() == 0


def test_the_default_is_in_the_home_folder_whatever_its_name(tmp_path: Path) -> None:
    home = tmp_path / "why? 50%20 #1"
    with database.open_database(Settings(home=home, database_url=None), registry.SCHEMA):
        assert (home / "registry.db").is_file()
    assert list(tmp_path.iterdir()) == [home]


def test_a_url_that_makes_no_sense_and_a_database_that_is_away_are_told_apart(tmp_path: Path) -> None:
    for url in ("nonsense", "nosuch://host/db", "postgresql://user@host:port/db", "oracle+nosuch://host/db"):
        settings = Settings(home=tmp_path, database_url=url)
        unusable = pytest.raises(ConfigurationError, match="COUNTERMARK_DATABASE_URL is not usable")
        with unusable, database.open_database(settings, registry.SCHEMA):
            pass
    away = Settings(home=tmp_path, database_url="postgresql://user:secret@127.0.0.1:1/db")
    with pytest.raises(records.RecordsError, match="cannot be opened") as error, records.open_records(away):
        pass
    assert "secret" not in str(error.value)


def test_a_revision_is_recorded_once_and_not_looked_up_with_alembic_again(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with database.open_database(settings, registry.SCHEMA):
        pass
    broken = replace(registry.SCHEMA, versions=tmp_path / "nowhere")
    with database.open_database(settings, broken) as engine:
        assert engine.dialect.name == "sqlite"
