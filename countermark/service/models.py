"""What the API says, as Pydantic models: first OpenAI's objects, then ours."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from countermark.service.jobs import Job, Kind
from detector.verdict import Verdict
from policy.decision import Decision
from provenance.seal import SealedVideo
from provenance.verify import Verification

ERROR_CODES = {"policy_refused": "moderation_blocked"}
"""Where clients of OpenAI's API know an error of ours by another code."""

State = Literal["queued", "in_progress", "completed", "failed"]


class Fault(BaseModel):
    """What went wrong, as OpenAI's API says it. ``decision`` is the policy's, where it refused a prompt."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "message": "Missing required parameter: 'prompt'.",
                "type": "invalid_request_error",
                "param": "prompt",
                "code": "missing_required_parameter",
            }
        }
    )

    message: str
    type: str
    param: str | None = None
    code: str | None = None
    decision: Decision | None = None


class FaultBody(BaseModel):
    """The body of every answer that is an error."""

    error: Fault


class JobFault(BaseModel):
    """Why a job failed. ``decision`` is the policy's, where it refused a prompt."""

    code: str
    message: str
    decision: Decision | None = None


class SealRecord(BaseModel):
    """What a finished video carries: the identifiers that find it again, and what is known of how it was made.

    ``duration`` is in seconds, ``watermark_psnr`` in dB (R'G'B', of embedding); the latter is absent where a worker was
    killed between sealing and saying so.
    """

    video_id: str
    manifest_id: str
    sha256: str
    size_bytes: int
    width: int
    height: int
    frames: int | None
    duration: float
    signer: str
    watermark_psnr: float | None = None
    model: str | None = None
    notices: list[str] = []
    decision: Decision | None = None

    @classmethod
    def of(cls, video: SealedVideo) -> Self:
        """The record of a video just sealed; of one just generated, also how."""
        shared = video.model_dump(include=set(cls.model_fields) - {"signer"})
        signer = f"{video.signer.name} ({video.signer.note})"
        return cls(**shared, signer=signer, watermark_psnr=video.watermark.psnr)


class GenerationJob(BaseModel):
    """What videos and pictures in the making have in common. Times are Unix seconds."""

    id: str
    object: str
    model: str
    status: State
    progress: int
    created_at: int
    completed_at: int | None = None
    expires_at: int | None = None
    prompt: str
    error: JobFault | None = None


class VideoJob(GenerationJob):
    """OpenAI's ``video`` object; ``preview``, ``notices`` and ``countermark`` are ours."""

    object: Literal["video"] = "video"
    seconds: str
    size: str
    remixed_from_video_id: str | None = None
    preview: str | None = Field(
        default=None,
        description="What a video of the bundled models looks like so far while it is sampled: a PNG picture as a data "
        "URI, an eighth as large as the frames.",
    )
    notices: list[str] = Field(default=[], description="Where the video differs from what was asked, and why.")
    countermark: SealRecord | None = Field(default=None, description="What the finished video carries.")

    @classmethod
    def of(cls, job: Job) -> Self:
        """A job as OpenAI's API shows it."""
        record = SealRecord.model_validate(job.result) if job.result else None
        request = job.request
        return cls(
            **_common(job),
            model=request["model"],
            prompt=request["prompt"],
            seconds=f"{max(1, round(record.duration))}" if record else request["seconds"],
            size=f"{record.width}x{record.height}" if record else request["size"],
            remixed_from_video_id=job.parent,
            preview=job.preview,
            notices=[*request.get("notices", []), *(record.notices if record else [])],
            countermark=record,
        )


class Image(BaseModel):
    """OpenAI's ``image`` object; ``countermark`` is ours."""

    b64_json: str = Field(description="The sealed picture, in base64.")
    countermark: SealRecord = Field(description="What the picture carries.")


