"""Divide a stream of short windows into runs that carry one payload each, in memory that does not grow with it.

The logic asks a reader two questions of windows, of which it knows nothing else: which mark do the newest carry (dear,
and hard to answer for a single window), and does a window carry a mark that is known (cheap). So a mark is looked for
in the newest 1, 2, 4 and 8 windows, and once it is read, the windows before and after are only asked about that mark.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from provenance.watermark.interface import Mark

E = TypeVar("E")
E_contra = TypeVar("E_contra", contravariant=True)

KEPT = 8
"""Windows that are kept while no run claims them; a search is made when as many new ones have gathered."""
DROPOUT = 2
"""Windows in succession that may read too weakly without ending a run."""


class Reader(Protocol[E_contra]):
    """Reads marks out of the evidence of windows that follow each other, the newest last."""

    def read(self, windows: Sequence[E_contra], *, search: bool) -> tuple[Mark, int] | None:
        """A mark and how many of the newest windows it was read from; ``search`` spares no cost."""
        ...

    def fits(self, windows: Sequence[E_contra], mark: Mark) -> bool:
        """Do these windows together carry this mark?"""
        ...


@dataclass(frozen=True)
class _Window(Generic[E]):
    index: int
    start: float
    end: float
    evidence: E


@dataclass(frozen=True)
class Run:
    """A stretch from ``start`` to ``end`` (seconds) that carries ``mark``; ``last`` is the index of its last window."""

    start: float
    end: float
    mark: Mark
    last: int


class Runs(Generic[E]):
    """The runs of one stream. Keeps at most eight windows, the run in hand, and the runs that have ended."""

    def __init__(self, reader: Reader[E]) -> None:
        self._reader = reader
        self._unclaimed: deque[_Window[E]] = deque(maxlen=KEPT)
        self._unsearched = 0
        self._count = 0
        self._run: Run | None = None
        self._ended: list[Run] = []

    def add(self, start: float, end: float, evidence: E) -> None:
        """The next window, of the time from ``start`` to ``end`` in seconds."""
        self._unclaimed.append(_Window(self._count, start, end, evidence))
        self._count += 1
        self._unsearched += 1
        if not self._continue():
            self._read(search=self._unsearched >= KEPT)

    def finish(self) -> list[Run]:
        """All runs in order of time, after a last search in what is left."""
        if self._unsearched:
            self._read(search=True)
        return self._ended if self._run is None else [*self._ended, self._run]

    def _continue(self) -> bool:
        """Claim the newest windows for the run in hand if they still carry its mark."""
        run = self._run
        if run is None or self._count - 1 - run.last > DROPOUT + 1:
            return False
        windows = [window.evidence for window in self._unclaimed]
        if not self._reader.fits(windows[-1:], run.mark) and not self._reader.fits(windows, run.mark):
            return False
        self._claim(run.mark, list(self._unclaimed))
        return True

    def _read(self, *, search: bool) -> None:
        """Look for any mark in the unclaimed windows, and claim those that carry it."""
        if search:
            self._unsearched = 0
        found = self._reader.read([window.evidence for window in self._unclaimed], search=search)
        if found is not None:
            mark, count = found
            windows = list(self._unclaimed)
            fitting = [window for window in windows if self._reader.fits([window.evidence], mark)]
            self._claim(mark, _last_without_gap(fitting) or windows[-count:])

    def _claim(self, mark: Mark, windows: list[_Window[E]]) -> None:
        first, last = windows[0], windows[-1]
        run = self._run
        if run is not None and run.mark.payload == mark.payload and first.index - run.last <= DROPOUT + 1:
            surest = min(run.mark.false_positive_rate, mark.false_positive_rate)
            self._run = Run(run.start, last.end, replace(mark, false_positive_rate=surest), last.index)
        else:
            if run is not None:
                self._ended.append(run)
            self._run = Run(first.start, last.end, mark, last.index)
        later = [window for window in self._unclaimed if window.index > last.index]
        self._unclaimed = deque(later, maxlen=KEPT)
        self._unsearched = len(later)


def _last_without_gap(windows: list[_Window[E]]) -> list[_Window[E]]:
    """The newest of these windows, back to where more than a drop-out is missing between two."""
    for position in range(len(windows) - 1, 0, -1):
        if windows[position].index - windows[position - 1].index > DROPOUT + 1:
            return windows[position:]
    return windows
