"""A sketch of an original, kept by who sealed it: where a mark is too weak to find its own way, it shows the way.

A copy may be cropped, shrunk into another picture and coded so harshly that neither the message nor the synchronisation
can be read from it. The picture itself is still plain to see. So a sealed video's detail is kept as a sketch of four
kilobytes; a copy is laid over it, and read there for the message that this one video carries. The sketch knows nothing
of the key's signs: laid over an unmarked copy it makes a message no likelier (`detector.recall`).

Scale and shift come from correlations at several scales, the exact affine map from least squares on gradients (Lucas
and Kanade, "An Iterative Image Registration Technique with an Application to Stereo Vision", 1981).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.fft import dctn, idctn, irfft2, rfft2

from provenance.watermark.geometry import Homography, resample
from provenance.watermark.grid import GRID, Plane

FRAMES = 240
"""Frames from the start of a video that are sketched."""

SIDE = 128
_STEPS = np.array([-1.5, -0.45, 0.45, 1.5], np.float32)  # standard deviations that two bits stand for (Max, 1960)
_BORDERS = (-0.98, 0.0, 0.98)
_COARSE = 64  # points a side at which many originals are tried
_PARTS = [2 ** (-i / 13) for i in range(14)]  # sides of a copy in the original's, where it shows a part of it,
_WHOLES = [2 ** (i / 10) for i in range(12)]  # and where it shows all of it, and more
_FINER = np.exp(np.linspace(-0.04, 0.04, 17)).tolist()
_LEAST_PEAK = 12.0  # standard deviations; other videos reach 10
_ROUNDS = 8, 5  # of the least squares, at the sketch's points and at the grid's
_FARTHEST = 0.1  # sides that one round may go
_HEAD = struct.Struct("<2sf")
_MAGIC = b"S1"


@dataclass(frozen=True, eq=False)
class Sketch:
    """The detail [128, 128] of a video's first 240 frames, before it was marked, in four steps; and their width over
    their height, ``aspect``.
    """

    plane: Plane
    aspect: float

    @classmethod
    def of(cls, detail: Plane, aspect: float) -> Sketch:
        """From the summed detail [320, 320] of an `Evidence`."""
        small = _reduced(detail, SIDE)
        return cls(_STEPS[np.digitize(small / (small.std() + 1e-9), _BORDERS)], float(np.float32(aspect)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Sketch:
        """What `to_bytes` wrote; raises ValueError for anything else."""
        size = SIDE * SIDE // 4
        try:
            magic, aspect = _HEAD.unpack_from(data)
            packed = zlib.decompressobj().decompress(data[_HEAD.size :], size + 1)
        except (struct.error, zlib.error) as error:
            raise ValueError(f"not a sketch: {error}") from error
        if magic != _MAGIC or len(packed) != size or not 0.01 < aspect < 100:
            raise ValueError("not a sketch of this version")
        bits = np.unpackbits(np.frombuffer(packed, np.uint8)).reshape(SIDE, SIDE, 2)
        return cls(_STEPS[2 * bits[..., 0] + bits[..., 1]], aspect)

    def to_bytes(self) -> bytes:
        """About 4 KB."""
        step = np.searchsorted(_STEPS, self.plane)
        packed = np.packbits(np.stack((step >> 1, step & 1), axis=-1).astype(np.uint8))
        return _HEAD.pack(_MAGIC, self.aspect) + zlib.compress(packed.tobytes(), 9)

    @property
    def detail(self) -> Plane:
        """The sketch with as many points as the grid, [320, 320]."""
        spectrum = np.zeros((GRID, GRID), np.float32)
        spectrum[:SIDE, :SIDE] = dctn(self.plane, norm="ortho")
        return np.asarray(idctn(spectrum, norm="ortho"), np.float32)


@dataclass(frozen=True)
class Placed:
    """How a copy lies in the original of the ``index``-th sketch; ``peak`` standard deviations say so."""

    index: int
    geometry: Homography
    peak: float


def placed(detail: Plane, aspect: float, sketches: Sequence[Sketch], *, most: int = 3) -> list[Placed]:
    """The originals, at most so many, in which a copy seems to lie, the clearest first.

    ``detail`` [320, 320] is what the copy's frames add up to, ``aspect`` their width over their height. It may be
    cropped or inside something larger, of another shape too, by a factor of two along its sides.
    """
    small = _reduced(detail, _COARSE)
    copies: dict[float, list[_Copy]] = {}
    found = []
    for index, sketch in enumerate(sketches):
        original = _Original(_reduced(sketch.plane, _COARSE))
        best: tuple[float, float, float, bool] = (_LEAST_PEAK, 0.0, 1.0, False)
        for ratio in {1.0, round(aspect / sketch.aspect, 2)}:  # stretched to this shape, or cut
            if ratio not in copies:
                copies[ratio] = [_Copy(small, s, ratio, whole=w) for w in (False, True) for s in (_PARTS, _WHOLES)[w]]
            best = max(best, *((c.over(original)[0], c.scale, ratio, c.whole) for c in copies[ratio]))
        if best[0] > _LEAST_PEAK:
            found.append((best, index))
    found.sort(reverse=True)
    return [
        Placed(index, _exact(detail, sketches[index], scale, ratio, whole=whole), peak)
        for (peak, scale, ratio, whole), index in found[:most]
    ]


class _Original:
    """An original [n, n] that copies are laid over."""

    def __init__(self, plane: Plane) -> None:
        self.plane, self.spectrum = plane, _spectrum(plane)


class _Copy:
    """A copy [n, n] at one ``scale``, ready to be laid over many originals; ``ratio`` of its aspect to theirs. It shows
    a part of the original, or the ``whole`` of it and more.
    """

    def __init__(self, copy: Plane, scale: float, ratio: float, *, whole: bool) -> None:
        self.scale, self.whole = scale, whole
        bound = max if whole else min
        self.scales = np.array((scale * bound(1.0, ratio), scale * bound(1.0, 1 / ratio)))
        self._spectrum = _spectrum(copy if whole else _shrunk(copy, self.scales)).conj()

    def over(self, original: _Original) -> tuple[float, tuple[float, float]]:
        """The highest correlation, in standard deviations, and where the copy's centre (x, y) is then, in sides of the
        original from its own.
        """
        side = len(original.plane)
        other = _spectrum(_shrunk(original.plane, 1 / self.scales)) if self.whole else original.spectrum
        correlation = irfft2(self._spectrum * other)
        row, column = divmod(int(np.argmax(correlation)), 2 * side)
        peak = float(correlation[row, column] / (correlation.std() + 1e-12))
        points = [place - 2 * side if place > side else place for place in (column, row)]
        x, y = np.array(points) / side * (self.scales if self.whole else 1.0)
        return peak, (float(x), float(y))


def _exact(detail: Plane, sketch: Sketch, scale: float, ratio: float, *, whole: bool) -> Homography:
    """The affine map from the copy to the original, near one of this ``scale``."""
    small = _reduced(detail, SIDE)
    copies = [_Copy(small, scale * finer, ratio, whole=whole) for finer in _FINER]
    original = _Original(sketch.plane)
    laid = [copy.over(original) for copy in copies]
    best = max(range(len(laid)), key=lambda i: laid[i][0])
    geometry = np.diag([*copies[best].scales, 1.0])
    geometry[:2, 2] = laid[best][1]
    if not whole:
        return _fitted([(small, sketch.plane), (detail, sketch.detail)], geometry)
    back = _fitted([(sketch.plane, small), (sketch.detail, detail)], np.linalg.inv(geometry))
    return np.asarray(np.linalg.inv(back), np.float64)


def _fitted(pairs: Sequence[tuple[Plane, Plane]], geometry: Homography) -> Homography:
    """The affine map from a part to a whole, near ``geometry``; ``pairs`` are both, coarse and fine."""
    for (part, whole), rounds in zip(pairs, _ROUNDS, strict=True):
        for _ in range(rounds):
            correction = _correction(part, whole, geometry)
            if np.abs(correction - np.eye(3)).max() > _FARTHEST:
                return geometry
            geometry = geometry @ correction
    return geometry


def _correction(part: Plane, whole: Plane, geometry: Homography) -> Homography:
    """A small affine map of the part, after which it fits the whole better."""
    side = len(part)
    seen = resample(whole, np.asarray(np.linalg.inv(geometry), np.float64))  # the whole as the part shows it
    inside = seen != 0
    gain = np.vdot(part, seen) / (np.vdot(seen, seen) + 1e-9)
    down, across = (slope[inside] * side for slope in np.gradient(seen * gain))
    axis = (np.arange(side) + 0.5) / side - 0.5
    x, y = np.broadcast_to(axis, (side, side))[inside], np.broadcast_to(axis[:, None], (side, side))[inside]
    jacobian = np.stack([slope * place for slope in (across, down) for place in (x, y, np.ones_like(x))], axis=1)
    normal = jacobian.T @ jacobian + 1e-6 * np.eye(6)
    a, b, c, d, e, f = np.linalg.solve(normal, jacobian.T @ (part - seen * gain)[inside])
    return np.array([(1 + a, b, c), (d, 1 + e, f), (0, 0, 1)], np.float64)


def _spectrum(plane: Plane) -> npt.NDArray[np.complex64]:
    """With as much of nothing beside it, so that what is shifted out does not come in again."""
    return np.asarray(rfft2(plane, s=(2 * len(plane),) * 2))


def _reduced(plane: Plane, side: int) -> Plane:
    """A square plane without what is finer than ``side`` points show, [side, side]."""
    spectrum = dctn(plane, norm="ortho")[:side, :side] * (side / len(plane))
    return np.asarray(idctn(spectrum, norm="ortho"), np.float32)


def _shrunk(plane: Plane, scales: npt.NDArray[np.float64]) -> Plane:
    """``plane`` shrunk about its centre to ``scales`` of its width and height, nothing around it."""
    return resample(plane, np.diag([*scales, 1.0]))
