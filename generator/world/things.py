"""Toys, plants, shapes and what stands about a house."""

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


def _house(c: Canvas) -> None:
    c.box(0.38, -0.9, 0.66, -0.2, 0.02, c.dark)
    c.box(-0.74, -0.2, 0.74, 0.95, 0.02, c.dark)
    c.box(-0.67, -0.2, 0.67, 0.88, 0.01, c.colour)
    c.polygon([(-0.98, 0.0), (0, -0.95), (0.98, 0.0)], c.dark)
    c.polygon([(-0.67, -0.11), (0, -0.76), (0.67, -0.11)], c.colour)
    c.ellipse(0, -0.34, 0.17, 0.17, c.dark)
    c.ellipse(0, -0.34, 0.1, 0.1, (255, 236, 160))
    c.box(-0.52, 0.2, -0.04, 0.6, 0.02, c.dark)
    c.box(-0.45, 0.27, -0.11, 0.53, 0.01, (255, 236, 160))
    c.box(0.14, 0.2, 0.52, 0.88, 0.02, c.dark)


def _tree(c: Canvas) -> None:
    """A fir: its tiers tell it from a mushroom and a flower in any colour."""
    c.box(-0.17, 0.5, 0.17, 0.97, 0.03, (92, 60, 38))
    c.box(-0.1, 0.5, 0.1, 0.91, 0.02, (136, 92, 56))
    for top, bottom, half in ((-0.1, 0.72, 0.88), (-0.55, 0.22, 0.7), (-0.98, -0.28, 0.5)):
        c.polygon([(-half, bottom), (0, top), (half, bottom)], c.dark)
        c.polygon([(-half + 0.13, bottom - 0.07), (0, top + 0.1), (half - 0.13, bottom - 0.07)], c.colour)
        c.polygon(
            [(-half + 0.13, bottom - 0.07), (-half * 0.5, (top + bottom) / 2), (-half * 0.2, bottom - 0.07)], c.light
        )


def _apple(c: Canvas) -> None:
    for grow, fill in ((0.0, c.dark), (-0.07, c.colour)):
        for side in (-1, 1):
            c.ellipse(side * 0.36, 0.16, 0.54 + grow, 0.56 + grow, fill)
            c.ellipse(side * 0.22, 0.4, 0.5 + grow, 0.56 + grow, fill)
    c.ellipse(0, -0.27, 0.22, 0.1, c.dark)
    c.line([(0, -0.25), (0.03, -0.6), (0.12, -0.94)], 0.13, (104, 70, 44))
    c.polygon([(0.06, -0.48), (0.2, -0.74), (0.46, -0.9), (0.8, -0.9), (0.66, -0.62), (0.4, -0.48)], (46, 104, 48))
    c.polygon([(0.17, -0.54), (0.26, -0.7), (0.48, -0.83), (0.69, -0.84), (0.6, -0.66), (0.38, -0.54)], (96, 184, 82))
    c.ellipse(-0.48, 0.0, 0.15, 0.22, c.light)


def _cake(c: Canvas) -> None:
    c.ellipse(0, 0.82, 0.97, 0.15, c.dark)
    c.box(-0.8, -0.2, 0.8, 0.88, 0.14, c.dark)
    c.box(-0.73, -0.13, 0.73, 0.81, 0.1, c.colour)
    drips = ((-0.56, 0.3), (-0.19, 0.18), (0.19, 0.34), (0.56, 0.22))
    for x, y in drips:
        c.box(x - 0.17, -0.06, x + 0.17, y + 0.13, 0.16, c.dark)
    c.box(-0.73, -0.13, 0.73, 0.12, 0.1, c.light)
    for x, y in drips:
        c.box(x - 0.17, -0.06, x + 0.17, y + 0.06, 0.16, c.light)
    for x in (-0.46, 0.0, 0.46):
        c.box(x - 0.09, -0.56, x + 0.09, -0.16, 0.02, c.dark)
        c.box(x - 0.04, -0.52, x + 0.04, -0.16, 0.01, c.light)
        c.ellipse(x, -0.7, 0.11, 0.15, (255, 150, 40))
        c.polygon([(x - 0.1, -0.75), (x, -0.97), (x + 0.1, -0.75)], (255, 150, 40))
        c.ellipse(x, -0.66, 0.06, 0.09, (255, 232, 120))


