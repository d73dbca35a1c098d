"""Find how a picture was cropped, turned, scaled or squeezed from the few strong waves that every mark contains.

A linear map of the picture moves the synchronisation's plane waves to other frequencies of the power spectrum,
whatever the shift (after Pereira and Pun, "Robust template matching for affine resistant image watermarks", IEEE Trans.
Image Processing 9(6), 2000). So the linear part is searched first, by adding up the whitened power at the sixteen
places where each hypothesis would have the waves. The phases then give mirroring and shift, by one inverse FFT. Last,
the phases in small windows give the exact homography.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft
from scipy.ndimage import map_coordinates, uniform_filter
from scipy.optimize import minimize

from provenance.watermark.carriers import Sync
from provenance.watermark.grid import GRID, Plane

Matrix = npt.NDArray[np.float64]

_PADDING = 2  # oversampling of the power spectrum
_BINS = _PADDING * GRID
_CAP = 10.0  # of one wave's whitened power: a regular texture must not count as all sixteen
_SHIFTS = 512  # grid of shifts a side, over two frames
_WINDOWS = 8  # a side, for the last refinement
_HYPOTHESES, _RESULTS = 12, 8
_SIDE = (np.arange(GRID) + 0.5) / GRID - 0.5

_TURN, _GROWTH = np.deg2rad(0.55), 0.0095  # steps of angles, and of scales' logarithms
_ANGLES = np.arange(-np.pi / 2, np.pi / 2, _TURN)
_SCALES = np.exp(np.arange(np.log(0.42), np.log(2.3), _GROWTH))
_FINER = 2  # steps of the polar spectrum to one of the hypotheses
_SQUEEZES = np.exp(np.arange(-14, 15) * 0.024)  # ratio of the aspects, beyond the one that is tried first


@dataclass(frozen=True)
class Located:
    """A homography [3, 3] from the received frame to the marked one, and the z-score of the waves' phases under it."""

    geometry: Matrix
    score: float


def locate(detail: Plane, size: tuple[int, int], sync: Sync, *, squeezed: bool) -> Iterator[Located]:
    """The likeliest geometries, the most promising first, of a detail plane [320, 320].

    ``size`` is the height and width of the frames in pixels. Finds any rotation, crops and scales from about .45 to
    2.2; the aspect ratio of the marked frame is taken to be that of the received one or its inverse, or with
    ``squeezed`` any up to 1.4 times more or less, which takes longer.
    """
    aspect = size[1] / size[0]
    waves, signs = _waves(sync)
    noise, power = _whitened(detail)
    ratios = _SQUEEZES if squeezed else np.array([1.0, 1 / aspect**2])
    found = []
    for linear in _linear_hypotheses(power, waves, aspect, ratios):
        refined = _refine_linear(power, waves, linear)
        found += list(_shifted(detail, noise, waves, signs, refined))
    found.sort(key=lambda located: -located.score)
    for located in found[:_RESULTS]:
        yield _refine(detail, located, waves, signs)


def refine(detail: Plane, geometry: Matrix, sync: Sync) -> Matrix:
    """A homography [3, 3] that is right within a quarter of a wave's length, corrected by the waves' phases."""
    return _refine(detail, Located(geometry, 0.0), *_waves(sync)).geometry


def _waves(sync: Sync) -> tuple[Matrix, Matrix]:
    """Frequencies (x, y) of the plane waves [16, 2] in cycles per marked frame, and their signs [16]."""
    one = np.stack((sync.column, sync.row), axis=1) / 2
    return np.concatenate((one, one * (1, -1))), np.concatenate((sync.sign, sync.sign)).astype(np.float64)


def _whitened(detail: Plane) -> tuple[Plane, Plane]:
    """Noise power and power over noise [640, 640] at each frequency, zero frequency in the middle."""
    spectrum = scipy.fft.fftshift(scipy.fft.fft2(detail - detail.mean(), (_BINS, _BINS)))
    power = np.square(np.abs(spectrum)).astype(np.float32)
    noise = uniform_filter(power, 31, mode="wrap") + 1e-12
    noise = uniform_filter(np.minimum(power, 4 * noise), 31, mode="wrap") * 1.1 + 1e-12  # without the waves themselves
    return noise, power / noise


