from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from made_clip import MakeClip

from countermark.core.media import Frames, VideoSpec, VideoWriter
from countermark.core.settings import Settings
from detector.clip import Clip, sample_frames
from detector.evidence import Evidence
from detector.signals import frames
from detector.timeline import segments
from detector.wording import say
from provenance.verify import Verification, verify


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a machine that has no weights."""
    return Settings(home=tmp_path / "home", _env_file=None)


@pytest.fixture
def quick_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clips that carry no watermark are not searched for one, which would take seconds."""

    def quickly(path: Path, *, quick: bool, settings: Settings) -> Verification:
        return verify(path, quick=True, settings=settings)

    monkeypatch.setattr("detector.clip.verify", quickly)


@pytest.fixture
def sampled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files whose frames were sampled, each time. They are scored without an encoder."""
    names = []

    def counted(path: Path, *how: object) -> Iterator[tuple[float, npt.NDArray[np.uint8]]]:
        names.append(path.name)
        return sample_frames(path, *how)

    def scored(clip: Clip) -> Evidence:
        parts = segments(clip.samples.times, np.zeros(len(clip.samples.times)), clip.info.duration)
        return Evidence(
            signal=frames.NAME,
            status="measured",
            subject="generated",
            said=say("frames.high", count=len(parts)),
            version="test",
            segments=parts,
        )

    monkeypatch.setattr("detector.clip.sample_frames", counted)
    monkeypatch.setattr(frames, "applicable", lambda _: None)
    monkeypatch.setattr(frames, "measure", scored)
    return names


@pytest.fixture
def make_clip(tmp_path: Path) -> MakeClip:
    """Writes a small clip of drifting blobs; ``metadata`` are container tags."""

    def make(
        name: str = "clip.mp4",
        *,
        frames: int = 16,
        fps: int = 8,
        size: int = 128,
        metadata: dict[str, str] | None = None,
    ) -> Path:
        y, x = np.mgrid[:size, :size] / size
        shots = []
        for t in range(frames):
            wave = np.stack([np.sin(7 * x + 5 * y + t / 5 + c) for c in range(3)], axis=-1)
            shots.append((127 + 100 * wave).astype(np.uint8))
        path = tmp_path / name
        spec = VideoSpec(width=size, height=size, fps=Fraction(fps), time_base=Fraction(1, fps), preset="ultrafast")
        with VideoWriter(path, spec, metadata=metadata) as writer:
            writer.write(Frames.from_rgb(np.stack(shots), pts=np.arange(frames, dtype=np.int64)))
        return path

    return make
