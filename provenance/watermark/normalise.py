"""The detail of a picture in units of what hides a change there: the ground on which the mark is written and read."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt
from scipy.fft import dctn, idctn

from provenance.watermark.grid import GRID, Plane, to_grid

_HIGH_PASS = 22.0  # cycles per frame at which the Gaussian high-pass still takes away 61 %
_MASK_WIDTH = 7.5  # standard deviation of the mask's window, grid points
_MASK_SLOPE = 3.0  # mean absolute detail, in luma codes, that doubles the mask
_LIMIT = 0.8  # knee of the soft limiter, in units of the mask


def normalise(plane: Plane) -> tuple[Plane, Plane]:
    """High-passed detail of a grid plane over the perceptual mask, softly limited; and that mask: both [320, 320].

    The mask is wide and smooth on purpose: the detector must find the same one in a degraded picture.
    The limiter keeps strong edges, which hold nearly all the energy of flat graphics, from drowning the rest.
    """
    high_pass, window = _filters()
    detail = inverse(forward(plane) * high_pass)
    activity = inverse(forward(np.abs(detail)) * window)
    mask = np.asarray(1 + np.maximum(activity, 0) / _MASK_SLOPE, np.float32)
    scaled = detail / mask
    return np.asarray(scaled / np.sqrt(1 + (scaled / _LIMIT) ** 2), np.float32), mask


def frame_mean(group: npt.NDArray[np.uint8]) -> Plane:
    """Mean luma of a few frames uint8 [T, H, W] on the grid: float32 [320, 320]."""
    return to_grid(group.sum(axis=0, dtype=np.uint16) / np.float32(len(group)))


def forward(plane: Plane) -> Plane:
    """Orthonormal two-dimensional DCT-II of a grid plane."""
    return np.asarray(dctn(plane, norm="ortho"), np.float32)


def inverse(spectrum: Plane) -> Plane:
    """Inverse of :func:`forward`."""
    return np.asarray(idctn(spectrum, norm="ortho"), np.float32)


@cache
def _filters() -> tuple[Plane, Plane]:
    """Transfer functions on the DCT grid: the Gaussian high-pass and the mask's Gaussian window."""
    cycles = np.arange(GRID) / 2
    square = cycles[:, None] ** 2 + cycles[None, :] ** 2
    high_pass = 1 - np.exp(-square / (2 * _HIGH_PASS**2))
    window = np.exp(-2 * (np.pi * _MASK_WIDTH / GRID) ** 2 * square)
    return high_pass.astype(np.float32), window.astype(np.float32)
