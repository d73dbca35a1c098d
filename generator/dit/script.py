"""Every task of the bundled model as timelines of known and unknown latent frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from generator.dit.autoencoder import STRIDE
from generator.dit.camera import Camera
from generator.dit.canvas import Canvas
from generator.dit.networks import SIDE, Networks
from generator.dit.noise import Draw
from generator.dit.pairs import arranged, drawing_order
from generator.dit.piece import Cast, Piece, finished, shown
from generator.dit.places import GROUP
from generator.dit.plans import long_plan
from generator.dit.shots import cut, understand_shots
from generator.dit.text import Understanding, negative_tokens, tokens_of, understand
from generator.dit.timeline import Timeline, sample_timeline, windows
from generator.dit.views import View, behind_subject, lost, read_clip, view_of
from generator.model import RGB, Inputs, Mask, OnProgress, Sampling
from generator.request import GenerationRequest, Shot
from generator.world.cinematography import OWN_LIGHT, Filmed, between_cuts
from generator.world.clips import FPS
from generator.world.vocabulary import Kind

EDIT_SHIFT = 12.0
OWN_FRAMES = 25
ADDED_FRAMES = 24
BRIDGE_FRAMES = 16
STRETCHED = ("rise", "fall", "left", "right", "throw", "zigzag")  # movements with an end, slower in a longer clip
FADED = 48  # frames after which nothing is left of what was carried over from given frames
NEIGHBOURS = 2  # latent frames of each side that a bridge sees


def _groups(frames: int) -> int:
    return math.ceil(frames / GROUP)


class Script:
    """Runs one request."""

    def __init__(
        self,
        networks: Networks,
        request: GenerationRequest,
        sampling: Sampling,
        *,
        size: tuple[int, int] = (SIDE, SIDE),
        draw: Draw,
        on_progress: OnProgress,
        on_notice: Callable[[str], None],
    ) -> None:
        """``draw`` is where the noise comes from."""
        self._networks = networks
        self._request = request
        self._sampling = sampling
        self._canvas = Canvas(*size)
        self._draw = draw
        self._on_progress = on_progress
        self._on_notice = on_notice
        self._done = 0
        self._steps = 0
        self._negative = None
        if request.negative_prompt:
            self._negative = torch.tensor(negative_tokens(request.negative_prompt), device=networks.device)

    def frames(self, inputs: Inputs) -> Iterator[RGB]:
        """Chunks of generated frames; see `generator.model.VideoModel.sample`."""
        request = self._request
        parts = between_cuts(request.prompt)
        cuts = len(parts) > 1 and not request.shots
        if cuts and (request.task != "text" or request.loop):
            self._on_notice("the cuts were left out: only clips that are made from words alone have them, and no loops")
            cuts = False
        if request.shots:
            pieces = self._storyboard(request.shots, anew=False)
        elif cuts:
            pieces = self._storyboard(cut(parts, self._asked(OWN_FRAMES * len(parts))), anew=True)
        elif inputs.whole is not None:
            pieces = [self._changed(inputs.whole, inputs.mask)]
        else:
            before = None if inputs.before is None else self._read(_last_groups(inputs.before))
            after = None if inputs.after is None else self._read(_first_groups(inputs.after))
            pieces = self._written(before, after)
        for piece in pieces:
            yield from finished(self._networks, piece, self._canvas)

    def _read(self, rgb: RGB) -> View:
        return read_clip(self._networks, self._canvas.around(rgb))

    def _written(self, before: View | None, after: View | None) -> list[Piece]:
        """What a prompt asks for, beside what is given."""
        request = self._request
        if before is not None and after is not None:
            asked = self._understand(request.prompt, {})
            ends = [replace(asked, concepts={**asked.concepts, **view.concepts}) for view in (before, after)]
            return [self._bridge(before, after, ends, self._asked(BRIDGE_FRAMES))]
        given = before or after
        understanding = self._understand(request.prompt, None if given is None else given.concepts)
        if given is not None:
            return [self._continued(given, understanding, backward=before is None)]
        frames = 1 if request.still else self._asked(OWN_FRAMES)
        if not request.loop:
            return [self._own(understanding, frames)]
        closing = min(BRIDGE_FRAMES, GROUP * _groups(frames // 3))
        first = self._own(understanding, frames - closing)
        return [first, self._between(first, first, [understanding, understanding], closing)]

    def _own(self, understanding: Understanding, frames: int, *, seed: int = 0) -> Piece:
        """A clip from words alone, whose first latent frame is a single frame: a scene, and on it what is painted."""
        groups = 1 + _groups(frames - 1)
        links = [companion.link for companion in understanding.companions]
        told = [understanding.concepts, *(companion.concepts for companion in understanding.companions)]
        plans = torch.stack([self._plan(concepts, groups, seed=seed + i) for i, concepts in enumerate(told)])
        plans = arranged(plans, links, aspect=self._canvas.columns / self._canvas.rows)
        if self._request.still:  # from the middle: at its ends a subject may stand at the border, or beyond
            plans = plans[:, OWN_FRAMES // 2 :][:, :1]
        camera, canvas = None, self._canvas
        if understanding.filmed.move != "still":
            camera = Camera(self._canvas, understanding.filmed.move, frames, seed=self._request.seed + seed)
            plans, canvas = camera.onto(plans), camera.canvas
        latents = self._background(understanding.concepts["scene"], self._unknown(groups, canvas))
        words = torch.tensor([tokens_of(concepts) for concepts in told], device=latents.device)
        light = understanding.filmed.light
        own = light is None or understanding.concepts["scene"] in OWN_LIGHT
        lights = () if own or light is None else ((light, torch.ones(frames)),)
        cast = Cast(plans[:, :frames], words, tuple(drawing_order(links)))
        return Piece(latents, cast.plans[0], frames, starts=True, cast=cast, camera=camera, lights=lights)

    def _background(self, scene: str, known: Tensor, *, keep: Tensor | None = None) -> Tensor:
        """Latents like ``known`` [G, C, h, w] of a scene without a subject: no word names one, and it has no place.

        Only where ``keep`` says so, bool [h, w], is what is known kept.
        """
        words = torch.tensor(tokens_of({"scene": scene}), device=known.device)
        free, shares = torch.ones(len(known)), torch.ones(len(known), 1)
        return self._sample(known, free, known.new_zeros(len(known), GROUP, 3), [words], shares, keep=keep)

    def _plan(self, concepts: Mapping[Kind, str], groups: int, *, seed: int) -> Tensor:
        """A plan for a clip of this many latent frames, as large in pixels at any size."""
        plan = long_plan(
            self._networks.planner,
            torch.tensor(tokens_of(concepts), device=self._networks.device),
            OWN_FRAMES if self._request.still else 1 + GROUP * (groups - 1),
            seed=self._request.seed + seed,
            stretched=concepts["motion"] in STRETCHED,
        )
        return plan * plan.new_tensor([1, 1, SIDE / (self._canvas.rows * STRIDE)])

    def _continued(self, given: View, understanding: Understanding, *, backward: bool) -> Piece:
        frames = self._asked(ADDED_FRAMES)
        groups = _groups(frames)
        moving = given.plan[: given.frames]
        plan = long_plan(
            self._networks.planner,
            self._tokens(understanding),
            GROUP * groups,
            seed=self._request.seed,
            before=None if backward else moving,
            after=moving if backward else None,
        )
        behind = behind_subject(self._networks, given, at_end=not backward)
        known = behind.latents.expand(groups, -1, -1, -1)
        latents = self._background(understanding.concepts["scene"], known, keep=behind.clear)
        # What is known stands still, and so does the rest: what a single latent frame makes up besides is left out.
        latents = latents.median(0, keepdim=True).values.expand_as(latents)
        fade = (1 - torch.arange(GROUP * groups) / FADED).clamp(min=0)
        carried = (behind.lost, fade.flip(0) if backward else fade)
        said = {"motion": _facing(plan), **understanding.concepts}
        cast = Cast(plan[None], torch.tensor([tokens_of(said)], device=plan.device))
        return Piece(latents, plan, GROUP * groups if backward else frames, starts=False, cast=cast, carried=(carried,))

    def _between(self, first: Piece, second: Piece, ends: list[Understanding], frames: int) -> Piece:
        """A bridge between two pieces of our own, from the end of one to the beginning of the other."""
        if first.cast is not None and _alike(*ends):
            bridge = self._crossing(first, second, first.cast, frames)
        else:
            count = NEIGHBOURS * GROUP
            ends_shown = [torch.cat(list(shown(self._networks, piece))) for piece in (first, second)]
            before = view_of(self._networks, ends_shown[0][-count:], first.seen[-count:], {})
            after = view_of(self._networks, ends_shown[1][:count], second.seen[:count], {})
            bridge = self._bridge(before, after, ends, frames)
        shares = (1 - (towards := torch.linspace(0, 1, frames + 2)[1:-1]), towards)
        lights = [
            (light, share) for piece, share in zip((first, second), shares, strict=True) for light, _ in piece.lights
        ]
        return replace(bridge, lights=tuple(lights))

    def _crossing(self, first: Piece, second: Piece, cast: Cast, frames: int) -> Piece:
        """A bridge between two pieces with one subject, which goes on while one background dissolves into the other."""
        groups, count = _groups(frames), NEIGHBOURS * GROUP
        near, far = first.plan[-count:], second.plan[:count]
        plan = long_plan(
            self._networks.planner, cast.words[0], GROUP * groups, seed=self._request.seed, before=near, after=far
        )
        share = torch.linspace(0, 1, groups + 2, device=plan.device)[1:-1, None, None, None]
        latents = (1 - share) * first.latents[-1] + share * second.latents[0]
        return Piece(latents, plan, GROUP * groups, starts=False, cast=Cast(plan[None], cast.words[:1]))

    def _bridge(self, before: View, after: View, ends: list[Understanding], frames: int) -> Piece:
        groups = _groups(frames)
        count = NEIGHBOURS
        left, right = before.latents[-count:], after.latents[:count]
        near, far = before.plan[-count * GROUP :], after.plan[: count * GROUP]
        prompts = [self._tokens(understanding) for understanding in ends]
        plan = long_plan(
            self._networks.planner, prompts[0], GROUP * groups, seed=self._request.seed, before=near, after=far
        )
        whole = torch.cat((near, plan, far)).unflatten(0, (-1, GROUP))
        free = torch.cat((torch.zeros(len(left)), torch.ones(groups), torch.zeros(len(right))))
        share = torch.cat((torch.zeros(len(left)), torch.linspace(0, 1, groups + 2)[1:-1], torch.ones(len(right))))
        shares = torch.stack((1 - share, share), dim=1)
        if torch.equal(*prompts):
            prompts, shares = prompts[:1], torch.ones_like(shares[:, :1])
        known = torch.cat((left, self._unknown(groups, self._canvas), right))
        latents = self._sample(known, free, whole, prompts, shares)
        towards = torch.linspace(0, 1, GROUP * groups + 2)[1:-1]
        carried = (
            (lost(self._networks, before, at_end=True), 1 - towards),
            (lost(self._networks, after, at_end=False), towards),
        )
        return Piece(latents[len(left) : len(left) + groups], plan, GROUP * groups, starts=False, carried=carried)

    def _changed(self, chunks: Iterator[RGB], mask: Mask | None) -> Piece:
        """A copy of a video that shows what the prompt says where the video showed something else."""
        (condition,) = self._request.conditions
        views = [self._read(chunk) for chunk in _regrouped(chunks, GROUP * 6)]
        frames = sum(view.frames for view in views)
        latents = torch.cat([view.latents for view in views])
        plan = torch.cat([view.plan for view in views])
        tokens = self._tokens(self._understand(self._request.prompt, views[0].concepts))
        # Backgrounds show through much noise, so strengths are spread over high levels, as sampling steps are.
        change = 1 - condition.strength
        free = torch.full((len(latents),), EDIT_SHIFT * change / (1 + (EDIT_SHIFT - 1) * change))
        keep = None if mask is None else self._canvas.kept(mask).to(latents.device)
        places, shares = plan.unflatten(0, (-1, GROUP)), torch.ones(len(latents), 1)
        out = self._sample(latents, free, places, [tokens], shares, keep=keep)
        return Piece(out, plan[:frames], frames, starts=False)

    def _storyboard(self, shots: tuple[Shot, ...], *, anew: bool) -> list[Piece]:
        frames = [round(shot.seconds * FPS) for shot in shots]
        bridges = [i for i, shot in enumerate(shots) if i and shot.transition == "blend"]
        request = self._request
        told = understand_shots(shots, seed=request.seed, negative=request.negative_prompt, anew=anew)
        for i, shot in enumerate(shots):
            if {i, i + 1} & set(bridges):
                told[i] = self._alone(told[i])
            for notice in told[i].notices:
                self._on_notice(f"{shot.prompt!r}: {notice}")
        bridge = BRIDGE_FRAMES
        own = [count - bridge * (i in bridges) for i, count in enumerate(frames)]
        sampled = [i for i in bridges if not _alike(told[i - 1], told[i])]
        self._expect(*(1 + _groups(count - 1) for count in own), *(2 * NEIGHBOURS + _groups(bridge) for _ in sampled))
        out: list[Piece] = []
        for i, (understanding, count) in enumerate(zip(told, own, strict=True)):
            piece = self._own(understanding, count, seed=i)
            if i in bridges:
                out.append(self._between(out[-1], piece, [told[i - 1], understanding], bridge))
            out.append(piece)
        return out

    def _understand(self, prompt: str, seen: dict[Kind, str] | None) -> Understanding:
        request = self._request
        understanding = understand(prompt, seed=request.seed, seen=seen, negative=request.negative_prompt)
        if seen is not None or request.loop:
            understanding = self._alone(understanding)
        understanding = replace(understanding, filmed=self._films(understanding.filmed, given=seen is not None))
        for notice in understanding.notices:
            self._on_notice(notice)
        return understanding

    def _alone(self, understanding: Understanding) -> Understanding:
        """Without its second and third subject, which are reported."""
        names = ", ".join((*(each.concepts["subject"] for each in understanding.companions), *understanding.others))
        if names:
            which = "all but the first subject were" if ", " in names else "the second subject was"
            reason = "several are shown where all is made from words alone, and not in loops or beside a blend"
            self._on_notice(f"{which} left out ({names}): {reason}")
        return replace(understanding, companions=(), others=())

    def _films(self, asked: Filmed, *, given: bool) -> Filmed:
        """What of camera and light this task can have; the rest is reported."""
        if asked.move != "still" and (given or self._request.still or self._request.loop):
            reason = "it moves only in clips and shots that are made from words alone, and not in loops or pictures"
            self._on_notice(f"the camera move was left out ({asked.move}): {reason}")
            asked = replace(asked, move="still", assumed=False, others=())
        if asked.light is not None and given:
            reason = "what is made beside a given picture or video has its light"
            self._on_notice(f"the light was left out ({asked.light}): {reason}")
            asked = replace(asked, light=None)
        return asked

    def _tokens(self, understanding: Understanding) -> Tensor:
        return torch.tensor(understanding.tokens, device=self._networks.device)

    def _asked(self, otherwise: int) -> int:
        seconds = self._request.seconds
        return otherwise if seconds is None else round(seconds * FPS)

    def _unknown(self, groups: int, canvas: Canvas) -> Tensor:
        channels = self._networks.autoencoder.config.latent
        return torch.zeros(groups, channels, canvas.rows, canvas.columns, device=self._networks.device)

    def _expect(self, *lengths: int) -> None:
        """Announce timelines, so that progress counts towards all of them."""
        self._steps = sum(len(windows(torch.ones(length))) for length in lengths) * self._sampling.steps

    def _sample(
        self,
        known: Tensor,
        free: Tensor,
        plan: Tensor,
        prompts: list[Tensor],
        shares: Tensor,
        *,
        keep: Tensor | None = None,
    ) -> Tensor:
        if not self._steps:
            self._expect(len(free))
        device = self._networks.device

        def on_step() -> None:
            self._done += 1
            self._on_progress(self._done, self._steps)

        return sample_timeline(
            self._networks.transformer,
            Timeline(known, free.to(device), plan, torch.stack(prompts), shares.to(device), keep),
            noise=self._draw(known.shape).to(device),
            steps=self._sampling.steps,
            guidance=self._sampling.guidance,
            negative=self._negative,
            on_step=on_step,
        )


def _alike(one: Understanding, other: Understanding) -> bool:
    """Whether the same subject is shown by a camera that stands still."""
    same = all(one.concepts[kind] == other.concepts[kind] for kind in ("subject", "colour"))
    return same and one.filmed.move == other.filmed.move == "still"


def _facing(plan: Tensor) -> str:
    """A motion with which the subject of ``plan`` [T, 3] looks where it goes."""
    return "left" if plan[-1, 0] < plan[0, 0] - 0.1 else "hover"


def _last_groups(rgb: RGB) -> RGB:
    """One still picture as it is; else as many of the last frames as fill whole groups, the first one repeated."""
    if len(rgb) == 1:
        return rgb
    if len(rgb) < GROUP:
        return np.concatenate((rgb[:1].repeat(GROUP - len(rgb), 0), rgb))
    return rgb[len(rgb) % GROUP :]


def _first_groups(rgb: RGB) -> RGB:
    """As many of the first frames as fill whole groups, at least one."""
    return rgb[: max(len(rgb) // GROUP * GROUP, min(len(rgb), GROUP))]


def _regrouped(chunks: Iterator[RGB], size: int) -> Iterator[RGB]:
    """The same frames in chunks of ``size``, the last one shorter."""
    held: list[RGB] = []
    for chunk in chunks:
        held.append(chunk)
        while sum(map(len, held)) >= size:
            joined = np.concatenate(held)
            yield joined[:size]
            held = [joined[size:]]
    if sum(map(len, held)):
        yield np.concatenate(held)
