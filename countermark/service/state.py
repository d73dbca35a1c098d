"""What the server holds while it runs, and the one way in which jobs come into being."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict
from sqlalchemy import Engine, delete, insert, select
from sqlalchemy.engine import Connection

from countermark.core.errors import CountermarkError
from countermark.core.settings import Settings
from countermark.service.audit import AuditLog
from countermark.service.catalogue import Catalogue
from countermark.service.crew import Crew
from countermark.service.faults import ApiError, not_found
from countermark.service.files import FileStore
from countermark.service.jobs import GENERATED, DuplicateJobError, Job, JobStore, Kind, new_id
from countermark.service.keys import KeyStore
from countermark.service.options import ServiceSettings
from countermark.service.principal import Principal
from countermark.service.queue import JobQueue
from countermark.service.quotas import Quota, QuotaStore
from countermark.service.tables import BatchRow, JobRow, lock_tenant
from countermark.service.tallies import Tallies
from countermark.service.watch import Watcher
from countermark.service.webhooks import WebhookStore
from policy import load_policy

log = logging.getLogger("countermark.service")

_LOOK_AT_ONCE = 2


class Batch(BaseModel):
    """What many jobs were made from."""

    model_config = ConfigDict(frozen=True, from_attributes=True)

    id: str
    tenant: str
    kind: Kind
    source: str
    created_at: datetime


@dataclass(frozen=True)
class Service:
    """Everything that requests need."""

    settings: Settings
    options: ServiceSettings
    catalogue: Catalogue
    engine: Engine
    files: FileStore
    jobs: JobStore
    keys: KeyStore
    queue: JobQueue
    quotas: QuotaStore
    tallies: Tallies
    webhooks: WebhookStore
    audit: AuditLog
    crew: Crew
    watcher: Watcher
    looking: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_LOOK_AT_ONCE))
    """Held by requests while this process itself examines their pictures, which takes processor and memory."""

    def policy_state(self) -> str:
        """ "ok", or why no prompt can be judged now."""
        try:
            load_policy(self.settings.policy_file)
        except CountermarkError as error:
            return error.code
        return "ok"

    def submit(
        self,
        principal: Principal,
        kind: Kind,
        request: dict[str, Any],
        *,
        incoming: Path | None = None,
        parent: str | None = None,
        fingerprint: str | None = None,
    ) -> Job:
        """Record and enqueue a job, both or neither. ``incoming`` is the folder of its upload, which becomes the job's.

        A job with the same idempotency key is returned as it is. Raises `ApiError` (422 for a key used for something
        else, 429 where the tenant has too much under way) and leaves nothing behind then.
        """
        # Hashed, because it is stored for comparison only and says what its owner put into it.
        key = hashlib.sha256(principal.idempotency_key.encode()).hexdigest() if principal.idempotency_key else None
        if key is not None and (earlier := self.jobs.by_key(principal.tenant, key)):
            return _replayed(earlier, kind, fingerprint)
        self.check_limits(principal.tenant, kind)  # before an upload goes into the store
        job = _new_job(principal, kind, request, parent=parent, fingerprint=fingerprint)
        try:
            if incoming is not None:
                self.files.adopt(incoming, job.id)
            with self._adding(principal.tenant, kind) as connection:
                self.jobs.add(connection, job, idempotency_key=key)
                self.queue.submit(connection, job)
        except DuplicateJobError:  # the same request came twice at once
            self.files.forget(job.id)
            earlier = self.jobs.by_key(principal.tenant, key or "")
            if earlier is None:
                raise
            return _replayed(earlier, kind, fingerprint)
        except BaseException:
            self.files.forget(job.id)
            raise
        self.audit.note(principal, f"{kind}.create", job.id)
        return job

    def submit_batch(self, principal: Principal, kind: Kind, source: str, requests: list[dict[str, Any]]) -> Batch:
        """Record a batch with a job for each request and enqueue them, all or nothing. Raises `ApiError` (429)."""
        batch = Batch(
            id=new_id("batch"), tenant=principal.tenant, kind=kind, source=source, created_at=datetime.now(UTC)
        )
        with self._adding(principal.tenant, kind) as connection:
            connection.execute(insert(BatchRow).values(**batch.model_dump()))
            for request in requests:
                job = _new_job(principal, kind, request, parent=batch.id)
                self.jobs.add(connection, job)
                self.queue.submit(connection, job)
        self.audit.note(principal, "batch.create", batch.id)
        return batch

    def cancel(self, job: Job) -> bool:
        """End a job that is queued or running and tell of it as of any end; False when it has ended already."""
        if not self.jobs.cancel(job.id, retention=self.options.retention):
            return False
        self._note_cancelled(job)
        if cancelled := self.jobs.get(job.id):
            self.webhooks.announce(cancelled, self.queue)
        return True

    def delete(self, job: Job) -> None:
        """Delete a job with its files. One that had not ended counts as cancelled; webhooks would find nothing."""
        if self.jobs.delete(job.id):
            self._note_cancelled(job)
        self.files.forget(job.id)

    def _note_cancelled(self, job: Job) -> None:
        self.tallies.cancelled(job)
        log.info("cancelled", extra={"job": job.id, "kind": job.kind, "tenant": job.tenant})

    def completed(self, principal: Principal, video: str, *, param: str) -> Job:
        """A finished video of the tenant that asks, made or sealed here. Raises `ApiError`: 404, or 400 too early."""
        job = self.jobs.get(video, tenant=principal.tenant)
        if job is None or job.kind not in ("video", "seal"):
            raise not_found("video", video)
        if job.status != "completed":
            raise ApiError(400, "video_not_ready", "The video is not completed.", param=param)
        return job

    def batch(self, tenant: str, batch_id: str) -> Batch | None:
        """A tenant's batch."""
        query = select(BatchRow.__table__).where(BatchRow.id == batch_id, BatchRow.tenant == tenant)
        with self.engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Batch.model_validate(row)

    def expire_batches(self) -> None:
        """Forget batches whose time is over, and with it that of all their jobs."""
        orphaned = ~select(JobRow.id).where(JobRow.parent == BatchRow.id).exists()
        with self.engine.begin() as connection:
            old = BatchRow.created_at < datetime.now(UTC) - self.options.retention
            connection.execute(delete(BatchRow).where(old, orphaned))

    def retry(self, job: Job) -> bool:
        """Put a failed or cancelled job back to the start; False when it is neither. Raises `ApiError` (429)."""
        with self._adding(job.tenant) as connection:
            reopened = self.jobs.reopen(connection, job.id)
            if reopened:
                self.queue.submit(connection, job, again=True)
        return reopened

    @contextmanager
    def _adding(self, tenant: str, *kinds: Kind) -> Iterator[Connection]:
        """A transaction that adds to what a tenant has under way, and to what it has created of these kinds.

        Raises `ApiError` (429) at the end, and undoes it all, when that is too much, also together with what is added
        at the same time.
        """
        quota = self.quotas.get(tenant, self.options)
        with self.engine.begin() as connection:
            lock_tenant(connection, tenant)
            yield connection
            self._check(connection, tenant, quota, kinds, more=0)

    def check_limits(self, tenant: str, *kinds: Kind) -> int:
        """How many more jobs a tenant may have under way.

        Raises `ApiError` (429) when there is none, or when none of these kinds may be created.
        """
        quota = self.quotas.get(tenant, self.options)
        with self.engine.connect() as connection:
            return self._check(connection, tenant, quota, kinds, more=1)

    def _check(self, connection: Connection, tenant: str, quota: Quota, kinds: Sequence[Kind], *, more: int) -> int:
        left = quota.queue_limit - self.jobs.count_active(connection, tenant)
        if left < more:
            message = f"{quota.queue_limit} jobs of yours are unfinished, which is the limit. Try again later."
            raise ApiError(429, "queue_full", message, headers={"Retry-After": "10"})
        if quota.daily_generations is not None and any(kind in GENERATED for kind in kinds):
            since = datetime.now(UTC) - timedelta(days=1)
            if self.jobs.count_created(connection, tenant, GENERATED, since=since) + more > quota.daily_generations:
                message = f"The quota of {quota.daily_generations} generations in 24 hours is used up."
                raise ApiError(429, "quota_exceeded", message, headers={"Retry-After": "3600"})
        return left


def _new_job(
    principal: Principal,
    kind: Kind,
    request: dict[str, Any],
    *,
    parent: str | None = None,
    fingerprint: str | None = None,
) -> Job:
    return Job(
        id=new_id(kind),
        tenant=principal.tenant,
        kind=kind,
        status="queued",
        progress=0,
        step="",
        preview=None,
        attempts=0,
        token=None,
        request=request,
        result=None,
        error=None,
        parent=parent,
        fingerprint=fingerprint,
        priority=request.get("priority", 100),
        created_at=datetime.now(UTC),
        started_at=None,
        completed_at=None,
        expires_at=None,
    )


def _replayed(earlier: Job, kind: Kind, fingerprint: str | None) -> Job:
    if earlier.kind != kind or earlier.fingerprint != fingerprint:
        message = "This Idempotency-Key was used for another request."
        raise ApiError(422, "idempotency_key_reused", message, param="Idempotency-Key")
    return earlier


def service_of(request: Request) -> Service:
    """The service that a request reached."""
    service: Service = request.app.state.service
    return service


Here = Annotated[Service, Depends(service_of)]
"""A route's parameter: the service that its request reached."""