class ImageList(BaseModel):
    """OpenAI's answer to a request for pictures; ``id`` (of the job) and ``notices`` are ours."""

    id: str
    created: int
    data: list[Image]
    output_format: Literal["png", "jpeg"]
    size: str
    notices: list[str] = Field(default=[], description="Where the pictures differ from what was asked, and why.")


class ImageJob(GenerationJob):
    """A request for pictures as a job; the pictures are at ``/v1/images/{id}/content``."""

    object: Literal["image"] = "image"
    data: list[SealRecord] = []

    @classmethod
    def of(cls, job: Job) -> Self:
        """A job as the API shows it."""
        made = job.result["pictures"] if job.result else []
        return cls(**_common(job), model=job.request["model"], prompt=job.request["prompt"], data=made)


class VideoPage(BaseModel):
    """A page of videos."""

    object: Literal["list"] = "list"
    data: list[VideoJob]
    first_id: str | None
    last_id: str | None
    has_more: bool


class DeletedVideo(BaseModel):
    """A video that is no more."""

    id: str
    object: Literal["video.deleted"] = "video.deleted"
    deleted: Literal[True] = True


class Model(BaseModel):
    """OpenAI's ``model`` object."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class ModelList(BaseModel):
    """All models."""

    object: Literal["list"] = "list"
    data: list[Model]


class FileInfo(BaseModel):
    """What was examined."""

    name: str
    size_bytes: int | None
    video: str | None = Field(default=None, description="Id of the video of this service that was named instead.")


class ExaminationJob(BaseModel):
    """What verifications, screenings and seals have in common. Times are Unix seconds."""

    model_config = ConfigDict(frozen=True)

    id: str
    object: str
    status: State
    progress: int
    step: str = Field(description="What is being done, or was done last.")
    created_at: int
    completed_at: int | None = None
    expires_at: int | None = None
    file: FileInfo
    error: JobFault | None = None

    @classmethod
    def of(cls, job: Job) -> Self:
        """A job as the API shows it."""
        file = FileInfo(
            name=job.request["name"], size_bytes=job.request.get("size_bytes"), video=job.request.get("video")
        )
        return cls(**_common(job), object=job.kind, step=job.step, file=file, **cls._outcome(job))

    @classmethod
    def _outcome(cls, job: Job) -> dict[str, Any]:
        return {"result": job.result}


class VerificationJob(ExaminationJob):
    """A verification; ``result`` is what ``countermark verify --json`` prints."""

    object: Literal["verification"]
    result: Verification | None = None


class Frame(BaseModel):
    """A frame that was looked at; ``time`` in seconds from the start."""

    index: int
    time: float


class ScreeningJob(ExaminationJob):
    """A screening; ``result`` is what ``countermark screen --json`` prints, ``frames`` can be fetched one by one."""

    object: Literal["screening"]
    result: Verdict | None = None
    frames: list[Frame] = []

    @classmethod
    def _outcome(cls, job: Job) -> dict[str, Any]:
        return {"result": job.result["verdict"], "frames": job.result["frames"]} if job.result else {}


class SealJob(ExaminationJob):
    """A seal; the sealed copy is at ``/content``."""

    object: Literal["seal"]
    result: SealRecord | None = None


AnyJob = VideoJob | ImageJob | VerificationJob | ScreeningJob | SealJob
_VIEWS: dict[Kind, type[AnyJob]] = {
    "video": VideoJob,
    "image": ImageJob,
    "verification": VerificationJob,
    "screening": ScreeningJob,
    "seal": SealJob,
}


def view(job: Job) -> AnyJob:
    """Any job as the API shows it."""
    return _VIEWS[job.kind].of(job)


def _common(job: Job) -> dict[str, Any]:
    def seconds(name: str) -> int | None:
        at = getattr(job, name)
        return None if at is None else int(at.timestamp())

    return {
        "id": job.id,
        "status": "failed" if job.status == "cancelled" else job.status,
        "progress": job.progress,
        "error": job.error,
        **{name: seconds(name) for name in ("created_at", "completed_at", "expires_at")},
    }
