"""What backgrounds are painted with: gradients, discs, hills and other shapes, in heights of the picture.

A picture is float32 R'G'B' [H, W, 3]. A `layer` has a fourth channel, how opaque it is, and colours premultiplied by
it; every brush paints on both. The channels lie in planes, which is what makes painting with a mask fast.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]
RGB = tuple[int, int, int]
Box = tuple[slice, slice]


def rgb(colour: RGB) -> npt.NDArray[np.float32]:
    """``colour`` as R'G'B' in [0, 1]."""
    return np.array([c / 255 for c in colour], np.float32)


def _planes(channels: int, height: int, width: int) -> Image:
    return np.zeros((channels, height, width), np.float32).transpose(1, 2, 0)


def layer(height: int, width: int) -> Image:
    """Nothing yet, [H, W, 4], to paint on what stands in front of something that moves."""
    return _planes(4, height, width)


def ramp(height: int, stops: Sequence[tuple[float, RGB]]) -> Image:
    """The colour of every row, [H, 1, 3], through ``stops`` (position in [0, 1], colour)."""
    rows = np.linspace(0, 1, height, dtype=np.float32)
    where = [s for s, _ in stops]
    channels = [np.interp(rows, where, [c[i] / 255 for _, c in stops]) for i in range(3)]
    return np.stack(channels, axis=-1).astype(np.float32)[:, None]


def gradient(height: int, width: int, stops: Sequence[tuple[float, RGB]]) -> Image:
    """A vertical gradient through ``stops`` (position in [0, 1], colour)."""
    return _planes(3, height, width) + ramp(height, stops)


def blend(image: Image, mask: npt.NDArray[np.float32], colour: npt.NDArray[np.float32]) -> None:
    """Paint with ``colour``, [3] or one that broadcasts to [H, W, 3], as opaque as ``mask`` [H, W] in [0, 1]."""
    image[..., :3] += mask[..., None] * (colour - image[..., :3])
    if image.shape[2] == 4:
        image[..., 3] += mask * (1 - image[..., 3])


@lru_cache(maxsize=8)
def grid(height: int, width: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """x and y of pixel centres in [0, 1] of the height (so circles stay round at any aspect ratio)."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return (x + 0.5) / height, (y + 0.5) / height


def around(image: Image, cx: float, cy: float, rx: float, ry: float) -> Box:
    """The pixels of ``image`` that may lie within ``rx`` and ``ry`` of a point."""
    height = len(image)
    return (
        slice(max(0, int((cy - ry) * height)), max(0, int((cy + ry) * height) + 2)),
        slice(max(0, int((cx - rx) * height)), max(0, int((cx + rx) * height) + 2)),
    )


def offsets(image: Image, box: Box, cx: float, cy: float) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """How far the columns, [1, n], and rows, [m, 1], of a ``box`` lie from a point."""
    x, y = grid(*image.shape[:2])
    return x[:1, box[1]] - np.float32(cx), y[box[0], :1] - np.float32(cy)


def fill(image: Image, inside: npt.NDArray[np.float32], colour: npt.NDArray[np.float32], edge: float = 0.0) -> None:
    """Paint a shape that every pixel is ``inside`` of by so many heights [H, W]; ``edge`` is how soft its border is."""
    blend(image, np.clip(inside / max(edge, 1 / len(image)) + 0.5, 0, 1).astype(np.float32), colour)


def disc(
    image: Image, cx: float, cy: float, radius: float, colour: RGB, softness: float = 0.0, opacity: float = 1.0
) -> None:
    """Fill a circle around (``cx``, ``cy``)."""
    edge = max(softness, 1.0 / len(image))
    box = around(image, cx, cy, radius + edge, radius + edge)
    x, y = offsets(image, box, cx, cy)
    distance = np.sqrt(x * x + y * y) - np.float32(radius)
    blend(image[box], np.float32(opacity) * np.clip(0.5 - distance / np.float32(edge), 0, 1), rgb(colour))


def puff(image: Image, cx: float, cy: float, rx: float, ry: float, colour: RGB, opacity: float) -> None:
    """A spot without an edge: so opaque in its middle, and not at all at ``rx`` beside and ``ry`` above it. With an
    ``opacity`` above 1 it is opaque in more than its middle.
    """
    if opacity <= 0 or rx <= 0:
        return
    box = around(image, cx, cy, rx, ry)
    x, y = offsets(image, box, cx, cy)
    near = np.maximum(0, 1 - np.square(x / np.float32(rx)) - np.square(y / np.float32(ry)))
    blend(image[box], np.minimum(np.float32(opacity) * near * near, np.float32(1)), rgb(colour))


def below(image: Image, line: npt.NDArray[np.float32], top: RGB, bottom: RGB) -> None:
    """Fill everything below ``line`` (y per column, in heights) with a gradient from ``top`` to ``bottom``."""
    height, width, _ = image.shape
    highest = float(line.min())
    rows = slice(max(0, math.floor(highest * height) - 1), height)
    y = grid(height, width)[1][rows]
    mask = np.clip((y - line[None, :]) * height + 0.5, 0, 1).astype(np.float32)
    share = np.clip((y[:, :1] - highest) / max(1e-3, 1 - highest), 0, 1)[..., None]
    blend(image[rows], mask, rgb(top) + (rgb(bottom) - rgb(top)) * share.astype(np.float32))


def columns(width: int, height: int) -> npt.NDArray[np.float32]:
    """x of pixel centres in heights, [W]."""
    return ((np.arange(width, dtype=np.float32) + 0.5) / height).astype(np.float32)


def cloud(image: Image, x: float, y: float, scale: float, opacity: float = 1.0) -> None:
    """A white cloud, 0.26 heights wide at ``scale`` 1."""
    box = around(image, x, y, 0.15 * scale + 0.012, 0.075 * scale + 0.012)
    across, down = offsets(image, box, x, y)
    inside = np.full(np.broadcast_shapes(across.shape, down.shape), -1, np.float32)
    for dx, dy, r in ((-0.09, 0.012, 0.04), (-0.03, -0.012, 0.055), (0.04, 0.0, 0.048), (0.1, 0.015, 0.034)):
        distance = np.sqrt(np.square(across - np.float32(dx * scale)) + np.square(down - np.float32(dy * scale)))
        inside = np.maximum(inside, np.float32(r * scale) - distance)
    edge = np.float32(max(0.012, 1 / len(image)))
    blend(image[box], np.float32(opacity) * np.clip(0.5 + inside / edge, 0, 1), rgb((250, 252, 255)))


def bird(image: Image, cx: float, cy: float, size: float, lifted: float, colour: RGB) -> None:
    """A bird far off, two wings of length ``size``, ``lifted`` from -1, down, to 1, up."""
    reach = size + 1 / len(image)
    box = around(image, cx, cy, reach, reach)
    x, y = offsets(image, box, cx, cy)
    out = np.abs(x) / np.float32(size)
    wing = np.float32(-0.55 * lifted * size) * np.sin(2.2 * out) + np.float32(0.12 * size)
    inside = np.minimum(np.float32(0.16 * size) * (1.1 - out) - np.abs(y - wing), np.float32(size) * (0.95 - out))
    blend(image[box], np.clip(inside * len(image) + 0.5, 0, 1), rgb(colour))
