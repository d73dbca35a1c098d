"""Where the subject is in a frame: two linear readings of the judge's features, fitted in closed form.

The first says how near each of the 8 x 8 places is to the subject's centre; the second turns the features around the
nearest one into the exact place and size.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GRID = 8
CHANNELS = 128
AROUND = 9 * CHANNELS + 9


class Locator(nn.Module):
    """Reads the judge's features of single frames, [T, 128, 8, 8]."""

    near: Tensor
    exact: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("near", torch.zeros(CHANNELS + 1, 1))
        self.register_buffer("exact", torch.zeros(AROUND + 1, 3))

    def heat(self, features: Tensor) -> Tensor:
        """How near every place is to the subject, [T, 8, 8]."""
        return linear(features.permute(0, 2, 3, 1), self.near)[..., 0]

    def around(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Features and heat of the 3 x 3 places around the hottest, [T, 1161], and that place, [T, 2]."""
        heat = self.heat(features)
        hottest = heat.flatten(1).argmax(1)
        both = torch.cat((features, heat[:, None]), dim=1)
        patches = F.unfold(F.pad(both, (1, 1, 1, 1)), 3)
        chosen = patches.gather(2, hottest[:, None, None].expand(-1, patches.shape[1], 1))[..., 0]
        place = torch.stack((hottest % GRID, hottest // GRID), dim=1)
        return chosen, (place + 0.5) / GRID

    def forward(self, features: Tensor) -> Tensor:
        """Centre (shares of width and height) and size (heights) in every frame, [T, 3]."""
        chosen, place = self.around(features)
        exact = linear(chosen, self.exact)
        return torch.cat((place + exact[:, :2], exact[:, 2:]), dim=1)


def linear(x: Tensor, weight: Tensor) -> Tensor:
    """``x`` [..., n] times ``weight`` [n + 1, m], whose last row is the bias."""
    return x @ weight[:-1] + weight[-1]


def steady(track: Tensor) -> Tensor:
    """A track [T, 3] without single wrong readings: the median of five frames, then the mean of three; one size."""
    if len(track) < 3:
        return track
    middle = _around(track, 2).unfold(0, 5, 1).median(-1).values
    smooth = _around(middle, 1).unfold(0, 3, 1).mean(-1)
    return torch.cat((smooth[:, :2], track[:, 2:].median(0).values.expand(len(track), 1)), dim=1)


def _around(track: Tensor, count: int) -> Tensor:
    """``track`` with ``count`` frames more at either end, as if its movement had been the same there."""
    first, last = 2 * track[:1] - track[1 : count + 1].flip(0), 2 * track[-1:] - track[-count - 1 : -1].flip(0)
    return torch.cat((first, track, last))
