"""Informed spread spectrum on luma, the same pattern in every frame of a short group of frames.

The pipeline, shared by embedder and detector (Cox et al., "Secure spread spectrum watermarking", IEEE Trans. IP 6(12),
1997, with the informed embedding of Miller, Doerr and Cox, IEEE Trans. IP 13(6), 2004)::

    mean luma of up to 8 frames -> 256 x 256 grid -> high-pass -> divide by the perceptual mask -> soft limiter
        -> DCT -> keyed coefficients of the band, whitened -> one projection for each of the 512 code bits

The embedder reads the host's own projections and raises the weakest first, all to one level that exhausts the
distortion budget, so that the picture's own structure does not interfere. The detector adds up projections over
the clip and hands them to the soft decoder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.fft import dctn, idctn

from countermark.core.errors import WatermarkError
from countermark.core.media.frames import Colour, Frames
from provenance.watermark.code import CODE_BITS, FALSE_POSITIVE_RATE, decode, encode
from provenance.watermark.grid import GRID, Plane, resize, to_grid
from provenance.watermark.interface import Reading
from provenance.watermark.keys import WatermarkKey
from provenance.watermark.payload import PAYLOAD_BITS, Payload

ALGORITHM_ID = "org.countermark.video.1"
DEFAULT_PSNR = 44.0

_MIN_SIDE = 128
_GROUP = 8  # frames that share one pattern
_BAND = (28.0, 56.0)  # cycles per frame
_HIGH_PASS = 10.0  # cycles per frame at which the Gaussian high-pass has lost 39 %
_MASK_WIDTH = 6.0  # standard deviation of the mask's window, grid points
_MASK_SLOPE = 8.0  # mean absolute detail (luma levels) that doubles the mask
_LIMIT = 1.0  # knee of the soft limiter, in units of the mask


@dataclass(frozen=True)
class Carriers:
    """Where the key puts each code bit: ``coefficient`` index into the flat grid, ``bit`` and ``sign`` [n],
    ``weight`` [n] that whitens natural pictures (their spectrum falls as 1/f).
    """

    coefficient: npt.NDArray[np.int64]
    bit: npt.NDArray[np.int64]
    sign: Plane
    weight: Plane

    def project(self, spectrum: Plane) -> Plane:
        """Soft values [512] of a DCT spectrum [256, 256]."""
        values = spectrum.ravel()[self.coefficient] * self.sign * self.weight
        return np.bincount(self.bit, values, CODE_BITS).astype(np.float32)

    def pattern(self, amplitude: Plane) -> Plane:
        """Spatial pattern [256, 256] of an amplitude for each code bit [512]."""
        spectrum = np.zeros(GRID * GRID, np.float32)
        spectrum[self.coefficient] = amplitude[self.bit] * self.sign
        return _inverse(spectrum.reshape(GRID, GRID))


@dataclass(frozen=True)
class SpreadSpectrum:
    """Countermark's own video watermark. ``psnr`` (dB, on R'G'B') is the distortion spent on every group of frames."""

    key: WatermarkKey
    psnr: float = DEFAULT_PSNR

    name = "countermark"
    algorithm_id = ALGORITHM_ID
    capacity = PAYLOAD_BITS

    def embedder(self, payload_bits: Sequence[int], *, width: int, height: int) -> SpreadSpectrumEmbedder:
        """An embedder for one clip; raises :class:`WatermarkError` for a side under 128 pixels or a wrong payload."""
        _check_size(width, height)
        if len(payload_bits) != PAYLOAD_BITS:
            raise WatermarkError(
                f"The payload has {len(payload_bits)} bits.", remedy=f"This watermark carries {PAYLOAD_BITS} bits."
            )
        sign = 1.0 - 2.0 * encode(payload_bits).astype(np.float32)
        return SpreadSpectrumEmbedder(deal(self.key), sign, self.psnr, (height, width))

    def detector(self, *, width: int, height: int) -> SpreadSpectrumDetector:
        """A detector for one clip; raises :class:`WatermarkError` for a side under 128 pixels."""
        _check_size(width, height)
        return SpreadSpectrumDetector(deal(self.key), (height, width))


class SpreadSpectrumEmbedder:
    """Marks one clip; chunks are independent of each other, so memory does not grow."""

    def __init__(self, carriers: Carriers, sign: Plane, psnr: float, size: tuple[int, int]) -> None:
        self._carriers, self._sign, self._psnr, self._size = carriers, sign, psnr, size

    def process(self, frames: Frames) -> Frames:
        """Mark a chunk. Luma only; chroma, times and colour are passed through."""
        _check_frames(frames, self._size)
        luma = np.empty_like(frames.luma)
        deviation = _luma_deviation(self._psnr, frames.colour)
        for part in _groups(len(frames)):
            group = frames.luma[part]
            step = self._pattern(to_grid(_mean(group)), deviation)
            low, high = min(int(group.min()), 16), max(int(group.max()), 235)  # never beyond what the clip already uses
            luma[part] = np.clip(group + step, low, high)
        return frames.with_luma(luma)

    def _pattern(self, host: Plane, deviation: float) -> npt.NDArray[np.int16]:
        """What to add to each frame of the group, int16 [H, W], of the given standard deviation."""
        normalised, mask = normalise(host)
        carriers = self._carriers
        gain = np.bincount(carriers.bit, carriers.weight, CODE_BITS)  # projection gained per unit of amplitude
        projection = carriers.project(_forward(normalised)) / gain
        # Parseval: the budget in pixels, translated to the sum of squared amplitudes over the code bits.
        budget = deviation**2 * GRID**2 / float(np.mean(mask**2)) / (len(carriers.bit) / CODE_BITS)
        amplitude = self._sign * raise_weakest(self._sign * projection, budget)
        full = resize(carriers.pattern(amplitude.astype(np.float32)) * mask, *self._size)
        full *= deviation / (float(np.sqrt(np.mean(full**2))) + 1e-9)
        return np.rint(full).astype(np.int16)


class SpreadSpectrumDetector:
    """Reads one clip: adds up the soft values of its groups of frames."""

    def __init__(self, carriers: Carriers, size: tuple[int, int]) -> None:
        self._carriers, self._size = carriers, size
        self._soft = np.zeros(CODE_BITS, np.float32)
        self._frames = 0

    def update(self, frames: Frames) -> None:
        """Add a chunk's soft values to the sum."""
        _check_frames(frames, self._size)
        for part in _groups(len(frames)):
            group = frames.luma[part]
            normalised, _ = normalise(to_grid(_mean(group)))
            self._soft += len(group) * self._carriers.project(_forward(normalised))
        self._frames += len(frames)

    @property
    def soft_values(self) -> Plane:
        """The accumulated soft values float32 [512]; positive means 0."""
        return self._soft.copy()

    def result(self) -> Reading:
        """Exact payload or None; ``statistic`` is the cosine between the soft values and the likeliest code word."""
        found = decode(self._soft[None])[0]
        return Reading(
            algorithm=ALGORITHM_ID,
            payload_bits=found.payload,
            payload=None if found.payload is None else Payload.from_bits(found.payload),
            statistic=found.correlation,
            frames=self._frames,
            false_positive_rate=FALSE_POSITIVE_RATE,
        )


