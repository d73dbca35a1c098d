"""What a job of each kind does. Each is safe to do again from the start after its process was killed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from countermark.core.digest import sha256_of
from countermark.core.errors import CountermarkError, GenerationError, MediaError, PolicyRefusedError, UsageError
from countermark.core.media import Limits, probe
from countermark.core.settings import Settings
from countermark.service import pictures
from countermark.service.files import REPORT, SPRITESHEET, THUMBNAIL, UPLOAD, VIDEO, FileStore, picture_name
from countermark.service.jobs import Job, Kind
from countermark.service.models import ERROR_CODES, Frame, SealRecord
from countermark.service.plans import Given, request_of, user_of
from countermark.service.sources import fetch

if TYPE_CHECKING:
    from generator import GenerationRequest, Studio


class Report(Protocol):
    """Tells how far a job is."""

    def __call__(self, progress: int | None, step: str | None, preview: str | None = None) -> None:
        """A percentage, the present step, and what there is so far as a data URI; None where it is as it was.

        Raises `CancelledError` when nobody wants the job any more.
        """


class CancelledError(Exception):
    """The job was cancelled or deleted while it ran."""


@dataclass(frozen=True)
class Desk:
    """What work needs besides its job."""

    settings: Settings
    files: FileStore


def perform(job: Job, desk: Desk, report: Report) -> dict[str, Any]:
    """Do a job and return its result as JSON. Raises `CountermarkError`, `OSError` or `CancelledError`."""
    does: dict[Kind, Callable[[Job, Desk, Report], dict[str, Any]]] = {
        "video": _generate,
        "image": _draw,
        "verification": _verify,
        "screening": _screen,
        "seal": _protect,
    }
    result = does[job.kind](job, desk, report)
    desk.files.publish(job.id)
    return result


def explain(error: CountermarkError, job: Job, desk: Desk) -> dict[str, Any]:
    """An error as a job keeps it, without our folders' names."""
    told = {"code": ERROR_CODES.get(error.code, error.code), "message": f"{error.cause} {error.remedy}"}
    decision = getattr(error, "decision", None) if isinstance(error, PolicyRefusedError) else None
    if decision is not None:
        told["decision"] = decision.model_dump(mode="json")
    scrubbed: dict[str, Any] = _scrub(told, job, desk)
    return scrubbed


def _generate(job: Job, desk: Desk, report: Report) -> dict[str, Any]:
    desk.files.make(job.id)
    output = desk.files.find(job.id, VIDEO)
    request = request_of(job.request, lambda given: _given(job, given, desk))
    record = _recovered(job, output, desk) if output.exists() else _sample(job, request, output, desk, report)
    report(None, "pictures")
    limits = Limits.from_settings(desk.settings)
    pictures.write_stills(output, output.with_name(THUMBNAIL), output.with_name(SPRITESHEET), limits)
    return record.model_dump(mode="json")


