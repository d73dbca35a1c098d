"""Where up to three subjects are, so that one is to another as the prompt says.

Each has a plan as if it were alone. Along the line on which they are to stay apart, all movements are made as much
smaller as is needed for all to fit, and then moved apart. Three are made a little smaller where the picture is small,
and stand in two rows where one would leave them no room to move. Where their relations are not along one line, two of
them are put together first, and then are to the third as if they were one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from generator.world.clips import FPS
from generator.world.relations import Link, Relation

MARGIN = 0.17  # centres stay this far inside the picture: half a subject
CLEAR = 1.06  # sizes between the centres of two that do not overlap
TOUCH = 0.8  # sizes between the centres when they touch: shapes do not fill their squares
NARROW = 0.66  # sizes between neighbours along the line where they stand in two rows
ENOUGH = 0.5  # with less than this of their movement left, they stand in two rows
LEVEL = 0.25  # sizes by which two that are put together may differ in height
LEAST = 0.84  # how small three are made: what the painter still draws well
WIDE = 0.4  # sizes from the middle of two that are put together from which they count as two in a line
DELAY = FPS // 2  # frames by which a pursuer's ups and downs come later
AXES: dict[Relation, int] = {"beside": 0, "left": 0, "right": 0, "above": 1, "below": 1}
"""Along which axis they are apart."""

_RUN: tuple[Relation, ...] = ("chase", "chased")
_DEPTH: tuple[Relation, ...] = ("behind", "front")
_FIRST: tuple[Relation, ...] = ("right", "below", "chased", "front")  # who is linked so comes first in the order


@dataclass(eq=False)
class _Body:
    """One subject, or two that move as one: the ``plan`` [T, 3] of its middle, and where each is from there, [T, 2]."""

    plan: Tensor
    places: dict[int, Tensor]

    @property
    def reach(self) -> Tensor:
        """How far centres are from the middle along x and y, [2]."""
        return torch.stack(list(self.places.values())).abs().amax((0, 1))


def arranged(plans: Tensor, links: Sequence[Link], *, aspect: float = 1.0) -> Tensor:
    """Plans [S, T, 3] of up to three subjects, each of ``plans`` as if alone, so that all ``links``, one for each after
    the first, hold. ``aspect`` is the picture's width over its height.
    """
    if not links:
        return plans
    relations = [link.relation for link in links]
    order = order_of(links)
    # The mean is taken in the order of a chase, so that one that is told the other way round is the same to the bit.
    sizes = plans[order if set(relations) <= set(_RUN) else list(range(len(plans))), :, 2]
    scale = _scale(float(sizes.mean()), aspect) if len(plans) > 2 else 1.0
    size = scale * sizes.mean()
    room = torch.stack((size / aspect, size))  # of one size along x and y
    out = plans * plans.new_tensor([1.0, 1.0, scale])
    bodies = [_Body(plan.clone(), {i: torch.zeros_like(plan[:, :2])}) for i, plan in enumerate(out)]
    if len(links) == 1 or _alike(links):
        _place([bodies[i] for i in order], relations[-1], room)
    else:
        inner, link, outer = _nested(links)
        pair = _as_one(_ordered([bodies[i] for i in inner], link), link, room)
        single = bodies[3 - sum(inner)]
        first, second = (single, pair) if 0 not in inner else (pair, single)
        _place(_ordered([first, second], outer), outer, room)
        bodies = [pair, single]
    for body in bodies:
        for i, place in body.places.items():
            out[i, :, :2] = body.plan[:, :2] + place
    return out


def order_of(links: Sequence[Link]) -> list[int]:
    """The subjects in the order that their ``links`` mean: from left to right, from above, from the last pursuer, or
    from what is farthest away.
    """
    order = [0]
    for i, link in enumerate(links, start=1):
        order.insert(0 if link.relation in _FIRST else i, i)
    return order


def drawing_order(links: Sequence[Link]) -> list[int]:
    """The subjects from what is farthest away to what is nearest."""
    order = [0]
    for i, link in enumerate(links, start=1):
        order.insert(0 if link.relation == "front" else i, i)
    return order


def _scale(size: float, aspect: float) -> float:
    """How much smaller three have to be to fit beside each other, within what can be drawn."""
    return min(1.0, max(LEAST, (1 - 2 * MARGIN) / (2 * CLEAR * size * max(1.0, 1 / aspect))))


def _alike(links: Sequence[Link]) -> bool:
    """Whether three are along one line, in one chase, or in one collision."""
    one, two = links
    if {one.relation, two.relation} <= AXES.keys():
        return AXES[one.relation] == AXES[two.relation] and not _both(links)
    if one.relation == "beside" and two.relation in (*_RUN, "collide"):  # "a ball and a star chase a car"
        return True
    return any({one.relation, two.relation} <= set(kind) for kind in (_RUN, _DEPTH, ("collide",)))


def _both(links: Sequence[Link]) -> bool:
    """Whether the first is to both others the same: "left of a star and a heart"."""
    one, two = links
    return one == two and one.relation != "beside"


def _nested(links: Sequence[Link]) -> tuple[tuple[int, int], Relation, Relation]:
    """Which two are put together, how, and how the first of what there is then is to the second."""
    one, two = links
    if _both(links):
        return (1, 2), "beside" if AXES[one.relation] == 1 else "above", one.relation
    if two.to == 1 and one.relation in AXES and two.relation not in AXES and one.relation != "beside":
        return (1, 2), two.relation, one.relation
    return (0, 1), one.relation, two.relation


def _ordered(bodies: Sequence[_Body], relation: Relation) -> list[_Body]:
    return [bodies[i] for i in order_of([Link(relation)])]


def _as_one(bodies: list[_Body], relation: Relation, room: Tensor) -> _Body:
    """Two in this ``relation`` as one body. Across the line on which they are apart, they keep about one level."""
    axis = _place(bodies, relation, room)
    plan = torch.stack([body.plan for body in bodies]).mean(0)
    places = torch.stack([body.plan[:, :2] - plan[:, :2] for body in bodies])
    if axis is not None:
        across = places[..., 1 - axis]
        across *= (LEVEL / 2 * room[1 - axis] / across.abs().max().clamp(min=1e-6)).clamp(max=1)
    names = [i for body in bodies for i in body.places]
    return _Body(plan, dict(zip(names, places, strict=True)))


def _place(bodies: list[_Body], relation: Relation, room: Tensor) -> int | None:
    """Move ``bodies``, which are in their order, in place; returns the axis along which they are apart, if one."""
    if relation in _RUN:
        return _run(bodies, room)
    if relation == "collide":
        _collide(bodies, room)
    elif relation in _DEPTH:
        _stand_behind(bodies, room)
    else:
        _row(bodies, AXES[relation], room)
        return AXES[relation]
    return None


def _apart(rows: Sequence[Sequence[_Body]], axis: int, gap: Tensor) -> float:
    """Move bodies, in place, so that each row is at least ``gap`` after the one before it in every frame, and all in
    the picture as far as there is room. Returns how much of their movement is left.
    """
    bodies = [body for row in rows for body in row]
    all_of = torch.stack([body.plan[:, axis] for body in bodies])
    reach = torch.stack([body.reach[axis] for body in bodies])[:, None]
    middle = all_of.mean(1, keepdim=True)
    lengths = [len(row) for row in rows]
    shares: list[float] = torch.linspace(1, 0, 21).tolist()
    for share in shares:
        moved = share * (all_of - middle)
        parts, reaches = moved.split(lengths), reach.split(lengths)  # views
        for i in range(1, len(rows)):
            end, begin = (parts[i - 1] + reaches[i - 1]).amax(0), (parts[i] - reaches[i]).amin(0)
            parts[i].add_(gap + (end - begin).max())
        low, high = (moved - reach).min(), (moved + reach).max()
        if high - low <= 1 - 2 * MARGIN:
            break
    moved = moved + middle.mean() - (high + low) / 2
    moved = moved + (MARGIN - (moved - reach).min()).clamp(min=0) - ((moved + reach).max() - 1 + MARGIN).clamp(min=0)
    for body, way in zip(bodies, moved, strict=True):
        body.plan[:, axis] = way
    return share


def _row(bodies: list[_Body], axis: int, room: Tensor) -> None:
    """One after the other along ``axis``; in two rows where three would have no room to move."""
    as_they_were = [body.plan.clone() for body in bodies]
    left = _apart([[body] for body in bodies], axis, CLEAR * room[axis])
    ends = torch.stack([body.plan[:, axis] for body in bodies])
    fits = ends.min() > MARGIN - 1e-4 and ends.max() < 1 - MARGIN + 1e-4
    in_line = len(bodies) > 2 or any(body.reach[axis] > WIDE * room[axis] for body in bodies)
    if in_line and (left < ENOUGH or not fits):
        for body, plan in zip(bodies, as_they_were, strict=True):
            body.plan.copy_(plan)
        _apart([[body] for body in bodies], axis, NARROW * room[axis])
        _apart([bodies[::2], bodies[1::2]], 1 - axis, math.sqrt(CLEAR**2 - NARROW**2) * room[1 - axis])


def _run(bodies: list[_Body], room: Tensor) -> int:
    """All on the way of the last, one behind the other; where that goes nowhere it runs to the right."""
    *pursuers, lead = bodies
    frames = len(lead.plan)
    gone = lead.plan[-1, :2] - lead.plan[0, :2]
    if gone.abs().max() < 0.15:
        lead.plan[:, 0] = 0.5 + 0.4 * (torch.linspace(0, 1, frames, device=lead.plan.device) - 0.5)
        gone = lead.plan[-1, :2] - lead.plan[0, :2]
    axis = int(gone.abs().argmax())
    way, across = lead.plan[:, axis].clone(), lead.plan[:, 1 - axis].clone()
    for later, body in enumerate(reversed(pursuers), start=1):
        delay = min(later * DELAY, frames - 1)
        body.plan[:, axis] = way
        body.plan[:, 1 - axis] = torch.cat((across[:1].expand(delay), across[: frames - delay]))
    _row(bodies if gone[axis] > 0 else bodies[::-1], axis, room)
    return axis


def _stand_behind(bodies: list[_Body], room: Tensor) -> None:
    """What is behind is farther away, so it stands a little higher; and it looks out at a side, or at both."""
    single = [body for body in bodies if len(body.places) == 1]
    alone = len(single) == len(bodies)
    leading = bodies[-1] if alone else next(body for body in bodies if body not in single)
    for body in bodies:
        if body is not leading:
            body.plan[:, :2] = leading.plan[:, :2]
    if alone:
        _apart([[body] for body in bodies], 0, 0.5 * room[0])
    _apart([[body] for body in bodies], 1, 0.22 * room[1])


def _collide(bodies: list[_Body], room: Tensor) -> None:
    """From left and right, and a third from above, to where they touch, and apart again; in a long clip every other
    second.
    """
    first, second = bodies[0], bodies[1]
    frames, device = len(first.plan), first.plan.device
    turns = max(1, round(frames / (2 * FPS + 1)))
    time = torch.linspace(0, turns, frames, device=device) % 1
    reaches = first.reach[0], second.reach[0]
    near = TOUCH * room[0] + reaches[0] + reaches[1]
    far = torch.tensor(1 - 2 * MARGIN, device=device) - reaches[0] - reaches[1]
    if len(bodies) > 2:  # an equilateral triangle
        upright = math.sqrt(0.75) * room[1] / room[0]
        far = torch.minimum(far, (1 - 2 * MARGIN) / upright)
    between = near + (far - near).clamp(min=0) * (2 * time - 1).abs()
    height = (first.plan[:, 1].mean() + second.plan[:, 1].mean()) / 2
    for body, side in ((first, -0.5), (second, 0.5)):
        body.plan[:, 0] = 0.5 + (reaches[0] - reaches[1]) / 2 + side * between
        body.plan[:, 1] = height.clamp(0.35, 0.65)
    for third in bodies[2:]:
        third.plan[:, 0] = 0.5
        third.plan[:, 1] = 0.5 - upright * between / 2
        first.plan[:, 1] = second.plan[:, 1] = 0.5 + upright * between / 2
