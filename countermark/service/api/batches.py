"""``/v1/batches``: many videos of an object store or folder, verified or screened one by one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from countermark.core.routes import SmallBody
from countermark.service.access import Anyone, refuse_idempotency_key
from countermark.service.api.documents import faults
from countermark.service.faults import ApiError, not_found
from countermark.service.jobs import Kind, Status
from countermark.service.keys import Scope
from countermark.service.models import AnyJob, view
from countermark.service.principal import Principal
from countermark.service.sources import listing
from countermark.service.state import Batch, Here, Service

router = APIRouter(prefix="/v1/batches", tags=["batches"], route_class=SmallBody)

_SCOPES: dict[Kind, Scope] = {"verification": "verify", "screening": "screen"}


class CreateBatch(BaseModel):
    """Where the videos are, and what to do with each."""

    source: str = Field(
        max_length=2000,
        description="A folder's address that the operator has opened to the tenant.",
        examples=["s3://uploads/2026-11/"],
    )
    kind: Literal["screening", "verification"] = "screening"


class BatchView(BaseModel):
    """A batch, and how many of its jobs are in which state."""

    id: str
    object: Literal["batch"] = "batch"
    kind: Kind
    source: str
    created_at: int
    total: int
    counts: dict[Status, int]


class BatchJobs(BaseModel):
    """A page of a batch's jobs."""

    object: Literal["list"] = "list"
    data: list[AnyJob]
    last_id: str | None
    has_more: bool


@router.post("", response_model=BatchView, summary="Create a batch", responses=faults(413, 429))
def create(asked: CreateBatch, principal: Anyone, service: Here) -> BatchView:
    """List an object store or folder and queue a job for each video in it."""
    refuse_idempotency_key(principal)
    _check_scope(principal, asked.kind)
    allowed = service.options.sources.get(principal.tenant, [])
    files = listing(asked.source, allowed, limit=service.check_limits(principal.tenant))
    requests = [{"name": f.name, "size_bytes": f.size_bytes, "source": f.url} for f in files]
    return _view(service, service.submit_batch(principal, asked.kind, asked.source, requests))


@router.get("/{batch_id}", response_model=BatchView, summary="Retrieve a batch", responses=faults(404))
def retrieve(batch_id: str, principal: Anyone, service: Here) -> BatchView:
    """How far a batch is."""
    return _view(service, _find(service, principal, batch_id))


@router.get("/{batch_id}/jobs", response_model=BatchJobs, summary="List a batch's jobs", responses=faults(404))
def jobs(
    batch_id: str,
    principal: Anyone,
    service: Here,
    after: Annotated[str | None, Query(max_length=100, description="Id of the last job of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
) -> BatchJobs:
    """The jobs of a batch with their results, in the order of its listing."""
    batch = _find(service, principal, batch_id)
    found = service.jobs.page(principal.tenant, batch.kind, after=after, limit=limit, ascending=True, parent=batch.id)
    if found is None:
        raise not_found("job", after or "")
    data = [view(job) for job in found[0]]
    return BatchJobs(data=data, last_id=data[-1].id if data else None, has_more=found[1])


def _find(service: Service, principal: Principal, batch_id: str) -> Batch:
    batch = service.batch(principal.tenant, batch_id)
    if batch is None:
        raise not_found("batch", batch_id)
    _check_scope(principal, batch.kind)
    return batch


def _check_scope(principal: Principal, kind: Kind) -> None:
    if _SCOPES[kind] not in principal.scopes:
        raise ApiError(403, "insufficient_scope", f"This API key may not '{_SCOPES[kind]}'.")


def _view(service: Service, batch: Batch) -> BatchView:
    counts: dict[Any, int] = service.jobs.counts_of(batch.id)
    return BatchView(
        id=batch.id,
        kind=batch.kind,
        source=batch.source,
        created_at=int(batch.created_at.timestamp()),
        total=sum(counts.values()),
        counts=counts,
    )
