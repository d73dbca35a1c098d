"""The painter: draws a subject sharp, as a layer of its own on top of a decoded picture.

Four frames in one code are too few numbers for a fast subject, but it is the same subject in all of them, and the plan
says where. One vector says what it looks like; a perceptron turns the vector and the place of a cell on the subject
into the cell's pixels and how much they cover. Detail of a place needs sines of many wavelengths (Tancik et al.,
"Fourier Features Let Networks Learn High Frequency Functions", 2020); the vector scales and shifts every layer (FiLM:
Perez et al., 2018).
"""

from __future__ import annotations

import math
from itertools import product

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from generator.dit.places import place_maps
from generator.dit.text import WORDS

CELL = 4  # pixels a side that are drawn at once
REACH = 1.15  # half sizes from the centre of the subject to where it surely ends
_OFFSETS = (0, CELL // 2)
_WAVES = tuple(math.pi * 2**i for i in range(6))


class Painter(nn.Module):
    """See the module docstring. ``words`` is the size of the vocabulary."""

    def __init__(self, words: int = WORDS, look: int = 256, width: int = 192, depth: int = 3) -> None:
        super().__init__()
        self.said = nn.EmbeddingBag(words, look, mode="sum")
        self.hear = nn.Sequential(nn.SiLU(), nn.Linear(look, look), nn.SiLU(), nn.Linear(look, look), nn.SiLU())
        self.enter = nn.Linear(2 + 4 * len(_WAVES), width)
        self.modulation = nn.ModuleList(nn.Linear(look, 4 * width) for _ in range(depth))
        self.up = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(depth))
        self.down = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(depth))
        self.leave = nn.Linear(width, 4 * CELL**2)
        nn.init.zeros_(self.leave.weight)
        with torch.no_grad():
            self.leave.bias.copy_(torch.tensor([0.0, 0.0, 0.0, -3.0]).repeat_interleave(CELL**2))  # covers little

    def look(self, words: Tensor) -> Tensor:
        """What subjects look like, [B, L], by the words for them, int64 [B, W]."""
        heard: Tensor = self.hear(self.said(words))
        return heard

    def cells(self, look: Tensor, item: Tensor, place: Tensor) -> tuple[Tensor, Tensor]:
        """Cells at ``place`` [K, 2], in half sizes from the centre, of the subjects ``look[item]``: their colours in
        [-1, 1], multiplied by how much they cover, [K, 3 * 4 * 4], and that, [K, 4 * 4].
        """
        h = self.enter(torch.cat((place, *(f(place * wave) for wave in _WAVES for f in (torch.sin, torch.cos))), dim=1))
        for modulation, up, down in zip(self.modulation, self.up, self.down, strict=True):
            scale, shift = modulation(look).index_select(0, item).chunk(2, dim=1)
            h = h + down(F.silu(up(F.rms_norm(h, h.shape[-1:])) * (1 + scale) + shift))
        colour, cover = self.leave(h).float().split((3 * CELL**2, CELL**2), dim=1)
        cover = cover.sigmoid()
        return colour * cover.repeat(1, 3), cover

    def forward(self, picture: Tensor, words: Tensor, pose: Tensor, mirrored: Tensor, seen: Tensor) -> Tensor:
        """``picture`` [B, T, 3, H, W] with a subject each on top: ``words`` int64 [B, W], ``pose`` [B, T, 4],
        ``mirrored`` bool [B] and ``seen`` [B, T], as `generator.dit.cast.Actor` has them.
        """
        look, (height, width) = self.look(words), picture.shape[3:]
        layer = self._turned if pose[..., 3].any() else self._upright
        colour, cover = (part * seen[:, :, None, None, None] for part in layer(look, pose, mirrored, height, width))
        out: Tensor = picture * (1 - cover) + colour
        return out

    def _upright(self, look: Tensor, pose: Tensor, mirrored: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """The layer of subjects that are not turned: colours times cover [B, T, 3, H, W], and cover [B, T, 1, H, W]."""
        flipped = mirrored[:, None, None, None, None]
        x, y, size, _ = pose.unbind(-1)
        plan = torch.stack((torch.where(mirrored[:, None], 1 - x, x), y, size), dim=-1)
        colour, cover = (torch.where(flipped, part.flip(-1), part) for part in self._smooth(look, plan, height, width))
        return colour, cover

    def _turned(self, look: Tensor, pose: Tensor, mirrored: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """The same of subjects that are turned: drawn upright on a square of their own, and from there resampled."""
        x, y, size, turn = pose[..., None, None].unbind(2)
        side = CELL * math.ceil(1 + REACH * float(size.max()) * height / CELL)
        middle = torch.full_like(pose[..., 0], 0.5)
        square = torch.stack((middle, middle, pose[..., 2] * height / side), dim=-1)
        across = torch.arange(width, device=pose.device) + 0.5 - x * width
        down = (torch.arange(height, device=pose.device) + 0.5)[:, None] - y * height
        sine, cosine = turn.sin(), turn.cos()
        along = across * cosine + down * sine
        along = torch.where(mirrored[:, None, None, None], -along, along)
        grid = torch.stack((along, down * cosine - across * sine), dim=-1).flatten(0, 1) * (2 / side)
        colour, cover = (
            F.grid_sample(part.flatten(0, 1), grid, align_corners=False).unflatten(0, pose.shape[:2])
            for part in self._smooth(look, square, side, side)
        )
        return colour, cover

    def _smooth(self, look: Tensor, plan: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """The layer, averaged over grids of cells that lie half a cell apart, so that no borders of cells show."""
        larger = plan.new_tensor([width, height, height]) + CELL
        layers = []
        for down, across in product(_OFFSETS, repeat=2):
            moved = (plan * plan.new_tensor([width, height, height]) + plan.new_tensor([across, down, 0])) / larger
            layer = self._layer(look, moved, height + CELL, width + CELL)
            layers.append([part[..., down : down + height, across : across + width] for part in layer])
        colour, cover = (torch.stack(parts).mean(0) for parts in zip(*layers, strict=True))
        return colour, cover

    def _layer(self, look: Tensor, plan: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """The layer on one grid of cells, for a ``plan`` [B, T, 3]."""
        batch, frames, rows, columns = *plan.shape[:2], height // CELL, width // CELL
        place = place_maps(plan, rows, columns).permute(0, 1, 3, 4, 2).reshape(-1, 3)  # of every cell [B * T * r * c]
        on = ((place[:, 2] > 0) & (place[:, :2].abs().amax(1) < REACH)).nonzero()[:, 0]
        colour, cover = self.cells(look, on // (frames * rows * columns), place[on, :2])

        def spread(cells: Tensor) -> Tensor:
            """[K, c * CELL * CELL] of the cells that are drawn to pictures [B, T, c, H, W], 0 elsewhere."""
            whole = cells.new_zeros(batch * frames * rows * columns, cells.shape[1]).index_add(0, on, cells)
            return rearrange(
                whole, "(b t h w) (c p q) -> b t c (h p) (w q)", b=batch, t=frames, h=rows, w=columns, p=CELL, q=CELL
            )

        return spread(colour), spread(cover)
