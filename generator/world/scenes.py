"""The backgrounds: skies, horizons and what stands and moves there, as smooth gradients and silhouettes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from generator.world.brushes import Image
from generator.world.landscapes import LANDSCAPES
from generator.world.moving import Part, Scenes, over
from generator.world.places import PLACES
from generator.world.skies import SKIES
from generator.world.waters import WATERS

_PARTS: Scenes = {**SKIES, **LANDSCAPES, **WATERS, **PLACES}


class Scene:
    """A background that can be drawn at any time. What stands still is painted once."""

    def __init__(self, parts: Sequence[Part], start: float) -> None:
        back, *rest = parts
        if callable(back):
            raise TypeError("the first part of a scene is the picture behind all others; give it a gradient")
        self._back = back
        self._movers = [part if callable(part) else over(part) for part in rest]
        self._start = start

    def at(self, seconds: float) -> Image:
        """The scene at a time from 0 on as float32 R'G'B' [H, W, 3] in [0, 1]; the same whenever it is asked for."""
        image = self._back.copy(order="K")
        for paint in self._movers:
            paint(image, self._start + seconds)
        return np.ascontiguousarray(np.clip(image, 0, 1, out=image))


def scene_of(name: str, height: int, width: int, rng: np.random.Generator) -> Scene:
    """The scene called ``name``; ``rng`` places horizon, sun and clouds, and says where in its course it begins."""
    parts = _PARTS[name](height, width, rng)
    return Scene(parts, float(rng.uniform(0, 300)))
