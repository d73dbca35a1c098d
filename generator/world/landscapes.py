"""Backgrounds of land that nature made."""

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
    ramp,
    rgb,
)
from generator.world.drawing import mix
from generator.world.moving import (
    Field,
    Mover,
    Part,
    Scenes,
    along,
    birds,
    clouds,
    drifting,
    flakes,
    halo,
    motes,
    smoke,
    swing,
    waves,
    wind,
)


def _meadow(h: int, w: int, rng: np.random.Generator) -> Sequence[Part]:
    wide = w / h
    sky = gradient(h, w, [(0, (134, 200, 246)), (0.7, (226, 242, 250))])
    cx, cy = rng.uniform(0.12, 0.25) * wide, rng.uniform(0.12, 0.2)
    sun = layer(h, w)
    disc(sun, cx, cy, 0.07, (255, 236, 150), 0.02)
    high, scale = rng.uniform(0.1, 0.2), rng.uniform(0.9, 1.2)
    x, phase = columns(w, h), rng.uniform(0, 6.28)
    far = (0.64 + 0.05 * np.sin(x * 4.0 + phase)).astype(np.float32)
    near = (0.74 + 0.04 * np.sin(x * 5.0 + phase + 2)).astype(np.float32)
    back, front = layer(h, w), layer(h, w)
    below(back, far, (150, 204, 110), (112, 176, 84))
    below(front, near, (112, 182, 82), (66, 140, 58))
    return (
        sky,
        halo(cx, cy, 0.07, (255, 248, 214)),
        sun,
        clouds(wide, (high + 0.17, 0.65), (high, scale)),
        birds(wide, 0.42, 0.032, (92, 112, 132)),
        back,
        wind(h, w, far, (190, 226, 140), opacity=0.4),
        front,
        wind(h, w, near, (164, 214, 112), opacity=0.6),
    )


def _tumbleweed(h: int, w: int, line: Field) -> Mover:
    """A ball of dry twigs that rolls along ``line`` (y per column) and hops."""
    across = columns(w, h)

    def paint(image: Image, seconds: float) -> None:
        radius, wide = 0.026, w / h
        cx = along(0.0, seconds, 0.09, wide, 0.1)
        ground = float(np.interp(cx, across, line))
        cy = ground + 0.012 - radius - 0.035 * abs(swing(seconds, 2.4))
        box = around(image, cx, cy, radius + 1 / h, radius + 1 / h)
        x, y = offsets(image, box, cx, cy)
        turn = seconds * 0.09 / radius
        far, angle = np.sqrt(x * x + y * y) / radius, np.arctan2(y, x) - turn
        twigs = 0.5 + 0.5 * np.minimum(1, 2 * far) * np.sin(3 * angle + 5 * far)
        colour = rgb((128, 88, 50)) + twigs[..., None] * (rgb((196, 148, 88)) - rgb((128, 88, 50)))
        shape = np.clip((1 - far) * radius * h + 0.5, 0, 1)
        blend(image[box], shape.astype(np.float32), colour.astype(np.float32))

    return paint


