"""The animals of house, garden and farm, each a drawing that faces right or looks at the viewer."""

from __future__ import annotations

import math

import numpy as np

from generator.world.drawing import Canvas, Figures, dome, oval, rounded, scaled


def _fish(c: Canvas) -> None:
    c.polygon([(-0.3, 0), (-0.96, -0.58), (-0.8, 0), (-0.96, 0.58)], c.dark)
    c.polygon([(-0.38, 0), (-0.86, -0.42), (-0.72, 0), (-0.86, 0.42)], c.light)
    c.polygon([(-0.2, -0.4), (0.1, -0.86), (0.45, -0.4)], c.dark)
    c.ellipse(0.18, 0, 0.76, 0.56, c.dark)
    c.ellipse(0.18, 0, 0.69, 0.49, c.colour)
    c.polygon([(0.1, 0.02), (-0.3, 0.3), (-0.26, -0.2)], c.light)
    c.ellipse(0.56, -0.12, 0.17, 0.17, (255, 255, 255))
    c.ellipse(0.6, -0.12, 0.09, 0.09, (25, 25, 35))


def _bird(c: Canvas) -> None:
    c.polygon([(-0.4, 0.1), (-0.97, -0.02), (-0.92, 0.2), (-0.8, 0.36), (-0.3, 0.36)], c.dark)
    c.ellipse(0.08, 0.22, 0.56, 0.33, c.dark)
    c.ellipse(0.08, 0.22, 0.5, 0.27, c.colour)
    c.ellipse(0.54, 0.0, 0.26, 0.26, c.dark)
    c.ellipse(0.54, 0.0, 0.21, 0.21, c.colour)
    c.polygon([(0.74, -0.08), (0.98, 0.05), (0.72, 0.12)], (248, 176, 48))
    c.ellipse(0.6, -0.05, 0.07, 0.07, (25, 25, 35))
    wing = [(0.3, 0.18), (-0.22, 0.22), (-0.62, -0.5), (-0.5, -0.9), (-0.1, -0.6)]
    c.polygon(wing, c.dark)
    c.polygon(scaled(wing, 0.78, (-0.16, -0.2)), c.light)


def _butterfly(c: Canvas) -> None:
    for side in (-1, 1):
        c.ellipse(side * 0.5, -0.34, 0.46, 0.46, c.dark)
        c.ellipse(side * 0.4, 0.42, 0.36, 0.4, c.dark)
        c.ellipse(side * 0.5, -0.34, 0.38, 0.38, c.colour)
        c.ellipse(side * 0.4, 0.42, 0.28, 0.32, c.colour)
        c.ellipse(side * 0.54, -0.36, 0.17, 0.17, c.light)
        c.ellipse(side * 0.42, 0.46, 0.12, 0.14, c.light)
        c.line([(0, -0.5), (side * 0.14, -0.78), (side * 0.3, -0.9)], 0.05, (60, 48, 44))
    c.box(-0.09, -0.58, 0.09, 0.66, 0.09, (70, 56, 50))


def _cat(c: Canvas) -> None:
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


def _dog(c: Canvas) -> None:
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


def _duck(c: Canvas) -> None:
    c.polygon([(-0.5, 0.2), (-0.97, -0.18), (-0.8, 0.5)], c.dark)
    c.ellipse(-0.1, 0.42, 0.74, 0.46, c.dark)
    c.ellipse(-0.1, 0.42, 0.67, 0.39, c.colour)
    c.ellipse(-0.22, 0.36, 0.36, 0.22, c.light)
    c.ellipse(0.42, -0.34, 0.38, 0.38, c.dark)
    c.ellipse(0.42, -0.34, 0.32, 0.32, c.colour)
    c.polygon([(0.7, -0.42), (0.98, -0.26), (0.68, -0.14)], (248, 150, 40))
    c.ellipse(0.5, -0.42, 0.09, 0.1, (25, 25, 35))


def _turtle(c: Canvas) -> None:
    """The shell has the colour; head, legs and tail are those of any turtle."""
    skin, rim = (148, 176, 96), (92, 118, 62)
    c.polygon([(-0.7, 0.4), (-0.98, 0.52), (-0.7, 0.56)], rim)
    for x in (-0.44, 0.4):
        c.box(x - 0.19, 0.36, x + 0.19, 0.84, 0.12, rim)
        c.box(x - 0.14, 0.36, x + 0.14, 0.79, 0.1, skin)
    c.ellipse(0.78, 0.14, 0.21, 0.24, rim)
    c.ellipse(0.78, 0.14, 0.16, 0.19, skin)
    c.ellipse(0.84, 0.08, 0.06, 0.07, (25, 25, 35))
    c.polygon(dome(-0.06, 0.5, 0.76, 0.98), c.dark)
    c.polygon(dome(-0.06, 0.44, 0.68, 0.85), c.colour)
    for x, y, r in ((-0.38, 0.2, 0.15), (-0.06, -0.08, 0.18), (0.26, 0.2, 0.15)):
        c.ellipse(x, y, r, r, c.light)


