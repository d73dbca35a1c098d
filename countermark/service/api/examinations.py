"""``/v1/verifications``, ``/v1/screenings`` and ``/v1/seals``: what happens to videos that others made."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from countermark.service.access import Protector, Screener, requires
from countermark.service.api.documents import binary, faults, upload
from countermark.service.faults import ApiError, invalid, not_found
from countermark.service.files import REPORT, VIDEO
from countermark.service.jobs import Job, Kind
from countermark.service.keys import Scope
from countermark.service.models import ExaminationJob, ScreeningJob, SealJob, VerificationJob
from countermark.service.pictures import frame_name
from countermark.service.principal import Principal
from countermark.service.state import Here, Service
from countermark.service.uploads import Body, read_body

router = APIRouter(prefix="/v1")

Wait = Annotated[
    float | None,
    Query(
        ge=0, le=600, description="Seconds to wait for the result. By default small uploads are waited for, large not."
    ),
]
_FAULTS = faults(404, 413, 415, 422, 429)
_ACCEPTED = "It is not finished yet: retrieve it later, follow `/v1/jobs/{id}/events`, or have a webhook called."


class Reference(BaseModel):
    """A video that this service made or sealed, by its id."""

    model_config = ConfigDict(extra="ignore")

    video: str = Field(max_length=100)


def _offer(kind: Kind, scope: Scope, view: type[ExaminationJob], *, summary: str, does: str) -> None:
    """The two routes that every kind of examination has: to ask for one, and to look how far it is."""
    allowed = Depends(requires(scope))
    name = f"{kind}s"

    async def ask(
        request: Request, response: Response, service: Here, wait: Wait = None, principal: Principal = allowed
    ) -> ExaminationJob:
        return view.of(await _examine(kind, request, response, principal, service, wait))

    def look(job_id: str, service: Here, principal: Principal = allowed) -> ExaminationJob:
        return view.of(_find(service, principal, job_id, kind))

    router.add_api_route(
        f"/{name}",
        ask,
        methods=["POST"],
        tags=[name],
        response_model=view,
        summary=summary,
        description=does,
        responses=_FAULTS | {202: {"model": view, "description": _ACCEPTED}},
        openapi_extra=upload(Reference),
    )
    router.add_api_route(
        f"/{name}/{{job_id}}",
        look,
        methods=["GET"],
        tags=[name],
        response_model=view,
        summary=f"Retrieve a {kind}",
        description=f"The state of a {kind}, with its result when it is completed.",
        responses=faults(404),
    )


_offer(
    "verification",
    "verify",
    VerificationJob,
    summary="Verify a video",
    does="Say where a video comes from: credentials, watermark and registry, each as a finding of its own.",
)
_offer(
    "screening",
    "screen",
    ScreeningJob,
    summary="Screen a video",
    does="Look for signs of generation or manipulation: all evidence, and a verdict that may be inconclusive.",
)
_offer(
    "seal",
    "protect",
    SealJob,
    summary="Seal a video",
    does="Make a sealed copy of a video that was made elsewhere; nothing is claimed about how.",
)


@router.get(
    "/screenings/{job_id}/frames/{index}",
    tags=["screenings"],
    response_class=FileResponse,
    summary="Fetch a frame",
    responses=faults(404) | binary("image/jpeg"),
)
def frame(job_id: str, index: int, principal: Screener, service: Here) -> FileResponse:
    """A frame that was looked at, as a JPEG."""
    job = _find(service, principal, job_id, "screening")
    return _file(service, job, frame_name(index) if 0 <= index < 100 else "", "image/jpeg", f"{job_id}-{index}.jpg")


@router.get(
    "/screenings/{job_id}/report",
    tags=["screenings"],
    response_class=FileResponse,
    summary="Download the report",
    responses=faults(404) | binary("text/html"),
)
def report(job_id: str, principal: Screener, service: Here) -> FileResponse:
    """One self-contained HTML page with the verdict and all evidence."""
    job = _find(service, principal, job_id, "screening")
    return _file(service, job, REPORT, "text/html", f"{job_id}.html")


@router.get(
    "/seals/{job_id}/content",
    tags=["seals"],
    response_class=FileResponse,
    summary="Download the sealed copy",
    responses=faults(404) | binary("video/mp4"),
)
def sealed_content(job_id: str, principal: Protector, service: Here) -> FileResponse:
    """The sealed copy. `Range` is understood."""
    job = _find(service, principal, job_id, "seal")
    return _file(service, job, VIDEO, "video/mp4", f"{job_id}.mp4")


async def _examine(
    kind: Kind, request: Request, response: Response, principal: Principal, service: Service, wait: float | None
) -> Job:
    options = service.options
    body = await read_body(request, service.files, limit=options.max_upload_bytes, file_fields={"file": 1})
    try:
        asked = await run_in_threadpool(_request, service, principal, body)
        job = await run_in_threadpool(
            service.submit, principal, kind, asked, incoming=body.incoming, fingerprint=body.digest
        )
    finally:  # an upload that became a job's has moved away
        if body.incoming is not None:
            service.files.discard(body.incoming)
    if wait is None:
        wait = options.wait_seconds if body.size_bytes <= options.wait_bytes else 0.0
    if wait and not job.finished:
        job = await service.watcher.finished(job, wait)
    if not job.finished:
        response.status_code = 202
    return job


def _request(service: Service, principal: Principal, body: Body) -> dict[str, Any]:
    if body.incoming is not None:
        return {"name": body.uploads["file"][0].name, "size_bytes": body.size_bytes}
    if "video" not in body.fields:
        raise ApiError(
            400, "missing_required_parameter", "Send a video as 'file', or name one as 'video'.", param="file"
        )
    try:
        video = Reference.model_validate(body.fields).video
    except ValidationError as error:
        raise invalid(error) from None
    return {"name": VIDEO, "video": service.completed(principal, video, param="video").id}


def _find(service: Service, principal: Principal, job_id: str, kind: Kind) -> Job:
    job = service.jobs.get(job_id, tenant=principal.tenant, kind=kind)
    if job is None:
        raise not_found(kind, job_id)
    return job


def _file(service: Service, job: Job, name: str, media_type: str, shown: str) -> FileResponse:
    path = service.files.find(job.id, name) if job.status == "completed" and name else None
    if path is None or not path.is_file():
        raise not_found("file of this job", shown)
    return FileResponse(path, media_type=media_type, filename=shown)
