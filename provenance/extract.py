"""Read the watermark out of a file, in bounded memory, stopping as soon as it is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from countermark.core.errors import WatermarkError
from countermark.core.media import Limits, MediaInfo, VideoReader
from provenance.watermark import Payload, Watermark

_FIRST_LOOK = 48
"""Frames before the first attempt; the evidence is doubled before each further one."""


@dataclass(frozen=True)
class Extraction:
    """What was found in ``frames`` frames of a video that is as ``info`` says.

    ``payload`` is exact or None. ``false_positive_rate`` is the chance that one attempt reads a payload in video that
    carries none, times the number of attempts made.
    """

    info: MediaInfo
    payload: Payload | None
    statistic: float
    frames: int
    false_positive_rate: float
    problem: str | None = None
    """Why no attempt was made, if none was."""


def extract(path: Path, watermark: Watermark, limits: Limits, *, isolated: bool = True) -> Extraction:
    """Look for the watermark in the video at ``path``; raises `MediaError` when it cannot be decoded.

    The whole file is read only if nothing is found earlier. ``isolated=False`` decodes in this process, for files
    that this process has written itself.
    """
    attempts = 0
    seen = 0
    next_look = _FIRST_LOOK
    with VideoReader(path, limits, isolated=isolated) as reader:
        try:
            detector = watermark.detector(width=reader.info.width, height=reader.info.height)
        except WatermarkError as error:  # such as frames too small to carry it
            return Extraction(reader.info, None, 0.0, 0, 0.0, error.cause)
        result = None
        for frames in reader:
            detector.update(frames)
            seen += len(frames)
            result = None
            if seen >= next_look:
                next_look *= 2
                attempts += 1
                result = detector.result()
                if result.payload is not None:
                    break
        if result is None:
            attempts += 1
            result = detector.result()
    return Extraction(reader.info, result.payload, result.statistic, seen, result.false_positive_rate * attempts)
