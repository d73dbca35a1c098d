"""Where in a video one mark lies that is known to be in it, however weak: in memory that does not grow with it.

A blind reading has 2^48 messages to tell apart; here there is one, so that far weaker windows count. Windows add up by
their soft values at unit length, so that one without the mark weighs as much as one with it, be it ever so quiet. A
part of the video gains what its cosine with the code word is worth as evidence, a log-likelihood ratio. To begin a
stretch costs what the best of all parts without the mark could gain by chance; to go on with one, in a part where the
mark may be weaker, costs less. The division of the video with the highest total is the likeliest that chance does not
explain: a penalised partition, exact by dynamic programming (Jackson et al., "An algorithm for optimal partitioning of
data on an interval", IEEE Signal Processing Letters 12(2), 2005).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from provenance.watermark.carriers import deal
from provenance.watermark.code import CODE_BITS, encode
from provenance.watermark.detector import ROWS, chance_of_cosine, significant_cosine, soft_values
from provenance.watermark.grid import Plane
from provenance.watermark.interface import Mark
from provenance.watermark.runs import DROPOUT

FALSE_POSITIVE_RATE = 1e-6
"""Chance that any stretch of a video is called marked where it is not, over all stretches that are compared."""

_MOST = 256  # windows that are held; then neighbours are joined, and the windows are twice as long
_PLANES = 2  # of evidence: all frames alike, and mostly the first of each scene
_STRAY = 1e-3  # chance that a stretch goes on, at one of its ends, into video without the mark


@dataclass(frozen=True)
class Segment:
    """A stretch in seconds, and the chance that any of those compared would fit so well without the mark."""

    start: float
    end: float
    false_positive_rate: float


@dataclass(frozen=True)
class _Window:
    """``soft`` [2, 3, 512] are the soft values of the two planes times the signs of the code word."""

    start: float
    end: float
    soft: Plane
    parts: int = 1

    def __add__(self, later: _Window) -> _Window:
        return _Window(self.start, later.end, self.soft + later.soft, self.parts + later.parts)


class Segments:
    """The stretches of one video that carry ``mark``. Holds at most 256 windows, 12 KB each."""

    def __init__(self, mark: Mark) -> None:
        self.mark = mark
        self._dealt = deal(mark.key)
        self._sign = 1 - 2 * encode(mark.payload.to_bits()).astype(np.float32)
        self._windows: list[_Window] = []
        self._parts = 1  # windows as they came in each that is held

    @property
    def joined(self) -> bool:
        """Whether windows had to be joined, so that ends are no longer right to within one."""
        return self._parts > 1

    def add(self, start: float, end: float, spectra: tuple[Plane, Plane]) -> None:
        """The next window, from ``start`` to ``end`` seconds, and the DCT spectra [320, 320] of its detail and opening
        as they lie in the marked frame.
        """
        soft = np.stack([soft_values(spectrum, self._dealt) for spectrum in spectra])
        window = _Window(start, end, soft * self._sign)
        if self._windows and self._windows[-1].parts < self._parts:
            self._windows[-1] += window
            return
        if len(self._windows) == _MOST:
            self._windows = [one + other for one, other in zip(self._windows[::2], self._windows[1::2], strict=True)]
            self._parts *= 2
        self._windows.append(window)

    def find(self, taken: Sequence[tuple[float, float]] = ()) -> list[Segment]:
        """The stretches in order, clear of the times ``taken`` by other marks.

        Where none stands out from chance by itself, it is the one that fits best: that the video carries the mark was
        found by other means, and only the place is asked for.
        """
        count = len(self._windows)
        free = np.array([all(w.end <= start or w.start >= end for start, end in taken) for w in self._windows], bool)
        cosines = self._cosines(free)
        highest = float(cosines.max(initial=0))
        if highest <= 0:
            return []
        rows = ROWS * (_PLANES + 1)
        comparisons = rows * count * (count + 1) // 2
        clear = significant_cosine(FALSE_POSITIVE_RATE / comparisons)
        begin = min(clear, highest * (1 - 1e-6))
        proceed = min(significant_cosine(_STRAY / (rows * count)), begin)
        stretches = _partition(cosines, free, begin, proceed, DROPOUT // self._parts)

        def surest(stretch: list[tuple[int, int]]) -> float:
            return max(float(cosines[part]) for part in stretch)

        if highest <= clear:
            stretches = [max(stretches, key=surest)]
        return [
            Segment(
                self._windows[stretch[0][0]].start,
                self._windows[stretch[-1][1] - 1].end,
                min(1.0, comparisons * chance_of_cosine(surest(stretch))),
            )
            for stretch in stretches
        ]

    def _cosines(self, free: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        """The cosine of each part [n, n + 1], from the window of the first index to before that of the second: the
        highest of those of the bands and planes, each by itself and added up. 0 where a window is not ``free``.
        """
        count = len(self._windows)
        cosines = np.zeros((count, count + 1))
        for first in np.flatnonzero(free).tolist():
            last = first + int(np.argmin(np.append(free[first:], False)))
            rows = np.cumsum([window.soft for window in self._windows[first:last]], axis=0)
            rows = np.concatenate((rows, rows.sum(axis=1, keepdims=True)), axis=1)  # [windows, 3, 3, 512]
            lengths = np.linalg.norm(rows, axis=-1) * CODE_BITS**0.5 + 1e-9
            cosines[first, first + 1 : last + 1] = (rows.sum(axis=-1) / lengths).max(axis=(1, 2))
        return cosines


def _partition(
    cosines: npt.NDArray[np.float64], free: npt.NDArray[np.bool_], begin: float, proceed: float, dropout: int
) -> list[list[tuple[int, int]]]:
    """The stretches with the highest total, each as its parts.

    A part gains the evidence of its cosine, less that of the cosine ``begin`` for the first of a stretch, and of
    ``proceed`` for further ones, which follow at once or after as many as ``dropout`` windows that are ``free``.
    """
    gains, count = _evidence(cosines), len(cosines)
    first_cost, further_cost = _evidence(np.array((begin, proceed)))
    best = np.zeros(count + 1)  # total up to a window
    inside = np.full(count + 1, -np.inf)  # the same where a stretch ends there
    origin: list[tuple[int, int | None]] = [(0, None)] * (count + 1)  # of its last part: where that began, and the end
    for last in range(1, count + 1):  # of the part before, if there is one
        for first in range(last):
            ways: list[tuple[float, int | None]] = [(best[first] - first_cost, None)]
            for before in range(first, max(first - dropout, 0) - 1, -1):
                ways.append((inside[before] - further_cost, before))
                if before and not free[before - 1]:
                    break
            total, before_it = max(ways, key=lambda way: way[0])
            if total + gains[first, last] > inside[last]:
                inside[last], origin[last] = total + gains[first, last], (first, before_it)
        best[last] = max(best[last - 1], inside[last])
    stretches: list[list[tuple[int, int]]] = []
    while count:
        if best[count] == best[count - 1]:
            count -= 1
            continue
        parts: list[tuple[int, int]] = []
        end: int | None = count
        while end is not None:
            count, before_it = origin[end]
            parts.insert(0, (count, end))
            end = before_it
        stretches.insert(0, parts)
    return stretches


def _evidence(cosines: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Log-likelihood ratio of the mark, at its likeliest strength in noise of its likeliest, to noise alone."""
    explained = np.minimum(np.maximum(cosines, 0) ** 2, 1 - 1e-9)
    return np.asarray(-CODE_BITS / 2 * np.log1p(-explained))
