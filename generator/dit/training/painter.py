"""Train the painter (`generator.dit.painter`) on the world's own drawings, seen pairs of subject and colour only.

``python -m generator.dit.training.painter --minutes 30``
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
from safetensors.torch import save_file
from torch import Tensor

from countermark.core.bfloat16 import training_autocast
from generator.dit.painter import CELL, REACH, Painter
from generator.dit.text import TOKEN
from generator.dit.training.averaging import moving_average
from generator.world.clips import ClipSpec
from generator.world.sprites import OVERSAMPLE, Sprite
from generator.world.vocabulary import COLOURS, SUBJECTS

SIZES = (68, 100)  # pixels a side: of the smallest of three, and of the largest alone
PAD = 20  # pixels around a drawing: where cells may still lie
CELLS = 64  # of a drawing in a batch
BATCH = 48
PAIRS = [(subject, colour) for subject in SUBJECTS for colour in COLOURS]


@dataclass(frozen=True)
class Drawings:
    """Subjects at random sizes and sub-pixel places: ``tiles`` uint8 [N, 4, S, S], premultiplied R'G'B' and cover;
    where the centre is, ``centres`` [N, 2] pixels, x before y; ``sizes`` [N]; and the ``words``, int64 [N, 2].
    """

    tiles: Tensor
    centres: Tensor
    sizes: Tensor
    words: Tensor


def held_out(subject: str, colour: str) -> bool:
    """Whether the pair never comes up in training; motion and scene have no say in it."""
    return ClipSpec(subject, colour, "hover", "sea", 0).held_out


def drawings(pairs: list[tuple[str, str]], *, each: int, seed: int) -> Drawings:
    """``each`` drawings of every pair."""
    rng = np.random.default_rng(seed)
    side = SIZES[1] + 2 + 2 * PAD
    tiles = np.zeros((len(pairs) * each, side, side, 4), np.uint8)
    centres, sizes = np.empty((len(tiles), 2), np.float32), np.empty(len(tiles), np.float32)
    words = []
    for i in range(len(tiles)):
        subject, colour = pairs[i // each]
        size = int(rng.integers(SIZES[0], SIZES[1] + 1))
        down, across = rng.integers(0, OVERSAMPLE, 2).tolist()
        tile = Sprite(subject, colour, size).tile(down, across)
        tiles[i, PAD : PAD + len(tile), PAD : PAD + len(tile)] = np.rint(tile * 255)
        centres[i] = PAD + size / 2 + np.array([across, down]) / OVERSAMPLE
        sizes[i] = size
        words.append([TOKEN["subject", subject], TOKEN["colour", colour]])
    return Drawings(
        torch.from_numpy(tiles).permute(0, 3, 1, 2).contiguous(),
        torch.from_numpy(centres),
        torch.from_numpy(sizes),
        torch.tensor(words),
    )


def loss_on(painter: Painter, all_of: Drawings, chosen: Tensor) -> Tensor:
    """How far ``CELLS`` random cells of each chosen drawing are from what they should be, over random colours."""
    centre, size = all_of.centres[chosen], all_of.sizes[chosen]
    side = all_of.tiles.shape[-1]
    away = (2 * torch.rand(len(chosen), CELLS, 2) - 1) * REACH * size[:, None, None] / 2
    corner = (centre[:, None] + away - CELL / 2).round().long().clamp(0, side - CELL)  # x before y
    place = (corner + CELL / 2 - centre[:, None]) / (size[:, None, None] / 2)
    step = torch.arange(CELL)
    rows = corner[..., 1, None, None] + step[:, None]
    columns = corner[..., 0, None, None] + step
    pixels = all_of.tiles[chosen[:, None, None, None], :, rows, columns].float() / 255  # [B, K, 4, 4, c]
    true_cover = pixels[..., 3].flatten(0, 1).flatten(1)
    true_colour = (2 * pixels[..., :3] - pixels[..., 3:]).permute(0, 1, 4, 2, 3).flatten(0, 1).flatten(1)
    item = torch.arange(len(chosen)).repeat_interleave(CELLS)
    with training_autocast():
        colour, cover = painter.cells(painter.look(all_of.words[chosen]), item, place.flatten(0, 1))
    behind = (2 * torch.rand(len(chosen), 3) - 1)[item].repeat_interleave(CELL**2, 1)
    drawn, true = (c + behind * (1 - a.repeat(1, 3)) for c, a in ((colour, cover), (true_colour, true_cover)))
    # Squared for small errors, absolute for large ones: exact in flat areas, crisp at edges.
    return F.smooth_l1_loss(drawn, true, beta=0.1)


@torch.inference_mode()
def evaluate(painter: Painter, all_of: Drawings, *, count: int = 96) -> float:
    """Mean PSNR in dB of whole drawings over grey, within the square that the subject fills."""
    psnr = []
    for i in torch.linspace(0, len(all_of.sizes) - 1, count).round().long().tolist():
        side = all_of.tiles.shape[-1] // CELL * CELL
        pixels = all_of.tiles[i, :, :side, :side].float() / 255
        true = 2 * pixels[:3] - pixels[3:]
        pose = torch.tensor([*(all_of.centres[i] / side).tolist(), float(all_of.sizes[i]) / side, 0.0]).expand(1, 4, 4)
        painted = painter(
            torch.zeros(1, 4, 3, side, side), all_of.words[i : i + 1], pose, torch.zeros(1).bool(), torch.ones(1, 4)
        )
        inside = np.s_[..., PAD:-PAD, PAD:-PAD]
        psnr.append(10 * np.log10(4 / F.mse_loss(painted[0, 0][inside], true[inside]).item()))
    return float(np.mean(psnr))


def main() -> None:
    """Train for a number of minutes of CPU time with a decaying rate, and write the averaged weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--each", type=int, default=6, help="drawings of every subject in every colour")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("runs/painter.safetensors"))
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    seen = [pair for pair in PAIRS if not held_out(*pair)]
    unseen = [pair for pair in PAIRS if held_out(*pair)]
    pool = drawings(seen, each=args.each, seed=args.seed)
    tests = {name: drawings(pairs, each=1, seed=10**6) for name, pairs in (("seen", seen), ("held out", unseen))}
    painter = Painter()
    average = moving_average(painter, 0.999)
    averaged = cast("Painter", average.module)
    optimizer = torch.optim.AdamW(painter.parameters(), lr=args.rate, betas=(0.9, 0.98), weight_decay=1e-4)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    begin, budget, step, reported = time.process_time(), args.minutes * 60, 0, 0.0
    while True:
        spent = time.process_time() - begin
        if spent - reported > 120 or spent >= budget:
            reported = spent
            reached = {name: f"{evaluate(averaged, test):.2f} dB" for name, test in tests.items()}
            print(f"{spent:6.0f} cpu-s  step {step}  {reached}", flush=True)
            save_file({name: tensor.contiguous() for name, tensor in averaged.state_dict().items()}, args.output)
        if spent >= budget:
            break
        for group in optimizer.param_groups:
            group["lr"] = args.rate * min(1.0, (step + 1) / 200, 2 * (1 - spent / budget))
        loss = loss_on(painter, pool, torch.randint(len(pool.sizes), (BATCH,)))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(painter.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(painter)
        step += 1


if __name__ == "__main__":
    main()
