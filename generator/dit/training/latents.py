"""Render scenes and store their latents in shards: ``python -m generator.dit.training.latents FOLDER --shards 20``.

A shard is one safetensors file: ``latents`` bfloat16 [clips, frames, channels, h, w] and ``words`` int64 [clips, 4].
Shards appear by rename, so a training may read the folder meanwhile.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from generator.dit.autoencoder import Autoencoder
from generator.dit.networks import LATENT_FRAMES, SIDE
from generator.dit.places import GROUP
from generator.dit.text import tokens_of
from generator.world.clips import FPS
from generator.world.scenes import scene_of
from generator.world.vocabulary import SCENES


def make_shard(
    autoencoder: Autoencoder, *, clips: int, seed: int, width: int, height: int, scenes: Sequence[str] = SCENES
) -> dict[str, torch.Tensor]:
    """Latents of ``clips`` random ``scenes`` without a subject; only frames that have a code of their own are drawn."""
    rng = np.random.default_rng(seed)
    latents, words = [], []
    for _ in range(clips):
        name = str(rng.choice(scenes))
        scene = scene_of(name, height, width, np.random.default_rng(int(rng.integers(2**31))))
        frames = np.stack([scene.at(GROUP * number / FPS) for number in range(LATENT_FRAMES)])
        with torch.inference_mode():
            latents.append(autoencoder.encode_frames(torch.from_numpy(frames).movedim(-1, 1) * 2 - 1).bfloat16())
        words.append(tokens_of({"scene": name}, "scene"))
    return {"latents": torch.stack(latents).contiguous(), "words": torch.tensor(words)}


def main() -> None:
    """Write shards until the folder holds as many as asked for; existing ones are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--shards", type=int, default=20)
    parser.add_argument("--clips", type=int, default=500, help="clips in a shard")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--width", type=int, default=SIDE)
    parser.add_argument("--height", type=int, default=SIDE)
    parser.add_argument("--scenes", nargs="+", choices=SCENES, default=SCENES, help="which are drawn, equally often")
    parser.add_argument("--autoencoder", type=Path, required=True)
    args = parser.parse_args()
    autoencoder = Autoencoder().eval()
    autoencoder.load_state_dict(load_file(args.autoencoder))
    args.folder.mkdir(parents=True, exist_ok=True)
    for i in range(args.shards):
        path = args.folder / f"{i:04d}.safetensors"
        if path.exists():
            continue
        part = path.with_suffix(".part")
        size = {"width": args.width, "height": args.height}
        save_file(make_shard(autoencoder, clips=args.clips, seed=args.seed + i, scenes=args.scenes, **size), part)
        part.rename(path)
        print(path, flush=True)


if __name__ == "__main__":
    main()