def _desert(h: int, w: int, rng: np.random.Generator) -> Sequence[Part]:
    wide = w / h
    sky = gradient(h, w, [(0, (96, 172, 224)), (0.65, (250, 234, 206))])
    cx, cy = rng.uniform(0.7, 0.88) * wide, rng.uniform(0.12, 0.2)
    sun = layer(h, w)
    disc(sun, cx, cy, 0.075, (255, 246, 208), 0.02)
    (x, y), across, phase = grid(h, w), columns(w, h), rng.uniform(0, 6.28)
    far = (0.66 + 0.05 * np.sin(across * 4.5 + phase)).astype(np.float32)
    near = (0.78 + 0.05 * np.sin(across * 3.5 + phase + 2.5)).astype(np.float32)
    back, front = layer(h, w), layer(h, w)
    below(back, far, (236, 196, 134), (222, 172, 104))
    below(front, near, (226, 176, 108), (190, 132, 72))
    above = far[None] - y  # the crest, in heights
    heat = 0.55 * np.clip(above / 0.02 + 1, 0, 1) * np.clip(1 - above / 0.13, 0, 1)
    depth = np.maximum(y - near[None], 0)
    ripples = 60 * depth / (1 + 2 * depth) + 4 * x + 1.2 * np.sin(8 * x + phase)
    sand = 0.4 * np.clip(depth / 0.03, 0, 1)
    return (
        sky,
        halo(cx, cy, 0.08, (255, 244, 214)),
        sun,
        back,
        waves(heat.astype(np.float32), (1.5 * np.sin(13 * x) - 60 * y).astype(np.float32), 1.6, (255, 242, 222), -0.3),
        drifting(4, wide, (0.66, 0.74), (0.24, 0.045), (246, 218, 166), opacity=0.6),
        _tumbleweed(h, w, far),
        front,
        waves(sand.astype(np.float32), ripples.astype(np.float32), 3.0, (242, 204, 142)),
        drifting(3, wide, (0.8, 0.92), (0.3, 0.05), (244, 212, 156), opacity=0.45),
    )


def _snow(h: int, w: int, rng: np.random.Generator) -> Sequence[Part]:
    wide = w / h
    image = gradient(h, w, [(0, (150, 190, 226)), (0.7, (234, 242, 250))])
    x = columns(w, h)
    mountains = layer(h, w)
    for cx, top, slope, colour in (
        (rng.uniform(0.2, 0.32), 0.34, 1.1, (126, 150, 184)),
        (rng.uniform(0.66, 0.8), 0.27, 1.0, (104, 130, 168)),
    ):
        peak = (top + slope * np.abs(x - cx * w / h)).astype(np.float32)
        below(mountains, peak, colour, colour)
        # The snow cap ends where the mountain is 0.12 heights below its top.
        _, y = grid(h, w)
        cap = np.clip((y - peak[None]) * h + 0.5, 0, 1) * np.clip((top + 0.12 - y) * h + 0.5, 0, 1)
        blend(mountains, cap.astype(np.float32), rgb((246, 250, 255)))
    line = (0.68 + 0.03 * np.sin(x * 4 + rng.uniform(0, 6.28))).astype(np.float32)
    ground = layer(h, w)
    below(ground, line, (244, 248, 254), (206, 220, 238))
    return (
        image,
        clouds(wide, (rng.uniform(0.1, 0.14), 1.0), (0.2, 0.7), opacity=0.75),
        mountains,
        drifting(4, wide, (0.54, 0.64), (0.26, 0.05), (222, 232, 244), opacity=0.5),
        ground,
        wind(h, w, line, (188, 206, 230), opacity=0.4, period=4.0),  # the shadow of what is blown about
        flakes(44, wide, ((250, 252, 255),), sizes=(0.008, 0.016), speed=0.16),
    )


def _trees(h: int, w: int, top: float, height: float, width: float, shift: float, colour: RGB) -> Mover:
    """A row of firs whose tips sway, each in its own time."""
    share = (columns(w, h) + shift) / width
    number, share = np.floor(share), share % 1

    def paint(image: Image, seconds: float) -> None:
        tip = 0.5 + 0.12 * np.sin(2 * math.pi * seconds / 3.4 + 1.9 * number)
        away = np.where(share < tip, (tip - share) / tip, (share - tip) / (1 - tip))
        below(image, (top + height * away).astype(np.float32), colour, colour)

    return paint


