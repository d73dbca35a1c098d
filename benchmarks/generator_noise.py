"""Can a watermark in the initial noise of the bundled model be found again by inverting the flow?

``python -m benchmarks.generator_noise`` writes ``benchmarks/results/generator_noise.md``. A mark such as Gaussian
Shading (Yang et al., 2024) puts its bits into the signs of the initial noise, and reads them from the noise to which
the finished video leads back. How many signs come back right bounds every such mark. The detector is given more than a
real one would have: prompt and plan.
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from benchmarks.attacks.codec import Coded
from benchmarks.attacks.scene import Scene
from countermark.core.media import Frames
from generator.dit.autoencoder import STRIDE
from generator.dit.flow import Network, sample, schedule
from generator.dit.networks import LATENT_FRAMES, SIDE, load_networks
from generator.dit.places import group_plan
from generator.dit.planner import make_plan
from generator.dit.text import tokens_of
from generator.world.clips import random_spec

RESULTS = Path(__file__).parent / "results" / "generator_noise.md"
LOWEST = 0.02


@torch.inference_mode()
def inverted(network: Network, clean: Tensor, words: Tensor, *, steps: int) -> Tensor:
    """The noise from which Euler steps would lead to ``clean`` [B, N, ...], without guidance."""
    x = clean.clone()
    for now, then in pairwise(schedule(steps, shift=3.0)[::-1]):
        s = max(now, LOWEST)
        predicted = network(x, torch.full(clean.shape[:2], s), words).float()
        x = x + (then - now) * ((x - (1 - s) * predicted) / s - predicted)
    return x


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--steps", type=int, default=20)
    args = parser.parse_args()
    networks = load_networks()
    rng = np.random.default_rng(0)
    specs = [random_spec(rng, held_out=False) for _ in range(args.clips)]
    words = torch.tensor([tokens_of(spec.concepts) for spec in specs])
    plan = make_plan(networks.planner, words, seed=0)
    side = SIDE // STRIDE
    shape = (args.clips, LATENT_FRAMES, networks.autoencoder.config.latent, side, side)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    places = group_plan(plan)

    def network(noisy: Tensor, level: Tensor, told: Tensor) -> Tensor:
        clean: Tensor = networks.transformer(noisy, level, told, places.repeat(len(noisy) // len(places), 1, 1, 1))
        return clean

    rows = []
    for guidance in (1.0, 2.0):
        *_, latents = sample(network, noise, words, steps=args.steps, guidance=guidance)
        with torch.inference_mode():
            video = networks.autoencoder.decode(latents, plan, words)
        pixels = ((video + 1) * 127.5).round().to(torch.uint8).permute(0, 1, 3, 4, 2).numpy()
        coded = np.stack([compressed(clip) for clip in pixels])
        for name, start in (
            ("latents", latents),
            ("video", networks.autoencoder.encode(_signal(pixels))),
            ("video as H.264, CRF 23", networks.autoencoder.encode(_signal(coded))),
        ):
            back = inverted(network, start, words, steps=args.steps)
            right = ((back > 0) == (noise > 0)).float().mean().item()
            rows.append(f"| {guidance:g} | {name} | {right:.3f} |")
            print(rows[-1], flush=True)
    lines = [
        "# Generator: does the initial noise come back?",
        "",
        f"`python -m benchmarks.generator_noise --clips {args.clips} --steps {args.steps}`: {noise[0].numel()} signs a"
        " clip, guessing is 0.5. Prompt and plan are known to the inversion, guidance is not undone.",
        "",
        "| guidance | inverted from | signs that come back right |",
        "|---|---|---|",
        *rows,
    ]
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


def compressed(clip: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Frames [T, H, W, 3] after H.264."""
    frames = Frames.from_rgb(clip, pts=np.arange(len(clip)))
    return Coded("libx264", 23)(frames, Scene()).to_rgb()


def _signal(frames: npt.NDArray[np.uint8]) -> Tensor:
    """uint8 [B, T, H, W, 3] to [B, T, 3, H, W] in [-1, 1]."""
    return torch.from_numpy(frames).permute(0, 1, 4, 2, 3).float() / 127.5 - 1


if __name__ == "__main__":
    main()
