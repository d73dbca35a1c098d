"""Where scenes begin: a codec predicts a scene from its first frames, so these keep the mark best."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

_CUT = 20.0  # mean absolute change of luma, in codes, from which a new scene is assumed ...
_STANDS_OUT = 1.5  # ... if it is as many times the largest of the changes just before: a fast pan has no cuts
_BEFORE = 3  # changes that are looked back on, so that a repeated frame in a pan makes no cut of the next
_STEP = 16  # pixels between the samples that are compared


class Scenes:
    """Divides a stream of frames into groups of at most ``size`` that do not reach across a cut."""

    def __init__(self, size: int, stands_out: float = _STANDS_OUT) -> None:
        """With ``stands_out`` 0 every large change is a cut, whatever came before."""
        self._size, self._stands_out = size, stands_out
        self._last: npt.NDArray[np.float32] | None = None
        self._changes: tuple[float, ...] = ()
        self._age = 0

    def groups(self, luma: npt.NDArray[np.uint8]) -> Iterator[tuple[slice, int]]:
        """Groups in the next chunk uint8 [T, H, W], and how many frames of the scene came before each."""
        begin = 0
        for index in range(len(luma)):
            sample = luma[index, ::_STEP, ::_STEP].astype(np.float32)
            change = 0.0 if self._last is None else float(np.mean(np.abs(sample - self._last)))
            before = max(self._changes, default=change)  # a stream's first change has none before to stand out from
            cut = change > max(_CUT, self._stands_out * before)
            if self._last is not None:
                self._changes = (*self._changes, change)[-_BEFORE:]
            self._last = sample
            if index > begin and (cut or index - begin == self._size):
                yield slice(begin, index), self._age
                self._age += index - begin
                begin = index
            if cut:
                self._age = 0
        if len(luma) > begin:
            yield slice(begin, len(luma)), self._age
            self._age += len(luma) - begin
