"""Which stretches of a video carry which payload: one pass, time linear in the frames, memory independent of them.

Frames are added up in windows of half a second. What a window without the mark says of a given code word is bounded by
the key's random signs (see `detector.significant_cosine`); `runs` does the rest. Of a mark that is known to be in the
video, `segments` finds stretches that are too weak to be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from countermark.core.media.frames import Frames
from provenance.watermark.carriers import Deal, deal
from provenance.watermark.code import CODE_BITS, FALSE_POSITIVE_RATE, encode
from provenance.watermark.detector import (
    Evidence,
    SpreadSpectrumDetector,
    View,
    known_bits,
    significant_cosine,
    soft_values,
    stages,
    surest,
)
from provenance.watermark.geometry import Homography, resample
from provenance.watermark.grid import Plane
from provenance.watermark.interface import Mark
from provenance.watermark.keys import WatermarkKey
from provenance.watermark.normalise import forward
from provenance.watermark.payload import PAYLOAD_BITS, Payload
from provenance.watermark.runs import KEPT, Runs
from provenance.watermark.segments import Segments

_WINDOW = 0.5  # seconds
_STRAY = 1e-4  # chance that a window without a mark is taken to carry a given one
_SURE = 1e-12  # highest chance of a false reading in one decoding: a long video has very many
_LENGTHS = (1, 2, 4, KEPT)  # windows that are read together
_REMEMBERED = 2  # geometries, besides the frame as it is, in which the last marks were found
_UPRIGHT: Homography = np.eye(3)


class MarkedRange(BaseModel):
    """A stretch of a video, in seconds after its first frame, that carries the payload ``video_id``.

    ``false_positive_rate`` is the chance that unmarked video would have been read as marked up to there: that of one
    attempt, times the number of attempts made. For the payload that the video was already known to carry somewhere, it
    is the chance that any stretch without it fits as well.
    """

    model_config = ConfigDict(frozen=True)

    start: float
    end: float
    video_id: str
    false_positive_rate: float


class Timeline:
    """The marked ranges of one video, whose frames come chunk by chunk."""

    def __init__(
        self, keys: Sequence[WatermarkKey], size: tuple[int, int], *, search: bool = True, known: Mark | None = None
    ) -> None:
        """``size`` is (height, width) in pixels; ``search`` looks for cropped, turned and scaled pictures too.

        ``known`` is a mark that was found in the video as a whole: it gets a range, however weak it is.
        """
        self._runs = Runs(_WindowReader(keys, size, search=search, known=known))
        self._segments = None if known is None else Segments(known)
        self._window = SpreadSpectrumDetector((), size)
        self._start: float | None = None
        self._last = self._interval = 0.0

    def update(self, frames: Frames, seconds: npt.NDArray[np.float64]) -> None:
        """A chunk and the times [T] at which its frames are shown, which increase.

        Raises `WatermarkError` for frames of another size.
        """
        begin = 0
        for index, time in enumerate(seconds.tolist()):
            if self._start is None:
                self._start = self._last = time
            elif time >= self._start + _WINDOW:
                self._take(frames, begin, index)
                self._close(time)
                begin = index
            self._interval, self._last = time - self._last, time
        self._take(frames, begin, len(frames))

    def ranges(self) -> list[MarkedRange]:
        """The ranges of the whole video, in order; called once, after the last frame."""
        if self._start is not None:
            self._close(self._last + self._interval)
        read = [
            _range(run.start, run.end, run.mark.payload, run.mark.false_positive_rate) for run in self._runs.finish()
        ]
        if self._segments is None:
            return read
        known = self._segments.mark.payload
        others = [range_ for range_ in read if range_.video_id != known.video_id]
        if self._segments.joined and len(others) < len(read):  # what was read has the finer ends
            return read
        segments = self._segments.find([(other.start, other.end) for other in others])
        found = [_range(each.start, each.end, known, each.false_positive_rate) for each in segments]
        return sorted([*others, *found], key=lambda range_: range_.start)

    def _take(self, frames: Frames, begin: int, end: int) -> None:
        if end > begin:
            part = slice(begin, end)
            self._window.update(Frames(frames.luma[part], frames.chroma[part], frames.pts[part], frames.colour))

    def _close(self, time: float) -> None:
        """The window ends where the next frame is shown."""
        assert self._start is not None
        window, start, end = _Window(self._window.evidence), round(self._start, 3), round(time, 3)
        self._runs.add(start, end, window)
        if self._segments is not None:
            self._segments.add(start, end, window.spectra(self._segments.mark.geometry))
        self._window, self._start = self._window.emptied(), time


def _range(start: float, end: float, payload: Payload, rate: float) -> MarkedRange:
    return MarkedRange(start=start, end=end, video_id=payload.video_id, false_positive_rate=rate)


@dataclass(frozen=True)
class _Window:
    """A window's evidence, and its spectra in each geometry in which it was looked at."""

    evidence: Evidence
    _spectra: dict[bytes, tuple[Plane, Plane]] = field(default_factory=dict)

    def spectra(self, geometry: Homography) -> tuple[Plane, Plane]:
        """DCT spectra [320, 320] of detail and opening as they lie in the marked frame: linear, so windows add up."""
        name = geometry.tobytes()
        if name not in self._spectra:
            planes = self.evidence.detail, self.evidence.opening
            laid = planes if np.array_equal(geometry, _UPRIGHT) else [resample(plane, geometry) for plane in planes]
            detail, opening = map(forward, laid)
            self._spectra[name] = detail, opening
        return self._spectra[name]


