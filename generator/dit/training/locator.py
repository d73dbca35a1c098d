"""Fit the locator to rendered frames: ``python -m generator.dit.training.locator``; half a minute, nothing to train."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from generator.dit.judge import SIDE, load_judge
from generator.dit.locator import GRID, Locator
from generator.dit.training.judge import SMALLEST
from generator.world.clips import random_spec, render

WIDTH = 0.09  # of the bump around the centre that the first reading is fitted to, in heights


def examples(clips: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """The judge's features of three frames of every clip, [3 * clips, 128, 8, 8], and the truth, [3 * clips, 3]."""
    rng, judge = np.random.default_rng(seed), load_judge()
    features, truth = [], []
    for _ in range(clips):
        clip = render(random_spec(rng), frames=25, height=2 * SIDE, width=2 * SIDE, scale=rng.uniform(SMALLEST, 1))
        chosen = rng.choice(25, 3, replace=False)
        small = clip.frames[chosen].reshape(3, SIDE, 2, SIDE, 2, 3).mean(axis=(2, 4))
        with torch.inference_mode():
            features.append(judge.look(torch.from_numpy(small).permute(0, 3, 1, 2).float() / 127.5 - 1))
        truth.append(torch.from_numpy(clip.track[chosen]))
    return torch.cat(features), torch.cat(truth)


def ridge(x: Tensor, y: Tensor, *, penalty: float) -> Tensor:
    """Weights [n + 1, m] of the least squares fit from ``x`` [k, n] to ``y`` [k, m]; the last row is the bias."""
    x = torch.cat((x, torch.ones(len(x), 1)), dim=1).double()
    weights: Tensor = torch.linalg.solve(x.T @ x + penalty * len(x) * torch.eye(x.shape[1]), x.T @ y.double())
    return weights.float()


def fit(locator: Locator, features: Tensor, truth: Tensor) -> None:
    """Both readings, the second on frames in which the first is not far off."""
    axis = (torch.arange(GRID) + 0.5) / GRID
    distance = (axis[None, None] - truth[:, 0, None, None]) ** 2 + (axis[None, :, None] - truth[:, 1, None, None]) ** 2
    bump = torch.exp(-distance / (2 * WIDTH**2))
    locator.near.copy_(ridge(features.permute(0, 2, 3, 1).flatten(0, 2), bump.reshape(-1, 1), penalty=1e-4))
    chosen, place = locator.around(features)
    close = (truth[:, :2] - place).abs().amax(1) < 0.2
    wanted = torch.cat((truth[:, :2] - place, truth[:, 2:]), dim=1)
    locator.exact.copy_(ridge(chosen[close], wanted[close], penalty=1e-3))


def main() -> None:
    """Fit, and print the errors on frames that were kept aside."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=Path, default=Path("runs/locator.safetensors"))
    args = parser.parse_args()
    locator = Locator()
    fit(locator, *examples(args.clips, seed=args.seed))
    features, truth = examples(200, seed=args.seed + 1)
    off = (locator(features) - truth).abs()
    lost = (off[:, :2].amax(1) > 0.1).float().mean().item()
    x, y, size = off.mean(0).tolist()
    print(f"mean errors in heights: x {x:.4f}, y {y:.4f}, size {size:.4f}; {lost:.1%} of the frames off by over 0.1")
    args.output.parent.mkdir(parents=True, exist_ok=True)
    save_file(locator.state_dict(), args.output)


if __name__ == "__main__":
    main()
