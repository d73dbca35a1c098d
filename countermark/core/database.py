"""The database that registry, policy and service share: SQLite or PostgreSQL, each room's tables at their schema.

A room describes its tables as a `Schema`, whose Alembic revisions are brought up to date when the database is opened.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from countermark.core.errors import ConfigurationError, RegistryError
from countermark.core.settings import Settings

BUSY_MILLISECONDS = 30_000
"""How long SQLite waits for another process to finish writing."""
_ENVIRONMENT = Path(__file__).parent / "migrations"
_FIRST = "0001"


@dataclass(frozen=True)
class Schema:
    """One room's tables: ``versions`` is the folder of its revisions, ``revision`` the one this program works with.

    ``marker`` is a table of the first revision: where it is there without a recorded version, it was made before there
    were migrations.
    """

    name: str
    versions: Path
    revision: str
    version_table: str
    marker: str


def database_url(settings: Settings) -> URL:
    """The database of these settings, with the driver named that is installed. Raises `ConfigurationError`."""
    if not settings.database_url:
        return URL.create("sqlite", database=str(settings.home / "registry.db"))  # a path may hold ? and %
    try:
        url = make_url(settings.database_url)
    except (SQLAlchemyError, ValueError) as error:
        raise _unusable(error) from error
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgresql", "postgres") else url


@contextmanager
def open_database(
    settings: Settings,
    schema: Schema,
    *,
    error: type[RegistryError] = RegistryError,
    configure_sqlite: Callable[[DBAPIConnection], None] | None = None,
    **pool: Any,  # noqa: ANN401
) -> Iterator[Engine]:
    """An engine on the database of these settings, with the room's tables as ``schema`` has them.

    ``configure_sqlite`` is called with every new connection to SQLite; ``pool`` goes to SQLAlchemy. Raises ``error``
    when the database cannot be reached or fails, `RegistryError` when its tables are newer than this program, and
    `ConfigurationError` for a URL that makes no sense.
    """
    url = database_url(settings)
    try:
        engine = create_engine(url, **pool)
    except (SQLAlchemyError, ImportError, ValueError) as problem:
        raise _unusable(problem) from problem
    try:
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _configure_sqlite)
            if configure_sqlite is not None:
                event.listen(engine, "connect", lambda connection, _record: configure_sqlite(connection))
            if engine.url.database:
                Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
        _migrate(engine, schema)
        yield engine
    except (SQLAlchemyError, OSError) as problem:
        raise database_error(engine, schema.name, "opened", problem, error) from problem
    finally:
        engine.dispose()


def database_error(
    engine: Engine, name: str, verb: str, error: Exception, kind: type[RegistryError] = RegistryError
) -> RegistryError:
    """What went wrong with the database, without the password in its URL."""
    detail = str(getattr(error, "orig", None) or error).strip().rstrip(".")
    place = engine.url.set(query={}).render_as_string(hide_password=True)
    return kind(
        f"The {name} in {place} cannot be {verb}: {detail}.",
        remedy="Check that it is reachable, writable and not damaged (COUNTERMARK_DATABASE_URL, COUNTERMARK_HOME).",
    )


def _unusable(error: Exception) -> ConfigurationError:
    why = "it is no database URL"
    if isinstance(error, NoSuchModuleError):
        why = "SQLAlchemy knows no such database"
    elif isinstance(error, ImportError):
        why = f"its driver cannot be loaded ({error})"
    return ConfigurationError(
        f"COUNTERMARK_DATABASE_URL is not usable: {why}.",
        remedy="Set it to postgresql://USER:PASSWORD@HOST:PORT/NAME, or unset it for SQLite.",
    )


def _migrate(engine: Engine, schema: Schema) -> None:
    if _revision(engine, schema) == schema.revision:  # the usual case, without loading Alembic
        return
    with _only_one(engine), engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            key = zlib.crc32(schema.version_table.encode())
            connection.execute(text(f"SELECT pg_advisory_xact_lock({key})"))
        elif engine.dialect.name == "sqlite":
            # Its driver begins no transaction for CREATE and ALTER: what ends in the middle would leave half of them.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        _upgrade(connection, schema)


def _upgrade(connection: Connection, schema: Schema) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("path_separator", "os")
    config.set_main_option("script_location", str(_ENVIRONMENT).replace("%", "%%"))
    config.set_main_option("version_locations", str(schema.versions).replace("%", "%%"))
    config.attributes.update(connection=connection, version_table=schema.version_table)
    tables = inspect(connection).get_table_names()
    current = None
    if schema.version_table in tables:
        current = connection.execute(text(f"SELECT version_num FROM {schema.version_table}")).scalar()  # noqa: S608
    elif schema.marker in tables:
        command.stamp(config, _FIRST)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise RegistryError(
            f"The {schema.name} is of a newer version (schema {current}) than this program.",
            remedy="Update Countermark.",
        )
    command.upgrade(config, schema.revision)


def _revision(engine: Engine, schema: Schema) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table(schema.version_table):
            return None
        return connection.execute(text(f"SELECT version_num FROM {schema.version_table}")).scalar()  # noqa: S608


@contextmanager
def _only_one(engine: Engine) -> Iterator[None]:
    """Keep other processes on this machine from migrating the same SQLite file at the same time."""
    if engine.dialect.name != "sqlite" or not engine.url.database or engine.url.database == ":memory:":
        yield
        return
    descriptor = os.open(f"{engine.url.database}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _configure_sqlite(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
    deadline = time.monotonic() + BUSY_MILLISECONDS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            break
        except sqlite3.OperationalError:
            # Of several first users of a new database, SQLite refuses all but one at once, without waiting.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)
    cursor.execute("PRAGMA synchronous=FULL")  # what was promised must survive a power cut
    cursor.close()
