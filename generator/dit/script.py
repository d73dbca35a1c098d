"""Every task of the bundled model as timelines of known and unknown latent frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from countermark.core.errors import MediaError
from generator.dit.autoencoder import STRIDE
from generator.dit.camera import Camera
from generator.dit.canvas import Canvas
from generator.dit.cast import Actor, actor, crossing
from generator.dit.networks import SIDE, Networks
from generator.dit.noise import Draw
from generator.dit.pairs import arranged, drawing_order
from generator.dit.piece import Piece, finished, shown, thumbnail
from generator.dit.places import GROUP
from generator.dit.plans import long_plan
from generator.dit.rate import Thinned, latest, times_of
from generator.dit.shots import cut, understand_shots
from generator.dit.text import Understanding, named, negative_tokens, tokens_of, understand
from generator.dit.timeline import OVERLAP, Timeline, sample_timeline, windows
from generator.dit.views import View, behind_all, behind_subject, lost_by_code, read_clip
from generator.model import RGB, Inputs, Mask, OnPreview, OnProgress, Sampling
from generator.request import GenerationRequest, Shot
from generator.world.cinematography import OWN_LIGHT, Filmed, between_cuts
from generator.world.clips import FPS
from generator.world.vocabulary import Kind

EDIT_SHIFT = 12.0
OWN_FRAMES = 25
ADDED_FRAMES = 24
BRIDGE_FRAMES = 16
STRETCHED = ("rise", "fall", "left", "right", "throw", "zigzag", "roll")  # with an end: slower in a longer clip
FADED = 48  # frames after which nothing is left of what was carried over from given frames
NEAR = 8  # frames of each side that a bridge sees
TIED = 2  # latent frames of each side that the end of a loop sees: with what is between, it is one window


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
        fps: int = FPS,
        draw: Draw,
        on_progress: OnProgress,
        on_preview: OnPreview | None,
        on_notice: Callable[[str], None],
    ) -> None:
        """``draw`` is where the noise comes from. What is given comes at ``fps`` frames a second, as what is made."""
        self._networks = networks
        self._request = request
        self._sampling = sampling
        self._canvas = Canvas(*size)
        self._fps = fps
        self._draw = draw
        self._on_progress = on_progress
        self._on_preview = on_preview
        self._on_notice = on_notice
        self._done = 0
        self._steps = 0
        self._negative = None
        if request.negative_prompt:
            self._negative = torch.tensor(negative_tokens(request.negative_prompt), device=networks.device)
            if unread := named(request.negative_prompt)[0].unknown:
                on_notice(f"not understood in the negative prompt, and left out: {', '.join(unread)}")
            if sampling.guidance == 1:
                on_notice(
                    "with guidance 1 the negative prompt only decides what is not chosen where the prompt is silent"
                )

    def frames(self, inputs: Inputs) -> Iterator[RGB]:
        """Chunks of generated frames; see `generator.model.VideoModel.sample`."""
        request = self._request
        parts = between_cuts(request.prompt)
        cuts = len(parts) > 1 and not request.shots
        count = None
        if cuts and (request.task != "text" or request.loop):
            self._on_notice("the cuts were left out: only clips that are made from words alone have them, and no loops")
            cuts = False
        if request.shots:
            pieces = self._storyboard(request.shots, anew=False)
        elif cuts:
            pieces = self._storyboard(cut(parts, self._asked(OWN_FRAMES * len(parts))), anew=True)
        elif inputs.whole is not None:
            given = Thinned(inputs.whole, self._fps)
            pieces = [self._changed(given, inputs.mask)]
            count = given.count
        else:
            before = None if inputs.before is None else self._read(latest(inputs.before, self._fps))
            after = None if inputs.after is None else self._read(np.concatenate([*Thinned([inputs.after], self._fps)]))
            pieces = self._written(before, after)
        times = times_of(pieces, self._fps, count=count, joined=inputs.after is not None)
        for piece, shown_at in zip(pieces, times, strict=True):
            yield from finished(self._networks, piece, self._canvas, shown_at)

    @property
    def _aspect(self) -> float:
        return self._canvas.columns / self._canvas.rows

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
        own = 1 + _groups(frames - closing - 1)
        self._expect(own, 2 * min(own, TIED) + _groups(closing) - 1)
        first = self._own(understanding, frames - closing)
        return [first, self._closing(first, understanding, closing)]

    def _own(self, understanding: Understanding, frames: int, *, seed: int = 0) -> Piece:
        """A clip from words alone, whose first latent frame is a single frame: a scene, and on it what is painted."""
        groups = 1 + _groups(frames - 1)
        links = [companion.link for companion in understanding.companions]
        told = [understanding.concepts, *(companion.concepts for companion in understanding.companions)]
        plans = torch.stack([self._plan(concepts, groups, seed=seed + i) for i, concepts in enumerate(told)])
        plans = arranged(plans, links, aspect=self._aspect)
        if self._request.still:  # from the middle: at its ends a subject may stand at the border, or beyond
            plans = plans[:, OWN_FRAMES // 2 :][:, :1]
        camera, canvas = None, self._canvas
        if understanding.filmed.move != "still":
            camera = Camera(self._canvas, understanding.filmed.move, frames, seed=self._request.seed + seed)
            plans, canvas = camera.onto(plans), camera.canvas
        aspect = canvas.columns / canvas.rows
        cast = [actor(concepts, plan[:frames], aspect=aspect) for concepts, plan in zip(told, plans, strict=True)]
        ordered = tuple(cast[i] for i in drawing_order(links))
        latents = self._background(understanding.concepts["scene"], self._unknown(groups, canvas), cast=ordered)
        light = understanding.filmed.light
        own = light is None or understanding.concepts["scene"] in OWN_LIGHT
        lights = () if own or light is None else ((light, torch.ones(frames)),)
        return Piece(latents, ordered, frames, start=True, camera=camera, lights=lights)

    def _background(
        self,
        scene: str,
        known: Tensor,
        *,
        free: Tensor | None = None,
        keep: Tensor | None = None,
        cast: tuple[Actor, ...] = (),
    ) -> Tensor:
        """Latents like ``known`` [G, C, h, w] of a scene, without a subject.

        ``free`` [G] says how freely it may differ from what is known, by default wholly. Only where ``keep`` says so,
        bool [h, w], is what is known kept in any case. Previews show it with the ``cast``.
        """
        device = self._networks.device
        free = torch.ones(len(known)) if free is None else free
        if not self._steps:
            self._expect(len(free))

        def on_step(window: slice, latents: Tensor) -> None:
            self._done += 1
            self._on_progress(self._done, self._steps)
            if self._on_preview is not None:
                middle = len(latents) // 2
                self._on_preview(thumbnail(self._networks, latents[middle], cast, GROUP * (window.start + middle)))

        words = torch.tensor(tokens_of({"scene": scene}), device=device)
        return sample_timeline(
            self._networks.transformer,
            Timeline(known, free.to(device), words, keep),
            noise=self._draw(known.shape).to(device),
            steps=self._sampling.steps,
            guidance=self._sampling.guidance,
            negative=self._negative,
            on_step=on_step,
        )

    def _behind(self, scene: str, given: View, *, at_end: bool) -> Tensor:
        """Latents [n, C, h, w] of what stands behind the subject at one end of what is given, filled in where it stood;
        n is at most `OVERLAP`.
        """
        behind = behind_subject(self._networks, given, at_end=at_end)
        return self._background(scene, behind.latents, keep=behind.clear)

    def _onward(self, scene: str, known: Tensor, groups: int, *, backward: bool = False) -> Tensor:
        """Latents [1 + groups, C, h, w] of how a background goes on, the last ``known`` among them; ``backward``, of
        how it came to the first.
        """
        unknown = known.new_zeros(groups, *known.shape[1:])
        free = torch.cat((torch.zeros(len(known)), torch.ones(groups)))
        turned = (0,) if backward else ()
        clean = torch.cat((known.flip(turned), unknown)).flip(turned)
        latents = self._background(scene, clean, free=free.flip(turned))
        return latents.flip(turned)[len(known) - 1 :].flip(turned)

    def _dissolve(self, scenes: list[str], before: Tensor, after: Tensor, groups: int) -> Tensor:
        """Latents [1 + groups, C, h, w] from the last of ``before`` to the first of ``after``: one background goes on,
        and dissolves into the other, that has begun meanwhile.
        """
        one = self._onward(scenes[0], before, groups - 1)
        two = self._onward(scenes[1], after, groups - 1, backward=True)
        share = torch.linspace(0, 1, groups + 1, device=one.device)[:, None, None, None]
        return (1 - share) * torch.cat((one, one[-1:])) + share * torch.cat((two[:1], two))

    def _plan(self, concepts: Mapping[Kind, str], groups: int, *, seed: int) -> Tensor:
        """A plan for a clip of this many latent frames, as large in pixels at any size."""
        plan = long_plan(
            self._networks.planner,
            self._moving(concepts),
            OWN_FRAMES if self._request.still else 1 + GROUP * (groups - 1),
            seed=self._request.seed + seed,
            stretched=concepts["motion"] in STRETCHED,
        )
        return plan * plan.new_tensor([1, 1, SIDE / (self._canvas.rows * STRIDE)])

    def _continued(self, given: View, understanding: Understanding, *, backward: bool) -> Piece:
        frames = self._asked(ADDED_FRAMES)
        groups, scene = _groups(frames), understanding.concepts["scene"]
        plan = long_plan(
            self._networks.planner,
            self._moving(understanding.concepts),
            GROUP * groups,
            seed=self._request.seed,
            before=None if backward else given.plan,
            after=given.plan if backward else None,
        )
        known = len(given.coded(at_end=not backward))
        self._expect(known, known + groups)
        behind = self._behind(scene, given, at_end=not backward)
        latents = self._onward(scene, behind, groups, backward=backward)
        fade = (1 - torch.arange(GROUP * groups) / FADED).clamp(min=0)
        count = GROUP * groups if backward else frames
        fade = (fade.flip(0) if backward else fade)[:count]
        carried = lost_by_code(self._networks, given, fade, at_end=not backward)
        role = actor(
            understanding.concepts, plan[:count], aspect=self._aspect, backward=backward, mirrored=given.mirrored
        )
        return Piece(latents, (role,), count, start=backward, carried=(carried,))

    def _closing(self, piece: Piece, understanding: Understanding, frames: int) -> Piece:
        """The end of a loop: from the end of a piece that no camera moves over to its beginning."""
        role, groups = piece.cast[0], _groups(frames)
        before, after = piece.latents[-TIED:], piece.latents[:TIED]
        unknown = self._unknown(groups - 1, self._canvas)
        free = torch.cat((torch.zeros(len(before)), torch.ones(groups - 1), torch.zeros(len(after))))
        latents = self._background(understanding.concepts["scene"], torch.cat((before, unknown, after)), free=free)
        plan = self._way(role.plan, role.plan, understanding, frames)
        lights = tuple((light, torch.ones(len(plan))) for light, _ in piece.lights)
        way = latents[len(before) - 1 : len(latents) - len(after) + 1]
        return Piece(way, crossing(role, role, plan), len(plan), start=False, lights=lights)

    def _between(self, first: Piece, second: Piece, ends: list[Understanding], frames: int) -> Piece:
        """A bridge between two pieces of our own, from the end of one to the beginning of the other."""
        if first.camera is None and second.camera is None:
            near, far = first.cast[0], second.cast[0]
            plan = self._way(near.plan, far.plan, ends[0], frames)
            scenes = [end.concepts["scene"] for end in ends]
            latents = self._dissolve(scenes, first.latents[-OVERLAP:], second.latents[:OVERLAP], _groups(frames))
            bridge = Piece(latents, crossing(near, far, plan), len(plan), start=False)
        else:
            views = []
            for piece, span, end in zip((first, second), (slice(-NEAR, None), slice(NEAR)), ends, strict=True):
                role = piece.cast[0]
                seen = role.plan if piece.camera is None else piece.camera.seen(role.plan)
                frames_shown = torch.cat(list(shown(self._networks, piece)))[span]
                views.append(View(frames_shown, seen[span], dict(end.concepts), role.mirrored))
            bridge = self._bridge(views[0], views[1], ends, frames)
        shares = (1 - (towards := torch.linspace(0, 1, frames + 2)[1:-1]), towards)
        lights = [
            (light, share) for piece, share in zip((first, second), shares, strict=True) for light, _ in piece.lights
        ]
        return replace(bridge, lights=tuple(lights))

    def _bridge(self, before: View, after: View, ends: list[Understanding], frames: int) -> Piece:
        """What lies between two views: one background dissolves into the other, and the subjects cross."""
        groups, views = _groups(frames), (before, after)
        if not self._steps:
            known = [len(view.coded(at_end=view is before)) for view in views]
            self._expect(*known, *(count + groups - 1 for count in known))
        scenes = [end.concepts["scene"] for end in ends]
        behind = [self._behind(scene, view, at_end=view is before) for scene, view in zip(scenes, views, strict=True)]
        near, far = (
            actor({**end.concepts, "motion": "hover"}, view.plan, aspect=self._aspect, mirrored=view.mirrored)
            for end, view in zip(ends, views, strict=True)
        )
        plan = self._way(before.plan, after.plan, ends[0], frames)
        towards = torch.linspace(0, 1, len(plan) + 2)[1:-1]
        carried = tuple(
            lost_by_code(self._networks, view, weight, at_end=view is before)
            for view, weight in zip(views, (1 - towards, towards), strict=True)
        )
        latents = self._dissolve(scenes, behind[0], behind[1], groups)
        return Piece(latents, crossing(near, far, plan), len(plan), start=False, carried=carried)

    def _way(self, before: Tensor, after: Tensor, understanding: Understanding, frames: int) -> Tensor:
        """A plan [4n, 3] that leads over in at least ``frames`` frames."""
        return long_plan(
            self._networks.planner,
            self._moving(understanding.concepts),
            GROUP * _groups(frames),
            seed=self._request.seed,
            before=before[-NEAR:],
            after=after[:NEAR],
        )

    def _changed(self, chunks: Iterable[RGB], mask: Mask | None) -> Piece:
        """A copy of a video that shows what the prompt says where the video showed something else."""
        (condition,) = self._request.conditions
        encode = self._networks.autoencoder.encode_frames
        first: View | None = None
        coded, plans = [], []
        for view in map(self._read, _regrouped(chunks, GROUP * 6)):
            first = first or view
            coded.append(encode(view.frames[::GROUP]))
            plans.append(view.plan)
        if first is None:
            raise MediaError("A given video has no frames.", remedy="Give another file.")
        plan, seen = torch.cat(plans), first.concepts
        frames = len(plan)
        if (frames - 1) % GROUP:
            coded.append(encode(view.frames[-1:]))
        concepts = self._understand(self._request.prompt, seen).concepts
        keep = None if mask is None else self._canvas.kept(mask).to(plan.device)
        places = torch.cat((plan[::GROUP], plan[-1:]))[: len(latents := torch.cat(coded))]
        behind = behind_all(latents, places)
        # Backgrounds show through much noise, so strengths are spread over high levels, as sampling steps are.
        change = 1 - condition.strength
        free = torch.full((len(behind.latents),), EDIT_SHIFT * change / (1 + (EDIT_SHIFT - 1) * change))
        latents = behind.latents
        if keep is not None:  # what is kept is kept behind the subject too, so it is made up of what was there
            self._expect(len(latents), len(latents))
            latents = self._background(seen["scene"], latents, keep=behind.clear)
        latents = self._background(concepts["scene"], latents, free=free, keep=keep)
        shown_as = concepts if keep is None or not _stands_in(keep, plan) else {**concepts, **seen}
        cast = (actor({**shown_as, "motion": "hover"}, plan, aspect=self._aspect, mirrored=first.mirrored),)
        return Piece(latents, cast, frames, start=True)

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
        lengths = [1 + _groups(count - 1) for count in own]
        for i in bridges:
            filmed = {told[i - 1].filmed.move, told[i].filmed.move} != {"still"}
            known = [_groups(min(own[j], NEAR)) if filmed else min(lengths[j], OVERLAP) for j in (i - 1, i)]
            lengths += [*(known if filmed else ()), *(count + _groups(bridge) - 1 for count in known)]
        self._expect(*lengths)
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

    def _moving(self, concepts: Mapping[Kind, str]) -> Tensor:
        """What the planner hears."""
        return torch.tensor(tokens_of(concepts, "motion"), device=self._networks.device)

    def _asked(self, otherwise: int) -> int:
        seconds = self._request.seconds
        return otherwise if seconds is None else round(seconds * FPS)

    def _unknown(self, groups: int, canvas: Canvas) -> Tensor:
        channels = self._networks.autoencoder.config.latent
        return torch.zeros(groups, channels, canvas.rows, canvas.columns, device=self._networks.device)

    def _expect(self, *lengths: int) -> None:
        """Announce timelines, so that progress counts towards all of them."""
        self._steps = sum(len(windows(torch.ones(length))) for length in lengths) * self._sampling.steps


def _stands_in(kept: Tensor, plan: Tensor) -> bool:
    """Whether the subject of ``plan`` [T, 3] is most of the time where a picture is ``kept``, bool [h, w]."""
    rows, columns = kept.shape
    x = (plan[:, 0] * columns).long().clamp(0, columns - 1)
    y = (plan[:, 1] * rows).long().clamp(0, rows - 1)
    return bool(kept[y, x].float().mean() > 0.5)


def _regrouped(chunks: Iterable[RGB], size: int) -> Iterator[RGB]:
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
