"""The registry: which payload belongs to which manifest and file.

A platform that strips metadata cannot strip the watermark. Its payload, looked up here, gives back the manifest.
Entries are only ever added; nothing updates them. The one exception undoes an entry whose file never appeared.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    DateTime,
    Engine,
    LargeBinary,
    String,
    create_engine,
    delete,
    event,
    func,
    select,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.schema import CreateTable

from countermark.core.errors import ConfigurationError, RegistryError
from countermark.core.settings import Settings
from provenance.origin import Kind

BUSY_MILLISECONDS = 30_000
"""How long SQLite waits for another process to finish writing."""


class Base(DeclarativeBase):
    """Declarative base of the registry's tables."""


class SealRow(Base):
    """One sealed video. ``video_id`` is the watermark's payload in hex; times are UTC."""

    __tablename__ = "seals"

    video_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    algorithm: Mapped[str] = mapped_column(String(100))
    manifest_id: Mapped[str] = mapped_column(String(200), unique=True)
    claim_sha256: Mapped[str] = mapped_column(String(64))
    manifest: Mapped[bytes] = mapped_column(LargeBinary)
    file_sha256: Mapped[str] = mapped_column(String(64))
    file_bytes: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(20))
    generator: Mapped[str] = mapped_column(String(200))
    generator_version: Mapped[str] = mapped_column(String(100))
    title: Mapped[str] = mapped_column(String(500))
    prompt_sha256: Mapped[str | None] = mapped_column(String(64))
    policy: Mapped[dict[str, Any]] = mapped_column(JSON)
    signer: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class PendingRow(Base):
    """A seal in the making: where it is being built and where it is to appear."""

    __tablename__ = "pending_seals"

    video_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    folder: Mapped[str] = mapped_column(String(4096))
    output: Mapped[str] = mapped_column(String(4096))


class Pending(BaseModel):
    """A seal in the making, as `Registry.pending` lists it; paths are absolute on ``host``."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    video_id: str
    host: str
    folder: str
    output: str


class RegistryEntry(BaseModel):
    """A sealed video as the registry knows it; the manifest's bytes are fetched apart with `Registry.manifest`."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    video_id: str
    algorithm: str
    manifest_id: str
    claim_sha256: str
    file_sha256: str
    file_bytes: int
    kind: Kind
    generator: str
    generator_version: str
    title: str
    prompt_sha256: str | None
    policy: dict[str, Any]
    signer: str
    created_at: datetime


class Registry:
    """Sealed videos in a database. Open it with `open_registry`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, pending: Pending) -> None:
        """Note that a seal is being made; raises `RegistryError` when its video id is taken."""
        with self._session("written") as session:
            session.add(PendingRow(**pending.model_dump()))
            session.commit()

    def finish(self, video_id: str) -> None:
        """Forget what `begin` noted."""
        with self._session("written") as session:
            session.execute(delete(PendingRow).where(PendingRow.video_id == video_id))
            session.commit()

    def pending(self, host: str) -> list[Pending]:
        """Seals begun on ``host`` and not finished."""
        with self._session("read") as session:
            rows = session.scalars(select(PendingRow).where(PendingRow.host == host))
            return [Pending.model_validate(row) for row in rows]

    def add(self, entry: RegistryEntry, manifest: bytes) -> None:
        """Add one entry and commit; raises `RegistryError` when its video or manifest id is taken."""
        with self._session("written") as session:
            session.add(SealRow(**entry.model_dump(), manifest=manifest))
            session.commit()

    def withdraw(self, video_id: str) -> None:
        """Undo `begin` and `add` for a video whose file could not be put in place; never for a published one."""
        with self._session("written") as session:
            session.execute(delete(SealRow).where(SealRow.video_id == video_id))
            session.execute(delete(PendingRow).where(PendingRow.video_id == video_id))
            session.commit()

    def find(self, algorithm: str, video_id: str) -> RegistryEntry | None:
        """The entry whose soft binding has this algorithm and this value, both."""
        return self._one(SealRow.video_id == video_id, SealRow.algorithm == algorithm)

    def find_manifest(self, manifest_id: str) -> RegistryEntry | None:
        """The entry of a manifest, by its URN."""
        return self._one(SealRow.manifest_id == manifest_id)

    def manifest(self, video_id: str) -> bytes:
        """The stored manifest bytes of a registered video; raises `RegistryError` when it is unknown."""
        with self._session("read") as session:
            manifest = session.scalar(select(SealRow.manifest).where(SealRow.video_id == video_id))
        if manifest is None:
            raise RegistryError(f"Video {video_id} is not in the registry.", remedy="Check the id.")
        return manifest

    def file_sha256(self, video_id: str) -> str | None:
        """SHA-256 of the registered file, None when the video is unknown."""
        with self._session("read") as session:
            return session.scalar(select(SealRow.file_sha256).where(SealRow.video_id == video_id))

    def count(self) -> int:
        """How many videos are registered."""
        with self._session("read") as session:
            return session.scalar(select(func.count()).select_from(SealRow)) or 0

    def _one(self, *conditions: ColumnElement[bool]) -> RegistryEntry | None:
        with self._session("read") as session:
            row = session.scalars(select(SealRow).where(*conditions)).one_or_none()
            if row is None:
                return None
            entry = RegistryEntry.model_validate(row)
        # SQLite forgets the time zone; what was stored is UTC.
        return entry.model_copy(update={"created_at": entry.created_at.replace(tzinfo=UTC)})

    @contextmanager
    def _session(self, verb: str) -> Iterator[Session]:
        try:
            with Session(self._engine) as session:
                yield session
        except IntegrityError as error:
            raise RegistryError(
                f"The registry holds this video or manifest already: {error.orig}.", remedy="Seal the video again."
            ) from error
        except SQLAlchemyError as error:
            raise _registry_error(self._engine, verb, error) from error


@contextmanager
def open_registry(settings: Settings) -> Iterator[Registry]:
    """The registry of these settings, with its tables made when missing.

    Raises `RegistryError` when the database cannot be reached and `ConfigurationError` for a malformed URL.
    """
    try:
        engine = create_engine(settings.registry_url)
    except (SQLAlchemyError, ImportError, ValueError) as error:
        raise ConfigurationError(
            f"The registry URL is unusable: {error}.", remedy="Set COUNTERMARK_DATABASE_URL to a SQLAlchemy URL."
        ) from error
    try:
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _configure_sqlite)
            if engine.url.database:
                Path(engine.url.database).parent.mkdir(parents=True, exist_ok=True)
        with engine.begin() as connection:
            for table in Base.metadata.sorted_tables:  # IF NOT EXISTS: two processes may start at once
                connection.execute(CreateTable(table, if_not_exists=True))
        yield Registry(engine)
    except (SQLAlchemyError, OSError) as error:
        raise _registry_error(engine, "opened", error) from error
    finally:
        engine.dispose()


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


def _registry_error(engine: Engine, verb: str, error: Exception) -> RegistryError:
    detail = getattr(error, "orig", None) or error
    place = engine.url.set(query={}).render_as_string(hide_password=True)
    return RegistryError(
        f"The registry {place} cannot be {verb}: {detail}.",
        remedy="Check that it is reachable, writable and not damaged (COUNTERMARK_DATABASE_URL, COUNTERMARK_HOME).",
    )
