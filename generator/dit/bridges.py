"""Bridges: how a loop closes, and how one shot or one given video leads over to another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from generator.dit.backgrounds import Backgrounds
from generator.dit.cast import actor, crossing
from generator.dit.piece import Piece, shown
from generator.dit.places import GROUP, groups_in
from generator.dit.plans import way_between
from generator.dit.timeline import OVERLAP
from generator.dit.views import View, lost_by_code
from generator.world.vocabulary import Kind

Ends = tuple[Mapping[Kind, str], Mapping[Kind, str]]
"""What is seen or drawn on the two sides of a bridge."""

BRIDGE_FRAMES = 16
NEAR = 8  # frames of each side that a bridge sees
TIED = 2  # latent frames of each side that the end of a loop sees: with what is between, it is one window


def closing_length(own: int, frames: int) -> int:
    """How many latent frames are sampled for the end of a loop, ``frames`` long, after ``own`` latent frames."""
    return 2 * min(own, TIED) + groups_in(frames) - 1


def closing(backgrounds: Backgrounds, piece: Piece, scene: str, frames: int) -> Piece:
    """The end of a loop: from the end of a piece that no camera moves over to its beginning."""
    role = piece.cast[0]
    latents = backgrounds.closed(scene, piece.latents[-TIED:], piece.latents[:TIED], groups_in(frames))
    plan = _way(role.plan, role.plan, frames)
    lights = tuple((light, torch.ones(len(plan))) for light, _ in piece.lights)
    return Piece(latents, crossing(role, role, plan), len(plan), start=False, lights=lights)


def between_lengths(own: tuple[int, int], frames: int, *, filmed: bool) -> list[int]:
    """How many latent frames are sampled, timeline by timeline, for a bridge of ``frames`` between pieces of so many
    frames of our own, and whether a camera moves over one of them.
    """
    known = [groups_in(min(count, NEAR)) if filmed else min(1 + groups_in(count - 1), OVERLAP) for count in own]
    return [*(known if filmed else ()), *(count + groups_in(frames) - 1 for count in known)]


def between(backgrounds: Backgrounds, first: Piece, second: Piece, ends: Ends, frames: int) -> Piece:
    """A bridge between two pieces of our own, from the end of one to the beginning of the other."""
    if first.camera is None and second.camera is None:
        near, far = first.cast[0], second.cast[0]
        plan, groups = _way(near.plan, far.plan, frames), groups_in(frames)
        latents = backgrounds.dissolved(_scenes(ends), first.latents[-OVERLAP:], second.latents[:OVERLAP], groups)
        made = Piece(latents, crossing(near, far, plan), len(plan), start=False)
    else:
        views = []
        for piece, span, concepts in zip((first, second), (slice(-NEAR, None), slice(NEAR)), ends, strict=True):
            role = piece.cast[0]
            seen = role.plan if piece.camera is None else piece.camera.seen(role.plan)
            pictures = torch.cat(list(shown(backgrounds.networks, piece)))[span]
            views.append(View(pictures, seen[span], dict(concepts), role.mirrored))
        made = bridge(backgrounds, views[0], views[1], ends, frames)
    shares = (1 - (towards := torch.linspace(0, 1, frames + 2)[1:-1]), towards)
    lights = [(light, share) for piece, share in zip((first, second), shares, strict=True) for light, _ in piece.lights]
    return replace(made, lights=tuple(lights))


def bridge(backgrounds: Backgrounds, before: View, after: View, ends: Ends, frames: int) -> Piece:
    """What lies between two views: one background dissolves into the other, and the subjects cross."""
    groups, views, scenes = groups_in(frames), (before, after), _scenes(ends)
    known = [len(view.coded(at_end=view is before)) for view in views]
    backgrounds.expect(*known, *(count + groups - 1 for count in known))
    behind = [backgrounds.behind(scene, view, at_end=view is before) for scene, view in zip(scenes, views, strict=True)]
    near, far = (
        actor({**concepts, "motion": "hover"}, view.plan, aspect=view.aspect, mirrored=view.mirrored)
        for concepts, view in zip(ends, views, strict=True)
    )
    plan = _way(before.plan, after.plan, frames)
    towards = torch.linspace(0, 1, len(plan) + 2)[1:-1]
    carried = tuple(
        lost_by_code(backgrounds.networks, view, weight, at_end=view is before)
        for view, weight in zip(views, (1 - towards, towards), strict=True)
    )
    latents = backgrounds.dissolved(scenes, behind[0], behind[1], groups)
    return Piece(latents, crossing(near, far, plan), len(plan), start=False, carried=carried)


def unheard(named: Mapping[Kind, str], ends: Ends) -> Iterator[str]:
    """Plain sentences for the user about what is named and cannot be had between two views: both are kept as they are,
    so what is between them shows what they show.
    """
    for kind, name in named.items():
        seen = dict.fromkeys(end[kind] for end in ends if kind in end)
        if not seen:
            yield f"the {kind} was left out ({name}): the subject goes from where it was seen to where it is seen next"
        elif name not in seen:
            yield f"the {kind} was left out ({name}): what is led over shows {' and '.join(seen)}"


def _scenes(ends: Ends) -> tuple[str, str]:
    return ends[0]["scene"], ends[1]["scene"]


def _way(before: Tensor, after: Tensor, frames: int) -> Tensor:
    """A plan [4n, 3] that leads over in at least ``frames`` frames."""
    return way_between(before[-NEAR:], after[:NEAR], GROUP * groups_in(frames))
