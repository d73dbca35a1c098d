"""What happens to a video on its way through a platform: re-encoded or re-wrapped, metadata gone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from countermark.core.media.frames import Frames
from countermark.core.media.isolate import remux_isolated
from countermark.core.media.limits import Limits
from countermark.core.media.opening import check_file
from countermark.core.media.partial import muxer, written_whole
from countermark.core.media.planes import planes, video_frame
from countermark.core.media.reader import VideoReader
from countermark.core.media.writer import Codec, VideoSpec, VideoWriter
from countermark.core.settings import get_settings


def transcode(
    src: Path | str,
    dst: Path | str,
    *,
    crf: int = 28,
    codec: Codec = "libx264",
    preset: str = "medium",
    size: tuple[int, int] | None = None,
    limits: Limits | None = None,
) -> None:
    """Re-encode ``src`` to ``dst`` without any of its metadata; audio is copied.

    ``size`` is (width, height) to scale to (bicubic). Raises what ``VideoReader`` and ``VideoWriter`` raise.
    """
    with VideoReader(src, limits) as reader:
        spec = VideoSpec.like(reader.info, crf=crf, codec=codec, preset=preset)
        if size is not None:
            spec = VideoSpec.like(reader.info, crf=crf, codec=codec, preset=preset, width=size[0], height=size[1])
        with VideoWriter(dst, spec, audio_from=src if reader.info.audio else None) as writer:
            for frames in reader:
                writer.write(frames if size is None else _scaled(frames, *size))


def remux_without_metadata(src: Path | str, dst: Path | str, *, limits: Limits | None = None) -> None:
    """Copy video and audio packets of ``src`` to ``dst`` bit for bit, leaving all metadata behind.

    Raises ``MediaError`` or ``MediaLimitError`` for what ``src`` is, and for audio that ``dst`` cannot hold.
    """
    src, dst, limits = Path(src), Path(dst), limits or Limits.from_settings(get_settings())
    muxer(dst)
    check_file(src, limits)
    with written_whole(dst) as partial:
        remux_isolated(src, partial, audio=src, metadata={}, limits=limits)


def _scaled(frames: Frames, width: int, height: int) -> Frames:
    scaled = [
        planes(video_frame(luma, chroma).reformat(width=width, height=height, interpolation="BICUBIC"))
        for luma, chroma in zip(frames.luma, frames.chroma, strict=True)
    ]
    return Frames(
        np.stack([luma for luma, _ in scaled]), np.stack([chroma for _, chroma in scaled]), frames.pts, frames.colour
    )
