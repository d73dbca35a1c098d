"""A closer look at a subject whose place is about known: what is it, which colour has it, and where is it exactly?

The judge sees whole pictures small, where a subject is twenty pixels. From a crop around it, sixty are told apart.
Its place is corrected, and it is looked at once more.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generator.world.vocabulary import BY_KIND, Kind

SIDE = 48  # pixels a side of a crop
REACH = 1.3  # half sizes of the subject from its centre to the border of a crop
FINE = 2  # a crop is taken at so many times its side, and averaged
READ: tuple[Kind, ...] = ("subject", "colour")
_FARTHEST = 0.6  # half sizes that a place is corrected by at once


@dataclass(frozen=True)
class Look:
    """What crops [B, 3, 48, 48] show: logits of subject and colour, ``said`` [B, concepts] each, and of its being
    ``mirrored``, [B], which makes it face left; and ``off`` [B, 3], its centre from the crop's, in half sizes of what
    the crop was cut for, and the logarithm of its size, in such sizes.
    """

    said: dict[Kind, Tensor]
    mirrored: Tensor
    off: Tensor


class CloseUp(nn.Module):
    """Looks at crops."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.look = nn.Sequential(
            nn.Conv2d(3, width, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, padding=1),
            nn.GroupNorm(8, 2 * width),
            nn.ReLU(),
            nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1),
            nn.GroupNorm(8, 4 * width),
            nn.ReLU(),
            nn.Conv2d(4 * width, 4 * width, 3, stride=2, padding=1),
            nn.GroupNorm(8, 4 * width),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(4 * width * (SIDE // 8) ** 2, 256),
            nn.ReLU(),
        )
        self.say = nn.ModuleDict({kind: nn.Linear(256, len(BY_KIND[kind])) for kind in READ})
        self.mirrored = nn.Linear(256, 1)
        self.off = nn.Linear(256, 3)

    def forward(self, crops: Tensor) -> Look:
        """Crops are [B, 3, 48, 48] in [-1, 1]."""
        seen = self.look(crops)
        return Look({kind: self.say[kind](seen) for kind in READ}, self.mirrored(seen)[:, 0], self.off(seen))


def corrected(plan: Tensor, off: Tensor, *, aspect: float) -> Tensor:
    """``plan`` [T, 3] moved by what was seen to be ``off`` [T, 3], in pictures ``aspect`` times as wide as high."""
    x, y, size = plan.unbind(1)
    across, down = (off[:, :2].clamp(-_FARTHEST, _FARTHEST) * size[:, None] / 2).unbind(1)
    growth = off[:, 2].clamp(-_FARTHEST, _FARTHEST).exp()
    return torch.stack((x + across / aspect, y + down, size * growth), dim=1)


def crops_of(frames: Tensor, plan: Tensor) -> Tensor:
    """Crops [T, 3, 48, 48] around the subject of ``plan`` [T, 3] in frames [T, 3, H, W]."""
    height, width = frames.shape[2:]
    x, y, size = plan[:, :, None, None].unbind(1)
    axis = (torch.arange(SIDE * FINE, device=frames.device) + 0.5) / (SIDE * FINE) * 2 - 1
    reach = axis * REACH * size / 2  # heights from the centre, [T, 1, n]
    across, down = 2 * (x + reach * height / width) - 1, 2 * (y + reach.transpose(1, 2)) - 1
    grid = torch.stack(torch.broadcast_tensors(across, down), dim=-1)
    return F.avg_pool2d(F.grid_sample(frames, grid, padding_mode="border", align_corners=False), FINE)
