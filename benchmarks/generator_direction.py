"""Is a clip filmed, lit and peopled as its prompt says? The rows that `benchmarks.generator` writes about it.

Beside each stands what is read in as many renders that are filmed, lit and placed in a way that is known: where those
are misread, it is not the model that missed.

Camera moves are read from the background alone: a similarity transform between neighbouring frames, by least squares on
their gradients (Lucas and Kanade, 1981) outside of where the locator sees the subject. Light is read from the mean
colour, beside renders of the same scene. Relations are read from where the subjects' colours are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.generator_clips import filmed, lit, related, sampled
from generator.backends.bundled import BundledModel
from generator.dit.camera import ROLL, TRAVEL, ZOOM
from generator.dit.light import GRADES, graded
from generator.dit.networks import load_networks
from generator.dit.places import off_subject
from generator.dit.text import understand
from generator.dit.views import read_clip
from generator.model import RGB, Sampling
from generator.request import GenerationRequest
from generator.world.cinematography import OWN_LIGHT, Light, Move
from generator.world.clips import ClipSpec, random_spec, render
from generator.world.drawing import PALETTE
from generator.world.relations import Link, Relation
from generator.world.vocabulary import BY_KIND, Kind

_CAMERA: dict[Move, tuple[str, str]] = {
    "still": ("", ""),
    "pan left": ("the camera pans left", "镜头左移"),
    "pan right": ("panning right", "镜头向右摇"),
    "tilt up": ("the camera tilts up", "镜头上摇"),
    "tilt down": ("tilt down", "镜头向下移动"),
    "zoom in": ("slow zoom in", "镜头推近"),
    "zoom out": ("the camera zooms out", "镜头拉远"),
    "roll": ("the camera rolls", "镜头旋转"),
    "handheld shake": ("handheld shot", "手持镜头"),
}
_HOURS: dict[Light, tuple[str, str]] = {
    "day": ("in daylight", "白天"),
    "night": ("at night", "夜晚"),
    "sunset": ("in the golden hour", "黄昏"),
    "dawn": ("at dawn", "清晨"),
}
_RELATIONS: dict[Relation, str] = {
    "beside": "and",
    "left": "to the left of",
    "right": "to the right of",
    "above": "above",
    "below": "below",
    "behind": "behind",
    "front": "in front of",
    "chase": "chases",
    "chased": "is chased by",
    "collide": "collides with",
}
_TWO_COLOURS = ("red", "purple")
# Scenes that have neither, and those that have none of three colours.
_TWO_SCENES = ("sea", "meadow", "snow", "city", "forest", "beach", "underwater", "lunar", "waterfall", "castle", "cave")
_THREE_COLOURS = (*_TWO_COLOURS, "green")
_THREE_SCENES = ("sea", "snow", "city", "beach", "underwater")
_THREE: tuple[tuple[tuple[str, str], tuple[tuple[int, Relation, int], ...]], ...] = (
    (("{}, {} and {}", "{}、{}和{}"), ((0, "left", 1), (1, "left", 2))),  # in the order in which they are named
    (("{} between {} and {}", "{}在{}和{}之间"), ((1, "left", 0), (0, "left", 2))),
    (("{} to the left of {} and {}", "{}在{}和{}的左边"), ((0, "left", 1), (0, "left", 2))),
    (("{} and {} above {}", "{}和{}在{}上方"), ((0, "above", 2), (1, "above", 2))),
    (("{} chases {} above {}", "{}追着{}在{}上方"), ((0, "chase", 1), (0, "above", 2), (1, "above", 2))),
)
"""How three are related, in both languages, and what has to hold between which of them."""

_LEAST = 0.15  # shares of the picture that three are apart at least

_READ: tuple[Kind, ...] = ("subject", "colour")
_SHOWN: tuple[Kind, ...] = (*_READ, "scene")
_NAMED: tuple[Kind, ...] = ("colour", "subject")


@dataclass(frozen=True)
class Sampler:
    """How clips are made here."""

    sampling: Sampling
    seed: int
    fast: bool = False

    def clip(self, prompt: str, number: int) -> RGB:
        """All frames for ``prompt``."""
        request = GenerationRequest(
            prompt=prompt,
            seed=self.seed + number,
            steps=self.sampling.steps,
            guidance=self.sampling.guidance,
        )
        return sampled(request, model=BundledModel(fast=self.fast))


def rows(sampler: Sampler, clips: int) -> Iterator[str]:
    """The tables, ``clips`` of each kind in combinations never trained on."""
    yield from _camera_rows(sampler, clips)
    yield from _light_rows(sampler, clips)
    yield from _relation_rows(sampler, clips)
    yield from _three_rows(sampler, clips)


def _camera_rows(sampler: Sampler, clips: int) -> Iterator[str]:
    rng = np.random.default_rng((sampler.seed, 1))
    moves, shown = _Tally(), _Tally()
    wrong: list[str] = []
    for number, move in enumerate(islice(cycle(_CAMERA), clips)):
        language = int(number // len(_CAMERA) % 2)
        spec = random_spec(rng, held_out=True)
        made = sampler.clip(_prompt(spec, language, _CAMERA[move][language]), number)
        for kind, frames in (("generated", made), ("render", filmed(spec, move))):
            view = read_clip(load_networks(), frames)
            found = read_move(global_motion(frames, view.plan[: len(frames)]))
            moves.add(move, kind, found == move)
            shown.add(move, kind, *(view.concepts[each] == getattr(spec, each) for each in _SHOWN))
            if found != move:
                wrong.append(f"{move} as {found} ({kind})")
    yield from (
        "",
        "| camera move | read back from the background | of renders so filmed | subject, colour and scene, by the judge"
        " | of renders so filmed |",
        "|---|---|---|---|---|",
    )
    yield from (f"| {move or 'all'} | {moves.cells(move)} | {shown.cells(move)} |" for move in (*moves, None))
    yield from ("", f"Taken for another: {', '.join(wrong) or 'none'}.")


def _light_rows(sampler: Sampler, clips: int) -> Iterator[str]:
    rng = np.random.default_rng((sampler.seed, 2))
    lights, shown = _Tally(), _Tally()
    for number, light in enumerate(islice(cycle(_HOURS), clips)):
        spec = _spec(rng)
        language = int(number // len(_HOURS) % 2)
        made = sampler.clip(_prompt(spec, language, _HOURS[light][language]), number)
        for kind, frames in (("generated", made), ("render", lit(spec, light))):
            lights.add(light, kind, read_light(frames, spec) == light)
            found = read_clip(load_networks(), frames).concepts
            shown.add(light, kind, *(found[each] == getattr(spec, each) for each in _READ))
    yield from (
        "",
        "| light | read back from the mean colour | of renders in that light | subject and colour, by a judge who never"
        " saw such light | of renders in that light |",
        "|---|---|---|---|---|",
    )
    yield from (f"| {light or 'all'} | {lights.cells(light)} | {shown.cells(light)} |" for light in (*lights, None))


def _relation_rows(sampler: Sampler, clips: int) -> Iterator[str]:
    rng = np.random.default_rng((sampler.seed, 3))
    held, shown = _Tally(), _Tally()
    for number, relation in enumerate(islice(cycle(_RELATIONS), clips)):
        pair = _TWO_COLOURS if number % 2 else _TWO_COLOURS[::-1]
        first, second = _spec(rng, pair[0]), _spec(rng, pair[1])
        first = replace(first, scene=str(rng.choice(_TWO_SCENES)))
        words, name = f"a {first.colour} {first.subject} {{}} a {second.colour} {second.subject}", _RELATIONS[relation]
        made = sampler.clip(f"{words.format(name)}, {_word(first, 'motion', 0)}, {_word(first, 'scene', 0)}", number)
        placed, plans = related((first, second), (Link(relation),))
        for kind, frames in (("generated", made), ("render", placed)):
            boxes = [where(frames, spec.colour) for spec in (first, second)]
            held.add(name, kind, holds(relation, boxes[0][:, :2], boxes[1][:, :2]))
            for spec, others in ((first, boxes[1]), (second, boxes[0])):
                found = read_clip(load_networks(), without(frames, others)).concepts
                shown.add(name, kind, *(found[each] == getattr(spec, each) for each in _READ))
        held.add(name, "known", holds(relation, *plans[..., :2].double().numpy()))
    yield from (
        "",
        "| the first is to the second | read back from where their colours are | of renders so placed | by the renders'"
        " exact places |",
        "|---|---|---|---|",
    )
    yield from (f"| {name or 'all'} | {held.cells(name)} |" for name in (*held, None))
    generated, renders = shown.cells(None).split(" | ")
    yield from (
        "",
        f"Subject and colour of each, the other painted over, as the judge reads them: {generated}; of the renders:"
        f" {renders}.",
    )


def _three_rows(sampler: Sampler, clips: int) -> Iterator[str]:
    rng = np.random.default_rng((sampler.seed, 4))
    held = _Tally()
    for number, (wordings, expected) in enumerate(islice(cycle(_THREE), clips)):
        language = number % 2
        specs = [_spec(rng, str(colour)) for colour in rng.permutation(_THREE_COLOURS)]
        things = [("{}{}" if language else "a {} {}").format(*(_word(s, k, language) for k in _NAMED)) for s in specs]
        specs[0] = replace(specs[0], scene=str(rng.choice(_THREE_SCENES)))
        ending = ("，{}" if language else ", {}").format(_word(specs[0], "scene", language))
        prompt = wordings[language].format(*things) + ending
        made = sampler.clip(prompt, number)
        links = [companion.link for companion in understand(prompt, seed=sampler.seed + number).companions]
        placed, plans = related(specs, links)
        name = wordings[0].format("A", "B", "C")
        for kind, frames in (("generated", made), ("render", placed)):
            places = [where(frames, spec.colour)[:, :2] for spec in specs]
            held.add(name, kind, _all_hold(expected, places))
        held.add(name, "known", _all_hold(expected, list(plans[..., :2].double().numpy())))
    yield from (
        "",
        "| three subjects | all relations read back from where their colours are | of renders so placed | by the"
        " renders' exact places |",
        "|---|---|---|---|",
    )
    yield from (f"| {name or 'all'} | {held.cells(name)} |" for name in (*held, None))


def _all_hold(expected: Sequence[tuple[int, Relation, int]], places: Sequence[npt.NDArray[np.float64]]) -> bool:
    return all(holds(relation, places[i], places[j], least=_LEAST) for i, relation, j in expected)


def global_motion(frames: RGB, places: Tensor) -> npt.NDArray[np.float64]:
    """How the background has moved since the first frame, [T, 4]: to the right and down in heights,
    the logarithm of its growth, and its clockwise turn. ``places`` [T, 3] is where the subject is.
    """
    video = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    moved = np.zeros((len(frames), 4))
    for i in range(len(frames) - 1):
        step = torch.zeros(4, dtype=torch.float64)
        for side in (32, 64, 128):
            size = (side, round(side * video.shape[3] / video.shape[2]))
            one, two = (F.interpolate(video[j, None], size, mode="area") for j in (i, i + 1))
            away = (off_subject(places[i], *size) * off_subject(places[i + 1], *size)) > 0.5
            for _ in range(4):
                step = step + _improved(one, two, away[0], step)
        # A turn and growth about the middle, after what was before.
        shift, growth, turn = step[:2].numpy(), float(step[2]), float(step[3])
        turned = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        moved[i + 1, :2] = math.exp(growth) * turned @ moved[i, :2] + shift
        moved[i + 1, 2:] = moved[i, 2:] + (growth, turn)
    return moved


def _improved(one: Tensor, two: Tensor, away: Tensor, step: Tensor) -> Tensor:
    """What has to be added to ``step`` (shift in heights, growth, turn) so that ``two`` [1, 3, H, W], moved back by it,
    is ``one``.
    """
    height, width = one.shape[2:]
    down, across = torch.meshgrid(
        (torch.arange(height).double() + 0.5) / height - 0.5,
        ((torch.arange(width).double() + 0.5) / width - 0.5) * width / height,
        indexing="ij",
    )
    growth, sine, cosine = step[2].exp(), step[3].sin(), step[3].cos()
    there = torch.stack(
        (growth * (cosine * across - sine * down) + step[0], growth * (sine * across + cosine * down) + step[1]), dim=-1
    )
    inside = (there[..., 0].abs() < width / height / 2) & (there[..., 1].abs() < 0.5) & away
    grid = (2 * there / there.new_tensor([width / height, 1]))[None].float()
    back = F.grid_sample(two, grid, mode="bilinear", padding_mode="border", align_corners=False)
    slope_down, slope_across = (slope[0].double() * height for slope in torch.gradient((one + back) / 2, dim=(2, 3)))
    columns = (
        slope_across,
        slope_down,
        slope_across * across + slope_down * down,
        slope_down * across - slope_across * down,
    )
    jacobian = torch.stack(columns, dim=-1)[:, inside].flatten(0, 1)
    error = (one - back)[0].double()[:, inside].flatten()
    weight = 1 / (1 + (error / 0.05) ** 2)  # edges of the subject that were not masked count less
    normal = jacobian.T @ (weight[:, None] * jacobian)
    ridge = torch.diag(torch.full((4,), 1e-4 * len(error), dtype=torch.float64))  # where nothing tells, nothing moved
    better: Tensor = torch.linalg.solve(normal + ridge, jacobian.T @ (weight * error))
    return better


def read_move(moved: npt.NDArray[np.float64]) -> Move:
    """The camera's move that makes a background move like this; see `global_motion`."""
    x, y, growth, turn = moved[-1] / (TRAVEL, TRAVEL, math.log(ZOOM), ROLL)
    shares: dict[Move, float] = {
        "pan left" if x > 0 else "pan right": abs(x),
        "tilt up" if y > 0 else "tilt down": abs(y),
        "zoom in" if growth > 0 else "zoom out": abs(growth),
        "roll": abs(turn),
    }
    best = max(shares, key=lambda move: shares[move])
    if shares[best] > 0.4:
        return best
    speed = np.abs(np.diff(moved[:, :2], axis=0)).mean()
    return "handheld shake" if speed > 0.004 else "still"


