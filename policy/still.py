"""Still pictures from strangers, decoded in a child process under limits, like every upload."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from countermark.core.errors import MediaError, MediaLimitError
from countermark.core.settings import Settings

UInt8 = npt.NDArray[np.uint8]
_KINDS = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF8": "GIF", b"RIFF": "WEBP"}
_MOST_BYTES = 64 << 20
_SIDE = 1024  # of what is examined; larger pictures are scaled down in the child
_SECONDS = 15  # of processor time for the picture
_PATIENCE = 600  # seconds by the clock, which on a busy machine say nothing about the picture
# Prints the size and then the pixels. Only the named decoder is tried; memory and processor time are limited by the
# kernel, the latter from here on: how long an interpreter takes to start is not the picture's fault.
_CHILD = """
import math, resource, sys
from PIL import Image, ImageOps
kind, most, side, seconds = sys.argv[1], *map(int, sys.argv[2:])
seconds += math.ceil(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))  # SIGXCPU first: SIGKILL then is somebody else's
resource.setrlimit(resource.RLIMIT_AS, (2 << 30,) * 2)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
Image.MAX_IMAGE_PIXELS = most
try:
    with Image.open(sys.stdin.buffer, formats=[kind]) as image:
        if image.width * image.height > most:
            sys.exit(3)
        image.draft("RGB", (side, side))
        picture = ImageOps.exif_transpose(image).convert("RGB")
    picture.thumbnail((side, side))
except (Image.DecompressionBombError, MemoryError):
    sys.exit(3)
sys.stdout.buffer.write(f"{picture.width} {picture.height}\\n".encode() + picture.tobytes())
"""


def is_still(path: Path) -> bool:
    """True for a file that begins like a PNG, JPEG, GIF or WebP picture."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return False
    kind = next((name for mark, name in _KINDS.items() if head.startswith(mark)), None)
    return kind is not None and (kind != "WEBP" or head[8:] == b"WEBP")


def read_still(path: Path, settings: Settings) -> UInt8:
    """The (first) picture of a file, upright as its EXIF says, as R'G'B' uint8 [H, W, 3], at most 1024 pixels a side.

    Raises `MediaError` when it cannot be read, and `MediaLimitError` when it is larger than the settings allow or costs
    too much to decode.
    """
    remedy = "Give a complete PNG, JPEG, GIF or WebP picture."
    try:
        data = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else b""
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}.", remedy="Check the path.") from error
    kind = next((name for mark, name in _KINDS.items() if data.startswith(mark)), None)
    if kind is None:
        raise MediaError(f"{path} is not a picture that is accepted, or is over {_MOST_BYTES >> 20} MB.", remedy=remedy)
    limits = (str(limit) for limit in (settings.max_pixels, _SIDE, _SECONDS))
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _CHILD, kind, *limits],
            input=data,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        cause = f"Reading {path} was given up after {_PATIENCE} s."
        raise MediaError(cause, remedy="The machine is too busy; try again later.") from error
    if done.returncode == -signal.SIGXCPU:
        cause = f"Reading {path} took more than {_SECONDS} s of processor time."
        raise MediaLimitError(cause, remedy="Give a simpler picture.")
    if done.returncode == 3:
        cause = f"{path} has more than {settings.max_pixels} pixels or needs too much memory."
        raise MediaLimitError(cause, remedy="Give a smaller picture.")
    size, _, pixels = done.stdout.partition(b"\n")
    if done.returncode != 0 or not size:
        raise MediaError(f"{path} cannot be read as {kind}.", remedy=remedy)
    width, height = (int(value) for value in size.split())
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