def _forest(h: int, w: int, rng: np.random.Generator) -> Sequence[Part]:
    wide = w / h
    sky = gradient(h, w, [(0, (178, 220, 226)), (0.6, (226, 240, 224))])
    (x, y), across = grid(h, w), columns(w, h)
    far, near = (
        _trees(h, w, top, height, width, rng.uniform(0, 1), colour)
        for top, height, width, colour in ((0.4, 0.2, 0.15, (122, 170, 140)), (0.5, 0.24, 0.2, (64, 122, 88)))
    )
    line = (0.76 + 0.02 * np.sin(across * 5 + rng.uniform(0, 6.28))).astype(np.float32)
    ground = layer(h, w)
    below(ground, line, (96, 146, 74), (58, 100, 52))
    slant = x + 0.55 * y
    beams = 0.42 * np.clip(1.05 - y, 0, 1) * np.clip((line[None] + 0.1 - y) / 0.15, 0, 1)
    return (
        sky,
        clouds(wide, (0.13, 0.9), (0.2, 0.6), opacity=0.6),
        birds(wide, 0.27, 0.03, (108, 140, 134)),
        far,
        drifting(4, wide, (0.56, 0.64), (0.26, 0.06), (214, 230, 218), opacity=0.6),
        near,
        ground,
        wind(h, w, line, (136, 180, 98), opacity=0.5),
        waves(beams.astype(np.float32), (10 * slant).astype(np.float32), 9.0, (252, 248, 206), 0.15),
        waves(beams.astype(np.float32), (-7 * slant).astype(np.float32), 11.0, (246, 246, 206), 0.3),
        motes(9, (0.1 * wide, 0.35, 0.9 * wide, 0.9), (250, 246, 200), opacity=0.7),
    )


def _volcano(h: int, w: int, rng: np.random.Generator) -> Sequence[Part]:
    wide = w / h
    sky = gradient(h, w, [(0, (92, 70, 92)), (0.45, (206, 120, 96)), (0.75, (246, 190, 132))])
    (xs, y), x = grid(h, w), columns(w, h)
    cx = rng.uniform(0.34, 0.66) * wide
    mountain = layer(h, w)
    cone = np.maximum(0.28 + 0.9 * np.maximum(np.abs(x - cx) - 0.09, 0), 0.28 + 0.02 * np.cos((x - cx) * 30))
    below(mountain, cone.astype(np.float32), (96, 66, 66), (58, 40, 46))
    stream = 0.03 + 0.12 * (y - 0.28) + 0.012 * np.sin(y * 40) - np.abs(x - cx)[None]  # of lava, wider below
    lava = np.clip(stream * h / 2 + 0.5, 0, 1) * np.clip((y - 0.3) * h, 0, 1) * np.clip((0.74 - y) * 6, 0, 1)
    blend(mountain, lava.astype(np.float32), rgb((250, 110, 36)))
    ground = layer(h, w)
    line = 0.76 + 0.02 * np.sin(x * 7 + rng.uniform(0, 6.28))
    below(ground, line.astype(np.float32), (70, 52, 58), (40, 30, 38))
    glow = np.exp(-np.square((xs - cx) / 0.2) - np.square((y - 0.55) / 0.22)) * np.clip((y - cone[None]) * 20, 0, 1)

    def embers(image: Image, seconds: float) -> None:
        shine = swing(seconds, 2.6)
        puff(image, cx, 0.27, 0.16 + 0.02 * shine, 0.12 + 0.02 * shine, (255, 150, 76), 0.6 + 0.2 * shine)
        for i in range(7):
            age = (seconds / 2.4 + i / 7) % 1
            at = cx + 0.16 * math.sin(2.7 * i + 1) * age, 0.29 - (0.5 + 0.1 * (i % 3)) * age * (1 - age) * 1.3
            puff(image, *at, 0.016, 0.016, (255, 206, 104), math.sin(math.pi * age) * 1.2)

    flow = (38 * y + 300 * np.square(xs - cx)).astype(np.float32)  # faster in its middle
    return (
        sky,
        smoke((cx, 0.27), (0.3, -0.36), (0.08, 0.2), (122, 100, 110), count=11, period=10.0, opacity=1.3),
        embers,
        mountain,
        waves((0.5 * glow).astype(np.float32), np.zeros((h, w), np.float32), 3.0, (204, 84, 54), -0.8),
        waves((0.9 * lava).astype(np.float32), flow, 2.4, (255, 206, 92), -0.2),
        ground,
    )