def read_light(frames: RGB, spec: ClipSpec) -> Light:
    """The light in which renders of the scene of ``spec`` have the mean colour nearest to that of ``frames``."""
    scenes = [render(replace(spec, seed=seed), frames=1).frames for seed in range(8)]
    drawn = torch.from_numpy(np.concatenate(scenes)).permute(0, 3, 1, 2).float() / 127.5 - 1
    seen = torch.from_numpy(frames).float().mean((0, 1, 2)) / 127.5 - 1
    lights: tuple[Light, ...] = ("day", *GRADES)
    return min(lights, key=lambda light: float((graded(drawn, light).mean((0, 2, 3)) - seen).square().sum()))


def where(frames: RGB, colour: str) -> npt.NDArray[np.float64]:
    """Where things of ``colour`` are in each frame, [T, 4]: centre and sides in shares; NaN where there are none."""
    wanted = np.array(PALETTE[colour], float)
    wanted -= wanted.mean()
    out = np.full((len(frames), 4), np.nan)
    for i, frame in enumerate(frames):
        hue = frame.astype(float) - frame.mean(2, keepdims=True)
        strength = np.linalg.norm(hue, axis=2)
        like = hue @ wanted / np.maximum(strength * np.linalg.norm(wanted), 1)
        rows_, columns = ((like > 0.85) & (strength > 45)).nonzero()
        if len(rows_) > 100:
            for axis, found in enumerate((columns, rows_)):
                low, high = np.percentile(found, (2, 98)) / frame.shape[1 - axis]
                out[i, axis], out[i, 2 + axis] = (low + high) / 2, high - low
    return out


