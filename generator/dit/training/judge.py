"""Train the judge (`generator.dit.judge`): ``python -m generator.dit.training.judge --minutes 15``.

A small network, trained on rendered clips, seen and held-out combinations alike, and on single frames of them as
`generator.dit.views` shows it pictures, with the blur, noise and contrast changes that keep it from reading the
renderer's exact pixels. Its own accuracy on renders is the ceiling of every figure it reports.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from einops import rearrange
from safetensors.torch import save_file
from torch import Tensor

from countermark.core.bfloat16 import training_autocast
from generator.dit.judge import FRAMES, SIDE, STEP, Judge, labels
from generator.dit.training.start import start_from
from generator.dit.views import panned
from generator.world.clips import random_spec, render
from generator.world.vocabulary import KINDS

STILLS = 12  # of a batch
BATCH = 48
SMALLEST = 0.75  # of the usual size: the subject in a square cut from a larger picture


def _rendered(seed: int) -> tuple[npt.NDArray[np.uint8], list[int]]:
    rng = np.random.default_rng(seed)
    spec = random_spec(rng)
    clip = render(spec, frames=1 + STEP * (FRAMES - 1), height=128, width=128, scale=rng.uniform(SMALLEST, 1))
    frames = clip.frames[::STEP]
    half = frames.reshape(FRAMES, SIDE, 2, SIDE, 2, 3).mean(axis=(2, 4))
    return half.astype(np.uint8), labels(spec)


def dataset(clips: int, *, seed: int) -> tuple[Tensor, Tensor]:
    """``clips`` random renders, uint8 [clips, FRAMES, 3, 64, 64], and their labels, int64 [clips, 4]."""
    with ProcessPoolExecutor(max_workers=1) as pool:
        rows = list(pool.map(_rendered, range(seed, seed + clips), chunksize=64))
    return torch.from_numpy(np.stack([f for f, _ in rows])).permute(0, 1, 4, 2, 3), torch.tensor([y for _, y in rows])


def augmented(clips: Tensor) -> Tensor:
    """Blur, contrast and noise, chosen per clip: uint8 to float in [-1, 1]."""
    x = clips.float() / 127.5 - 1
    blurred = rearrange(
        F.avg_pool2d(rearrange(x, "b t c h w -> (b t) c h w"), 3, 1, 1), "(b t) c h w -> b t c h w", t=FRAMES
    )
    share = torch.rand(len(x), 1, 1, 1, 1)
    x = x + (blurred - x) * share
    x = x * (1 + 0.1 * torch.randn(len(x), 1, 1, 1, 1)) + 0.05 * torch.randn(len(x), 1, 3, 1, 1)
    return x + torch.randn_like(x) * 0.08 * torch.rand(len(x), 1, 1, 1, 1)


def shown(clips: Tensor) -> Tensor:
    """A batch to learn from: the first `STILLS` of ``clips`` only as a frame each, panned over as pictures are."""
    x = augmented(clips)
    for clip in x[:STILLS]:
        clip.copy_(panned(clip[torch.randint(FRAMES, ())].clone())[torch.randint(4, ())])
    return x


@torch.inference_mode()
def accuracy(judge: Judge, clips: Tensor, truth: Tensor) -> dict[str, float]:
    """Share of clips read rightly, per kind. ``clips`` float [B, FRAMES, 3, 64, 64], ``truth`` [B, 4]."""
    said = judge(clips)
    return {kind: (said[kind].argmax(1) == truth[:, i]).float().mean().item() for i, kind in enumerate(KINDS)}


def main() -> None:
    """Train and print accuracy on renders that were not trained on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--clips", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--output", type=Path, default=Path("runs/judge.safetensors"))
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    clips, truth = dataset(args.clips, seed=10**6 * (1 + args.seed))
    test_clips, test_truth = dataset(600, seed=10**9)
    judge = Judge()
    if args.start:
        start_from(judge, args.start)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=1e-3, weight_decay=0.02)
    begin, budget, step = time.process_time(), args.minutes * 60, 0
    while (spent := time.process_time() - begin) < budget:
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1.0, 2 * (1 - spent / budget))
        index = torch.randint(len(clips), (BATCH,))
        target = truth[index]
        target[:STILLS, KINDS.index("motion")] = -100  # a picture says nothing of it; ignored by the loss
        judge.train()
        with training_autocast():
            said = judge(shown(clips[index]))
        loss = torch.stack([F.cross_entropy(said[kind].float(), target[:, i]) for i, kind in enumerate(KINDS)]).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        if step % 200 == 0:
            judge.eval()
            print(f"{spent:5.0f} cpu-s  {accuracy(judge, test_clips.float() / 127.5 - 1, test_truth)}", flush=True)
    judge.eval()
    args.output.parent.mkdir(parents=True, exist_ok=True)
    save_file(judge.state_dict(), args.output)
    print("done", accuracy(judge, test_clips.float() / 127.5 - 1, test_truth), flush=True)


if __name__ == "__main__":
    main()