def _canyon(h: int, w: int, rng: np.random.Generator) -> Sequence[Part]:
    wide = w / h
    sky = gradient(h, w, [(0, (104, 180, 232)), (0.6, (252, 234, 210))])
    image = layer(h, w)
    (xs, y), x = grid(h, w), columns(w, h)
    aside, phase, unit = rng.uniform(-0.06, 0.06), rng.uniform(0, 6.28), min(w / h, 1.3)
    middle = w / h / 2 - aside
    mesa = np.interp(np.abs(x - middle + rng.uniform(-0.1, 0.1)), (0.07, 0.1, 0.22), (0.48, 0.58, 0.64))
    below(image, mesa.astype(np.float32), (224, 176, 168), (232, 190, 166))
    # Walls of layered rock go down in steps from both sides, the far ones in haze.
    for across, tops, haze in (
        ((0.16, 0.2, 0.26, 0.3, 0.42), (0.3, 0.46, 0.48, 0.64, 0.72), 0.42),
        ((0.06, 0.11, 0.17, 0.22, 0.34), (0.08, 0.36, 0.4, 0.68, 0.86), 0.0),
    ):
        first = rng.uniform(-0.03, 0.03)
        layers = [
            (first + 0.1 * i + end, ((214, 126, 82), (166, 84, 64))[i % 2]) for i in range(11) for end in (0, 0.07)
        ]
        rock = ramp(h, layers)
        rock += haze * (rgb((244, 206, 182)) - rock)
        for away in (x + aside, w / h - x - aside):
            top = np.interp(away, np.array(across) * unit, tops).astype(np.float32)
            fill(image, (y - top) / 2.5, rock)  # less than the distance straight down, as the walls are steep
    below(image, (0.82 + 0.015 * np.sin(x * 7 + phase)).astype(np.float32), (206, 134, 88), (150, 84, 58))
    bend = middle + 0.2 * np.sin(18 * (y - 0.8) + phase) * (y - 0.75)
    inside = np.minimum(0.04 + 0.6 * (y - 0.8) - np.abs(x - bend), y - 0.825)
    fill(image, inside, rgb((72, 178, 184)))
    river = np.clip(inside * h + 0.5, 0, 1)
    stream = (-14 / np.maximum(y - 0.55, 0.1) + 3 * np.square((xs - bend) / 0.1)).astype(
        np.float32
    )  # faster in its middle
    return (
        sky,
        clouds(wide, (rng.uniform(0.1, 0.16), 1.0), (0.28, 0.65), opacity=0.85),
        birds(wide, 0.33, 0.036, (116, 92, 100)),
        image,
        waves((0.6 * river).astype(np.float32), stream, 1.8, (178, 230, 224)),
        drifting(4, wide, (0.76, 0.84), (0.24, 0.035), (240, 196, 152), opacity=0.55),
    )


def _tree(h: int, cx: float, foot: float, size: float, colour: RGB, number: int) -> Mover:
    """A tree with a round crown that sways."""
    light = mix(colour, (255, 232, 150), 0.35)

    def paint(image: Image, seconds: float) -> None:
        box = around(image, cx, foot - 0.2 * size, 0.04 * size, 0.2 * size)
        x, y = offsets(image, box, cx, foot)
        trunk = np.minimum(0.026 * size - np.abs(x), np.minimum(y + 0.4 * size, -y))
        blend(image[box], np.clip(trunk * h + 0.5, 0, 1).astype(np.float32), rgb((104, 68, 52)))
        for i, (dx, dy, radius) in enumerate(
            ((-0.1, -0.3, 0.1), (0.1, -0.29, 0.1), (0.0, -0.4, 0.12), (0.0, -0.28, 0.1))
        ):
            aside = dx + 0.016 * swing(seconds, 3.2, number) * -dy / 0.3 + 0.006 * swing(seconds, 1.9, 2 * i + number)
            rise = dy + 0.006 * swing(seconds, 2.3, 1.7 * i + number)
            disc(image, cx + aside * size, foot + rise * size, radius * size, colour)
        aside = -0.03 + 0.02 * swing(seconds, 3.2, number)
        disc(image, cx + aside * size, foot - 0.42 * size, 0.06 * size, light, 0.04)

    return paint