def embed(frames: Frames, payload: Payload, key: WatermarkKey) -> Frames:
    """Mark a whole clip that is in memory."""
    embedder = SpreadSpectrum(key).embedder(payload.to_bits(), width=frames.width, height=frames.height)
    return embedder.process(frames)


def detect(frames: Frames, key: WatermarkKey) -> Reading:
    """Read a whole clip that is in memory."""
    detector = SpreadSpectrum(key).detector(width=frames.width, height=frames.height)
    detector.update(frames)
    return detector.result()


@cache
def deal(key: WatermarkKey) -> Carriers:
    """Deal the coefficients of the band to the code bits, by the key.

    The band is cut into rings of 512 coefficients of about equal frequency; every bit gets one of each ring, so that
    all bits are equally strong.
    """
    cycles = np.arange(GRID) / 2
    radius = np.hypot(cycles[:, None], cycles[None, :]).ravel()
    band = np.flatnonzero((radius >= _BAND[0]) & (radius < _BAND[1]))
    band = band[np.argsort(radius[band], kind="stable")]
    rings = len(band) // CODE_BITS
    coefficient = band[: rings * CODE_BITS]
    words = key.words("spread-spectrum/1", 2 * rings * CODE_BITS).reshape(2, rings, CODE_BITS)
    return Carriers(
        coefficient=coefficient,
        bit=np.argsort(words[0], axis=1, kind="stable").ravel(),
        sign=np.where(words[1].ravel() >> np.uint64(63), 1.0, -1.0).astype(np.float32),
        weight=(radius[coefficient] / _BAND[0]).astype(np.float32),
    )


