"""Train the closer look (`generator.dit.close_up`): ``python -m generator.dit.training.close_up --minutes 15``.

Drawings of all subjects in all colours are put on backgrounds, moved and scaled as inexactly as a locator finds them,
turned, mirrored, beside others, in the light of all hours, blurred and noisy.
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from countermark.core.bfloat16 import training_autocast
from generator.dit.close_up import FINE, REACH, READ, SIDE, CloseUp, crops_of
from generator.dit.training.painter import PAIRS, Drawings, drawings
from generator.dit.training.start import start_from
from generator.world.clips import random_spec, render
from generator.world.scenes import scene_of
from generator.world.vocabulary import BY_KIND, SCENES

BATCH = 96
TURNED = 0.3  # share that is turned, as what rolls or spins is
CROWDED = 0.3  # share beside which another subject stands
PLAIN = 6  # frames of every test clip
EXACT = 4.0  # weight of the loss of places


@dataclass(frozen=True)
class Placing:
    """Where drawings stand in crops: ``offset`` [B, 2] of the crop's centre from theirs and ``scale`` [B] of the crop,
    in half sizes; ``turn`` [B] in radians; ``mirrored`` [B], 1 or -1.
    """

    offset: Tensor
    scale: Tensor
    turn: Tensor
    mirrored: Tensor

    @property
    def off(self) -> Tensor:
        """What `CloseUp` should say of it, [B, 3]."""
        return torch.cat((-self.offset / self.scale[:, None], -self.scale.log()[:, None]), dim=1)


def random_placing(count: int) -> Placing:
    """As a locator finds them, which is nearly in the middle."""
    return Placing(
        0.2 * torch.randn(count, 2),
        (0.15 * torch.randn(count)).exp(),
        2 * math.pi * torch.rand(count) * (torch.rand(count) < TURNED),
        (torch.rand(count) < 0.5).float() * 2 - 1,
    )


def placed(all_of: Drawings, chosen: Tensor, where: Placing) -> Tensor:
    """The chosen drawings as layers [B, 4, n, n] of crops, premultiplied, colours in [-1, 1]."""
    axis = (torch.arange(SIDE * FINE) + 0.5) / (SIDE * FINE) * 2 * REACH - REACH
    x = axis[None, None, :] * where.scale[:, None, None] + where.offset[:, 0, None, None]
    y = axis[None, :, None] * where.scale[:, None, None] + where.offset[:, 1, None, None]
    sine, cosine = where.turn.sin()[:, None, None], where.turn.cos()[:, None, None]
    own = torch.stack(((x * cosine + y * sine) * where.mirrored[:, None, None], y * cosine - x * sine), dim=-1)
    side, size, centre = all_of.tiles.shape[-1], all_of.sizes[chosen], all_of.centres[chosen]
    grid = (own * size[:, None, None, None] / 2 + centre[:, None, None]) * (2 / side) - 1
    layer = F.grid_sample(all_of.tiles[chosen].float() / 255, grid, align_corners=False)
    return torch.cat((2 * layer[:, :3] - layer[:, 3:], layer[:, 3:]), dim=1)


def over(picture: Tensor, layer: Tensor) -> Tensor:
    """``layer`` [B, 4, n, n] on top of ``picture`` [B, 3, n, n]."""
    return picture * (1 - layer[:, 3:]) + layer[:, :3]


def batch_of(all_of: Drawings, backgrounds: Tensor) -> tuple[Tensor, Tensor, Placing]:
    """Crops to learn from, [B, 3, 48, 48] in [-1, 1], which drawing each shows, [B], and where."""
    fine = SIDE * FINE
    picture = torch.empty(BATCH, 3, fine, fine)
    for crop in picture:
        top, left = torch.randint(backgrounds.shape[2] - fine, (2,)).tolist()
        crop.copy_(backgrounds[int(torch.randint(len(backgrounds), ())), :, top : top + fine, left : left + fine])
    chosen, others = (torch.randint(len(all_of.sizes), (BATCH,)) for _ in range(2))
    aside, way = random_placing(BATCH), 2 * math.pi * torch.rand(BATCH)
    distance = 1.5 + 0.7 * torch.rand(BATCH) + 10 * (torch.rand(BATCH) > CROWDED)
    aside.offset.add_(distance[:, None] * torch.stack((way.cos(), way.sin()), dim=1))
    where = random_placing(BATCH)
    first, second = placed(all_of, others, aside), placed(all_of, chosen, where)
    whole = F.avg_pool2d(over(over(picture, first), second), FINE)
    return augmented(whole), chosen, where


def augmented(crops: Tensor) -> Tensor:
    """Light, contrast, blur and noise, chosen per crop."""
    count = len(crops)
    light = 1 - 0.6 * torch.rand(count, 1, 1, 1) * (torch.rand(count, 1, 1, 1) < 0.3)
    tint = 1 + 0.08 * torch.randn(count, 3, 1, 1)
    x = (crops + 1) * light * tint - 1 + 0.04 * torch.randn(count, 1, 1, 1)
    x = x + (F.avg_pool2d(x, 3, 1, 1) - x) * torch.rand(count, 1, 1, 1)
    return (x + 0.08 * torch.randn_like(x) * torch.rand(count, 1, 1, 1)).clamp(-1, 1)


def examined(clips: int, *, seed: int) -> tuple[Tensor, dict[str, Tensor]]:
    """Crops of frames of rendered clips, from exact places, and the truth, [clips * frames] of each kind and of what is
    mirrored.
    """
    rng = np.random.default_rng(seed)
    crops, truth = [], []
    for _ in range(clips):
        spec = random_spec(rng)
        clip = render(spec, frames=25)
        chosen = np.linspace(0, 24, PLAIN).round().astype(int)
        frames = torch.from_numpy(clip.frames[chosen]).permute(0, 3, 1, 2).float() / 127.5 - 1
        crops.append(crops_of(frames, torch.from_numpy(clip.track[chosen])))
        truth += [spec.concepts] * PLAIN
    names = {kind: [concept.name for concept in BY_KIND[kind]] for kind in READ}
    told: dict[str, Tensor] = {kind: torch.tensor([names[kind].index(each[kind]) for each in truth]) for kind in READ}
    told["mirrored"] = torch.tensor([each["motion"] == "left" for each in truth])
    return torch.cat(crops), told


@torch.inference_mode()
def accuracy(model: CloseUp, crops: Tensor, truth: dict[str, Tensor]) -> dict[str, float]:
    """Share of crops read rightly, per kind and in facing left; what looks the same both ways counts as half; and
    the mean error of the places, in half sizes.
    """
    look = model(crops)
    shares: dict[str, Tensor] = {kind: look.said[kind].argmax(1) == truth[kind] for kind in READ}
    shares |= {"mirrored": (look.mirrored > 0) == truth["mirrored"], "off": look.off.abs().mean(1)}
    return {name: round(each.float().mean().item(), 4) for name, each in shares.items()}


def main() -> None:
    """Train and print accuracy on renders."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15)
    parser.add_argument("--each", type=int, default=3, help="drawings of every subject in every colour")
    parser.add_argument("--scenes", type=int, default=280, help="backgrounds held in memory")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--output", type=Path, default=Path("runs/close_up.safetensors"))
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    pool = drawings(PAIRS, each=args.each, seed=args.seed)
    scenes = [scene_of(SCENES[i % len(SCENES)], 256, 256, rng).at(0) for i in range(args.scenes)]
    backgrounds = torch.from_numpy(np.stack(scenes)).permute(0, 3, 1, 2).contiguous() * 2 - 1
    columns = {kind: pool.words[:, i].contiguous() for i, kind in enumerate(READ)}
    truth = {kind: torch.searchsorted(column.unique(), column) for kind, column in columns.items()}
    tests = examined(150, seed=10**9)
    model = CloseUp()
    if args.start:
        start_from(model, args.start)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.02)
    begin, budget, step = time.process_time(), args.minutes * 60, 0
    while (spent := time.process_time() - begin) < budget:
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1.0, (step + 1) / 100, 2 * (1 - spent / budget))
        crops, chosen, where = batch_of(pool, backgrounds)
        with training_autocast():
            look = model(crops)
        loss = F.binary_cross_entropy_with_logits(look.mirrored.float(), (where.mirrored < 0).float())
        loss = loss + EXACT * F.smooth_l1_loss(look.off.float(), where.off, beta=0.05)
        loss = loss + sum(F.cross_entropy(look.said[kind].float(), truth[kind][chosen]) for kind in READ)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        if step % 500 == 0:
            print(f"{spent:5.0f} cpu-s  step {step}  loss {loss.item():.3f}  {accuracy(model, *tests)}", flush=True)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    save_file(model.state_dict(), args.output)
    print("done", accuracy(model, *tests), flush=True)


if __name__ == "__main__":
    main()
