"""The registry's tables. Changes go through `provenance.migrations`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, LargeBinary, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from countermark.core.database import Schema

SCHEMA = Schema("registry", Path(__file__).parent / "migrations", "0006", "alembic_version", marker="seals")


class Base(DeclarativeBase):
    """Declarative base of the registry's tables."""


class SealRow(Base):
    """One sealed video. ``video_id`` is the watermark's payload in hex, ``noise`` names the noise that it was
    drawn from, where that can be found again; times are UTC.

    ``title``, ``prompt_sha256``, ``policy`` and ``owner`` are personal: the log holds only a salted hash of them, so
    they can be erased; ``salt`` goes with them.
    """

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
    owner: Mapped[str | None] = mapped_column(String(200))
    noise: Mapped[str | None] = mapped_column(String(24))
    salt: Mapped[bytes | None] = mapped_column(LargeBinary)
    erased_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class PendingRow(Base):
    """A seal in the making: where it is being built and where it is to appear."""

    __tablename__ = "pending_seals"

    video_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    host: Mapped[str] = mapped_column(String(255))
    folder: Mapped[str] = mapped_column(String(4096))
    output: Mapped[str] = mapped_column(String(4096))


class LogRow(Base):
    """One event, in order; ``record`` is canonical JSON, ``root`` the tree's head (hex) with this event in it."""

    __tablename__ = "log"

    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    video_id: Mapped[str] = mapped_column(String(16), index=True)
    record: Mapped[str] = mapped_column(Text)
    root: Mapped[str] = mapped_column(String(64))


class StoredManifestRow(Base):
    """A manifest store that somebody else keeps here; ``sequence`` is its event in the log."""

    __tablename__ = "stored_manifests"

    manifest_id: Mapped[str] = mapped_column(String(200), primary_key=True)
    store: Mapped[bytes] = mapped_column(LargeBinary)
    sequence: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class BindingRow(Base):
    """A soft binding's value (its hash, since values may be long) and the manifest it leads to."""

    __tablename__ = "bindings"

    id: Mapped[int] = mapped_column(primary_key=True)
    value_sha256: Mapped[str] = mapped_column(String(64), index=True)
    algorithm: Mapped[str | None] = mapped_column(String(100))
    manifest_id: Mapped[str] = mapped_column(String(200), index=True)


class FingerprintRow(Base):
    """One hash of a sealed video's fingerprint."""

    __tablename__ = "fingerprints"

    id: Mapped[int] = mapped_column(primary_key=True)
    video_id: Mapped[str] = mapped_column(String(16), index=True)
    digest: Mapped[bytes] = mapped_column(LargeBinary)


class SketchRow(Base):
    """The sketch of a sealed video's original (`provenance.watermark.sketch`)."""

    __tablename__ = "sketches"

    video_id: Mapped[str] = mapped_column(String(16), primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class HeadRow(Base):
    """The one row that says how far the log goes; writing it first makes writers wait for each other."""

    __tablename__ = "log_head"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    size: Mapped[int] = mapped_column(BigInteger)
    peaks: Mapped[bytes] = mapped_column(LargeBinary)