def normalise(plane: Plane) -> tuple[Plane, Plane]:
    """Detail of a grid plane in units of what hides a change there, softly limited; and that mask, both [256, 256].

    The mask is wide and smooth on purpose: the detector must find the same one in a degraded picture.
    The limiter keeps edges, which in flat graphics hold nearly all the energy, from drowning the rest.
    """
    high_pass, window = _filters()
    detail = _inverse(_forward(plane) * high_pass)
    activity = _inverse(_forward(np.abs(detail)) * window)
    mask = np.asarray(1 + np.maximum(activity, 0) / _MASK_SLOPE, np.float32)
    scaled = detail / mask
    return np.asarray(scaled / np.sqrt(1 + (scaled / _LIMIT) ** 2), np.float32), mask


def raise_weakest(values: npt.NDArray[np.floating], budget: float) -> npt.NDArray[np.floating]:
    """Increments >= 0 of sum of squares ``budget`` that lift the lowest ``values`` [n] to the highest common level."""
    order = np.sort(values)
    count = np.arange(1, len(order) + 1)
    mean = np.cumsum(order) / count
    spread = np.maximum(np.cumsum(order**2) - count * mean**2, 0)  # cost of levelling the first `count` at their mean
    level = mean + np.sqrt(np.maximum(budget - spread, 0) / count)
    fits = (spread <= budget) & (level <= np.append(order[1:], np.inf))
    result: npt.NDArray[np.floating] = np.maximum(level[np.argmax(fits)] - values, 0)
    return result


@cache
def _filters() -> tuple[Plane, Plane]:
    """Transfer functions on the DCT grid: the Gaussian high-pass and the mask's Gaussian window."""
    cycles = np.arange(GRID) / 2
    square = cycles[:, None] ** 2 + cycles[None, :] ** 2
    high_pass = 1 - np.exp(-square / (2 * _HIGH_PASS**2))
    window = np.exp(-2 * (np.pi * _MASK_WIDTH / GRID) ** 2 * square)
    return high_pass.astype(np.float32), window.astype(np.float32)


def _forward(plane: Plane) -> Plane:
    return np.asarray(dctn(plane, norm="ortho"), np.float32)


def _inverse(spectrum: Plane) -> Plane:
    return np.asarray(idctn(spectrum, norm="ortho"), np.float32)


def _luma_deviation(psnr: float, colour: Colour) -> float:
    """Standard deviation of a luma change, in codes, that costs ``psnr`` dB on R'G'B'."""
    codes = 255 if colour.full_range else 219
    return codes / 10 ** (psnr / 20)


def _groups(count: int) -> Iterator[slice]:
    return (slice(start, min(start + _GROUP, count)) for start in range(0, count, _GROUP))


def _mean(group: npt.NDArray[np.uint8]) -> Plane:
    return np.asarray(group.sum(axis=0, dtype=np.uint16) / np.float32(len(group)), np.float32)


def _check_size(width: int, height: int) -> None:
    if min(width, height) < _MIN_SIDE:
        raise WatermarkError(
            f"A frame of {width}x{height} is too small for the watermark.",
            remedy=f"Use frames of at least {_MIN_SIDE}x{_MIN_SIDE} pixels.",
        )


def _check_frames(frames: Frames, size: tuple[int, int]) -> None:
    if (frames.height, frames.width) != size:
        raise WatermarkError(
            f"A frame of {frames.width}x{frames.height} came in a clip of {size[1]}x{size[0]}.",
            remedy="Start a new embedder or detector where the frame size changes.",
        )
