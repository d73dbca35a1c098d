"""The audit log: who did what to which thing, when. Prompts and contents are not in it."""

from __future__ import annotations

from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine, insert, select

from countermark.service.principal import Principal
from countermark.service.tables import AuditRow


class AuditEntry(BaseModel):
    """One line of the log."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    at: datetime
    tenant: str
    key_id: str | None
    action: str
    subject: str
    request_id: str | None


class AuditLog:
    """A log that is only ever added to."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def note(self, principal: Principal, action: str, subject: str) -> None:
        """Add a line."""
        entry = AuditEntry(
            at=datetime.now(UTC),
            tenant=principal.tenant,
            key_id=principal.key_id,
            action=action,
            subject=subject[:200],
            request_id=principal.request_id,
        )
        with self._engine.begin() as connection:
            connection.execute(insert(AuditRow).values(**entry.model_dump()))

    def last(self, count: int, *, tenant: str | None = None) -> list[AuditEntry]:
        """The newest lines, the newest last."""
        query = select(AuditRow.__table__).order_by(AuditRow.id.desc()).limit(count)
        if tenant is not None:
            query = query.where(AuditRow.tenant == tenant)
        with self._engine.connect() as connection:
            return [AuditEntry.model_validate(row) for row in connection.execute(query)][::-1]
