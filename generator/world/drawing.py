"""What subjects are drawn with: a square canvas in unit coordinates, the colours, and a few shapes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw

RGB = tuple[int, int, int]
Point = tuple[float, float]

PALETTE: dict[str, RGB] = {
    "red": (222, 45, 48),
    "orange": (245, 135, 32),
    "yellow": (250, 208, 48),
    "green": (52, 168, 83),
    "blue": (46, 110, 224),
    "purple": (132, 66, 190),
    "pink": (244, 120, 178),
    "white": (246, 246, 248),
    "brown": (136, 84, 48),
    "turquoise": (40, 196, 198),
    "grey": (144, 148, 156),
    "black": (40, 40, 48),
}

RIM = 0.06
"""How far an outline reaches beyond the shape it goes round."""


def mix(a: RGB, b: RGB, share: float) -> RGB:
    """``share`` of the way from ``a`` to ``b``."""
    return (
        round(a[0] + (b[0] - a[0]) * share),
        round(a[1] + (b[1] - a[1]) * share),
        round(a[2] + (b[2] - a[2]) * share),
    )


class Canvas:
    """Unit-coordinate drawing on a square RGBA image: x to the right, y down, both in [-1, 1].

    ``colour`` is the subject's own, ``dark`` that of its outline, ``light`` that of its lit parts, ``ink`` that of bold
    marks on it.
    """

    def __init__(self, size: int, colour: RGB) -> None:
        self.image = Image.new("RGBA", (size, size), (*colour, 0))
        self._draw = ImageDraw.Draw(self.image)
        self._size = size
        self.colour = colour
        # The outline; a light one around black, which would be lost at night.
        self.dark = mix(colour, (20, 20, 40), 0.38) if max(colour) > 64 else mix(colour, (220, 220, 235), 0.5)
        self.light = mix(colour, (255, 255, 255), 0.55)
        self.ink = (38, 38, 46) if max(colour) > 64 else self.dark

    def _at(self, points: Sequence[Point]) -> list[Point]:
        half = self._size / 2
        return [(half + x * half, half + y * half) for x, y in points]

    def polygon(self, points: Sequence[Point], fill: RGB) -> None:
        """Fill the area that ``points`` enclose."""
        self._draw.polygon(self._at(points), fill=(*fill, 255))

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: RGB) -> None:
        """Fill an ellipse around (x, y)."""
        (x0, y0), (x1, y1) = self._at([(x - rx, y - ry), (x + rx, y + ry)])
        self._draw.ellipse((x0, y0, x1, y1), fill=(*fill, 255))

    def ring(self, x: float, y: float, rx: float, ry: float, width: float, fill: RGB) -> None:
        """The band of ``width`` inside the edge of an ellipse around (x, y)."""
        (x0, y0), (x1, y1) = self._at([(x - rx, y - ry), (x + rx, y + ry)])
        self._draw.ellipse((x0, y0, x1, y1), outline=(*fill, 255), width=round(width * self._size / 2))

    def line(self, points: Sequence[Point], width: float, fill: RGB) -> None:
        """A line of ``width`` through ``points``."""
        self._draw.line(self._at(points), fill=(*fill, 255), width=round(width * self._size / 2), joint="curve")

    def outlined(self, *shapes: Sequence[Point], fill: RGB | None = None) -> None:
        """Fill ``shapes`` with ``fill`` (else ``colour``), merged into one body within one dark rim."""
        for shape in shapes:
            self.polygon(shape, self.dark)
            self.line([*shape, *shape[:2]], 2 * RIM, self.dark)
        for shape in shapes:
            self.polygon(shape, fill or self.colour)

    def tube(self, points: Sequence[Point], start: float, end: float, fill: RGB) -> None:
        """A round-ended limb along the curve through ``points``, its width going from ``start`` to ``end``."""
        along = curve(points)
        widths = [float(w) for w in np.linspace(start, end, len(along))]
        for i, ((x, y), width) in enumerate(zip(along, widths, strict=True)):
            self.ellipse(x, y, width / 2, width / 2, fill)
            self.line(along[i : i + 2], width, fill)

    def limb(self, points: Sequence[Point], start: float, end: float) -> None:
        """A `tube` in ``colour`` within a dark rim."""
        self.tube(points, start + 2 * RIM, end + 2 * RIM, self.dark)
        self.tube(points, start, end, self.colour)

    def eye(self, x: float, y: float, r: float) -> None:
        """A white eye of radius ``r`` that looks to the right."""
        self.ellipse(x, y, r, r, (255, 255, 255))
        self.ellipse(x + 0.2 * r, y, 0.62 * r, 0.68 * r, (25, 25, 35))

    def box(self, x0: float, y0: float, x1: float, y1: float, radius: float, fill: RGB) -> None:
        """Fill a rectangle with rounded corners."""
        (ax, ay), (bx, by) = self._at([(x0, y0), (x1, y1)])
        self._draw.rounded_rectangle((ax, ay, bx, by), radius * self._size / 2, fill=(*fill, 255))


def scaled(points: Sequence[Point], share: float, centre: Point = (0.0, 0.0)) -> list[Point]:
    """``points`` moved towards ``centre``."""
    cx, cy = centre
    return [(cx + (x - cx) * share, cy + (y - cy) * share) for x, y in points]


def dome(x: float, y: float, rx: float, ry: float) -> list[Point]:
    """The upper half of an ellipse."""
    return [(x + rx * math.cos(a), y - ry * math.sin(a)) for a in np.linspace(0, math.pi, 40)]


def oval(x: float, y: float, rx: float, ry: float) -> list[Point]:
    """A whole ellipse."""
    return [(x + rx * math.cos(a), y - ry * math.sin(a)) for a in np.linspace(0, 2 * math.pi, 40, endpoint=False)]


def curve(points: Sequence[Point]) -> list[Point]:
    """A smooth curve through ``points``, from the first to the last (Catmull-Rom)."""
    ends = [points[0], *points, points[-1]]
    return [
        *(_between(ends[i : i + 4], t) for i in range(len(points) - 1) for t in np.linspace(0, 1, 12, endpoint=False)),
        points[-1],
    ]


def rounded(points: Sequence[Point]) -> list[Point]:
    """A smooth closed outline through ``points`` (Catmull-Rom)."""
    ring = [points[-1], *points, *points[:2]]
    return [_between(ring[i : i + 4], t) for i in range(len(points)) for t in np.linspace(0, 1, 8, endpoint=False)]


def _between(four: Sequence[Point], t: float) -> Point:
    """The point ``t`` of the way from the second to the third of ``four`` on the curve through them all."""

    def at(p: float, q: float, r: float, s: float) -> float:
        return q + t * ((r - p) + t * ((2 * p - 5 * q + 4 * r - s) + t * (3 * (q - r) + s - p))) / 2

    a, b, c, d = four
    return at(a[0], b[0], c[0], d[0]), at(a[1], b[1], c[1], d[1])


Figures = dict[str, Callable[[Canvas], None]]
