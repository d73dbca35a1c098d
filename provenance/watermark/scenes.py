"""Where scenes begin: a codec predicts a scene from its first frames, so these keep the mark best."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

_CUT = 20.0  # mean absolute change of luma, in codes, from which a new scene is assumed
_STEP = 16  # pixels between the samples that are compared


class Scenes:
    """Divides a stream of frames into groups of at most ``size`` that do not reach across a cut."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._last: npt.NDArray[np.float32] | None = None
        self._age = 0

    def groups(self, luma: npt.NDArray[np.uint8]) -> Iterator[tuple[slice, int]]:
        """Groups in the next chunk uint8 [T, H, W], and how many frames of the scene came before each."""
        begin = 0
        for index in range(len(luma)):
            sample = luma[index, ::_STEP, ::_STEP].astype(np.float32)
            cut = self._last is not None and float(np.mean(np.abs(sample - self._last))) > _CUT
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
