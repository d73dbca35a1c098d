"""Teach the transformer few steps: ``python -m generator.dit.training.distillation FOLDER --teacher FILE``.

The pupil begins as its teacher and learns to reach in one step, without guidance, where the teacher arrives in several
steps with guidance (progressive distillation: Salimans and Ho, 2022; of guidance: Meng et al., 2023). A pupil of 4
steps computes 4 predictions for a window, its teacher of 20 steps 30 (`generator.dit.flow.LED_ANEW`).
"""

from __future__ import annotations

import argparse
import time
from itertools import pairwise
from pathlib import Path
from typing import cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from countermark.core.bfloat16 import training_autocast
from generator.dit.flow import SHIFT, Network, at_level, euler_share, freedom, guided, like, schedule
from generator.dit.networks import FAST_STEPS
from generator.dit.text import WORDS
from generator.dit.training.averaging import moving_average
from generator.dit.training.transformer import Pool, next_pool, optimizers
from generator.dit.transformer import TransformerConfig, VideoTransformer

SUBSTEPS = 3  # of the teacher to one of the pupil
GUIDANCE = 1.4
LOOSE_SHARE = 0.15  # of the clips begin below pure noise, as edits do


@torch.no_grad()
def target_of(teacher: Network, x: Tensor, free: Tensor, words: Tensor, levels: list[float]) -> Tensor:
    """The clean prediction with which one step from the first to the last of ``levels`` ends where the teacher ends.

    ``x`` [B, N, ...] is at the first level, or where a frame is less ``free`` [B, N], at that; the teacher goes through
    every level. Where nothing is left to do it is ``x`` itself.
    """
    away, y = torch.zeros_like(words), x
    for now, then in pairwise(levels):
        level, following = free.clamp(max=now), free.clamp(max=then)
        clean, _ = guided(teacher, y, level, words, away, GUIDANCE)
        y = y + like(euler_share(level, following), y) * (clean - y)
    share = like(euler_share(free.clamp(max=levels[0]), free.clamp(max=levels[-1])), x)
    return torch.where(share > 0, x + (y - x) / share.clamp(min=1e-6), x)


def distillation_loss(
    pupil: VideoTransformer,
    teacher: VideoTransformer,
    clean: Tensor,
    words: Tensor,
    *,
    clean_share: float,
) -> Tensor:
    """Squared error of the pupil's clean prediction at a random one of its steps, over the frames that it moves.

    ``clean`` [B, N, C, h, w], ``words`` [B, L]. Errors weigh as they move the sample: by the square of the step.
    """
    fine = schedule(FAST_STEPS * SUBSTEPS, shift=SHIFT)
    first = int(torch.randint(FAST_STEPS, ())) * SUBSTEPS
    levels = fine[first : first + SUBSTEPS + 1]
    free = freedom(len(clean), clean.shape[1], clean_share=clean_share)
    loose = torch.rand(len(clean), 1) < LOOSE_SHARE
    free = torch.minimum(free, torch.where(loose, torch.rand(len(clean), 1).clamp(min=0.3), 1.0))
    level = free.clamp(max=levels[0])
    x = at_level(clean, torch.randn_like(clean), level)

    with training_autocast():
        target = target_of(teacher, x, free, words, levels)
        said = pupil(x, level, words).float()
    weight = like(euler_share(level, free.clamp(max=levels[-1])).square(), clean)
    loss: Tensor = (weight * (said - target).square()).mean()
    return loss


def main() -> None:
    """Teach for a number of minutes of CPU time, writing the averaged weights as it goes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="latent shards")
    parser.add_argument("--other", type=Path, nargs="*", default=[], help="folders of shards of other picture sizes")
    parser.add_argument("--other-share", type=float, default=0.3, help="share of the steps spent on them")
    parser.add_argument("--teacher", type=Path, required=True, help="weights of the transformer")
    parser.add_argument("--minutes", type=float, default=20, help="CPU time to spend")
    parser.add_argument("--batch", type=int, default=12, help="clips in a batch; four times as many single frames")
    parser.add_argument("--stills", type=float, default=0.4, help="share of the steps spent on single latent frames")
    parser.add_argument("--rate", type=float, default=3e-4)
    parser.add_argument("--clean-share", type=float, default=0.2, help="clips with some frames given")
    parser.add_argument("--average", type=float, default=0.99, help="decay of the moving average")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("runs/transformer_fast.safetensors"))
    args = parser.parse_args()

    torch.manual_seed(args.seed)
    square, others = Pool(args.folder), [Pool(folder) for folder in args.other]
    teacher, pupil = (VideoTransformer(TransformerConfig(words=WORDS)) for _ in range(2))
    for model in (teacher, pupil):
        model.load_state_dict(load_file(args.teacher))
    teacher.eval().requires_grad_(requires_grad=False)
    average = moving_average(pupil, args.average)
    averaged = cast("VideoTransformer", average.module)
    (optimizer,) = optimizers(pupil, rate=args.rate, muon=False)

    begin, budget, reported, recent = time.process_time(), args.minutes * 60, 0.0, list[float]()
    args.output.parent.mkdir(parents=True, exist_ok=True)
    while (spent := time.process_time() - begin) < budget:
        for group in optimizer.param_groups:
            group["lr"] = args.rate * min(1.0, 2 * (1 - spent / budget))
        still = bool(torch.rand(()) < args.stills)
        pool, size = next_pool(square, others, args.other_share, args.batch * (4 if still else 1))
        latents, words = pool.batch(size, stills=still)
        loss = distillation_loss(pupil, teacher, latents, words, clean_share=args.clean_share)
        pupil.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(pupil.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(pupil)
        recent.append(loss.item())
        if spent - reported > 60:
            print(f"{spent:6.0f} cpu-s  {len(recent)} steps  loss {sum(recent) / len(recent):.4f}", flush=True)
            reported, recent = spent, []
            save_file(averaged.state_dict(), args.output)
    save_file(averaged.state_dict(), args.output)


if __name__ == "__main__":
    main()
