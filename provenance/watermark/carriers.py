"""Where a key puts each bit of the code word among the frequencies of the canonical grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from provenance.watermark.code import CODE_BITS
from provenance.watermark.grid import GRID, Plane
from provenance.watermark.keys import WatermarkKey
from provenance.watermark.normalise import inverse


@dataclass(frozen=True)
class Band:
    """Frequencies from ``low`` to ``high`` cycles per frame. ``name`` separates the keyed streams of the bands.

    ``clear`` is the cosine between code word and soft values, before any attack, from which the band is worth taking.
    """

    name: str
    low: float
    high: float
    clear: float


#: Long waves outlive codecs longest, but only flat pictures leave room for them, and on large frames they show.
COARSE = Band("coarse", 16.0, 32.0, clear=0.97)
MIDDLE = Band("middle", 32.0, 52.0, clear=0.99)
FINE = Band("fine", 52.0, 76.0, clear=0.0)
BANDS = (COARSE, MIDDLE, FINE)

_LARGE = 480  # pixels of the shorter side


def candidate_bands(width: int, height: int) -> tuple[Band, ...]:
    """The bands an embedder may use for frames of this size, the most robust first.

    A detector always looks at all: it cannot know the size at which the clip was marked.
    """
    return BANDS if min(width, height) < _LARGE else BANDS[1:]


@dataclass(frozen=True)
class Carriers:
    """How a ``band`` is dealt: index of each ``coefficient`` in the flat DCT grid, the code ``bit`` it carries, its
    keyed ``sign``, and the ``weight`` that whitens natural pictures, whose amplitude falls as 1/f: each [n].
    """

    band: Band
    coefficient: npt.NDArray[np.int64]
    bit: npt.NDArray[np.int64]
    sign: Plane
    weight: Plane

    @property
    def per_bit(self) -> int:
        """Number of coefficients that carry one code bit."""
        return len(self.coefficient) // CODE_BITS

    def project(self, spectrum: Plane) -> Plane:
        """Soft value of each code bit [512] in a DCT spectrum [256, 256]: 1 for an amplitude of 1."""
        values = spectrum.ravel()[self.coefficient] * self.sign * self.weight
        gain = self.weight.sum() / CODE_BITS
        return np.asarray(np.bincount(self.bit, values, CODE_BITS) / gain, np.float32)

    def pattern(self, amplitude: Plane) -> Plane:
        """Spatial pattern [256, 256] with an amplitude for each code bit [512]."""
        spectrum = np.zeros(GRID * GRID, np.float32)
        spectrum[self.coefficient] = amplitude[self.bit] * self.sign
        return inverse(spectrum.reshape(GRID, GRID))


@lru_cache(maxsize=64)
def deal(key: WatermarkKey, band: Band) -> Carriers:
    """Deal the coefficients of ``band`` to the code bits, by the key.

    The band is cut into rings of 512 coefficients of about equal frequency, and every bit gets one of each ring, so
    that all bits are equally strong.
    """
    cycles = np.arange(GRID) / 2
    radius = np.hypot(cycles[:, None], cycles[None, :]).ravel()
    inside = np.flatnonzero((radius >= band.low) & (radius < band.high))
    inside = inside[np.argsort(radius[inside], kind="stable")]
    rings = len(inside) // CODE_BITS
    coefficient = inside[: rings * CODE_BITS]
    words = key.words(f"spread-spectrum/1/{band.name}", 2 * rings * CODE_BITS).reshape(2, rings, CODE_BITS)
    return Carriers(
        band=band,
        coefficient=coefficient,
        bit=np.argsort(words[0], axis=1, kind="stable").ravel(),
        sign=np.where(words[1].ravel() >> np.uint64(63), 1.0, -1.0).astype(np.float32),
        weight=(radius[coefficient] / band.low).astype(np.float32),
    )
