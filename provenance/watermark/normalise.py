"""The detail of a picture in units of what hides a change there: the ground on which the mark is written and read."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.fft import dct, dctn, idctn

from provenance.watermark.arrays import Array, Place, namespace, place_of, put
from provenance.watermark.grid import GRID, to_grid

_HIGH_PASS = 22.0  # cycles per frame at which the Gaussian high-pass still takes away 61 %
_MASK_WIDTH = 7.5  # standard deviation of the mask's window, grid points
_NARROW = 2.5  # the same of a window that sees one texture and not the next
_FLAT = 0.5  # mean absolute detail, in luma codes, of what counts as flat beside a texture
_MASK_SLOPE = 3.0  # mean absolute detail, in luma codes, that doubles the mask
_LIMIT = 0.8  # knee of the soft limiter, in units of the mask


def normalise(plane: Array) -> tuple[Array, Array]:
    """High-passed detail of a grid plane over the perceptual mask, softly limited; and that mask: both [320, 320].

    The mask is wide and smooth on purpose: the detector must find the same one in a degraded picture.
    The limiter keeps strong edges, which hold nearly all the energy of flat graphics, from drowning the rest.
    """
    detail = _high_passed(plane)
    mask = 1 + _activity(detail, _MASK_WIDTH) / _MASK_SLOPE
    scaled = detail / mask
    return scaled / namespace(scaled).sqrt(1 + (scaled / _LIMIT) ** 2), mask


def texture(plane: Array) -> Array:
    """Mean absolute detail of a grid plane, luma codes [320, 320], where there is some near by and all around.

    All around is the harmonic mean, which is next to nothing where a part is flat: an edge between flat areas is no
    texture, however hard it is.
    """
    near = _activity(_high_passed(plane), _NARROW)
    xp = namespace(plane)
    return xp.minimum(near, 1 / xp.clip(_activity(1 / (near + _FLAT), _MASK_WIDTH), min=1e-3) - _FLAT)


def _high_passed(plane: Array) -> Array:
    """The detail of a grid plane: float32 [320, 320]."""
    return inverse(forward(plane) * _high_pass(place_of(plane)))


def _activity(detail: Array, width: float) -> Array:
    """Mean absolute ``detail`` in a Gaussian window of standard deviation ``width`` grid points: float32 [320, 320]."""
    xp = namespace(detail)
    return xp.clip(inverse(forward(xp.abs(detail)) * _window(width, place_of(detail))), min=0)


def frame_mean(group: Array) -> Array:
    """Mean luma of a few frames uint8 [T, H, W] on the grid: float32 [320, 320]."""
    xp = namespace(group)
    total = xp.sum(group, axis=0, dtype=xp.uint16 if place_of(group) is None else xp.int32)
    return to_grid(xp.astype(total, xp.float32) / len(group))


def forward(plane: Array) -> Array:
    """Orthonormal two-dimensional DCT-II of a grid plane."""
    place = place_of(plane)
    if place is None:
        return np.asarray(dctn(plane, norm="ortho"), np.float32)
    return _dct(place) @ plane @ _dct(place).T


def inverse(spectrum: Array) -> Array:
    """Inverse of :func:`forward`."""
    place = place_of(spectrum)
    if place is None:
        return np.asarray(idctn(spectrum, norm="ortho"), np.float32)
    return _dct(place).T @ spectrum @ _dct(place)


@cache
def _dct(place: Place) -> Array:
    """The orthonormal DCT-II as a matrix [320, 320]."""
    return put(dct(np.eye(GRID), norm="ortho", axis=0).astype(np.float32), place)


@cache
def _high_pass(place: Place) -> Array:
    """Transfer function of the Gaussian high-pass on the DCT grid [320, 320]."""
    return put((1 - np.exp(-_square_cycles() / (2 * _HIGH_PASS**2))).astype(np.float32), place)


@cache
def _window(width: float, place: Place) -> Array:
    """Transfer function [320, 320] of a Gaussian window of standard deviation ``width`` grid points."""
    return put(np.exp(-2 * (np.pi * width / GRID) ** 2 * _square_cycles()).astype(np.float32), place)


def _square_cycles() -> npt.NDArray[np.float64]:
    """Squared frequency of each DCT coefficient, in cycles per frame [320, 320]."""
    cycles = np.arange(GRID) / 2
    return cycles[:, None] ** 2 + cycles[None, :] ** 2
