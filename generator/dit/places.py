"""Where every cell of a picture is, seen from the subject: what the painter is told of a plan."""

from __future__ import annotations

import math

import torch
from torch import Tensor

GROUP = 4  # frames that share a code
NEAR = 1.5  # half sizes from the subject's centre


def groups_in(frames: int) -> int:
    """How many codes so many frames have, the last one perhaps for fewer than `GROUP`."""
    return math.ceil(frames / GROUP)


def place_maps(plan: Tensor, rows: int, columns: int) -> Tensor:
    """The place of every cell of a grid, seen from the subject: [..., 3] to [..., 3, rows, columns].

    ``plan`` holds the subject's centre (shares of width and height) and size (in heights); size 0 leaves the place to
    the network. The maps are the two coordinates relative to the subject, in half sizes, and whether the cell is near
    the subject; all 0 away from it.
    """
    across, down = _coordinates(plan, rows, columns)
    near = ((across.abs() < NEAR) & (down.abs() < NEAR)).to(plan.dtype)
    return torch.stack((across * near, down * near, near), dim=-3)


def _coordinates(plan: Tensor, rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """How far right of the subject's centre and below it every cell is, in half sizes."""
    x, y, size = plan[..., None, None].unbind(-3)
    half = (size / 2).clamp(min=1e-3)
    across = ((torch.arange(columns, device=plan.device) + 0.5) / columns - x) * columns / rows / half
    down = (((torch.arange(rows, device=plan.device) + 0.5) / rows)[:, None] - y) / half
    return across, down


def off_subject(plan: Tensor, rows: int, columns: int) -> Tensor:
    """0 on the subject, 1 where it surely is not, rising between: [..., 3] to [..., 1, rows, columns]."""
    across, down = _coordinates(plan, rows, columns)
    return ((torch.maximum(across.abs(), down.abs()) - 1.1) / (NEAR - 1.1)).clamp(0, 1).unsqueeze(-3)