def without(frames: RGB, boxes: npt.NDArray[np.float64]) -> RGB:
    """``frames`` with what is in ``boxes`` [T, 4] painted over, each row from its left neighbour to its right one."""
    out = frames.copy()
    _, height, width, _ = frames.shape
    for frame, (x, y, across, down) in zip(out, boxes, strict=True):
        if np.isnan(x):
            continue
        left, right = (int(np.clip((x + side * 0.75 * across) * width, 1, width - 2)) for side in (-1, 1))
        top, bottom = (int(np.clip((y + side * 0.75 * down) * height, 0, height)) for side in (-1, 1))
        share = np.linspace(0, 1, right - left)[:, None]
        frame[top:bottom, left:right] = np.rint(
            frame[top:bottom, left - 1 : left] * (1 - share) + frame[top:bottom, right : right + 1] * share
        )
    return out


def holds(
    relation: Relation, first: npt.NDArray[np.float64], second: npt.NDArray[np.float64], *, least: float = 0.2
) -> bool:
    """Whether two things with these centres [T, 2] are in ``relation``, in nine of ten frames that show both; ``least``
    is how far apart they have to be.
    """
    both = ~(np.isnan(first) | np.isnan(second)).any(axis=1)
    if both.sum() < 0.7 * len(first):
        return False
    first, second = first[both], second[both]
    x, y = (second - first).T
    far = np.hypot(x, y)
    if relation == "collide":
        third = len(far) // 3
        return bool(third <= far.argmin() < len(far) - third and min(far[0], far[-1]) > 1.3 * far.min())
    if relation in ("chase", "chased"):
        lead = second if relation == "chase" else first
        ahead = (second - first if relation == "chase" else first - second) @ (lead[-1] - lead[0])
        return bool((ahead > 0).mean() >= 0.9)
    is_so = {
        "beside": np.abs(x) > least,
        "left": x > least,
        "right": x < -least,
        "above": y > least,
        "below": y < -least,
        "behind": (y > 0) & (far < 0.35),
        "front": (y < 0) & (far < 0.35),
    }
    return bool(is_so[relation].mean() >= 0.9)


