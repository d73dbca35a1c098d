"""Does the bundled model draw what the prompt says, how fast, and how well does its autoencoder keep a clip?

``python -m benchmarks.generator [--clips 96]`` samples prompts in seen and in held-out combinations, in English and in
Chinese, lets the judge (`generator.dit.judge`) read the clips back, and writes
``benchmarks/results/generator.md``. The judge's accuracy on renders, and on renders that went through the autoencoder,
stands beside as the ceiling. `benchmarks.generator_direction` adds camera moves, light and relations of two and three
subjects. Nothing of what is sampled here leaves the process.
"""

from __future__ import annotations

import argparse
import resource
import time
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
from generator.dit.judge import FRAMES, Judge, labels, load_judge, prepare
from generator.dit.networks import FAST_STEPS, Networks, load_fast_networks, load_networks, sample_clips
from generator.dit.text import understand
from generator.dit.training.judge import accuracy
from generator.model import Sampling
from generator.world.clips import ClipSpec, random_spec, render
from generator.world.vocabulary import BY_KIND, KINDS, Kind

RESULTS = Path(__file__).parent / "results" / "generator.md"
BATCH = 8


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


def judged(judge: Judge, clips: list[Tensor], specs: list[ClipSpec]) -> dict[str, float]:
    """Accuracy of ``judge`` per kind, and on all kinds at once."""
    seen, truth = torch.cat(clips), torch.tensor([labels(spec) for spec in specs])
    out = accuracy(judge, seen, truth)
    with torch.inference_mode():
        said = torch.stack([judge(seen)[kind].argmax(1) for kind in KINDS], dim=1)
    return {**out, "all four": (said == truth).all(1).float().mean().item()}


def generated(
    networks: Networks, specs: list[ClipSpec], language: str, *, steps: int, guidance: float, seed: int
) -> list[Tensor]:
    """Clips sampled for prompts that name ``specs``, as the judge looks at them."""
    rng = np.random.default_rng(seed)
    out = []
    for first in range(0, len(specs), BATCH):
        prompts = [prompt_for(spec, language, rng) for spec in specs[first : first + BATCH]]
        words = torch.tensor([understand(prompt, seed=0).tokens for prompt in prompts])
        with torch.inference_mode():
            latents, plans = sample_clips(networks, words, seed=seed + first, steps=steps, guidance=guidance)
            out.append(prepare(networks.autoencoder.decode(latents, plans, words)))
    return out


def looks(clips: list[Tensor]) -> npt.NDArray[np.float64]:
    """What the image encoder sees in the first, middle and last frame of clips as `prepare` gives them, [3 N, 512]."""
    frames = torch.cat(clips)[:, [0, FRAMES // 2, FRAMES - 1]].flatten(0, 1)
    large = F.interpolate(frames, (SIZE, SIZE), mode="bilinear").clamp(-1, 1)
    rgb = ((large + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()
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
    networks, judge = load_networks(), load_judge()
    rng = np.random.default_rng(args.seed)
    seen = [random_spec(rng, held_out=False) for _ in range(args.clips)]
    unseen = [random_spec(rng, held_out=True) for _ in range(args.clips)]

    rendered, coded, squared = [], [], []
    for spec in seen:
        clip = render(spec, frames=25)
        video = _signal(clip.frames)[None]
        rendered.append(prepare(video))
        with torch.inference_mode():
            back = networks.autoencoder.decode(networks.autoencoder.encode(video), torch.from_numpy(clip.track)[None])
        squared.append(F.mse_loss(back, video).item())
        coded.append(prepare(back))
    rows = {
        "judge on renders (ceiling)": judged(judge, rendered, seen),
        "judge on renders through the autoencoder": judged(judge, coded, seen),
    }
    sampling = {"steps": args.steps, "guidance": args.guidance, "seed": args.seed}
    begin = time.perf_counter()
    made = generated(networks, seen, "en", **sampling)
    rows["generated, seen combinations, English"] = judged(judge, made, seen)
    seconds = (time.perf_counter() - begin) / len(seen)
    for language, name in (("en", "English"), ("zh", "Chinese")):
        clips = generated(networks, unseen, language, **sampling)
        rows[f"generated, held-out combinations, {name}"] = judged(judge, clips, unseen)

    few = {**sampling, "steps": FAST_STEPS, "guidance": 1.0}
    begin = time.perf_counter()
    clips = generated(load_fast_networks(), unseen, "en", **few)
    fast_seconds = (time.perf_counter() - begin) / len(unseen)
    rows[f"the fast model ({FAST_STEPS} steps, no guidance), held-out combinations, English"] = judged(
        judge, clips, unseen
    )
    for guidance in (args.guidance, 1.0):
        clips = generated(networks, unseen, "en", **{**few, "guidance": guidance})
        rows[f"the full model in {FAST_STEPS} steps, guidance {guidance:g}, the same clips"] = judged(
            judge, clips, unseen
        )
    others = [random_spec(rng, held_out=False) for _ in range(args.clips)]
    try:
        real = looks([prepare(_signal(render(spec, frames=25).frames)[None]) for spec in others])
        distance, floor = frechet(looks(made), real), frechet(looks(rendered), real)
        fidelity = (
            "Fréchet distance of three frames a clip at 64x64, embeddings of the CLIP image encoder, to as many other"
            f" renders: {distance:.3f}; between renders and other renders: {floor:.3f}."
        )
    except WeightsError as error:
        fidelity = f"No Fréchet distance was measured: {error.cause}"

    psnr = float(np.mean([10 * np.log10(4 / e) for e in squared]))
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
        f"Autoencoder on held-in renders: {psnr:.1f} dB (R'G'B', mean over clips of 25 frames at 256x256).",
        fidelity,
        f"Sampling and decoding in batches of {BATCH}: {seconds:.2f} s a clip, the fast model {fast_seconds:.2f} s; "
        f"{torch.get_num_threads()} thread(s); "
        f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB.",
        *direction_rows(Sampler(Sampling(args.steps, args.guidance), args.seed), args.directed),
        "",
    ]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