def _rabbit(c: Canvas) -> None:
    """Sitting, seen from the side."""
    c.ellipse(-0.72, 0.62, 0.22, 0.22, c.dark)
    c.ellipse(-0.72, 0.62, 0.16, 0.16, (255, 255, 255))
    c.limb([(0.28, -0.3), (0.08, -0.62), (-0.02, -0.8)], 0.16, 0.18)
    c.outlined(
        rounded([(-0.6, 0.5), (-0.4, 0.1), (0.0, 0.0), (0.4, 0.2), (0.44, 0.84), (-0.3, 0.86)]),
        oval(0.46, -0.06, 0.36, 0.31),
        oval(0.4, 0.84, 0.22, 0.08),
    )
    c.limb([(0.44, -0.3), (0.44, -0.6), (0.48, -0.79)], 0.18, 0.22)
    c.tube([(0.44, -0.4), (0.44, -0.6), (0.47, -0.76)], 0.08, 0.1, c.light)
    c.outlined(rounded([(-0.46, 0.56), (-0.2, 0.34), (0.06, 0.52), (0.1, 0.86), (-0.36, 0.86)]))
    c.eye(0.56, -0.12, 0.12)
    c.ellipse(0.8, -0.02, 0.07, 0.06, (236, 120, 140))


def _snail(c: Canvas) -> None:
    """The shell has the colour, the body a light tint of it."""
    for tip in ((0.5, -0.5), (0.84, -0.46)):
        c.tube([(0.7, 0.1), tip], 0.17, 0.15, c.dark)
    back = [(-0.9, 0.84), (-0.5, 0.62), (0.3, 0.62), (0.46, 0.1), (0.72, -0.06)]
    c.outlined(rounded([*back, (0.9, 0.16), (0.82, 0.64), (0.6, 0.88), (-0.6, 0.88)]), fill=c.light)
    for x, y in ((0.5, -0.54), (0.84, -0.5)):
        c.ellipse(x, y, 0.15, 0.15, c.dark)
        c.eye(x, y, 0.11)
    c.outlined(oval(-0.2, 0.02, 0.63, 0.63))
    turns = zip(np.linspace(1.2, 10.8, 30), np.linspace(0.5, 0.05, 30), strict=True)
    c.tube([(-0.2 + r * math.cos(a), 0.04 + r * math.sin(a)) for a, r in turns], 0.11, 0.11, c.dark)


def _bee(c: Canvas) -> None:
    for x, y in ((-0.34, -0.5), (0.16, -0.56)):
        c.ellipse(x, y, 0.32, 0.4, c.dark)
        c.ellipse(x, y, 0.26, 0.34, (226, 240, 250))
    c.polygon([(-0.7, 0.1), (-0.98, 0.3), (-0.7, 0.44)], c.ink)
    c.tube([(0.6, -0.2), (0.66, -0.5), (0.84, -0.62)], 0.07, 0.13, c.ink)
    c.outlined(oval(-0.14, 0.26, 0.66, 0.5), oval(0.54, 0.14, 0.36, 0.36))
    for x, half in ((-0.46, 0.42), (-0.06, 0.48)):
        c.box(x - 0.1, 0.26 - half, x + 0.1, 0.26 + half, 0.06, c.ink)
    c.eye(0.66, 0.06, 0.13)


def _ladybug(c: Canvas) -> None:
    """Seen from above, going up."""
    for side in (-1, 1):
        for y, reach in ((-0.2, -0.42), (0.22, 0.24), (0.56, 0.84)):
            c.tube([(side * 0.5, y), (side * 0.92, reach)], 0.12, 0.12, c.ink)
        c.tube([(side * 0.16, -0.7), (side * 0.36, -0.92)], 0.09, 0.12, c.ink)
    c.ellipse(0, -0.5, 0.42, 0.34, c.ink)
    c.ellipse(0, 0.2, 0.76, 0.74, c.dark)
    c.ellipse(0, 0.2, 0.7, 0.68, c.colour)
    c.box(-0.05, -0.48, 0.05, 0.88, 0.02, c.ink)
    for side in (-1, 1):
        c.ellipse(side * 0.34, -0.08, 0.16, 0.16, c.ink)
        c.ellipse(side * 0.36, 0.44, 0.18, 0.18, c.ink)
        c.ellipse(side * 0.19, -0.6, 0.1, 0.1, (255, 255, 255))


