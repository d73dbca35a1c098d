"""How a received picture may lie in the marked one: mirrored, turned by quarters, framed in black, or found by the
synchronisation (`sync`).

A geometry is a homography [3, 3] from the received frame to the marked one. Both have coordinates (x, y) from -1/2 to
1/2 over their width and height, whatever their size in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_opening, label, map_coordinates
from scipy.spatial import ConvexHull, QhullError

from provenance.watermark.grid import GRID, Plane

Homography = npt.NDArray[np.float64]
Points = npt.NDArray[np.float64]

_DARK = 26.0  # luma codes: a border stays below in every frame, blurred and coded or not
#: The corners of a frame, clockwise from the upper left.
CORNERS = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
_LEAST_AREA = 0.1  # share of the frame that the framed picture fills at least


@dataclass(frozen=True)
class Mirror:
    """One of the eight ways to mirror a frame and turn it by quarters: exact on the square grid."""

    swap: bool
    flip_x: bool
    flip_y: bool

    def apply(self, spectrum: Plane) -> Plane:
        """The DCT spectrum [320, 320] of the picture put upright again."""
        out = spectrum.T if self.swap else spectrum
        odd = (1 - 2 * (np.arange(GRID) % 2)).astype(np.float32)  # a cosine about the centre is odd where its index is
        if self.flip_x:
            out = out * odd
        if self.flip_y:
            out = out * odd[:, None]
        return out

    @property
    def geometry(self) -> Homography:
        """The same as a homography."""
        swap = np.array([(0.0, 1, 0), (1, 0, 0), (0, 0, 1)]) if self.swap else np.eye(3)
        flip = np.diag([-1.0 if self.flip_x else 1.0, -1.0 if self.flip_y else 1.0, 1.0])
        return np.asarray(flip @ swap, np.float64)


#: The frame as it is comes first.
MIRRORS = tuple(Mirror(swap, x, y) for swap in (False, True) for x in (False, True) for y in (False, True))


def apply(geometry: Homography, points: Points) -> Points:
    """Where points [..., 2] of the received frame lie in the marked one."""
    mapped = points @ geometry[:, :2].T + geometry[:, 2]
    return np.asarray(mapped[..., :2] / mapped[..., 2:])


def resample(plane: Plane, geometry: Homography) -> Plane:
    """A received plane [n, n] as it lies in the marked frame, zero where nothing was received."""
    side = (np.arange(len(plane), dtype=np.float64) + 0.5) / len(plane) - 0.5
    y, x = np.meshgrid(side, side, indexing="ij")
    source = apply(np.asarray(np.linalg.inv(geometry), np.float64), np.stack((x, y), axis=-1))
    index = (source[..., ::-1] + 0.5) * len(plane) - 0.5
    return np.asarray(map_coordinates(plane, np.moveaxis(index, -1, 0), order=1, mode="constant"), np.float32)


def border_geometries(brightest: Plane) -> list[Homography]:
    """The picture inside black borders, as letterboxing, shrinking and perspective leave them; none without borders.

    ``brightest`` [320, 320] is the highest luma of each point over the clip.
    """
    lit = binary_opening(brightest > _DARK, iterations=2)
    areas, count = label(lit)
    if count == 0:
        return []
    largest = areas == 1 + int(np.argmax(np.bincount(areas.ravel())[1:]))
    if not _LEAST_AREA < largest.mean() < 0.99:
        return []
    rows, columns = np.nonzero(largest)
    # The corners of the grid's cells, so that the hull reaches to the very edge of the picture.
    cells = np.concatenate([np.stack((columns + i, rows + j), axis=1) for i in (0, 1) for j in (0, 1)])
    try:
        hull = cells[ConvexHull(cells).vertices] / GRID - 0.5
    except QhullError:
        return []
    corners = _four_corners(hull)
    if corners is None:
        return []
    start = int(np.argmin(corners.sum(axis=1)))  # the hull runs clockwise on the screen, as the corners do
    upright = np.roll(corners, -start, axis=0)
    return [homography(upright, CORNERS), homography(upright, CORNERS * (-1, 1))]


def homography(source: Points, target: Points) -> Homography:
    """The homography that takes four points [4, 2] to four others [4, 2]."""
    rows, values = [], []
    for (x, y), (u, v) in zip(source, target, strict=True):
        rows += [(x, y, 1, 0, 0, 0, -u * x, -u * y), (0, 0, 0, x, y, 1, -v * x, -v * y)]
        values += [u, v]
    return np.append(np.linalg.solve(np.array(rows), np.array(values)), 1.0).reshape(3, 3)


def _four_corners(hull: Points) -> Points | None:
    """The quadrilateral around a convex polygon [n, 2], found by dropping the edges that cost the least area."""
    polygon = list(hull)
    while len(polygon) > 4:
        best: tuple[float, int, Points] | None = None
        for i in range(len(polygon)):
            before, start, end, after = (polygon[(i + k) % len(polygon)] for k in (-1, 0, 1, 2))
            meet = _intersection(before, start, end, after)
            if meet is not None:
                area = abs(_cross(meet - start, end - start)) / 2
                if best is None or area < best[0]:
                    best = area, i, meet
        if best is None:
            return None
        _, i, meet = best
        polygon[i] = meet
        del polygon[(i + 1) % len(polygon)]
    return np.array(polygon) if len(polygon) == 4 else None


def _intersection(a: Points, b: Points, c: Points, d: Points) -> Points | None:
    """Where the line from ``a`` through ``b`` meets the line from ``d`` through ``c``, beyond ``b`` and ``c``."""
    along, across = b - a, c - d
    turn = _cross(along, across)
    if abs(turn) < 1e-12:
        return None
    ahead = _cross(c - b, across) / turn
    return b + ahead * along if ahead >= 0 and _cross(c - b, along) / turn >= 0 else None


def _cross(a: Points, b: Points) -> float:
    return float(a[0] * b[1] - a[1] * b[0])