def _autumn(h: int, w: int, rng: np.random.Generator) -> Sequence[Part]:
    wide = w / h
    sky = gradient(h, w, [(0, (176, 214, 232)), (0.6, (252, 242, 218))])
    (_, y), x = grid(h, w), columns(w, h)
    phase, middle = rng.uniform(0, 6.28), rng.uniform(0.42, 0.58) * w / h
    land = layer(h, w)
    for i, colour in enumerate(((234, 196, 128), (222, 160, 92))):
        line = 0.52 + 0.05 * i - 0.05 * np.abs(np.sin(x * (19 - 5 * i) + phase + i))
        below(land, line.astype(np.float32), colour, colour)
    ground = (0.66 + 0.015 * np.sin(x * 4 + phase)).astype(np.float32)
    below(land, ground, (212, 176, 92), (164, 116, 56))
    way = middle + 0.12 * np.sin(7 * (y - 0.66) + phase) * (y - 0.66)
    fill(land, np.minimum(0.03 + 0.45 * (y - 0.67) - np.abs(x - way), y - ground), rgb((240, 218, 176)))
    spread = min(w / h, 1.5)
    crowns = ((206, 72, 44), (236, 150, 44), (222, 108, 38), (240, 186, 62))
    first = rng.integers(4)
    trees = [
        _tree(h, wide / 2 + share * spread + rng.uniform(-0.03, 0.03), foot, size, crowns[(first + i) % 4], i)
        for i, (share, foot, size) in enumerate(
            ((0.3, 0.68, 0.75), (-0.32, 0.7, 0.85), (-0.47, 0.8, 1.2), (0.47, 0.78, 1.1))
        )
    ]
    fallen = layer(h, w)
    fixed = np.random.default_rng(17)  # one pattern of fallen leaves
    for i in range(16):
        at = fixed.uniform(0.02, 0.98) * wide, fixed.uniform(0.74, 0.98)
        disc(fallen, *at, fixed.uniform(0.01, 0.015), crowns[i % 4])
    return (
        sky,
        clouds(wide, (rng.uniform(0.1, 0.14), 0.8), (0.24, 0.6), opacity=0.7),
        land,
        wind(h, w, ground, (232, 202, 122), opacity=0.35),
        *trees,
        fallen,
        flakes(22, wide, crowns, sizes=(0.014, 0.021), speed=0.13, flat=True, seed=19),
    )


def _drip(cx: float, top: float, floor: float, start: float) -> Mover:
    """A drop that swells at a tip, falls and leaves a ring on the floor, every 4 s."""

    def paint(image: Image, seconds: float) -> None:
        age = (seconds + start) % 4
        fall = min(1.0, max(0.0, age - 1.1) / 1.7)
        if fall < 1:
            cy = top + 0.01 + (floor - top) * fall**1.4
            puff(image, cx, cy, 0.015, 0.024 + 0.012 * fall, (204, 234, 250), min(1.0, age) * min(1.0, 12 * (1 - fall)))
            return
        spread = min(1.0, (age - 2.8) / 1.2)
        wide = 0.02 + 0.09 * spread
        box = around(image, cx, floor, wide + 0.02, 0.4 * (wide + 0.02))
        x, y = offsets(image, box, cx, floor)
        ring = 1 - np.abs(np.sqrt(x * x + np.square(y / 0.35)) - wide) / 0.018
        shown = 0.8 * min(1.0, 8 * spread) * (1 - spread)
        blend(image[box], (shown * np.clip(ring, 0, 1)).astype(np.float32), rgb((190, 206, 214)))

    return paint


