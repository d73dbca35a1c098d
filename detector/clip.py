"""The file under examination, read once for all signals."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from math import ceil
from pathlib import Path
from time import perf_counter

import numpy as np
import numpy.typing as npt
from PIL import Image

from countermark.core.encoders.image import ImageEncoder, image_encoder
from countermark.core.errors import MediaError
from countermark.core.media import Limits, MediaInfo, VideoReader, probe
from countermark.core.settings import Settings
from detector.normalise import normalise
from detector.quality import detail
from detector.residual import CROPS, SIDE
from detector.tokens import Tokens, see
from provenance.verify import Verification, verify

UInt8 = npt.NDArray[np.uint8]

THUMBNAIL_WIDTH = 320
_FEWEST, _MOST, _SECONDS_APART = 8, 24, 1.0
_LEAST = 4  # frames that stand for a clip, unless it has no more
_WHOLE_PASS = 60.0  # seconds; a longer clip is sampled by seeking, a shorter one decoded once
_FULL_SIZE = 4  # frames kept as decoded, for marks that hide in single pixels

BURST_FRAMES, BURST_SECONDS = 8, 1.0
"""A burst: so many frames, evenly spaced, within so many seconds."""


@dataclass(frozen=True)
class Samples:
    """Frames spread evenly over a clip, turned upright.

    ``times`` float64 [N] seconds; ``normalised`` uint8 [N, 224, 224, 3], see :mod:`detector.normalise`; ``thumbnails``
    N uint8 [h, w, 3] of width at most 320; ``full`` uint8 [<=4, H, W, 3], the middle ones as decoded.
    """

    times: npt.NDArray[np.float64]
    normalised: UInt8
    thumbnails: tuple[UInt8, ...]
    full: UInt8


@dataclass(frozen=True)
class Burst:
    """Frames an eighth of a second apart from the middle of a clip, turned upright.

    ``times`` float64 [T] seconds; ``normalised`` uint8 [T, 224, 224, 3]; ``crops`` uint8 [<=CROPS, <=SIDE, <=SIDE, 3]
    the centre of the first ones as decoded.
    """

    times: npt.NDArray[np.float64]
    normalised: UInt8
    crops: UInt8


class Clip:
    """A video file with what signals ask of it, each computed once, on demand."""

    def __init__(self, path: Path, settings: Settings, *, quick: bool = False) -> None:
        """Probe the file. ``quick`` holds for the verification. Raises ``MediaError`` or ``MediaLimitError``."""
        self.opened = perf_counter()
        self.path = path
        self.settings = settings
        self.quick = quick
        self.limits = Limits.from_settings(settings)
        self.info: MediaInfo = probe(path, limits=self.limits)
        if self.info.still:  # nothing was measured on pictures
            cause = f"{path.name} is a picture; screening examines videos."
            raise MediaError(cause, remedy="Verify it instead: credentials, watermark and registry serve pictures too.")

    @cached_property
    def verification(self) -> Verification:
        """What provenance says of the file."""
        return verify(self.path, quick=self.quick, settings=self.settings)

    @property
    def samples(self) -> Samples:
        """Evenly spread frames. Raises ``MediaError`` if none can be decoded; no second attempt is made then."""
        if isinstance(self._samples, MediaError):
            raise self._samples
        return self._samples

    @cached_property
    def _samples(self) -> Samples | MediaError:
        try:
            return self._sample()
        except MediaError as error:
            return error

    def _sample(self) -> Samples:
        times: list[float] = []
        normalised: list[UInt8] = []
        thumbnails: list[UInt8] = []
        full: list[UInt8] = []
        count = sample_count(self.info.duration)
        first_full = (count - _FULL_SIZE) // 2
        for time, frame in sample_frames(self.path, self.info, self.limits, count):
            if first_full <= len(times) < first_full + _FULL_SIZE or not full:
                full.append(frame)
            times.append(time)
            normalised.append(normalise(frame))
            thumbnails.append(_thumbnail(frame))
        if not times:
            raise MediaError(
                f"{self.path.name} has no frame that can be decoded.", remedy="Check the file in a player."
            )
        return Samples(np.array(times), np.stack(normalised), tuple(thumbnails), np.stack(full[-_FULL_SIZE:]))

    @cached_property
    def burst(self) -> Burst:
        """Frames in quick succession. Raises ``MediaError`` if none can be decoded."""
        times: list[float] = []
        normalised: list[UInt8] = []
        crops: list[UInt8] = []
        for time, frame in burst_frames(self.path, self.info, self.limits):
            times.append(time)
            normalised.append(normalise(frame))
            if len(crops) < CROPS:
                crops.append(centre(frame))
        if not times:
            raise MediaError(f"The middle of {self.path.name} cannot be decoded.", remedy="Check the file in a player.")
        return Burst(np.array(times), np.stack(normalised), np.stack(crops))

    @property
    def encoder(self) -> ImageEncoder:
        """The image encoder, loaded once for all clips. Raises ``WeightsError`` if its weights are not installed."""
        return image_encoder(self.settings)

    @cached_property
    def tokens(self) -> Tokens:
        """What the encoder says about ``samples``."""
        return see(self.samples.normalised, self.encoder)

    @cached_property
    def burst_tokens(self) -> Tokens:
        """What the encoder says about ``burst``."""
        return see(self.burst.normalised, self.encoder)

    @cached_property
    def detail(self) -> float:
        """How much fine detail the frames have left, see :mod:`detector.quality`."""
        return detail(self.samples.normalised)


def centre(frame: UInt8) -> UInt8:
    """The central square of side at most ``SIDE`` of a frame uint8 [H, W, 3], not rescaled."""
    top, left = (max(0, (side - SIDE) // 2) for side in frame.shape[:2])
    return frame[top : top + SIDE, left : left + SIDE].copy()


def sample_count(duration: float) -> int:
    """How many frames to look at: one a second, but 8 to 24."""
    return int(np.clip(np.ceil(duration / _SECONDS_APART), _FEWEST, _MOST))


def sample_frames(path: Path, info: MediaInfo, limits: Limits, count: int) -> Iterator[tuple[float, UInt8]]:
    """At most ``count`` evenly spread frames: seconds from the start, and R'G'B' uint8 [H, W, 3] turned upright.

    A header by which hardly any are found is not believed: the frames are counted then.
    """
    stride = None if info.frame_count is None else max(1, info.frame_count // count)
    if info.duration > _WHOLE_PASS:
        found = _sought(path, info, limits, count)
    elif stride is None or _leaves_the_end(info, stride, count):  # without a count the rate is a guess, too
        found = _timed(path, info, limits, [info.duration * (index + 0.5) / count for index in range(count)])
    else:
        found = _strided(path, limits, stride, count, start=(stride // 2) / float(info.frame_rate))
    fewest = min(_LEAST, count, info.frame_count or count)
    first = list(islice(found, fewest))
    if len(first) < fewest:
        with VideoReader(path, limits, chunk=1) as reader:
            stride = max(1, ceil(sum(1 for _ in reader) / count))
        yield from _strided(path, limits, stride, count)
        return
    yield from first
    yield from found


def _leaves_the_end(info: MediaInfo, stride: int, count: int) -> bool:
    """Whether frames are so few and far between that a stride of whole frames ends much too early."""
    unseen = info.duration - (stride // 2 + stride * (count - 1)) / float(info.frame_rate)
    return unseen > max(_SECONDS_APART, 2 * stride / float(info.frame_rate))


def _sought(path: Path, info: MediaInfo, limits: Limits, count: int) -> Iterator[tuple[float, UInt8]]:
    for index in range(count):
        start = info.duration * (index + 0.5) / count
        with VideoReader(path, limits, chunk=1, start=start, max_frames=1) as reader:
            frames = next(iter(reader), None)
        if frames is None:  # the video ends before
            return
        yield start, info.upright(frames.to_rgb()[0])


def _timed(
    path: Path, info: MediaInfo, limits: Limits, moments: Sequence[float], start: float | None = None
) -> Iterator[tuple[float, UInt8]]:
    """The first frames at or after each of ``moments``, in seconds after the first one from ``start`` on."""
    with VideoReader(path, limits, chunk=1, start=start) as reader:
        due, origin = 0, None
        for frames in reader:
            origin = int(frames.pts[0]) if origin is None else origin
            time = float((int(frames.pts[0]) - origin) * info.time_base)
            if time >= moments[due]:
                yield (start or 0.0) + time, info.upright(frames.to_rgb()[0])
                due = bisect_right(moments, time)
            if due == len(moments):
                return


def _strided(
    path: Path, limits: Limits, stride: int, count: int, start: float | None = None
) -> Iterator[tuple[float, UInt8]]:
    with VideoReader(path, limits, chunk=1, stride=stride, start=start, max_frames=count) as reader:
        info, origin = reader.info, None
        for frames in reader:
            origin = int(frames.pts[0]) if origin is None else origin
            time = (int(frames.pts[0]) - origin) * float(info.time_base) + (start or 0.0)
            yield time, info.upright(frames.to_rgb()[0])


def burst_frames(
    path: Path, info: MediaInfo, limits: Limits, middle: float | None = None
) -> Iterator[tuple[float, UInt8]]:
    """At most ``BURST_FRAMES`` frames within ``BURST_SECONDS`` around ``middle`` (seconds; default half-way).

    Like :func:`sample_frames`. A clip shorter than a burst is taken whole.
    """
    length = min(BURST_SECONDS, info.duration)
    middle = info.duration / 2 if middle is None else middle
    latest = max(0.0, info.duration - length)
    if info.frame_count is None:
        moments = [length * index / BURST_FRAMES for index in range(BURST_FRAMES)]
        return _timed(path, info, limits, moments, start=min(max(0.0, middle - length / 2), latest))
    fps = float(info.frame_rate)
    stride = max(1, round(length * fps / BURST_FRAMES))
    start = min(max(0.0, middle - stride * BURST_FRAMES / fps / 2), latest)
    return _strided(path, limits, stride, BURST_FRAMES, start=start)


def _thumbnail(frame: UInt8) -> UInt8:
    image = Image.fromarray(frame)
    image.thumbnail((THUMBNAIL_WIDTH, THUMBNAIL_WIDTH))
    return np.asarray(image, np.uint8)
