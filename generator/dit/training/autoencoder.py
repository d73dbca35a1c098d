"""Fit the video encoder and train the decoder on rendered clips.

``python -m generator.dit.training.autoencoder --minutes 30``
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from countermark.core.bfloat16 import training_autocast
from generator.dit.autoencoder import Autoencoder
from generator.dit.places import GROUP
from generator.dit.training.averaging import moving_average
from generator.dit.training.start import start_from
from generator.world.clips import random_spec, render

Frames = npt.NDArray[np.uint8]

CLIP_FRAMES = 13
STILL = 0.125  # share of crops that show one frame all the time, as the first of a clip does


def scenes(count: int, rng: np.random.Generator) -> list[Frames]:
    """Random scenes without a subject, uint8 [T, H, W, 3] each."""
    return [render(random_spec(rng), frames=CLIP_FRAMES).background for _ in range(count)]


def crops(pool: list[Frames], rng: np.random.Generator, *, batch: int, size: int) -> Tensor:
    """Random crops of a frame of clips and the four after it, [batch, 5, 3, size, size] in [-1, 1]."""
    out = np.empty((batch, 1 + GROUP, size, size, 3), np.uint8)
    for i in range(batch):
        clip = pool[rng.integers(len(pool))]
        frames, height, width, _ = clip.shape
        start = int(rng.integers(frames - GROUP))
        left, top = int(rng.integers(width - size + 1)), int(rng.integers(height - size + 1))
        chosen = np.full(1 + GROUP, start) if rng.random() < STILL else np.arange(start, start + GROUP + 1)
        out[i] = clip[chosen, top : top + size, left : left + size]
    return _signal(out)


def _signal(frames: Frames) -> Tensor:
    """uint8 [..., H, W, 3] to [..., 3, H, W] in [-1, 1]."""
    return torch.from_numpy(frames).movedim(-1, -3).float() / 127.5 - 1


@torch.no_grad()
def evaluate(model: Autoencoder, clips: list[Frames]) -> float:
    """Mean PSNR in dB over whole clips, R'G'B' with peak 255."""
    psnr = []
    for clip in clips:
        video = torch.from_numpy(clip).permute(0, 3, 1, 2)[None].float() / 127.5 - 1
        with training_autocast():
            decoded = model.decode(model.encode(video))
        mse = F.mse_loss(decoded.float(), video).item()
        psnr.append(10 * np.log10(4 / mse))
    return float(np.mean(psnr))


def save(model: torch.nn.Module, path: Path) -> None:
    """Write the weights, contiguous as safetensors wants them."""
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)


def main() -> None:
    """Train for a number of minutes with a linearly decaying rate, and write the averaged weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clips", type=int, default=1500, help="rendered clips held in memory")
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--size", type=int, default=144, help="side of the training crops in pixels")
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--noise", type=float, default=0.3, help="largest noise added to latents")
    parser.add_argument("--decay-from", type=float, default=0.5, help="share of the run after which the rate decays")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--output", type=Path, default=Path("runs/autoencoder.safetensors"))
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    pool, held_out = scenes(args.clips, rng), scenes(16, rng)

    args.output.parent.mkdir(parents=True, exist_ok=True)
    model = Autoencoder().to(memory_format=torch.channels_last)
    if args.start:
        start_from(model, args.start)
    else:
        model.fit(torch.cat([crops(pool, rng, batch=100, size=256)[:, 0] for _ in range(12)]))
        save(model, args.output)
        print(f"linear code  PSNR {evaluate(model, held_out):.2f} dB", flush=True)
    average = moving_average(model, 0.99)
    averaged = cast("Autoencoder", average.module)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.rate, betas=(0.9, 0.98), weight_decay=1e-4)

    begin = time.process_time()
    budget, step, reported = args.minutes * 60, 0, 0.0
    while (spent := time.process_time() - begin) < budget:
        decay = min(1.0, (1 - spent / budget) / (1 - args.decay_from))
        for group in optimizer.param_groups:
            group["lr"] = args.rate * min(1.0, (step + 1) / 100) * decay
        frames = crops(pool, rng, batch=args.batch, size=args.size)
        with training_autocast():
            with torch.no_grad():
                latents = model.encode_frames(frames[:, ::GROUP].flatten(0, 1)).unflatten(0, (args.batch, 2))
            noisy = latents + torch.randn_like(latents) * torch.rand(args.batch, 1, 1, 1, 1) * args.noise
            output = model.decode_groups(*noisy.unbind(1))
        # Squared for small errors, absolute for large ones: exact in flat areas, crisp at edges.
        loss = F.smooth_l1_loss(output.float(), frames, beta=0.1)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(model)
        step += 1
        if spent - reported > 60:
            reported = spent
            psnr = evaluate(averaged, held_out)
            print(f"{spent:6.0f} cpu-s  step {step}  loss {loss.item():.4f}  PSNR {psnr:.2f} dB", flush=True)
            save(averaged, args.output)
    print(f"done  step {step}  PSNR {evaluate(averaged, held_out):.2f} dB", flush=True)
    save(averaged, args.output)


if __name__ == "__main__":
    main()
