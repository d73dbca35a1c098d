"""Subjects as shaded vector shapes, composited on frames.

Every subject is a function that draws on a `generator.world.drawing.Canvas` and faces right. Drawing happens at
``OVERSAMPLE`` times the final size and is box-filtered down, so edges are anti-aliased at any sub-pixel position.
"""

from __future__ import annotations

import math
from copy import copy

import numpy as np
import numpy.typing as npt
from PIL import Image

from generator.world.animals import ANIMALS
from generator.world.drawing import PALETTE, Canvas, Figures
from generator.world.things import THINGS
from generator.world.vehicles import VEHICLES
from generator.world.wild import WILD

OVERSAMPLE = 4
FIGURES: Figures = {**ANIMALS, **WILD, **VEHICLES, **THINGS}


class Sprite:
    """A subject in one colour and size, ready to be composited at any sub-pixel position."""

    def __init__(self, subject: str, colour: str, size: int, *, faces_left: bool = False) -> None:
        canvas = Canvas(size * OVERSAMPLE, PALETTE[colour])
        FIGURES[subject](canvas)
        image = canvas.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if faces_left else canvas.image
        self._set(image.convert("RGBa"), size)

    def _set(self, image: Image.Image, size: int) -> None:
        self._image = image
        self._premultiplied = np.asarray(image)
        self._phases: dict[tuple[int, int], npt.NDArray[np.float32]] = {}
        self.size = size

    def turned(self, angle: float) -> Sprite:
        """The same turned clockwise by ``angle``, in radians; larger, since its corners need room."""
        if angle == 0:
            return self
        side = math.ceil(self.size * math.sqrt(2))
        side += (side - self.size) % 2  # as much more on either side
        margin = (side - self.size) // 2 * OVERSAMPLE
        wide = Image.new("RGBa", (side * OVERSAMPLE,) * 2)
        wide.paste(self._image, (margin, margin))
        sprite = copy(self)
        sprite._set(wide.rotate(-math.degrees(angle), Image.Resampling.BILINEAR), side)
        return sprite

    def tile(self, py: int, px: int) -> npt.NDArray[np.float32]:
        """The sprite shifted by (py, px) / OVERSAMPLE pixels, box-filtered to final size and shaded: premultiplied
        R'G'B' and cover in [0, 1], float32 [size + 1, size + 1, 4].
        """
        if (py, px) not in self._phases:
            k = OVERSAMPLE
            padded = np.pad(self._premultiplied, ((py, k - py), (px, k - px), (0, 0)))
            rows = np.add.reduce([padded[i::k] for i in range(k)], dtype=np.uint16)
            tile = np.add.reduce([rows[:, i::k] for i in range(k)]).astype(np.float32) / (255 * k**2)
            # Light from the upper left: one soft ramp over the whole subject.
            ramp = np.linspace(1.1, 0.84, len(tile), dtype=np.float32)
            shade = (ramp[:, None] + ramp[None, :])[..., None] / 2
            tile[..., :3] = np.minimum(tile[..., :3] * shade, tile[..., 3:])
            self._phases[py, px] = tile
        return self._phases[py, px]

    def composite(self, frame: npt.NDArray[np.uint8], x: float, y: float) -> None:
        """Draw onto ``frame`` (uint8 [H, W, 3], changed in place) centred at pixel (x, y)."""
        left, top = x - self.size / 2, y - self.size / 2
        ix, iy = math.floor(left), math.floor(top)
        tile = self.tile(int((top - iy) * OVERSAMPLE), int((left - ix) * OVERSAMPLE))
        height, width, _ = frame.shape
        y0, y1 = max(iy, 0), min(iy + tile.shape[0], height)
        x0, x1 = max(ix, 0), min(ix + tile.shape[1], width)
        if y0 >= y1 or x0 >= x1:
            return
        part = tile[y0 - iy : y1 - iy, x0 - ix : x1 - ix]
        region = frame[y0:y1, x0:x1]
        np.copyto(region, np.rint(region * (1 - part[..., 3:]) + part[..., :3] * 255), casting="unsafe")
