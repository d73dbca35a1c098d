"""Backgrounds that are mostly sky: night, sunset, and the sky of the moon."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from generator.world.brushes import (
    Image,
    around,
    below,
    blend,
    columns,
    disc,
    gradient,
    grid,
    layer,
    offsets,
    puff,
    rgb,
)
from generator.world.moving import Mover, Part, Scenes, along, drifting, halo, motes, shooting_star, stars, swing, waves


def _night(h: int, w: int, rng: np.random.Generator) -> Sequence[Part]:
    wide = w / h
    sky = gradient(h, w, [(0, (14, 16, 48)), (0.8, (52, 50, 104))])
    cx, cy = rng.uniform(0.72, 0.86) * wide, rng.uniform(0.14, 0.22)
    moon = layer(h, w)
    disc(moon, cx, cy, 0.085, (250, 244, 214))
    hill = layer(h, w)
    line = 0.8 + 0.04 * np.sin(columns(w, h) * 5 + rng.uniform(0, 6.28))
    below(hill, line.astype(np.float32), (24, 28, 56), (10, 12, 28))
    return (
        sky,
        stars(26, wide, 0.6, seed=7),
        shooting_star(wide),
        halo(cx, cy, 0.085, (112, 112, 168)),
        moon,
        drifting(8, wide, (0.2, 0.56), (0.22, 0.05), (84, 84, 142), opacity=0.4),
        hill,
        motes(7, (0.05 * wide, 0.82, 0.95 * wide, 0.95), (232, 224, 128), opacity=0.9),  # fireflies
    )


def _sunset(h: int, w: int, rng: np.random.Generator) -> Sequence[Part]:
    wide = w / h
    sky = gradient(h, w, [(0, (76, 58, 128)), (0.35, (206, 96, 116)), (0.68, (255, 186, 98))])
    (x, y), across = grid(h, w), columns(w, h)
    horizon, cx, phase = rng.uniform(0.66, 0.7), rng.uniform(0.4, 0.6) * wide, rng.uniform(0, 6.28)
    sun = layer(h, w)
    disc(sun, cx, horizon - 0.03, 0.13, (255, 232, 160), 0.015)
    lake = layer(h, w)
    below(lake, np.full(w, horizon, np.float32), (190, 96, 104), (84, 46, 86))
    shore = horizon - 0.05 * np.maximum(0, np.abs(across - cx) - 0.3) * np.abs(np.sin(9 * across + phase))
    fringe = np.minimum(y - shore[None], horizon + 0.012 - y)
    blend(lake, np.clip(fringe * h + 0.5, 0, 1).astype(np.float32), rgb((112, 62, 92)))
    near = layer(h, w)
    below(near, (horizon + 0.17 + 0.03 * np.sin(across * 4 + phase + 2)).astype(np.float32), (70, 40, 70), (38, 24, 48))
    depth = np.maximum(y - horizon, 0)
    ripple = -4.5 / (depth + 0.13) + 0.9 * np.sin(13 * x + phase)
    mirrored = np.clip(depth / 0.01, 0, 1) * np.exp(-np.square((x - cx) / (0.13 + 0.5 * depth)))
    return (
        sky,
        halo(cx, horizon - 0.03, 0.16, (255, 214, 132), 4.0),
        sun,
        drifting(5, wide, (0.2, 0.52), (0.28, 0.022), (250, 156, 130), opacity=0.65),
        lake,
        waves((0.75 * mirrored).astype(np.float32), ripple.astype(np.float32), 2.6, (255, 214, 132), -0.5),
        waves((0.3 * np.clip(depth / 0.02, 0, 1)).astype(np.float32), ripple + 2 * x, 3.4, (232, 134, 118)),
        near,
    )


def _earth(cx: float, cy: float, radius: float) -> Mover:
    """The earth, which turns once in 30 s, and rises and sinks by less than its own height."""
    lands = ((0.2, 0.4, 0.6), (1.5, -0.3, 0.55), (2.8, 0.35, 0.5), (4.0, -0.2, 0.62), (5.2, 0.45, 0.5))

    def paint(image: Image, seconds: float) -> None:
        y0 = cy - 0.07 * swing(seconds, 36)
        disc(image, cx, y0, radius, (58, 124, 206))
        box = around(image, cx, y0, radius + 1 / len(image), radius + 1 / len(image))
        x, y = offsets(image, box, cx, y0)
        inside = np.clip((np.float32(radius) - np.sqrt(x * x + y * y)) * len(image), 0, 1)
        for start, height, size in lands:
            turn = start + 2 * math.pi * seconds / 30
            facing = math.cos(turn)
            if facing <= 0.1:  # behind, or too narrow to see
                continue
            across = (x - radius * 0.95 * math.sin(turn)) / (size * radius * facing)
            land = np.clip(2 - 2 * np.hypot(across, (y - height * radius) / (size * radius)), 0, 1)
            blend(image[box], (land * inside * min(1.0, 4 * facing - 0.4)).astype(np.float32), rgb((112, 176, 108)))
        shade = np.clip((x + y) / (2.2 * radius) + 0.1, 0, 1) * inside
        blend(image[box], (0.7 * shade).astype(np.float32), rgb((16, 24, 60)))

    return paint


def _lunar(h: int, w: int, rng: np.random.Generator) -> Sequence[Part]:
    wide = w / h
    sky = gradient(h, w, [(0, (10, 10, 20)), (0.7, (30, 30, 46))])
    cx, cy = rng.uniform(0.16, 0.34) * wide, rng.uniform(0.18, 0.24)
    (_, y), x, phase = grid(h, w), columns(w, h), rng.uniform(0, 6.28)
    ground = layer(h, w)
    below(ground, (0.62 + 0.04 * np.sin(x * 4 + phase)).astype(np.float32), (150, 150, 160), (120, 120, 132))
    below(ground, (0.72 + 0.02 * np.sin(x * 6 + phase + 2)).astype(np.float32), (190, 190, 198), (140, 140, 152))
    shift = rng.uniform(-0.08, 0.08)
    for px, py, rx in ((0.18, 0.82, 0.09), (0.52, 0.9, 0.12), (0.8, 0.8, 0.07)):
        reach = np.hypot((x[None] - (px + shift) * wide) / rx, (y - py) / (0.38 * rx)) - 1
        blend(ground, np.clip(0.5 - reach * rx * 0.6 * h, 0, 1).astype(np.float32), rgb((116, 116, 130)))

    def satellite(image: Image, seconds: float) -> None:
        at = along(0.0, seconds, 0.05, wide, 0.05)
        shine = 0.75 + 0.25 * swing(seconds, 1.5)
        puff(image, at, 0.1 + 0.05 * swing(at, 3 * wide), 0.022, 0.022, (255, 240, 206), shine)

    return (
        sky,
        stars(20, wide, 0.5, seed=13),
        satellite,
        halo(cx, cy, 0.08, (44, 66, 120), 8.0),
        _earth(cx, cy, 0.1),
        ground,
        drifting(4, wide, (0.72, 0.9), (0.3, 0.035), (216, 216, 224), opacity=0.55),  # dust
    )


SKIES: Scenes = {"night": _night, "sunset": _sunset, "lunar": _lunar}
