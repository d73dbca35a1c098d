"""Decoded video in memory: planar Y'CbCr 4:2:0, the form in which codecs keep it.

Watermarking touches luma only and pass-through keeps chroma bit-exact, so frames stay planar until somebody
needs RGB (the generator's output, image encoders, thumbnails).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

UInt8 = npt.NDArray[np.uint8]

# Luma coefficients (Kr, Kb): ITU-R BT.601-7 section 2.5.1, BT.709-6 section 3, BT.2020-2 table 4.
_KR_KB: dict[str, tuple[float, float]] = {
    "bt601": (0.299, 0.114),
    "bt709": (0.2126, 0.0722),
    "bt2020": (0.2627, 0.0593),
}


@dataclass(frozen=True)
class Colour:
    """How Y'CbCr codes relate to R'G'B', plus the code points (ITU-T H.273) carried through unchanged.

    ``matrix`` is what the arithmetic uses. ``coefficients`` is H.273 MatrixCoefficients as the file tags it
    (2: untagged, ``matrix`` is then a guess from the frame size); None lets the writer tag what ``matrix`` says.
    """

    matrix: Literal["bt601", "bt709", "bt2020"] = "bt709"
    full_range: bool = False
    primaries: int = 2
    transfer: int = 2
    coefficients: int | None = None


@dataclass(frozen=True)
class Frames:
    """A chunk of consecutive frames.

    ``luma`` uint8 [T, H, W]; ``chroma`` uint8 [T, 2, ceil(H/2), ceil(W/2)] (Cb, Cr);
    ``pts`` int64 [T] presentation times in the stream's time base.
    """

    luma: UInt8
    chroma: UInt8
    pts: npt.NDArray[np.int64]
    colour: Colour = field(default_factory=Colour)

    def __len__(self) -> int:
        return int(self.luma.shape[0])

    @property
    def height(self) -> int:
        """Rows of luma."""
        return int(self.luma.shape[1])

    @property
    def width(self) -> int:
        """Columns of luma."""
        return int(self.luma.shape[2])

    def with_luma(self, luma: UInt8) -> Frames:
        """The same chunk with other luma of the same shape."""
        if luma.shape != self.luma.shape:
            raise ValueError(f"luma is {luma.shape}, expected {self.luma.shape}")
        return Frames(luma, self.chroma, self.pts, self.colour)

    def __getitem__(self, which: slice) -> Frames:
        """Some of the frames, without copying them."""
        return Frames(self.luma[which], self.chroma[which], self.pts[which], self.colour)

    @classmethod
    def joined(cls, parts: Iterable[Frames]) -> Frames:
        """Chunks of one size, at least one of them, one after another."""
        every = list(parts)
        if len(every) == 1:
            return every[0]
        return cls(
            np.concatenate([part.luma for part in every]),
            np.concatenate([part.chroma for part in every]),
            np.concatenate([part.pts for part in every]),
            every[0].colour,
        )

    def even(self) -> Frames:
        """The same chunk with the last column and row repeated where a side is odd.

        H.264 and HEVC cannot hold an odd size in 4:2:0 (the cropping unit is two luma samples).
        """
        right, below = self.width % 2, self.height % 2
        if not right and not below:
            return self
        luma = np.pad(self.luma, ((0, 0), (0, below), (0, right)), mode="edge")
        return Frames(luma, self.chroma, self.pts, self.colour)

    def to_rgb(self) -> UInt8:
        """R'G'B' uint8 [T, H, W, 3]; chroma is replicated to full resolution."""
        kr, kb = _KR_KB[self.colour.matrix]
        y_scale, c_scale, y_zero = (1.0, 1.0, 0.0) if self.colour.full_range else (255 / 219, 255 / 224, 16.0)
        out = np.empty((*self.luma.shape, 3), np.uint8)
        for t in range(len(self)):  # frame by frame: float intermediates stay small
            y = (self.luma[t].astype(np.float32) - y_zero) * y_scale
            up = self.chroma[t].repeat(2, axis=1).repeat(2, axis=2)[:, : self.height, : self.width]
            cb, cr = (up.astype(np.float32) - 128.0) * c_scale
            r = y + 2 * (1 - kr) * cr
            b = y + 2 * (1 - kb) * cb
            g = (y - kr * r - kb * b) / (1 - kr - kb)
            np.copyto(out[t], np.rint(np.clip(np.stack((r, g, b), axis=-1), 0, 255)), casting="unsafe")
        return out

    @classmethod
    def from_rgb(cls, rgb: UInt8, *, pts: npt.NDArray[np.int64], colour: Colour | None = None) -> Frames:
        """From R'G'B' uint8 [T, H, W, 3]; chroma is the mean of each 2x2 block."""
        colour = colour or Colour()
        kr, kb = _KR_KB[colour.matrix]
        y_scale, c_scale, y_zero = (1.0, 1.0, 0.0) if colour.full_range else (219 / 255, 224 / 255, 16.0)
        t, h, w, _ = rgb.shape
        luma = np.empty((t, h, w), np.uint8)
        chroma = np.empty((t, 2, (h + 1) // 2, (w + 1) // 2), np.uint8)
        for i in range(t):
            r, g, b = np.moveaxis(rgb[i].astype(np.float32), -1, 0)
            y = kr * r + (1 - kr - kb) * g + kb * b
            full = np.stack(((b - y) / (2 * (1 - kb)), (r - y) / (2 * (1 - kr))))
            full = np.pad(full, ((0, 0), (0, h % 2), (0, w % 2)), mode="edge")
            half = full.reshape(2, (h + 1) // 2, 2, (w + 1) // 2, 2).mean(axis=(2, 4))
            luma[i] = np.rint(np.clip(y * y_scale + y_zero, 0, 255))
            chroma[i] = np.rint(np.clip(half * c_scale + 128, 0, 255))
        return cls(luma, chroma, pts, colour)
