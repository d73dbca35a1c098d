"""What people travel in, each a drawing that faces right."""

from __future__ import annotations

import math

import numpy as np

from generator.world.drawing import Canvas, Figures, dome, scaled

GLASS = (198, 228, 244)
LAMP = (255, 244, 190)
TYRE = (38, 38, 46)


def _wheel(c: Canvas, x: float, y: float, r: float) -> None:
    c.ellipse(x, y, r, r, TYRE)
    c.ellipse(x, y, r * 0.5, r * 0.5, (196, 196, 204))


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
    c.polygon([(-0.44, 0.02), (-0.3, -0.31), (-0.06, -0.31), (-0.06, 0.02)], GLASS)
    c.polygon([(0.04, 0.02), (0.04, -0.31), (0.24, -0.31), (0.46, 0.02)], GLASS)
    c.box(-0.95, -0.02, 0.95, 0.45, 0.14, c.dark)
    c.box(-0.9, 0.03, 0.9, 0.38, 0.11, c.colour)
    c.ellipse(0.84, 0.16, 0.08, 0.08, LAMP)
    for x in (-0.52, 0.52):
        c.ellipse(x, 0.44, 0.24, 0.24, TYRE)
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
    c.box(-0.72, -0.52, -0.28, -0.1, 0.05, GLASS)
    c.box(-0.2, -0.2, 0.92, 0.5, 0.18, c.dark)
    c.box(-0.2, -0.13, 0.85, 0.43, 0.14, c.colour)
    c.box(-0.84, -0.02, -0.16, 0.43, 0.04, c.colour)
    c.box(0.06, -0.13, 0.18, 0.43, 0.01, c.light)
    for x, r in ((-0.56, 0.3), (0.12, 0.24), (0.62, 0.24)):
        _wheel(c, x, 0.94 - r, r)


def _truck(c: Canvas) -> None:
    """A high box behind a low cab."""
    c.box(-0.9, 0.3, 0.94, 0.56, 0.04, c.dark)
    c.box(-0.97, -0.78, 0.28, 0.46, 0.06, c.dark)
    c.box(-0.9, -0.71, 0.21, 0.39, 0.04, c.colour)
    c.box(-0.9, -0.3, 0.21, -0.04, 0.01, c.light)
    cab = [(0.34, -0.36), (0.68, -0.36), (0.86, 0.0), (0.97, 0.06), (0.97, 0.56), (0.34, 0.56)]
    c.polygon(cab, c.dark)
    c.polygon(scaled(cab, 0.82, (0.64, 0.14)), c.colour)
    c.polygon([(0.44, -0.24), (0.62, -0.24), (0.75, 0.04), (0.44, 0.04)], GLASS)
    c.ellipse(0.88, 0.3, 0.08, 0.08, LAMP)
    for x in (-0.6, -0.08, 0.62):
        _wheel(c, x, 0.6, 0.24)


def _bus(c: Canvas) -> None:
    """One long body with a row of windows."""
    c.box(-0.97, -0.66, 0.97, 0.54, 0.2, c.dark)
    c.box(-0.9, -0.59, 0.9, 0.47, 0.15, c.colour)
    for x in (-0.8, -0.4, 0.0):
        c.box(x, -0.42, x + 0.3, -0.02, 0.06, GLASS)
    c.box(0.42, -0.42, 0.9, 0.04, 0.08, GLASS)
    c.box(-0.9, 0.12, 0.66, 0.24, 0.01, c.light)
    c.ellipse(0.82, 0.24, 0.09, 0.09, LAMP)
    for x in (-0.52, 0.5):
        _wheel(c, x, 0.54, 0.26)


def _bicycle(c: Canvas) -> None:
    hub, head, seat, crank = (-0.52, 0.38), (0.36, -0.36), (-0.26, -0.32), (-0.06, 0.38)
    front = (0.52, 0.38)
    for x, y in (hub, front):
        c.ring(x, y, 0.46, 0.46, 0.19, c.dark)
        c.ring(x, y, 0.41, 0.41, 0.09, c.light)
        c.ellipse(x, y, 0.09, 0.09, c.dark)
    for width, fill in ((0.18, c.dark), (0.11, c.colour)):
        c.line([hub, seat, crank, hub], width, fill)
        c.line([seat, head, crank], width, fill)
        c.line([front, head, (0.28, -0.66), (0.56, -0.7)], width, fill)
        c.line([seat, (-0.32, -0.5)], width, fill)
    c.box(-0.58, -0.64, -0.1, -0.46, 0.09, (58, 52, 60))
    c.ellipse(*crank, 0.13, 0.13, c.dark)


