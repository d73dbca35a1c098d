"""Between FFmpeg's padded planes and plain arrays."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame

from countermark.core.media.frames import UInt8


def planes(frame: VideoFrame) -> tuple[UInt8, UInt8]:
    """Luma uint8 [H, W] (a view) and chroma uint8 [2, ceil(H/2), ceil(W/2)] of a yuv420p frame."""
    return _rows(frame, 0), np.stack((_rows(frame, 1), _rows(frame, 2)))


def video_frame(luma: UInt8, chroma: UInt8) -> VideoFrame:
    """A yuv420p frame with a copy of ``luma`` [H, W] and ``chroma`` [2, ceil(H/2), ceil(W/2)]."""
    height, width = luma.shape
    frame = VideoFrame(width, height, "yuv420p")
    for index, samples in enumerate((luma, chroma[0], chroma[1])):
        _rows(frame, index)[:] = samples
    return frame


def _rows(frame: VideoFrame, index: int) -> UInt8:
    plane = frame.planes[index]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, abs(plane.line_size))
    if plane.line_size < 0:  # a bottom-up picture
        rows = rows[::-1]
    return rows[:, : plane.width]
