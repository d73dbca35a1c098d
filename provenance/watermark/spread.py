"""Informed spread spectrum on luma, the same pattern in every frame of a short group of frames.

The chain, shared by embedder and detector (after Cox et al., "Secure spread spectrum watermarking for multimedia", IEEE
Trans. Image Processing 6(12), 1997)::

    mean luma of a few frames -> 256 x 256 grid -> high-pass -> over the perceptual mask -> soft limiter
        -> DCT -> keyed coefficients of one band, whitened -> one projection for each of the 512 code bits

The embedder is informed (Malvar and Florencio, "Improved spread spectrum", IEEE Trans. Signal Processing 51(4), 2003;
Miller, Doerr and Cox, IEEE Trans. Image Processing 13(6), 2004): it reads the host's own projections and raises the
weakest first, all to one level that exhausts the distortion budget, so that the picture's own structure hardly
interferes. The detector adds up projections over the clip and hands them to the soft decoder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from countermark.core.errors import WatermarkError
from countermark.core.media.frames import Colour, Frames
from provenance.watermark.carriers import BANDS, Carriers, candidate_bands, deal
from provenance.watermark.code import CODE_BITS, FALSE_POSITIVE_RATE, decode, encode
from provenance.watermark.grid import GRID, Plane, resize, to_grid
from provenance.watermark.interface import Reading
from provenance.watermark.keys import WatermarkKey
from provenance.watermark.normalise import forward, normalise
from provenance.watermark.payload import PAYLOAD_BITS, Payload

ALGORITHM_ID = "org.countermark.video.1"
DEFAULT_PSNR = 44.2

_MIN_SIDE = 128
_FLAT_DEVIATION = 0.95  # luma codes of standard deviation where there is no detail: more shows on a clear sky
_EMBED_GROUP = 8  # frames that share one pattern: codecs keep what stands still
_DETECT_GROUP = 2  # frames averaged before the limiter: fewer is better where things move, and slower
_COMPENSATION = 0.7  # share of the host's interference that is worth its distortion once a codec adds noise
_PASSES = 2  # the limiter is not linear: the second pass corrects by what the first achieved


@dataclass(frozen=True)
class SpreadSpectrum:
    """Countermark's own video watermark.

    ``psnr`` (dB, on R'G'B') is the most distortion spent on a group of frames; flat pictures get less.
    """

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
        carriers = [deal(self.key, band) for band in candidate_bands(width, height)]
        return SpreadSpectrumEmbedder(carriers, encode(payload_bits), self.psnr, (height, width))

    def detector(self, *, width: int, height: int) -> SpreadSpectrumDetector:
        """A detector for one clip; raises :class:`WatermarkError` for a side under 128 pixels."""
        _check_size(width, height)
        return SpreadSpectrumDetector([deal(self.key, band) for band in BANDS], (height, width))


class SpreadSpectrumEmbedder:
    """Marks one clip, each group of frames by itself: memory does not grow, and excerpts read."""

    def __init__(
        self, carriers: Sequence[Carriers], code_word: npt.NDArray[np.uint8], psnr: float, size: tuple[int, int]
    ) -> None:
        self._carriers, self._psnr, self._size = carriers, psnr, size
        self._sign = 1 - 2 * code_word.astype(np.float32)

    def process(self, frames: Frames) -> Frames:
        """Mark a chunk. Luma only; chroma, times and colour are passed through."""
        _check_frames(frames, self._size)
        luma = np.empty_like(frames.luma)
        limit = _luma_deviation(self._psnr, frames.colour)
        for part in _groups(len(frames), _EMBED_GROUP):
            group = frames.luma[part]
            step = self._pattern(to_grid(_mean(group)), limit)
            low, high = min(int(group.min()), 16), max(int(group.max()), 235)  # never beyond what the clip already uses
            luma[part] = np.clip(group + step, low, high)
        return frames.with_luma(luma)

    def _pattern(self, host: Plane, limit: float) -> npt.NDArray[np.int16]:
        """What to add to each frame of a group whose mean is ``host``: int16 [H, W], deviation at most ``limit``.

        Takes the first band in which this picture's own structure leaves the mark clear, else the last, which is
        always the clearest. A clip never goes back to an earlier band: soft values add up best within one.
        """
        normalised, mask = normalise(host)
        deviation = min(limit, _FLAT_DEVIATION * _rms(mask))
        spectrum = forward(normalised)
        pattern, clarity = self._shape(self._carriers[0], host, spectrum, mask, deviation)
        while clarity < self._carriers[0].band.clear and len(self._carriers) > 1:
            self._carriers = self._carriers[1:]
            pattern, clarity = self._shape(self._carriers[0], host, spectrum, mask, deviation)
        full = resize(pattern, *self._size)
        full *= deviation / (_rms(full) + 1e-9)
        return np.rint(full).astype(np.int16)

    def _shape(
        self, carriers: Carriers, host: Plane, spectrum: Plane, mask: Plane, deviation: float
    ) -> tuple[Plane, float]:
        """The pattern on the grid, and the cosine between code word and soft values that a detector would see in it."""
        before = interference = carriers.project(spectrum)
        # Parseval: the budget in pixels as a sum of squared amplitudes over the code bits.
        budget = deviation**2 * GRID**2 / float(np.mean(mask**2)) / carriers.per_bit
        gain = 1.0
        for _ in range(_PASSES):
            lift = raise_weakest(self._sign * interference * np.float32(_COMPENSATION / gain), budget)
            pattern = carriers.pattern(self._sign * lift) * mask
            scale = deviation / (_rms(pattern) + 1e-9)
            amplitude, pattern = self._sign * lift * scale, pattern * scale
            after = carriers.project(forward(normalise(host + pattern)[0]))
            gain = max(float(self._sign @ (after - before)) / float(np.abs(amplitude).sum()), 0.1)
            interference = after - gain * amplitude
        return pattern, float(self._sign @ after) / (float(np.linalg.norm(after)) * CODE_BITS**0.5 + 1e-9)


class SpreadSpectrumDetector:
    """Reads one clip: adds up the spectra of its groups of frames, which serve any key."""

    def __init__(self, carriers: Sequence[Carriers], size: tuple[int, int]) -> None:
        self._carriers, self._size = carriers, size
        self._spectrum = np.zeros((GRID, GRID), np.float32)
        self._frames = 0

    def update(self, frames: Frames) -> None:
        """Add a chunk's spectra to the sum."""
        _check_frames(frames, self._size)
        for part in _groups(len(frames), _DETECT_GROUP):
            group = frames.luma[part]
            self._spectrum += np.float32(len(group)) * forward(normalise(to_grid(_mean(group)))[0])
        self._frames += len(frames)

    @property
    def spectrum(self) -> Plane:
        """The sum so far, float32 [256, 256]."""
        return self._spectrum.copy()

    def result(self) -> Reading:
        """Exact payload or None; ``statistic`` is the cosine between soft values and likeliest code word, 0 to 1."""
        tries = soft_values(self._spectrum, self._carriers)
        found = max(decode(tries), key=lambda word: (word.payload is not None, word.correlation))
        return Reading(
            algorithm=ALGORITHM_ID,
            payload_bits=found.payload,
            payload=None if found.payload is None else Payload.from_bits(found.payload),
            statistic=found.correlation,
            frames=self._frames,
            false_positive_rate=len(tries) * FALSE_POSITIVE_RATE,
        )


def soft_values(spectrum: Plane, carriers: Sequence[Carriers]) -> Plane:
    """What to decode: the soft values of each band at unit length, and their sum, for scenes may have used several
    bands: float32 [bands + 1, 512]; positive means 0.
    """
    values = np.stack([band.project(spectrum) for band in carriers])
    unit = values / (np.linalg.norm(values, axis=1, keepdims=True) + 1e-9)
    return np.concatenate((unit, unit.sum(axis=0, keepdims=True)))


def embed(frames: Frames, payload: Payload, key: WatermarkKey) -> Frames:
    """Mark a whole clip that is in memory."""
    embedder = SpreadSpectrum(key).embedder(payload.to_bits(), width=frames.width, height=frames.height)
    return embedder.process(frames)


def detect(frames: Frames, key: WatermarkKey) -> Reading:
    """Read a whole clip that is in memory."""
    detector = SpreadSpectrum(key).detector(width=frames.width, height=frames.height)
    detector.update(frames)
    return detector.result()


def raise_weakest(values: Plane, budget: float) -> Plane:
    """Increments >= 0 of sum of squares ``budget`` that lift the lowest ``values`` [n] to the highest common level."""
    order = np.sort(values.astype(np.float64))
    count = np.arange(1, len(order) + 1)
    mean = np.cumsum(order) / count
    cost = np.maximum(np.cumsum(order**2) - count * mean**2, 0)  # of levelling the first `count` at their mean
    level = mean + np.sqrt(np.maximum(budget - cost, 0) / count)
    fits = (cost <= budget) & (level <= np.append(order[1:], np.inf))
    return np.asarray(np.maximum(level[np.argmax(fits)] - values, 0), np.float32)


def _luma_deviation(psnr: float, colour: Colour) -> float:
    """Standard deviation of a luma change, in codes, that costs ``psnr`` dB between 8-bit R'G'B' pictures."""
    codes = 255 if colour.full_range else 219
    # Rounding adds 1/12 to the mean square: once to the luma, and once to each of the two pictures compared.
    variance = (codes / 10 ** (psnr / 20)) ** 2 - (1 + 2 * (codes / 255) ** 2) / 12
    return float(np.sqrt(max(variance, 0)))


def _rms(plane: Plane) -> float:
    return float(np.sqrt(np.mean(np.square(plane))))


def _groups(count: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


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