def _gift(c: Canvas) -> None:
    for side in (-1, 1):
        loop = [(0, -0.44), (side * 0.18, -0.82), (side * 0.46, -0.97), (side * 0.72, -0.9), (side * 0.78, -0.66)]
        loop.append((side * 0.6, -0.46))
        c.polygon(loop, c.dark)
        c.polygon(scaled(loop, 0.68, (side * 0.48, -0.72)), c.light)
    c.box(-0.76, -0.2, 0.76, 0.96, 0.05, c.dark)
    c.box(-0.69, -0.2, 0.69, 0.89, 0.03, c.colour)
    c.box(-0.92, -0.46, 0.92, 0.02, 0.05, c.dark)
    c.box(-0.85, -0.39, 0.85, -0.05, 0.03, c.colour)
    c.box(-0.24, -0.4, 0.24, 0.9, 0.01, c.dark)
    c.box(-0.17, -0.39, 0.17, -0.05, 0.01, c.light)
    c.box(-0.17, 0.02, 0.17, 0.89, 0.01, c.light)
    c.ellipse(0, -0.52, 0.18, 0.16, c.dark)


def _kite(c: Canvas) -> None:
    top, right, foot, left = (0.5, -0.98), (0.92, -0.18), (-0.14, 0.44), (-0.4, -0.8)
    c.line([foot, (-0.32, 0.66), (-0.56, 0.74), (-0.76, 0.68), (-0.95, 0.54)], 0.08, c.dark)
    for x, y, dx, dy in ((-0.28, 0.63, 0.18, 0.15), (-0.75, 0.69, -0.08, 0.22)):
        for side in (-1, 1):
            ex, ey = x + side * dx, y + side * dy
            c.polygon([(x, y), (ex - dy / 2, ey + dx / 2), (ex + dy / 2, ey - dx / 2)], c.dark)
    sail, centre = [top, right, foot, left], (0.26, -0.42)
    c.polygon(sail, c.dark)
    c.polygon(scaled(sail, 0.86, centre), c.colour)
    for a, b in ((top, left), (right, foot)):
        c.polygon(scaled([a, centre, b], 0.86, centre), c.light)


def _clock(c: Canvas) -> None:
    """An alarm clock."""
    for side in (-1, 1):
        c.line([(side * 0.3, 0.5), (side * 0.6, 0.95)], 0.2, c.dark)
        c.ellipse(side * 0.52, -0.6, 0.36, 0.34, c.dark)
        c.ellipse(side * 0.52, -0.6, 0.29, 0.27, c.colour)
    c.box(-0.08, -0.95, 0.08, -0.5, 0.03, c.dark)
    c.box(-0.2, -0.97, 0.2, -0.84, 0.05, c.dark)
    c.ellipse(0, 0.16, 0.78, 0.78, c.dark)
    c.ellipse(0, 0.16, 0.71, 0.71, c.colour)
    c.ellipse(0, 0.16, 0.53, 0.53, c.dark)
    c.ellipse(0, 0.16, 0.47, 0.47, (252, 252, 246))
    c.line([(0, -0.2), (0, 0.16), (0.26, 0.3)], 0.1, (40, 40, 52))
    c.ellipse(0, 0.16, 0.08, 0.08, (40, 40, 52))


def _cup(c: Canvas) -> None:
    for x in (-0.38, 0.1):
        c.line([(x + 0.08 * math.sin(9 * y), y) for y in np.linspace(-0.97, -0.4, 16)], 0.11, c.light)
    c.ring(0.5, 0.12, 0.42, 0.4, 0.24, c.dark)
    c.ring(0.5, 0.12, 0.36, 0.34, 0.12, c.colour)
    c.ellipse(-0.14, 0.84, 0.84, 0.13, c.dark)
    body = [(-0.14 + 0.68 * math.cos(a), -0.3 + 1.17 * math.sin(a) ** 0.8) for a in np.linspace(0, math.pi, 40)]
    c.polygon(body, c.dark)
    c.polygon(scaled(body, 0.89, (-0.14, 0.24)), c.colour)
    c.box(-0.62, -0.08, -0.46, 0.36, 0.08, c.light)
    c.ellipse(-0.14, -0.3, 0.68, 0.14, c.dark)
    c.ellipse(-0.14, -0.3, 0.58, 0.07, (104, 66, 44))


def _hat(c: Canvas) -> None:
    """A top hat."""
    c.ellipse(0, 0.58, 0.97, 0.3, c.dark)
    c.ellipse(0, 0.56, 0.89, 0.22, c.colour)
    for grow, fill in ((0.0, c.dark), (-0.07, c.colour)):
        c.ellipse(0, -0.78, 0.66 + grow, 0.16 + grow, fill)
        c.polygon([(-0.66 - grow, -0.8), (0.66 + grow, -0.8), (0.52 + grow, 0.52), (-0.52 - grow, 0.52)], fill)
        c.ellipse(0, 0.5, 0.52 + grow, 0.17 + grow, fill)
    c.polygon([(-0.49, 0.08), (0.49, 0.08), (0.46, 0.5), (-0.46, 0.5)], c.dark)
    c.ellipse(0, 0.5, 0.46, 0.13, c.dark)
    c.polygon([(-0.44, -0.72), (-0.24, -0.72), (-0.22, 0.0), (-0.38, 0.0)], c.light)