def _spec(rng: np.random.Generator, colour: str | None = None) -> ClipSpec:
    """A held-out clip in a scene by day, in this ``colour``."""
    while True:
        spec = random_spec(rng, held_out=True)
        if spec.scene not in OWN_LIGHT and colour in (None, spec.colour):
            return spec


def _word(spec: ClipSpec, kind: Kind, language: int) -> str:
    (concept,) = (c for c in BY_KIND[kind] if c.name == getattr(spec, kind))
    return (concept.zh if language else concept.en)[0]


def _prompt(spec: ClipSpec, language: int, more: str) -> str:
    subject, colour, motion, scene = (_word(spec, kind, language) for kind in ("subject", "colour", "motion", "scene"))
    if language:
        return f"{scene}，{colour}{subject}{motion}，{more}"
    return f"a {colour} {subject} {motion}, {scene}, {more}"


class _Tally(dict[str, dict[str, list[bool]]]):
    """What was right, by name and by kind of clip."""

    def add(self, name: str, kind: str, *right: bool) -> None:
        """Count once more."""
        self.setdefault(name, {}).setdefault(kind, []).extend(right)

    def cells(self, name: str | None) -> str:
        """How many were right of each kind, under one name or, for None, under all."""
        rows = [self[name]] if name is not None else [*self.values()]
        counts = {kind: [value for row in rows for value in row[kind]] for kind in rows[0]}
        return " | ".join(f"{sum(values)} of {len(values)}" for values in counts.values())
