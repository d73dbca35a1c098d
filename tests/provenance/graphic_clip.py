"""Clips like those of the bundled generator: flat shapes moving over smooth gradients, almost no texture."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from countermark.core.media import Frames

_FLOAT = npt.NDArray[np.float64]


def graphic_clip(seed: int, frames: int = 17, side: int = 256) -> Frames:
    """A gradient sky, hills or sea or sun by ``seed``, and a shape that crosses it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side].astype(float)
    down = (y / side)[..., None]
    scene = rng.uniform(20, 235, 3) * (1 - down) + rng.uniform(60, 250, 3) * down
    for layer in range(rng.integers(0, 4)):
        horizon = side * (0.5 + 0.1 * layer) + side * 0.05 * np.sin(x / side * rng.uniform(2, 12) + rng.uniform(0, 6))
        scene = _paint(scene, y - horizon, rng.uniform(10, 220, 3))
    sun = side * rng.uniform(0.1, 0.4, 2)
    scene = _paint(scene, side * 0.08 - np.hypot(x - sun[0], y - sun[1]), np.array([255.0, 240.0, 180.0]))
    start, stop = side * rng.uniform(0.2, 0.8, (2, 2))
    radius, colour, round_shape = side * rng.uniform(0.08, 0.18), rng.uniform(0, 255, 3), rng.random() < 0.5
    pictures = []
    for t in range(frames):
        centre = start + (stop - start) * t / max(frames - 1, 1)
        dx, dy = x - centre[0], y - centre[1]
        distance = np.hypot(dx, dy) if round_shape else np.maximum(np.abs(dx), np.abs(dy))
        pictures.append(np.rint(_paint(scene, radius - distance, colour).clip(0, 255)).astype(np.uint8))
    return Frames.from_rgb(np.stack(pictures), pts=np.arange(frames))


def _paint(scene: _FLOAT, inside: _FLOAT, colour: _FLOAT) -> _FLOAT:
    """Colour where ``inside`` (pixels from the edge) is positive, with an edge one pixel wide."""
    cover = np.clip(inside + 0.5, 0, 1)[..., None]
    return scene * (1 - cover) + colour * cover
