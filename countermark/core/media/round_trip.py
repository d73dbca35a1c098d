"""Encode frames and decode them again, in memory: what a codec does to them."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping

import av
import numpy as np
from av.video.stream import VideoStream

from countermark.core.media.frames import Frames
from countermark.core.media.planes import planes, video_frame
from countermark.core.media.scheduling import usual_scheduling

_QUIET = {"libx265": {"x265-params": "log-level=error"}}
os.environ.setdefault("SVT_LOG", "1")  # errors only; SVT-AV1 knows no other way to be quiet


def round_trip(frames: Frames, codec: str, options: Mapping[str, str], *, rate: int = 24) -> Frames:
    """``frames``, of even width and height, as they come back from ``codec`` (an FFmpeg encoder) with its ``options``.

    Nothing but the options is set, so that x264 and x265 use preset medium and groups of up to 250 frames.
    """
    file = io.BytesIO()
    with usual_scheduling(), av.open(file, "w", format="matroska") as writer:  # MP4 takes no single large H.265 frame
        stream = writer.add_stream(codec, rate=rate, options={**options, **_QUIET.get(codec, {})})
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
