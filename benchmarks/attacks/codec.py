"""Compression: video codecs in memory through PyAV, and JPEG picture by picture.

Nothing but the stated options is set, so that figures compare with those that others publish for PyAV's defaults
(x264 and x265: preset medium, groups of up to 250 frames). Planes go in and come out as they are.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from benchmarks.attacks.scene import FPS, Plane, Scene, black, by_picture
from countermark.core.media import Frames
from countermark.core.media.planes import planes, video_frame
from countermark.core.media.round_trip import round_trip


@dataclass(frozen=True)
class Coded:
    """Encode at a constant rate factor (-1: the encoder's default) and decode. Odd sizes are padded with black."""

    codec: str
    crf: int

    def __call__(self, frames: Frames, _: Scene) -> Frames:
        return round_trip(_padded(frames), self.codec, {"crf": str(self.crf)}, rate=FPS)


@dataclass(frozen=True)
class Uploaded:
    """A social platform's rendition: the short side scaled down to ``lines`` (bicubic), H.264 at a mean bit rate."""

    lines: int
    kilobits: int

    def __call__(self, frames: Frames, _: Scene) -> Frames:
        return round_trip(_shrunk(frames, self.lines), "libx264", {"b": f"{self.kilobits}k"}, rate=FPS)


@dataclass(frozen=True)
class Jpeg:
    """Each frame as a JPEG picture."""

    quality: int

    def __call__(self, frames: Frames, _: Scene) -> Frames:
        return by_picture(frames, self._picture)

    def _picture(self, rgb: Plane) -> Plane:
        buffer = io.BytesIO()
        Image.fromarray(rgb).save(buffer, "JPEG", quality=self.quality)
        return np.asarray(Image.open(buffer))


def _padded(frames: Frames) -> Frames:
    right, below = frames.width % 2, frames.height % 2
    luma = np.pad(frames.luma, ((0, 0), (0, below), (0, right)), constant_values=black(frames))
    return Frames(luma, frames.chroma, frames.pts, frames.colour)


def _shrunk(frames: Frames, lines: int) -> Frames:
    """The short side at ``lines``, the other in proportion and even; smaller clips stay."""
    short = min(frames.width, frames.height)
    if short <= lines:
        return frames
    width, height = (round(side * lines / short / 2) * 2 for side in (frames.width, frames.height))
    pairs = [
        planes(video_frame(luma, chroma).reformat(width=width, height=height, interpolation="BICUBIC"))
        for luma, chroma in zip(frames.luma, frames.chroma, strict=True)
    ]
    return Frames(np.stack([y for y, _ in pairs]), np.stack([c for _, c in pairs]), frames.pts, frames.colour)