def _frog(c: Canvas) -> None:
    """Sitting, seen from the front."""
    for side in (-1, 1):
        c.outlined(oval(side * 0.64, 0.56, 0.24, 0.3), oval(side * 0.64, 0.82, 0.27, 0.08))
    c.outlined(
        oval(0, 0.5, 0.5, 0.4),
        oval(0, -0.1, 0.78, 0.46),
        oval(-0.46, -0.58, 0.26, 0.28),
        oval(0.46, -0.58, 0.26, 0.28),
    )
    c.ellipse(0, 0.64, 0.32, 0.26, c.light)
    for x in (-0.46, 0.46):
        c.ellipse(x, -0.6, 0.19, 0.2, (255, 255, 255))
        c.ellipse(x, -0.58, 0.1, 0.12, (25, 25, 35))
    c.tube([(-0.52, 0.0), (-0.26, 0.16), (0, 0.2), (0.26, 0.16), (0.52, 0.0)], 0.09, 0.09, c.ink)


def _horse(c: Canvas) -> None:
    c.tube([(-0.6, -0.08), (-0.86, 0.1), (-0.84, 0.6)], 0.2, 0.16, c.ink)
    c.tube([(0.5, -0.86), (0.2, -0.62), (0.08, -0.16)], 0.2, 0.3, c.ink)
    legs = [[(x - 0.13, 0.1), (x + 0.13, 0.1), (x + 0.09, 0.9), (x - 0.09, 0.9)] for x in (-0.56, -0.26, 0.16, 0.42)]
    c.outlined(
        rounded([(-0.7, 0.06), (-0.5, -0.14), (0.0, -0.08), (0.5, -0.1), (0.56, 0.3), (0.1, 0.34), (-0.6, 0.36)]),
        [(0.06, 0.0), (0.36, -0.76), (0.7, -0.6), (0.56, 0.16)],
        rounded([(0.38, -0.72), (0.6, -0.78), (0.92, -0.46), (0.86, -0.26), (0.7, -0.28), (0.44, -0.4)]),
        [(0.38, -0.7), (0.44, -0.92), (0.58, -0.72)],
        *legs,
    )
    for leg in legs:
        c.box(leg[3][0] - 0.03, 0.8, leg[2][0] + 0.03, 0.96, 0.03, c.ink)
    c.eye(0.62, -0.52, 0.09)


def _pig(c: Canvas) -> None:
    c.tube([(-0.6, 0.0), (-0.8, -0.06), (-0.9, -0.24), (-0.78, -0.38), (-0.66, -0.24)], 0.12, 0.1, c.dark)
    c.outlined(
        oval(-0.1, 0.12, 0.66, 0.56),
        *([(x - 0.15, 0.4), (x + 0.15, 0.4), (x + 0.13, 0.88), (x - 0.13, 0.88)] for x in (-0.44, 0.22)),
    )
    c.outlined(oval(0.36, -0.12, 0.46, 0.46))
    c.polygon(oval(0.2, 0.1, 0.3, 0.34), c.colour)
    for x in (0.02, 0.44):
        c.outlined(rounded([(x - 0.1, -0.5), (x + 0.14, -0.66), (x + 0.24, -0.5), (x + 0.14, -0.26)]), fill=c.light)
    c.outlined(oval(0.68, 0.04, 0.23, 0.27), fill=c.light)
    for x in (0.61, 0.79):
        c.ellipse(x, 0.04, 0.06, 0.11, (25, 25, 35))
    c.eye(0.32, -0.16, 0.11)


def _mouse(c: Canvas) -> None:
    c.tube([(-0.5, 0.74), (-0.84, 0.66), (-0.86, 0.3), (-0.66, 0.02), (-0.8, -0.3)], 0.13, 0.09, c.dark)
    c.outlined(oval(0.62, -0.26, 0.28, 0.34))
    c.outlined(
        rounded([(-0.66, 0.56), (-0.4, 0.12), (0.1, 0.0), (0.5, 0.1), (0.84, 0.54), (0.4, 0.8), (-0.5, 0.82)]),
        oval(0.2, 0.84, 0.16, 0.06),
        oval(-0.36, 0.84, 0.2, 0.06),
    )
    c.outlined(oval(0.12, -0.3, 0.4, 0.44))
    c.ellipse(0.12, -0.3, 0.27, 0.3, c.light)
    c.ellipse(0.86, 0.54, 0.1, 0.1, (25, 25, 35))
    c.eye(0.54, 0.34, 0.11)


ANIMALS: Figures = {
    "fish": _fish,
    "bird": _bird,
    "butterfly": _butterfly,
    "cat": _cat,
    "dog": _dog,
    "duck": _duck,
    "turtle": _turtle,
    "rabbit": _rabbit,
    "snail": _snail,
    "bee": _bee,
    "ladybug": _ladybug,
    "frog": _frog,
    "horse": _horse,
    "pig": _pig,
    "mouse": _mouse,
}