def _guitar(c: Canvas) -> None:
    c.line([(-0.1, 0.1), (0.78, -0.78)], 0.22, c.dark)
    c.line([(0.58, -0.58), (0.86, -0.86)], 0.34, c.dark)
    for grow, fill in ((0.07, c.dark), (0.0, c.colour)):
        c.ellipse(-0.42, 0.42, 0.47 + grow, 0.47 + grow, fill)
        c.ellipse(-0.02, 0.02, 0.34 + grow, 0.34 + grow, fill)
    c.line([(0.0, 0.0), (0.78, -0.78)], 0.1, c.light)
    c.ellipse(-0.14, 0.14, 0.19, 0.19, c.dark)
    c.ellipse(-0.14, 0.14, 0.12, 0.12, (40, 34, 38))
    c.line([(-0.68, 0.44), (-0.44, 0.68)], 0.12, c.dark)


def _bell(c: Canvas) -> None:
    c.ring(0, -0.76, 0.22, 0.21, 0.11, c.dark)
    c.ellipse(0, 0.72, 0.25, 0.25, c.dark)
    c.ellipse(0, 0.75, 0.16, 0.15, c.light)
    flare = [(0.55 + 0.37 * t**2.5, -0.1 + 0.72 * t) for t in np.linspace(0, 1, 16)]
    body = [(-x, y) for x, y in reversed(flare)] + dome(0, -0.1, 0.55, 0.54)[::-1] + flare
    body += [(0.92, 0.72), (-0.92, 0.72)]
    c.polygon(body, c.dark)
    c.polygon(scaled(body, 0.87, (0, 0.1)), c.colour)
    c.box(-0.76, 0.46, 0.76, 0.58, 0.02, c.light)
    c.line([(-0.2, -0.42), (-0.31, -0.22), (-0.34, 0.2)], 0.14, c.light)


def _lamp(c: Canvas) -> None:
    """A table lamp."""
    c.box(-0.09, -0.1, 0.09, 0.9, 0.02, c.dark)
    c.ellipse(0, 0.14, 0.2, 0.2, (255, 238, 150))
    c.polygon(dome(0, 0.95, 0.56, 0.3), c.dark)
    c.polygon(dome(0, 0.89, 0.46, 0.18), c.colour)
    shade = [(-0.42, -0.95), (0.42, -0.95), (0.92, 0.12), (-0.92, 0.12)]
    c.polygon(shade, c.dark)
    c.polygon([(-0.37, -0.88), (0.37, -0.88), (0.81, 0.05), (-0.81, 0.05)], c.colour)
    c.polygon([(-0.2, -0.88), (0.02, -0.88), (0.0, 0.05), (-0.46, 0.05)], c.light)


def _snowman(c: Canvas) -> None:
    for side in (-1, 1):
        c.line([(side * 0.4, 0.26), (side * 0.92, -0.12)], 0.11, (118, 84, 56))
    c.ellipse(0, 0.45, 0.62, 0.53, c.dark)
    c.ellipse(0, 0.45, 0.55, 0.46, c.colour)
    c.ellipse(0, -0.26, 0.46, 0.42, c.dark)
    c.ellipse(0, -0.26, 0.39, 0.35, c.colour)
    c.box(-0.42, 0.0, 0.42, 0.18, 0.08, c.dark)
    c.box(0.14, 0.06, 0.34, 0.46, 0.04, c.dark)
    # Coal on a lit rim: it shows on black too.
    for x, y in ((-0.14, -0.33), (0.2, -0.33), (-0.08, 0.38), (-0.08, 0.66)):
        c.ellipse(x, y, 0.11, 0.11, c.light)
        c.ellipse(x, y, 0.075, 0.075, (30, 30, 40))
    c.polygon([(0.02, -0.25), (0.54, -0.12), (0.02, -0.07)], (248, 140, 40))
    c.box(-0.36, -0.98, 0.36, -0.48, 0.06, c.dark)
    c.box(-0.6, -0.66, 0.6, -0.46, 0.06, c.dark)
    c.box(-0.3, -0.92, 0.3, -0.52, 0.03, (58, 52, 64))
    c.box(-0.54, -0.6, 0.54, -0.52, 0.03, (58, 52, 64))


THINGS: Figures = {
    "ball": _ball,
    "star": _star,
    "heart": _heart,
    "umbrella": _umbrella,
    "mushroom": _mushroom,
    "flower": _flower,
    "robot": _robot,
    "house": _house,
    "tree": _tree,
    "apple": _apple,
    "cake": _cake,
    "gift": _gift,
    "kite": _kite,
    "clock": _clock,
    "cup": _cup,
    "hat": _hat,
    "guitar": _guitar,
    "bell": _bell,
    "lamp": _lamp,
    "snowman": _snowman,
}
