"""Subjects as shaded vector shapes, composited on frames.

Every subject is a function that draws on a `generator.world.drawing.Canvas` and faces right. Drawing happens at
``OVERSAMPLE`` times the final size and is box-filtered down, so edges are anti-aliased at any sub-pixel position.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from PIL import Image

from generator.world.animals import ANIMALS
from generator.world.drawing import PALETTE, Canvas, Figures
from generator.world.things import THINGS
from generator.world.vehicles import VEHICLES

OVERSAMPLE = 4
FIGURES: Figures = {**ANIMALS, **VEHICLES, **THINGS}


class Sprite:
    """A subject in one colour and size, ready to be composited at any sub-pixel position."""

    def __init__(self, subject: str, colour: str, size: int, *, faces_left: bool = False) -> None:
        canvas = Canvas(size * OVERSAMPLE, PALETTE[colour])
        FIGURES[subject](canvas)
        image = canvas.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if faces_left else canvas.image
        self._premultiplied = np.asarray(image.convert("RGBa"))
        self._phases: dict[tuple[int, int], npt.NDArray[np.float32]] = {}
        self.size = size

    def _phase(self, py: int, px: int) -> npt.NDArray[np.float32]:
        """The sprite shifted by (py, px) / OVERSAMPLE pixels, box-filtered to final size and shaded."""
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
        tile = self._phase(int((top - iy) * OVERSAMPLE), int((left - ix) * OVERSAMPLE))
        height, width, _ = frame.shape
        y0, y1 = max(iy, 0), min(iy + tile.shape[0], height)
        x0, x1 = max(ix, 0), min(ix + tile.shape[1], width)
        if y0 >= y1 or x0 >= x1:
            return
        part = tile[y0 - iy : y1 - iy, x0 - ix : x1 - ix]
        region = frame[y0:y1, x0:x1]
        np.copyto(region, np.rint(region * (1 - part[..., 3:]) + part[..., :3] * 255), casting="unsafe")
