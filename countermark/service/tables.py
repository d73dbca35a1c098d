"""The service's tables, in the same database as the registry and the durable queue."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Connection,
    DateTime,
    Engine,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    func,
    select,
)
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from countermark.core import database
from countermark.core.settings import Settings
from provenance.registry import open_registry

SCHEMA = database.Schema(
    "service's database", Path(__file__).parent / "migrations", "0003", "service_alembic_version", marker="service_jobs"
)


class UtcTime(TypeDecorator[datetime]):
    """A time in UTC; SQLite forgets the zone, which is put back."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_result_value(self, value: datetime | None, _dialect: object) -> datetime | None:
        """Give a naive value the zone it was stored with."""
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class Base(DeclarativeBase):
    """Declarative base of the service's tables."""


class JobRow(Base):
    """One piece of work for one tenant. Times are UTC; ``progress`` is a percentage, ``preview`` a data URI."""

    __tablename__ = "service_jobs"

    id: Mapped[str] = mapped_column(String(60), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(20))
    progress: Mapped[int] = mapped_column(Integer, default=0)
    step: Mapped[str] = mapped_column(String(200), default="")
    preview: Mapped[str | None] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    token: Mapped[str | None] = mapped_column(String(16))
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    error: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    parent: Mapped[str | None] = mapped_column(String(60))
    idempotency_key: Mapped[str | None] = mapped_column(String(64))
    fingerprint: Mapped[str | None] = mapped_column(String(64))
    priority: Mapped[int] = mapped_column(Integer, default=100)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcTime)
    completed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)

    __table_args__ = (
        UniqueConstraint("tenant", "idempotency_key"),
        Index("service_jobs_listing", "tenant", "kind", "created_at", "id"),
        Index("service_jobs_status", "status", "kind"),
        Index("service_jobs_expiry", "expires_at"),
        Index("service_jobs_parent", "parent"),
    )


class BatchRow(Base):
    """What many jobs were made from; they name it as their parent."""

    __tablename__ = "service_batches"

    id: Mapped[str] = mapped_column(String(60), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(20))
    source: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class KeyRow(Base):
    """An API key; only the SHA-256 of its secret is kept."""

    __tablename__ = "service_keys"

    id: Mapped[str] = mapped_column(String(20), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64), index=True)
    name: Mapped[str] = mapped_column(String(100))
    sha256: Mapped[str] = mapped_column(String(64), unique=True)
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcTime)


class QuotaRow(Base):
    """A tenant's own limits, where they differ from the service's."""

    __tablename__ = "service_quotas"

    tenant: Mapped[str] = mapped_column(String(64), primary_key=True)
    queue_limit: Mapped[int | None] = mapped_column(Integer)
    daily_generations: Mapped[int | None] = mapped_column(Integer)


class AuditRow(Base):
    """Who did what, when; never the content."""

    __tablename__ = "service_audit"

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True)
    at: Mapped[datetime] = mapped_column(UtcTime, index=True)
    tenant: Mapped[str] = mapped_column(String(64))
    key_id: Mapped[str | None] = mapped_column(String(20))
    action: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str] = mapped_column(String(200))
    request_id: Mapped[str | None] = mapped_column(String(64))


class TallyRow(Base):
    """A counter that only grows, summed over all machines and kept when jobs are deleted."""

    __tablename__ = "service_tallies"

    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    labels: Mapped[str] = mapped_column(String(200), primary_key=True)
    value: Mapped[float] = mapped_column(default=0.0)


class WorkerRow(Base):
    """A worker process that lives, or did when it last said so."""

    __tablename__ = "service_workers"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    host: Mapped[str] = mapped_column(String(300))
    pid: Mapped[int] = mapped_column(Integer)
    beat_at: Mapped[datetime] = mapped_column(UtcTime)


class WebhookRow(Base):
    """An address that is told when a tenant's jobs end."""

    __tablename__ = "service_webhooks"

    id: Mapped[str] = mapped_column(String(60), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(64), index=True)
    url: Mapped[str] = mapped_column(Text)
    secret: Mapped[str] = mapped_column(String(100))
    events: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[datetime] = mapped_column(UtcTime)


class DeliveryRow(Base):
    """One message to one webhook, and what became of it: ``status`` is pending, delivered or failed."""

    __tablename__ = "service_deliveries"

    id: Mapped[str] = mapped_column(String(60), primary_key=True)
    webhook: Mapped[str] = mapped_column(ForeignKey(WebhookRow.id, ondelete="CASCADE"), index=True)
    event: Mapped[str] = mapped_column(String(60))
    subject: Mapped[str] = mapped_column(String(60))
    status: Mapped[str] = mapped_column(String(20))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    detail: Mapped[str] = mapped_column(String(300), default="")
    created_at: Mapped[datetime] = mapped_column(UtcTime)


@contextmanager
def open_database(settings: Settings) -> Iterator[Engine]:
    """An engine on the service's database, its tables and the registry's at their schema.

    Raises `ConfigurationError` for a malformed URL and `RegistryError` when the database cannot be reached.
    """
    with open_registry(settings):
        pass
    with database.open_database(
        settings, SCHEMA, configure_sqlite=_configure_sqlite, pool_size=5, max_overflow=35, pool_pre_ping=True
    ) as engine:
        yield engine


def lock_tenant(connection: Connection, tenant: str) -> None:
    """Let a transaction that adds something wait for others of the same tenant, so that its count holds at the end."""
    if connection.dialect.name == "postgresql":  # on SQLite the first to write has the others wait
        connection.execute(select(func.pg_advisory_xact_lock(zlib.crc32(f"tenant {tenant}".encode()))))


def _configure_sqlite(connection: DBAPIConnection) -> None:
    connection.isolation_level = "IMMEDIATE"  # writers wait for each other instead of failing on upgrade
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()
