"""What the bundled model makes from words alone, as `benchmarks.generator_tasks` measures and shows it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from benchmarks.generator_clips import sampled
from benchmarks.generator_sheets import (
    READ,
    SEEDS,
    SHOWN,
    grid,
    places,
    read_back,
    save,
    seam,
    seen,
    share,
    sheet,
    spread,
    step,
)
from generator.dit.shots import understand_shots
from generator.request import GenerationRequest, Shot
from generator.world.cinematography import between_cuts
from generator.world.vocabulary import Kind

MINUTES = range(4)  # seeds of a minute each
PROMPTS = (
    "a red balloon rising over the sea",
    "a white cat bouncing in the living room",
    "a blue elephant moving left over the farm",
    "an orange truck moving right in the snow",
    "a purple robot spinning on the moon",
    "a yellow submarine moving right, under the sea",
    "a pink dinosaur rolling through the meadow",
    "a green helicopter rising over a volcano",
)


def gallery() -> Iterator[str]:
    """Two seconds from words, the length that the model was trained on."""
    rows = [sampled(GenerationRequest(prompt=p, seed=s)) for s, p in zip(SEEDS, PROMPTS, strict=True)]
    lines = [np.concatenate([frame[::2, ::2] for frame in frames[::6]], axis=1) for frames in rows]
    save(lines, "gallery")
    yield f"| text, 2 s | subject, colour and scene as read back | {read_back(rows, PROMPTS)} |"


def text() -> Iterator[str]:
    """Four seconds from words, twice what the model was trained on."""
    rows = [sampled(GenerationRequest(prompt=p, seed=s, seconds=4)) for s, p in zip(SEEDS, PROMPTS, strict=True)]
    sheet("text", rows)
    yield f"| text, 4 s | subject, colour and scene as read back | {read_back(rows, PROMPTS)} |"


def stills() -> Iterator[str]:
    """Single pictures."""
    pictures = [sampled(GenerationRequest(prompt=p, seed=s, still=True)) for s, p in zip(SEEDS, PROMPTS, strict=True)]
    grid("stills", [picture[0] for picture in pictures], (192, 192), columns=4)
    yield f"| still pictures | subject, colour and scene as read back | {read_back(pictures, PROMPTS)} |"


def camera() -> Iterator[str]:
    """The eight moves of the camera."""
    prompts = (
        "the camera pans left, a red balloon rising over the sea",
        "panning right, a green ball bouncing in the meadow",
        "the camera tilts up, a purple rocket hovering, city",
        "tilt down, a white boat hovering, beach",
        "zoom in on a red car moving right in the snow",
        "zoom out, a yellow star hovering, desert",
        "the camera rolls, an orange mushroom hovering, forest",
        "handheld shot, a pink heart circling, meadow",
    )
    rows = [sampled(GenerationRequest(prompt=p, seed=s)) for s, p in zip(SEEDS, prompts, strict=True)]
    sheet("camera", rows)
    yield f"| camera moves | subject, colour and scene as read back | {read_back(rows, prompts)} |"


def light() -> Iterator[str]:
    """Night, sunset and dawn over scenes that are drawn by day."""
    hours = ("at night", "in the golden hour", "at dawn", "in daylight")
    scenes = ("over the sea", "in the city", "in the forest", "by the beach")
    prompts = [f"a red balloon hovering {scenes[seed // 2]} {hours[seed % 4]}" for seed in SEEDS]
    rows = [sampled(GenerationRequest(prompt=p, seed=s)) for s, p in zip(SEEDS, prompts, strict=True)]
    sheet("light", rows)
    yield f"| light | subject, colour and scene as read back | {read_back(rows, prompts)} |"


def pairs() -> Iterator[str]:
    """Two subjects, related."""
    prompts = (
        "a red balloon and a blue fish rising over the sea",
        "a yellow car chases a green ball in the meadow",
        "a white star above a red boat hovering by the beach",
        "an orange mushroom to the left of a purple rocket rising in the city",
        "a pink heart behind a turquoise balloon hovering in the snow",
        "a green car in front of a yellow umbrella hovering in the desert",
        "a red ball collides with a blue ball in the desert",
        "a purple balloon below a brown star bouncing in the forest",
    )
    rows = [sampled(GenerationRequest(prompt=p, seed=s)) for s, p in zip(SEEDS, prompts, strict=True)]
    sheet("pairs", rows)
    yield "| two subjects | relations as read back | `benchmarks/results/generator.md` |"


def triples() -> Iterator[str]:
    """Three subjects, related."""
    prompts = (
        "a red balloon, a blue fish and a green star rising over the sea",
        "a yellow car between a blue ball and a green star hovering in the desert",
        "a pink pig and a white rabbit to the left of a brown horse hovering on the farm",
        "a yellow car chases a green ball above a white boat in the meadow",
        "a purple rocket above a turquoise car and an orange mushroom hovering on the moon",
        "a red apple, a yellow cup and a blue hat bouncing in the living room",
        "a green frog collides with a red ball above a white duck on the beach",
        "a white cat behind a red gift and a blue bell hovering in the snow",
    )
    rows = [sampled(GenerationRequest(prompt=p, seed=s)) for s, p in zip(SEEDS, prompts, strict=True)]
    sheet("triples", rows)
    yield "| three subjects | relations as read back | `benchmarks/results/generator.md` |"


def cuts() -> Iterator[str]:
    """Shots that one prompt cuts between."""
    prompts = (
        "a red car moving right in the snow; cut to a blue fish moving left under the sea",
        "a yellow duck hovering by the beach; cut to the forest",
        "a purple rocket rising over the city, then cut to a white cat bouncing in the living room",
        "a green helicopter hovering over a volcano; next shot: it moves right over the sea",
        "an orange truck moving right on the farm; cut to a pink heart circling in the meadow",
        "a white snowman hovering in the snow; cut to a red kite moving left by the beach",
        "a brown horse moving left in the meadow; cut to a black ufo hovering on the moon",
        "a turquoise submarine moving right under the sea; cut to a yellow star bouncing in the desert",
    )
    rows, right = [], []
    for seed, prompt in zip(SEEDS, prompts, strict=True):
        frames = sampled(GenerationRequest(prompt=prompt, seed=seed))
        rows.append(frames)
        parts = between_cuts(prompt)
        told = understand_shots([Shot(prompt=part) for part in parts], seed=seed, anew=True)
        for shown, understanding in zip(np.array_split(frames, len(parts)), told, strict=True):
            found = seen(shown)
            right += [found[kind] == understanding.concepts[kind] for kind in READ]
    sheet("cuts", rows)
    yield f"| cuts in a prompt, 2 shots | subject, colour and scene of each as read back | {share(right)} |"


def physics() -> Iterator[str]:
    """Does a falling thing accelerate, does a bouncing one return?"""
    falls, bounces = [], []
    for seed in SEEDS:
        y = places(sampled(GenerationRequest(prompt="a red ball falling, meadow", seed=seed)))[:, 1]
        falls.append(bool(np.polyfit(np.arange(14), y[:14], 2)[0] > 0.0003))
        y = places(sampled(GenerationRequest(prompt="a red ball bouncing, meadow", seed=seed, seconds=4)))[:, 1]
        tops = [y[i] for i in range(2, len(y) - 2) if y[i] == y[i - 2 : i + 3].min()]
        bounces.append(len(tops) >= 2 and bool(np.ptp(tops) < 0.06))
    yield f"| physics | a falling ball accelerates | {share(falls)} |"
    yield f"| | a bouncing ball returns to its height (within 0.06 heights) | {share(bounces)} |"


def loop() -> Iterator[str]:
    """A clip whose end leads to its beginning."""
    prompts = (
        "a red balloon rising over the sea",
        "a green ball bouncing in the meadow",
        "a white boat moving left, sunset",
    )
    rows, seams = [], []
    for seed in SEEDS:
        frames = sampled(GenerationRequest(prompt=prompts[seed % 3], seed=seed, loop=True, seconds=3.5))
        rows.append(frames)
        seams.append(seam(np.concatenate((frames, frames[:1])), len(frames)))
    sheet("loop", rows)
    yield f"| loop | last to first frame, in units of the difference between neighbours | {spread(seams)} |"


def sizes() -> Iterator[str]:
    """Other shapes than the square."""
    prompts = ("a red balloon rising over the sea", "a blue fish moving left, sunset", "a green car in the desert")
    for size in ((512, 288), (288, 512)):
        asked = [prompts[seed % 3] for seed in SEEDS]
        rows = [sampled(GenerationRequest(prompt=p, seed=s, size=size)) for s, p in zip(SEEDS, asked, strict=True)]
        name = f"{size[0]}x{size[1]}"
        sheet(name, rows)
        yield f"| text, {name} | subject, colour and scene as read back | {read_back(rows, asked)} |"


def enlarged() -> Iterator[str]:
    """1280x720, which is drawn at 512x288 and enlarged by a network."""
    rows = [
        sampled(GenerationRequest(prompt=p, seed=s, size=(1280, 720), seconds=1))
        for s, p in zip(SEEDS, PROMPTS, strict=True)
    ]
    middles = [frames[len(frames) // 2] for frames in rows]
    grid("1280x720", middles, (320, 180), columns=2)
    save(middles[:1], "generator-1280x720-frame")
    yield f"| text, 1280x720, 1 s | subject, colour and scene as read back | {read_back(rows, PROMPTS)} |"


def storyboard() -> Iterator[str]:
    """Three shots with one subject."""
    shots = (
        Shot(prompt="a yellow car moving right by the sea", seconds=1.5),
        Shot(prompt="it bounces in the meadow", seconds=1.5),
        Shot(prompt="it hovers at night", seconds=2.5, transition="blend"),
    )
    rows, kept = [], []
    for seed in SEEDS:
        frames = sampled(GenerationRequest(prompt="", seed=seed, shots=shots))
        rows.append(frames)
        for part in (frames[:18], frames[18:36], frames[-12:]):
            found = seen(part)
            kept += [found["subject"] == "car", found["colour"] == "yellow"]
    sheet("storyboard", rows)
    yield f"| storyboard, 3 shots | subject and colour kept in every shot | {share(kept)} |"


def minute() -> Iterator[str]:
    """A minute in one piece."""
    wanted: dict[Kind, str] = {"subject": "star", "colour": "white", "scene": "sunset"}
    right: dict[Kind, list[bool]] = {kind: [] for kind in wanted}
    shown, seconds, early, late, drift = [], [], [], [], []
    for seed in MINUTES:
        begin = time.process_time()
        frames = sampled(GenerationRequest(prompt="a white star bouncing at sunset", seed=seed, seconds=60))
        seconds.append(time.process_time() - begin)
        for part in (seen(frames[i : i + 24]) for i in range(0, len(frames), 24)):
            for kind, name in wanted.items():
                right[kind].append(part[kind] == name)
        energy = np.array([step(a, b) for a, b in pairwise(frames)])
        early.append(float(energy[:120].mean()))
        late.append(float(energy[-120:].mean()))
        corner = frames[:, :24, :24].reshape(len(frames), -1, 3).mean(1)
        drift.append(float(np.abs(corner[:12].mean(0) - corner[-12:].mean(0)).max()))
        shown.append(frames[np.linspace(0, len(frames) - 1, 2 * SHOWN).round().astype(int)])
    sheet("minute", shown, shown=2 * SHOWN)
    yield f"| a minute, seeds 0 to {MINUTES[-1]} | CPU seconds each (median, largest) | {spread(seconds)} |"
    for kind, values in right.items():
        yield f"| | {kind} as asked, in pieces of 2 s | {share(values)} |"
    yield f"| | frame difference, first and last ten seconds, of 255 | {np.mean(early):.2f}, {np.mean(late):.2f} |"
    yield (
        "| | change of the colour in a corner of the sky, first to last second, of 255 (median, largest)"
        f" | {spread(drift)} |"
    )
