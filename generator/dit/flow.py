"""Rectified flow: the training objective and the sampler (Liu et al., "Flow Straight and Fast", 2022).

A sample at noise level s is ``(1 - s) * clean + s * noise``. The network predicts the clean sample; the velocity from
noise to clean is ``(clean - sample) / s``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

SHIFT = 3.0
"""How far the levels of the sampler are moved towards high noise, where the picture is decided."""

LED_ANEW = 2
"""What guidance adds changes slowly: it is found anew in one of so many steps and kept for the others, which call the
network for half a batch (as FasterCache does: Lv et al., 2024)."""

Network = Callable[[Tensor, Tensor, Tensor], Tensor]

# Errors at levels below this are weighted as at this level: the decoder is trained to ignore noise of that size.
LOWEST_WEIGHTED_LEVEL = 0.25


def training_levels(batch: int, frames: int, *, mean: float, clean_share: float) -> Tensor:
    """Noise levels [batch, frames]: logit-normal per clip, with some frames given (`freedom`)."""
    level = torch.sigmoid(torch.randn(batch, 1) + mean).repeat(1, frames)
    return torch.minimum(level, freedom(batch, frames, clean_share=clean_share))


def freedom(batch: int, frames: int, *, clean_share: float) -> Tensor:
    """How free each frame of a batch is in training, [batch, frames]: 1, or 0 or nearly so where it is given.

    ``clean_share`` of the clips keep frames at one end, at both ends or anywhere, which is all that image-to-video,
    extension in either direction, interpolation and long clips need (one noise level per frame: Chen et al.,
    "Diffusion Forcing", 2024).
    """
    free = torch.ones(batch, frames)
    if frames > 1:
        for i in (torch.rand(batch) < clean_share).nonzero()[:, 0].tolist():
            first, last = torch.randint(1, frames, (2,)).tolist()
            place = torch.arange(frames)
            given = (
                place < first,
                place >= last,
                (place < min(first, last)) | (place >= max(first, last, 2)),
                torch.rand(frames) < 0.5,
            )[int(torch.multinomial(torch.tensor([0.5, 0.15, 0.2, 0.15]), 1))]
            if not given.all():
                nearly = 0.3 * torch.rand(()) if torch.rand(()) < 0.25 else torch.zeros(())
                free[i] = torch.where(given, nearly, free[i])
    return free


def at_level(clean: Tensor, noise: Tensor, level: Tensor) -> Tensor:
    """Samples [B, N, ...] at their noise levels [B, N]."""
    s = like(level, clean)
    return (1 - s) * clean + s * noise


def like(level: Tensor, sample: Tensor) -> Tensor:
    """``level`` [B, N] with the further dimensions of ``sample`` [B, N, ...], all 1."""
    return level.reshape(*level.shape, *(1,) * (sample.ndim - 2))


def euler_share(level: Tensor, following: Tensor) -> Tensor:
    """How far a step from one noise level to the next goes towards the clean prediction: 0 where there is no noise."""
    # At level 0 a frame is clean already, and there is nothing to divide by.
    return torch.where(level > 0, 1 - following / level.clamp(min=1e-6), 0.0)


def guided(
    network: Network, x: Tensor, level: Tensor, words: Tensor, away: Tensor, guidance: float
) -> tuple[Tensor, Tensor]:
    """The clean prediction with classifier-free guidance (Ho and Salimans, 2022), both halves in one batch; and what
    guidance has added to it.
    """
    if guidance == 1:
        clean = network(x, level, words).float()
        return clean, torch.zeros_like(clean)
    both = network(torch.cat((x, x)), torch.cat((level, level)), torch.cat((words, away)))
    told, untold = both.float().chunk(2)
    lead = (guidance - 1) * (told - untold)
    return told + lead, lead


def flow_loss(network: Network, clean: Tensor, words: Tensor, level: Tensor) -> Tensor:
    """Squared velocity error of the network's clean prediction, averaged over noisy frames.

    ``clean`` [B, N, ...]; ``words`` [B, L]; ``level`` [B, N].
    """
    noisy = at_level(clean, torch.randn_like(clean), level)
    error = (network(noisy, level, words).float() - clean).square()
    weight = torch.where(level > 0, level.clamp(min=LOWEST_WEIGHTED_LEVEL) ** -2, 0.0)
    return (weight * error.flatten(2).mean(2)).sum() / (level > 0).sum().clamp(min=1)


def schedule(steps: int, *, shift: float) -> list[float]:
    """``steps + 1`` noise levels from 1 to 0, spaced towards high noise for ``shift`` > 1 (Esser et al., 2024)."""
    return [shift * s / (1 + (shift - 1) * s) for s in (1 - i / steps for i in range(steps + 1))]


@dataclass(frozen=True)
class Given:
    """What is known of a sample beforehand: ``clean`` [B, N, ...] and how free each frame of it is, ``level`` [B, N].

    A frame at level 0 is kept as it is, one at level 1 is made from noise alone, and one between keeps what noise of
    that level would leave of it (SDEdit: Meng et al., 2021). Where ``keep`` is true (bool, broadcast to a frame), it is
    kept at any level, as noisy as the rest during sampling (RePaint: Lugmayr et al., 2022, without its repetitions).
    """

    clean: Tensor
    level: Tensor
    keep: Tensor | None = None


@torch.inference_mode()
def sample(
    network: Network,
    noise: Tensor,
    words: Tensor,
    *,
    steps: int = 20,
    guidance: float = 2.0,
    shift: float = SHIFT,
    negative: Tensor | None = None,
    given: Given | None = None,
) -> Iterator[Tensor]:
    """Euler steps from ``noise`` [B, N, ...] to clean samples; yields the clean prediction after every step.

    The last tensor yielded is the sample. ``words`` [B, L] steer it, and guidance away from ``negative`` [B, L], by
    default nothing said: ``guidance`` 1 is none. Frames that are ``given`` join when the noise has fallen to their
    level. A caller that stops iterating has cancelled the sampling.
    """
    free = torch.ones(noise.shape[:2], device=noise.device) if given is None else given.level
    away = torch.zeros_like(words) if negative is None else negative

    x = noise if given is None else at_level(given.clean, noise, free)
    lead = torch.zeros_like(x)
    for step, (now, then) in enumerate(pairwise(schedule(steps, shift=shift))):
        level, following = free.clamp(max=now), free.clamp(max=then)
        if step % LED_ANEW:
            clean = network(x, level, words).float() + lead
        else:
            clean, lead = guided(network, x, level, words, away, guidance)
        x = x + like(euler_share(level, following), x) * (clean - x)
        if given is not None and given.keep is not None:
            x = torch.where(given.keep, at_level(given.clean, noise, following), x)
            clean = torch.where(given.keep, given.clean, clean)
        yield torch.where(like(free, x) > 0, clean, x)
