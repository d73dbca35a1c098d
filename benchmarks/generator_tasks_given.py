"""What the bundled model makes of given pictures and videos, as `benchmarks.generator_tasks` measures and shows it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
import torch
from PIL import Image

from benchmarks.generator_clips import SIDE, covered, psnr, rgb, sampled, signal
from benchmarks.generator_direction import read_light
from benchmarks.generator_sheets import READ, SEEDS, crossing, places, seam, seen, share, sheet, spread
from countermark.core.media import Frames, Limits, VideoReader, VideoSpec, VideoWriter
from countermark.core.settings import Settings
from generator.assembly import assemble
from generator.backends.bundled import BundledModel
from generator.dit.light import graded
from generator.dit.networks import load_networks
from generator.dit.painter import Painter
from generator.model import RGB, Inputs
from generator.pictures import contained, read_video
from generator.request import Condition, GenerationRequest
from generator.seams import Seam
from generator.studio import Studio
from generator.world.cinematography import OWN_LIGHT
from generator.world.clips import FPS, Clip, ClipSpec, random_spec, render

PICTURES = 80


def given(seed: int, *, frames: int = 24, lit: bool = False) -> Clip:
    """A clip of the world that was never trained on, as something given; ``lit``: in a place that any hour lights."""
    rng = np.random.default_rng((seed, 77))
    spec = random_spec(rng, held_out=True)
    while lit and spec.scene in OWN_LIGHT:
        spec = random_spec(rng, held_out=True)
    return render(ClipSpec(spec.subject, spec.colour, spec.motion, spec.scene, 10**6 + seed), frames=frames)


def rendered(seed: int, *, frames: int = 24, lit: bool = False) -> tuple[ClipSpec, RGB]:
    """What it shows, and its frames."""
    clip = given(seed, frames=frames, lit=lit)
    return clip.spec, clip.frames


def filed(frames: RGB, path: Path) -> Path:
    """Frames as a file that a user would give."""
    spec = VideoSpec(SIDE, SIDE, Fraction(FPS), Fraction(1, FPS), crf=10)
    with VideoWriter(path, spec) as writer:
        writer.write(Frames.from_rgb(frames, pts=np.arange(len(frames))))
    return path


def decoded(path: Path) -> RGB:
    """All frames of a file of this size and rate."""
    return np.concatenate(list(read_video(path, SIDE, SIDE, Fraction(FPS), Limits())))


def assembled(request: GenerationRequest) -> RGB:
    """The finished video, given frames and made ones in their order, as it goes to the seal."""
    model = BundledModel()

    def sample(inputs: Inputs) -> Iterator[RGB]:
        yield sampled(request, inputs, model=model)

    return np.concatenate(list(assemble(model, request, sample, Limits())))


def kept(values: Sequence[float]) -> str:
    """How much of what was given is in the outcome, from its `psnr` for each seed."""
    if min(values) == np.inf:
        return f"infinite: the same to the bit, {len(values)} of {len(values)}"
    return f"{np.median(values):.1f}, {min(values):.1f}"


def condition(at: str = "start", **fields: object) -> Condition:
    """A condition whose file is never read: its frames are given directly."""
    return Condition.model_validate({"path": "given", "at": at, **fields})


def image() -> Iterator[str]:
    """A still picture brought to life."""
    first = {kind: list[bool]() for kind in READ}
    for seed in range(PICTURES):
        spec, frames = rendered(seed, frames=1)
        found = seen(frames)
        for kind in READ:
            first[kind].append(found[kind] == getattr(spec, kind))
    rows, seams, right = [], [], []
    for seed in SEEDS:
        spec, frames = rendered(seed, frames=1)
        request = GenerationRequest(prompt="it moves to the right", seed=seed, conditions=(condition(still=True),))
        rows.append(np.concatenate((frames, sampled(request, Inputs(before=frames)))))
        seams.append(seam(rows[-1], 1))
        found = seen(rows[-1][1:])
        right += [found[kind] == getattr(spec, kind) for kind in READ]
    sheet("image", rows)
    yield f"| image | read in a given picture: {', '.join(READ)} | {', '.join(share(first[kind]) for kind in READ)} |"
    yield from _first_frames()
    yield f"| | difference to the next frame, in units of that between neighbours (median, largest) | {spread(seams)} |"
    yield f"| | subject, colour and scene kept | {share(right)} |"


def _first_frames() -> Iterator[str]:
    """The first frame of the same videos, as they are written: with the watermark, encoded, signed, and read again."""
    autoencoder = load_networks().autoencoder
    to_picture, to_code, code = [], [], []
    with TemporaryDirectory() as place:
        folder = Path(place)
        studio = Studio(settings=Settings(home=folder / "home"))
        for seed in SEEDS:
            _, frames = rendered(seed, frames=1)
            path = folder / f"{seed}.png"
            Image.fromarray(frames[0]).save(path)
            conditions = (Condition(path=path, still=True),)
            request = GenerationRequest(prompt="it moves to the right", seed=seed, conditions=conditions)
            with VideoReader(studio.generate(request, folder / f"{seed}.mp4").path) as reader:
                written = next(iter(reader)).to_rgb()[:1]
            with torch.inference_mode():
                latents = autoencoder.encode_frames(signal(frames))
                through = rgb(autoencoder.decode_groups(latents, latents)[0, -1:].clamp(-1, 1))
            to_picture.append(psnr(written, frames))
            to_code.append(psnr(written, through))
            code.append(psnr(through, frames))
    yield (
        "| | the first frame of the sealed video, read again, to the given picture, PSNR in dB (median, least)"
        f" | {kept(to_picture)} |"
    )
    yield f"| | the same to the autoencoder's reconstruction of the picture | {kept(to_code)} |"
    yield f"| | that reconstruction, through which the first frame does not go, to the picture | {kept(code)} |"


def extend() -> Iterator[str]:
    """Two seconds after a clip, and two before."""
    for direction, name in (("start", "forward"), ("end", "backward")):
        rows, seams, right, same = [], [], [], []
        for seed in SEEDS:
            spec, frames = rendered(seed)
            with TemporaryDirectory() as folder:
                path = filed(frames, Path(folder) / "given.mp4")
                before = decoded(path)
                conditions = (Condition.model_validate({"path": path, "at": direction}),)
                whole = assembled(GenerationRequest(prompt="it goes on", seed=seed, conditions=conditions))
            rows.append(whole)
            made = len(whole) - len(before)
            if direction == "start":
                seams.append(seam(whole, len(before)))
                same.append(psnr(whole[: len(before)], before))
                found = seen(whole[len(before) :])
            else:
                seams.append(seam(whole, made))
                same.append(psnr(whole[made:], before))
                found = seen(whole[:made])
            right += [found[kind] == getattr(spec, kind) for kind in READ]
        sheet(f"extend-{name}", rows)
        yield f"| extend {name}, 2 s | the given frames, before the seal, to the file's, PSNR in dB | {kept(same)} |"
        yield f"| | seam, in units of the difference between neighbours | {spread(seams)} |"
        yield f"| | subject, colour and scene kept | {share(right)} |"


def blend() -> Iterator[str]:
    """From one clip to another."""
    rows, seams, same = [], [], []
    for seed in SEEDS:
        with TemporaryDirectory() as folder:
            paths = [filed(rendered(number)[1], Path(folder) / f"{number}.mp4") for number in (seed, seed + 100)]
            first, second = (decoded(path) for path in paths)
            conditions = (Condition(path=paths[0]), Condition(path=paths[1], at="end"))
            whole = assembled(GenerationRequest(prompt="one becomes the other", seed=seed, conditions=conditions))
        same += [psnr(whole[: len(first)], first), psnr(whole[-len(second) :], second)]
        seams += [
            seam(whole[len(first) - 8 :], 8),
            seam(whole[: len(whole) - len(second) + 8], len(whole) - len(second)),
        ]
        rows.append(whole[len(first) - 8 : len(whole) - len(second) + 8])
    sheet("blend", rows)
    yield f"| blend | both clips, before the seal, to those of the files, PSNR in dB | {kept(same)} |"
    yield f"| | seams, in units of the difference between neighbours | {spread(seams)} |"


def edit() -> Iterator[str]:
    """Another background by words."""
    rows, moved, right, asked, overlap = [], [], [], [], []
    for seed in SEEDS:
        clip = given(seed)
        spec, frames = clip.spec, clip.frames
        scene = ("desert", "city", "snow", "sea")[seed % 4]
        scene = "meadow" if scene == spec.scene else scene
        request = GenerationRequest(
            prompt=f"in the {scene}", seed=seed, conditions=(condition("whole", strength=0.15),)
        )
        made = sampled(request, Inputs(whole=iter([frames])))
        with patch.object(Painter, "forward", _stencil):
            stencils = sampled(request, Inputs(whole=iter([frames])))
        rows += [frames, made]
        found = seen(made)
        right += [found[kind] == getattr(spec, kind) for kind in ("subject", "colour")]
        asked.append(found["scene"] == scene)
        moved.append(float(np.hypot(*(places(made) - places(frames))[:, :2].T).mean()))
        overlap.append(overlapping(covered(clip), stencils[..., 0] < 128))
    sheet("edit", rows)
    yield f"| edit, strength 0.85 | subject and colour kept | {share(right)} |"
    yield f"| | the background is the one that was asked for | {share(asked)} |"
    yield f"| | how far the subject moved, in heights (median, largest) | {spread(moved)} |"
    yield (
        "| | intersection over union of the subject's masks before and after, mean of a clip (median, least)"
        f" | {np.median(overlap):.3f}, {min(overlap):.3f} |"
    )


_paint = Painter.forward


def _stencil(painter: Painter, picture: torch.Tensor, *actor: torch.Tensor) -> torch.Tensor:
    """What a painter covers, as a picture: black where it covers all, white where nothing."""
    white = torch.ones_like(picture)
    return _paint(painter, white, *actor) - _paint(painter, -white, *actor) - 1


def overlapping(one: np.ndarray, two: np.ndarray) -> float:
    """Intersection over union of two masks [T, H, W], the mean over frames."""
    union = (one | two).sum((1, 2))
    return float(((one & two).sum((1, 2)) / np.maximum(union, 1)).mean())


def relit() -> Iterator[str]:
    """Another hour by words; the day is asked for, with the name of the scene, where a clip was given at night."""
    rows, right = [], []
    read: dict[str, list[bool]] = {}
    hours = ("at night", "at sunset", "at dawn", "by day")
    for seed in SEEDS:
        spec, frames = rendered(seed, lit=True)
        prompt = hours[seed % 4]
        hour = prompt.split()[-1]
        if hour == "day":
            prompt += f", {spec.scene}"
            frames = rgb(graded(signal(frames), "night"))
        request = GenerationRequest(prompt=prompt, seed=seed, conditions=(condition("whole", strength=0.15),))
        made = sampled(request, Inputs(whole=iter([frames])))
        rows += [frames, made]
        found = seen(made)
        right += [found[kind] == getattr(spec, kind) for kind in ("subject", "colour")]
        read.setdefault("day" if hour == "day" else "other", []).append(read_light(made, spec) == hour)
    sheet("relit", rows)
    how = "night, sunset, dawn: read back from the mean colour"
    yield f"| edit by an hour, strength 0.85 | {how} | {share(read['other'])} |"
    yield f"| | the day, of a clip at night, where the prompt names its scene | {share(read['day'])} |"
    yield f"| | subject and colour kept, by a judge who never saw such light | {share(right)} |"


def inpaint() -> Iterator[str]:
    """The lower half of a clip made anew."""
    rows, edges, asked, same = [], [], [], []
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
        same.append(psnr(joined[:, ~mask], frames[:, ~mask]))
        edges.append(crossing(joined, 144, axis=1))
        found = seen(joined)
        asked += [found[kind] == getattr(spec, kind) for kind in ("subject", "colour")]
    sheet("inpaint", rows)
    yield f"| inpaint, the lower 7/16 | the rest, before the seal, to what was given, PSNR in dB | {kept(same)} |"
    yield f"| | difference across the edge of the mask, in units of that across its neighbours | {spread(edges)} |"
    yield f"| | subject and colour kept | {share(asked)} |"


def outpaint() -> Iterator[str]:
    """A square clip inside a wide picture."""
    rows, edges, right, same = [], [], [], []
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
        same.append(psnr(rows[-1][:, ~mask], inside[:, ~mask]))
        edges += [crossing(rows[-1], 112, axis=2), crossing(rows[-1], 400, axis=2)]
        right.append(seen(rows[-1])["scene"] == spec.scene)
    sheet("outpaint", rows)
    yield (
        "| outpaint, 256x256 to 512x288 | the given video, before the seal, to what was given, PSNR in dB"
        f" | {kept(same)} |"
    )
    yield f"| | difference across its edges, in units of that across their neighbours | {spread(edges)} |"
    yield f"| | the whole shows the same scene | {share(right)} |"
