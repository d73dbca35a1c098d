"""What people travel in, each a drawing that faces right."""

from __future__ import annotations

import math

import numpy as np

from generator.world.drawing import Canvas, Figures, scaled


def _balloon(c: Canvas) -> None:
    c.line([(0, 0.5), (0.05, 0.68), (-0.05, 0.82), (0.0, 0.97)], 0.045, (90, 90, 96))
    c.polygon([(-0.13, 0.6), (0.13, 0.6), (0, 0.42)], c.dark)
    c.ellipse(0, -0.22, 0.64, 0.74, c.dark)
    c.ellipse(0, -0.22, 0.59, 0.69, c.colour)
    c.ellipse(-0.22, -0.5, 0.15, 0.2, c.light)


def _boat(c: Canvas) -> None:
    c.line([(0, -0.9), (0, 0.4)], 0.07, (110, 74, 44))
    c.polygon([(0.07, -0.88), (0.07, 0.26), (0.78, 0.26)], c.colour)
    c.polygon([(-0.07, -0.66), (-0.07, 0.26), (-0.6, 0.26)], c.light)
    hull = [(-0.92, 0.38), (0.95, 0.38), (0.62, 0.85), (-0.62, 0.85)]
    c.polygon(hull, c.dark)
    c.polygon([(-0.92, 0.38), (0.95, 0.38), (0.88, 0.5), (-0.86, 0.5)], c.colour)


def _car(c: Canvas) -> None:
    c.polygon([(-0.58, 0.05), (-0.38, -0.42), (0.3, -0.42), (0.62, 0.05)], c.dark)
    c.polygon([(-0.44, 0.02), (-0.3, -0.31), (-0.06, -0.31), (-0.06, 0.02)], (198, 228, 244))
    c.polygon([(0.04, 0.02), (0.04, -0.31), (0.24, -0.31), (0.46, 0.02)], (198, 228, 244))
    c.box(-0.95, -0.02, 0.95, 0.45, 0.14, c.dark)
    c.box(-0.9, 0.03, 0.9, 0.38, 0.11, c.colour)
    c.ellipse(0.84, 0.16, 0.08, 0.08, (255, 244, 190))
    for x in (-0.52, 0.52):
        c.ellipse(x, 0.44, 0.24, 0.24, (38, 38, 46))
        c.ellipse(x, 0.44, 0.11, 0.11, (196, 196, 204))


def _rocket(c: Canvas) -> None:
    c.polygon([(-0.2, 0.6), (0.2, 0.6), (0, 0.98)], (255, 170, 40))
    c.polygon([(-0.28, 0.1), (-0.62, 0.68), (-0.2, 0.55)], c.dark)
    c.polygon([(0.28, 0.1), (0.62, 0.68), (0.2, 0.55)], c.dark)
    body = [(0.34 * math.cos(a), 0.05 - 0.98 * math.sin(a)) for a in np.linspace(0, math.pi, 40)]
    body += [(-0.27, 0.6), (0.27, 0.6)]
    c.polygon(body, c.dark)
    c.polygon(scaled(body, 0.88, (0, 0.05)), c.colour)
    c.ellipse(0, -0.2, 0.18, 0.18, c.dark)
    c.ellipse(0, -0.2, 0.12, 0.12, (206, 234, 250))


def _airplane(c: Canvas) -> None:
    c.polygon([(-0.1, -0.08), (-0.42, -0.62), (-0.2, -0.62), (0.34, -0.08)], c.dark)
    c.polygon([(-0.62, -0.1), (-0.96, -0.62), (-0.7, -0.62), (-0.4, -0.1)], c.dark)
    body = [(-0.95, -0.08), (-0.5, -0.2), (0.5, -0.22), (0.82, -0.12), (0.97, 0.06), (0.8, 0.2), (-0.4, 0.24)]
    c.polygon(body, c.dark)
    c.polygon(scaled(body, 0.88, (0, 0.02)), c.colour)
    c.polygon([(0.6, -0.12), (0.78, -0.1), (0.86, 0.02), (0.6, 0.02)], (206, 234, 250))
    for x in (-0.3, -0.04, 0.22):
        c.ellipse(x, -0.05, 0.07, 0.07, (206, 234, 250))
    c.polygon([(0.3, 0.1), (-0.12, 0.1), (-0.62, 0.72), (-0.34, 0.72)], c.dark)
    c.polygon([(0.2, 0.13), (-0.1, 0.13), (-0.5, 0.66), (-0.37, 0.66)], c.light)


def _train(c: Canvas) -> None:
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


VEHICLES: Figures = {
    "balloon": _balloon,
    "boat": _boat,
    "car": _car,
    "rocket": _rocket,
    "airplane": _airplane,
    "train": _train,
}
