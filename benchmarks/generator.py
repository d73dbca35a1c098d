"""Does the bundled model draw what the prompt says, how fast, and how well does its autoencoder keep a clip?

``python -m benchmarks.generator [--clips 96]`` samples prompts in seen and in held-out combinations, in English and in
Chinese, lets the judge (`generator.dit.judge`) read the clips back, and writes
``benchmarks/results/generator.md``. The judge's accuracy on renders, and on renders that went through the autoencoder,
stands beside as the ceiling. Nothing of what is sampled here leaves the process.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from generator.dit.judge import Judge, labels, load_judge, prepare
from generator.dit.networks import Networks, load_networks, sample_latents
from generator.dit.text import understand
from generator.dit.training.judge import accuracy
from generator.world.clips import ClipSpec, random_spec, render
from generator.world.vocabulary import BY_KIND, KINDS, Kind

RESULTS = Path(__file__).parent / "results" / "generator.md"
BATCH = 8


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


def decode(networks: Networks, latents: Tensor) -> Tensor:
    """Latents to what the judge looks at."""
    with torch.inference_mode():
        return prepare(networks.autoencoder.decode(latents))


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
        *_, latents = sample_latents(networks, words, seed=seed + first, steps=steps, guidance=guidance)
        out.append(decode(networks, latents))
    return out


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=96, help="clips per row of the table")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--guidance", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    networks, judge = load_networks(), load_judge()
    rng = np.random.default_rng(args.seed)
    seen = [random_spec(rng, held_out=False) for _ in range(args.clips)]
    unseen = [random_spec(rng, held_out=True) for _ in range(args.clips)]

    rendered, coded, squared = [], [], []
    for spec in seen:
        video = torch.from_numpy(render(spec, frames=25).frames).permute(0, 3, 1, 2)[None].float() / 127.5 - 1
        rendered.append(prepare(video))
        with torch.inference_mode():
            back = networks.autoencoder.decode(networks.autoencoder.encode(video))
        squared.append(F.mse_loss(back, video).item())
        coded.append(prepare(back))
    rows = {
        "judge on renders (ceiling)": judged(judge, rendered, seen),
        "judge on renders through the autoencoder": judged(judge, coded, seen),
    }
    sampling = {"steps": args.steps, "guidance": args.guidance, "seed": args.seed}
    begin = time.perf_counter()
    rows["generated, seen combinations, English"] = judged(judge, generated(networks, seen, "en", **sampling), seen)
    seconds = (time.perf_counter() - begin) / len(seen)
    for language, name in (("en", "English"), ("zh", "Chinese")):
        clips = generated(networks, unseen, language, **sampling)
        rows[f"generated, held-out combinations, {name}"] = judged(judge, clips, unseen)

    psnr = float(np.mean([10 * np.log10(4 / e) for e in squared]))
    columns = [*KINDS, "all four"]
    lines = [
        "# Generator: prompt adherence by an automatic judge",
        "",
        f"`python -m benchmarks.generator --clips {args.clips} --steps {args.steps} --guidance {args.guidance:g}"
        f" --seed {args.seed}`; standard error of a cell is at most {0.5 / args.clips**0.5:.2f}.",
        "",
        f"| clips | {' | '.join(columns)} |",
        "|---|" + "---|" * len(columns),
        *(f"| {name} | " + " | ".join(f"{row[c]:.2f}" for c in columns) + " |" for name, row in rows.items()),
        "",
        f"Autoencoder on held-in renders: {psnr:.1f} dB (R'G'B', mean over clips of 25 frames at 256x256).",
        f"Sampling and decoding in batches of {BATCH}: {seconds:.2f} s a clip, {torch.get_num_threads()} thread(s); "
        f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB.",
        "",
    ]
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
