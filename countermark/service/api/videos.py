"""``/v1/videos``: the OpenAI Videos API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from pydantic import BaseModel, ValidationError

from countermark.service.access import Generator
from countermark.service.api.documents import binary, faults, json_or_form
from countermark.service.api.generations import submit_plan
from countermark.service.asked import PICTURE, Asked, CreateVideo, EditVideo, ExtendVideo, RemixVideo, VideoReference
from countermark.service.faults import ApiError, invalid, not_found
from countermark.service.files import SPRITESHEET, THUMBNAIL, VIDEO
from countermark.service.jobs import Job
from countermark.service.models import DeletedVideo, VideoJob, VideoPage
from countermark.service.plans import Given, needs_upload, plan_for
from countermark.service.principal import Principal
from countermark.service.state import Here, Service
from countermark.service.uploads import FILE, MAX_DATA_URL, Body, read_body, take_picture
from generator.pictures import is_still
from generator.tasks import kept_by

router = APIRouter(prefix="/v1/videos", tags=["videos"])

Variant = Literal["video", "thumbnail", "spritesheet"]
_FILES: dict[Variant, tuple[str, str]] = {
    "video": (VIDEO, "video/mp4"),
    "thumbnail": (THUMBNAIL, "image/webp"),
    "spritesheet": (SPRITESHEET, "image/jpeg"),
}
Read = TypeVar("Read", bound=BaseModel)
Wanted = TypeVar("Wanted", bound=Asked)
_ID = "video_0123456789abcdef0123456789abcdef"
_EXAMPLE = {"prompt": "a red balloon rising over the sea", "model": "countermark-dit"}
_OF_A_VIDEO = _EXAMPLE | {"video": {"id": _ID}}
_CREATE_FILES = {"input_reference": 1, "blend": 2}
_EDIT_FILES = {"video": 1, "mask": 1}
_VIDEO_FILE = {"video": 1}
_POLL_HINT = {"openai-poll-after-ms": "1000"}
_Given = tuple[list[Given], str | None]
"""What a video is made from, and the id of the video that it is another state of, if it is one of ours."""


class _Character(BaseModel):
    """A request that is turned down."""

    name: str = ""


@router.post(
    "",
    response_model=VideoJob,
    summary="Create a video",
    responses=faults(404, 413, 415, 422, 429),
    openapi_extra=json_or_form(
        CreateVideo,
        files=_CREATE_FILES,
        text=_EXAMPLE,
        picture=_EXAMPLE | {"input_reference": {"image_url": PICTURE}},
        loop=_EXAMPLE | {"loop": True},
        blend=_EXAMPLE | {"blend": [_ID, _ID]},
        storyboard={
            "prompt": "my film",
            "shots": [{"prompt": "a red car on a street"}, {"prompt": "it bounces in the meadow", "transition": "cut"}],
        },
    ),
)
async def create(request: Request, response: Response, principal: Generator, service: Here) -> VideoJob:
    """Queue a video, from a prompt alone or from a picture, a video or two that it starts from or leads to.

    A prompt that the policy refuses is answered with 400, `moderation_blocked` and the reason. Pictures and videos are
    examined when their turn comes; if the policy refuses one, the job fails with the same code.
    """

    def given(asked: CreateVideo, body: Body) -> _Given:
        reference = asked.input_reference
        if reference is not None and reference.file_id is not None:
            message = "There is no files API here: send the picture itself, or its data URL as 'image_url'."
            raise ApiError(400, "unsupported_parameter", message, param="input_reference")
        if reference is not None and reference.image_url is not None:
            take_picture(reference.image_url, body, service.files, field="input_reference")
        if asked.blend is not None:
            if reference is not None or "input_reference" in body.uploads:
                raise ApiError(400, "invalid_value", "Give either 'input_reference' or 'blend'.", param="blend")
            first, second = _ends(service, principal, asked.blend, body)
            return [first | {"at": "start"}, second | {"at": "end"}], None
        for upload in body.uploads.get("input_reference", []):
            return [{"upload": upload.name, "at": "start", "still": is_still(upload)}], None
        if reference is not None and reference.id is not None:
            video = service.completed(principal, reference.id, param="input_reference")
            return [_given(video) | {"at": "start"}], None
        return [], None

    return await _made(CreateVideo, _CREATE_FILES, given, request, response, principal, service)


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
    summary="Edit a video",
    responses=faults(404, 413, 415, 422, 429),
    openapi_extra=json_or_form(
        EditVideo,
        files=_EDIT_FILES,
        edit=_OF_A_VIDEO,
        inpaint=_OF_A_VIDEO | {"mask": {"image_url": PICTURE}},
        outpaint=_OF_A_VIDEO | {"outpaint": True, "size": "512x288"},
    ),
)
async def edit(request: Request, response: Response, principal: Generator, service: Here) -> VideoJob:
    """Queue a changed copy of a video: an upload, or a completed video by its id.

    With a `mask` it changes only where that is white (inpainting). With `outpaint` all of it stays, and a picture of
    another `size` is made around it. Where nothing may change, the given picture is kept to the pixel.
    """

    def given(asked: EditVideo, body: Body) -> _Given:
        source, parent = _source(service, principal, asked.video, body)
        if asked.mask is not None:
            take_picture(asked.mask.image_url, body, service.files, field="mask")
        if asked.outpaint:
            source["around"] = True
        for mask in body.uploads.get("mask", []):
            if not is_still(mask):
                raise ApiError(400, "invalid_value", "A mask is a PNG, JPEG or WebP picture.", param="mask")
            source["mask"] = mask.name
        kept = 0 if asked.outpaint else kept_by(asked.strength, masked="mask" in source)
        return [source | {"at": "whole", "strength": kept}], parent

    return await _made(EditVideo, _EDIT_FILES, given, request, response, principal, service)


@router.post(
    "/extensions",
    response_model=VideoJob,
    summary="Extend a video",
    responses=faults(404, 413, 415, 422, 429),
    openapi_extra=json_or_form(
        ExtendVideo,
        files=_VIDEO_FILE,
        forward=_OF_A_VIDEO | {"seconds": "4"},
        backward=_OF_A_VIDEO | {"direction": "backward"},
        loop=_OF_A_VIDEO | {"loop": True},
    ),
)
async def extend(request: Request, response: Response, principal: Generator, service: Here) -> VideoJob:
    """Queue a video that goes on from another, an upload or a completed one. `seconds` of the result is all of it."""

    def given(asked: ExtendVideo, body: Body) -> _Given:
        source, parent = _source(service, principal, asked.video, body)
        return [source | {"at": "end" if asked.direction == "backward" else "start"}], parent

    return await _made(ExtendVideo, _VIDEO_FILE, given, request, response, principal, service)


@router.post(
    "/characters",
    response_model=VideoJob,
    summary="Create a character (not supported)",
    responses=faults(413, 415),
    openapi_extra=json_or_form(_Character, files=_VIDEO_FILE, character={"name": "Mossy"}),
)
async def character(request: Request, principal: Generator, service: Here) -> VideoJob:  # noqa: ARG001
    """Answered with 400: the models here know no characters."""
    try:
        await read_body(request, service.files, limit=service.options.max_upload_bytes)
    except ApiError as error:
        if error.status != 400:  # no use in telling what else is wrong with it, such as the file
            raise
    raise ApiError(400, "unsupported_parameter", "Characters are not supported by this server's models.", param="video")


@router.get("/{video_id}", response_model=VideoJob, summary="Retrieve a video", responses=faults(404))
def retrieve(video_id: str, response: Response, principal: Generator, service: Here) -> VideoJob:
    """The state of a video: `queued`, `in_progress`, `completed` or `failed`."""
    response.headers.update(_POLL_HINT)
    return VideoJob.of(_find(service, principal, video_id))


@router.delete("/{video_id}", response_model=DeletedVideo, summary="Delete a video", responses=faults(404))
def delete(video_id: str, principal: Generator, service: Here) -> DeletedVideo:
    """Delete a video and its files; one that is being made is cancelled. The registry keeps its entry."""
    job = _find(service, principal, video_id)
    service.delete(job)
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
    path = service.files.find(job.id, name)
    if not path.is_file():
        raise not_found("file of this video", variant)
    return FileResponse(path, media_type=media_type, filename=f"{job.id}{path.suffix}")


@router.post(
    "/{video_id}/remix",
    response_model=VideoJob,
    summary="Remix a video",
    responses=faults(404, 413, 415, 422, 429),
    openapi_extra=json_or_form(RemixVideo, remix={"prompt": "a green balloon rising over the sea"}),
)
async def remix(video_id: str, request: Request, response: Response, principal: Generator, service: Here) -> VideoJob:
    """Make a variation of a completed video: the same seed and settings with another prompt."""
    body = await read_body(request, service.files, limit=service.options.max_upload_bytes)
    asked = _parse(RemixVideo, body)
    job = await run_in_threadpool(_find, service, principal, video_id)
    if job.status != "completed":
        raise ApiError(400, "video_not_ready", "Only a completed video can be remixed.", param="video_id")
    if job.request.get("shots") or needs_upload(job.request):
        message = "A storyboard, or a video made from an upload that is not kept, cannot be remixed; create it anew."
        raise ApiError(400, "unsupported_parameter", message, param="video_id")
    offer = service.catalogue.find(job.request["model"])  # where it runs now, if it is still offered
    plan = job.request | {"prompt": asked.prompt, "backend": offer.backend}
    made = await run_in_threadpool(submit_plan, service, principal, "video", plan, body.digest, parent=job.id)
    response.headers.update(_POLL_HINT)
    return VideoJob.of(made)


def _parse(model: type[Read], body: Body) -> Read:
    try:
        return model.model_validate(body.fields)
    except ValidationError as error:
        raise invalid(error) from None


async def _made(
    model: type[Wanted],
    file_fields: Mapping[str, int],
    given: Callable[[Wanted, Body], _Given],
    request: Request,
    response: Response,
    principal: Principal,
    service: Service,
) -> VideoJob:
    """Read a request, plan it and queue it; uploads that do not become the job's are removed."""
    limit = service.options.max_upload_bytes
    body = await read_body(request, service.files, limit=limit, file_fields=file_fields, text_limit=MAX_DATA_URL)

    def work() -> Job:
        try:
            for name in body.uploads:
                if file_fields[name] == 1 and name in body.fields:
                    raise ApiError(400, "invalid_value", f"'{name}' is given twice.", param=name)
            asked = _parse(model, body)
            files, parent = given(asked, body)
            plan = plan_for(service.catalogue, asked, *files)
            return submit_plan(service, principal, "video", plan, body.digest, parent=parent, incoming=body.incoming)
        except ValidationError as error:
            raise invalid(error) from None
        finally:
            if body.incoming is not None:
                service.files.discard(body.incoming)

    job = await run_in_threadpool(work)
    response.headers.update(_POLL_HINT)
    return VideoJob.of(job)


