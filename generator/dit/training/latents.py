"""Render clips and store their latents in shards: ``python -m generator.dit.training.latents FOLDER --shards 20``.

A shard is one safetensors file: ``latents`` bfloat16 [clips, frames, channels, h, w], ``words`` int64 [clips, 4],
``plan`` float32 [clips, 25, 3], the subject's track. Shards appear by rename, so a training may read the folder
meanwhile.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from generator.dit.autoencoder import Autoencoder
from generator.dit.networks import SIDE
from generator.dit.places import GROUP
from generator.dit.text import tokens_of
from generator.world.clips import random_spec, render

LATENT_FRAMES = 7


def make_shard(
    autoencoder: Autoencoder, *, clips: int, seed: int, width: int, height: int, empty: bool = False
) -> dict[str, torch.Tensor]:
    """Latents of ``clips`` random clips with seen combinations only; subjects are as large in pixels at any size.

    ``empty`` clips show the scene alone: their words name no subject, and their plan is zero.
    """
    rng = np.random.default_rng(seed)
    latents, words, plans = [], [], []
    for _ in range(clips):
        spec = random_spec(rng, held_out=False)
        frames = 1 + GROUP * (LATENT_FRAMES - 1)
        clip = render(spec, frames=1 if empty else frames, height=height, width=width, scale=SIDE / height)
        shown = np.broadcast_to(clip.background, (frames, height, width, 3)).copy() if empty else clip.frames
        video = torch.from_numpy(shown).permute(0, 3, 1, 2)[None].float() / 127.5 - 1
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            latents.append(autoencoder.encode(video)[0].bfloat16())
        words.append(tokens_of({"scene": spec.scene} if empty else spec.concepts))
        plans.append(torch.zeros(frames, 3) if empty else torch.from_numpy(clip.track))
    return {
        "latents": torch.stack(latents).contiguous(),
        "words": torch.tensor(words),
        "plan": torch.stack(plans),
    }


def main() -> None:
    """Write shards until the folder holds as many of their kind as asked for; existing ones are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shards", type=int, default=20)
    parser.add_argument("--clips", type=int, default=500, help="clips in a shard")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--width", type=int, default=SIDE)
    parser.add_argument("--height", type=int, default=SIDE)
    parser.add_argument("--empty", action="store_true", help="clips of scenes without a subject")
    parser.add_argument("--autoencoder", type=Path, required=True)
    args = parser.parse_args()
    autoencoder = Autoencoder().eval()
    autoencoder.load_state_dict(load_file(args.autoencoder))
    args.folder.mkdir(parents=True, exist_ok=True)
    for i in range(args.shards):
        path = args.folder / f"{'empty-' if args.empty else ''}{i:04d}.safetensors"
        if path.exists():
            continue
        part = path.with_suffix(".part")
        size = {"width": args.width, "height": args.height}
        shard = make_shard(autoencoder, clips=args.clips, seed=args.seed + i, empty=args.empty, **size)
        save_file(shard, part)
        part.rename(path)
        print(path, flush=True)


if __name__ == "__main__":
    main()
