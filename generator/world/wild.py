"""The animals of wilderness and sea, each a drawing that faces right or looks at the viewer."""

from __future__ import annotations

import math

import numpy as np

from generator.world.drawing import Canvas, Figures, curve, dome, mix, oval, rounded


def _elephant(c: Canvas) -> None:
    c.tube([(-0.8, 0.0), (-0.9, 0.2), (-0.89, 0.4)], 0.1, 0.14, c.dark)
    c.outlined(
        rounded([(-0.84, 0.1), (-0.66, -0.38), (-0.1, -0.5), (0.3, -0.3), (0.3, 0.5), (-0.3, 0.56), (-0.76, 0.5)]),
        *([(x - 0.17, 0.2), (x + 0.17, 0.2), (x + 0.17, 0.88), (x - 0.17, 0.88)] for x in (-0.6, 0.14)),
    )
    trunk = [(0.66, -0.2), (0.76, 0.2), (0.68, 0.56), (0.72, 0.76), (0.86, 0.74)]
    c.limb(trunk, 0.34, 0.1)
    c.outlined(oval(0.46, -0.32, 0.38, 0.38))
    c.tube(trunk, 0.34, 0.1, c.colour)
    c.polygon([(0.46, 0.08), (0.62, 0.1), (0.68, 0.42)], (255, 252, 236))
    ear = [(0.3, -0.5), (0.06, -0.76), (-0.28, -0.6), (-0.3, -0.1), (-0.06, 0.24), (0.26, 0.06)]
    c.outlined(rounded(ear), fill=c.light)
    c.eye(0.56, -0.36, 0.11)


def _penguin(c: Canvas) -> None:
    """Seen from the front, wings spread."""
    for side in (-1, 1):
        c.ellipse(side * 0.28, 0.86, 0.26, 0.1, (248, 160, 40))
        c.outlined(rounded([(side * 0.36, -0.24), (side * 0.82, 0.12), (side * 0.86, 0.32), (side * 0.5, 0.26)]))
    half = [(0.36, -0.76), (0.44, -0.4), (0.54, 0.2), (0.4, 0.68)]
    c.outlined(rounded([(0, -0.9), *half, (0, 0.78), *((-x, y) for x, y in half[::-1])]))
    c.outlined(
        oval(0, 0.26, 0.34, 0.44),
        oval(-0.17, -0.48, 0.17, 0.2),
        oval(0.17, -0.48, 0.17, 0.2),
        fill=(250, 250, 252),
    )
    for x in (-0.16, 0.16):
        c.ellipse(x, -0.5, 0.09, 0.11, (25, 25, 35))
    c.polygon([(-0.19, -0.4), (0.19, -0.4), (0, -0.12)], (248, 160, 40))


def _whale(c: Canvas) -> None:
    for side in (-1, 1):
        spout = [(0.3, -0.3), (0.3 + side * 0.06, -0.74), (0.3 + side * 0.26, -0.84), (0.3 + side * 0.36, -0.66)]
        c.tube(spout, 0.13, 0.15, (120, 196, 240))
    back = [(-0.72, -0.22), (-0.5, 0.1), (-0.1, -0.16), (0.3, -0.34), (0.74, -0.22)]
    c.outlined(
        rounded([*back, (0.91, 0.14), (0.8, 0.6), (0.3, 0.8), (-0.3, 0.74), (-0.74, 0.4), (-0.85, -0.1)]),
        rounded([(-0.8, -0.08), (-0.9, -0.36), (-0.86, -0.62), (-0.72, -0.44)]),
        rounded([(-0.8, -0.08), (-0.8, -0.4), (-0.5, -0.56), (-0.34, -0.5), (-0.5, -0.26)]),
    )
    c.polygon(rounded([(0.88, 0.32), (0.76, 0.62), (0.3, 0.78), (-0.2, 0.72), (-0.4, 0.6), (0.1, 0.56)]), c.light)
    c.outlined(rounded([(0.1, 0.4), (-0.04, 0.78), (-0.28, 0.86), (-0.24, 0.46)]))
    c.eye(0.56, 0.1, 0.13)


