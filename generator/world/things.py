"""Toys, plants and shapes."""

from __future__ import annotations

import math

import numpy as np

from generator.world.drawing import Canvas, Figures, dome, scaled


def _ball(c: Canvas) -> None:
    c.ellipse(0, 0, 0.8, 0.8, c.dark)
    c.ellipse(0, 0, 0.74, 0.74, c.colour)
    c.polygon(
        [(0.74 * math.sin(a), 0.25 * math.cos(a) + 0.05) for a in np.linspace(-1.45, 1.45, 24)]
        + [(0.74 * math.sin(a), 0.25 * math.cos(a) - 0.2) for a in np.linspace(1.45, -1.45, 24)],
        c.light,
    )
    c.ellipse(-0.3, -0.38, 0.16, 0.13, (255, 255, 255))


def _star(c: Canvas) -> None:
    points = [
        (r * math.sin(math.pi * i / 5), -r * math.cos(math.pi * i / 5) + 0.07) for i, r in enumerate([0.95, 0.42] * 5)
    ]
    c.polygon(points, c.dark)
    c.polygon(scaled(points, 0.87, (0, 0.07)), c.colour)
    c.polygon(scaled(points, 0.42, (-0.04, 0.02)), c.light)


def _heart(c: Canvas) -> None:
    angles = np.linspace(0, 2 * math.pi, 96)
    points = [
        (
            0.054 * 16 * math.sin(a) ** 3,
            -0.054 * (13 * math.cos(a) - 5 * math.cos(2 * a) - 2 * math.cos(3 * a) - math.cos(4 * a)) - 0.05,
        )
        for a in angles
    ]
    c.polygon(points, c.dark)
    c.polygon(scaled(points, 0.9, (0, -0.05)), c.colour)
    c.ellipse(-0.38, -0.36, 0.17, 0.14, c.light)


def _umbrella(c: Canvas) -> None:
    hook = [(0.2 + 0.17 * math.cos(a), 0.74 + 0.17 * math.sin(a)) for a in np.linspace(math.pi, 0, 12)]
    c.line([(0.03, -0.9), (0.03, 0.74), *hook], 0.09, (104, 84, 70))
    c.polygon(dome(0, 0.1, 0.96, 0.88), c.dark)
    c.polygon(dome(0, 0.04, 0.89, 0.76), c.colour)
    c.polygon(dome(0, 0.04, 0.32, 0.76), c.light)


def _mushroom(c: Canvas) -> None:
    c.box(-0.32, 0.0, 0.32, 0.92, 0.2, (178, 158, 132))
    c.box(-0.25, 0.0, 0.25, 0.85, 0.16, (246, 234, 212))
    c.polygon(dome(0, 0.18, 0.96, 1.08), c.dark)
    c.polygon(dome(0, 0.12, 0.88, 0.94), c.colour)
    for x, y, r in ((-0.46, -0.2, 0.17), (0.08, -0.48, 0.2), (0.5, -0.12, 0.15)):
        c.ellipse(x, y, r, r, c.light)


def _flower(c: Canvas) -> None:
    c.line([(0, 0.0), (0.03, 0.97)], 0.09, (66, 140, 62))
    c.polygon([(0.03, 0.78), (0.24, 0.46), (0.56, 0.42), (0.38, 0.7)], (84, 168, 74))
    for i in range(6):
        angle = math.pi * i / 3
        c.ellipse(0.4 * math.sin(angle), -0.3 - 0.4 * math.cos(angle), 0.27, 0.27, c.dark)
    for i in range(6):
        angle = math.pi * i / 3
        c.ellipse(0.4 * math.sin(angle), -0.3 - 0.4 * math.cos(angle), 0.21, 0.21, c.colour)
    c.ellipse(0, -0.3, 0.25, 0.25, (250, 214, 90))


def _robot(c: Canvas) -> None:
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


THINGS: Figures = {
    "ball": _ball,
    "star": _star,
    "heart": _heart,
    "umbrella": _umbrella,
    "mushroom": _mushroom,
    "flower": _flower,
    "robot": _robot,
}
