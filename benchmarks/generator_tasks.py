"""Do the tasks of the bundled model keep what is given, join it without a seam, and obey physics?

``python -m benchmarks.generator_tasks`` runs every task with seeds 0 to 7, writes its figures to
``benchmarks/results/generator_tasks.md`` and a contact sheet of each to ``docs/images``: a row a seed, in order, not
chosen. Nothing of what is sampled here leaves the process but the sheets.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from generator.backends.bundled import BundledModel
from generator.dit.networks import load_networks
from generator.dit.text import understand
from generator.dit.views import read_clip
from generator.model import RGB, Inputs
from generator.pictures import contained
from generator.request import Condition, GenerationRequest, Shot
from generator.seams import Seam
from generator.world.clips import ClipSpec, random_spec, render
from generator.world.vocabulary import Kind

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "generator_tasks.md"
ROWS = RESULTS.with_suffix(".json")
IMAGES = ROOT / "docs" / "images"
SEEDS = range(8)
SHOWN = 6
PICTURES = 80
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
READ: tuple[Kind, ...] = ("subject", "colour", "scene")


def sampled(request: GenerationRequest, inputs: Inputs | None = None) -> RGB:
    """All generated frames of ``request``."""
    chunks = BundledModel().sample(
        request,
        inputs or Inputs(),
        on_progress=lambda *_: None,
        on_notice=lambda _: None,
        cancelled=lambda: False,
    )
    return np.concatenate(list(chunks))


def rendered(seed: int, *, frames: int = 24) -> tuple[ClipSpec, RGB]:
    """A clip of the world that was never trained on, as something given."""
    spec = random_spec(np.random.default_rng((seed, 77)), held_out=True)
    spec = ClipSpec(spec.subject, spec.colour, spec.motion, spec.scene, 10**6 + seed)
    return spec, render(spec, frames=frames).frames


def step(a: RGB, b: RGB) -> float:
    """Mean absolute difference of two frames, of 255."""
    return float(np.abs(a.astype(np.float32) - b).mean())


def seam(frames: RGB, at: int) -> float:
    """The difference across the seam before frame ``at``, in units of the median difference of neighbours."""
    steps = [step(a, b) for a, b in pairwise(frames)]
    return steps[at - 1] / max(float(np.median(steps)), 0.05)


def seen(frames: RGB) -> dict[Kind, str]:
    """What the judge reads in a clip."""
    return read_clip(load_networks(), frames).concepts


def places(frames: RGB) -> np.ndarray:
    """Where the locator sees the subject: [T, 3]."""
    return read_clip(load_networks(), frames).plan[: len(frames)].numpy()


def sheet(name: str, rows: list[RGB]) -> None:
    """A contact sheet: a row a seed, frames evenly spread over the clip."""
    lines = []
    for frames in rows:
        chosen = frames[np.linspace(0, len(frames) - 1, SHOWN).round().astype(int)]
        height, width = frames.shape[1:3]
        small = (round(96 * width / height), 96) if width >= height else (96, round(96 * height / width))
        lines.append(
            np.concatenate([np.asarray(Image.fromarray(f).resize(small, Image.Resampling.BOX)) for f in chosen], 1)
        )
    save(lines, f"generator-{name}")


def save(lines: list[RGB], name: str) -> None:
    """Write rows of pictures [H, W, 3] for the documentation."""
    IMAGES.mkdir(exist_ok=True)
    Image.fromarray(np.concatenate(lines)).save(IMAGES / f"{name}.jpg", quality=85, optimize=True)


def condition(at: str = "start", **fields: object) -> Condition:
    """A condition whose file is never read: its frames are given directly."""
    return Condition.model_validate({"path": "given", "at": at, **fields})


def share(values: list[bool]) -> str:
    """A share of the seeds."""
    return f"{sum(values)} of {len(values)}"


def gallery() -> Iterator[str]:
    """Two seconds from words, the length that the model was trained on."""
    rows = [sampled(GenerationRequest(prompt=p, seed=s)) for s, p in zip(SEEDS, PROMPTS, strict=True)]
    lines = [np.concatenate([frame[::2, ::2] for frame in frames[::6]], axis=1) for frames in rows]
    save(lines, "gallery")
    yield f"| text, 2 s | subject, colour and scene as read back | {read_back(rows, PROMPTS)} |"


def read_back(rows: list[RGB], prompts: Sequence[str]) -> str:
    """How much of what was asked for the judge reads in clips."""
    right = []
    for frames, prompt in zip(rows, prompts, strict=True):
        wanted, found = understand(prompt, seed=0).concepts, seen(frames)
        right += [found[kind] == wanted[kind] for kind in READ]
    return share(right)


def text() -> Iterator[str]:
    """Four seconds from words, twice what the model was trained on."""
    rows = [sampled(GenerationRequest(prompt=p, seed=s, seconds=4)) for s, p in zip(SEEDS, PROMPTS, strict=True)]
    sheet("text", rows)
    yield f"| text, 4 s | subject, colour and scene as read back | {read_back(rows, PROMPTS)} |"


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


def image() -> Iterator[str]:
    """A still picture brought to life."""
    first = {kind: list[bool]() for kind in READ}
    for seed in range(PICTURES):
        spec, frames = rendered(seed, frames=1)
        found = seen(frames)
        for kind in READ:
            first[kind].append(found[kind] == getattr(spec, kind))
    rows, seams, kept = [], [], []
    for seed in SEEDS:
        spec, frames = rendered(seed, frames=1)
        request = GenerationRequest(prompt="it moves to the right", seed=seed, conditions=(condition(still=True),))
        rows.append(np.concatenate((frames, sampled(request, Inputs(before=frames)))))
        seams.append(seam(rows[-1], 1))
        found = seen(rows[-1][1:])
        kept += [found[kind] == getattr(spec, kind) for kind in READ]
    sheet("image", rows)
    yield "| image | the picture is the first frame, unchanged | by construction |"
    yield f"| | read in a given picture: {', '.join(READ)} | {', '.join(share(first[kind]) for kind in READ)} |"
    yield f"| | difference to the next frame, in units of that between neighbours (median, largest) | {spread(seams)} |"
    yield f"| | subject, colour and scene kept | {share(kept)} |"


def extend() -> Iterator[str]:
    """Two seconds after a clip, and two before."""
    for direction, name in (("start", "forward"), ("end", "backward")):
        rows, seams, kept = [], [], []
        for seed in SEEDS:
            spec, frames = rendered(seed)
            request = GenerationRequest(prompt="it goes on", seed=seed, conditions=(condition(direction),))
            if direction == "start":
                rows.append(np.concatenate((frames, sampled(request, Inputs(before=frames[-12:])))))
                seams.append(seam(rows[-1], 24))
                found = seen(rows[-1][24:])
            else:
                made = sampled(request, Inputs(after=frames[:12]))
                rows.append(np.concatenate((made, frames)))
                seams.append(seam(rows[-1], len(made)))
                found = seen(made)
            kept += [found[kind] == getattr(spec, kind) for kind in READ]
        sheet(f"extend-{name}", rows)
        yield f"| extend {name}, 2 s | seam, in units of the difference between neighbours | {spread(seams)} |"
        yield f"| | subject, colour and scene kept | {share(kept)} |"


def blend() -> Iterator[str]:
    """From one clip to another."""
    rows, seams = [], []
    for seed in SEEDS:
        (_, first), (_, second) = rendered(seed), rendered(seed + 100)
        request = GenerationRequest(
            prompt="one becomes the other", seed=seed, conditions=(condition(), condition("end"))
        )
        made = sampled(request, Inputs(before=first[-12:], after=second[:12]))
        rows.append(np.concatenate((first[-8:], made, second[:8])))
        seams += [seam(rows[-1], 8), seam(rows[-1], 8 + len(made))]
    sheet("blend", rows)
    yield "| blend | both clips are kept, unchanged | by construction |"
    yield f"| | seams, in units of the difference between neighbours | {spread(seams)} |"


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


def edit() -> Iterator[str]:
    """Another background by words."""
    rows, moved, kept, asked = [], [], [], []
    for seed in SEEDS:
        spec, frames = rendered(seed)
        scene = ("desert", "night", "snow", "sea")[seed % 4]
        scene = "meadow" if scene == spec.scene else scene
        request = GenerationRequest(
            prompt=f"in the {scene}", seed=seed, conditions=(condition("whole", strength=0.15),)
        )
        made = sampled(request, Inputs(whole=iter([frames])))
        rows += [frames, made]
        found = seen(made)
        kept += [found[kind] == getattr(spec, kind) for kind in ("subject", "colour")]
        asked.append(found["scene"] == scene)
        moved.append(float(np.hypot(*(places(made) - places(frames))[:, :2].T).mean()))
    sheet("edit", rows)
    yield f"| edit, strength 0.85 | subject and colour kept | {share(kept)} |"
    yield f"| | the background is the one that was asked for | {share(asked)} |"
    yield f"| | how far the subject moved, in heights (median, largest) | {spread(moved)} |"


def inpaint() -> Iterator[str]:
    """The lower half of a clip made anew."""
    rows, edges, asked = [], [], []
    mask = np.zeros((256, 256), bool)
    mask[144:] = True
    for seed in SEEDS:
        spec, frames = rendered(seed)
        scene = ("desert", "snow", "sea")[seed % 3]
        scene = "meadow" if scene == spec.scene else scene
        request = GenerationRequest(
            prompt=f"in the {scene}", seed=seed, conditions=(condition("whole", strength=0.0, mask="given"),)
        )
        made = sampled(request, Inputs(whole=iter([frames]), mask=mask))
        joined = Seam(mask).join(made, frames)
        rows += [frames, joined]
        edges.append(crossing(joined, 144, axis=1))
        found = seen(joined)
        asked += [found[kind] == getattr(spec, kind) for kind in ("subject", "colour")]
    sheet("inpaint", rows)
    yield "| inpaint, the lower 7/16 | the rest is kept, unchanged | by construction |"
    yield f"| | difference across the edge of the mask, in units of that across its neighbours | {spread(edges)} |"
    yield f"| | subject and colour kept | {share(asked)} |"


def outpaint() -> Iterator[str]:
    """A square clip inside a wide picture."""
    rows, edges, kept = [], [], []
    mask = np.ones((288, 512), bool)
    mask[:, 112:400] = False
    for seed in SEEDS:
        spec, frames = rendered(seed)
        inside = np.stack([contained(Image.fromarray(frame), 512, 288) for frame in frames])
        request = GenerationRequest(
            prompt="", seed=seed, size=(512, 288), conditions=(condition("whole", strength=0.0, around=True),)
        )
        made = sampled(request, Inputs(whole=iter([inside]), mask=mask))
        rows.append(Seam(mask).join(made, inside))
        edges += [crossing(rows[-1], 112, axis=2), crossing(rows[-1], 400, axis=2)]
        kept.append(seen(rows[-1])["scene"] == spec.scene)
    sheet("outpaint", rows)
    yield "| outpaint, 256x256 to 512x288 | the given video is kept, unchanged | by construction |"
    yield f"| | difference across its edges, in units of that across their neighbours | {spread(edges)} |"
    yield f"| | the whole shows the same scene | {share(kept)} |"


def sizes() -> Iterator[str]:
    """Other shapes than the square."""
    prompts = ("a red balloon rising over the sea", "a blue fish moving left, sunset", "a green car in the desert")
    for size in ((512, 288), (288, 512)):
        asked = [prompts[seed % 3] for seed in SEEDS]
        rows = [sampled(GenerationRequest(prompt=p, seed=s, size=size)) for s, p in zip(SEEDS, asked, strict=True)]
        name = f"{size[0]}x{size[1]}"
        sheet(name, rows)
        yield f"| text, {name} | subject, colour and scene as read back | {read_back(rows, asked)} |"


def crossing(frames: RGB, at: int, *, axis: int) -> float:
    """The difference of the lines on both sides of an edge, in units of the mean difference of lines near it."""
    lines = np.moveaxis(frames.astype(np.float32), axis, 0)[at - 8 : at + 8]
    steps = np.abs(np.diff(lines, axis=0)).mean((1, 2, 3))
    return float(steps[7] / max(float(np.delete(steps, 7).mean()), 0.05))


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
    begin = time.perf_counter()
    frames = sampled(GenerationRequest(prompt="a white star bouncing at sunset", seed=0, seconds=60))
    seconds = time.perf_counter() - begin
    wanted = {"subject": "star", "colour": "white", "scene": "sunset"}
    parts = [seen(frames[i : i + 24]) for i in range(0, len(frames), 24)]
    energy = np.array([step(a, b) for a, b in pairwise(frames)])
    corner = frames[:, :24, :24].reshape(len(frames), -1, 3).mean(1)
    yield f"| a minute | frames, seconds of work | {len(frames)}, {seconds:.0f} |"
    for kind, name in wanted.items():
        yield f"| | {kind} as asked, in pieces of 2 s | {share([part[kind] == name for part in parts])} |"
    yield f"| | frame difference, first and last ten seconds | {energy[:120].mean():.2f}, {energy[-120:].mean():.2f} |"
    drift = np.abs(corner[:12].mean(0) - corner[-12:].mean(0)).max()
    yield f"| | change of the colour in a corner of the sky, first to last second, of 255 | {drift:.1f} |"
    sheet("minute", [frames[i : i + 180] for i in range(0, 720, 180)])


def spread(values: list[float]) -> str:
    """Median and largest."""
    return f"{np.median(values):.2f}, {max(values):.2f}"


TASKS = (
    gallery,
    text,
    camera,
    light,
    pairs,
    physics,
    image,
    extend,
    blend,
    loop,
    edit,
    inpaint,
    outpaint,
    sizes,
    storyboard,
    minute,
)


def main() -> None:
    """Run the tasks, write the table and the sheets."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=[task.__name__ for task in TASKS], help="the other rows are kept")
    args = parser.parse_args()
    rows: dict[str, list[str]] = json.loads(ROWS.read_text("utf-8")) if args.only and ROWS.exists() else {}
    for task in TASKS:
        if args.only is None or task.__name__ in args.only:
            rows[task.__name__] = list(task())
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            print(*rows[task.__name__], f"peak memory so far {memory:.2f} GB", sep="\n", flush=True)
    ROWS.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    lines = [
        "# Generator: what the tasks keep",
        "",
        f"`python -m benchmarks.generator_tasks`: seeds 0 to {len(SEEDS) - 1}, 20 steps, guidance 1.4. Given clips are"
        " renders of held-out combinations. What a clip shows is read by the judge, and where by the locator.",
        "",
        "| task | what | measured |",
        "|---|---|---|",
        *(row for task in TASKS for row in rows.get(task.__name__, [])),
    ]
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