def _source(
    service: Service, principal: Principal, video: VideoReference | None, body: Body
) -> tuple[Given, str | None]:
    """The video that an edit or extension works on, and the id that it has if it is one of ours."""
    for upload in body.uploads.get("video", []):
        return _uploaded(upload, param="video"), None
    if video is None:
        message = "Send a video as 'video', or name a completed one as 'video[id]'."
        raise ApiError(400, "missing_required_parameter", message, param="video")
    job = service.completed(principal, video.id, param="video")
    return _given(job), job.id if job.kind == "video" else None


def _ends(service: Service, principal: Principal, blend: list[str], body: Body) -> list[Given]:
    """The two videos of a blend, uploads and completed ones in their order."""
    uploads = body.uploads.get("blend", [])
    if blend.count(FILE) != len(uploads):
        raise ApiError(400, "invalid_value", "An empty text is no id of a video.", param="blend")
    waiting = iter(uploads)
    return [
        _uploaded(next(waiting), param="blend")
        if each == FILE
        else _given(service.completed(principal, each, param="blend"))
        for each in blend
    ]


def _uploaded(path: Path, *, param: str) -> Given:
    """A video to work on that came with the request."""
    if is_still(path):
        raise ApiError(400, "invalid_value", "A video is needed, and this is a picture.", param=param)
    return {"upload": path.name}


def _given(job: Job) -> Given:
    """A completed video to work on. What is made of it has its size unless another is asked for."""
    return {"video": job.id, "size": job.request["size"]} if job.kind == "video" else {"video": job.id}


def _find(service: Service, principal: Principal, video_id: str) -> Job:
    job = service.jobs.get(video_id, tenant=principal.tenant, kind="video")
    if job is None:
        raise not_found("video", video_id)
    return job