def _linear_hypotheses(power: Plane, waves: Matrix, aspect: float, ratios: Matrix) -> list[Matrix]:
    """The linear maps [2, 2] with the most power where they would have the waves, none near another."""
    scored: list[tuple[float, float, float, float]] = []
    for ratio, scores in zip(ratios, _scores(power, waves, aspect, ratios), strict=True):
        for angles, part in zip(np.array_split(_ANGLES, 8), np.array_split(scores, 8), strict=True):
            best = np.argpartition(part, -_HYPOTHESES, axis=None)[-_HYPOTHESES:]
            for angle, scale in zip(*np.unravel_index(best, part.shape), strict=True):
                scored.append((float(part[angle, scale]), float(angles[angle]), float(_SCALES[scale]), float(ratio)))
    scored.sort(reverse=True)
    kept: list[Matrix] = []
    for _, angle, scale, ratio in scored:
        linear = _linear(angle, scale, aspect, ratio)
        if all(min(np.abs(linear - k).max(), np.abs(linear + k).max()) > 0.03 for k in kept):
            kept.append(linear)
            if len(kept) == _HYPOTHESES:
                break
    return kept


def _linear(angle: float, scale: float, aspect: float, ratio: float) -> Matrix:
    """The map [2, 2] from the received to the marked frame; ``ratio`` of marked to received aspect."""
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    return np.array(((cos / ratio, sin / (aspect * ratio)), (-sin * aspect, cos)))


