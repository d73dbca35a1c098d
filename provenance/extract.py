"""Read the watermark out of a file, in bounded memory: any of it in bounded time, or all of it and where it lies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from countermark.core.errors import RegistryError, WatermarkError
from countermark.core.media import Frames, Limits, MediaInfo, VideoReader
from provenance.fingerprint import Sampler
from provenance.lookalikes import find_lookalikes
from provenance.registry import Registry
from provenance.watermark import MarkedRange, Payload, SpreadSpectrum, Timeline
from provenance.watermark.interface import Mark
from provenance.watermark.sketch import FRAMES as SKETCHED_FRAMES
from provenance.watermark.sketch import Sketch

_FIRST_LOOK = 48
"""Frames before the first attempt; the evidence is doubled before each further one."""
_MOST = 624
"""Frames of a video that are looked at. One that has no more is read in one go: windows cost seeking."""
_OPENING = SKETCHED_FRAMES
"""Frames read from the start of a longer video."""
_SKETCHES = 400
"""Newest entries of a registry whose originals a copy is laid over, a few milliseconds each."""
_WINDOWS = (_MOST - _OPENING) // _FIRST_LOOK
"""Further places of ``_FIRST_LOOK`` frames each, spread evenly over the rest of it if the start gave no reading."""


@dataclass(frozen=True)
class Extraction:
    """What was found in ``frames`` frames of a video that is as ``info`` says.

    ``mark`` is what was read, with which key and how it lay in the picture. ``false_positive_rate`` is the chance at
    most that any of the attempts made reads a payload in video that carries none.
    """

    info: MediaInfo
    mark: Mark | None
    statistic: float
    frames: int
    false_positive_rate: float
    problem: str | None = None
    """Why no attempt was made, if none was."""

    @property
    def payload(self) -> Payload | None:
        """The exact payload, or None."""
        return None if self.mark is None else self.mark.payload


def extract(
    path: Path,
    watermark: SpreadSpectrum,
    limits: Limits,
    *,
    registry: Registry | None = None,
    search: bool = True,
    quick: bool = False,
    isolated: bool = True,
) -> Extraction:
    """Look for the watermark in the video at ``path``; raises `MediaError` when it cannot be decoded, and
    `RegistryError`.

    At most 624 frames are looked at, however long the video. If they cannot be read as they are, ``search`` looks for a
    picture that was cropped, turned or distorted, and a ``registry`` is asked: its entries one by one (see
    `SpreadSpectrumDetector.result`), those that look like this video once more (`compare`), and the sketches of these
    and of the newest (`laid_over`). ``quick`` looks at the first 48 frames as they are and tries nothing else.
    ``isolated=False`` decodes in this process, for files that this process has written itself.
    """
    registry = None if quick else registry
    with VideoReader(path, limits, isolated=isolated, max_frames=_FIRST_LOOK if quick else _MOST) as reader:
        info = reader.info
        try:
            detector = watermark.detector(width=info.width, height=info.height)
        except WatermarkError as error:  # such as frames too small to carry it
            return Extraction(info, None, 0.0, 0, 0.0, problem=error.cause)
        rate, seen, next_look = 0.0, 0, _FIRST_LOOK
        result, looks, opening = None, Sampler(info.time_base), detector
        for frames in _sample(reader, path, limits, isolated=isolated):
            detector.update(frames)
            seen += len(frames)
            if registry is not None and seen <= _OPENING:
                looks.add(frames)
                opening = detector.with_keys(detector.keys)
            result = None
            if seen >= next_look:
                next_look *= 2
                result = detector.result(search=False)
                rate += result.false_positive_rate
                if result.payload is not None:
                    break
        if result is None or result.payload is None:
            ids = registry.video_ids(watermark.algorithm_id) if registry is not None else []
            result = detector.result(search=search and not quick, register=map(Payload.from_video_id, ids))
            rate += result.false_positive_rate
            if result.payload is None and registry is not None:
                alike = [found.entry for found in find_lookalikes(registry, looks.hashes)]
                alike_ids = [entry.video_id for entry in alike if entry.algorithm == watermark.algorithm_id]
                compared = detector.compare(map(Payload.from_video_id, alike_ids))
                rate += compared.false_positive_rate
                if compared.payload is None:
                    stored = registry.sketches(watermark.algorithm_id, newest=_SKETCHES, also=alike_ids)
                    compared = opening.laid_over([_sketched(name, data) for name, data in stored])
                    rate += compared.false_positive_rate
                result = result if compared.payload is None else compared
    return Extraction(info, result.mark, result.statistic, seen, rate)


def _sketched(video_id: str, data: bytes) -> tuple[Payload, Sketch]:
    try:
        return Payload.from_video_id(video_id), Sketch.from_bytes(data)
    except ValueError as error:
        raise RegistryError(
            f"The registry's sketch of video {video_id} cannot be read: {error}.",
            remedy="Bring the registry back from a copy, or remove that row of its table sketches.",
        ) from error


def ranges(
    path: Path,
    watermark: SpreadSpectrum,
    limits: Limits,
    *,
    search: bool = True,
    isolated: bool = True,
    known: Mark | None = None,
) -> list[MarkedRange]:
    """Which stretches of the video at ``path`` carry which payload, to within a second.

    Every frame is looked at, once. Where nothing can be read, ``search`` looks every four seconds for a picture that
    was cropped, turned or scaled. ``known`` is what `extract` has found: there is a stretch that carries it, however
    weakly. Raises `MediaError` when the file cannot be decoded, and `WatermarkError` when its frames are too small to
    carry a mark.
    """
    with VideoReader(path, limits, isolated=isolated) as reader:
        info = reader.info
        detector = watermark.detector(width=info.width, height=info.height)
        timeline = Timeline(detector.keys, (info.height, info.width), search=search, known=known)
        first: int | None = None
        for frames in reader:
            first = int(frames.pts[0]) if first is None else first
            timeline.update(frames, (frames.pts - first).astype(np.float64) * float(info.time_base))
    return timeline.ranges()


def _sample(opening: VideoReader, path: Path, limits: Limits, *, isolated: bool) -> Iterator[Frames]:
    """All of a short video; of a longer one the opening and windows spread over the rest."""
    duration, rate = opening.info.duration, float(opening.info.fps)
    long = duration * rate > _MOST
    count = 0
    for frames in opening:
        count += len(frames)
        yield frames
        if long and count >= _OPENING:
            break
    if not long or count < _OPENING:
        return
    begun = count / rate
    for index in range(1, _WINDOWS + 1):
        start = begun + (duration - begun) * index / (_WINDOWS + 1)
        with VideoReader(path, limits, isolated=isolated, start=start, max_frames=_FIRST_LOOK) as window:
            yield from window
