"""The registry's database: SQLite or PostgreSQL, brought to the current schema when it is opened."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.engine import make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from countermark.core.errors import ConfigurationError, RegistryError
from countermark.core.settings import Settings

BUSY_MILLISECONDS = 30_000
"""How long SQLite waits for another process to finish writing."""
REVISION = "0004"
"""The schema that this version works with; a test holds it against the newest migration."""

_FIRST = "0001"
_MIGRATIONS = Path(__file__).parent / "migrations"
_ADVISORY_LOCK = 0x636D726567  # "cmreg"


@contextmanager
def open_database(settings: Settings) -> Iterator[Engine]:
    """An engine on the registry's database, its schema current.

    Raises `RegistryError` when it cannot be reached or is newer than this version, `ConfigurationError` for a URL that
    makes no sense.
    """
    try:
        url = make_url(settings.registry_url)
        if url.drivername in ("postgresql", "postgres"):
            url = url.set(drivername="postgresql+psycopg")
        engine = create_engine(url)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise ConfigurationError(
            f"The registry URL is unusable: {error}.",
            remedy="Set COUNTERMARK_DATABASE_URL to a SQLAlchemy URL.",
        ) from error
    try:
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _configure_sqlite)
            if engine.url.database:
                Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
        _migrate(engine)
        yield engine
    except (SQLAlchemyError, OSError) as error:
        raise database_error(engine, "opened", error) from error
    finally:
        engine.dispose()


def database_error(engine: Engine, verb: str, error: Exception) -> RegistryError:
    """What went wrong with the database, without the password in its URL."""
    detail = str(getattr(error, "orig", None) or error).strip().rstrip(".")
    place = engine.url.set(query={}).render_as_string(hide_password=True)
    return RegistryError(
        f"The registry {place} cannot be {verb}: {detail}.",
        remedy="Check that it is reachable, writable and not damaged (COUNTERMARK_DATABASE_URL, COUNTERMARK_HOME).",
    )


def _migrate(engine: Engine) -> None:
    if _revision(engine) == REVISION:  # the usual case, without loading Alembic
        return
    with _only_one(engine), engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))
        _upgrade(connection)


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    tables = inspect(connection).get_table_names()
    current = None
    if "alembic_version" in tables:
        current = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    elif "seals" in tables:  # made before there were migrations
        command.stamp(config, _FIRST)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        raise RegistryError(
            f"The registry is of a newer version (schema {current}) than this program.",
            remedy="Update Countermark.",
        )
    command.upgrade(config, REVISION)


def _revision(engine: Engine) -> str | None:
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


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
    cursor.execute("PRAGMA synchronous=FULL")  # an entry must survive a power cut, as its file does
    cursor.close()
