"""The planner: from the prompt's words to where the subject is in every frame.

Where things are and how they move is decided by very few numbers, which a small network learns in minutes; the
transformer then need not guess them from noise spread over thousands of latents. Plans are sampled by the same
rectified flow as latents, so a prompt has many plans and a seed picks one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generator.dit.flow import sample
from generator.dit.transformer import timestep_embedding

# Plans are coded relative to these, so that they have about zero mean and unit variance.
_CENTRE = (0.5, 0.5, 0.35)
_SPREAD = (0.2, 0.2, 0.03)


class Planner(nn.Module):
    """A residual multilayer perceptron over a whole plan of ``frames`` frames."""

    def __init__(self, words: int, frames: int = 25, width: int = 256, depth: int = 4) -> None:
        super().__init__()
        self.frames = frames
        self.words = nn.Embedding(words, width)
        self.time = nn.Linear(width, width)
        self.enter = nn.Linear(frames * 3, width)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width))
            for _ in range(depth)
        )
        self.leave = nn.Linear(width, frames * 3)

    def forward(self, noisy: Tensor, level: Tensor, words: Tensor) -> Tensor:
        """Clean coded plans [B, 1, frames * 3] from noisy ones; ``level`` [B, 1], ``words`` int64 [B, L]."""
        x = self.enter(noisy) + self.time(timestep_embedding(level, self.time.in_features))
        x = x + self.words(words).sum(1, keepdim=True)
        for layer in self.layers:
            x = x + layer(x)
        clean: Tensor = self.leave(F.silu(x))
        return clean


def encode_plan(plan: Tensor) -> Tensor:
    """A plan [B, frames, 3] as the network sees it, [B, 1, frames * 3]."""
    return ((plan - plan.new_tensor(_CENTRE)) / plan.new_tensor(_SPREAD)).flatten(1)[:, None]


def decode_plan(coded: Tensor) -> Tensor:
    """The inverse of `encode_plan`."""
    return coded.reshape(len(coded), -1, 3) * coded.new_tensor(_SPREAD) + coded.new_tensor(_CENTRE)


def make_plan(planner: Planner, words: Tensor, *, seed: int, steps: int = 40) -> Tensor:
    """Sample plans for ``words`` int64 [B, L]: [B, frames, 3], the subject's centre and size per frame.

    Noise is drawn on the CPU, so that a seed means the same on every device.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((len(words), 1, planner.frames * 3), generator=generator).to(words.device)
    *_, coded = sample(planner, noise, words, steps=steps, guidance=1.0, shift=1.0)
    return decode_plan(coded)
