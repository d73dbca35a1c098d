"""Plans of any length, and plans that go on from where the subject is known to be.

The planner draws plans of one length from words alone. A longer plan, or one that joins what is given, is put together
from many such drafts: the piece of a draft that fits best to what is known says how the movement goes on.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from generator.dit.planner import Planner, make_plan

DRAFTS = 256
OVERLAP = 12  # frames of what is known that a draft is compared with
AHEAD = 8  # frames that a draft must still have after them
MARGIN = 0.14  # the subject's centre stays this far inside the picture
JOINED = 6  # frames over which the rest of a misfit fades


def long_plan(
    planner: Planner,
    words: Tensor,
    frames: int,
    *,
    seed: int,
    stretched: bool = False,
    before: Tensor | None = None,
    after: Tensor | None = None,
) -> Tensor:
    """A plan [frames, 3] for ``words`` int64 [L], of any length.

    ``before`` or ``after`` [k, 3] is where the subject is known to be in the frames next to it. A movement with an end
    may be ``stretched`` over a longer clip.
    """
    if after is not None:
        drafts = _drafts(planner, words, seed).flip(1)
        return _continued(drafts, after.flip(0), frames).flip(0)
    if before is not None:
        return _continued(_drafts(planner, words, seed), before, frames)
    plan = make_plan(planner, words[None], seed=seed)[0]
    if frames <= len(plan):
        return plan[:frames]
    if stretched:
        longer: Tensor = F.interpolate(plan.T[None], frames, mode="linear", align_corners=True)[0].T
        return longer
    return torch.cat((plan, _continued(_drafts(planner, words, seed), plan, frames - len(plan))))


def way_between(before: Tensor, after: Tensor, frames: int) -> Tensor:
    """A plan [frames, 3] between two known ends [k, 3]: a cubic Hermite curve that leaves and meets them with their
    speeds.
    """
    s = torch.linspace(0, 1, frames + 2, device=before.device)[1:-1, None]
    start, end = before[-1], after[0]
    leave, arrive = ((_speed(plan) * (frames + 1)).clamp(-0.4, 0.4) for plan in (before[-4:], after[:4]))
    return (
        (2 * s**3 - 3 * s**2 + 1) * start
        + (s**3 - 2 * s**2 + s) * leave
        + (3 * s**2 - 2 * s**3) * end
        + (s**3 - s**2) * arrive
    )


def _drafts(planner: Planner, words: Tensor, seed: int) -> Tensor:
    return make_plan(planner, words.expand(DRAFTS, -1), seed=seed)


def _continued(drafts: Tensor, known: Tensor, frames: int) -> Tensor:
    """``frames`` frames after ``known`` [k, 3], from ``drafts`` [D, n, 3]."""
    track, ended = known, False
    while len(track) < len(known) + frames:
        if ended:
            way = track[-1:].expand(frames, -1)
        else:
            way, ended = _next(drafts, track[-OVERLAP:])
        track = torch.cat((track, way))
    return track[len(known) : len(known) + frames]


def _next(drafts: Tensor, known: Tensor) -> tuple[Tensor, bool]:
    """How the draft goes on that moves most like ``known`` [k, 3], moved to where that is; and whether that had to end
    at the border of the picture.
    """
    count, length = len(known), drafts.shape[1]
    # From one frame nothing is known of the movement: it begins there.
    offsets = range(1) if count == 1 else range(length - count - AHEAD + 1)
    pieces = torch.stack([drafts[:, o : o + count] for o in offsets], dim=1)
    shift = (known - pieces).mean(2, keepdim=True)
    misfit = (pieces + shift - known).square().sum((2, 3)) + 0.05 * shift.square().sum((2, 3))
    best = int(misfit.argmin())
    draft, offset = best // len(offsets), best % len(offsets)
    rest, last = drafts[draft, offset + count :], drafts[draft, offset + count - 1]
    way = (rest - last) * torch.tensor([1.0, 1.0, 0.0], device=rest.device)
    inside = _inside(way, known[-1])
    if (way - inside).abs().max() > 0.01:
        return known[-1] + inside, True
    # Where the draft fits only nearly, its own place counts in the end: a bouncing thing has to find the ground.
    pull = (last - known[-1]).clamp(-0.05, 0.05) * torch.tensor([float(count > 1)] * 2 + [0.0], device=rest.device)
    fade = (torch.arange(1, len(rest) + 1, device=rest.device) / JOINED).clamp(max=1)[:, None]
    return known[-1] + inside + pull * fade, False


def _inside(way: Tensor, start: Tensor) -> Tensor:
    """``way`` [n, 3] from ``start``, made shorter where it would leave the picture."""
    out = way.clone()
    for axis in (0, 1):
        for sign in (1, -1):
            room = ((1 - MARGIN if sign > 0 else -MARGIN) - sign * start[axis]).clamp(min=0)
            reach = (sign * way[:, axis]).max().clamp(min=1e-6)
            if reach > room:
                out[:, axis] = torch.where(sign * way[:, axis] > 0, way[:, axis] * room / reach, out[:, axis])
    return out


def _speed(plan: Tensor) -> Tensor:
    """Change per frame, averaged over ``plan`` [k, 3]."""
    return (plan[-1] - plan[0]) / (len(plan) - 1) if len(plan) > 1 else torch.zeros_like(plan[0])
