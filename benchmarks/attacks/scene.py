"""What an attack knows besides the frames it attacks, and what it does to planes of 4:2:0."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from countermark.core.media import Frames

FPS = 24  # every clip of the benchmark is played at this rate

Plane = npt.NDArray[np.uint8]
Step = Callable[[Frames, "Scene"], Frames]


@dataclass(frozen=True)
class Scene:
    """``seed`` settles every random choice, ``backdrop`` is another clip to set a picture into, and ``taef2`` the
    folder with the weights of the autoencoder.
    """

    seed: int = 0
    backdrop: Frames | None = None
    taef2: Path | None = None

    def rng(self, step: object) -> np.random.Generator:
        """Chance for one step (by its printed form): the same whatever ran before it."""
        return np.random.default_rng((self.seed, zlib.crc32(repr(step).encode())))


def black(frames: Frames) -> int:
    """The luma code of black."""
    return 0 if frames.colour.full_range else 16


def by_plane(frames: Frames, on_luma: Callable[[Plane], Plane], on_chroma: Callable[[Plane], Plane]) -> Frames:
    """``on_luma`` for each [H, W], ``on_chroma`` for each [ceil(H/2), ceil(W/2)]; sizes may change."""
    luma = np.stack([on_luma(plane) for plane in frames.luma])
    chroma = np.stack([[on_chroma(plane) for plane in pair] for pair in frames.chroma])
    return Frames(luma, chroma, frames.pts, frames.colour)


def by_picture(frames: Frames, change: Callable[[Plane], Plane]) -> Frames:
    """``change`` for each R'G'B' picture uint8 [H, W, 3], one picture in memory at a time."""
    return Frames.joined(
        Frames.from_rgb(change(one.to_rgb()[0])[None], pts=one.pts, colour=one.colour) for one in singles(frames)
    )


def singles(frames: Frames) -> Iterator[Frames]:
    """Each frame by itself."""
    return (taken(frames, [index]) for index in range(len(frames)))


def taken(frames: Frames, indices: npt.ArrayLike) -> Frames:
    """The frames at ``indices``, times included."""
    chosen = np.asarray(indices, np.int64)
    return Frames(frames.luma[chosen], frames.chroma[chosen], frames.pts[chosen], frames.colour)