def _draw(job: Job, desk: Desk, report: Report) -> dict[str, Any]:
    """Still pictures, each with the next seed."""
    desk.files.make(job.id)
    request, records = request_of(job.request, lambda given: _given(job, given, desk)), []
    count = job.request["n"]
    for index in range(count):

        def part(progress: int | None, step: str | None, preview: str | None = None, *, index: int = index) -> None:
            report(None if progress is None else (100 * index + progress) // count, step, preview)

        output = desk.files.find(job.id, picture_name(index, job.request["output_format"]))
        each = request.model_copy(update={"seed": request.seed + index})
        record = _recovered(job, output, desk) if output.exists() else _sample(job, each, output, desk, part)
        records.append(record.model_dump(mode="json"))
    return {"pictures": records}


def _studio(backend: str, settings: Settings) -> Studio:
    from generator import Studio

    return Studio(backend, settings=settings)


_kept_studio = lru_cache(maxsize=1)(_studio)
"""Open weights take long to load, so the last are kept from job to job; a second set may not fit beside them."""


def _sample(job: Job, request: GenerationRequest, output: Path, desk: Desk, report: Report) -> SealRecord:
    # Sampling is most of the work; the seal's steps share the rest, but for the watermark's, which waits for frames.
    seal_steps = {"policy": 2, "sample": 5, "label": 85, "sign": 88, "read back": 91, "register": 95}
    backend = job.request.get("backend", "bundled")
    studio = (_kept_studio if backend.startswith("open-weights:") else _studio)(backend, desk.settings)
    try:
        made = studio.generate(
            request,
            output,
            user=user_of(job.tenant, job.request),
            on_step=lambda name, _detail: report(seal_steps.get(name), name),
            on_progress=lambda step, steps: report(5 + 75 * step // steps, f"sample {step}/{steps}"),
            on_preview=lambda thumbnail: report(None, None, pictures.data_uri(thumbnail)),
        )
    except UsageError:
        if output.exists():  # another worker, taken for dead, has finished this very job meanwhile
            return _recovered(job, output, desk)
        raise
    return SealRecord.of(made)


def _given(job: Job, given: Given, desk: Desk) -> Path:
    """Where a picture or video is that a generation works on."""
    if "video" not in given:
        return desk.files.upload(job.id, given.get("upload"))
    path = desk.files.find(given["video"], VIDEO)
    if not path.is_file():
        raise UsageError(f"The video {given['video']} was deleted meanwhile.", remedy="Name another one.")
    return path


def _recovered(job: Job, output: Path, desk: Desk) -> SealRecord:
    """The record of a video that a killed process had sealed already, read from the file itself."""
    from provenance.verify import verify

    verification = verify(output, settings=desk.settings)
    if verification.conclusion != "verified" or verification.manifest is None or verification.video_id is None:
        raise GenerationError(
            f"A file left at {output} does not verify: {verification.summary}", remedy="Delete the video, try again."
        )
    info = probe(output, limits=Limits.from_settings(desk.settings))
    return SealRecord(
        video_id=verification.video_id,
        manifest_id=verification.manifest.manifest_id,
        sha256=sha256_of(output),
        size_bytes=info.size_bytes,
        width=info.width,
        height=info.height,
        frames=info.frame_count,
        duration=info.duration,
        signer=verification.manifest.signer,
        model=job.request.get("model"),
    )


def _verify(job: Job, desk: Desk, report: Report) -> dict[str, Any]:
    from provenance.verify import verify

    report(None, "verify")
    verification = verify(_source(job, desk), settings=desk.settings)
    told: dict[str, Any] = _scrub(verification.model_dump(mode="json"), job, desk)
    return told


def _screen(job: Job, desk: Desk, report: Report) -> dict[str, Any]:
    from detector.clip import Clip
    from detector.report import render_html
    from detector.screen import SIGNALS, screen_clip
    from detector.verdict import Verdict

    path, done = _source(job, desk), 0
    report(5, "provenance")

    def on_step(signal: str, _finding: str) -> None:
        nonlocal done
        done += 1
        report(10 + 80 * done // len(SIGNALS), signal)

    clip = Clip(path, desk.settings)
    verdict = screen_clip(clip, on_step=on_step)
    report(92, "pictures")
    thumbnails: Sequence[pictures.UInt8] = ()
    times: list[float] = []
    with suppress(MediaError):  # what was found without looking at frames stands
        thumbnails, times = clip.samples.thumbnails, clip.samples.times.tolist()
    del clip  # and with it the frames as decoded, and what the encoder said
    told = _scrub(verdict.model_dump(mode="json"), job, desk)
    folder = desk.files.make(job.id)
    pictures.write_frames(thumbnails, folder)
    page = render_html(Verdict.model_validate(told), thumbnails)
    (folder / REPORT).write_text(page, encoding="utf-8")
    frames = [Frame(index=index, time=round(time, 3)).model_dump() for index, time in enumerate(times)]
    return {"verdict": told, "frames": frames}


def _protect(job: Job, desk: Desk, report: Report) -> dict[str, Any]:
    from provenance.protect import protect

    desk.files.make(job.id)
    source, output = _source(job, desk), desk.files.find(job.id, VIDEO)
    if output.exists():
        return _recovered(job, output, desk).model_dump(mode="json")
    steps = {"read": 5, "watermark": 10, "label": 80, "sign": 85, "read back": 88, "register": 96}
    try:
        made = protect(
            source, output, settings=desk.settings, on_step=lambda name, _detail: report(steps.get(name), name)
        )
    except UsageError:
        if output.exists():
            return _recovered(job, output, desk).model_dump(mode="json")
        raise
    return SealRecord.of(made).model_dump(mode="json")


def _source(job: Job, desk: Desk) -> Path:
    """The video to examine: an upload, or what the request named, a finished video or one in an object store."""
    if referred := job.request.get("video"):
        return desk.files.find(referred, VIDEO)
    if source := job.request.get("source"):
        target = desk.files.place_for_upload(job.id, job.request.get("name"))
        if not target.exists():
            fetch(source, target, limit=desk.settings.max_bytes)
        return target
    return desk.files.upload(job.id)


def _scrub(told: Any, job: Job, desk: Desk) -> Any:  # noqa: ANN401
    """Our paths out of a result: only the client's file name stays."""
    text = json.dumps(told, ensure_ascii=False)
    upload = desk.files.folder(job.id) / UPLOAD
    videos = (job.request.get("video"), *(given.get("video") for given in job.request.get("given", [])), job.id)
    for folder in (upload, *(desk.files.folder(name) for name in videos if name)):
        text = text.replace(f"{json.dumps(str(folder), ensure_ascii=False)[1:-1]}/", "")
    return json.loads(text)
