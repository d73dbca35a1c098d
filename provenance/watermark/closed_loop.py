"""Mark in a closed loop: encode what was marked, read it, and spend only as much as it takes.

Nothing predicts what a codec does to a picture as well as the codec. The loop marks a stretch of the clip, compresses
it as harshly as a platform would, and measures the cosine between the code word and what is left of it. Where that is
more than enough, it lowers the amplitude; where it is too little, it tries the other carriers and the other way to
spread the energy over time, and keeps the best. The distortion never exceeds the embedder's own.

Feeding back single bits does not help, although it is the first thing one would try: what a harsh codec adds to a soft
value is as good as chance, and differs in the next encode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from countermark.core.media.frames import Frames
from countermark.core.media.round_trip import round_trip
from provenance.watermark.carriers import Carriers, Deal
from provenance.watermark.detector import SpreadSpectrumDetector, soft_values
from provenance.watermark.embedder import HORIZON, SpreadSpectrumEmbedder, Tuning
from provenance.watermark.normalise import forward

STRETCH = HORIZON  #: Frames that are tried together. The more there are, the less may each of them carry.
_BYTES = 2**28  # of luma in one stretch
_STRENGTHS = (0.59, 0.71, 0.84)  # amplitudes, 1.5 dB apart


@dataclass(frozen=True)
class _Trial:
    """An embedder after it has marked a stretch, and what a detector saw of that after the attack."""

    embedder: SpreadSpectrumEmbedder
    marked: Frames
    cosine: float


class ClosedLoopEmbedder:
    """Marks chunk after chunk like the embedder that it is given, with up to seven encodes of each.

    The first ``process`` sees the start of the clip; chunks should be as long as those of :func:`stretches`. ``crf`` is
    the H.264 rate factor to survive, ``margin`` the cosine that must be left: nearly all words read from .52.
    """

    def __init__(
        self,
        embedder: SpreadSpectrumEmbedder,
        new_detector: Callable[[], SpreadSpectrumDetector],
        dealt: Deal,
        carriers: Sequence[Carriers],
        code_word: npt.NDArray[np.uint8],
        *,
        crf: int,
        margin: float = 0.6,
    ) -> None:
        self._embedder, self._new_detector, self._dealt, self._carriers = embedder, new_detector, dealt, carriers
        self._sign = 1 - 2 * code_word.astype(np.float32)
        self._crf, self._margin = crf, margin

    def process(self, frames: Frames) -> Frames:
        """Mark a chunk."""
        best, tuning = self._try(frames, Tuning()), Tuning()
        if best.cosine < self._margin:
            others = (Tuning(onset=0.0), *(Tuning(carriers=choice) for choice in self._carriers))
            for other in others:
                trial = self._try(frames, other)
                best, tuning = (trial, other) if trial.cosine > best.cosine else (best, tuning)
                if best.cosine >= self._margin:
                    break
        low, high = 0, len(_STRENGTHS)  # the least strength that is enough, by bisection
        while low < high and best.cosine >= self._margin:
            middle = (low + high) // 2
            trial = self._try(frames, replace(tuning, strength=_STRENGTHS[middle]))
            if trial.cosine >= self._margin:
                best, high = trial, middle
            else:
                low = middle + 1
        self._embedder = best.embedder
        return best.marked

    def _try(self, frames: Frames, tuning: Tuning) -> _Trial:
        embedder = self._embedder.tuned(tuning)
        marked = embedder.process(frames)
        detector = self._new_detector()
        detector.update(round_trip(marked.even(), "libx264", {"crf": str(self._crf)}))
        planes = detector.evidence.planes
        soft = np.concatenate([soft_values(forward(plane), self._dealt) for plane in planes])
        return _Trial(embedder, marked, float(np.max(soft @ self._sign)) / len(self._sign) ** 0.5)


def stretches(chunks: Iterable[Frames]) -> Iterator[Frames]:
    """The same frames in chunks of 72, or fewer where they are large, so that memory stays bounded."""
    held: list[Frames] = []
    for chunk in chunks:
        size = max(1, min(STRETCH, _BYTES // (chunk.height * chunk.width)))
        start = 0
        while start < len(chunk):
            part = chunk[start : start + size - sum(map(len, held))]
            start += len(part)
            held.append(part)
            if sum(map(len, held)) == size:
                yield Frames.joined(held)
                held = []
    if held:
        yield Frames.joined(held)
