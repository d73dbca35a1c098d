"""What moves in backgrounds: clouds, waves, smoke, what falls and what twinkles.

Everything here is a function of the time alone. It is continuous: what moves on wraps around out of sight or fades, and
the rest is periodic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from generator.world.brushes import RGB, Box, Image, bird, blend, cloud, disc, grid, puff, rgb

Mover = Callable[[Image, float], None]
"""Paints what moves as it is at a time in seconds."""
Part = Image | Mover
Scenes = dict[str, Callable[[int, int, np.random.Generator], Sequence[Part]]]
"""How scenes are made: their parts from back to front. The first is a picture; the others are layers and movers."""

Field = npt.NDArray[np.float32]


def swing(seconds: float, period: float, phase: float = 0.0) -> float:
    """To and fro between -1 and 1, ``phase`` in radians."""
    return math.sin(2 * math.pi * seconds / period + phase)


def along(start: float, seconds: float, speed: float, width: float, margin: float) -> float:
    """A place that moves from ``-margin`` to ``width + margin`` at so many heights a second, over and over."""
    return (start + margin + speed * seconds) % (width + 2 * margin) - margin


def bounds(mask: Field) -> Box:
    """The smallest box that holds all that is not zero."""
    rows, across = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return slice(0, 0), slice(0, 0)
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(across[0]), int(across[-1]) + 1)


def over(layer: Image) -> Mover:
    """``layer`` as it stands in front of what moves."""
    box = bounds(layer[..., 3])
    colour, through = layer[box][..., :3].copy(order="K"), (1 - layer[box][..., 3:]).copy(order="K")

    def paint(image: Image, _: float) -> None:
        image[box] *= through
        image[box] += colour

    return paint


def waves(strength: Field, phase: Field, period: float, colour: RGB, crest: float = 0.0) -> Mover:
    """Bands of ``colour``, at most as opaque as ``strength`` [H, W], where the sine of ``phase`` [H, W] in radians is
    above ``crest``. They travel to where the phase is larger, by one wave in each ``period`` of seconds.
    """
    box = bounds(strength)
    opaque, here = (strength[box] / (1 - crest)).astype(np.float32), phase[box].astype(np.float32)

    def paint(image: Image, seconds: float) -> None:
        lifted = np.sin(here - np.float32(2 * math.pi * (seconds / period % 1))) - np.float32(crest)
        blend(image[box], opaque * np.maximum(lifted, 0), rgb(colour))

    return paint


def clouds(width: float, *looks: tuple[float, float], opacity: float = 1.0) -> Mover:
    """Clouds that drift to the right as far from each other as can be, with ``looks`` (y, scale)."""

    def paint(image: Image, seconds: float) -> None:
        for i, (y, scale) in enumerate(looks):
            start = i / len(looks) * (width + 0.44)
            cloud(image, along(start, seconds, 0.035, width, 0.22), y, scale, opacity)

    return paint


def halo(cx: float, cy: float, radius: float, colour: RGB, period: float = 5.0) -> Mover:
    """The glow around a sun or a moon, which comes and goes."""

    def paint(image: Image, seconds: float) -> None:
        size = radius * (2.5 + 0.25 * swing(seconds, period))
        puff(image, cx, cy, size, size, colour, 0.5 + 0.15 * swing(seconds, period))

    return paint


def stars(count: int, width: float, lowest: float, seed: int) -> Mover:
    """Stars that twinkle. One fixed sky for a ``seed``: stars are detail, not information."""
    sky = np.random.default_rng(seed)
    table = [
        (sky.uniform(0.02, 0.98) * width, sky.uniform(0.02, lowest), sky.uniform(0.006, 0.01), sky.uniform(2, 4), i)
        for i in range(count)
    ]

    def paint(image: Image, seconds: float) -> None:
        for x, y, radius, period, phase in table:
            disc(image, x, y, radius, (236, 238, 255), 0.008, 0.55 + 0.45 * swing(seconds, period, phase))

    return paint


def shooting_star(width: float, every: float = 7.0) -> Mover:
    """A shooting star each so many seconds."""

    def paint(image: Image, seconds: float) -> None:
        number, share = int(seconds // every), seconds % every / 1.1
        if share >= 1:
            return
        chance = np.random.default_rng(number)
        way, x, y = chance.choice((-1, 1)), chance.uniform(0.3, 0.7) * width, chance.uniform(0.06, 0.2)
        for i in range(9):
            back = share - 0.03 * i
            size = 0.017 - 0.0012 * i
            puff(
                image,
                x + way * 0.45 * (back - 0.5),
                y + 0.18 * back,
                size,
                size,
                (240, 242, 255),
                math.sin(math.pi * share) * (1 - i / 9),
            )

    return paint


def flakes(
    count: int,
    width: float,
    colours: Sequence[RGB],
    *,
    sizes: tuple[float, float],
    speed: float,
    flat: bool = False,
    seed: int = 3,
) -> Mover:
    """What falls and sways: ``count`` of it in a square, larger ones faster; ``flat`` pieces turn as they do."""
    chance = np.random.default_rng(seed)
    table = [(i, *chance.random(3), chance.uniform(2.5, 4.5)) for i in range(max(1, round(count * width)))]

    def paint(image: Image, seconds: float) -> None:
        for i, x, y, large, period in table:
            size = sizes[0] + large * (sizes[1] - sizes[0])
            turn = swing(seconds, period, 6.28 * y)
            cx = along(x * (width + 0.2) - 0.1, seconds, 0.02, width, 0.1) + 0.03 * turn
            cy = along(1.2 * y - 0.1, seconds, speed * (0.6 + 0.6 * large), 1.0, 0.1)
            if flat:
                thin = 0.65 + 0.35 * swing(seconds, 0.6 * period, 9.0 * x)
                puff(image, cx, cy, 1.4 * size, 1.4 * size * thin, colours[i % len(colours)], 1.6)
            else:
                disc(image, cx, cy, size, colours[i % len(colours)], 0.008, 0.9)

    return paint


def smoke(
    at: tuple[float, float],
    way: tuple[float, float],
    size: tuple[float, float],
    colour: RGB,
    *,
    count: int,
    period: float,
    opacity: float,
) -> Mover:
    """Puffs that come from a place, go their ``way`` in ``period`` seconds, grow from one ``size`` to another and fade.

    They have one colour, so that it does not matter which of them is in front.
    """

    def paint(image: Image, seconds: float) -> None:
        for i in range(count):
            age = (seconds / period + i / count) % 1
            radius = size[0] + (size[1] - size[0]) * age
            aside = 0.3 * size[1] * age * math.sin(2.4 * i + 5 * age)
            shown = opacity * min(1.0, 6 * age) * min(1.0, 2 * (1 - age))
            puff(image, at[0] + way[0] * age + aside, at[1] + way[1] * age, radius, radius, colour, shown)

    return paint


def drifting(
    count: int, width: float, within: tuple[float, float], size: tuple[float, float], colour: RGB, *, opacity: float
) -> Mover:
    """Mist, dust or thin clouds: wide soft spots in a band of the picture that slowly go by."""
    chance = np.random.default_rng(count)
    table = [(i / count + 0.06 * chance.random(), *chance.uniform(0.7, 1.1, 2), chance.random()) for i in range(count)]

    def paint(image: Image, seconds: float) -> None:
        for x, scale, fast, y in table:
            margin = 1.2 * size[0]
            cx = along(x * (width + 2 * margin) - margin, seconds, 0.05 * fast, width, margin)
            cy = within[0] + y * (within[1] - within[0]) + 0.006 * swing(seconds, 5, 7 * y)
            puff(image, cx, cy, size[0] * scale, size[1] * scale, colour, opacity * fast)

    return paint


def glints(
    count: int, width: float, within: tuple[float, float], colour: RGB, *, size: float = 0.03, opacity: float = 0.7
) -> Mover:
    """Light on water that flashes up here and there in a band of the picture, wider where it is nearer."""
    chance = np.random.default_rng(count)
    table = [(*chance.random(2), chance.uniform(1.6, 3.2), 6.28 * chance.random()) for _ in range(count)]

    def paint(image: Image, seconds: float) -> None:
        for x, y, period, phase in table:
            shown = max(0.0, swing(seconds, period, phase))
            wide = size * (0.6 + 0.8 * y) * (0.6 + 0.4 * shown)
            puff(
                image,
                x * width + 0.01 * swing(seconds, period, phase + 1),
                within[0] + y * (within[1] - within[0]),
                wide,
                0.3 * wide,
                colour,
                opacity * shown,
            )

    return paint


def motes(count: int, within: tuple[float, float, float, float], colour: RGB, *, opacity: float) -> Mover:
    """Dust that floats in the light ``within`` (left, top, right, bottom) and shows now and then."""
    left, top, right, bottom = within
    chance = np.random.default_rng(count + 1)
    table = [(*chance.random(2), chance.uniform(4, 7), 6.28 * chance.random()) for _ in range(count)]

    def paint(image: Image, seconds: float) -> None:
        for x, y, period, phase in table:
            cx = left + (right - left) * x + 0.04 * swing(seconds, 2 * period, phase)
            cy = top + (bottom - top) * y + 0.04 * swing(seconds, 1.6 * period, 2 * phase)
            puff(image, cx, cy, 0.014, 0.014, colour, opacity * (0.5 + 0.5 * swing(seconds, period, phase)))

    return paint


def birds(width: float, y: float, size: float, colour: RGB, count: int = 3) -> Mover:
    """A few birds far off that fly by."""

    def paint(image: Image, seconds: float) -> None:
        for i in range(count):
            cx = along(-0.13 * i, seconds, 0.05, width, 0.06)
            cy = y + 0.035 * (i % 2) + 0.012 * swing(seconds, 4, i)
            bird(image, cx, cy, size * (1 - 0.12 * i), 0.35 + 0.65 * swing(seconds, 1.0 + 0.1 * i, 2 * i), colour)

    return paint


def wind(height: int, width: int, line: Field, colour: RGB, *, opacity: float, period: float = 3.2) -> Mover:
    """Gusts that go over what grows below ``line`` (y per column), as lighter bands, larger where it is nearer."""
    x, y = grid(height, width)
    depth = np.maximum(y - line[None], 0)
    patches = 0.6 + 0.4 * np.sin(6 * x + 19 * depth) * np.sin(31 * depth - 4 * x + 1)
    near = np.minimum(1, depth / 0.05) * opacity * patches
    phase = 8 * x / (0.65 + 0.8 * depth) + 0.5 * np.sin(5 * x + 8 * depth) - 7 * depth
    return waves(near.astype(np.float32), phase.astype(np.float32), period, colour, -0.6)
