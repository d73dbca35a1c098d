"""Stretches of a clip around the frames that were looked at, and where it changes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from detector.evidence import Segment

Float64 = npt.NDArray[np.float64]


def segments(times: Float64, llrs: Float64, duration: float) -> tuple[Segment, ...]:
    """One segment for each frame at ``times`` [N] seconds, meeting half-way to the neighbours."""
    bounds = [0.0, *((times[1:] + times[:-1]) / 2), max(duration, float(times[-1]))]
    return tuple(
        Segment(start=float(bounds[i]), end=float(bounds[i + 1]), llr=round(float(llrs[i]), 3))
        for i in range(len(times))
    )


def partition(values: Float64, deviation: float, penalty: float, fewest: int = 2) -> list[tuple[int, int]]:
    """The division of ``values`` [N] into stretches [start, end) of constant mean that explains them best.

    Minimises the squared deviations from the means, in units of ``deviation``, plus ``penalty`` a stretch, each of at
    least ``fewest`` values. Exact dynamic programming (B. Jackson et al., An Algorithm for Optimal Partitioning of Data
    on an Interval, IEEE Signal Processing Letters 2005); N is small.
    """
    count = len(values)
    if count < 2 * fewest:
        return [(0, count)]
    sums, squares = (np.concatenate([[0.0], np.cumsum(values**power)]) for power in (1, 2))
    best: list[float] = [0.0] + [np.inf] * count
    last = [0] * (count + 1)
    for end in range(fewest, count + 1):
        for start in range(0, end - fewest + 1):
            length = end - start
            spread = squares[end] - squares[start] - (sums[end] - sums[start]) ** 2 / length
            cost = best[start] + spread / deviation**2 + penalty
            if cost < best[end]:
                best[end], last[end] = cost, start
    return _walk_back(last)


def _walk_back(last: Sequence[int]) -> list[tuple[int, int]]:
    parts: list[tuple[int, int]] = []
    end = len(last) - 1
    while end > 0:
        parts.append((last[end], end))
        end = last[end]
    return parts[::-1]
