"""The averaging and copying attacks do work on a watermark that is nothing but one fixed pattern a bit."""

from __future__ import annotations

import numpy as np
import pytest
from moving_clip import cv2, moving

from benchmarks.clips import clips
from benchmarks.watermark_security import added, detail, main, shared, table
from provenance.watermark import Reading

BITS = 8


class Additive:
    """Adds or takes away a smooth random pattern for each bit, and correlates."""

    name, algorithm_id, capacity = "additive", "test.additive", BITS

    def __init__(self) -> None:
        noise = np.random.default_rng(8).normal(size=(BITS, 64, 64))
        smooth = [cv2.GaussianBlur(plane, (0, 0), 0.7) for plane in noise]
        self.patterns = np.stack([plane / plane.std() for plane in smooth])

    def on(self, height, width):
        return np.stack([cv2.resize(plane, (width, height)) for plane in self.patterns])

    def embedder(self, bits, *, width, height):
        self.change = np.tensordot(2.0 * np.array(bits) - 1, self.on(height, width), 1)
        return self

    def process(self, frames):
        return frames.with_luma(np.clip(frames.luma + self.change, 0, 255).astype(np.uint8))

    def detector(self, *, width, height):
        return self

    def update(self, frames):
        plane = frames.luma.mean(axis=0)
        plane -= cv2.GaussianBlur(plane, (0, 0), 10)
        self.soft = np.tensordot(self.on(*plane.shape), plane, 2) / plane.size

    def result(self):
        sure = np.abs(self.soft).min() > 0.2
        bits = tuple(int(value > 0) for value in self.soft)
        return Reading("test.additive", bits if sure else None, None, 0.0, 1, 1.0)


def test_a_fixed_pattern_is_averaged_out_and_copied(tmp_path):
    found = list(clips("drawn", tmp_path, count=6, length=3))
    rng = np.random.default_rng(0)
    messages = [tuple(int(bit) for bit in rng.integers(0, 2, BITS)) for _ in found]
    lines = {line.split(" | ")[0]: line for line in table(found, Additive(), messages)}
    assert lines["| taken away: mean of the others, one message in all"].endswith("| 0 of 6 |")
    assert lines["| put on an unmarked clip: mean of the others, one message in all"].endswith("| 6 of 6 |")


def test_strength_is_what_it_says():
    clip = moving(96, 160, 2)
    plane = np.random.default_rng(0).normal(size=(96, 160)).astype(np.float32)
    error = (added(clip, plane, 38).luma.astype(float) - clip.luma).var()
    assert 10 * np.log10(255**2 / error) == pytest.approx(38, abs=0.2)
    assert shared([plane, plane[:48, :80]], 48, 80).shape == (48, 80)
    assert np.abs(detail(clip)).max() <= 4


@pytest.mark.usefixtures("unsearched")
def test_the_command_writes_its_table(tmp_path):
    out = tmp_path / "out.md"
    main([str(tmp_path), "--material", "drawn", "--clips", "2", "--frames", "3", "--table", str(out)])
    text = out.read_text()
    assert "2 clips of up to 3 frames" in text
    assert "| taken away: the clip's own detail |" in text
    with pytest.raises(SystemExit, match="fewer than two"):
        main([str(tmp_path), "--material", "hd", "--table", str(out)])
