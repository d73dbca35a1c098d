"""A small drawn clip, and what sealing it gives, shared by the tests of provenance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from countermark.core.media import Frames, VideoSpec, VideoWriter
from countermark.core.settings import Settings
from provenance.origin import Origin
from provenance.seal import SealedVideo, seal

FRAMES, SIDE = 17, 256


def draw(frames: int = FRAMES, side: int = SIDE, seed: int = 1) -> Iterator[Frames]:
    """A ball over a hilly field under a grainy sky, in chunks of 8 frames."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    grain = np.random.default_rng(seed).normal(0, 6, (side, side, 1))
    pictures = []
    for t in range(frames):
        rgb = np.stack([90 + y * 0.3, 140 + y * 0.2, 200 - y * 0.1], axis=-1) + grain
        rgb[(x - 60 - 3 * t) ** 2 + (y - 120) ** 2 < 40**2] = [200, 40, 30]
        ground = y > 0.75 * side
        rgb[ground] = np.array([40, 110, 60]) + 12 * np.sin(x[ground] / 5)[:, None]
        pictures.append(np.clip(rgb, 0, 255).astype(np.uint8))
    for start in range(0, frames, 8):
        chunk = np.stack(pictures[start : start + 8])
        yield Frames.from_rgb(chunk, pts=np.arange(start, start + len(chunk)))


SPEC = VideoSpec(SIDE, SIDE, Fraction(24), Fraction(1, 24), preset="veryfast")
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


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Fresh settings: no keys and no registry yet."""
    return make_settings(tmp_path)


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unmarked MP4 of the drawn clip. Not to be changed."""
    path = tmp_path_factory.mktemp("plain") / "plain.mp4"
    with VideoWriter(path, SPEC) as writer:
        for frames in draw():
            writer.write(frames)
    return path


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    """A sealed video with the keys and registry that belong to it. Not to be changed."""
    folder = tmp_path_factory.mktemp("case")
    settings = make_settings(folder)
    return Case(folder, settings, seal(draw(), SPEC, folder / "sealed.mp4", origin=ORIGIN, settings=settings))
