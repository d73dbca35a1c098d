"""Clips of any length, and clips around given ones: every task is a timeline of latent frames, some of them known.

A timeline says for each latent frame what is known of it and how freely it may change, where the subject is, and which
prompt it shows. It is sampled in windows as long as the clips the transformer was trained on; each window sees the end
of what is there already, so memory does not grow with the length.
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

OnStep = Callable[[], None]


@dataclass(frozen=True)
class Timeline:
    """``clean`` [G, C, h, w] what is known, anything elsewhere; ``free`` [G] from 0 (kept) to 1 (made from noise);
    ``plan`` [G, 4, 3] as the transformer takes it; ``prompts`` int64 [P, L] and the share of each, ``shares`` [G, P].
    ``keep`` bool [h, w] marks the part of every frame that is known and kept.
    """

    clean: Tensor
    free: Tensor
    plan: Tensor
    prompts: Tensor
    shares: Tensor
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
    on_step: OnStep = lambda: None,
) -> Tensor:
    """The finished latents [G, C, h, w], made from ``noise`` of that shape; ``on_step`` is called after each of
    ``len(windows(free)) * steps`` steps.

    Two prompts that share a latent frame are drawn both, and their predictions averaged (Liu et al., "Compositional
    Visual Generation with Composable Diffusion Models", 2022).
    """
    latents, free = timeline.clean.clone(), timeline.free.clone()
    for window in windows(timeline.free):
        used = timeline.shares[window].any(0)
        told = timeline.prompts[used][None]
        away = None if negative is None else negative.expand_as(told)
        network = _network(transformer, timeline.plan[window], timeline.shares[window][:, used])
        given = Given(latents[None, window].clone(), free[None, window], timeline.keep)
        for clean in sample(
            network, noise[None, window], told, steps=steps, guidance=guidance, negative=away, given=given
        ):
            latents[window] = torch.where(free[window, None, None, None] > 0, clean[0], latents[window])
            on_step()
        free[window] = 0
    return latents


def _network(transformer: VideoTransformer, plan: Tensor, shares: Tensor) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The transformer for one window, called with prompts [B, P, L]."""
    count = shares.shape[1]

    def network(noisy: Tensor, level: Tensor, prompts: Tensor) -> Tensor:
        each = transformer(
            noisy.repeat_interleave(count, 0),
            level.repeat_interleave(count, 0),
            prompts.flatten(0, 1),
            plan.expand(len(noisy) * count, -1, -1, -1),
        ).float()
        mixed: Tensor = torch.einsum("bpnchw,np->bnchw", each.unflatten(0, (-1, count)), shares.to(each.dtype))
        return mixed

    return network
