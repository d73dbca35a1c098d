"""Jobs: what was asked, how far it is, what came out. The table is the truth; the durable queue only carries ids."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict
from sqlalchemy import ColumnElement, Engine, UnaryExpression, and_, delete, func, insert, or_, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from countermark.service.tables import JobRow

Kind = Literal["video", "image", "verification", "screening", "seal"]
GENERATED: tuple[Kind, ...] = ("video", "image")
Status = Literal["queued", "in_progress", "completed", "failed", "cancelled"]
ACTIVE: tuple[Status, ...] = ("queued", "in_progress")
_AT_ONCE = 500
"""Ids in one query; databases limit them."""


class Job(BaseModel):
    """One job. ``request`` and ``result`` depend on ``kind``; ``error`` has ``code`` and ``message``.

    ``token`` is that of the present try at it; what an earlier one still says of the job counts no more.
    """

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: str
    tenant: str
    kind: Kind
    status: Status
    progress: int
    step: str
    preview: str | None
    attempts: int
    token: str | None
    request: dict[str, Any]
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    parent: str | None
    fingerprint: str | None
    priority: int
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    expires_at: datetime | None

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.status not in ACTIVE


class DuplicateJobError(Exception):
    """A job with this idempotency key exists."""


def new_id(kind: str) -> str:
    """An identifier that nobody can guess."""
    return f"{kind}_{secrets.token_hex(16)}"


class JobStore:
    """The jobs of all tenants. Methods that take ``tenant`` see nothing of the others."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def add(self, connection: Connection, job: Job, *, idempotency_key: str | None = None) -> None:
        """Insert a job in the caller's transaction. Raises `DuplicateJobError` when the idempotency key is taken."""
        try:
            connection.execute(insert(JobRow).values(**job.model_dump(), idempotency_key=idempotency_key))
        except IntegrityError as error:
            raise DuplicateJobError from error

    def get(self, job_id: str, *, tenant: str | None = None, kind: Kind | None = None) -> Job | None:
        """One job, if it is this tenant's (None: anybody's) and of this kind."""
        conditions: list[ColumnElement[bool]] = [JobRow.id == job_id]
        if tenant is not None:
            conditions.append(JobRow.tenant == tenant)
        if kind is not None:
            conditions.append(JobRow.kind == kind)
        return next(iter(self._select(*conditions)), None)

    def by_key(self, tenant: str, idempotency_key: str) -> Job | None:
        """The job that was created with this idempotency key."""
        found = self._select(JobRow.tenant == tenant, JobRow.idempotency_key == idempotency_key)
        return next(iter(found), None)

    def many(self, ids: Iterable[str]) -> list[Job]:
        """Several jobs, whoever's."""
        return self._select(JobRow.id.in_(list(ids)))

    def statuses(self, ids: Collection[str]) -> dict[str, Status]:
        """The states of however many jobs, whoever's; one that is gone has none."""
        wanted = list(ids)
        found: dict[str, Status] = {}
        with self._engine.connect() as connection:
            for start in range(0, len(wanted), _AT_ONCE):
                query = select(JobRow.id, JobRow.status).where(JobRow.id.in_(wanted[start : start + _AT_ONCE]))
                found.update((row.id, row.status) for row in connection.execute(query))
        return found

    def page(
        self, tenant: str, kind: Kind, *, after: str | None, limit: int, ascending: bool, parent: str | None = None
    ) -> tuple[list[Job], bool] | None:
        """A page of a tenant's jobs by time of creation, and whether more follow; None when ``after`` is unknown."""
        conditions: list[ColumnElement[bool]] = [JobRow.tenant == tenant, JobRow.kind == kind]
        if parent is not None:
            conditions.append(JobRow.parent == parent)
        if after is not None:
            last = self.get(after, tenant=tenant, kind=kind)
            if last is None:
                return None
            at, same = JobRow.created_at, JobRow.created_at == last.created_at
            if ascending:
                conditions.append(or_(at > last.created_at, and_(same, JobRow.id > after)))
            else:
                conditions.append(or_(at < last.created_at, and_(same, JobRow.id < after)))
        at, by_id = (JobRow.created_at, JobRow.id)
        order = (at.asc(), by_id.asc()) if ascending else (at.desc(), by_id.desc())
        jobs = self._select(*conditions, order=order, limit=limit + 1)
        return jobs[:limit], len(jobs) > limit

    def count_active(self, connection: Connection, tenant: str) -> int:
        """How many of a tenant's jobs are not finished, as the caller's transaction sees it."""
        return _count(connection, JobRow.tenant == tenant, JobRow.status.in_(ACTIVE))

    def count_created(self, connection: Connection, tenant: str, kinds: Sequence[Kind], *, since: datetime) -> int:
        """How many jobs of these kinds a tenant has created, as the caller's transaction sees it."""
        return _count(connection, JobRow.tenant == tenant, JobRow.kind.in_(kinds), JobRow.created_at >= since)

    def depths(self) -> dict[tuple[str, str], int]:
        """Unfinished jobs by kind and status."""
        query = (
            select(JobRow.kind, JobRow.status, func.count())
            .where(JobRow.status.in_(ACTIVE))
            .group_by(JobRow.kind, JobRow.status)
        )
        with self._engine.connect() as connection:
            return {(kind, status): count for kind, status, count in connection.execute(query)}

    def counts_of(self, parent: str) -> dict[str, int]:
        """How many jobs of a batch are in which state."""
        query = select(JobRow.status, func.count().label("n")).where(JobRow.parent == parent).group_by(JobRow.status)
        with self._engine.connect() as connection:
            return {row.status: row.n for row in connection.execute(query)}

    def begin(self, job_id: str) -> Job | None:
        """Note that a worker starts on a job; None when it is gone or finished (cancelled, say)."""
        query = (
            update(JobRow)
            .where(JobRow.id == job_id, JobRow.status.in_(ACTIVE))
            .values(
                status="in_progress",
                attempts=JobRow.attempts + 1,
                token=secrets.token_hex(8),
                started_at=func.coalesce(JobRow.started_at, datetime.now(UTC)),
            )
            .returning(JobRow.__table__)
        )
        with self._engine.begin() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Job.model_validate(row)

    def excuse(self, ids: Iterable[str]) -> None:
        """Do not count the attempts that just ended against these jobs."""
        self._update((JobRow.id.in_(list(ids)), JobRow.attempts > 0), attempts=JobRow.attempts - 1)

    def report(
        self, job: Job, *, progress: int | None = None, step: str | None = None, preview: str | None = None
    ) -> bool:
        """Note how far a try at a job is; False when it was cancelled, deleted or begun anew: the work should end."""
        values: dict[str, Any] = {}
        if progress is not None:
            values["progress"] = progress
        if step is not None:
            values["step"] = step[:200]
        if preview is not None:
            values["preview"] = preview
        return self._update((_this_try(job), JobRow.status == "in_progress"), **values)

    def finish(
        self, job: Job, *, retention: timedelta, result: dict[str, Any] | None, error: dict[str, Any] | None
    ) -> bool:
        """Note how a try ended a job; False when the job had ended, was deleted or begun anew already."""
        now = datetime.now(UTC)
        status = "failed" if error else "completed"
        values: dict[str, Any] = {"status": status, "result": result, "error": error, "preview": None}
        if not error:
            values["progress"] = 100
        return self._update(
            (_this_try(job), JobRow.status.in_(ACTIVE)),
            **values,
            completed_at=now,
            expires_at=now + retention,
        )

    def cancel(self, job_id: str, *, retention: timedelta) -> bool:
        """End a job that is queued or running; False when it has ended already."""
        now = datetime.now(UTC)
        return self._update(
            (JobRow.id == job_id, JobRow.status.in_(ACTIVE)),
            status="cancelled",
            preview=None,
            error={"code": "cancelled", "message": "The job was cancelled."},
            completed_at=now,
            expires_at=now + retention,
        )

    def reopen(self, connection: Connection, job_id: str) -> bool:
        """Put a failed or cancelled job back to the start, in the caller's transaction."""
        query = (
            update(JobRow)
            .where(JobRow.id == job_id, JobRow.status.in_(("failed", "cancelled")))
            .values(
                status="queued",
                progress=0,
                step="",
                attempts=0,
                token=None,
                error=None,
                started_at=None,
                completed_at=None,
                expires_at=None,
            )
        )
        return connection.execute(query).rowcount > 0

    def delete(self, job_id: str) -> bool:
        """Forget a job; True when it had not ended."""
        with self._engine.begin() as connection:
            return connection.scalar(delete(JobRow).where(JobRow.id == job_id).returning(JobRow.status)) in ACTIVE

    def expired(self, now: datetime, *, limit: int = 200) -> list[str]:
        """Jobs whose time is over."""
        with self._engine.connect() as connection:
            return list(connection.scalars(select(JobRow.id).where(JobRow.expires_at < now).limit(limit)))

    def _select(
        self, *conditions: ColumnElement[bool], order: tuple[UnaryExpression[Any], ...] = (), limit: int | None = None
    ) -> list[Job]:
        query = select(JobRow.__table__).where(*conditions).order_by(*order).limit(limit)
        with self._engine.connect() as connection:
            return [Job.model_validate(row) for row in connection.execute(query)]

    def _update(self, conditions: Sequence[ColumnElement[bool]], **values: Any) -> bool:  # noqa: ANN401
        with self._engine.begin() as connection:
            return connection.execute(update(JobRow).where(*conditions).values(**values)).rowcount > 0


def _count(connection: Connection, *conditions: ColumnElement[bool]) -> int:
    return connection.scalar(select(func.count()).select_from(JobRow).where(*conditions)) or 0


def _this_try(job: Job) -> ColumnElement[bool]:
    return and_(JobRow.id == job.id, JobRow.token == job.token)
