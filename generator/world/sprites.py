"""The subjects, drawn as shaded vector shapes.

Every subject is a function that draws on a square canvas in unit coordinates (x to the right, y down, both in
[-1, 1]) and faces right. Drawing happens at ``OVERSAMPLE`` times the final size and is box-filtered down, so edges are
anti-aliased at any sub-pixel position.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

OVERSAMPLE = 4
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


def _mix(a: RGB, b: RGB, share: float) -> RGB:
    return (
        round(a[0] + (b[0] - a[0]) * share),
        round(a[1] + (b[1] - a[1]) * share),
        round(a[2] + (b[2] - a[2]) * share),
    )


class _Canvas:
    """Unit-coordinate drawing on a square RGBA image."""

    def __init__(self, size: int, colour: RGB) -> None:
        self.image = Image.new("RGBA", (size, size), (*colour, 0))
        self._draw = ImageDraw.Draw(self.image)
        self._size = size
        self.colour = colour
        # The outline; a light one around black, which would be lost at night.
        self.dark = _mix(colour, (20, 20, 40), 0.38) if max(colour) > 64 else _mix(colour, (220, 220, 235), 0.5)
        self.light = _mix(colour, (255, 255, 255), 0.55)

    def _at(self, points: Sequence[Point]) -> list[Point]:
        half = self._size / 2
        return [(half + x * half, half + y * half) for x, y in points]

    def polygon(self, points: Sequence[Point], fill: RGB) -> None:
        self._draw.polygon(self._at(points), fill=(*fill, 255))

    def ellipse(self, x: float, y: float, rx: float, ry: float, fill: RGB) -> None:
        (x0, y0), (x1, y1) = self._at([(x - rx, y - ry), (x + rx, y + ry)])
        self._draw.ellipse((x0, y0, x1, y1), fill=(*fill, 255))

    def line(self, points: Sequence[Point], width: float, fill: RGB) -> None:
        self._draw.line(self._at(points), fill=(*fill, 255), width=round(width * self._size / 2), joint="curve")

    def box(self, x0: float, y0: float, x1: float, y1: float, radius: float, fill: RGB) -> None:
        (ax, ay), (bx, by) = self._at([(x0, y0), (x1, y1)])
        self._draw.rounded_rectangle((ax, ay, bx, by), radius * self._size / 2, fill=(*fill, 255))


def _scaled(points: Sequence[Point], share: float, centre: Point = (0.0, 0.0)) -> list[Point]:
    cx, cy = centre
    return [(cx + (x - cx) * share, cy + (y - cy) * share) for x, y in points]


def _balloon(c: _Canvas) -> None:
    c.line([(0, 0.5), (0.05, 0.68), (-0.05, 0.82), (0.0, 0.97)], 0.045, (90, 90, 96))
    c.polygon([(-0.13, 0.6), (0.13, 0.6), (0, 0.42)], c.dark)
    c.ellipse(0, -0.22, 0.64, 0.74, c.dark)
    c.ellipse(0, -0.22, 0.59, 0.69, c.colour)
    c.ellipse(-0.22, -0.5, 0.15, 0.2, c.light)


def _ball(c: _Canvas) -> None:
    c.ellipse(0, 0, 0.8, 0.8, c.dark)
    c.ellipse(0, 0, 0.74, 0.74, c.colour)
    c.polygon(
        [(0.74 * math.sin(a), 0.25 * math.cos(a) + 0.05) for a in np.linspace(-1.45, 1.45, 24)]
        + [(0.74 * math.sin(a), 0.25 * math.cos(a) - 0.2) for a in np.linspace(1.45, -1.45, 24)],
        c.light,
    )
    c.ellipse(-0.3, -0.38, 0.16, 0.13, (255, 255, 255))


def _star(c: _Canvas) -> None:
    points = [
        (r * math.sin(math.pi * i / 5), -r * math.cos(math.pi * i / 5) + 0.07) for i, r in enumerate([0.95, 0.42] * 5)
    ]
    c.polygon(points, c.dark)
    c.polygon(_scaled(points, 0.87, (0, 0.07)), c.colour)
    c.polygon(_scaled(points, 0.42, (-0.04, 0.02)), c.light)


def _heart(c: _Canvas) -> None:
    angles = np.linspace(0, 2 * math.pi, 96)
    points = [
        (
            0.054 * 16 * math.sin(a) ** 3,
            -0.054 * (13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a)) - 0.05,
        )
        for a in angles
    ]
    c.polygon(points, c.dark)
    c.polygon(_scaled(points, 0.9, (0, -0.05)), c.colour)
    c.ellipse(-0.38, -0.36, 0.17, 0.14, c.light)


def _fish(c: _Canvas) -> None:
    c.polygon([(-0.3, 0), (-0.96, -0.58), (-0.8, 0), (-0.96, 0.58)], c.dark)
    c.polygon([(-0.38, 0), (-0.86, -0.42), (-0.72, 0), (-0.86, 0.42)], c.light)
    c.polygon([(-0.2, -0.4), (0.1, -0.86), (0.45, -0.4)], c.dark)
    c.ellipse(0.18, 0, 0.76, 0.56, c.dark)
    c.ellipse(0.18, 0, 0.69, 0.49, c.colour)
    c.polygon([(0.1, 0.02), (-0.3, 0.3), (-0.26, -0.2)], c.light)
    c.ellipse(0.56, -0.12, 0.17, 0.17, (255, 255, 255))
    c.ellipse(0.6, -0.12, 0.09, 0.09, (25, 25, 35))


def _boat(c: _Canvas) -> None:
    c.line([(0, -0.9), (0, 0.4)], 0.07, (110, 74, 44))
    c.polygon([(0.07, -0.88), (0.07, 0.26), (0.78, 0.26)], c.colour)
    c.polygon([(-0.07, -0.66), (-0.07, 0.26), (-0.6, 0.26)], c.light)
    hull = [(-0.92, 0.38), (0.95, 0.38), (0.62, 0.85), (-0.62, 0.85)]
    c.polygon(hull, c.dark)
    c.polygon([(-0.92, 0.38), (0.95, 0.38), (0.88, 0.5), (-0.86, 0.5)], c.colour)


def _car(c: _Canvas) -> None:
    c.polygon([(-0.58, 0.05), (-0.38, -0.42), (0.3, -0.42), (0.62, 0.05)], c.dark)
    c.polygon([(-0.44, 0.02), (-0.3, -0.31), (-0.06, -0.31), (-0.06, 0.02)], (198, 228, 244))
    c.polygon([(0.04, 0.02), (0.04, -0.31), (0.24, -0.31), (0.46, 0.02)], (198, 228, 244))
    c.box(-0.95, -0.02, 0.95, 0.45, 0.14, c.dark)
    c.box(-0.9, 0.03, 0.9, 0.38, 0.11, c.colour)
    c.ellipse(0.84, 0.16, 0.08, 0.08, (255, 244, 190))
    for x in (-0.52, 0.52):
        c.ellipse(x, 0.44, 0.24, 0.24, (38, 38, 46))
        c.ellipse(x, 0.44, 0.11, 0.11, (196, 196, 204))


def _rocket(c: _Canvas) -> None:
    c.polygon([(-0.2, 0.6), (0.2, 0.6), (0, 0.98)], (255, 170, 40))
    c.polygon([(-0.28, 0.1), (-0.62, 0.68), (-0.2, 0.55)], c.dark)
    c.polygon([(0.28, 0.1), (0.62, 0.68), (0.2, 0.55)], c.dark)
    body = [(0.34 * math.cos(a), 0.05 - 0.98 * math.sin(a)) for a in np.linspace(0, math.pi, 40)]
    body += [(-0.27, 0.6), (0.27, 0.6)]
    c.polygon(body, c.dark)
    c.polygon(_scaled(body, 0.88, (0, 0.05)), c.colour)
    c.ellipse(0, -0.2, 0.18, 0.18, c.dark)
    c.ellipse(0, -0.2, 0.12, 0.12, (206, 234, 250))


def _dome(x: float, y: float, rx: float, ry: float) -> list[Point]:
    """The upper half of an ellipse."""
    return [(x + rx * math.cos(a), y - ry * math.sin(a)) for a in np.linspace(0, math.pi, 40)]


def _umbrella(c: _Canvas) -> None:
    hook = [(0.2 + 0.17 * math.cos(a), 0.74 + 0.17 * math.sin(a)) for a in np.linspace(math.pi, 0, 12)]
    c.line([(0.03, -0.9), (0.03, 0.74), *hook], 0.09, (104, 84, 70))
    c.polygon(_dome(0, 0.1, 0.96, 0.88), c.dark)
    c.polygon(_dome(0, 0.04, 0.89, 0.76), c.colour)
    c.polygon(_dome(0, 0.04, 0.32, 0.76), c.light)


def _mushroom(c: _Canvas) -> None:
    c.box(-0.32, 0.0, 0.32, 0.92, 0.2, (178, 158, 132))
    c.box(-0.25, 0.0, 0.25, 0.85, 0.16, (246, 234, 212))
    c.polygon(_dome(0, 0.18, 0.96, 1.08), c.dark)
    c.polygon(_dome(0, 0.12, 0.88, 0.94), c.colour)
    for x, y, r in ((-0.46, -0.2, 0.17), (0.08, -0.48, 0.2), (0.5, -0.12, 0.15)):
        c.ellipse(x, y, r, r, c.light)


def _airplane(c: _Canvas) -> None:
    c.polygon([(-0.1, -0.08), (-0.42, -0.62), (-0.2, -0.62), (0.34, -0.08)], c.dark)
    c.polygon([(-0.62, -0.1), (-0.96, -0.62), (-0.7, -0.62), (-0.4, -0.1)], c.dark)
    body = [(-0.95, -0.08), (-0.5, -0.2), (0.5, -0.22), (0.82, -0.12), (0.97, 0.06), (0.8, 0.2), (-0.4, 0.24)]
    c.polygon(body, c.dark)
    c.polygon(_scaled(body, 0.88, (0, 0.02)), c.colour)
    c.polygon([(0.6, -0.12), (0.78, -0.1), (0.86, 0.02), (0.6, 0.02)], (206, 234, 250))
    for x in (-0.3, -0.04, 0.22):
        c.ellipse(x, -0.05, 0.07, 0.07, (206, 234, 250))
    c.polygon([(0.3, 0.1), (-0.12, 0.1), (-0.62, 0.72), (-0.34, 0.72)], c.dark)
    c.polygon([(0.2, 0.13), (-0.1, 0.13), (-0.5, 0.66), (-0.37, 0.66)], c.light)


def _bird(c: _Canvas) -> None:
    c.polygon([(-0.4, 0.1), (-0.97, -0.02), (-0.92, 0.2), (-0.8, 0.36), (-0.3, 0.36)], c.dark)
    c.ellipse(0.08, 0.22, 0.56, 0.33, c.dark)
    c.ellipse(0.08, 0.22, 0.5, 0.27, c.colour)
    c.ellipse(0.54, 0.0, 0.26, 0.26, c.dark)
    c.ellipse(0.54, 0.0, 0.21, 0.21, c.colour)
    c.polygon([(0.74, -0.08), (0.98, 0.05), (0.72, 0.12)], (248, 176, 48))
    c.ellipse(0.6, -0.05, 0.07, 0.07, (25, 25, 35))
    wing = [(0.3, 0.18), (-0.22, 0.22), (-0.62, -0.5), (-0.5, -0.9), (-0.1, -0.6)]
    c.polygon(wing, c.dark)
    c.polygon(_scaled(wing, 0.78, (-0.16, -0.2)), c.light)


def _butterfly(c: _Canvas) -> None:
    for side in (-1, 1):
        c.ellipse(side * 0.5, -0.34, 0.46, 0.46, c.dark)
        c.ellipse(side * 0.4, 0.42, 0.36, 0.4, c.dark)
        c.ellipse(side * 0.5, -0.34, 0.38, 0.38, c.colour)
        c.ellipse(side * 0.4, 0.42, 0.28, 0.32, c.colour)
        c.ellipse(side * 0.54, -0.36, 0.17, 0.17, c.light)
        c.ellipse(side * 0.42, 0.46, 0.12, 0.14, c.light)
        c.line([(0, -0.5), (side * 0.14, -0.78), (side * 0.3, -0.9)], 0.05, (60, 48, 44))
    c.box(-0.09, -0.58, 0.09, 0.66, 0.09, (70, 56, 50))


def _cat(c: _Canvas) -> None:
    """Sitting, seen from the front, with the tail to its left."""
    c.line([(-0.3, 0.8), (-0.72, 0.74), (-0.8, 0.4), (-0.66, 0.2)], 0.16, c.dark)
    c.ellipse(0.04, 0.5, 0.48, 0.47, c.dark)
    c.ellipse(0.04, 0.5, 0.41, 0.41, c.colour)
    c.ellipse(0.04, 0.6, 0.22, 0.28, c.light)
    for side in (-1, 1):
        c.polygon([(0.04 + side * 0.14, -0.56), (0.04 + side * 0.5, -0.97), (0.04 + side * 0.52, -0.2)], c.dark)
        c.polygon([(0.04 + side * 0.26, -0.56), (0.04 + side * 0.45, -0.8), (0.04 + side * 0.46, -0.36)], c.light)
    c.ellipse(0.04, -0.26, 0.54, 0.44, c.dark)
    c.ellipse(0.04, -0.26, 0.48, 0.38, c.colour)
    for side in (-1, 1):
        c.ellipse(0.04 + side * 0.2, -0.32, 0.1, 0.12, (255, 255, 255))
        c.ellipse(0.04 + side * 0.19, -0.3, 0.055, 0.09, (25, 25, 35))
    c.polygon([(-0.04, -0.14), (0.12, -0.14), (0.04, -0.05)], (236, 130, 140))


def _dog(c: _Canvas) -> None:
    """Standing, seen from the side."""
    c.line([(-0.62, 0.0), (-0.82, -0.3), (-0.92, -0.34)], 0.15, c.dark)
    for x in (-0.56, -0.3, 0.16, 0.4):
        c.box(x - 0.12, 0.2, x + 0.12, 0.94, 0.08, c.dark)
    c.box(-0.74, -0.14, 0.56, 0.5, 0.26, c.dark)
    c.box(-0.68, -0.08, 0.5, 0.43, 0.22, c.colour)
    c.box(0.2, -0.8, 0.78, -0.04, 0.22, c.dark)
    c.box(0.5, -0.52, 0.98, -0.1, 0.16, c.dark)
    c.box(0.25, -0.74, 0.73, -0.09, 0.18, c.colour)
    c.box(0.52, -0.46, 0.92, -0.16, 0.12, c.light)
    c.box(0.06, -0.78, 0.32, -0.2, 0.13, c.dark)
    c.ellipse(0.94, -0.4, 0.07, 0.08, (25, 25, 35))
    c.ellipse(0.56, -0.56, 0.07, 0.08, (25, 25, 35))


def _flower(c: _Canvas) -> None:
    c.line([(0, 0.0), (0.03, 0.97)], 0.09, (66, 140, 62))
    c.polygon([(0.03, 0.78), (0.24, 0.46), (0.56, 0.42), (0.38, 0.7)], (84, 168, 74))
    for i in range(6):
        angle = math.pi * i / 3
        c.ellipse(0.4 * math.sin(angle), -0.3 - 0.4 * math.cos(angle), 0.27, 0.27, c.dark)
    for i in range(6):
        angle = math.pi * i / 3
        c.ellipse(0.4 * math.sin(angle), -0.3 - 0.4 * math.cos(angle), 0.21, 0.21, c.colour)
    c.ellipse(0, -0.3, 0.25, 0.25, (250, 214, 90))


def _duck(c: _Canvas) -> None:
    c.polygon([(-0.5, 0.2), (-0.97, -0.18), (-0.8, 0.5)], c.dark)
    c.ellipse(-0.1, 0.42, 0.74, 0.46, c.dark)
    c.ellipse(-0.1, 0.42, 0.67, 0.39, c.colour)
    c.ellipse(-0.22, 0.36, 0.36, 0.22, c.light)
    c.ellipse(0.42, -0.34, 0.38, 0.38, c.dark)
    c.ellipse(0.42, -0.34, 0.32, 0.32, c.colour)
    c.polygon([(0.7, -0.42), (0.98, -0.26), (0.68, -0.14)], (248, 150, 40))
    c.ellipse(0.5, -0.42, 0.09, 0.1, (25, 25, 35))


def _robot(c: _Canvas) -> None:
    c.line([(0, -0.6), (0, -0.9)], 0.06, (90, 94, 104))
    c.ellipse(0, -0.9, 0.09, 0.09, (240, 96, 84))
    for side in (-1, 1):
        c.box(side * 0.66 - 0.13, 0.04, side * 0.66 + 0.13, 0.56, 0.1, c.dark)
        c.box(side * 0.26 - 0.14, 0.6, side * 0.26 + 0.14, 0.97, 0.06, c.dark)
    c.box(-0.52, -0.04, 0.52, 0.72, 0.1, c.dark)
    c.box(-0.46, 0.02, 0.46, 0.66, 0.08, c.colour)
    c.box(-0.26, 0.16, 0.26, 0.46, 0.04, c.light)
    c.box(-0.5, -0.74, 0.5, -0.1, 0.14, c.dark)
    c.box(-0.44, -0.68, 0.44, -0.16, 0.1, c.colour)
    for side in (-1, 1):
        c.ellipse(side * 0.2, -0.46, 0.13, 0.13, (244, 250, 255))
        c.ellipse(side * 0.2, -0.46, 0.06, 0.06, (25, 25, 35))


def _turtle(c: _Canvas) -> None:
    """The shell has the colour; head, legs and tail are those of any turtle."""
    skin, rim = (148, 176, 96), (92, 118, 62)
    c.polygon([(-0.7, 0.4), (-0.98, 0.52), (-0.7, 0.56)], rim)
    for x in (-0.44, 0.4):
        c.box(x - 0.19, 0.36, x + 0.19, 0.84, 0.12, rim)
        c.box(x - 0.14, 0.36, x + 0.14, 0.79, 0.1, skin)
    c.ellipse(0.78, 0.14, 0.21, 0.24, rim)
    c.ellipse(0.78, 0.14, 0.16, 0.19, skin)
    c.ellipse(0.84, 0.08, 0.06, 0.07, (25, 25, 35))
    c.polygon(_dome(-0.06, 0.5, 0.76, 0.98), c.dark)
    c.polygon(_dome(-0.06, 0.44, 0.68, 0.85), c.colour)
    for x, y, r in ((-0.38, 0.2, 0.15), (-0.06, -0.08, 0.18), (0.26, 0.2, 0.15)):
        c.ellipse(x, y, r, r, c.light)


def _train(c: _Canvas) -> None:
    """A steam engine."""
    c.box(0.42, -0.62, 0.68, 0.0, 0.04, (58, 58, 68))
    c.box(0.36, -0.72, 0.74, -0.54, 0.06, (58, 58, 68))
    c.box(-0.9, -0.72, -0.1, 0.5, 0.06, c.dark)
    c.box(-0.98, -0.84, -0.02, -0.66, 0.06, c.dark)
    c.box(-0.72, -0.52, -0.28, -0.1, 0.05, (198, 228, 244))
    c.box(-0.2, -0.2, 0.92, 0.5, 0.18, c.dark)
    c.box(-0.2, -0.13, 0.85, 0.43, 0.14, c.colour)
    c.box(-0.84, -0.02, -0.16, 0.43, 0.04, c.colour)
    c.box(0.06, -0.13, 0.18, 0.43, 0.01, c.light)
    for x, r in ((-0.56, 0.3), (0.12, 0.24), (0.62, 0.24)):
        c.ellipse(x, 0.94 - r, r, r, (38, 38, 46))
        c.ellipse(x, 0.94 - r, r * 0.5, r * 0.5, (196, 196, 204))


_DRAW: dict[str, Callable[[_Canvas], None]] = {
    "balloon": _balloon,
    "ball": _ball,
    "star": _star,
    "heart": _heart,
    "fish": _fish,
    "boat": _boat,
    "car": _car,
    "rocket": _rocket,
    "umbrella": _umbrella,
    "mushroom": _mushroom,
    "airplane": _airplane,
    "bird": _bird,
    "butterfly": _butterfly,
    "cat": _cat,
    "dog": _dog,
    "flower": _flower,
    "duck": _duck,
    "robot": _robot,
    "turtle": _turtle,
    "train": _train,
}


class Sprite:
    """A subject in one colour and size, ready to be composited at any sub-pixel position."""

    def __init__(self, subject: str, colour: str, size: int, *, faces_left: bool = False) -> None:
        canvas = _Canvas(size * OVERSAMPLE, PALETTE[colour])
        _DRAW[subject](canvas)
        image = canvas.image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if faces_left else canvas.image
        self._premultiplied = np.asarray(image.convert("RGBa"))
        self._phases: dict[tuple[int, int], npt.NDArray[np.float32]] = {}
        self.size = size

    def _phase(self, py: int, px: int) -> npt.NDArray[np.float32]:
        """The sprite shifted by (py, px) / OVERSAMPLE pixels, box-filtered to final size and shaded."""
        if (py, px) not in self._phases:
            k = OVERSAMPLE
            padded = np.pad(self._premultiplied, ((py, k - py), (px, k - px), (0, 0)))
            rows = np.add.reduce([padded[i::k] for i in range(k)], dtype=np.uint16)
            tile = np.add.reduce([rows[:, i::k] for i in range(k)]).astype(np.float32) / (255 * k**2)
            # Light from the upper left: one soft ramp over the whole subject.
            ramp = np.linspace(1.1, 0.84, len(tile), dtype=np.float32)
            shade = (ramp[:, None] + ramp[None, :])[..., None] / 2
            tile[..., :3] = np.minimum(tile[..., :3] * shade, tile[..., 3:])
            self._phases[py, px] = tile
        return self._phases[py, px]

    def composite(self, frame: npt.NDArray[np.uint8], x: float, y: float) -> None:
        """Draw onto ``frame`` (uint8 [H, W, 3], changed in place) centred at pixel (x, y)."""
        left, top = x - self.size / 2, y - self.size / 2
        ix, iy = math.floor(left), math.floor(top)
        tile = self._phase(int((top - iy) * OVERSAMPLE), int((left - ix) * OVERSAMPLE))
        height, width, _ = frame.shape
        y0, y1 = max(iy, 0), min(iy + tile.shape[0], height)
        x0, x1 = max(ix, 0), min(ix + tile.shape[1], width)
        if y0 >= y1 or x0 >= x1:
            return
        part = tile[y0 - iy : y1 - iy, x0 - ix : x1 - ix]
        region = frame[y0:y1, x0:x1]
        np.copyto(region, np.rint(region * (1 - part[..., 3:]) + part[..., :3] * 255), casting="unsafe")
