"""The registry: which payload belongs to which manifest and file.

A platform that strips metadata cannot strip the watermark. Its payload, looked up here, gives back the manifest.
Entries are only ever added, and each addition is an event in the log (`provenance.log`). Two things take something
away, and are events too: withdrawing an entry whose file never appeared, and erasing personal data.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, Engine, delete, func, select
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from countermark.core.database import database_error, open_database
from countermark.core.errors import RegistryError
from countermark.core.settings import Settings
from provenance.log import Audit, TreeHead, append, audit
from provenance.merkle import Tree
from provenance.origin import Kind
from provenance.tables import SCHEMA, FingerprintRow, HeadRow, PendingRow, SealRow, SketchRow


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
    owner: str | None = None
    noise: str | None = None
    erased_at: datetime | None = None


class Registry:
    """Sealed videos in a database. Open it with `open_registry`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def begin(self, pending: Pending) -> None:
        """Note that a seal is being made; raises `RegistryError` when its video id is taken."""
        with self.session("written") as session:
            session.add(PendingRow(**pending.model_dump()))
            session.commit()

    def finish(self, video_id: str) -> None:
        """Forget what `begin` noted."""
        with self.session("written") as session:
            session.execute(delete(PendingRow).where(PendingRow.video_id == video_id))
            session.commit()

    def pending(self, host: str) -> list[Pending]:
        """Seals begun on ``host`` and not finished."""
        with self.session("read") as session:
            rows = session.scalars(select(PendingRow).where(PendingRow.host == host))
            return [Pending.model_validate(row) for row in rows]

    def add(
        self, entry: RegistryEntry, manifest: bytes, fingerprint: Sequence[bytes] = (), sketch: bytes | None = None
    ) -> None:
        """Add one entry and commit; raises `RegistryError` when its video or manifest id is taken."""
        row = SealRow(**entry.model_dump(), manifest=manifest, salt=os.urandom(16))
        with self.session("written") as session:
            append(session, "seal", row)
            session.add(row)
            session.add_all(FingerprintRow(video_id=entry.video_id, digest=digest) for digest in fingerprint)
            if sketch is not None:
                session.add(SketchRow(video_id=entry.video_id, data=sketch))
            session.commit()

    def withdraw(self, video_id: str) -> None:
        """Undo `begin` and `add` for a video whose file could not be put in place; never for a published one."""
        with self.session("written") as session:
            row = session.get(SealRow, video_id)
            if row is not None:
                append(session, "withdraw", row)
                session.delete(row)
                _forget_looks(session, video_id)
            session.execute(delete(PendingRow).where(PendingRow.video_id == video_id))
            session.commit()

    def find(self, algorithm: str, video_id: str) -> RegistryEntry | None:
        """The entry whose soft binding has this algorithm and this value, both."""
        return self._one(SealRow.video_id == video_id, SealRow.algorithm == algorithm)

    def find_manifest(self, manifest_id: str) -> RegistryEntry | None:
        """The entry of a manifest, by its URN."""
        return self._one(SealRow.manifest_id == manifest_id)

    def find_video(self, video_id: str) -> RegistryEntry | None:
        """The entry of a video, by its id alone."""
        return self._one(SealRow.video_id == video_id)

    def fingerprint(self, video_id: str) -> tuple[bytes, ...]:
        """The hashes of a video's fingerprint, in order; empty when it has none."""
        hashes = select(FingerprintRow.digest).where(FingerprintRow.video_id == video_id)
        with self.session("read") as session:
            return tuple(session.scalars(hashes.order_by(FingerprintRow.id)))

    @property
    def place(self) -> str:
        """Where the database is, to tell one from another."""
        return self._engine.url.render_as_string(hide_password=True)

    def manifest(self, video_id: str) -> bytes:
        """The stored manifest bytes of a registered video; raises `RegistryError` when there is none."""
        with self.session("read") as session:
            manifest = session.scalar(select(SealRow.manifest).where(SealRow.video_id == video_id))
        if not manifest:
            what = "is not in the registry" if manifest is None else "has had its manifest erased"
            raise RegistryError(f"Video {video_id} {what}.", remedy="Check the id.")
        return manifest

    def file_sha256(self, video_id: str) -> str | None:
        """SHA-256 of the registered file, None when the video is unknown."""
        with self.session("read") as session:
            return session.scalar(select(SealRow.file_sha256).where(SealRow.video_id == video_id))

    def count(self) -> int:
        """How many videos are registered."""
        with self.session("read") as session:
            return session.scalar(select(func.count()).select_from(SealRow)) or 0

    def erase(self, video_id: str, *, manifest: bool = False) -> None:
        """Erase what is personal about a video: title, prompt hash, policy record and owner.

        With ``manifest`` the stored manifest goes as well, which states title and prompt hash too, and fingerprint and
        sketch; the video's credentials cannot be recovered then. The log keeps its proof. Raises `RegistryError` for an
        unknown video.
        """
        with self.session("written") as session:
            row = session.get(SealRow, video_id)
            if row is None:
                raise RegistryError(f"Video {video_id} is not in the registry.", remedy="Check the id.")
            if row.erased_at is None:
                append(session, "erase", row)
            row.title, row.prompt_sha256, row.policy, row.owner, row.salt = "", None, {}, None, None
            row.erased_at = datetime.now(UTC)
            if manifest:
                row.manifest = b""
                _forget_looks(session, video_id)
            session.commit()

    def head(self) -> TreeHead:
        """The head of the log, to be kept elsewhere and given to `audit` later."""
        with self.session("read") as session:
            row = session.get_one(HeadRow, 1)
            return TreeHead(size=row.size, root=Tree.from_bytes(row.size, row.peaks).root.hex())

    def audit(self, kept: TreeHead | None = None) -> Audit:
        """Recompute the log, and hold every entry against it and it against a head that was ``kept``."""
        with self.session("read") as session:
            return audit(session, kept)

    def entries(self) -> Iterator[RegistryEntry]:
        """Every entry, oldest first."""
        with self.session("read") as session:
            for row in session.scalars(select(SealRow).order_by(SealRow.created_at).execution_options(yield_per=100)):
                yield _entry(row)

    def video_ids(self, algorithm: str) -> list[str]:
        """The video id of every entry that was marked by ``algorithm``."""
        with self.session("read") as session:
            return list(session.scalars(select(SealRow.video_id).where(SealRow.algorithm == algorithm)))

    def sketches(self, algorithm: str, *, newest: int, also: Sequence[str] = ()) -> list[tuple[str, bytes]]:
        """Video id and sketch of the ``newest`` entries that were marked by ``algorithm``, and of some others."""
        rows = select(SketchRow.video_id, SketchRow.data).join(SealRow, SealRow.video_id == SketchRow.video_id)
        rows = rows.where(SealRow.algorithm == algorithm)
        with self.session("read") as session:
            asked = session.execute(rows.where(SketchRow.video_id.in_(also))).all()
            latest = session.execute(rows.order_by(SealRow.created_at.desc()).limit(newest)).all()
        return list({row.video_id: (row.video_id, row.data) for row in (*asked, *latest)}.values())

    def noises(self) -> dict[str, str]:
        """The noise of every entry that has one, and its video id; the latest entry's where several have the same."""
        with self.session("read") as session:
            rows = select(SealRow.noise, SealRow.video_id).where(SealRow.noise.is_not(None))
            return {str(noise): video_id for noise, video_id in session.execute(rows.order_by(SealRow.created_at))}

    def _one(self, *conditions: ColumnElement[bool]) -> RegistryEntry | None:
        with self.session("read") as session:
            row = session.scalars(select(SealRow).where(*conditions)).one_or_none()
            if row is None:
                return None
            return _entry(row)

    @contextmanager
    def session(self, verb: str) -> Iterator[Session]:
        """A database session whose errors are ours; ``verb`` is "read" or "written"."""
        try:
            with Session(self._engine) as session:
                yield session
        except IntegrityError as error:
            raise RegistryError(
                f"The registry holds this video or manifest already: {error.orig}.", remedy="Seal the video again."
            ) from error
        except SQLAlchemyError as error:
            raise database_error(self._engine, SCHEMA.name, verb, error) from error


@contextmanager
def open_registry(settings: Settings) -> Iterator[Registry]:
    """The registry of these settings; see `open_database` for what it raises."""
    with open_database(settings, SCHEMA) as engine:
        yield Registry(engine)


def _forget_looks(session: Session, video_id: str) -> None:
    for table in (FingerprintRow, SketchRow):
        session.execute(delete(table).where(table.video_id == video_id))


def _entry(row: SealRow) -> RegistryEntry:
    entry = RegistryEntry.model_validate(row)
    return entry.model_copy(update={"created_at": _utc(entry.created_at), "erased_at": _utc(entry.erased_at)})


def _utc(when: datetime | None) -> datetime | None:
    """SQLite forgets the time zone; what was stored is UTC."""
    return when and when.replace(tzinfo=when.tzinfo or UTC)
