"""Backgrounds that people made."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from generator.world.brushes import (
    RGB,
    Image,
    around,
    below,
    blend,
    columns,
    fill,
    gradient,
    grid,
    layer,
    offsets,
    puff,
    ramp,
    rgb,
)
from generator.world.moving import (
    Field,
    Mover,
    Part,
    Scenes,
    along,
    birds,
    bounds,
    clouds,
    motes,
    swing,
    waves,
    wind,
)

_STREET = 0.82  # where houses end
_WINDOW = 3 / 32  # from window to window, across and down: smaller ones are lost in the code of a block


def _windows(group: npt.NDArray[np.int64], glass: Field) -> Mover:
    """Windows whose light goes on and off: every pixel is of one ``group`` of three, and ``glass`` of it shows."""
    box = bounds(glass)
    which, shown = group[box], 0.9 * glass[box]
    periods, phases = np.array([5.0, 6.5, 8.0]), np.array([0.0, 2.1, 4.2])

    def paint(image: Image, seconds: float) -> None:
        lit = np.clip(2.5 * np.sin(2 * math.pi * seconds / periods + phases) + 0.3, 0, 1)
        blend(image[box], shown * lit.astype(np.float32)[which], rgb((255, 236, 176)))

    return paint


def _city(h: int, w: int, rng: np.random.Generator) -> Sequence[Part]:
    wide = w / h
    sky = gradient(h, w, [(0, (150, 190, 222)), (0.75, (244, 232, 214))])
    (_, y), x = grid(h, w), columns(w, h)
    groups = np.random.default_rng(11).integers(0, 3, (12, 8))  # of windows that are lit together
    parts: list[Part] = []
    # Two rows of four houses that come again: this many storeys each, and columns of windows a house.
    for storeys, across, colour, pane in (
        ((5, 6, 4, 5), 2, (164, 178, 200), (138, 152, 180)),
        ((3, 2, 4, 2), 3, (104, 120, 152), (78, 92, 126)),
    ):
        place = x / _WINDOW + rng.integers(0, 4 * across)
        column = np.floor(place).astype(int) % (4 * across)
        tall = np.array(storeys)[column // across]
        houses = layer(h, w)
        below(houses, (_STREET - 0.02 - _WINDOW * tall).astype(np.float32), colour, colour)
        up = (_STREET - y) / _WINDOW
        storey = np.floor(up).astype(int)
        inside = _WINDOW * np.minimum(0.28 - np.abs(place % 1 - 0.5)[None], 0.3 - np.abs(up % 1 - 0.5))
        glass = (np.clip(inside * h + 0.5, 0, 1) * ((storey > 0) & (storey < tall[None]))).astype(np.float32)
        blend(houses, glass, rgb(pane))  # none at the pavement
        parts += [houses, _windows(groups[column[None], np.clip(storey, 0, 7)], glass)]
    street = layer(h, w)
    below(street, np.full(w, _STREET, np.float32), (124, 126, 134), (84, 86, 96))

    def traffic(image: Image, seconds: float) -> None:
        for i, (lane, speed) in enumerate(((0.855, 0.13), (0.855, 0.13), (0.9, -0.17), (0.9, -0.17))):
            size = 0.3 * (lane - 0.77)
            cx = along((0.6 * (i % 2) + 0.2) * (wide + 0.3), seconds, speed, wide, 0.15)
            box = around(image, cx, lane, 2 * size, size)
            dx, dy = offsets(image, box, cx, lane)
            body = np.minimum(1.4 * size - np.abs(dx), 0.36 * size - np.abs(dy))
            cabin = np.minimum(size - np.abs(dx) - 0.45 * np.abs(dy), 0.3 * size - np.abs(dy + 0.5 * size))
            blend(image[box], np.clip(np.maximum(body, cabin) * h + 0.5, 0, 1), rgb((62, 68, 84)))
            puff(image, cx + math.copysign(1.4 * size, speed), lane, 0.7 * size, 0.5 * size, (255, 240, 198), 0.9)

    return (
        sky,
        clouds(wide, (rng.uniform(0.22, 0.26), 0.7), (0.12, 1.1), opacity=0.75),
        *parts,
        street,
        traffic,
    )


def _room(h: int, w: int, rng: np.random.Generator) -> Sequence[Part]:
    x, y = grid(h, w)
    left, top, wide, tall = rng.uniform(0.12, 0.5) * w / h, rng.uniform(0.12, 0.18), 0.36, 0.34
    sky = gradient(h, w, [(0, (140, 200, 238)), (0.6, (196, 230, 244))])
    wall = layer(h, w)
    blend(wall, np.ones((h, w), np.float32), ramp(h, [(0, (238, 222, 196)), (0.8, (222, 200, 170))]))
    inside = np.minimum(np.minimum(x - left, left + wide - x), np.minimum(y - top, top + tall - y))
    fill(wall, inside + 0.03, rgb((142, 98, 66)))
    bars = np.minimum(np.abs(x - left - wide / 2), np.abs(y - top - tall / 2)) - 0.012
    glass = np.clip(np.minimum(inside, bars) * h + 0.5, 0, 1)
    wall *= 1 - glass[..., None]  # so that one sees the sky through it
    floor = rng.uniform(0.7, 0.74)
    below(wall, np.full(w, floor - 0.03, np.float32), (250, 246, 238), (250, 246, 238))
    below(wall, np.full(w, floor, np.float32), (176, 122, 80), (140, 92, 58))
    middle = left + wide / 2

    def curtains(image: Image, seconds: float) -> None:
        rows = slice(int((top - 0.07) * h), int((top + tall + 0.12) * h) + 1)
        down = (y[rows, :1] - top + 0.05) / (tall + 0.13)
        for side in (-1, 1):
            out = side * (x[rows] - middle)  # from the middle of the window
            blown = 0.035 * down * np.sin(np.float32(2 * math.pi * seconds / 4 + side) - 3.2 * down).astype(np.float32)
            hem = 0.125 + 0.02 * np.sin(3 * down) + blown - 0.012 * swing(seconds, 5.5, side) * down
            share = (out - hem) / (0.25 - hem)  # 0 at the hem, 1 where the curtain ends
            cloth = np.minimum(np.minimum(out - hem, 0.25 - out), np.minimum(down, 1 - down) * (tall + 0.13))
            folds = np.sin(15 * share + np.float32(side + 0.8 * swing(seconds, 4, 1 + side)))
            colour = rgb((238, 196, 128)) + 0.07 * folds[..., None]
            blend(image[rows], np.clip(cloth * h + 0.5, 0, 1), colour.astype(np.float32))

    rail = layer(h, w)
    fill(rail, np.minimum(wide / 2 + 0.1 - np.abs(x - middle), 0.011 - np.abs(y - top + 0.055)), rgb((120, 80, 54)))
    # The sun shines in through leaves that move.
    depth = (y - floor - 0.05) / 0.17
    slant = x - middle - 0.12 - 0.35 * (y - floor)
    patch = np.clip((0.17 - np.abs(slant)) / 0.012 + 0.5, 0, 1) * np.clip(
        (0.5 - np.abs(depth - 0.5)) / 0.05 + 0.5, 0, 1
    )
    patch *= np.clip((np.abs(slant) - 0.008) / 0.01, 0, 1)
    leaves = 2.2 * np.sin(17 * x + 9 * y) + 1.9 * np.sin(31 * y - 8 * x)
    shine = layer(h, w)
    blend(shine, (0.5 * patch).astype(np.float32), rgb((252, 216, 150)))
    return (
        sky,
        clouds(w / h, (top + 0.11, 0.9), (top + 0.24, 0.75), (top + 0.15, 0.7)),
        wall,
        curtains,
        rail,
        shine,
        waves((0.6 * patch).astype(np.float32), leaves.astype(np.float32), 3.4, (150, 102, 66)),
        motes(8, (middle - 0.15, 0.3, middle + 0.3, 0.85), (255, 250, 228), opacity=0.6),
    )


def _windmill(cx: float, cy: float, size: float) -> Mover:
    """Four sails that turn once in 9 s."""

    def paint(image: Image, seconds: float) -> None:
        box = around(image, cx, cy, 1.1 * size, 1.1 * size)
        x, y = offsets(image, box, cx, cy)
        for i in range(4):
            angle = 2 * math.pi * (seconds / 9 + i / 4)
            cosine, sine = math.cos(angle), math.sin(angle)
            out, beside = x * cosine + y * sine, y * cosine - x * sine
            for colour, begin, low, high in (((122, 88, 70), 0.0, -0.05, 0.05), ((248, 240, 224), 0.2, 0.02, 0.3)):
                sail = np.minimum(
                    np.minimum(out - begin * size, size - out), np.minimum(beside - low * size, high * size - beside)
                )
                blend(image[box], np.clip(sail * len(image) + 0.5, 0, 1).astype(np.float32), rgb(colour))
        puff(image, cx, cy, 0.16 * size, 0.16 * size, (104, 74, 60), 2.0)

    return paint


def _farm(h: int, w: int, rng: np.random.Generator) -> Sequence[Part]:
    wide = w / h
    sky = gradient(h, w, [(0, (120, 190, 240)), (0.6, (244, 240, 214))])
    high, scale = rng.uniform(0.1, 0.18), rng.uniform(0.9, 1.2)
    (xs, y), x, phase = grid(h, w), columns(w, h), rng.uniform(0, 6.28)
    land = layer(h, w)
    side = rng.choice((0.2, 0.8))
    cx, mill = side * wide + rng.uniform(-0.06, 0.06), (1 - side) * wide
    tower = np.minimum(0.045 + 0.14 * (y - 0.36) - np.abs(xs - mill), np.minimum(y - 0.36, 0.62 - y))
    fill(land, tower, rgb((226, 212, 192)))
    fill(land, 0.04 - np.hypot(xs - mill, (y - 0.37) * 1.1), rgb((140, 92, 76)))
    below(land, (0.58 + 0.02 * np.sin(x * 5 + phase)).astype(np.float32), (122, 160, 82), (104, 144, 70))
    house = np.where(np.abs(x - cx) < 0.15, 0.36 + 0.55 * np.abs(x - cx), 2).astype(np.float32)
    roofless = np.where(np.abs(x - cx) < 0.13, 0.45, 2).astype(np.float32)
    below(land, house, (112, 60, 52), (112, 60, 52))
    below(land, np.maximum(house + 0.03, roofless), (190, 62, 54), (170, 52, 48))
    below(land, np.where(np.abs(x - cx) < 0.045, 0.53, 2).astype(np.float32), (246, 238, 226), (246, 238, 226))
    field = layer(h, w)
    line = (0.66 + 0.02 * np.sin(x * 4 + phase + 1)).astype(np.float32)
    below(field, line, (240, 204, 98), (206, 158, 58))
    middle = rng.uniform(0.3, 0.7) * wide
    for row in range(-5, 6):  # furrows that meet behind the horizon
        way = middle + row * 0.09 + (y - 0.66) * row * 0.6
        furrow = np.clip(0.5 - (np.abs(xs - way) - 0.008) * h, 0, 1) * np.clip((y - line[None] - 0.02) * h, 0, 1)
        blend(field, (0.7 * furrow).astype(np.float32), rgb((186, 138, 50)))
    return (
        sky,
        clouds(wide, (high + 0.16, 0.65), (high, scale)),
        land,
        _windmill(mill, 0.37, 0.19),
        field,
        wind(h, w, line, (255, 232, 150), opacity=0.75, period=2.8),
    )


def _flag(x0: float, y0: float, size: float, colour: RGB, number: int) -> Mover:
    """A pennant at a pole whose foot is at (``x0``, ``y0``)."""
    top, long, high = y0 - 0.1 * size, 0.13 * size, 0.034 * size

    def paint(image: Image, seconds: float) -> None:
        box = around(image, x0 + long / 2, top + high, 0.62 * long, 3 * high)
        x, y = offsets(image, box, x0, top)
        out = x / np.float32(long)
        turn = np.float32(2 * math.pi * (seconds / 1.5 + 0.3 * number) % (2 * math.pi))
        wave = np.float32(0.55 * high) * np.clip(out, 0, 1) * np.sin(7.5 * out - turn)
        cloth = np.minimum(high * (1 - 0.75 * out) - np.abs(y - high - wave), x)
        light = rgb(colour) + 0.1 * np.cos(7.5 * out - turn)[..., None]
        blend(image[box], np.clip(cloth * len(image) + 0.5, 0, 1).astype(np.float32), light.astype(np.float32))

    return paint


def _castle(h: int, w: int, rng: np.random.Generator) -> Sequence[Part]:
    wide = w / h
    sky = gradient(h, w, [(0, (120, 172, 236)), (0.7, (250, 230, 234))])
    high, scale = rng.uniform(0.1, 0.2), rng.uniform(0.9, 1.2)
    image = layer(h, w)
    (x, y), across = grid(h, w), columns(w, h)
    cx, phase, size = rng.uniform(0.42, 0.58) * w / h, rng.uniform(0, 6.28), min(0.9, 1.2 * w / h)
    foot = rng.uniform(0.7, 0.74)
    below(image, (0.64 + 0.04 * np.sin(across * 4 + phase)).astype(np.float32), (164, 200, 170), (140, 184, 140))
    x, y = (x - cx) / size, (y - foot) / size  # as the castle measures itself
    walls, roofs = ramp(h, [(0.2, (242, 228, 206)), (0.75, (206, 184, 168))]), rgb((74, 88, 160))
    battlements = 0.03 * np.clip((np.abs(x % 0.06 - 0.03) - 0.015) * size * h + 0.5, 0, 1)
    towers = ((0.0, 0.075, -0.44, -0.64), (-0.2, 0.06, -0.36, -0.52), (0.2, 0.06, -0.36, -0.52))
    for at, half, top, point in towers:
        away = np.abs(x - at)
        fill(image, size * np.minimum(0.006 - away, np.minimum(y - point + 0.1, point + 0.02 - y)), rgb((112, 96, 104)))
        fill(image, size * np.minimum(half - away, y - top), walls)
        fill(image, size * np.minimum((half + 0.025) * (y - point) / (top - point) - away, top - y), roofs)
        fill(image, size * np.minimum(0.018 - away, 0.03 - np.abs(y - top - 0.09)), rgb((104, 88, 100)))
    keep = walls - 0.07
    for half, top in ((0.14, -0.27), (0.32, -0.17)):
        fill(image, size * np.minimum(half - np.abs(x), y - top + battlements), keep)
        keep = keep + 0.04
    gate = np.minimum(np.minimum(0.05 - np.abs(x), y + 0.09), -y)
    gate = np.maximum(gate, 0.05 - np.hypot(x, y + 0.09))
    fill(image, size * (gate + 0.018), rgb((164, 142, 132)))
    fill(image, size * gate, rgb((96, 62, 56)))
    beside = np.maximum(np.abs(across - cx) - 0.38 * size, 0) ** 2
    hill = (foot + 0.16 * beside / (beside + 0.05)).astype(np.float32)
    grass, path = layer(h, w), layer(h, w)
    below(grass, hill, (124, 184, 96), (72, 138, 70))
    way = np.minimum(0.05 + 0.5 * y - np.abs(x - 0.1 * np.sin(9 * y)), y)
    fill(path, size * way, rgb((232, 214, 180)))
    flags = [
        _flag(cx + at * size, foot + point * size, size, (240, 184, 72), i)
        for i, (at, _, _, point) in enumerate(towers)
    ]
    return (
        sky,
        clouds(wide, (high + 0.18, 0.65), (high, scale)),
        birds(wide, 0.3, 0.032, (104, 112, 146)),
        image,
        *flags,
        grass,
        wind(h, w, hill, (168, 214, 128), opacity=0.6),
        path,
    )


def _stage(h: int, w: int, rng: np.random.Generator) -> Sequence[Part]:
    back = gradient(h, w, [(0, (30, 36, 72)), (0.75, (58, 66, 116))])
    (x, y), across = grid(h, w), columns(w, h)
    cx, phase = rng.uniform(0.42, 0.58) * w / h, rng.uniform(0, 6.28)
    floor, lamp = rng.uniform(0.72, 0.76), cx + rng.choice((-0.3, 0.3)) * min(w / h, 1.0)
    below(back, np.full(w, floor, np.float32), (176, 118, 76), (112, 68, 46))
    rows = slice(int(0.08 * h), int(0.95 * h) + 1)
    share = (y[rows] + np.float32(0.1)) / np.float32(0.95)  # of the way from the lamp to the floor
    lit = 0.4 * np.clip((0.85 - y[rows]) / 0.04, 0, 1)

    def spotlight(image: Image, seconds: float) -> None:
        at = cx + 0.1 * swing(seconds, 7)
        beam = 0.02 + 0.22 * share - np.abs(x[rows] - np.float32(lamp) - np.float32(at - lamp) * share)
        blend(image[rows], lit * np.clip(beam * 20 + 0.5, 0, 1), rgb((255, 240, 200)))
        box = around(image, at, 0.85, 0.3, 0.1)
        dx, dy = offsets(image, box, at, 0.85)
        spot = 1 - np.sqrt(np.square(dx / 0.25) + np.square(dy / 0.08))
        blend(image[box], (0.8 * np.clip(spot * 4 + 0.5, 0, 1)).astype(np.float32), rgb((255, 236, 184)))

    curtain = layer(h, w)
    unit = min(w / h, 1.2)
    light, moved = np.zeros((h, w), np.float32), np.zeros((h, w), np.float32)
    for away in (x, w / h - x):  # a curtain that is tied back, in folds
        reach = unit * (0.13 + 0.14 * np.clip(0.62 - y, 0, 1) ** 1.3 + 0.12 * np.clip(y - 0.62, 0, 1))
        folds = rgb((176, 32, 46)) + 0.13 * np.sin(away / reach * 14 + phase)[..., None] * rgb((255, 100, 100))
        cloth = np.minimum(reach - away, 0.93 - y)
        fill(curtain, cloth, folds)
        fill(curtain, np.minimum(reach - away, 0.018 - np.abs(y - 0.62)), rgb((232, 184, 84)))
        light = np.maximum(light, 0.5 * np.clip(cloth * h, 0, 1) * (np.abs(y - 0.62) > 0.02))
        moved = np.where(cloth > 0, 8 * away / reach - 3 * y, moved)
    hem = 0.13 + 0.05 * np.abs(np.sin((across - w / h / 2) * np.pi / 0.25))
    folds = rgb((150, 24, 40)) + 0.09 * np.sin(x * 50 + phase)[..., None] * rgb((255, 100, 100))
    fill(curtain, hem - y + 0.02, rgb((232, 184, 84)))
    fill(curtain, hem - y, folds)
    light *= y > hem + 0.025
    return (
        back,
        spotlight,
        motes(12, (cx - 0.16, 0.45, cx + 0.16, 0.8), (255, 246, 216), opacity=0.7),
        curtain,
        waves(light.astype(np.float32), moved.astype(np.float32), 4.5, (112, 14, 34)),
    )


PLACES: Scenes = {
    "city": _city,
    "room": _room,
    "farm": _farm,
    "castle": _castle,
    "stage": _stage,
}
