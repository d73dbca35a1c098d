"""Still pictures from strangers, decoded in a child process under limits, like every upload."""

from __future__ import annotations

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
_SECONDS = 20
# Prints the size and then the pixels. Only the named decoder is tried; memory and CPU time are limited by the kernel.
_CHILD = """
import resource, sys
for kind, limit in ((resource.RLIMIT_AS, 2 << 30), (resource.RLIMIT_CPU, 15), (resource.RLIMIT_FSIZE, 0)):
    resource.setrlimit(kind, (limit, limit))
from PIL import Image
Image.MAX_IMAGE_PIXELS = int(sys.argv[2])
with Image.open(sys.stdin.buffer, formats=[sys.argv[1]]) as image:
    if image.width * image.height > int(sys.argv[2]):
        sys.exit(3)
    image.draft("RGB", (int(sys.argv[3]),) * 2)
    picture = image.convert("RGB")
picture.thumbnail((int(sys.argv[3]),) * 2)
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
    """The (first) picture of a file as R'G'B' uint8 [H, W, 3], at most 1024 pixels a side.

    Raises `MediaError` when it cannot be read and `MediaLimitError` when it is larger than the settings allow.
    """
    remedy = "Give a complete PNG, JPEG, GIF or WebP picture."
    try:
        data = path.read_bytes() if path.stat().st_size <= _MOST_BYTES else b""
    except OSError as error:
        raise MediaError(f"{path} cannot be read: {error.strerror}.", remedy="Check the path.") from error
    kind = next((name for mark, name in _KINDS.items() if data.startswith(mark)), None)
    if kind is None:
        raise MediaError(f"{path} is not a picture that is accepted, or is over {_MOST_BYTES >> 20} MB.", remedy=remedy)
    command = [sys.executable, "-I", "-c", _CHILD, kind, str(settings.max_pixels), str(_SIDE)]
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise MediaLimitError(f"{path} took too long to read.", remedy="Give a simpler picture.") from error
    if done.returncode == 3 or b"DecompressionBomb" in done.stderr:
        raise MediaLimitError(f"{path} has more than {settings.max_pixels} pixels.", remedy="Give a smaller picture.")
    size, _, pixels = done.stdout.partition(b"\n")
    if done.returncode != 0 or not size:
        raise MediaError(f"{path} cannot be read as {kind}.", remedy=remedy)
    width, height = (int(value) for value in size.split())
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 3)
