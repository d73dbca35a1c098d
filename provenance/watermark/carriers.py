"""Where a key puts the code bits and the synchronisation among the frequencies of the canonical grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from provenance.watermark.arrays import Array, Place, place_of, put
from provenance.watermark.code import CODE_BITS
from provenance.watermark.grid import GRID, Plane
from provenance.watermark.keys import WatermarkKey
from provenance.watermark.normalise import inverse

Index = npt.NDArray[np.int64]

#: Cycles per frame at which the lower band begins, the upper band begins, and the upper band ends. Below, natural
#: pictures drown the mark; above, codecs do. The detail of small frames is too fine for the upper band.
_LOW, _BETWEEN, _HIGH = 20.0, 50.0, 80.0
_LARGE = 480  # pixels of the shorter side from which both bands are used

_SYNC_COUNT = 8
_SYNC_LOW, _SYNC_HIGH = 40.0, 64.0
_SYNC_ANGLE = (8.0, 82.0)  # degrees: clear of the axes, on which borders and coding blocks lie


@dataclass(frozen=True)
class Carriers:
    """Coefficients that carry the code word: column b of each ring carries bit b.

    ``coefficient`` [rings, 512] indexes the flat DCT grid; ``sign`` [rings, 512] is +1 or -1. A ring holds 512
    coefficients of about equal frequency, so that all bits are equally strong.
    """

    coefficient: Index | Array
    sign: Plane | Array

    @property
    def rings(self) -> int:
        """Number of coefficients that carry one code bit."""
        return len(self.coefficient)

    def read(self, spectrum: Array) -> Array:
        """What each coefficient of a DCT spectrum [320, 320] says of its bit: [rings, 512]."""
        return spectrum.reshape(-1)[self.coefficient] * self.sign

    def write(self, spectrum: Array, amplitude: Array) -> None:
        """Put an amplitude for each code bit [512] into a DCT spectrum [320, 320]."""
        spectrum.reshape(-1)[self.coefficient] = amplitude * self.sign

    def at(self, place: Place) -> Carriers:
        """The same, for spectra at that place."""
        return Carriers(put(self.coefficient, place), put(self.sign, place))

    def join(self, other: Carriers) -> Carriers:
        """Both, as more rings."""
        return Carriers(np.concatenate((self.coefficient, other.coefficient)), np.concatenate((self.sign, other.sign)))


@dataclass(frozen=True)
class Sync:
    """Few, strong coefficients of known sign that show how a picture was turned, scaled, cut or mirrored.

    ``row`` and ``column`` [8] are DCT indices. A DCT coefficient is two plane waves, mirror images of each other, at
    ``column / 2`` and plus or minus ``row / 2`` cycles per frame.
    """

    row: Index
    column: Index
    sign: Plane | Array

    def read(self, spectrum: Array) -> Array:
        """Signed amplitudes [8] in a DCT spectrum [320, 320]."""
        return spectrum[self.row, self.column] * self.sign

    def write(self, spectrum: Array, amplitude: Array) -> None:
        """Put amplitudes [8] into a DCT spectrum [320, 320]."""
        spectrum[self.row, self.column] = amplitude * self.sign

    def at(self, place: Place) -> Sync:
        """The same, for spectra at that place."""
        return Sync(self.row, self.column, put(self.sign, place))


@dataclass(frozen=True)
class Deal:
    """What a key deals: the carriers of the lower and the upper band, and the synchronisation."""

    lower: Carriers
    upper: Carriers
    sync: Sync

    @property
    def both(self) -> Carriers:
        """The carriers of both bands."""
        return self.lower.join(self.upper)

    def for_size(self, width: int, height: int) -> tuple[Carriers, ...]:
        """The carriers an embedder may use for frames of this size in pixels, the most robust first.

        A detector tries all: it cannot know the size at which the clip was marked, or how lively it was.
        """
        choices = (self.lower, self.both, self.upper)
        return choices[1:] if min(width, height) >= _LARGE else choices


def pattern(amplitude: Array, carriers: Carriers, sync_amplitude: Array, sync: Sync) -> Array:
    """The spatial pattern [320, 320] of an amplitude for each code bit [512] and for each sync coefficient [8]."""
    spectrum = put(np.zeros((GRID, GRID), np.float32), place_of(amplitude))
    carriers.write(spectrum, amplitude)
    sync.write(spectrum, sync_amplitude)
    return inverse(spectrum)


@lru_cache(maxsize=64)
def deal(key: WatermarkKey) -> Deal:
    """Deal the frequencies by the key."""
    sync = _deal_sync(key)
    taken = sync.row * GRID + sync.column
    return Deal(
        lower=_deal_band(key, "lower", _LOW, _BETWEEN, taken),
        upper=_deal_band(key, "upper", _BETWEEN, _HIGH, taken),
        sync=sync,
    )


def _deal_band(key: WatermarkKey, name: str, low: float, high: float, taken: Index) -> Carriers:
    cycles = np.arange(GRID) / 2
    radius = np.hypot(cycles[:, None], cycles[None, :]).ravel()
    inside = np.setdiff1d(np.flatnonzero((radius >= low) & (radius < high)), taken)
    inside = inside[np.argsort(radius[inside], kind="stable")]
    rings = len(inside) // CODE_BITS
    ring = inside[: rings * CODE_BITS].reshape(rings, CODE_BITS)
    words = key.words(f"spread-spectrum/2/{name}", 2 * rings * CODE_BITS).reshape(2, rings, CODE_BITS)
    return Carriers(
        coefficient=np.take_along_axis(ring, np.argsort(words[0], axis=1, kind="stable"), axis=1),
        sign=np.where(words[1] >> np.uint64(63), 1.0, -1.0).astype(np.float32),
    )


def _deal_sync(key: WatermarkKey) -> Sync:
    """One coefficient in each of eight equal ranges of angle, at a random radius."""
    words = key.words("spread-spectrum/2/sync", 3 * _SYNC_COUNT).reshape(3, _SYNC_COUNT)
    uniform = words[:2] / 2.0**64
    first, last = np.deg2rad(_SYNC_ANGLE)
    angle = first + (last - first) * (np.arange(_SYNC_COUNT) + uniform[0]) / _SYNC_COUNT
    radius = _SYNC_LOW + (_SYNC_HIGH - _SYNC_LOW) * uniform[1]
    return Sync(
        row=np.rint(2 * radius * np.sin(angle)).astype(np.int64),
        column=np.rint(2 * radius * np.cos(angle)).astype(np.int64),
        sign=np.where(words[2] >> np.uint64(63), 1.0, -1.0).astype(np.float32),
    )