def _scores(power: Plane, waves: Matrix, aspect: float, ratios: Matrix) -> Iterator[Plane]:
    """For each of ``ratios`` the sum of capped power [angles, scales] where each hypothesis would have the waves.

    In polar coordinates with a logarithmic radius, turning and scaling only shift the waves: the sum is one of shifted
    copies of the spectrum.
    """
    squeezed = waves[None] * np.stack((1 / ratios, np.full(len(ratios), aspect)), axis=1)[:, None]  # [ratios, 16, 2]
    angle = np.arctan2(squeezed[..., 1], squeezed[..., 0]) + _ANGLES[0]
    radius = np.log(np.hypot(squeezed[..., 0], squeezed[..., 1])) + np.log(_SCALES[0])
    column = np.rint((angle - angle.min()) * (_FINER / _TURN)).astype(np.int64)
    row = np.rint((radius - radius.min()) * (_FINER / _GROWTH)).astype(np.int64)
    count = column.max() + _FINER * len(_ANGLES), row.max() + _FINER * len(_SCALES)
    angles = (angle.min() + np.arange(count[0]) * (_TURN / _FINER)).astype(np.float32)[:, None]
    radii = np.exp(radius.min() + np.arange(count[1]) * (_GROWTH / _FINER)).astype(np.float32) * _PADDING
    x = np.rint(np.cos(angles) * radii).astype(np.int32) + GRID
    y = np.rint(np.sin(angles) * (radii / np.float32(aspect))).astype(np.int32) + GRID
    inside = (x >= 0) & (x < _BINS) & (y >= 0) & (y < _BINS)
    capped = np.minimum(power, _CAP).ravel()
    polar = np.where(inside, capped[np.where(inside, y * _BINS + x, 0)], 1)  # as much as noise where there is nothing
    phases = [[np.ascontiguousarray(polar[i::_FINER, j::_FINER]) for j in range(_FINER)] for i in range(_FINER)]
    for columns, rows in zip(column, row, strict=True):
        total = np.zeros((len(_ANGLES), len(_SCALES)), np.float32)
        for i, j in zip(columns.tolist(), rows.tolist(), strict=True):
            part = phases[i % _FINER][j % _FINER]
            total += part[i // _FINER :, j // _FINER :][: len(_ANGLES), : len(_SCALES)]
        yield total


def _refine_linear(power: Plane, waves: Matrix, linear: Matrix) -> Matrix:
    """The map [2, 2] near ``linear`` with the most power, between the bins too."""

    def loss(values: Matrix) -> float:
        place = waves @ values.reshape(2, 2) * _PADDING + GRID
        return -float(np.minimum(map_coordinates(power, place.T[::-1], order=1), 2 * _CAP).sum())

    start = linear.ravel()
    simplex = np.vstack((start, start + 0.012 * np.eye(4)))
    options = {"initial_simplex": simplex, "maxfev": 150, "xatol": 1e-4, "fatol": 0.05}
    return np.asarray(minimize(loss, start, method="Nelder-Mead", options=options).x.reshape(2, 2))


def _shifted(detail: Plane, noise: Plane, waves: Matrix, signs: Matrix, linear: Matrix) -> Iterator[Located]:
    """The best shifts for each mirror image of ``linear``: the spectrum's power cannot tell them apart."""
    frequency = waves @ linear
    place = np.clip(np.rint(frequency * _PADDING).astype(np.int64) + GRID, 0, _BINS - 1)
    upright = _fourier(detail, frequency) / np.sqrt(noise[place[:, 1], place[:, 0]])
    upright *= np.minimum(1, 4 / (np.abs(upright) + 1e-9))
    swapped = np.roll(upright, len(waves) // 2)  # the second half of the waves mirrors the first in y
    mirrors = {(1, 1): upright, (1, -1): swapped, (-1, 1): np.conj(swapped), (-1, -1): np.conj(upright)}
    turns = signs * np.exp(-1j * np.pi * waves.sum(axis=1)) / np.sqrt(len(waves) / 2)
    # A wave has whole periods in two frames. Few are not zero, so their sum is a product of two small matrices.
    period = np.exp(2j * np.pi * np.outer(np.rint(2 * waves).T.ravel(), np.arange(_SHIFTS)) / _SHIFTS)
    in_x, in_y = period.astype(np.complex64).reshape(2, len(waves), _SHIFTS)
    across = np.concatenate((in_x.real, -in_x.imag))
    for mirror, amplitude in mirrors.items():
        down = np.conj(amplitude * turns).astype(np.complex64)[:, None] * in_y
        scores = np.concatenate((down.real, down.imag)).T @ across
        for _ in range(2):
            row, column = divmod(int(np.argmax(scores)), _SHIFTS)
            shift = np.array((column, row)) * (2 / _SHIFTS)
            shift[shift >= 1] -= 2
            geometry = np.eye(3)
            geometry[:2, :2], geometry[:2, 2] = np.diag(mirror) @ linear, shift
            yield Located(geometry, float(scores[row, column]))
            scores[max(row - 7, 0) : row + 8, max(column - 7, 0) : column + 8] = -np.inf


def _fourier(detail: Plane, frequency: Matrix) -> npt.NDArray[np.complex64]:
    """Fourier transform [n] of a plane at frequencies [n, 2] (x, y) in cycles per frame."""
    x, y = np.exp(-2j * np.pi * frequency.T[..., None] * _SIDE).astype(np.complex64)
    return np.asarray(np.sum(y * ((detail @ x.real.T).T + 1j * (detail @ x.imag.T).T), axis=1))


def _refine(detail: Plane, located: Located, waves: Matrix, signs: Matrix, rounds: int = 3) -> Located:
    """Correct a homography by the phases of the waves in small windows."""
    geometry, score = located.geometry, located.score
    for _ in range(rounds):
        amplitude, centre = _demodulate(detail, geometry, waves)
        amplitude *= signs[:, None]
        amplitude /= np.sqrt(np.mean(np.square(np.abs(amplitude)))) + 1e-12
        correction, score = _correction(amplitude, centre, waves)
        geometry = correction @ geometry
        geometry /= geometry[2, 2]
    return Located(geometry, score)


def _demodulate(detail: Plane, geometry: Matrix, waves: Matrix) -> tuple[npt.NDArray[np.complex128], Matrix]:
    """Complex amplitude [16, windows] of each wave in each window, and the windows' centres [windows, 2] in the marked
    frame. The phase is zero where ``geometry`` is right. Within a window the geometry is taken to be affine, so that a
    wave is a product of two, of x and of y.
    """
    x, y, depth = _mapped(geometry, _SIDE, _SIDE[:, None])
    inside = (np.abs(x) <= 0.5 * depth) & (np.abs(y) <= 0.5 * depth)
    block = GRID // _WINDOWS
    tiles = np.where(inside, detail, np.float32(0)).reshape(_WINDOWS, block, _WINDOWS, block).swapaxes(1, 2)

    middle = (np.arange(_WINDOWS) + 0.5) / _WINDOWS - 0.5
    x, y, depth = (part.ravel() for part in np.broadcast_arrays(*_mapped(geometry, middle, middle[:, None])))
    centre = np.stack((x, y), axis=1) / depth[:, None]
    slope = (geometry[:2, :2] - centre[:, :, None] * geometry[2, :2]) / depth[:, None, None]  # [windows, 2, 2]
    local = np.einsum("kd,wde->wke", waves, slope)  # the waves' frequencies in the received frame
    steps = (np.arange(block) + 0.5 - block / 2) / GRID
    in_x, in_y = np.exp(-2j * np.pi * np.moveaxis(local, -1, 0)[..., None] * steps).astype(np.complex64)
    both = np.concatenate((in_x.real, in_x.imag), axis=1).swapaxes(1, 2)
    rows = tiles.reshape(-1, block, block) @ both  # [windows, y, 32]
    half = len(waves)
    sums = np.einsum("wky,wyk->kw", in_y, rows[..., :half] + 1j * rows[..., half:])
    return sums * np.exp(-2j * np.pi * (waves @ (centre + 0.5).T)), centre


def _mapped(geometry: Matrix, x: Matrix, y: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Homogeneous coordinates of (x, y) in the marked frame."""
    a, b, c = (row[0] * x + row[1] * y + row[2] for row in geometry.astype(x.dtype))
    return a, b, c


#: How far, in marked frames, a correction is expected to go: of the linear part, the shift, the perspective.
_EXPECTED = np.array([0.01, 0.01, 0.005, 0.01, 0.01, 0.005, 0.03, 0.03])


def _correction(amplitude: npt.NDArray[np.complex128], centre: Matrix, waves: Matrix) -> tuple[Matrix, float]:
    """The small homography that makes the phases agree best, and the z-score that it reaches."""
    x, y = centre.T
    one, zero = np.ones_like(x), np.zeros_like(x)
    # Displacement of each window's centre, linear in the eight parameters: [8, windows] for x and for y.
    basis_x = np.stack((x, y, one, zero, zero, zero, -x * x, -x * y))
    basis_y = np.stack((zero, zero, zero, x, y, one, -x * y, -y * y))
    phase_x = 2 * np.pi * waves[:, 0][:, None, None] * basis_x * _EXPECTED[:, None]  # [16, 8, windows]
    phase_y = 2 * np.pi * waves[:, 1][:, None, None] * basis_y * _EXPECTED[:, None]
    turn = phase_x + phase_y
    norm = np.sqrt(np.sum(np.square(np.abs(amplitude))) / 2) + 1e-12

    def loss(values: Matrix) -> tuple[float, Matrix]:
        aligned = amplitude * np.exp(-1j * np.einsum("kpw,p->kw", turn, values))
        gradient = np.einsum("kw,kpw->p", aligned.imag, turn)
        return float(np.sum(values**2) / 2 - aligned.real.sum() / norm), values - gradient / norm

    best = minimize(loss, np.zeros(8), jac=True, method="L-BFGS-B")
    p = best.x * _EXPECTED
    score = float(np.sum(best.x**2) / 2 - best.fun)
    return np.array([(1 + p[0], p[1], p[2]), (p[3], 1 + p[4], p[5]), (p[6], p[7], 1.0)]), score
