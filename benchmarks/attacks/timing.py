"""Changes in time: frames lost, repeated or left out. Times (``pts``) count frames anew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.attacks.scene import FPS, Scene, taken
from countermark.core.media import Frames


@dataclass(frozen=True)
class Drop:
    """A random ``share`` of the frames is lost."""

    share: float

    def __call__(self, frames: Frames, scene: Scene) -> Frames:
        kept = max(len(frames) - round(self.share * len(frames)), 1)
        return _played(frames, np.sort(scene.rng(self).permutation(len(frames))[:kept]))


@dataclass(frozen=True)
class Duplicate:
    """A random ``share`` of the frames is shown twice."""

    share: float

    def __call__(self, frames: Frames, scene: Scene) -> Frames:
        twice = scene.rng(self).permutation(len(frames))[: round(self.share * len(frames))]
        return _played(frames, np.sort(np.concatenate((np.arange(len(frames)), twice))))


@dataclass(frozen=True)
class Retime:
    """Another frame rate: at each new time the frame that was on show, as FFmpeg's ``fps`` filter does."""

    fps: int

    def __call__(self, frames: Frames, _: Scene) -> Frames:
        return _played(frames, np.arange(len(frames) * self.fps // FPS) * FPS // self.fps)


@dataclass(frozen=True)
class Excerpt:
    """``count`` frames in a row from a random place (all, where there are fewer)."""

    count: int

    def __call__(self, frames: Frames, scene: Scene) -> Frames:
        count = min(self.count, len(frames))
        start = int(scene.rng(self).integers(0, len(frames) - count + 1))
        return _played(frames, np.arange(start, start + count))


def _played(frames: Frames, indices: npt.NDArray[np.int64]) -> Frames:
    chosen = taken(frames, indices)
    return Frames(chosen.luma, chosen.chroma, np.arange(len(chosen)), chosen.colour)
