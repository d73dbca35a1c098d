"""Other frame rates than the networks': given frames are thinned out to theirs, and pieces shown at any times."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import zip_longest

import torch
from torch import Tensor

from generator.dit.piece import Piece
from generator.model import RGB
from generator.world.clips import FPS


class Thinned:
    """Every chunk of ``chunks``, uint8 [T, H, W, 3], without the frames that lie between two twelfths of a second;
    ``count`` says how many frames of all went by.
    """

    def __init__(self, chunks: Iterable[RGB], fps: int) -> None:
        self._chunks, self._fps = chunks, fps
        self.count = 0

    def __iter__(self) -> Iterator[RGB]:
        for chunk in self._chunks:
            first, self.count = self.count, self.count + len(chunk)
            if kept := [i for i in range(len(chunk)) if _is_nearest(first + i, self._fps)]:
                yield chunk[kept]


def _is_nearest(index: int, fps: int) -> bool:
    """Whether a frame at ``fps``, counted from 0, is the nearest one to a twelfth of a second."""
    twelfth = -((1 - 2 * index) * FPS // (2 * fps))  # the first that is not nearer to the frame before
    return 2 * twelfth * fps < (2 * index + 1) * FPS


def latest(frames: RGB, fps: int) -> RGB:
    """As `Thinned`, of a few frames, counted back from the last."""
    last = len(frames) - 1
    return frames[[i for i in range(len(frames)) if _is_nearest(last - i, fps)]]


def times_of(pieces: Sequence[Piece], fps: int, *, count: int | None = None, joined: bool = False) -> list[Tensor]:
    """When every one of ``pieces`` is shown, float64 in its own frames, so that together they make ``fps`` frames a
    second: ``count`` of them, by default for as long as the pieces last. A first piece that goes on from given frames
    begins one step after the last of them; with ``joined`` there are frames given after the last one, too, and one
    step before them is the end.
    """
    step, length = Fraction(FPS, fps), sum(piece.frames for piece in pieces)
    begin = Fraction(0) if pieces[0].start else step - 1
    if count is None:
        count = int(length / step) if not joined and not pieces[0].start else -int((begin - length) // step)
    every = [begin + step * n for n in range(count)]
    out, first, done = [], 0, 0
    for piece, following in zip_longest(pieces, pieces[1:]):
        last = first + piece.frames - 1
        if following is None:
            end = count
        else:  # what goes on from this piece leads over from its last frame
            end = bisect_left(every, last + 1) if following.start else bisect_right(every, last)
        out.append(torch.tensor([float(time - first) for time in every[done:end]], dtype=torch.float64))
        first, done = last + 1, end
    return out
