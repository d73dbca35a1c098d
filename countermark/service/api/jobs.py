"""``/v1/jobs``: what all jobs have in common, whatever their kind. Follow, cancel, try again."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fastapi import APIRouter
from fastapi.concurrency import run_in_threadpool
from sse_starlette import EventSourceResponse, ServerSentEvent

from countermark.service.access import Anyone
from countermark.service.api.documents import faults
from countermark.service.faults import ApiError, not_found
from countermark.service.jobs import GENERATED, Job, Kind
from countermark.service.keys import Scope
from countermark.service.models import AnyJob, view
from countermark.service.plans import needs_upload
from countermark.service.principal import Principal
from countermark.service.state import Here, Service

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

_SCOPES: dict[Kind, Scope] = {
    "video": "generate",
    "image": "generate",
    "verification": "verify",
    "screening": "screen",
    "seal": "protect",
}
_PING_SECONDS = 15


@router.get("/{job_id}", response_model=AnyJob, summary="Retrieve any job", responses=faults(404))
def retrieve(job_id: str, principal: Anyone, service: Here) -> AnyJob:
    """A job of any kind, as its own endpoint shows it."""
    return view(_find(service, principal, job_id))


@router.get(
    "/{job_id}/events",
    response_class=EventSourceResponse,
    summary="Follow a job",
    responses=faults(404)
    | {
        200: {
            "description": "Server-sent events `job`, each with the job as JSON.",
            "content": {"text/event-stream": {}},
        }
    },
)
async def events(job_id: str, principal: Anyone, service: Here) -> EventSourceResponse:
    """The job now and after every change, as server-sent events, until it is finished."""
    job = await run_in_threadpool(_find, service, principal, job_id)

    async def stream() -> AsyncIterator[ServerSentEvent]:
        async for change in service.watcher.changes(job):
            yield ServerSentEvent(view(change).model_dump_json(), event="job")

    return EventSourceResponse(stream(), ping=_PING_SECONDS)


@router.post("/{job_id}/cancel", response_model=AnyJob, summary="Cancel a job", responses=faults(404, 409))
def cancel(job_id: str, principal: Anyone, service: Here) -> AnyJob:
    """End a job that is queued or running; it then counts as `failed`, with the code `cancelled`."""
    job = _find(service, principal, job_id)
    if not service.cancel(job):
        raise ApiError(409, "job_finished", "The job is finished already.", headers={"x-should-retry": "false"})
    service.audit.note(principal, f"{job.kind}.cancel", job.id)
    return view(_find(service, principal, job_id))


@router.post("/{job_id}/retry", response_model=AnyJob, summary="Try a job again", responses=faults(404, 409, 429))
def retry(job_id: str, principal: Anyone, service: Here) -> AnyJob:
    """Queue a failed or cancelled job once more, while what it works on is still kept."""
    job = _find(service, principal, job_id)
    uploaded = needs_upload(job.request) if job.kind in GENERATED else not job.request.keys() & {"video", "source"}
    if uploaded and not service.files.has_upload(job.id):
        message = "The upload was removed when the job ended; send it again."
        raise ApiError(409, "upload_gone", message, headers={"x-should-retry": "false"})
    if not service.retry(job):
        message = "Only a failed or cancelled job can be tried again."
        raise ApiError(409, "job_not_failed", message, headers={"x-should-retry": "false"})
    service.audit.note(principal, f"{job.kind}.retry", job.id)
    return view(_find(service, principal, job_id))


def _find(service: Service, principal: Principal, job_id: str) -> Job:
    job = service.jobs.get(job_id, tenant=principal.tenant)
    if job is None:
        raise not_found("job", job_id)
    if _SCOPES[job.kind] not in principal.scopes:
        raise ApiError(403, "insufficient_scope", f"This API key may not '{_SCOPES[job.kind]}'.")
    return job