def _crab(c: Canvas) -> None:
    """Seen from the front, claws raised."""
    for side in (-1, 1):
        for reach, foot in ((0.85, 0.42), (0.75, 0.7), (0.5, 0.88)):
            c.tube([(side * 0.3, 0.3), (side * reach, foot - 0.14), (side * reach, foot)], 0.15, 0.1, c.dark)
        c.limb([(side * 0.5, 0.1), (side * 0.8, -0.04), (side * 0.74, -0.4)], 0.14, 0.14)
        claw = [(0.6 + 0.31 * math.sin(a), -0.56 - 0.33 * math.cos(a)) for a in np.linspace(-0.1, 5.5, 30)]
        c.outlined([(side * x, y) for x, y in [*claw, (0.62, -0.5)]])
        c.tube([(side * 0.2, 0.0), (side * 0.2, -0.28)], 0.12, 0.12, c.dark)
    c.outlined(rounded([(-0.66, 0.1), (-0.4, -0.12), (0.4, -0.12), (0.66, 0.1), (0.4, 0.56), (-0.4, 0.56)]))
    for x in (-0.2, 0.2):
        c.ellipse(x, -0.34, 0.16, 0.16, c.dark)
        c.ellipse(x, -0.34, 0.12, 0.12, (255, 255, 255))
        c.ellipse(x, -0.34, 0.07, 0.08, (25, 25, 35))
    c.tube([(-0.24, 0.22), (0, 0.34), (0.24, 0.22)], 0.08, 0.08, c.ink)


def _octopus(c: Canvas) -> None:
    for side in (-1, 1):
        for arm in (
            [(0.2, 0.2), (0.6, 0.4), (0.82, 0.2), (0.8, 0.0)],
            [(0.2, 0.3), (0.5, 0.66), (0.8, 0.72), (0.84, 0.54)],
            [(0.14, 0.3), (0.2, 0.74), (0.4, 0.84), (0.56, 0.8)],
        ):
            c.limb([(side * x, y) for x, y in arm], 0.26, 0.1)
    half = [(0.46, -0.74), (0.58, -0.3), (0.42, 0.14), (0.36, 0.42)]
    c.outlined(rounded([(0, -0.9), *half, *((-x, y) for x, y in half[::-1])]))
    for side in (-1, 1):
        c.ellipse(side * 0.22, -0.12, 0.17, 0.2, (255, 255, 255))
        c.ellipse(side * 0.2, -0.1, 0.1, 0.13, (25, 25, 35))
    c.tube([(-0.14, 0.2), (0, 0.26), (0.14, 0.2)], 0.08, 0.08, c.ink)
    c.ellipse(-0.22, -0.62, 0.12, 0.09, c.light)


def _owl(c: Canvas) -> None:
    """On a branch, seen from the front."""
    half = [(0.5, -0.6), (0.6, 0.0), (0.5, 0.6)]
    c.outlined(
        rounded([(0, -0.66), *half, (0, 0.82), *((-x, y) for x, y in half[::-1])]),
        [(-0.56, -0.3), (-0.66, -0.88), (-0.1, -0.62)],
        [(0.56, -0.3), (0.66, -0.88), (0.1, -0.62)],
    )
    c.ellipse(0, 0.36, 0.34, 0.4, c.light)
    for side in (-1, 1):
        c.outlined(rounded([(side * 0.56, -0.1), (side * 0.72, 0.3), (side * 0.5, 0.7), (side * 0.36, 0.3)]))
        c.ellipse(side * 0.27, -0.3, 0.32, 0.32, c.dark)
        c.ellipse(side * 0.27, -0.3, 0.26, 0.26, (255, 255, 255))
        c.ellipse(side * 0.25, -0.3, 0.14, 0.14, (25, 25, 35))
    c.polygon([(-0.13, -0.2), (0.13, -0.2), (0, 0.12)], (248, 160, 40))
    c.box(-0.95, 0.76, 0.95, 0.94, 0.09, (112, 76, 46))
    for x in (-0.22, 0.22):
        c.box(x - 0.12, 0.7, x + 0.12, 0.84, 0.06, (248, 160, 40))


