"""What the encoder's middle layers say about frames: the raw material of all heads, in screening and in training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from countermark.core.encoders.image import ImageEncoder

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]

LAYERS = tuple(range(2, 9))
"""Encoder layers that are looked at, counted from 0: the middle ones, see ``docs/detector.md``."""
GRID_LAYER = 6
"""The layer whose patch tokens are kept."""

_BATCH, _DEVICE_BATCH = 8, 64  # frames at once on a processor, and on an accelerator


@dataclass(frozen=True)
class Tokens:
    """Of N frames: ``classes`` float32 [N, L, 768], class tokens of ``LAYERS``; ``grids`` float32 [N, 196, 768], patch
    tokens of ``GRID_LAYER``, row by row of a 14x14 grid.
    """

    classes: Float32
    grids: Float32


def see(images: UInt8, encoder: ImageEncoder) -> Tokens:
    """Tokens of normalised frames uint8 [N, 224, 224, 3]; patch tokens of all layers are in memory for a batch only."""
    rows: list[Tokens] = []
    batch = _BATCH if encoder.device == "cpu" else _DEVICE_BATCH
    for start in range(0, len(images), batch):
        found = encoder.layers(images[start : start + batch], LAYERS, batch=batch)
        rows.append(Tokens(found.classes, found.patches[:, LAYERS.index(GRID_LAYER)]))
    return Tokens(*(np.concatenate([getattr(r, name) for r in rows]) for name in ("classes", "grids")))


def layers_of(classes: Float32, layers: tuple[int, ...]) -> Float32:
    """Of ``classes`` [..., L, 768] the chosen layers [..., len(layers), 768]."""
    return classes[..., [LAYERS.index(layer) for layer in layers], :]
