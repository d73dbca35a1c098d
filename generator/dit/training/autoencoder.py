"""Fit the video encoder and train the decoder on rendered clips.

``python -m generator.dit.training.autoencoder --minutes 30``
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from generator.dit.autoencoder import Autoencoder
from generator.dit.judge import labels
from generator.dit.places import GROUP
from generator.dit.text import tokens_of
from generator.dit.training.averaging import moving_average
from generator.dit.training.start import start_from
from generator.world.clips import Clip, random_spec, render
from generator.world.vocabulary import COLOURS, KINDS, SUBJECTS

CLIP_FRAMES = 13
HEARD = 0.5  # share of crops that the painter knows from their words alone
NAMING = 0.02  # weight of the loss of naming what is seen
CELLS = 800  # of the painter that are drawn for a crop, about a third


class Namer(nn.Module):
    """Loss of naming subject and colour from the painter's look, so that it learns soon what tells them apart."""

    def __init__(self) -> None:
        super().__init__()
        self.say = nn.ModuleList(nn.LazyLinear(len(names)) for names in (SUBJECTS, COLOURS))

    def forward(self, look: Tensor, names: Tensor) -> Tensor:
        """``look`` [B, L], ``names`` int64 [B, 2]."""
        said = [say(F.silu(look)) for say in self.say]
        return torch.stack([F.cross_entropy(row, names[:, i]) for i, row in enumerate(said)]).sum()


@dataclass(frozen=True)
class Crops:
    """Groups of four frames cut from clips, ``frames`` [B, 4, 3, size, size] in [-1, 1], what is behind the subject,
    ``backgrounds`` [B, 1, 3, size, size], where it is, ``plans`` [B, 4, 3], its number and that of its colour,
    ``names`` int64 [B, 2], and the ``words`` of its prompt, int64 [B, 4].
    """

    frames: Tensor
    backgrounds: Tensor
    plans: Tensor
    names: Tensor
    words: Tensor


def crops(pool: list[Clip], rng: np.random.Generator, *, batch: int, size: int, around: float = 0.75) -> Crops:
    """Random crops; the share ``around`` contains the subject, where the detail is. One in eight repeats a single
    frame, as the first frame of a clip does.
    """
    out = np.empty((batch, GROUP, size, size, 3), np.uint8)
    behind = np.empty((batch, 1, size, size, 3), np.uint8)
    plans = np.empty((batch, GROUP, 3), np.float32)
    names = np.empty((batch, 2), np.int64)
    words = np.empty((batch, len(KINDS)), np.int64)
    for i in range(batch):
        clip = pool[rng.integers(len(pool))]
        names[i] = labels(clip.spec)[:2]
        words[i] = tokens_of(clip.spec.concepts)
        frames, height, width, _ = clip.frames.shape
        start = int(rng.integers(frames - GROUP + 1))
        if rng.random() < around:
            x, y = clip.track[start, 0] * width, clip.track[start, 1] * height
            left = int(np.clip(x - size * rng.uniform(0.3, 0.7), 0, width - size))
            top = int(np.clip(y - size * rng.uniform(0.3, 0.7), 0, height - size))
        else:
            left, top = int(rng.integers(width - size + 1)), int(rng.integers(height - size + 1))
        chosen = np.full(GROUP, start) if rng.random() < 0.125 else np.arange(start, start + GROUP)
        part = np.s_[top : top + size, left : left + size]
        out[i], behind[i] = clip.frames[chosen][:, *part], clip.background[part]
        plans[i] = (clip.track[chosen] * (width, height, height) - (left, top, 0)) / size
    return Crops(_signal(out), _signal(behind), *map(torch.from_numpy, (plans, names, words)))


def _signal(frames: npt.NDArray[np.uint8]) -> Tensor:
    """uint8 [..., H, W, 3] to [..., 3, H, W] in [-1, 1]."""
    return torch.from_numpy(frames).movedim(-1, -3).float() / 127.5 - 1


def told(plans: Tensor) -> Tensor:
    """Plans [B, 4, 3] as the decoder will meet them: some exact, some as inexact as a locator's, a few missing."""
    shape = plans.shape[:1]
    off = torch.randn(len(plans), 1, 3) * 0.01 + torch.randn_like(plans) * 0.003
    inexact = (torch.rand(shape) < 0.4).float()[:, None, None]
    there = (torch.rand(shape) < 0.9).float()[:, None, None]
    return (plans + off * inexact) * there