def _bear(c: Canvas) -> None:
    """Sitting as a teddy does, seen from the front."""
    c.outlined(oval(0, 0.42, 0.5, 0.46))
    for side in (-1, 1):
        c.limb([(side * 0.36, 0.16), (side * 0.72, 0.3)], 0.3, 0.28)
        c.outlined(oval(side * 0.5, 0.7, 0.24, 0.22))
        c.ellipse(side * 0.5, 0.72, 0.13, 0.12, c.light)
    c.ellipse(0, 0.44, 0.27, 0.27, c.light)
    c.outlined(oval(-0.44, -0.7, 0.19, 0.19), oval(0.44, -0.7, 0.19, 0.19), oval(0, -0.36, 0.56, 0.46))
    for side in (-1, 1):
        c.ellipse(side * 0.44, -0.72, 0.1, 0.1, c.light)
    c.ellipse(0, -0.18, 0.26, 0.2, c.light)
    c.ellipse(0, -0.26, 0.12, 0.09, (25, 25, 35))
    for side in (-1, 1):
        c.ellipse(side * 0.25, -0.44, 0.1, 0.1, (255, 255, 255))
        c.ellipse(side * 0.24, -0.44, 0.06, 0.07, (25, 25, 35))


def _dinosaur(c: Canvas) -> None:
    """On its hind legs, with plates down its back."""
    for x, y in ((0.06, -0.62), (-0.1, -0.3), (-0.28, 0.02), (-0.54, 0.28)):
        c.polygon([(x + 0.1, y - 0.26), (x - 0.34, y - 0.18), (x - 0.04, y + 0.26), (x + 0.3, y)], c.dark)
    c.limb([(0.34, 0.08), (0.62, 0.12), (0.66, 0.26)], 0.14, 0.12)
    front = [
        (0.0, -0.6),
        (0.3, -0.82),
        (0.78, -0.76),
        (0.88, -0.5),
        (0.8, -0.3),
        (0.42, -0.24),
        (0.4, 0.2),
        (0.3, 0.62),
    ]
    c.outlined(
        rounded([*front, (-0.1, 0.7), (-0.5, 0.66), (-0.9, 0.36), (-0.5, 0.42), (-0.22, 0.1)]),
        [(-0.3, 0.5), (0.0, 0.5), (0.02, 0.88), (-0.34, 0.88)],
        [(0.1, 0.5), (0.34, 0.4), (0.48, 0.88), (0.16, 0.88)],
    )
    c.polygon(rounded([(0.28, -0.1), (0.38, 0.1), (0.28, 0.56), (0.08, 0.56), (0.1, 0.1)]), c.light)
    c.tube([(0.86, -0.46), (0.52, -0.44)], 0.08, 0.08, c.ink)
    c.eye(0.42, -0.62, 0.11)


def _lion(c: Canvas) -> None:
    """Sitting, seen from the front."""
    hair = mix(c.colour, c.ink, 0.55)
    c.tube([(0.3, 0.82), (0.72, 0.84), (0.8, 0.56)], 0.13, 0.13, c.dark)
    c.ellipse(0.8, 0.48, 0.15, 0.17, hair)
    c.outlined(oval(0, 0.58, 0.44, 0.3), oval(-0.24, 0.84, 0.22, 0.08), oval(0.24, 0.84, 0.22, 0.08))
    radii = [0.78, 0.64] * 11
    mane = [(r * math.sin(math.pi * i / 11), -0.2 - r * math.cos(math.pi * i / 11)) for i, r in enumerate(radii)]
    c.polygon(mane, hair)
    for x in (-0.38, 0.38):
        c.ellipse(x, -0.54, 0.15, 0.15, c.colour)
    c.ellipse(0, -0.18, 0.5, 0.46, c.colour)
    for side in (-1, 1):
        c.ellipse(side * 0.21, -0.28, 0.11, 0.13, (255, 255, 255))
        c.ellipse(side * 0.2, -0.26, 0.07, 0.09, (25, 25, 35))
    c.ellipse(0, 0.06, 0.27, 0.18, c.light)
    c.polygon([(-0.14, -0.1), (0.14, -0.1), (0, 0.08)], (25, 25, 35))


