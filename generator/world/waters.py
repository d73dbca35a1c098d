"""Backgrounds of water: sea, beach, what is under water, and a waterfall."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from generator.world.brushes import (
    RGB,
    Image,
    around,
    below,
    blend,
    columns,
    disc,
    fill,
    gradient,
    grid,
    layer,
    offsets,
    puff,
    rgb,
)
from generator.world.moving import Mover, Part, Scenes, along, clouds, glints, halo, smoke, swing, waves


def _swell(h: int, w: int, horizon: float, strength: float, light: RGB, dark: RGB) -> tuple[Mover, Mover]:
    """Waves that come from ``horizon`` towards the viewer, lower and slower the farther away: crests and troughs."""
    x, y = grid(h, w)
    depth = np.maximum(y - horizon, 0)
    far = 2 * math.pi * 0.6 / (depth + 0.12)
    bend = 0.9 * np.sin(4.3 * x + 3 * depth) + 0.5 * np.sin(9.1 * x - 14 * depth)
    whole = strength * np.minimum(1, depth / 0.03)
    broken = whole * (0.65 + 0.35 * np.sin(7 * x + 0.7 * far))
    return (
        waves(broken.astype(np.float32), bend - far, 3.6, light, 0.15),
        waves((0.7 * whole).astype(np.float32), bend - far + 3.6, 3.6, dark),
    )


def _sea(h: int, w: int, rng: np.random.Generator) -> Sequence[Part]:
    wide = w / h
    sky = gradient(h, w, [(0, (112, 182, 236)), (0.62, (208, 234, 248))])
    high, scale = rng.uniform(0.1, 0.2), rng.uniform(0.9, 1.2)
    horizon = rng.uniform(0.6, 0.66)
    water = layer(h, w)
    below(water, np.full(w, horizon, np.float32), (52, 140, 190), (16, 78, 140))
    return (
        sky,
        clouds(wide, (high + 0.17, 0.65), (high, scale), (high + 0.24, 0.5)),
        water,
        *_swell(h, w, horizon, 0.5, (142, 206, 230), (14, 66, 128)),
        glints(round(18 * wide) + 2, wide, (horizon + 0.03, 0.97), (232, 246, 252)),
    )


def _beach(h: int, w: int, rng: np.random.Generator) -> Sequence[Part]:
    wide = w / h
    sky = gradient(h, w, [(0, (84, 188, 236)), (0.5, (214, 242, 250))])
    cx, cy = rng.uniform(0.14, 0.3) * wide, rng.uniform(0.12, 0.18)
    horizon = rng.uniform(0.5, 0.54)
    (_, y), x, phase = grid(h, w), columns(w, h), rng.uniform(0, 6.28)
    sun = layer(h, w)
    disc(sun, cx, cy, 0.075, (255, 248, 200), 0.02)
    land = layer(h, w)
    below(land, np.full(w, horizon, np.float32), (36, 168, 196), (96, 214, 214))
    line = (0.7 + 0.02 * np.sin(x * 5 + phase)).astype(np.float32)
    below(land, line - 0.05, (212, 184, 132), (212, 184, 132))  # the sand that the surf has wetted
    fill(land, (y - line[None] - 0.065) / 3, rgb((244, 218, 164)), 0.01)
    below(land, line + 0.075, (246, 222, 170), (228, 192, 130))

    def surf(image: Image, seconds: float) -> None:
        rows = slice(int(0.6 * h), int(0.82 * h))
        reach = 0.033 * swing(seconds, 5.5) + 0.006 * np.sin(11 * x - 1.2 * math.sin(seconds * 0.7)).astype(np.float32)
        here, edge = y[rows], (line + reach)[None]
        shown = np.clip((edge - here) * h + 0.5, 0, 1)
        deep = np.clip((edge - here) / 0.14, 0, 1)[..., None]
        upper = np.clip((here - line[None] + 0.05) * h + 0.5, 0, 1)
        blend(image[rows], shown * upper, rgb((150, 226, 220)) + deep * (rgb((62, 186, 202)) - rgb((150, 226, 220))))
        thick = np.float32(0.012 + 0.004 * swing(seconds, 5.5, 1.5))
        blend(image[rows], np.clip((thick - np.abs(edge - here - thick)) * h + 0.5, 0, 1), rgb((252, 253, 253)))

    far = np.clip(1 - (y - line[None] + 0.08) / 0.03, 0, 1) * np.clip((y - horizon) / 0.02, 0, 1)
    depth = 1 / (np.maximum(y - horizon, 0) + 0.13)
    ripple = 0.8 * np.sin(6 * x + phase) - 4.2 * depth
    return (
        sky,
        halo(cx, cy, 0.075, (255, 250, 214)),
        sun,
        clouds(wide, (rng.uniform(0.28, 0.34), 0.6), (rng.uniform(0.1, 0.18), 1.0)),
        land,
        surf,
        waves((0.5 * far).astype(np.float32), ripple.astype(np.float32), 3.2, (150, 228, 226)),
        glints(round(8 * wide) + 1, wide, (horizon + 0.02, 0.62), (226, 250, 248), size=0.025),
    )


def _bubbles(wide: float) -> Mover:
    fixed = np.random.default_rng(5)  # one pattern of bubbles
    table = [(*fixed.random(2), fixed.uniform(0.01, 0.017)) for _ in range(round(16 * wide) + 1)]

    def paint(image: Image, seconds: float) -> None:
        for x, y, radius in table:
            cy = along(1.2 * y, seconds, -5 * radius, 1.0, 0.1)  # the larger, the faster
            cx = x * wide + 0.012 * swing(seconds, 2.4, 20 * y)
            disc(image, cx, cy, radius, (150, 216, 232), 0.008, 0.75)
            disc(image, cx - 0.3 * radius, cy - 0.3 * radius, 0.4 * radius, (226, 248, 250), 0.006)

    return paint


def _underwater(h: int, w: int, rng: np.random.Generator) -> Sequence[Part]:
    water = gradient(h, w, [(0, (110, 216, 226)), (0.45, (30, 128, 176)), (0.9, (12, 54, 110))])
    (x, y), across, phase = grid(h, w), columns(w, h), rng.uniform(0, 6.28)
    floor = 0.87 + 0.03 * np.sin(across * 4 + phase)
    sand = layer(h, w)
    below(sand, floor.astype(np.float32), (178, 168, 132), (132, 124, 104))
    rows = slice(int(0.62 * h), int(0.92 * h))
    up = np.maximum(0, 0.9 - y[rows]) / 0.2  # 0 at the roots of the weed, about 1 at its tips

    def weed(image: Image, seconds: float) -> None:
        aside = x[rows] + 0.035 * up * up * np.sin(np.float32(2 * math.pi * seconds / 4) + 5 * x[rows])
        for shift, tall, colour in ((1.2, 0.15, (24, 104, 120)), (0.0, 0.2, (20, 92, 92))):
            blades = np.abs(np.sin(aside * (11 - 2 * shift) + (phase + shift)))
            inside = (y[rows] - 0.9 + np.float32(tall) * blades * blades * np.sqrt(blades)) / 2.5
            blend(image[rows], np.clip(inside * h + 0.5, 0, 1).astype(np.float32), rgb(colour))

    beams = np.clip(1 - y / 0.75, 0, 1) * 0.3
    fan = (x - 0.5 * w / h) * 20 / (1 + 0.9 * y) - 2 * y
    light = np.clip((y - floor[None] - 0.01) / 0.02, 0, 1) * 0.36
    net = 3 * np.sin(9 * x + 30 * y) + 2 * np.sin(60 * y - 7 * x)
    return (
        water,
        waves(beams.astype(np.float32), fan.astype(np.float32), 6.0, (206, 246, 240), 0.1),
        waves(beams.astype(np.float32), (-0.6 * fan).astype(np.float32), 8.0, (176, 236, 238), 0.2),
        _bubbles(w / h),
        weed,
        sand,
        waves(light.astype(np.float32), net.astype(np.float32), 4.0, (228, 222, 184), 0.1),
    )


def _rings(cx: float, cy: float) -> Mover:
    """Rings that spread on the pool from where the water falls into it."""

    def paint(image: Image, seconds: float) -> None:
        box = around(image, cx, cy + 0.1, 0.42, 0.12)
        x, y = offsets(image, box, cx, cy)
        far = np.sqrt(x * x + np.square(2.6 * y))
        lifted = np.sin(46 * far - np.float32(2 * math.pi * (seconds / 1.8 % 1)))
        shown = np.clip((0.42 - far) / 0.3, 0, 1) * np.clip(y * len(image), 0, 1)
        blend(image[box], 0.5 * shown * np.maximum(lifted, 0), rgb((206, 240, 240)))

    return paint


def _waterfall(h: int, w: int, rng: np.random.Generator) -> Sequence[Part]:
    image = gradient(h, w, [(0, (140, 204, 236)), (0.3, (226, 242, 240))])
    (_, y), x = grid(h, w), columns(w, h)
    cx, phase = rng.uniform(0.38, 0.62) * w / h, rng.uniform(0, 6.28)
    top, pool = rng.uniform(0.17, 0.22), rng.uniform(0.73, 0.77)
    rock = layer(h, w)
    below(rock, (top - 0.09 * np.abs(np.sin(x * 11 + phase))).astype(np.float32), (70, 140, 90), (70, 140, 90))
    for share, width, colours in (
        (0.0, 0.17, ((112, 128, 132), (84, 100, 110))),
        (1.0, 0.23, ((84, 100, 106), (58, 74, 86))),
    ):  # a cliff, and the rocks that stand before it and leave the fall its way
        step = np.abs(((x + phase) / width) % 1 - 0.5)
        line = top + 0.05 * step + share * (0.1 + np.maximum(0, 0.9 * (0.26 - np.abs(x - cx))) * 4)
        below(rock, line.astype(np.float32), *colours)
    half = 0.1 + 0.05 * np.maximum(y - top, 0)
    across = (x - cx) / half
    water = rgb((206, 232, 244)) + 0.08 * np.sin(across * 9 + phase)[..., None]
    inside = np.minimum(half - np.abs(x - cx), y - top + 0.01)
    fill(rock, inside, water)
    below(rock, np.full(w, pool, np.float32), (92, 196, 200), (24, 112, 146))
    fall = np.clip(inside * h + 0.5, 0, 1) * np.clip((pool - y) * h, 0, 1) * np.clip((y - top + 0.01) / 0.06, 0, 1)
    banks = layer(h, w)
    for away in (x, w / h - x):
        bank = 0.7 + 0.9 * away + 0.05 * np.abs(np.sin(away * 16 + phase))
        below(banks, bank.astype(np.float32), (74, 150, 78), (34, 92, 58))

    def spray(image: Image, seconds: float) -> None:
        for i, dx in enumerate((-0.12, -0.06, 0.0, 0.06, 0.12)):
            size = 0.075 + 0.014 * swing(seconds, 1.3 + 0.2 * i, 2.0 * i)
            puff(image, cx + dx, pool + 0.005, size, size, (240, 249, 252), 0.95)

    streaks = 25 * y + 2.6 * np.sin(4.5 * across + phase) + 0.8 * np.sin(11 * across)
    return (
        image,
        clouds(w / h, (0.06, 0.6), (0.09, 0.45)),
        rock,
        waves((0.85 * fall).astype(np.float32), streaks.astype(np.float32), 0.75, (250, 253, 255), 0.1),
        waves(
            (0.4 * fall).astype(np.float32), (0.7 * streaks + 5 * across).astype(np.float32), 0.6, (140, 194, 222), 0.2
        ),
        _rings(cx, pool),
        spray,
        *(
            smoke((cx + dx, pool), (3 * dx, -0.13), (0.04, 0.1), (236, 246, 250), count=3, period=2.6, opacity=0.4)
            for dx in (-0.06, 0.06)
        ),
        banks,
    )


WATERS: Scenes = {"sea": _sea, "beach": _beach, "underwater": _underwater, "waterfall": _waterfall}
