"""Does the bundled model draw what the prompt says, how fast, and how well does its autoencoder keep a clip?

``python -m benchmarks.generator [--clips 96]`` samples prompts in seen and in held-out combinations, in English and in
Chinese, lets the judge and a closer look at the subject (`generator.dit.views.seen_in`) read the clips back, and writes
``benchmarks/results/generator.md``. Their accuracy on renders, and on renders as decoder and painter draw them, stands
beside as the ceiling. `benchmarks.generator_direction` adds camera moves, light and relations of two and three
subjects. Nothing of what is sampled here leaves the process.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.generator_direction import Sampler
from benchmarks.generator_direction import rows as direction_rows
from countermark.core.encoders.image import SIZE, image_encoder
from countermark.core.errors import WeightsError
from generator.dit.canvas import Canvas
from generator.dit.cast import actor
from generator.dit.networks import FAST_STEPS, load_networks
from generator.dit.piece import Piece, finished
from generator.dit.text import understand
from generator.dit.views import seen_in
from generator.model import RGB, Sampling
from generator.world.clips import Clip, ClipSpec, random_spec, render
from generator.world.vocabulary import BY_KIND, KINDS, Kind

RESULTS = Path(__file__).parent / "results" / "generator.md"
FRAMES = 25


def _signal(frames: npt.NDArray[np.uint8]) -> Tensor:
    """uint8 [T, H, W, 3] to [T, 3, H, W] in [-1, 1]."""
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1


def words_for(spec: ClipSpec, language: str, rng: np.random.Generator) -> dict[Kind, str]:
    """A random surface word for every concept of ``spec`` that the reader of prompts understands as just that."""
    out: dict[Kind, str] = {}
    for kind in KINDS:
        (concept,) = (c for c in BY_KIND[kind] if c.name == getattr(spec, kind))
        out[kind] = str(rng.choice(concept.en if language == "en" else concept.zh))
    return out


def prompt_for(spec: ClipSpec, language: str, rng: np.random.Generator) -> str:
    """A prompt with random synonyms; a wording in which one word swallows another is drawn again."""
    while True:
        w = words_for(spec, language, rng)
        if language == "en":
            prompt = f"a {w['colour']} {w['subject']} {w['motion']}, {w['scene']}"
        else:
            prompt = f"{w['scene']}，{w['colour']}{w['subject']}{w['motion']}"
        if understand(prompt, seed=0).concepts == {kind: getattr(spec, kind) for kind in KINDS}:
            return prompt


def judged(clips: Iterable[RGB], specs: Sequence[ClipSpec]) -> dict[str, float]:
    """How much of what ``specs`` say is read in clips, per kind and all at once."""
    right = []
    for frames, spec in zip(clips, specs, strict=True):
        found, _, _ = seen_in(load_networks(), _signal(frames))
        right.append([found[kind] == spec.concepts[kind] for kind in KINDS])
    shares = np.mean(right, axis=0).tolist()
    return {**dict(zip(KINDS, shares, strict=True)), "all four": float(np.all(right, axis=1).mean())}


def generated(sampler: Sampler, specs: Sequence[ClipSpec], language: str) -> list[RGB]:
    """Clips sampled for prompts that name ``specs``."""
    rng = np.random.default_rng(sampler.seed)
    return [sampler.clip(prompt_for(spec, language, rng), number) for number, spec in enumerate(specs)]


def drawn(clip: Clip) -> RGB:
    """``clip`` as decoder and painter draw it from what is exactly known."""
    networks, count = load_networks(), len(clip.frames)
    latents = networks.autoencoder.encode(_signal(clip.background)[None])[0]
    cast = (actor(clip.spec.concepts, torch.from_numpy(clip.track), aspect=1.0),)
    piece = Piece(latents, cast, count, start=True)
    with torch.inference_mode():
        return np.concatenate(list(finished(networks, piece, Canvas(*clip.frames.shape[2:0:-1]))))


def looks(clips: Sequence[RGB]) -> npt.NDArray[np.float64]:
    """What the image encoder sees in the first, middle and last frame of clips, [3 N, 512]."""
    frames = torch.cat([_signal(clip[[0, len(clip) // 2, -1]]) for clip in clips])
    sized = F.interpolate(frames, (SIZE, SIZE), mode="area")
    rgb = ((sized + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
    return image_encoder().encode(rgb).image.astype(np.float64)


def frechet(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64]) -> float:
    """Fréchet distance of two sets of vectors [n, D] (Heusel et al., 2017), each taken as normally distributed.

    The trace of the root of the product of covariances is the sum of singular values of the product of the centred
    sets, which are smaller than the covariances.
    """
    centred = [(x - x.mean(0)) / (len(x) - 1) ** 0.5 for x in (a, b)]
    roots = np.linalg.svd(centred[0] @ centred[1].T, compute_uv=False).sum()
    spread = sum(float(np.square(x).sum()) for x in centred)
    return float(np.square(a.mean(0) - b.mean(0)).sum() + spread - 2 * roots)


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=96, help="clips per row of the table")
    parser.add_argument("--directed", type=int, default=24, help="clips each of cameras, lights and pairs")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=1.4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    seen = [random_spec(rng, held_out=False) for _ in range(args.clips)]
    unseen = [random_spec(rng, held_out=True) for _ in range(args.clips)]
    clips = [render(spec, frames=FRAMES) for spec in seen]
    rendered, redrawn = [clip.frames for clip in clips], [drawn(clip) for clip in clips]
    rows = {
        "judge on renders (ceiling)": judged(rendered, seen),
        "judge on renders as decoder and painter draw them": judged(redrawn, seen),
    }
    full = Sampler(Sampling(args.steps, args.guidance), args.seed)
    begin = time.perf_counter()
    made = generated(full, seen, "en")
    seconds = (time.perf_counter() - begin) / len(seen)
    rows["generated, seen combinations, English"] = judged(made, seen)
    for language, name in (("en", "English"), ("zh", "Chinese")):
        rows[f"generated, held-out combinations, {name}"] = judged(generated(full, unseen, language), unseen)

    fast = Sampler(Sampling(FAST_STEPS, 1.0), args.seed, fast=True)
    begin = time.perf_counter()
    few = generated(fast, unseen, "en")
    fast_seconds = (time.perf_counter() - begin) / len(unseen)
    rows[f"the fast model ({FAST_STEPS} steps, no guidance), held-out combinations, English"] = judged(few, unseen)
    for guidance in (args.guidance, 1.0):
        few = generated(Sampler(Sampling(FAST_STEPS, guidance), args.seed), unseen, "en")
        rows[f"the full model in {FAST_STEPS} steps, guidance {guidance:g}, the same clips"] = judged(few, unseen)
    others = [random_spec(rng, held_out=False) for _ in range(args.clips)]
    try:
        real = looks([render(spec, frames=FRAMES).frames for spec in others])
        distance, floor = frechet(looks(made), real), frechet(looks(rendered), real)
        fidelity = (
            "Fréchet distance of three frames a clip, embeddings of the CLIP image encoder, to as many other"
            f" renders: {distance:.3f}; between renders and other renders: {floor:.3f}."
        )
    except WeightsError as error:
        fidelity = f"No Fréchet distance was measured: {error.cause}"

    psnr = [
        10 * np.log10(255**2 / np.square(a.astype(float) - b).mean()) for a, b in zip(rendered, redrawn, strict=True)
    ]
    columns = [*KINDS, "all four"]
    lines = [
        "# Generator: prompt adherence by an automatic judge",
        "",
        f"`python -m benchmarks.generator --clips {args.clips} --directed {args.directed} --steps {args.steps}"
        f" --guidance {args.guidance:g} --seed {args.seed}`; standard error of a cell is at most"
        f" {0.5 / args.clips**0.5:.2f}.",
        "",
        f"| clips | {' | '.join(columns)} |",
        "|---|" + "---|" * len(columns),
        *(f"| {name} | " + " | ".join(f"{row[c]:.2f}" for c in columns) + " |" for name, row in rows.items()),
        "",
        f"Decoder and painter on the same renders: {np.mean(psnr):.1f} dB (R'G'B', mean over clips of 256x256).",
        fidelity,
        f"Sampling and drawing: {seconds:.2f} s a clip, the fast model {fast_seconds:.2f} s; "
        f"{torch.get_num_threads()} thread(s); "
        f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB.",
        *direction_rows(full, args.directed),
        "",
    ]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
