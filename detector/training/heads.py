"""The heads that are trained: which features of a look each sees, and how strongly it is held back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detector.geometry import FEWEST, LEAST_MOTION, motion, path_features
from detector.head import features
from detector.residual import SMALLEST, residual_features
from detector.signals.frames import patch_features
from detector.tokens import GRID_LAYER, layers_of
from detector.training.data import FRAMES, Look
from detector.training.table import Features

Float32 = npt.NDArray[np.float32]

FRAME_LAYERS = (4, 5, 6, 7, 8)
"""Encoder layers the frame head looks at; of those tried they find most where nobody is accused, see
``docs/detector.md``.
"""
MOTION_LAYERS = (4, 6, 8)
PATCHES = 24
"""Patches taken of a look."""


@dataclass(frozen=True)
class Recipe:
    """How a head is made; ``strength`` and ``scaled`` as in :func:`detector.training.fitting.fit`."""

    name: str
    features: Features
    strength: float
    scaled: bool
    layers: tuple[int, ...] = ()


def frame_rows(look: Look) -> Float32:
    """Class tokens of at most ``FRAMES`` evenly spread frames."""
    chosen = np.linspace(0, len(look.classes) - 1, min(FRAMES, len(look.classes))).round().astype(int)
    return features(layers_of(look.classes[chosen], FRAME_LAYERS))


def motion_rows(look: Look) -> Float32 | None:
    """The path of a burst."""
    if not look.moving or len(look.classes) < FEWEST:
        return None
    if motion(layers_of(look.classes, (GRID_LAYER,))[:, 0]) < LEAST_MOTION:
        return None
    return path_features(layers_of(look.classes, MOTION_LAYERS)).astype(np.float32)[None]


def noise_rows(look: Look) -> Float32 | None:
    """Noise and spectrum of a burst."""
    if not look.moving or len(look.crops) < 2 or min(look.crops.shape[1:3]) < SMALLEST:
        return None
    return residual_features(look.crops).astype(np.float32)[None]


def patch_rows(look: Look) -> Float32:
    """A few patches of one frame, for the heat map; always the same ones."""
    chosen = np.random.default_rng(0).choice(len(look.grid), PATCHES, replace=False)
    return patch_features(look.grid[chosen])


RECIPES = (
    Recipe("frames", frame_rows, strength=30.0, scaled=False, layers=FRAME_LAYERS),
    Recipe("motion", motion_rows, strength=0.1, scaled=True, layers=MOTION_LAYERS),
    Recipe("noise", noise_rows, strength=0.1, scaled=True),
)
"""The heads that a verdict rests on."""
PATCH_RECIPE = Recipe("patches", patch_rows, strength=5.0, scaled=False, layers=(GRID_LAYER,))
"""The head that draws heat maps."""
