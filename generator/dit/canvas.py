"""The picture that is sampled: the one that was asked for, its sides rounded up to whole patches."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from generator.dit.autoencoder import STRIDE
from generator.model import RGB, Mask

PATCH = 4  # latent pixels of a token's side


@dataclass(frozen=True)
class Canvas:
    """A canvas for pictures of ``width`` x ``height`` pixels, which stand in its middle."""

    width: int
    height: int

    @property
    def rows(self) -> int:
        """Latent rows."""
        return math.ceil(self.height / (STRIDE * PATCH)) * PATCH

    @property
    def columns(self) -> int:
        """Latent columns."""
        return math.ceil(self.width / (STRIDE * PATCH)) * PATCH

    @property
    def _border(self) -> tuple[int, int]:
        """Rows above and columns left of the picture."""
        return (self.rows * STRIDE - self.height) // 2, (self.columns * STRIDE - self.width) // 2

    def around(self, rgb: RGB) -> RGB:
        """Frames [T, height, width, 3] on the canvas, their borders repeated."""
        top, left = self._border
        below, right = self.rows * STRIDE - self.height - top, self.columns * STRIDE - self.width - left
        if not (top or left or below or right):
            return rgb
        return np.pad(rgb, ((0, 0), (top, below), (left, right), (0, 0)), mode="edge")

    def picture(self, frames: Tensor) -> Tensor:
        """The picture in frames [T, 3, H, W] of the whole canvas."""
        top, left = self._border
        return frames[..., top : top + self.height, left : left + self.width]

    def kept(self, mask: Mask) -> Tensor:
        """Which latent pixels show nothing of what ``mask`` [height, width] marks: bool [rows, columns]."""
        whole = self.around(mask[None, ..., None].astype(np.uint8))[0, ..., 0]
        marked: Tensor = F.max_pool2d(torch.from_numpy(whole)[None, None].float(), STRIDE)
        return marked[0, 0] == 0
