"""Every task of the bundled model as timelines of known and unknown latent frames."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from countermark.core.errors import MediaError
from generator.dit.autoencoder import STRIDE
from generator.dit.backgrounds import Backgrounds
from generator.dit.bridges import BRIDGE_FRAMES, between, between_lengths, bridge, closing, closing_length, unheard
from generator.dit.camera import Camera
from generator.dit.canvas import Canvas
from generator.dit.cast import actor
from generator.dit.networks import SIDE, Networks
from generator.dit.noise import Draw
from generator.dit.pairs import arranged, drawing_order
from generator.dit.piece import Piece, finished
from generator.dit.places import GROUP, groups_in
from generator.dit.plans import long_plan
from generator.dit.rate import Thinned, latest, times_of
from generator.dit.shots import OWN_FRAMES, cut, understand_shots
from generator.dit.text import Understanding, named, negative_tokens, tokens_of, understand
from generator.dit.views import View, behind_all, lost_by_code, read_clip
from generator.model import RGB, Inputs, Mask, OnPreview, OnProgress, Sampling
from generator.request import GenerationRequest, Shot
from generator.world.cinematography import OWN_LIGHT, Filmed, Light, between_cuts
from generator.world.clips import FPS
from generator.world.vocabulary import Kind

EDIT_SHIFT = 12.0
ADDED_FRAMES = 24
STRETCHED = ("rise", "fall", "left", "right", "throw", "zigzag", "roll")  # with an end: slower in a longer clip
FADED = 48  # frames after which nothing is left of what was carried over from given frames


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
        self._canvas = Canvas(*size)
        self._fps = fps
        self._on_notice = on_notice
        negative = None
        if request.negative_prompt:
            negative = torch.tensor(negative_tokens(request.negative_prompt), device=networks.device)
            if unread := named(request.negative_prompt)[0].unknown:
                on_notice(f"not understood in the negative prompt, and left out: {', '.join(unread)}")
            if sampling.guidance == 1:
                on_notice(
                    "with guidance 1 the negative prompt only decides what is not chosen where the prompt is silent"
                )
        self._backgrounds = Backgrounds(
            networks, sampling, draw=draw, negative=negative, on_progress=on_progress, on_preview=on_preview
        )

    def frames(self, inputs: Inputs) -> Iterator[RGB]:
        """Chunks of generated frames; see `generator.model.VideoModel.sample`."""
        request = self._request
        shots = cut(request)
        count = None
        if not shots and not request.shots and len(between_cuts(request.prompt)) > 1:
            self._on_notice("the cuts were left out: only clips that are made from words alone have them, and no loops")
        if shots or request.shots:
            pieces = self._storyboard(shots or request.shots, anew=bool(shots))
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
            ends = (before.concepts, after.concepts)
            for notice in unheard(asked.concepts, ends):
                self._on_notice(notice)
            return [bridge(self._backgrounds, before, after, ends, self._asked(BRIDGE_FRAMES))]
        given = before or after
        understanding = self._understand(request.prompt, None if given is None else given.concepts)
        if given is not None:
            return [self._continued(given, understanding, backward=before is None)]
        frames = 1 if request.still else self._asked(OWN_FRAMES)
        if not request.loop:
            return [self._own(understanding, frames)]
        last = min(BRIDGE_FRAMES, GROUP * groups_in(frames // 3))
        own = 1 + groups_in(frames - last - 1)
        self._backgrounds.expect(own, closing_length(own, last))
        first = self._own(understanding, frames - last)
        return [first, closing(self._backgrounds, first, understanding.concepts["scene"], last)]

    def _own(self, understanding: Understanding, frames: int, *, seed: int = 0) -> Piece:
        """A clip from words alone, whose first latent frame is a single frame: a scene, and on it what is painted."""
        groups = 1 + groups_in(frames - 1)
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
        scene, light = understanding.concepts["scene"], understanding.filmed.light
        latents = self._backgrounds.sampled(scene, self._unknown(groups, canvas), cast=ordered)
        lights = _lights(light, scene, torch.ones(frames))
        return Piece(latents, ordered, frames, start=True, camera=camera, lights=lights)

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
        groups, scene = groups_in(frames), understanding.concepts["scene"]
        plan = long_plan(
            self._networks.planner,
            self._moving(understanding.concepts),
            GROUP * groups,
            seed=self._request.seed,
            before=None if backward else given.plan,
            after=given.plan if backward else None,
        )
        known = len(given.coded(at_end=not backward))
        self._backgrounds.expect(known, known + groups)
        behind = self._backgrounds.behind(scene, given, at_end=not backward)
        latents = self._backgrounds.onward(scene, behind, groups, backward=backward)
        fade = (1 - torch.arange(GROUP * groups) / FADED).clamp(min=0)
        count = GROUP * groups if backward else frames
        fade = (fade.flip(0) if backward else fade)[:count]
        carried = lost_by_code(self._networks, given, fade, at_end=not backward)
        role = actor(
            understanding.concepts, plan[:count], aspect=self._aspect, backward=backward, mirrored=given.mirrored
        )
        return Piece(latents, (role,), count, start=backward, carried=(carried,))

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
        relit = mask is None and not condition.around and seen["scene"] not in OWN_LIGHT
        asked = self._understand(self._request.prompt, seen, relit=relit)
        concepts = asked.concepts
        if "motion" in concepts:
            self._on_notice(f"the motion was left out ({concepts['motion']}): what is edited moves as it did")
        if asked.filmed.light == "day" and "scene" in asked.seen:
            self._on_notice("what is drawn anew is by day; a scene at night is often taken for another one: name it")
        if asked.unknown:
            self._on_notice("an edit changes subject, colour, scene and hour; style, weather and the rest stay")
        keep = None if mask is None else self._canvas.kept(mask).to(plan.device)
        codes = torch.cat(coded)
        behind = behind_all(codes, torch.cat((plan[::GROUP], plan[-1:]))[: len(codes)])
        # Backgrounds show through much noise, so strengths are spread over high levels, as sampling steps are.
        change = 1 - condition.strength
        free = torch.full((len(behind.latents),), EDIT_SHIFT * change / (1 + (EDIT_SHIFT - 1) * change))
        latents = behind.latents
        if keep is not None:  # what is kept is kept behind the subject too, so it is made up of what was there
            self._backgrounds.expect(len(latents), len(latents))
            latents = self._backgrounds.sampled(seen["scene"], latents, keep=behind.clear)
        latents = self._backgrounds.sampled(concepts["scene"], latents, free=free, keep=keep)
        shown_as = concepts if keep is None or not _stands_in(keep, plan) else {**concepts, **seen}
        cast = (actor({**shown_as, "motion": "hover"}, plan, aspect=self._aspect, mirrored=first.mirrored),)
        lights = _lights(asked.filmed.light, concepts["scene"], torch.full((frames,), change))
        return Piece(latents, cast, frames, start=True, lights=lights)

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
        own = [count - BRIDGE_FRAMES * (i in bridges) for i, count in enumerate(frames)]
        lengths = [1 + groups_in(count - 1) for count in own]
        for i in bridges:
            filmed = {told[i - 1].filmed.move, told[i].filmed.move} != {"still"}
            lengths += between_lengths((own[i - 1], own[i]), BRIDGE_FRAMES, filmed=filmed)
        self._backgrounds.expect(*lengths)
        out: list[Piece] = []
        for i, (understanding, count) in enumerate(zip(told, own, strict=True)):
            piece = self._own(understanding, count, seed=i)
            if i in bridges:
                ends = (told[i - 1].concepts, understanding.concepts)
                out.append(between(self._backgrounds, out[-1], piece, ends, BRIDGE_FRAMES))
            out.append(piece)
        return out

    def _understand(self, prompt: str, seen: dict[Kind, str] | None, *, relit: bool = False) -> Understanding:
        """What is asked for, and what the task cannot have of it is reported; only what is ``relit`` may have another
        light than that of what was given.
        """
        request = self._request
        understanding = understand(prompt, seed=request.seed, seen=seen, placed=relit, negative=request.negative_prompt)
        if seen is not None or request.loop:
            understanding = self._alone(understanding)
        understanding = replace(
            understanding, filmed=self._films(understanding.filmed, given=seen is not None, relit=relit)
        )
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

    def _films(self, asked: Filmed, *, given: bool, relit: bool) -> Filmed:
        """What of camera and light this task can have; the rest is reported."""
        if asked.move != "still" and (given or self._request.still or self._request.loop):
            reason = "it moves only in clips and shots that are made from words alone, and not in loops or pictures"
            self._on_notice(f"the camera move was left out ({asked.move}): {reason}")
            asked = replace(asked, move="still", assumed=False, others=())
        if asked.light is not None and given and not relit:
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


def _lights(light: Light | None, scene: str, weight: Tensor) -> tuple[tuple[Light, Tensor], ...]:
    """What lights a piece whose prompt names a ``light``, with its ``weight`` in every frame."""
    return () if light is None or scene in OWN_LIGHT else ((light, weight),)


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
