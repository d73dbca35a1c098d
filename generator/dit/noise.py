"""The noise that clips are drawn from: of a seed, or of a secret key, which makes it a watermark.

Sampling is deterministic, so the noise decides what the prompt leaves open, and much of it can be found again in the
finished picture. Where a key makes the noise, whoever has the key can ask whether a video was drawn from it: Gaussian
Shading (Yang et al., CVPR 2024) taken to its limit, where all of the noise says one name. Keyed noise is distributed as
any other, so nothing about the picture changes, and it is another mark than the one that is added to the pixels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from scipy.fft import dctn, idctn
from scipy.special import ndtri
from torch import Tensor

from generator.dit.flow import SHIFT, schedule
from generator.dit.networks import LATENT_FRAMES, Networks
from generator.dit.text import tokens_of
from provenance.watermark import WatermarkKey

Draw = Callable[[Sequence[int]], Tensor]
"""Standard normal noise of a shape, float32 on the CPU, so that it is the same on every device."""

_STEPS = 3
_LOWEST = 0.25  # noise level at which the inversion begins: below it, it would enlarge what a codec did to the picture
_STEADY_SHARE = 0.5  # of what stands still in a place, to what changes there
_BANDS = (0, 1, 2, 4, 7, 11)  # of spatial frequency, in half cycles a side, within which a spectrum is whitened


def seeded(seed: int) -> Draw:
    """Noise of a seed."""
    return lambda shape: torch.randn(tuple(shape), generator=torch.Generator().manual_seed(seed))


def keyed(key: WatermarkKey, name: str) -> Draw:
    """Noise of a key, another for each ``name``. A shorter clip has the beginning of a longer one's."""

    def draw(shape: Sequence[int]) -> Tensor:
        words = key.words(f"noise/1/{name}", int(np.prod(shape)))
        uniform = (words >> np.uint64(11)).astype(np.float64) + 0.5
        return torch.from_numpy(ndtri(uniform / 2.0**53).astype(np.float32)).reshape(tuple(shape))

    return draw


@dataclass(frozen=True)
class NoiseName:
    """What tells one keyed noise from another, and the ``width`` and ``height`` of the pictures it was drawn for.

    As a string it is the value of the soft binding, in hex.
    """

    name: str
    width: int
    height: int

    @classmethod
    def of(cls, key: WatermarkKey, request: str, size: tuple[int, int]) -> NoiseName:
        """The name for a request, of which it tells nothing to those who have no key."""
        (word,) = key.words(f"noise/1/name/{hashlib.sha256(request.encode()).hexdigest()}", 1)
        return cls(f"{int(word):016x}", *size)

    def __str__(self) -> str:
        return f"{self.name}{self.width:04x}{self.height:04x}"

    @classmethod
    def parse(cls, text: str) -> NoiseName:
        """Inverse of ``str``; raises ValueError."""
        if len(text) != 24:
            raise ValueError(f"{text[:40]!r} is not the name of a noise")
        return cls(text[:16], int(text[16:20], 16), int(text[20:], 16))


@torch.inference_mode()
def whitened(networks: Networks, video: Tensor) -> Tensor:
    """What frames [T, 3, H, W] in [-1, 1] say of their noise: float32 [N, C, h, w], N at most the latent frames of one
    clip. T is 1 + 4n; H and W are multiples of the transformer's patches.

    The flow is run backwards from the encoded frames by Euler steps, without prompt or plan. Then every place is
    brought to one level, and every band of the spectrum: what shows best of the noise is weakest in the picture, and a
    subject that moves on top of it shows nothing.
    """
    clean = networks.autoencoder.encode(video[None])[:, :LATENT_FRAMES]
    words = torch.tensor([tokens_of({})], device=clean.device)
    plan = torch.zeros(1, clean.shape[1], 4, 3, device=clean.device)
    x = clean
    for now, then in pairwise(schedule(_STEPS, shift=SHIFT)[::-1]):
        level = max(now, _LOWEST)
        predicted = networks.transformer(
            x, torch.full(clean.shape[:2], level, device=clean.device), words, plan
        ).float()
        x = x + (then - now) * ((x - (1 - level) * predicted) / level - predicted)
    steady = x.mean(1, keepdim=True)
    moving = x - steady
    x = moving / _rms(moving, (1, 2)) + _STEADY_SHARE * steady / _rms(steady, (1, 2))
    spectrum = dctn(x[0].cpu().numpy().astype(np.float64), axes=(0, 2, 3), norm="ortho")
    frequency = np.maximum(*np.indices(spectrum.shape[2:]))
    for band in (np.digitize(frequency, _BANDS) == i for i in range(1, len(_BANDS) + 1)):
        if band.any():
            inside = spectrum[..., band]
            spectrum[..., band] = inside / (np.sqrt(np.mean(inside**2, axis=(1, 2), keepdims=True)) + 1e-12)
    return torch.from_numpy(idctn(spectrum, axes=(0, 2, 3), norm="ortho").astype(np.float32))


def _rms(values: Tensor, dim: tuple[int, ...]) -> Tensor:
    return values.square().mean(dim, keepdim=True).sqrt() + 1e-6


def z_score(found: Tensor, noise: Tensor) -> float:
    """How well `whitened` frames fit ``noise`` of their shape: standard normal if they were drawn from any other."""
    return float((found * noise).sum() / (found.norm() + 1e-12))
