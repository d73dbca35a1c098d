"""Compression: video codecs in memory through PyAV, and JPEG picture by picture.

Nothing but the stated options is set, so that figures compare with those that others publish for PyAV's defaults
(x264 and x265: preset medium, groups of up to 250 frames). Planes go in and come out as they are.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass

import av
import numpy as np
from av.video.stream import VideoStream
from PIL import Image

from benchmarks.attacks.scene import FPS, Plane, Scene, black, by_picture
from countermark.core.media import Frames
from countermark.core.media.planes import planes, video_frame

_QUIET = {"libx265": {"x265-params": "log-level=error"}}
os.environ.setdefault("SVT_LOG", "1")  # errors only; SVT-AV1 knows no other way to be quiet


@dataclass(frozen=True)
class Coded:
    """Encode at a constant rate factor (-1: the encoder's default) and decode. Odd sizes are padded with black."""

    codec: str
    crf: int

    def __call__(self, frames: Frames, _: Scene) -> Frames:
        return _round_trip(frames, self.codec, {"crf": str(self.crf)})


@dataclass(frozen=True)
class Uploaded:
    """A social platform's rendition: the short side scaled down to ``lines`` (bicubic), H.264 at a mean bit rate."""

    lines: int
    kilobits: int

    def __call__(self, frames: Frames, _: Scene) -> Frames:
        return _round_trip(_shrunk(frames, self.lines), "libx264", {"b": f"{self.kilobits}k"})


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


def _round_trip(frames: Frames, codec: str, options: dict[str, str]) -> Frames:
    frames = _padded(frames)
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as writer:
        stream = writer.add_stream(codec, rate=FPS, options=options | _QUIET.get(codec, {}))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = frames.width, frames.height, "yuv420p"
        for index, (luma, chroma) in enumerate(zip(frames.luma, frames.chroma, strict=True)):
            picture = video_frame(luma, chroma)
            picture.pts = index
            writer.mux(stream.encode(picture))
        writer.mux(stream.encode(None))
    file.seek(0)
    luma, chroma = np.empty_like(frames.luma), np.empty_like(frames.chroma)
    count = 0
    with av.open(file, "r") as reader:
        reader.streams.video[0].thread_type = "AUTO"
        for picture in reader.decode(video=0):
            luma[count], chroma[count] = planes(picture)
            count += 1
    if count != len(frames):
        raise RuntimeError(f"{codec} took {len(frames)} frames and gave {count}")
    return Frames(luma, chroma, frames.pts, frames.colour)


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
