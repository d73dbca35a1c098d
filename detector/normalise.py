"""Bring frames of any origin to one form before anything is measured.

Container, size and bit rate alone tell generated clips from real ones in every public collection, because each source
has its own habits. A detector that sees them learns the habits. So every frame is brought to the same size and passes
the same lossy step before the encoder sees it.
"""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from countermark.core.encoders.image import SIZE

UInt8 = npt.NDArray[np.uint8]

SHORT_SIDE = 240
"""Frames are scaled to this short side; the central ``SIZE`` square is kept, without the edges where logos sit."""

_JPEG_QUALITY = 80
_LONGEST = 4
"""A longer side than so many short ones is cut to that beforehand: scaled, a ribbon would fill the memory."""


def normalise(frame: UInt8) -> UInt8:
    """Scale, recompress and crop one R'G'B' frame uint8 [H, W, 3] to uint8 [224, 224, 3]."""
    longest = _LONGEST * min(frame.shape[:2])
    top, left = (max(0, (side - longest) // 2) for side in frame.shape[:2])
    frame = frame[top : top + longest, left : left + longest]
    height, width, _ = frame.shape
    scale = SHORT_SIDE / min(height, width)
    size = (max(SHORT_SIDE, round(width * scale)), max(SHORT_SIDE, round(height * scale)))
    image = Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC)
    left, top = (size[0] - SIZE) // 2, (size[1] - SIZE) // 2
    # Crop on the 8-pixel grid of the JPEG step, so that the blocks lie in the same places in every frame.
    image = image.crop((left, top, left + SIZE, top + SIZE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_JPEG_QUALITY)
    return np.asarray(Image.open(buffer).convert("RGB"), np.uint8)


def visible_part(shape: tuple[int, int]) -> tuple[float, float, float, float]:
    """Which part of a frame of ``shape`` (height, width) is kept: left, top, right, bottom in parts of its sides."""
    height, width = shape
    scale = SHORT_SIDE / min(height, width)
    x, y = (SIZE / max(SHORT_SIDE, side * scale) / 2 for side in (width, height))
    return 0.5 - x, 0.5 - y, 0.5 + x, 0.5 + y
