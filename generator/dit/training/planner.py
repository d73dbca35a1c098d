"""Train the planner on the world's own tracks, which need no rendering.

``python -m generator.dit.training.planner --minutes 5``
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from generator.dit.flow import flow_loss, training_levels
from generator.dit.planner import Planner, encode_plan
from generator.dit.text import NOTHING, WORDS, tokens_of
from generator.dit.training.averaging import moving_average
from generator.world.clips import random_spec, track


def examples(count: int, *, frames: int, seed: int) -> tuple[Tensor, Tensor]:
    """Random plans [count, frames, 3] and the words for how they move, [count, 4]."""
    rng = np.random.default_rng(seed)
    specs = [random_spec(rng) for _ in range(count)]
    plans = torch.from_numpy(np.stack([track(spec, frames) for spec in specs]))
    return plans, torch.tensor([tokens_of(spec.concepts, "motion") for spec in specs])


def main() -> None:
    """Train for a number of minutes of CPU time and write the averaged weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--examples", type=int, default=40_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=Path("runs/planner.safetensors"))
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    model = Planner(WORDS)
    average = moving_average(model, 0.999)
    plans, words = examples(args.examples, frames=model.frames, seed=args.seed)
    coded = encode_plan(plans)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=1e-4)
    begin, budget, step = time.process_time(), args.minutes * 60, 0
    while (spent := time.process_time() - begin) < budget:
        for group in optimizer.param_groups:
            group["lr"] = 1e-3 * min(1.0, 2 * (1 - spent / budget))
        index = torch.randint(len(coded), (256,))
        told = words[index].masked_fill(torch.rand(256, words.shape[1]) < 0.1, NOTHING)
        loss = flow_loss(model, coded[index], told, training_levels(256, 1, mean=0.0, clean_share=0.0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(model)
        step += 1
        if step % 2000 == 0:
            print(f"{spent:5.0f} cpu-s  step {step}  loss {loss.item():.4f}", flush=True)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    save_file(average.module.state_dict(), args.output)


if __name__ == "__main__":
    main()
