"""Rectified flow: the training objective and the sampler (Liu et al., "Flow Straight and Fast", 2022).

A sample at noise level s is ``(1 - s) * clean + s * noise``. The network predicts the clean sample; the velocity from
noise to clean is ``(clean - sample) / s``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise

import torch
from torch import Tensor

Network = Callable[[Tensor, Tensor, Tensor], Tensor]

# Errors at levels below this are weighted as at this level: the decoder is trained to ignore noise of that size.
LOWEST_WEIGHTED_LEVEL = 0.25


def training_levels(batch: int, frames: int, *, mean: float, clean_share: float) -> Tensor:
    """Noise levels [batch, frames]: logit-normal per clip, with some leading or trailing frames clean.

    ``clean_share`` of the clips keep a random run of clean frames at one end, which is all that image-to-video and
    extension in either direction need (one noise level per frame: Chen et al., "Diffusion Forcing", 2024).
    """
    level = torch.sigmoid(torch.randn(batch, 1) + mean).repeat(1, frames)
    if frames > 1:
        for i in (torch.rand(batch) < clean_share).nonzero()[:, 0].tolist():
            kept = int(torch.randint(1, frames, ()))
            if torch.rand(()) < 0.75:
                level[i, :kept] = 0
            else:
                level[i, -kept:] = 0
    return level


def flow_loss(
    network: Network, clean: Tensor, words: Tensor, level: Tensor, *, emphasis: Tensor | None = None
) -> Tensor:
    """Squared velocity error of the network's clean prediction, averaged over noisy frames.

    ``clean`` [B, N, ...]; ``words`` [B, L]; ``level`` [B, N]; ``emphasis`` weighs places and broadcasts to ``clean``
    (it may depend on what the network is told, never on what it must guess, or it would bias the guess).
    """
    s = level.reshape(*level.shape, *(1,) * (clean.ndim - 2))
    noisy = (1 - s) * clean + s * torch.randn_like(clean)
    error = (network(noisy, level, words).float() - clean).square()
    if emphasis is not None:
        error = error * emphasis
    weight = torch.where(level > 0, level.clamp(min=LOWEST_WEIGHTED_LEVEL) ** -2, 0.0)
    return (weight * error.flatten(2).mean(2)).sum() / (level > 0).sum().clamp(min=1)


def schedule(steps: int, *, shift: float) -> list[float]:
    """``steps + 1`` noise levels from 1 to 0, spaced towards high noise for ``shift`` > 1 (Esser et al., 2024)."""
    return [shift * s / (1 + (shift - 1) * s) for s in (1 - i / steps for i in range(steps + 1))]


@torch.inference_mode()
def sample(
    network: Network, noise: Tensor, words: Tensor, *, steps: int = 20, guidance: float = 2.0, shift: float = 3.0
) -> Iterator[Tensor]:
    """Euler steps from ``noise`` [B, N, ...] to clean samples; yields the clean prediction after every step.

    The last tensor yielded is the sample. ``words`` [B, L] steer it with classifier-free guidance (Ho and Salimans,
    2022): ``guidance`` 1 is none. A caller that stops iterating has cancelled the sampling.
    """
    x = noise
    levels = schedule(steps, shift=shift)
    for now, then in pairwise(levels):
        level = torch.full(x.shape[:2], now, device=x.device)
        if guidance == 1:
            clean = network(x, level, words)
        else:
            both = network(torch.cat((x, x)), torch.cat((level, level)), torch.cat((words, torch.zeros_like(words))))
            told, free = both.float().chunk(2)
            clean = free + guidance * (told - free)
        clean = clean.float()
        x = x + (1 - then / now) * (clean - x)
        yield clean