@torch.no_grad()
def evaluate(model: Autoencoder, clips: list[Clip]) -> float:
    """Mean PSNR in dB over whole clips, R'G'B' with peak 255, with the true plan and words."""
    psnr = []
    for clip in clips:
        video = torch.from_numpy(clip.frames).permute(0, 3, 1, 2)[None].float() / 127.5 - 1
        with torch.autocast("cpu", torch.bfloat16):
            words = torch.tensor([tokens_of(clip.spec.concepts)])
            decoded = model.decode(model.encode(video), torch.from_numpy(clip.track)[None], words)
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
    parser.add_argument("--painter", type=float, default=0.5, help="share of the run that trains the painter alone")
    parser.add_argument(
        "--words", action="store_true", help="only learn anew what words look like, without what is held out"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--output", type=Path, default=Path("runs/autoencoder.safetensors"))
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    shown = False if args.words else None
    pool = [render(random_spec(rng, held_out=shown), frames=CLIP_FRAMES) for _ in range(args.clips)]
    held_out = [render(random_spec(rng), frames=CLIP_FRAMES) for _ in range(8)]

    args.output.parent.mkdir(parents=True, exist_ok=True)
    model = Autoencoder().to(memory_format=torch.channels_last)
    if args.start:
        start_from(model, args.start)
    else:
        model.fit(torch.cat([crops(pool, rng, batch=100, size=256).frames for _ in range(8)]))
        save(model, args.output)
        print(f"linear code  PSNR {evaluate(model, held_out):.2f} dB", flush=True)
    if args.words:  # the code and what is seen may know all combinations; what is told must not, or nothing is tested
        model.requires_grad_(False)
        for part in (model.painter.said, *model.painter.hear[1::2]):
            cast("nn.Linear | nn.EmbeddingBag", part.requires_grad_(True)).reset_parameters()
    average = moving_average(model, 0.99)
    averaged = cast("Autoencoder", average.module)
    namer = Namer()
    optimizer = torch.optim.AdamW(
        [*model.parameters(), *namer.parameters()], lr=args.rate, betas=(0.9, 0.98), weight_decay=1e-4
    )

    begin = time.process_time()
    budget, step, reported = args.minutes * 60, 0, 0.0
    while (spent := time.process_time() - begin) < budget:
        decay = min(1.0, (1 - spent / budget) / (1 - args.decay_from))
        for group in optimizer.param_groups:
            group["lr"] = args.rate * min(1.0, (step + 1) / 100) * decay
        painting = args.words or spent < args.painter * budget
        model.painter.most = CELLS * args.batch if painting else None
        cut = crops(pool, rng, batch=args.batch, size=args.size, around=1.0 if painting else 0.75)
        plans = told(cut.plans)
        with torch.autocast("cpu", torch.bfloat16):
            behind = cut.backgrounds.expand_as(cut.frames)
            look = said = model.painter.told(cut.words)
            if not args.words:
                with torch.no_grad():
                    latents = model.encode_groups(cut.frames)
                noisy = latents + torch.randn_like(latents) * torch.rand(len(latents), 1, 1, 1) * args.noise
                with torch.set_grad_enabled(not painting):
                    drawn = model.drawn(noisy)
                look = model.painter.look(drawn, plans)
                behind = behind if painting else drawn
            heard = torch.rand(len(look), 1) < HEARD
            output = model.painter(behind, torch.where(heard, said, look), plans)
        # Squared for small errors, absolute for large ones: exact in flat areas, crisp at edges.
        loss = F.smooth_l1_loss(output.float(), cut.frames, beta=0.1) + NAMING * namer(look.float(), cut.names)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(model)
        step += 1
        if spent - reported > 60:
            reported = spent
            named = (namer.say[0](F.silu(look.float())).argmax(1) == cut.names[:, 0]).float().mean().item()
            psnr = evaluate(averaged, held_out)
            print(
                f"{spent:6.0f} cpu-s  step {step}  loss {loss.item():.4f}  named {named:.2f}  PSNR {psnr:.2f} dB",
                flush=True,
            )
            save(averaged, args.output)
    print(f"done  step {step}  PSNR {evaluate(averaged, held_out):.2f} dB", flush=True)
    save(averaged, args.output)


if __name__ == "__main__":
    main()
