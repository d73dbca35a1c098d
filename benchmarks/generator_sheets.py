"""Contact sheets for the documentation, and what the tasks of the generator are measured by."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

from generator.dit.networks import load_networks
from generator.dit.text import understand
from generator.dit.views import read_clip
from generator.model import RGB
from generator.world.vocabulary import Kind

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SEEDS = range(8)
SHOWN = 6
READ: tuple[Kind, ...] = ("subject", "colour", "scene")


def sheet(name: str, rows: Sequence[RGB], *, shown: int = SHOWN) -> None:
    """A contact sheet: a row a seed, frames evenly spread over the clip."""
    lines = []
    for frames in rows:
        chosen = frames[np.linspace(0, len(frames) - 1, shown).round().astype(int)]
        height, width = frames.shape[1:3]
        small = (round(96 * width / height), 96) if width >= height else (96, round(96 * height / width))
        lines.append(np.concatenate([resized(frame, small) for frame in chosen], 1))
    save(lines, f"generator-{name}")


def grid(name: str, pictures: Sequence[RGB], size: tuple[int, int], *, columns: int) -> None:
    """Pictures [H, W, 3] beside and below each other, row by row, each of this ``size``."""
    small = [resized(picture, size) for picture in pictures]
    save([np.concatenate(small[i : i + columns], 1) for i in range(0, len(small), columns)], f"generator-{name}")


def resized(picture: RGB, size: tuple[int, int]) -> RGB:
    """A picture [H, W, 3] at a smaller ``size``, width and height."""
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))


def save(lines: Sequence[RGB], name: str) -> None:
    """Write rows of pictures [H, W, 3] for the documentation."""
    IMAGES.mkdir(exist_ok=True)
    Image.fromarray(np.concatenate(lines)).save(IMAGES / f"{name}.jpg", quality=85, optimize=True)


def step(a: RGB, b: RGB) -> float:
    """Mean absolute difference of two frames, of 255."""
    return float(np.abs(a.astype(np.float32) - b).mean())


def seam(frames: RGB, at: int) -> float:
    """The difference across the seam before frame ``at``, in units of the median difference of neighbours."""
    steps = [step(a, b) for a, b in pairwise(frames)]
    return steps[at - 1] / max(float(np.median(steps)), 0.05)


def crossing(frames: RGB, at: int, *, axis: int) -> float:
    """The difference of the lines on both sides of an edge, in units of the mean difference of lines near it."""
    lines = np.moveaxis(frames.astype(np.float32), axis, 0)[at - 8 : at + 8]
    steps = np.abs(np.diff(lines, axis=0)).mean((1, 2, 3))
    return float(steps[7] / max(float(np.delete(steps, 7).mean()), 0.05))


def seen(frames: RGB) -> dict[Kind, str]:
    """What the judge reads in a clip."""
    return read_clip(load_networks(), frames).concepts


def places(frames: RGB) -> np.ndarray:
    """Where the locator sees the subject: [T, 3]."""
    return read_clip(load_networks(), frames).plan[: len(frames)].numpy()


def read_back(rows: Sequence[RGB], prompts: Sequence[str]) -> str:
    """How much of what was asked for the judge reads in clips."""
    right = []
    for frames, prompt in zip(rows, prompts, strict=True):
        wanted, found = understand(prompt, seed=0).concepts, seen(frames)
        right += [found[kind] == wanted[kind] for kind in READ]
    return share(right)


def share(values: Sequence[bool]) -> str:
    """How many of so many."""
    return f"{sum(values)} of {len(values)}"


def spread(values: Sequence[float]) -> str:
    """Median and largest."""
    return f"{np.median(values):.2f}, {max(values):.2f}"
