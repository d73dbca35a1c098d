"""Clips of any length, and clips around given ones: every task is a timeline of latent frames, some of them known.

A timeline says for each latent frame what is known of it and how freely it may change. It is sampled in windows as long
as the clips the transformer was trained on; each window sees the end of what is there already, so memory does not grow
with the length.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from generator.dit.flow import Given, sample
from generator.dit.transformer import VideoTransformer

WINDOW = 7  # latent frames: 25 frames of video, as in training
LARGEST = 8  # a timeline this short is sampled in one piece
OVERLAP = 3  # latent frames that a window sees of its neighbour

OnStep = Callable[[slice, Tensor], None]


def _unheard(_window: slice, _latents: Tensor) -> None:
    """Nobody asked."""


@dataclass(frozen=True)
class Timeline:
    """``clean`` [G, C, h, w] what is known, anything elsewhere; ``free`` [G] from 0 (kept) to 1 (made from noise);
    ``words`` int64 [L] for the scene. ``keep`` bool [h, w] marks the part of every frame that is known and kept.
    """

    clean: Tensor
    free: Tensor
    words: Tensor
    keep: Tensor | None = None

    def __len__(self) -> int:
        return len(self.free)


def windows(free: Tensor) -> list[slice]:
    """In which order the latent frames of a timeline are sampled: from what is known towards what is not."""
    length = len(free)
    if length <= LARGEST:
        return [slice(0, length)]
    stride = WINDOW - OVERLAP
    starts = [*range(0, length - WINDOW, stride), length - WINDOW]
    if free[-1] == 0 < free[0]:
        starts = [length - WINDOW - start for start in starts]
    return [slice(start, start + WINDOW) for start in starts]


def sample_timeline(
    transformer: VideoTransformer,
    timeline: Timeline,
    *,
    noise: Tensor,
    steps: int,
    guidance: float,
    negative: Tensor | None = None,
    on_step: OnStep = _unheard,
) -> Tensor:
    """The finished latents [G, C, h, w], made from ``noise`` of that shape; ``on_step`` is called after each of
    ``len(windows(free)) * steps`` steps with the window that is sampled and its latents as they stand.
    """
    latents, free = timeline.clean.clone(), timeline.free.clone()
    for window in windows(timeline.free):
        given = Given(latents[None, window].clone(), free[None, window], timeline.keep)
        for clean in sample(
            transformer,
            noise[None, window],
            timeline.words[None],
            steps=steps,
            guidance=guidance,
            negative=None if negative is None else negative[None],
            given=given,
        ):
            latents[window] = torch.where(free[window, None, None, None] > 0, clean[0], latents[window])
            on_step(window, latents[window])
        free[window] = 0
    return latents
