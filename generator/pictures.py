"""Given files as frames of the model's size and rate.

Videos are decoded by `countermark.core.media` in its confined child. Still pictures are decoded by Pillow in a child
process of their own with limits on time and memory, for the same reason: the bytes are a stranger's.
"""

from __future__ import annotations

import math
import resource
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from countermark.core.errors import MediaError, MediaLimitError, UsageError
from countermark.core.media import Limits, VideoReader
from countermark.core.media.opening import still_format
from generator.model import RGB, Mask

STILL_FORMATS = ("PNG", "JPEG", "WEBP")
_MEMORY = 2 * 1024**3
_SECONDS = 30  # of processor time for the picture
_PATIENCE = 600  # seconds by the clock, which on a busy machine say nothing about the picture


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
        left, top, inner_width, inner_height = placed(
            shown[::-1] if reader.info.rotation % 180 else shown, width, height
        )
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
    numbers = (str(number) for number in (width, height, limits.max_pixels, _SECONDS))
    command = [sys.executable, "-m", __name__, str(path), *numbers]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        cause = f"Decoding {path} was given up after {_PATIENCE} s."
        raise MediaError(cause, remedy="The machine is too busy; try again later.") from None
    if done.returncode == -signal.SIGXCPU:
        cause = f"Decoding {path} took more than {_SECONDS} s of processor time."
        raise MediaLimitError(cause, remedy="Give a smaller picture.")
    if done.returncode == 3:
        cause = f"{path} has more than {limits.max_pixels} pixels or needs too much memory."
        raise MediaLimitError(cause, remedy="Give a smaller picture, or raise COUNTERMARK_MAX_PIXELS.")
    if done.returncode or len(done.stdout) != width * height * 3:
        cause = f"{path} is not a picture that can be read."
        raise MediaError(cause, remedy=f"Give a complete picture as {', '.join(STILL_FORMATS)}.")
    return np.frombuffer(done.stdout, np.uint8).reshape(1, height, width, 3)


def read_video(
    path: Path, width: int, height: int, fps: Fraction, limits: Limits, *, inside: bool = False
) -> Iterator[RGB]:
    """A video at another size and rate, in chunks of R'G'B' frames; at each moment the frame that is then shown.

    It covers the picture, or stands ``inside`` it as a whole.

    Raises `MediaError` or `MediaLimitError`.
    """
    with VideoReader(path, limits) as reader:
        start: int | None = None
        due = 0
        last: RGB | None = None
        for frames in reader:
            out: list[RGB] = []
            for pts, rgb in zip(frames.pts.tolist(), frames.to_rgb(), strict=True):
                start = pts if start is None else start
                begins = (pts - start) * reader.info.time_base * fps
                while last is not None and due < begins:
                    out.append(last)
                    due += 1
                upright = np.rot90(rgb, reader.info.rotation // 90)
                image = Image.fromarray(upright[:, ::-1] if reader.info.mirrored else upright)
                last = (contained if inside else fitted)(image, width, height)
            if out:
                yield np.stack(out)
        if last is not None:
            yield last[None]


def _decode(path: str, width: int, height: int, max_pixels: int, seconds: int) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    # From here on: how long an interpreter takes to start and import is not the picture's fault.
    seconds += math.ceil(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))  # SIGXCPU first: SIGKILL then is somebody else's
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = max_pixels
    try:
        with Image.open(path, formats=STILL_FORMATS) as image:
            if image.width * image.height > max_pixels:
                return 3
            sys.stdout.buffer.write(fitted(ImageOps.exif_transpose(image), width, height).tobytes())
    except (Image.DecompressionBombError, Image.DecompressionBombWarning, MemoryError):
        return 3
    except (OSError, SyntaxError, ValueError):
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(_decode(sys.argv[1], *map(int, sys.argv[2:])))
