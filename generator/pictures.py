"""Given files, which `countermark.core.media` decodes in its confined child, as frames of the model's size and rate."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from countermark.core.errors import MediaError, UsageError
from countermark.core.media import Limits, VideoReader
from countermark.core.media.opening import still_format
from generator.model import RGB, Mask

_CHUNK = 16  # frames of a video at a time


def is_still(path: Path) -> bool:
    """Whether the file begins like a PNG, JPEG or WebP picture."""
    return still_format(path) is not None


def fitted(image: Image.Image, width: int, height: int) -> RGB:
    """``image`` scaled to cover ``width`` x ``height``, what is over cut off evenly: uint8 [height, width, 3]."""
    whole = image.convert("RGB")
    if whole.size != (width, height):
        whole = ImageOps.fit(whole, (width, height), Image.Resampling.LANCZOS)
    return np.asarray(whole)


def placed(size: tuple[int, int], width: int, height: int) -> tuple[int, int, int, int]:
    """Where a picture of ``size`` stands when all of it is shown inside ``width`` x ``height``: left, top, width and
    height, in even pixels.
    """
    share = min(width / size[0], height / size[1])
    inner = (min(width, 2 * round(size[0] * share / 2)), min(height, 2 * round(size[1] * share / 2)))
    return (width - inner[0]) // 4 * 2, (height - inner[1]) // 4 * 2, max(2, inner[0]), max(2, inner[1])


def contained(image: Image.Image, width: int, height: int) -> RGB:
    """All of ``image`` inside ``width`` x ``height``, its border repeated around it: uint8 [height, width, 3]."""
    left, top, inner_width, inner_height = placed(image.size, width, height)
    whole = np.asarray(image.convert("RGB").resize((inner_width, inner_height), Image.Resampling.LANCZOS))
    rest = ((top, height - top - inner_height), (left, width - left - inner_width), (0, 0))
    return np.pad(whole, rest, mode="edge")


def outside(path: Path, width: int, height: int, limits: Limits) -> Mask:
    """Where `read_video` shows nothing of the video at ``path`` that stands inside: bool [height, width].

    Raises `MediaError` or `MediaLimitError`, and `UsageError` when there is no such place.
    """
    with VideoReader(path, limits) as reader:
        shown = (reader.info.width, reader.info.height)
        left, top, inner_width, inner_height = placed(shown[::-1] if reader.info.quarters % 2 else shown, width, height)
    mask = np.ones((height, width), bool)
    mask[top : top + inner_height, left : left + inner_width] = False
    if not mask.any():
        cause = f"{path} has the shape of {width}x{height} already; there is nothing to make around it."
        raise UsageError(cause, remedy="Give a size of another shape.")
    return mask


def read_still(path: Path, width: int, height: int, limits: Limits) -> RGB:
    """A picture as one frame, uint8 [1, height, width, 3], upright as its EXIF orientation says.

    Raises `MediaError` for what is no PNG, JPEG or WebP picture, `MediaLimitError` for one over the limits.
    """
    if not is_still(path):
        raise MediaError(f"{path} is not a picture.", remedy="Give a PNG, JPEG or WebP picture.")
    with VideoReader(path, limits) as reader:
        (frames,) = reader
    return fitted(Image.fromarray(frames.to_rgb()[0]), width, height)[None]


def read_video(
    path: Path, width: int, height: int, fps: Fraction, limits: Limits, *, inside: bool = False
) -> Iterator[RGB]:
    """A video at another size and rate, in chunks of at most 16 R'G'B' frames; at each moment the frame that is then
    shown, however long.

    It covers the picture, or stands ``inside`` it as a whole.

    Raises `MediaError` or `MediaLimitError`.
    """
    with VideoReader(path, limits) as reader:
        start: int | None = None
        due = 0
        last: RGB | None = None
        out: list[RGB] = []
        for frames in reader:
            for pts, rgb in zip(frames.pts.tolist(), frames.to_rgb(), strict=True):
                start = pts if start is None else start
                begins = (pts - start) * reader.info.time_base * fps
                while last is not None and due < begins:
                    out.append(last)
                    due += 1
                    if len(out) == _CHUNK:
                        yield np.stack(out)
                        out = []
                image = Image.fromarray(reader.info.upright(rgb))
                last = (contained if inside else fitted)(image, width, height)
        if last is not None:
            yield np.stack([*out, last])
