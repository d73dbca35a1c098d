"""Every task of the bundled model as timelines of known and unknown latent frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from generator.dit.autoencoder import GROUP, STRIDE
from generator.dit.judge import FRAMES as FRAMES_SEEN
from generator.dit.judge import SIDE as SIDE_SEEN
from generator.dit.locator import steady
from generator.dit.networks import SIDE, Networks
from generator.dit.plans import long_plan
from generator.dit.text import Understanding, named, negative_tokens, understand
from generator.dit.timeline import Timeline, sample_timeline, windows
from generator.dit.transformer import group_plan
from generator.model import RGB, Inputs, OnProgress
from generator.request import GenerationRequest
from generator.world.clips import FPS
from generator.world.vocabulary import BY_KIND, Kind

EDIT_SHIFT = 12.0
OWN_FRAMES = 25
ADDED_FRAMES = 24
BRIDGE_FRAMES = 16
STRETCHED = ("rise", "fall", "left", "right")  # movements with an end, slower in a longer clip
NEIGHBOURS = 2  # latent frames of each side that a bridge sees


@dataclass(frozen=True)
class Piece:
    """Latents [G, C, h, w] of ``frames`` frames, the subject's ``plan`` [frames, 3], and whether the first latent frame
    is a single frame.
    """

    latents: Tensor
    plan: Tensor
    frames: int
    starts: bool


@dataclass(frozen=True)
class View:
    """Given ``frames`` as latents [n, C, h, w], the last group filled up with the last frame, and what is read
    from them: the subject's ``plan`` [4n, 3] and the ``concepts`` that are seen.
    """

    latents: Tensor
    plan: Tensor
    concepts: dict[Kind, str]
    frames: int


def _groups(frames: int) -> int:
    return math.ceil(frames / GROUP)


@torch.inference_mode()
def read_clip(networks: Networks, rgb: RGB) -> View:
    """What given frames show, uint8 [T, H, W, 3], any number; the last group is filled up with the last frame."""
    frames = torch.from_numpy(rgb).to(networks.device).permute(0, 3, 1, 2).float() / 127.5 - 1
    small = F.interpolate(frames, (SIDE_SEEN, SIDE_SEEN), mode="area")
    spread = torch.linspace(0, len(frames) - 1, FRAMES_SEEN).round().long()
    logits = networks.judge(small[spread][None])
    # How it moves is not read: a still says nothing of it, and a clip goes on as it did.
    concepts: dict[Kind, str] = {
        kind: BY_KIND[kind][int(row.argmax())].name for kind, row in logits.items() if kind != "motion"
    }
    plan = steady(networks.locator(networks.judge.look(small)))
    filled = -len(frames) % GROUP
    latents = _encoded(networks, torch.cat((frames, frames[-1:].expand(filled, -1, -1, -1))))
    return View(latents, torch.cat((plan, plan[-1:].expand(filled, -1))), concepts, len(frames))


def _encoded(networks: Networks, frames: Tensor) -> Tensor:
    """Frames [4n, 3, H, W] in [-1, 1] as latents [n, C, h, w]."""
    return networks.autoencoder.encode_groups(frames.unflatten(0, (-1, GROUP)))


class Script:
    """Runs one request."""

    def __init__(
        self,
        networks: Networks,
        request: GenerationRequest,
        *,
        on_progress: OnProgress,
        on_notice: Callable[[str], None],
    ) -> None:
        self._networks = networks
        self._request = request
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
        if request.shots:
            pieces = self._storyboard()
        elif inputs.whole is not None:
            pieces = [self._changed(inputs.whole)]
        else:
            before = None if inputs.before is None else read_clip(self._networks, _last_groups(inputs.before))
            after = None if inputs.after is None else read_clip(self._networks, _first_groups(inputs.after))
            pieces = self._written(before, after)
        for piece in pieces:
            yield from self._decoded(piece)

    def _written(self, before: View | None, after: View | None) -> list[Piece]:
        """What a prompt asks for, beside what is given."""
        request = self._request
        if before is not None and after is not None:
            said, _ = named(request.prompt)
            ends = [Understanding({**said, **view.concepts}, (), (), ()) for view in (before, after)]
            return [self._bridge(before, after, ends, self._asked(BRIDGE_FRAMES))]
        given = before or after
        understanding = self._understand(request.prompt, None if given is None else given.concepts)
        if given is not None:
            return [self._continued(given, understanding, backward=before is None)]
        frames = self._asked(OWN_FRAMES)
        if not request.loop:
            return [self._own(understanding, frames)]
        closing = min(BRIDGE_FRAMES, GROUP * _groups(frames // 3))
        self._expect(1 + _groups(frames - closing - 1), 2 * NEIGHBOURS + _groups(closing))
        first = self._own(understanding, frames - closing)
        return [first, self._between(first, first, [understanding, understanding], closing)]

    def _own(self, understanding: Understanding, frames: int, *, seed: int = 0) -> Piece:
        """A clip from words alone, whose first latent frame is a single frame."""
        groups = 1 + _groups(frames - 1)
        tokens = self._tokens(understanding)
        plan = long_plan(
            self._networks.planner,
            tokens,
            1 + GROUP * (groups - 1),
            seed=self._request.seed + seed,
            stretched=understanding.concepts["motion"] in STRETCHED,
        )
        unknown = self._unknown(groups)
        latents = self._sample(unknown, torch.ones(groups), group_plan(plan[None])[0], [tokens], torch.ones(groups, 1))
        return Piece(latents, plan[:frames], frames, starts=True)

    def _continued(self, given: View, understanding: Understanding, *, backward: bool) -> Piece:
        frames = self._asked(ADDED_FRAMES)
        groups, known = _groups(frames), len(given.latents)
        moving = given.plan[: given.frames]
        tokens = self._tokens(understanding)
        plan = long_plan(
            self._networks.planner,
            tokens,
            GROUP * groups,
            seed=self._request.seed,
            before=None if backward else moving,
            after=moving if backward else None,
        )
        parts = (self._unknown(groups), given.latents)
        places = (plan, given.plan)
        free = (torch.ones(groups), torch.zeros(known))
        if not backward:
            parts, places, free = parts[::-1], places[::-1], free[::-1]
        whole = torch.cat(places).unflatten(0, (-1, GROUP))
        latents = self._sample(torch.cat(parts), torch.cat(free), whole, [tokens], torch.ones(groups + known, 1))
        made = latents[:groups] if backward else latents[known:]
        return Piece(made, plan, GROUP * groups if backward else frames, starts=False)

    def _between(self, first: Piece, second: Piece, ends: list[Understanding], frames: int) -> Piece:
        """A bridge between two pieces of our own, from the end of one to the beginning of the other."""
        shown = [torch.cat(list(self._tensors(piece))) for piece in (first, second)]
        count = NEIGHBOURS * GROUP
        before = View(_encoded(self._networks, shown[0][-count:]), first.plan[-count:], {}, count)
        after = View(_encoded(self._networks, shown[1][:count]), second.plan[:count], {}, count)
        return self._bridge(before, after, ends, frames)

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
        known = torch.cat((left, self._unknown(groups), right))
        latents = self._sample(known, free, whole, prompts, shares)
        return Piece(latents[len(left) : len(left) + groups], plan, GROUP * groups, starts=False)

    def _changed(self, chunks: Iterator[RGB]) -> Piece:
        """A copy of a video that shows what the prompt says where the video showed something else."""
        (condition,) = self._request.conditions
        views = [read_clip(self._networks, chunk) for chunk in _regrouped(chunks, GROUP * 6)]
        frames = sum(view.frames for view in views)
        latents = torch.cat([view.latents for view in views])
        plan = torch.cat([view.plan for view in views])
        tokens = self._tokens(self._understand(self._request.prompt, views[0].concepts))
        # Backgrounds show through much noise, so strengths are spread over high levels, as sampling steps are.
        change = 1 - condition.strength
        free = torch.full((len(latents),), EDIT_SHIFT * change / (1 + (EDIT_SHIFT - 1) * change))
        out = self._sample(latents, free, plan.unflatten(0, (-1, GROUP)), [tokens], torch.ones(len(latents), 1))
        return Piece(out, plan[:frames], frames, starts=False)

    def _storyboard(self) -> list[Piece]:
        shots = self._request.shots
        frames = [round(shot.seconds * FPS) for shot in shots]
        kept: dict[Kind, str] = {}
        told: list[Understanding] = []
        for shot in shots:
            seed = self._request.seed
            understanding = understand(shot.prompt, seed=seed)
            concepts = {**understanding.concepts, **{k: v for k, v in kept.items() if k in understanding.chosen}}
            chosen = tuple(k for k in understanding.chosen if k not in kept)
            told.append(Understanding(concepts, chosen, (), understanding.unknown))
            kept = {kind: concepts[kind] for kind in ("subject", "colour")}
            for notice in told[-1].notices:
                self._on_notice(f"{shot.prompt!r}: {notice}")
        bridges = [i for i, shot in enumerate(shots) if i and shot.transition == "blend"]
        bridge = BRIDGE_FRAMES
        own = [count - bridge * (i in bridges) for i, count in enumerate(frames)]
        self._expect(*(1 + _groups(c - 1) for c in own), *(2 * NEIGHBOURS + _groups(bridge) for _ in bridges))
        out: list[Piece] = []
        for i, (understanding, count) in enumerate(zip(told, own, strict=True)):
            piece = self._own(understanding, count, seed=i)
            if i in bridges:
                out.append(self._between(out[-1], piece, [told[i - 1], understanding], bridge))
            out.append(piece)
        return out

    def _understand(self, prompt: str, seen: dict[Kind, str] | None) -> Understanding:
        understanding = understand(prompt, seed=self._request.seed, seen=seen)
        for notice in understanding.notices:
            self._on_notice(notice)
        return understanding

    def _tokens(self, understanding: Understanding) -> Tensor:
        return torch.tensor(understanding.tokens, device=self._networks.device)

    def _asked(self, otherwise: int) -> int:
        seconds = self._request.seconds
        return otherwise if seconds is None else round(seconds * FPS)

    def _unknown(self, groups: int) -> Tensor:
        side = SIDE // STRIDE
        return torch.zeros(groups, self._networks.autoencoder.config.latent, side, side, device=self._networks.device)

    def _expect(self, *lengths: int) -> None:
        """Announce timelines, so that progress counts towards all of them."""
        self._steps = sum(len(windows(torch.ones(length))) for length in lengths) * self._request.steps

    def _sample(
        self,
        known: Tensor,
        free: Tensor,
        plan: Tensor,
        prompts: list[Tensor],
        shares: Tensor,
    ) -> Tensor:
        if not self._steps:
            self._expect(len(free))
        device = self._networks.device

        def on_step() -> None:
            self._done += 1
            self._on_progress(self._done, self._steps)

        return sample_timeline(
            self._networks.transformer,
            Timeline(known, free.to(device), plan, torch.stack(prompts), shares.to(device)),
            seed=self._request.seed,
            steps=self._request.steps,
            guidance=self._request.guidance,
            negative=self._negative,
            on_step=on_step,
        )

    def _tensors(self, piece: Piece) -> Iterator[Tensor]:
        """Decoded chunks [T, 3, H, W] in [-1, 1]."""
        left = piece.frames
        for i, latent in enumerate(piece.latents):
            group = self._networks.autoencoder.decode_groups(latent[None])[0].clamp(-1, 1)
            chunk = (group[GROUP - 1 :] if piece.starts and i == 0 else group)[:left]
            left -= len(chunk)
            if len(chunk):
                yield chunk

    def _decoded(self, piece: Piece) -> Iterator[RGB]:
        for chunk in self._tensors(piece):
            yield ((chunk + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


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
