"""Where two subjects are, so that one is to the other as the prompt says.

Each has a plan as if it were alone. Along the line on which they are to stay apart, both movements are made as much
smaller as is needed for both to fit, and then moved apart.
"""

from __future__ import annotations

import torch
from torch import Tensor

from generator.world.clips import FPS
from generator.world.relations import Relation

MARGIN = 0.17  # centres stay this far inside the picture: half a subject
CLEAR = 1.06  # sizes between the centres of two that do not overlap
TOUCH = 0.8  # sizes between the centres when they touch: shapes do not fill their squares
DELAY = FPS // 2  # frames by which a pursuer's ups and downs come later
AXES: dict[Relation, tuple[int, int]] = {
    "beside": (0, 1),
    "left": (0, 1),
    "right": (0, -1),
    "above": (1, 1),
    "below": (1, -1),
}
"""Along which axis they are apart, and whether the second is on its far side."""


def paired(first: Tensor, second: Tensor, relation: Relation, *, aspect: float = 1.0) -> tuple[Tensor, Tensor]:
    """Plans [T, 3] of two subjects, each ``first`` as if alone, so that they are in this ``relation``.

    ``aspect`` is the picture's width over its height.
    """
    first, second = first.clone(), second.clone()
    size = torch.stack((first[:, 2], second[:, 2])).mean()
    room = torch.stack((size / aspect, size))  # of one size along x and y
    if relation == "chased":
        second, first = paired(second, first, "chase", aspect=aspect)
    elif relation == "chase":
        _chase(first, second, room)
    elif relation == "collide":
        _collide(first, second, room)
    elif relation in ("behind", "front"):
        # What is behind is farther away, so it stands a little higher, and both can be seen.
        far, near = (first, second) if relation == "behind" else (second, first)
        far[:, :2] = near[:, :2]
        _apart(far, near, 0, 0.5 * room[0])
        _apart(far, near, 1, 0.22 * room[1])
    else:
        axis, sign = AXES[relation]
        low, high = (first, second) if sign > 0 else (second, first)
        _apart(low, high, axis, CLEAR * room[axis])
    return first, second


def _apart(low: Tensor, high: Tensor, axis: int, gap: Tensor) -> None:
    """Move two plans [T, 3], in place, so that ``high`` is at least ``gap`` from ``low`` in every frame, and both in
    the picture as far as there is room.
    """
    both = torch.stack((low[:, axis], high[:, axis]))
    middle = both.mean(1, keepdim=True)
    for share in torch.linspace(1, 0, 21).tolist():
        moved = share * (both - middle)
        moved[1] += gap + (moved[0] - moved[1]).max()
        if moved.max() - moved.min() <= 1 - 2 * MARGIN:
            break
    moved = moved + middle.mean() - (moved.max() + moved.min()) / 2
    moved = moved + (MARGIN - moved.min()).clamp(min=0) - (moved.max() - 1 + MARGIN).clamp(min=0)
    low[:, axis], high[:, axis] = moved


def _chase(first: Tensor, second: Tensor, room: Tensor) -> None:
    """The first on the way of the second, behind it; a second that goes nowhere runs to the right."""
    frames = len(second)
    gone = second[-1, :2] - second[0, :2]
    if gone.abs().max() < 0.15:
        second[:, 0] = 0.5 + 0.4 * (torch.linspace(0, 1, frames, device=second.device) - 0.5)
        gone = second[-1, :2] - second[0, :2]
    axis = int(gone.abs().argmax())
    delay = min(DELAY, frames - 1)
    first[:, axis] = second[:, axis]
    first[:, 1 - axis] = torch.cat((second[:1, 1 - axis].expand(delay), second[: frames - delay, 1 - axis]))
    low, high = (first, second) if gone[axis] > 0 else (second, first)
    _apart(low, high, axis, CLEAR * room[axis])


def _collide(first: Tensor, second: Tensor, room: Tensor) -> None:
    """From the left and the right to where they touch, and apart again; in a long clip every other second."""
    frames = len(first)
    turns = max(1, round(frames / (2 * FPS + 1)))
    time = torch.linspace(0, turns, frames, device=first.device) % 1
    near, far = TOUCH * room[0], torch.tensor(1 - 2 * MARGIN, device=first.device)
    between = near + (far - near).clamp(min=0) * (2 * time - 1).abs()
    height = (first[:, 1].mean() + second[:, 1].mean()) / 2
    for plan, side in ((first, -0.5), (second, 0.5)):
        plan[:, 0] = 0.5 + side * between
        plan[:, 1] = height.clamp(0.35, 0.65)
