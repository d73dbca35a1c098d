"""``/v1/videos``: the OpenAI Videos API."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NoReturn, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from pydantic import BaseModel, ValidationError

from countermark.service.access import Generator, Principal
from countermark.service.api.documents import binary, faults, json_or_form
from countermark.service.catalogue import CreateVideo, RemixVideo, planned
from countermark.service.faults import ApiError, invalid, not_found
from countermark.service.files import SPRITESHEET, THUMBNAIL, VIDEO
from countermark.service.jobs import Job
from countermark.service.models import DeletedVideo, VideoJob, VideoPage
from countermark.service.state import Service, service_of
from countermark.service.tallies import REFUSALS
from countermark.service.uploads import Body, read_body
from policy import check, load_policy

router = APIRouter(prefix="/v1/videos", tags=["videos"])

Here = Annotated[Service, Depends(service_of)]
Variant = Literal["video", "thumbnail", "spritesheet"]
_FILES: dict[Variant, tuple[str, str]] = {
    "video": (VIDEO, "video/mp4"),
    "thumbnail": (THUMBNAIL, "image/webp"),
    "spritesheet": (SPRITESHEET, "image/jpeg"),
}
Asked = TypeVar("Asked", bound=BaseModel)
_EXAMPLE = {"prompt": "a red balloon rising over the sea", "model": "countermark-dit"}
_POLL_HINT = {"openai-poll-after-ms": "1000"}
_MAX_REFERENCE = 50 * 1024**2


class _EditVideo(RemixVideo):
    """An edit or extension; see `_not_yet`."""

    video: Any = None
    seconds: Any = None


def _not_yet(param: str, what: str) -> NoReturn:
    """The one place that turns down what the generator cannot do yet: reference images, edits and extensions."""
    raise ApiError(400, "unsupported_parameter", f"{what} is not supported yet by this server's models.", param=param)


@router.post(
    "",
    response_model=VideoJob,
    summary="Create a video",
    responses=faults(404, 413, 415, 422, 429),
    openapi_extra=json_or_form(CreateVideo, file="input_reference", example=_EXAMPLE),
)
async def create(request: Request, response: Response, principal: Generator, service: Here) -> VideoJob:
    """Queue a video. A prompt that the policy refuses is answered with 400, `moderation_blocked` and the reason."""
    body = await read_body(request, service.files, limit=_MAX_REFERENCE, file_field=None)
    if body.unwanted is not None or "input_reference" in body.fields:
        _not_yet("input_reference", "A reference image")
    asked = _parse(CreateVideo, body)
    job = await run_in_threadpool(_submit, service, principal, planned(asked), body.digest)
    response.headers.update(_POLL_HINT)
    return VideoJob.of(job)


@router.get("", response_model=VideoPage, summary="List videos", responses=faults(404))
def page(
    principal: Generator,
    service: Here,
    after: Annotated[str | None, Query(max_length=100, description="Id of the last video of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 20,
    order: Annotated[Literal["asc", "desc"], Query(description="By time of creation.")] = "desc",
) -> VideoPage:
    """Your videos, a page at a time."""
    found = service.jobs.page(principal.tenant, "video", after=after, limit=limit, ascending=order == "asc")
    if found is None:
        raise not_found("video", after or "")
    videos = [VideoJob.of(job) for job in found[0]]
    first, last = (videos[0].id, videos[-1].id) if videos else (None, None)
    return VideoPage(data=videos, first_id=first, last_id=last, has_more=found[1])


@router.post(
    "/edits",
    response_model=VideoJob,
    summary="Edit a video (not supported yet)",
    responses=faults(413, 415),
    openapi_extra=json_or_form(_EditVideo, file="video", example=_EXAMPLE | {"video": {"id": "video_0123"}}),
)
@router.post(
    "/extensions",
    response_model=VideoJob,
    summary="Extend a video (not supported yet)",
    responses=faults(413, 415),
    openapi_extra=json_or_form(
        _EditVideo, file="video", example=_EXAMPLE | {"video": {"id": "video_0123"}, "seconds": "4"}
    ),
)
@router.post(
    "/characters",
    response_model=VideoJob,
    summary="Create a character (not supported yet)",
    responses=faults(413, 415),
    openapi_extra=json_or_form(_EditVideo, file="video", example={"name": "Mossy"}),
)
async def edit(request: Request, principal: Generator, service: Here) -> VideoJob:  # noqa: ARG001
    """Answered with 400 until the generator can take a video as a condition."""
    await read_body(request, service.files, limit=service.options.max_upload_bytes, file_field=None)
    _not_yet("video", f"/v1/videos/{request.url.path.rsplit('/', 1)[-1]}")


@router.get("/{video_id}", response_model=VideoJob, summary="Retrieve a video", responses=faults(404))
def retrieve(video_id: str, response: Response, principal: Generator, service: Here) -> VideoJob:
    """The state of a video: `queued`, `in_progress`, `completed` or `failed`."""
    response.headers.update(_POLL_HINT)
    return VideoJob.of(_find(service, principal, video_id))


@router.delete("/{video_id}", response_model=DeletedVideo, summary="Delete a video", responses=faults(404))
def delete(video_id: str, principal: Generator, service: Here) -> DeletedVideo:
    """Delete a video and its files; one that is being made is cancelled. The registry keeps its entry."""
    job = _find(service, principal, video_id)
    service.jobs.delete(job.id)
    service.files.discard(service.files.folder(job.id))
    service.audit.note(principal, "video.delete", job.id)
    return DeletedVideo(id=job.id)


@router.get(
    "/{video_id}/content",
    response_class=FileResponse,
    summary="Download a video",
    responses=faults(404) | binary("video/mp4", "image/webp", "image/jpeg"),
)
def content(video_id: str, principal: Generator, service: Here, variant: Variant = "video") -> FileResponse:
    """The sealed MP4, a WebP thumbnail, or a JPEG sheet of frames. `Range` is understood."""
    job = _find(service, principal, video_id)
    if job.status != "completed":
        raise ApiError(400, "video_not_ready", f"The video is not ready; its status is '{VideoJob.of(job).status}'.")
    name, media_type = _FILES[variant]
    path = service.files.folder(job.id) / name
    if not path.is_file():
        raise not_found("file of this video", variant)
    return FileResponse(path, media_type=media_type, filename=f"{job.id}{path.suffix}")


@router.post(
    "/{video_id}/remix",
    response_model=VideoJob,
    summary="Remix a video",
    responses=faults(404, 413, 415, 422, 429),
    openapi_extra=json_or_form(RemixVideo, example={"prompt": "a green balloon rising over the sea"}),
)
async def remix(video_id: str, request: Request, response: Response, principal: Generator, service: Here) -> VideoJob:
    """Make a variation of a completed video: the same seed and settings with another prompt."""
    body = await read_body(request, service.files, limit=_MAX_REFERENCE, file_field=None)
    asked = _parse(RemixVideo, body)
    job = await run_in_threadpool(_find, service, principal, video_id)
    if job.status != "completed":
        raise ApiError(400, "video_not_ready", "Only a completed video can be remixed.", param="video_id")
    plan = job.request | {"prompt": asked.prompt}
    digest = f"{body.digest[:32]}{job.id[-32:]}"
    made = await run_in_threadpool(_submit, service, principal, plan, digest, parent=job.id)
    response.headers.update(_POLL_HINT)
    return VideoJob.of(made)


def _parse(model: type[Asked], body: Body) -> Asked:
    try:
        return model.model_validate(body.fields)
    except ValidationError as error:
        raise invalid(error) from None


def _submit(
    service: Service, principal: Principal, plan: dict[str, Any], digest: str, *, parent: str | None = None
) -> Job:
    """Ask the policy, then queue. The studio asks it again; this is so that a refusal is known at once."""
    decision = check(plan["prompt"], policy=load_policy(service.settings.policy_file))
    if decision.action not in ("allow", "rewrite"):
        service.tallies.add(REFUSALS, category=decision.category or "none")
        service.audit.note(principal, "video.refused", decision.category or "none")
        raise ApiError(400, "moderation_blocked", decision.reason, param="prompt", decision=decision)
    return service.submit(principal, "video", plan, parent=parent, fingerprint=digest)


def _find(service: Service, principal: Principal, video_id: str) -> Job:
    job = service.jobs.get(video_id, tenant=principal.tenant, kind="video")
    if job is None:
        raise not_found("video", video_id)
    return job
