"""``/v1/images``: still pictures, as in OpenAI's Images API."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse
from pydantic import ValidationError

from countermark.service.access import Generator
from countermark.service.api.documents import binary, faults, json_only
from countermark.service.api.generations import submit_plan
from countermark.service.asked import CreateImage
from countermark.service.faults import ApiError, invalid, not_found
from countermark.service.files import picture_name
from countermark.service.jobs import Job
from countermark.service.models import Image, ImageList, SealRecord
from countermark.service.plans import plan_for
from countermark.service.principal import Principal
from countermark.service.state import Here, Service
from countermark.service.uploads import read_body

router = APIRouter(prefix="/v1/images", tags=["images"])


@router.post(
    "/generations",
    response_model=ImageList,
    summary="Create pictures",
    responses=faults(404, 413, 415, 422, 429),
    openapi_extra=json_only(CreateImage, example={"prompt": "a red balloon rising over the sea"}),
)
async def create(request: Request, principal: Generator, service: Here) -> ImageList:
    """Make pictures from a prompt and wait for them. They are sealed as videos are.

    Where many wait before you it may take too long: the answer is then 429, and the same request with the same
    `Idempotency-Key` gets the pictures later.
    """
    body = await read_body(request, service.files, limit=service.options.max_upload_bytes)

    def queue() -> Job:
        try:
            plan = plan_for(service.catalogue, CreateImage.model_validate(body.fields))
        except ValidationError as error:
            raise invalid(error) from None
        return submit_plan(service, principal, "image", plan, body.digest)

    job = await run_in_threadpool(queue)
    if not job.finished:
        job = await service.watcher.finished(job, service.options.image_wait_seconds)
    return await run_in_threadpool(_answer, service, job)


@router.get(
    "/{image_id}/content",
    response_class=FileResponse,
    summary="Download a picture",
    responses=faults(404) | binary("image/png", "image/jpeg"),
)
def content(
    image_id: str, principal: Generator, service: Here, index: Annotated[int, Query(ge=0, le=3)] = 0
) -> FileResponse:
    """A sealed picture of a job, by its place in the answer."""
    job = _find(service, principal, image_id)
    path = _file(service, job, index)
    if job.status != "completed" or not path.is_file():
        raise not_found("picture of this job", str(index))
    return FileResponse(path, media_type=f"image/{job.request['output_format']}", filename=f"{job.id}{path.suffix}")


def _answer(service: Service, job: Job) -> ImageList:
    """The pictures of a finished job as OpenAI's API shows them. Raises `ApiError` for one that is not completed."""
    if not job.finished:
        message = (
            f"The pictures are not finished yet: retrieve the job {job.id} later, or repeat the request with its key."
        )
        raise ApiError(429, "image_not_ready", message, headers={"Retry-After": "30", "x-should-retry": "false"})
    if job.result is None:
        error = job.error or {"code": "cancelled", "message": "The job was cancelled."}
        refused = error["code"] == "moderation_blocked"
        raise ApiError(400 if refused else 409, error["code"], error["message"], headers={"x-should-retry": "false"})
    records = [SealRecord.model_validate(record) for record in job.result["pictures"]]
    data = [
        Image(b64_json=base64.b64encode(_file(service, job, i).read_bytes()).decode(), countermark=record)
        for i, record in enumerate(records)
    ]
    return ImageList(
        id=job.id,
        created=int(job.created_at.timestamp()),
        data=data,
        output_format=job.request["output_format"],
        size=job.request["size"],
        notices=[*job.request.get("notices", []), *dict.fromkeys(note for r in records for note in r.notices)],
    )


def _file(service: Service, job: Job, index: int) -> Path:
    return service.files.find(job.id, picture_name(index, job.request["output_format"]))


def _find(service: Service, principal: Principal, image_id: str) -> Job:
    job = service.jobs.get(image_id, tenant=principal.tenant, kind="image")
    if job is None:
        raise not_found("image", image_id)
    return job
