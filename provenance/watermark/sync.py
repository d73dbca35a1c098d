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

_ANGLES = np.deg2rad(np.arange(-90.0, 90.0, 0.55))
_SCALES = np.exp(np.arange(np.log(0.42), np.log(2.3), 0.0095))
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
    capped = np.minimum(power, _CAP).ravel()
    scored: list[tuple[float, Matrix]] = []
    for ratio in ratios:
        for angle in np.array_split(_ANGLES, 8):
            maps = _linear(angle, _SCALES, aspect, ratio)
            scores = _score(capped, waves, maps)
            scored += [(float(scores[i]), maps[i]) for i in np.argsort(-scores)[:_HYPOTHESES]]
    scored.sort(key=lambda entry: -entry[0])
    kept: list[Matrix] = []
    for _, linear in scored:
        if all(min(np.abs(linear - k).max(), np.abs(linear + k).max()) > 0.03 for k in kept):
            kept.append(linear)
            if len(kept) == _HYPOTHESES:
                break
    return kept


def _linear(angles: Matrix, scales: Matrix, aspect: float, ratio: float) -> Matrix:
    """Maps [angles x scales, 2, 2] from the received to the marked frame; ``ratio`` of marked to received aspect."""
    angle, scale = (part.ravel() for part in np.meshgrid(angles, scales, indexing="ij"))
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    return np.stack((np.stack((cos / ratio, sin / (aspect * ratio)), -1), np.stack((-sin * aspect, cos), -1)), -2)


def _score(capped: Plane, waves: Matrix, maps: Matrix) -> Plane:
    """Sum of capped power [n] where each of the maps [n, 2, 2] would have the waves."""
    bins = maps.astype(np.float32) * _PADDING
    total = np.zeros(len(maps), np.float32)
    for x, y in waves.astype(np.float32):
        column = np.rint(x * bins[:, 0, 0] + y * bins[:, 1, 0]).astype(np.int32) + GRID
        row = np.rint(x * bins[:, 0, 1] + y * bins[:, 1, 1]).astype(np.int32) + GRID
        inside = (column >= 0) & (column < _BINS) & (row >= 0) & (row < _BINS)
        total += np.where(inside, capped[np.where(inside, row * _BINS + column, 0)], 1)
    return total


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
    bins = np.rint(2 * waves).astype(np.int64) % _SHIFTS  # waves have whole periods in two frames
    for mirror in (np.diag((x, y)) for x in (1.0, -1.0) for y in (1.0, -1.0)):
        turned = mirror @ linear
        frequency = waves @ turned
        place = np.clip(np.rint(frequency * _PADDING).astype(np.int64) + GRID, 0, _BINS - 1)
        amplitude = _fourier(detail, frequency) / np.sqrt(noise[place[:, 1], place[:, 0]])
        amplitude *= np.minimum(1, 4 / (np.abs(amplitude) + 1e-9))
        spectrum = np.zeros((_SHIFTS, _SHIFTS), np.complex64)
        np.add.at(
            spectrum, (bins[:, 1], bins[:, 0]), np.conj(amplitude * signs * np.exp(-1j * np.pi * waves.sum(axis=1)))
        )
        scores = scipy.fft.ifft2(spectrum).real * (_SHIFTS**2 / np.sqrt(len(waves) / 2))
        for _ in range(2):
            row, column = divmod(int(np.argmax(scores)), _SHIFTS)
            shift = np.array((column, row)) * (2 / _SHIFTS)
            shift[shift >= 1] -= 2
            geometry = np.eye(3)
            geometry[:2, :2], geometry[:2, 2] = turned, shift
            yield Located(geometry, float(scores[row, column]))
            scores[max(row - 7, 0) : row + 8, max(column - 7, 0) : column + 8] = -np.inf


def _fourier(detail: Plane, frequency: Matrix) -> npt.NDArray[np.complex64]:
    """Fourier transform [n] of a plane at frequencies [n, 2] (x, y) in cycles per frame."""
    side = (np.arange(GRID) + 0.5) / GRID - 0.5
    x = np.exp(-2j * np.pi * np.outer(frequency[:, 0], side)).astype(np.complex64)
    y = np.exp(-2j * np.pi * np.outer(frequency[:, 1], side)).astype(np.complex64)
    return np.asarray(np.einsum("ny,yn->n", y, detail @ x.T))


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
    frame. The phase is zero where ``geometry`` is right.
    """
    side = (np.arange(GRID) + 0.5) / GRID - 0.5
    y, x = np.meshgrid(side, side, indexing="ij")
    place = np.stack((x, y, np.ones_like(x)), axis=-1) @ geometry.T
    place = (place[..., :2] / place[..., 2:]).astype(np.float32)
    weight = np.where((np.abs(place) <= 0.5).all(axis=-1), detail, 0)
    block = GRID // _WINDOWS

    def windows(plane: npt.NDArray[np.complex64] | Plane) -> npt.NDArray[np.complex128]:
        return np.asarray(plane.reshape(_WINDOWS, block, _WINDOWS, block).sum(axis=(1, 3)).ravel(), np.complex128)

    def wave(frequency: float, axis: int) -> npt.NDArray[np.complex64]:
        turn = np.float32(-2 * np.pi * frequency) * (place[..., axis] + np.float32(0.5))
        return np.cos(turn) + np.complex64(1j) * np.sin(turn)  # several times faster than a complex exponential

    half = len(waves) // 2  # the second half mirrors the first in y, so two products serve both
    amplitudes: list[npt.NDArray[np.complex128]] = []
    mirrored: list[npt.NDArray[np.complex128]] = []
    for fx, fy in waves[:half]:
        in_x, in_y = weight * wave(fx, 0), wave(fy, 1)
        amplitudes.append(windows(in_x * in_y))
        mirrored.append(windows(in_x * np.conj(in_y)))
    centre = place.reshape(_WINDOWS, block, _WINDOWS, block, 2).mean(axis=(1, 3)).reshape(-1, 2)
    return np.array(amplitudes + mirrored), centre.astype(np.float64)


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
