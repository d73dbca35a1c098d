"""A small drawn clip and how it is sealed, for the tests of provenance and the processes they start."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

import numpy as np

from countermark.core.media import Frames, VideoSpec
from countermark.core.settings import Settings
from provenance.origin import Origin
from provenance.seal import SealedVideo

FRAMES, SIDE = 17, 256


def draw(frames: int = FRAMES, side: int = SIDE) -> Iterator[Frames]:
    """A ball over a hilly field under a grainy sky, in chunks of 8 frames."""
    yield from _chunks(frames, side)


@cache
def _chunks(frames: int, side: int) -> tuple[Frames, ...]:
    y, x = np.mgrid[:side, :side].astype(np.float32)
    grain = np.random.default_rng(1).normal(0, 6, (side, side, 1))
    pictures = []
    for t in range(frames):
        rgb = np.stack([90 + y * 0.3, 140 + y * 0.2, 200 - y * 0.1], axis=-1) + grain
        rgb[(x - 60 - 3 * t) ** 2 + (y - 120) ** 2 < 40**2] = [200, 40, 30]
        ground = y > 0.75 * side
        rgb[ground] = np.array([40, 110, 60]) + 12 * np.sin(x[ground] / 5)[:, None]
        pictures.append(np.clip(rgb, 0, 255).astype(np.uint8))
    chunks = []
    for start in range(0, frames, 8):
        chunk = np.stack(pictures[start : start + 8])
        chunks.append(Frames.from_rgb(chunk, pts=np.arange(start, start + len(chunk))))
    return tuple(chunks)


SPEC = VideoSpec(SIDE, SIDE, Fraction(24), Fraction(1, 24), preset="ultrafast")
ORIGIN = Origin(
    kind="generated",
    generator="test-model",
    version="1.2",
    prompt_sha256="ab" * 32,
    policy={"action": "allow", "policy_version": "7", "rewritten_prompt": "secret words", "reason": "fine"},
    title="A ball over a field",
)


@dataclass(frozen=True)
class Case:
    """A folder with its own keys and registry, and a sealed video in it."""

    folder: Path
    settings: Settings
    sealed: SealedVideo


def make_settings(folder: Path) -> Settings:
    return Settings(home=folder / "home", issuer_name="Test Studio")
