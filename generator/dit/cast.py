"""Who is painted on a scene: subjects with their words, and where and how they are in every frame."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from generator.dit.text import TOKEN
from generator.world.clips import turned
from generator.world.vocabulary import Kind


@dataclass(frozen=True)
class Actor:
    """A subject: the ``words`` for it, int64 [W]; its ``pose`` in every frame, [T, 4]: centre as shares of width and
    height, size in heights, and how far it is turned clockwise, in radians; whether it is ``mirrored``, which makes it
    face left; and how much of it is ``seen`` in every frame, [T] from 0 to 1.
    """

    words: Tensor
    pose: Tensor
    mirrored: bool
    seen: Tensor

    @property
    def plan(self) -> Tensor:
        """Centre and size alone, [T, 3]."""
        return self.pose[:, :3]


def actor(
    concepts: Mapping[Kind, str], plan: Tensor, *, aspect: float, backward: bool = False, mirrored: bool = False
) -> Actor:
    """The subject that ``concepts`` name, on its way along ``plan`` [T, 3] over a picture that is ``aspect`` times as
    wide as high. What turns begins upright, or ends so where the plan leads ``backward`` from what is known. It faces
    where its motion goes, else as it was ``mirrored`` before.
    """
    motion = concepts.get("motion", "hover")
    turn = torch.from_numpy(turned(motion, plan.float().cpu().numpy(), aspect=aspect)).to(plan)
    if backward:
        turn = turn - turn[-1]
    pose = torch.cat((plan, turn[:, None]), dim=1)
    words = [TOKEN[kind, concepts[kind]] for kind in ("subject", "colour")]
    faces_left = motion == "left" or (mirrored and motion not in ("right", "roll"))
    return Actor(torch.tensor(words, device=plan.device), pose, faces_left, torch.ones_like(turn))


def crossing(near: Actor, far: Actor, plan: Tensor) -> tuple[Actor, ...]:
    """What is seen between the end of one and the beginning of another, along ``plan`` [T, 3]: one that goes on and
    turns upright by the shortest way, or one that dissolves into the other.
    """
    share = torch.linspace(0, 1, len(plan) + 2, device=plan.device)[1:-1]
    start, end = near.pose[-1, 3], far.pose[0, 3]
    end = end + 2 * math.pi * ((start - end) / (2 * math.pi)).round()
    pose = torch.cat((plan, (start + (end - start) * share)[:, None]), dim=1)
    first = replace(near, pose=pose, seen=torch.ones_like(share))
    if torch.equal(near.words, far.words) and near.mirrored == far.mirrored:
        return (first,)
    return (replace(first, seen=1 - share), replace(far, pose=pose, seen=share))