class _WindowReader:
    """Reads windows with every key, in the geometries that were met last, or in all when asked to search."""

    def __init__(
        self, keys: Sequence[WatermarkKey], size: tuple[int, int], *, search: bool, known: Mark | None
    ) -> None:
        self._keys, self._size, self._search = tuple(keys), size, search
        self._geometries = [_UPRIGHT]
        self._decodings = 0
        if known is not None:
            self._remember(known.geometry)

    def read(self, windows: Sequence[_Window], *, search: bool) -> tuple[Mark, int] | None:
        return self._read_known(windows) or (self._read_any(windows) if search else None)

    def fits(self, windows: Sequence[_Window], mark: Mark) -> bool:
        soft = _view(windows, mark.geometry, deal(mark.key)).recallable
        lengths = np.linalg.norm(soft, axis=1) * CODE_BITS**0.5 + 1e-9
        cosine = float((soft @ (1 - 2 * encode(mark.payload.to_bits()).astype(np.float32)) / lengths).max())
        return bool(cosine > significant_cosine(_STRAY / len(soft)))

    def _read_known(self, windows: Sequence[_Window]) -> tuple[Mark, int] | None:
        lengths = [length for length in _LENGTHS if length <= len(windows)]
        for key in self._keys:
            dealt = deal(key)
            tries = [(geometry, length) for geometry in self._geometries for length in lengths]
            found = self._decode([_view(windows[-length:], g, dealt) for g, length in tries], key)
            if found is not None:
                mark, index = found
                return mark, tries[index][1]
        return None

    def _read_any(self, windows: Sequence[_Window]) -> tuple[Mark, int] | None:
        evidence = reduce(add, (window.evidence for window in windows))
        for key in self._keys:
            for views in stages(evidence, self._size, deal(key), search=self._search, squeezed=False):
                found = self._decode(views, key)
                if found is not None:
                    self._remember(found[0].geometry)
                    return found[0], len(windows)
        return None

    def _decode(self, views: Sequence[View], key: WatermarkKey) -> tuple[Mark, int] | None:
        """The clearest mark and the index of its view."""
        word, index = surest(views, key)
        self._decodings += sum(len(view.soft) for view in views)
        if word.payload is None or _chance(word.correlation, len(known_bits(key))) > _SURE:
            return None
        return Mark(Payload.from_bits(word.payload), key, views[index].geometry, self._decodings * _SURE), index

    def _remember(self, geometry: Homography) -> None:
        if not any(np.array_equal(geometry, known) for known in self._geometries):
            self._geometries = [_UPRIGHT, geometry, *self._geometries[1:]][: 1 + _REMEMBERED]


def _view(windows: Sequence[_Window], geometry: Homography, dealt: Deal) -> View:
    """What windows say together."""
    details, openings = zip(*(window.spectra(geometry) for window in windows), strict=True)
    return View(geometry, np.concatenate([soft_values(reduce(add, part), dealt) for part in (details, openings)]))


def _chance(cosine: float, known: int) -> float:
    """Chance at most that a decoding of unmarked material gives a payload at such a cosine.

    The CRC has to hold, and one of all the payloads that are possible where ``known`` bits are given has to fit so
    well: Hoeffding's bound for one, times their number.
    """
    any_payload = np.exp((PAYLOAD_BITS - known) * np.log(2) - max(cosine, 0) ** 2 * CODE_BITS / 2)
    return min(FALSE_POSITIVE_RATE, float(any_payload))