def _giraffe(c: Canvas) -> None:
    c.tube([(-0.6, 0.2), (-0.78, 0.32), (-0.78, 0.58)], 0.1, 0.16, c.ink)
    for x in (0.34, 0.52):
        c.tube([(x, -0.7), (x - 0.03, -0.89)], 0.1, 0.14, c.ink)
    c.outlined(
        rounded([(-0.66, 0.24), (-0.5, 0.06), (-0.1, 0.0), (0.34, 0.06), (0.4, 0.34), (0.0, 0.46), (-0.58, 0.46)]),
        [(0.02, 0.1), (0.24, -0.7), (0.52, -0.62), (0.4, 0.24)],
        rounded([(0.24, -0.72), (0.5, -0.78), (0.86, -0.6), (0.86, -0.42), (0.58, -0.42), (0.3, -0.48)]),
        *([(x - 0.1, 0.3), (x + 0.1, 0.3), (x + 0.09, 0.9), (x - 0.09, 0.9)] for x in (-0.52, -0.22, 0.04, 0.3)),
    )
    for x, y, r in ((-0.46, 0.24, 0.12), (-0.14, 0.2, 0.14), (0.2, 0.24, 0.13), (0.2, -0.1, 0.1), (0.36, -0.36, 0.1)):
        c.ellipse(x, y, r, r, c.dark)
    c.eye(0.56, -0.6, 0.1)


def _snake(c: Canvas) -> None:
    c.tube([(0.7, -0.5), (0.94, -0.4)], 0.09, 0.07, (226, 60, 70))
    body = [(-0.86, 0.1), (-0.76, 0.6), (-0.46, 0.72), (-0.22, 0.4), (0.0, 0.16), (0.26, 0.4), (0.5, 0.7), (0.78, 0.5)]
    body += [(0.66, 0.1), (0.26, -0.14), (0.06, -0.44), (0.24, -0.66), (0.5, -0.66)]
    c.limb(body, 0.14, 0.36)
    for x, y in curve(body)[30:-24:15]:
        c.ellipse(x, y, 0.08, 0.08, c.dark)
    c.outlined(oval(0.5, -0.62, 0.38, 0.27))
    c.eye(0.58, -0.7, 0.12)


def _jellyfish(c: Canvas) -> None:
    for x in (-0.6, -0.2, 0.2, 0.6):
        strand = [(x, 0.0), (x + 0.12, 0.28), (x - 0.08, 0.54), (x + 0.06, 0.84)]
        c.tube(strand, 0.26, 0.2, c.dark)
        c.tube(strand, 0.16, 0.11, c.light)
    c.outlined(dome(0, 0.0, 0.84, 0.88), *(oval(x, 0.0, 0.2, 0.14) for x in (-0.64, -0.22, 0.22, 0.64)))
    for side in (-1, 1):
        c.ellipse(side * 0.28, -0.26, 0.15, 0.17, (255, 255, 255))
        c.ellipse(side * 0.26, -0.24, 0.09, 0.11, (25, 25, 35))
    c.tube([(-0.1, -0.06), (0, -0.01), (0.1, -0.06)], 0.07, 0.07, c.ink)
    c.ellipse(-0.36, -0.6, 0.16, 0.1, c.light)


WILD: Figures = {
    "elephant": _elephant,
    "penguin": _penguin,
    "whale": _whale,
    "crab": _crab,
    "octopus": _octopus,
    "owl": _owl,
    "bear": _bear,
    "dinosaur": _dinosaur,
    "lion": _lion,
    "giraffe": _giraffe,
    "snake": _snake,
    "jellyfish": _jellyfish,
}
