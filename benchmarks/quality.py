"""How visible a change to a clip is: PSNR, SSIM and XPSNR."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

import av.error
import numpy as np
from av.filter import Graph
from av.filter.context import FilterContext
from av.video.format import VideoFormat
from av.video.frame import VideoFrame

from countermark.core.media import Frames
from countermark.core.media.planes import video_frame

_TICK = Fraction(1, 24)


@dataclass(frozen=True)
class Quality:
    """``psnr`` in dB, of the squared error over the whole clip in R'G'B'; ``ssim`` (0 to 1) and ``xpsnr`` (dB) of luma,
    by FFmpeg's filters.
    """

    psnr: float
    ssim: float
    xpsnr: float


def quality(original: Frames, changed: Frames) -> Quality:
    """Compare two clips of the same size and number of frames."""
    # The weights of XPSNR come from the original, which the filter takes first (Helmrich et al., ICASSP 2020; it
    # averages square roots of weighted errors over frames), unlike ssim, where the order does not matter.
    xpsnr = np.array([float(frame["lavfi.xpsnr.xpsnr.y"]) for frame in _compared("xpsnr", original, changed)])
    root = float(np.mean(10 ** (-xpsnr / 20)))
    ssim = [float(frame["lavfi.ssim.Y"]) for frame in _compared("ssim", original, changed)]
    return Quality(psnr(original, changed), float(np.mean(ssim)), -20 * math.log10(root) if root else math.inf)


def psnr(original: Frames, changed: Frames) -> float:
    """Peak signal-to-noise ratio over the whole clip, in dB, on 8-bit R'G'B'."""
    total = 0.0
    for index in range(len(original)):
        one, other = (_single(frames, index).to_rgb().astype(np.int32) for frames in (original, changed))
        total += float(np.mean((one - other) ** 2))
    return 10 * math.log10(255**2 * len(original) / total) if total else math.inf


def _compared(name: str, first: Frames, second: Frames) -> list[dict[str, str]]:
    """What a filter of two inputs says of each pair of frames."""
    graph = Graph()
    ends = [
        graph.add_buffer(None, first.width, first.height, VideoFormat("yuv420p"), time_base=_TICK) for _ in range(2)
    ]
    compare, sink = graph.add(name), graph.add("buffersink")
    for port, end in enumerate(ends):
        end.link_to(compare, 0, port)
    compare.link_to(sink)
    graph.configure()
    said: list[dict[str, str]] = []
    for index in range(len(first)):
        for end, frames in zip(ends, (first, second), strict=True):
            picture = video_frame(frames.luma[index], frames.chroma[index])
            picture.pts, picture.time_base = index, _TICK
            end.push(picture)
        said += _pulled(sink)
    for end in ends:
        end.push(None)
    said += _pulled(sink)
    if len(said) != len(first):
        raise RuntimeError(f"{name} compared {len(said)} of {len(first)} frames")
    return said


def _pulled(sink: FilterContext) -> list[dict[str, str]]:
    said: list[dict[str, str]] = []
    while True:
        try:
            frame = sink.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return said
        assert isinstance(frame, VideoFrame)
        said.append(dict(frame.metadata))


def _single(frames: Frames, index: int) -> Frames:
    part = slice(index, index + 1)
    return Frames(frames.luma[part], frames.chroma[part], frames.pts[part], frames.colour)
