"""Train the upscaler (`generator.dit.upscaler`): ``python -m generator.dit.training.upscaler --minutes 15``.

Renders of 640x640 are what is wanted. What is given is their background, reduced to 256x256 and sent through the
autoencoder with some noise on its latents, as the transformer leaves it, and the subject painted on it.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor

from countermark.core.bfloat16 import training_autocast
from generator.dit.autoencoder import Autoencoder
from generator.dit.cast import actor
from generator.dit.networks import SIDE
from generator.dit.painter import Painter
from generator.dit.places import GROUP
from generator.dit.training.autoencoder import save
from generator.dit.training.averaging import moving_average
from generator.dit.training.start import start_from
from generator.dit.upscaler import FACTOR, Upscaler, reduced
from generator.world.clips import random_spec, render

LARGE = int(SIDE * FACTOR)
NOISE = 0.15  # largest on latents
SEEN = 2  # frames of a group of four that are kept
CROP = 80  # pixels a side of what is given, even


@dataclass(frozen=True)
class Pairs:
    """Frames as decoded, uint8 [N, 3, 256, 256], the same in large, [N, 3, 640, 640], and the subject's middle [N, 2]
    as shares of the sides.
    """

    given: Tensor
    wanted: Tensor
    middle: Tensor

    def batch(self, size: int) -> tuple[Tensor, Tensor]:
        """Crops in [-1, 1], [size, 3, 80, 80] and [size, 3, 200, 200]; most of them show the subject."""
        given, wanted = [], []
        step = FACTOR.denominator  # crops begin where the large picture has a whole pixel too
        for i in torch.randint(len(self.given), (size,)).tolist():
            corner = torch.randint(SIDE - CROP, (2,))
            if torch.rand(()) < 0.75:
                middle = self.middle[i].flip(0) * SIDE + 30 * torch.randn(2)
                corner = (middle - CROP / 2).round().long().clamp(0, SIDE - CROP)
            top, left = (corner // step * step).tolist()
            given.append(self.given[i, :, top : top + CROP, left : left + CROP])
            up, along, side = int(top * FACTOR), int(left * FACTOR), int(CROP * FACTOR)
            wanted.append(self.wanted[i, :, up : up + side, along : along + side])
        return torch.stack(given).float() / 127.5 - 1, torch.stack(wanted).float() / 127.5 - 1


@torch.inference_mode()
def pairs(autoencoder: Autoencoder, painter: Painter, clips: int, *, seed: int) -> Pairs:
    """`SEEN` frames each of random clips, seen and held-out combinations alike."""
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    given, wanted, middle = [], [], []
    for _ in range(clips):
        frames = 1 + GROUP * int(rng.integers(1, 7))
        spec = random_spec(rng)
        clip = render(spec, frames=frames, height=LARGE, width=LARGE)
        large, role = clip.frames[-GROUP:], actor(spec.concepts, torch.from_numpy(clip.track), aspect=1.0)
        small = reduced(clip.background[[-1 - GROUP, -1]], (SIDE, SIDE))
        latents = autoencoder.encode_frames(torch.from_numpy(small).permute(0, 3, 1, 2).float() / 127.5 - 1)
        noise = NOISE * torch.rand((), generator=generator) * torch.randn(latents.shape, generator=generator)
        behind, mirrored = autoencoder.decode_groups(*(latents + noise).split(1)), torch.tensor([role.mirrored])
        pose = role.pose[None, -GROUP:]
        decoded = painter(behind[:, 1:], role.words[None], pose, mirrored, torch.ones(1, GROUP))[0].clamp(-1, 1)
        seen = rng.permutation(GROUP)[:SEEN]
        given.append(((decoded[seen] + 1) * 127.5).round().to(torch.uint8))
        wanted.append(torch.from_numpy(large[seen]).permute(0, 3, 1, 2))
        middle.append(pose[0, seen, :2])
    return Pairs(torch.cat(given), torch.cat(wanted), torch.cat(middle))


@torch.inference_mode()
def evaluate(model: Upscaler, kept: Pairs) -> tuple[float, float]:
    """PSNR in dB, R'G'B', of ``model`` and of bicubic interpolation on whole frames."""
    errors = []
    for given, wanted in zip(kept.given, kept.wanted, strict=True):
        small, large = given[None].float() / 127.5 - 1, wanted[None].float() / 127.5 - 1
        plain = F.interpolate(small, scale_factor=float(FACTOR), mode="bicubic", align_corners=False)
        errors.append([F.mse_loss(made.clamp(-1, 1), large).item() for made in (model(small), plain)])
    ours, bicubic = (10 * np.log10(4 / np.array(errors))).mean(0).tolist()
    return ours, bicubic


def main() -> None:
    """Train for a number of minutes of CPU time and write the averaged weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--clips", type=int, default=400, help="rendered clips held in memory")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--autoencoder", type=Path, required=True)
    parser.add_argument("--painter", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--output", type=Path, default=Path("runs/upscaler.safetensors"))
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    drawn = load_file(args.painter)
    autoencoder, painter = Autoencoder().eval(), Painter(len(drawn["said.weight"])).eval()
    autoencoder.load_state_dict(load_file(args.autoencoder))
    painter.load_state_dict(drawn)
    pool, kept = (
        pairs(autoencoder, painter, clips, seed=seed) for clips, seed in ((args.clips, args.seed), (6, 10**9))
    )
    model = Upscaler().to(memory_format=torch.channels_last)
    if args.start:
        start_from(model, args.start)
    average = moving_average(model, 0.995)
    averaged = cast("Upscaler", average.module)
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.rate, betas=(0.9, 0.98), weight_decay=1e-4)
    begin, budget, step, reported = time.process_time(), args.minutes * 60, 0, 0.0
    args.output.parent.mkdir(parents=True, exist_ok=True)
    while (spent := time.process_time() - begin) < budget:
        for group in optimizer.param_groups:
            group["lr"] = args.rate * min(1.0, (step + 1) / 50, 2 * (1 - spent / budget))
        small, large = pool.batch(args.batch)
        with training_autocast():
            made = model(small)
        loss = F.smooth_l1_loss(made.float(), large, beta=0.1)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(model)
        step += 1
        if spent - reported > 60:
            reported = spent
            ours, bicubic = evaluate(averaged, kept)
            print(f"{spent:6.0f} cpu-s  step {step}  PSNR {ours:.2f} dB, bicubic {bicubic:.2f} dB", flush=True)
            save(averaged, args.output)
    save(averaged, args.output)
    ours, bicubic = evaluate(averaged, kept)
    print(f"done  step {step}  PSNR {ours:.2f} dB, bicubic {bicubic:.2f} dB", flush=True)


if __name__ == "__main__":
    main()
