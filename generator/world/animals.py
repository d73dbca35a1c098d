"""The animals, each a drawing that faces right."""

from __future__ import annotations

from generator.world.drawing import Canvas, Figures, dome, scaled


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


ANIMALS: Figures = {
    "fish": _fish,
    "bird": _bird,
    "butterfly": _butterfly,
    "cat": _cat,
    "dog": _dog,
    "duck": _duck,
    "turtle": _turtle,
}