def _helicopter(c: Canvas) -> None:
    c.box(-0.46, -0.82, 0.97, -0.68, 0.06, c.dark)
    c.box(0.2, -0.8, 0.34, -0.3, 0.02, c.dark)
    c.line([(0.06, 0.4), (0.0, 0.86)], 0.09, c.dark)
    c.line([(0.48, 0.4), (0.54, 0.86)], 0.09, c.dark)
    c.box(-0.3, 0.8, 0.86, 0.92, 0.06, c.dark)
    c.polygon([(0.1, -0.3), (-0.76, -0.16), (-0.9, -0.56), (-0.98, -0.56), (-0.94, 0.06), (0.1, 0.4)], c.dark)
    c.polygon([(0.1, -0.2), (-0.8, -0.08), (-0.88, -0.36), (-0.86, 0.0), (0.1, 0.3)], c.colour)
    c.ellipse(0.28, 0.1, 0.6, 0.5, c.dark)
    c.ellipse(0.28, 0.1, 0.53, 0.43, c.colour)
    c.polygon([(0.36, -0.24), (0.56, -0.2), (0.7, -0.08), (0.77, 0.12), (0.36, 0.12)], GLASS)
    c.box(-0.06, -0.14, 0.22, 0.12, 0.06, GLASS)


def _ufo(c: Canvas) -> None:
    """A saucer on three legs, its pilot under a dome of glass."""
    for side in (-1, 0, 1):
        c.line([(side * 0.4, 0.3), (side * 0.56, 0.82)], 0.1, c.dark)
        c.ellipse(side * 0.56, 0.82, 0.13, 0.1, c.dark)
    c.polygon(dome(0, 0.08, 0.54, 0.92), c.dark)
    c.polygon(dome(0, 0.08, 0.47, 0.84), GLASS)
    c.ellipse(0, -0.2, 0.25, 0.28, (124, 196, 92))
    for side in (-1, 1):
        c.ellipse(side * 0.1, -0.24, 0.07, 0.1, (25, 25, 35))
    c.ellipse(0, 0.24, 0.97, 0.36, c.dark)
    c.ellipse(0, 0.22, 0.9, 0.29, c.colour)
    for x, y in ((-0.6, 0.2), (-0.2, 0.29), (0.2, 0.29), (0.6, 0.2)):
        c.ellipse(x, y, 0.1, 0.09, LAMP)


def _submarine(c: Canvas) -> None:
    c.line([(0.1, -0.3), (0.1, -0.84), (0.4, -0.84)], 0.13, c.dark)
    c.box(-0.3, -0.46, 0.4, 0.1, 0.1, c.dark)
    c.box(-0.23, -0.39, 0.33, 0.1, 0.06, c.colour)
    c.ellipse(-0.88, 0.06, 0.1, 0.22, c.dark)
    c.ellipse(-0.88, 0.52, 0.1, 0.22, c.dark)
    c.polygon([(-0.98, 0.2), (-0.6, 0.1), (-0.6, 0.5), (-0.98, 0.38)], c.dark)
    c.ellipse(0.1, 0.3, 0.87, 0.5, c.dark)
    c.ellipse(0.1, 0.3, 0.8, 0.43, c.colour)
    for x in (-0.3, 0.14, 0.58):
        c.ellipse(x, 0.24, 0.17, 0.17, c.dark)
        c.ellipse(x, 0.24, 0.11, 0.11, GLASS)


def _tractor(c: Canvas) -> None:
    """A huge wheel behind, a small one in front."""
    c.box(0.42, -0.7, 0.56, 0.0, 0.03, (58, 58, 68))
    c.box(-0.76, -0.92, 0.18, 0.2, 0.06, c.dark)
    c.box(-0.86, -0.97, 0.26, -0.8, 0.06, c.dark)
    c.box(-0.62, -0.74, 0.06, -0.16, 0.04, GLASS)
    c.box(0.0, -0.16, 0.95, 0.5, 0.12, c.dark)
    c.box(-0.4, -0.09, 0.88, 0.43, 0.08, c.colour)
    for x in (0.36, 0.56):
        c.box(x, 0.04, x + 0.08, 0.3, 0.02, c.light)
    for x, r in ((-0.4, 0.57), (0.66, 0.3)):
        c.ellipse(x, 0.97 - r, r, r, TYRE)
        c.ellipse(x, 0.97 - r, r * 0.62, r * 0.62, c.colour)
        c.ellipse(x, 0.97 - r, r * 0.25, r * 0.25, c.light)


VEHICLES: Figures = {
    "balloon": _balloon,
    "boat": _boat,
    "car": _car,
    "rocket": _rocket,
    "airplane": _airplane,
    "train": _train,
    "truck": _truck,
    "bus": _bus,
    "bicycle": _bicycle,
    "helicopter": _helicopter,
    "ufo": _ufo,
    "submarine": _submarine,
    "tractor": _tractor,
}
