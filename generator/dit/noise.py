"""The noise that clips are drawn from: of a seed, or of a secret key, which makes it a watermark.

Sampling is deterministic, so the noise decides what the prompt leaves open, and much of it can be found again in the
finished picture. Where a key makes the noise, whoever has the key can ask whether a video was drawn from it: Gaussian
Shading (Yang et al., CVPR 2024) taken to its limit, where all of the noise says one name. Keyed noise is distributed as
any other, so nothing about the picture changes, and it is another mark than the one that is added to the pixels.
`generator.noise_mark` finds it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from provenance.watermark import WatermarkKey

Draw = Callable[[Sequence[int]], Tensor]
"""Standard normal noise of a shape, float32 on the CPU, so that it is the same on every device."""


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
