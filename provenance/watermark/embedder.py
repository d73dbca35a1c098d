"""Write the mark: read the host's own projections, and raise the weakest code bits first.

The embedder is informed (Malvar and Florencio, "Improved spread spectrum", IEEE Trans. Signal Processing 51(4), 2003;
Miller, Doerr and Cox, IEEE Trans. Image Processing 13(6), 2004): all bits are lifted to one level that exhausts the
distortion budget, so that the picture's own structure hardly interferes.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from countermark.core.media.frames import Colour, Frames
from provenance.watermark.arrays import Array, Place, fetch, namespace, put
from provenance.watermark.carriers import Carriers, Sync, pattern
from provenance.watermark.grid import GRID, resize
from provenance.watermark.interface import check_frames
from provenance.watermark.normalise import forward, frame_mean, normalise, texture
from provenance.watermark.scenes import Scenes

_FLAT_DEVIATION = 0.8  # luma codes of standard deviation where there is no detail: more shows on a clear sky
_GROUP = 8  # frames that share one pattern: codecs keep what stands still
_SYNC_SHARE = 0.2  # of the distortion budget
_COMPENSATION = 0.5  # share of the host's interference that is worth its distortion once a codec adds noise
_CLEAR = 0.9  # cosine between code word and soft values from which a choice of carriers is worth taking
_PASSES = 2  # the limiter is not linear: the second pass corrects by what the first achieved

# A codec keeps best what it meets in the first frames of a scene: the rest of the scene is predicted from them. And
# there the eye sees least: it needs up to .78 s after a cut to see detail again (Seyler and Budrikis, "Detail
# perception after scene changes in television image presentations", IEEE Trans. Information Theory 11(1), 1965).
_ONSET = np.array([4.0, 3.4, 2.8, 2.2, 1.8, 1.5, 1.3, 1.2, 1.1])  # factors of the first frames, where there is texture
HORIZON = 72  # frames of a scene over which the mean energy is kept to the budget
_TEXTURE = 3.0  # mean absolute detail, in luma codes, from which texture hides all of an onset


@dataclass(frozen=True)
class Tuning:
    """How an embedder spends its budget; the default serves where nothing is known of what will happen to the clip.

    ``strength`` scales the amplitude, ``onset`` (0 to 1) how much more of it the start of a scene gets, and
    ``carriers`` is a choice to use in place of the embedder's own.
    """

    strength: float = 1.0
    onset: float = 1.0
    carriers: Carriers | None = None


class _Strength:
    """The factor of each frame: more at the start of a scene, and so much less in the frames after it."""

    def __init__(self, length: int | None, onset: float = 1.0) -> None:
        horizon = min(length or HORIZON, HORIZON)
        factors = np.ones(max(horizon, len(_ONSET)))
        factors[: len(_ONSET)] += onset * (_ONSET - 1) * horizon / HORIZON
        factors = factors[:horizon]
        self._factors = (factors / np.sqrt(np.mean(factors**2))).astype(np.float32)
        self._frame = 0

    def cut(self) -> None:
        """A scene starts. While the last start is not paid for, it gets no more than other frames."""
        if self._frame >= len(self._factors):
            self._frame = 0

    def take(self, count: int) -> npt.NDArray[np.float32]:
        """Factors of the next ``count`` frames, float32 [count]."""
        index = np.arange(self._frame, self._frame + count)
        self._frame += count
        inside = index < len(self._factors)
        return np.where(inside, self._factors[np.minimum(index, len(self._factors) - 1)], np.float32(1))

    def tuned(self, length: int | None, onset: float) -> _Strength:
        """The same moment of the clip with another onset."""
        other = _Strength(length, onset)
        other._frame = self._frame
        return other


class SpreadSpectrumEmbedder:
    """Marks one clip, each group of frames by itself: memory does not grow, and excerpts read."""

    def __init__(
        self,
        choices: Sequence[Carriers],
        sync: Sync,
        code_word: npt.NDArray[np.uint8],
        psnr: float,
        size: tuple[int, int],
        length: int | None,
        place: Place = None,
    ) -> None:
        self._choices = tuple(choice.at(place) for choice in choices)
        self._sync, self._psnr, self._size = sync.at(place), psnr, size
        self._sign = put(1 - 2 * code_word.astype(np.float32), place)
        self._length, self._place = length, place
        self._strength, self._scale = _Strength(length), 1.0
        self._scenes = Scenes(_GROUP)

    def tuned(self, tuning: Tuning) -> SpreadSpectrumEmbedder:
        """A copy that goes on from the same moment of the clip and spends its budget otherwise."""
        other = copy(self)
        other._scenes = copy(self._scenes)
        other._strength = self._strength.tuned(self._length, tuning.onset)
        other._scale = tuning.strength
        if tuning.carriers is not None:
            other._choices = (tuning.carriers.at(self._place),)
        return other

    def process(self, frames: Frames) -> Frames:
        """Mark a chunk. Luma only; chroma, times and colour are passed through."""
        check_frames(frames, self._size)
        luma = np.empty_like(frames.luma)
        limit = _luma_deviation(self._psnr, frames.colour)
        for part, age in self._scenes.groups(frames.luma):
            if age == 0:
                self._strength.cut()
            group = put(frames.luma[part], self._place)
            xp = namespace(group)
            mark, extra = self._pattern(frame_mean(group), limit)
            low, high = min(int(xp.min(group)), 16), max(int(xp.max(group)), 235)  # not beyond what the clip uses
            factors = self._strength.take(len(group))
            for factor in np.unique(factors):
                step = xp.astype(xp.round(mark + float(factor - 1) * (extra if factor > 1 else mark)), xp.int16)
                for index in np.flatnonzero(factors == factor):
                    marked = xp.astype(xp.clip(group[index] + step, min=low, max=high), xp.uint8)
                    luma[part.start + index] = fetch(marked)
        return frames.with_luma(luma)

    def _pattern(self, host: Array, limit: float) -> tuple[Array, Array]:
        """What to add to each frame of a group whose mean is ``host``, deviation at most ``limit``; and the part of
        it that lies on texture: both float32 [H, W].

        Takes the first carriers on which this picture's own structure leaves the mark clear, else the last, which are
        always the clearest. A clip never goes back to an earlier choice: soft values add up best within one.
        """
        normalised, mask = normalise(host)
        spectrum = forward(normalised)
        deviation = self._scale * min(limit, _FLAT_DEVIATION * _rms(mask))
        mark, clarity = self._shape(self._choices[0], host, spectrum, mask, deviation)
        while clarity < _CLEAR and len(self._choices) > 1:
            self._choices = self._choices[1:]
            mark, clarity = self._shape(self._choices[0], host, spectrum, mask, deviation)
        full = resize(mark, *self._size)
        factor = deviation / (_rms(full) + 1e-9)
        hiding = namespace(host).clip(texture(host) / _TEXTURE, max=1)
        return full * factor, resize(mark * hiding, *self._size) * factor

    def _shape(
        self, carriers: Carriers, host: Array, spectrum: Array, mask: Array, deviation: float
    ) -> tuple[Array, float]:
        """The mark on the grid, and the cosine between code word and soft values that a detector would see in it."""
        # Parseval: the budget in pixels as a sum of squared amplitudes over the coefficients.
        xp = namespace(host)
        energy = deviation**2 * GRID**2 / _rms(mask) ** 2
        level = (energy * (1 - _SYNC_SHARE) / (carriers.rings * len(self._sign))) ** 0.5
        weight = 1 / (xp.std(carriers.read(spectrum), axis=1) + level)
        weight = weight / xp.sum(weight)
        before = interference = weight @ carriers.read(spectrum)
        sync_interference = self._sync.read(spectrum)
        sync_level = (energy * _SYNC_SHARE / len(sync_interference)) ** 0.5
        gain = 1.0
        for _ in range(_PASSES):
            share = _COMPENSATION / gain
            lift = raise_weakest(self._sign * interference * share, energy * (1 - _SYNC_SHARE) / carriers.rings)
            sync_lift = xp.clip(sync_level - share * sync_interference, min=0)
            sync_lift = sync_lift * (energy * _SYNC_SHARE / (float(xp.sum(sync_lift**2)) + 1e-9)) ** 0.5
            mark = pattern(self._sign * lift, carriers, sync_lift, self._sync) * mask
            scale = deviation / (_rms(mark) + 1e-9)
            lift, sync_lift, mark = lift * scale, sync_lift * scale, mark * scale
            achieved = forward(normalise(host + mark)[0])
            after = weight @ carriers.read(achieved)
            gain = max(float(self._sign @ (after - before)) / float(xp.sum(lift)), 0.1)
            interference = after - gain * self._sign * lift
            sync_interference = self._sync.read(achieved) - gain * sync_lift
        return mark, float(self._sign @ after) / (_rms(after) * len(after) + 1e-9)


def raise_weakest(values: Array, budget: float) -> Array:
    """Increments >= 0 of sum of squares ``budget`` that lift the lowest ``values`` [n] to the highest common level."""
    order = np.sort(fetch(values).astype(np.float64))
    count = np.arange(1, len(order) + 1)
    mean = np.cumsum(order) / count
    cost = np.maximum(np.cumsum(order**2) - count * mean**2, 0)  # of levelling the first `count` at their mean
    level = mean + np.sqrt(np.maximum(budget - cost, 0) / count)
    fits = (cost <= budget) & (level <= np.append(order[1:], np.inf))
    return namespace(values).clip(float(level[np.argmax(fits)]) - values, min=0)


def _luma_deviation(psnr: float, colour: Colour) -> float:
    """Standard deviation of a luma change, in codes, that costs ``psnr`` dB between 8-bit R'G'B' pictures."""
    codes = 255 if colour.full_range else 219
    # Rounding adds 1/12 to the mean square: once to the luma, and once to each of the two pictures compared.
    variance = (codes / 10 ** (psnr / 20)) ** 2 - (1 + 2 * (codes / 255) ** 2) / 12
    return sqrt(max(variance, 0))


def _rms(values: Array) -> float:
    return sqrt(float(namespace(values).mean(values**2)))