def _cave(h: int, w: int, rng: np.random.Generator) -> Sequence[Part]:
    wide = w / h
    outside = gradient(h, w, [(0.1, (150, 214, 246)), (0.6, (250, 246, 222))])
    (x, y), across = grid(h, w), columns(w, h)
    cx, cy, phase = rng.uniform(0.42, 0.58) * wide, rng.uniform(0.43, 0.48), rng.uniform(0, 6.28)
    hill = layer(h, w)
    line = (0.6 + 0.03 * np.sin(across * 6 + phase)).astype(np.float32)
    below(hill, line, (152, 204, 124), (120, 180, 100))
    rock = layer(h, w)
    angle = np.arctan2(y - cy, x - cx)
    mouth = 1 + 0.06 * np.sin(3 * angle + phase) + 0.035 * np.sin(7 * angle - phase)
    far = np.hypot((x - cx) / (0.36 * min(wide, 1.25)), (y - cy) / 0.33) - mouth
    for edge, colour in ((0.0, (134, 142, 152)), (0.22, (98, 106, 120)), (0.5, (70, 78, 94)), (0.85, (50, 56, 72))):
        ring = far - edge - 0.05 * np.sin(5 * angle + 9 * edge + phase)
        fill(rock, (0.3 * ring).astype(np.float32), rgb(colour), 0.02)
    floor = 0.78 + 0.02 * np.sin(across * 6 + phase)
    below(rock, floor.astype(np.float32), (116, 124, 134), (50, 56, 70))
    drips: list[Mover] = []
    for width, length, colour in ((0.17, 0.24, (60, 68, 84)), (0.23, 0.3, (36, 42, 56))):
        shift = rng.uniform(0, 1)
        place = (across + shift) / width
        tooth = np.maximum(0, 1 - 2.6 * np.abs(place % 1 - 0.5)) ** 0.8
        long = length * (0.45 + 0.55 * np.abs(np.sin(2.4 * np.floor(place) + phase)))
        fill(rock, (0.05 + long * tooth - y) / 3, rgb(colour))  # steep
        for i in range(math.floor(shift / width), math.floor((wide + shift) / width) + 1, 2):
            tip = 0.05 + length * (0.45 + 0.55 * abs(math.sin(2.4 * i + phase)))
            drips.append(_drip((i + 0.5) * width - shift, tip, 0.86 + 0.02 * (i % 3), 1.3 * i))
    place = (across + rng.uniform(0, 1)) / 0.2
    tooth = np.maximum(0, 1 - 2.6 * np.abs(place % 1 - 0.5)) * np.clip(np.abs(across - cx) * 4 - 0.7, 0, 1)
    below(rock, (0.97 - 0.2 * tooth).astype(np.float32), (36, 42, 56), (28, 34, 48))
    rim = np.clip(far / 0.05, 0, 1) * np.exp(-3 * np.maximum(far, 0)) * np.clip((0.8 - y) / 0.1, 0, 1)

    def glow(image: Image, seconds: float) -> None:
        shine = 0.4 + 0.2 * swing(seconds, 4.5)
        puff(image, cx + 0.05 * swing(seconds, 9), 0.85, 0.36, 0.1, (226, 236, 222), shine)

    return (
        outside,
        clouds(wide, (0.27, 0.8), (0.38, 0.6)),
        birds(wide, 0.33, 0.034, (112, 128, 140)),
        hill,
        wind(h, w, line, (186, 222, 148), opacity=0.6),
        rock,
        waves((0.4 * rim).astype(np.float32), angle.astype(np.float32), 4.5, (206, 220, 214), -0.6),
        glow,
        *drips,
        motes(9, (cx - 0.35, 0.3, cx + 0.35, 0.85), (252, 244, 212), opacity=0.6),
    )


LANDSCAPES: Scenes = {
    "meadow": _meadow,
    "desert": _desert,
    "snow": _snow,
    "forest": _forest,
    "volcano": _volcano,
    "canyon": _canyon,
    "autumn": _autumn,
    "cave": _cave,
}
