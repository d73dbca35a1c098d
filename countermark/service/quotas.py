"""What a tenant may have under way and create in a day: the service's defaults, or a tenant's own limits."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine, delete, insert, select

from countermark.service.options import ServiceSettings
from countermark.service.tables import QuotaRow


class Quota(BaseModel):
    """Limits of one tenant; None is no limit."""

    model_config = ConfigDict(frozen=True)

    queue_limit: int
    daily_generations: int | None


class QuotaStore:
    """The tenants' own limits."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, tenant: str, options: ServiceSettings) -> Quota:
        """The limits that hold for a tenant."""
        with self._engine.connect() as connection:
            row = connection.execute(select(QuotaRow.__table__).where(QuotaRow.tenant == tenant)).one_or_none()
        queue_limit = row.queue_limit if row else None
        daily = row.daily_generations if row else None
        return Quota(
            queue_limit=options.queue_limit if queue_limit is None else queue_limit,
            daily_generations=options.daily_generations if daily is None else daily,
        )

    def set(self, tenant: str, *, queue_limit: int | None, daily_generations: int | None) -> None:
        """Give a tenant its own limits; None is the service's default."""
        with self._engine.begin() as connection:
            connection.execute(delete(QuotaRow).where(QuotaRow.tenant == tenant))
            values = {"tenant": tenant, "queue_limit": queue_limit, "daily_generations": daily_generations}
            connection.execute(insert(QuotaRow).values(**values))
