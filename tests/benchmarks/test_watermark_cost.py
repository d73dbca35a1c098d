"""What the benchmark of costs says of a mark whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.watermark_cost import MARGIN, ONSET, even, grey, shown


def test_a_known_mark_is_measured_where_nothing_is_drawn() -> None:
    """Half of the frame is far from the line; the mark turns over once, and is stronger beside the line at first."""
    luma = np.full((ONSET + 4, 200, 400), 100, np.uint8)
    luma[:, :, 150] = 200
    clip = grey(luma)
    mark = np.where(np.indices((200, 400)).sum(axis=0) % 2, 2, -2)
    marks = np.stack([mark if t < 8 else -mark for t in range(len(luma))])
    marks[0, :, 110:190] *= 3
    cells = shown(clip, grey((luma + marks).astype(np.uint8)))
    area = 1 - (2 * MARGIN + 1) / 400
    assert cells[0] == f"{area:.0%}"
    assert (cells[1], cells[2], cells[4], cells[6]) == ("2.00", "2", "4.000", "2.00")
    assert float(cells[3]) == pytest.approx(4 / np.sqrt(len(luma) - 1), abs=0.001)
    assert 4 < float(cells[5]) < 6


def test_where_something_moves_or_is_textured_nothing_is_flat() -> None:
    rng = np.random.default_rng(0)
    assert not even(grey(rng.integers(0, 255, (3, 64, 64), np.uint8)), 2).any()
    moving = np.full((2, 64, 64), 90, np.uint8)
    moving[1] = 120
    assert not even(grey(moving), 0).any()
    assert shown(grey(moving), grey(moving)) == ["-"] * 7
