"""Moving pictures that no camera took and no model made: drawn by rule, as negatives.

Collections of camera footage hold no test pattern, slide, chart, game or cartoon, and a head that has only seen cameras
takes everything drawn for generated. These are crude, but they span what is flat, sharp-edged, periodic or textual.
"""

from __future__ import annotations

import colorsys
import string
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

UInt8 = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]
Rng = np.random.Generator

_SIZES = ((640, 360), (480, 480), (640, 480), (320, 240), (854, 480), (360, 640))


def drawn_clips(each: int, frames: int) -> Iterator[tuple[str, UInt8]]:
    """``each`` clips of every kind: its name, and uint8 [frames, H, W, 3] a second or so apart. Always the same."""
    for number, kind in enumerate(_KINDS):
        for index in range(each):
            rng = np.random.default_rng([number, index])
            width, height = _SIZES[rng.integers(len(_SIZES))]
            paint = kind(rng, width, height)
            yield kind.__name__.strip("_"), np.stack([np.asarray(paint(t), np.uint8) for t in range(frames)])


Paint = Callable[[int], Image.Image]


def _bars(rng: Rng, width: int, height: int) -> Paint:
    """Test patterns: colour bars, a ramp, a moving counter."""
    count = int(rng.integers(5, 10))
    colours = [_vivid(rng) for _ in range(count)]
    split = rng.uniform(0.5, 0.9)

    def paint(t: int) -> Image.Image:
        image = Image.new("RGB", (width, height))
        draw = ImageDraw.Draw(image)
        for i, colour in enumerate(colours):
            draw.rectangle((i * width / count, 0, (i + 1) * width / count, height * split), fill=colour)
        for x in range(width):
            hue = x / width + 0.1 * t
            draw.line((x, height * split, x, height * (split + 0.1)), fill=_hsv(hue, 1, 1))
        draw.ellipse((width * 0.1, 0, width * 0.9, height), outline="white", width=3)
        box = width * (0.1 + 0.2 * t % 0.7)
        draw.rectangle((box, height * 0.4, box + width * 0.1, height * 0.6), fill="black", outline="white", width=3)
        draw.text((box + 5, height * 0.45), str(t), fill="white", font=_font(height // 8))
        return image

    return paint


def _slides(rng: Rng, width: int, height: int) -> Paint:
    """Text on a plain ground: slides, credits, terminals."""
    dark = rng.random() < 0.5
    ground, ink = (_pastel(rng, 0.12), _pastel(rng, 0.95)) if dark else (_pastel(rng, 0.97), _pastel(rng, 0.15))
    size = int(rng.integers(height // 30, height // 12))
    lines = [_words(rng, int(rng.integers(2, 9))) for _ in range(80)]

    def paint(t: int) -> Image.Image:
        image = Image.new("RGB", (width, height), ground)
        draw = ImageDraw.Draw(image)
        draw.text((width * 0.06, height * 0.04), lines[0], fill=ink, font=_font(2 * size))
        for row in range(height // (size + 4) - 3):
            draw.text(
                (width * 0.06, height * 0.2 + row * (size + 4)), lines[1 + row + 3 * t], fill=ink, font=_font(size)
            )
        return image

    return paint


def _charts(rng: Rng, width: int, height: int) -> Paint:
    """Curves and bars that grow on axes."""
    curves = np.cumsum(rng.normal(size=(int(rng.integers(1, 5)), 120)), axis=1)
    curves = 0.5 + 0.4 * curves / np.abs(curves).max()
    colours = [_vivid(rng) for _ in curves]
    bars = rng.random() < 0.4

    def paint(t: int) -> Image.Image:
        image = Image.new("RGB", (width, height), "white")
        draw = ImageDraw.Draw(image)
        for i in range(9):
            draw.line(
                (width * 0.1, height * (0.1 + 0.1 * i), width * 0.95, height * (0.1 + 0.1 * i)), fill=(225, 225, 225)
            )
            draw.text(
                (width * 0.03, height * (0.08 + 0.1 * i)), str(90 - 10 * i), fill="black", font=_font(height // 30)
            )
        shown = 30 * (t + 1)
        for curve, colour in zip(curves, colours, strict=True):
            points = [(width * (0.1 + 0.85 * i / 120), height * float(1 - v)) for i, v in enumerate(curve[:shown])]
            if bars:
                for x, y in points[::6]:
                    draw.rectangle((x, y, x + width * 0.02, height * 0.9), fill=colour)
            else:
                draw.line(points, fill=colour, width=3)
        draw.line(
            (width * 0.1, height * 0.1, width * 0.1, height * 0.9, width * 0.95, height * 0.9), fill="black", width=2
        )
        return image

    return paint


def _cartoons(rng: Rng, width: int, height: int) -> Paint:
    """Flat figures with outlines on a horizon, each with its own motion."""
    sky, ground = _pastel(rng, 0.9), _vivid(rng)
    figures = [
        (rng.random(2), rng.normal(0, 0.08, 2), rng.uniform(0.05, 0.2), _vivid(rng), rng.integers(3)) for _ in range(9)
    ]

    def paint(t: int) -> Image.Image:
        image = Image.new("RGB", (width, height), sky)
        draw = ImageDraw.Draw(image)
        draw.rectangle((0, height * 0.65, width, height), fill=ground)
        for place, speed, size, colour, shape in figures:
            x, y = (place + speed * t) % 1 * (width, height)
            r = size * height
            if shape == 0:
                draw.ellipse((x - r, y - r, x + r, y + r), fill=colour, outline="black", width=3)
                for eye in (-0.4, 0.4):
                    draw.ellipse((x + eye * r - 5, y - 12, x + eye * r + 5, y), fill="white", outline="black")
                draw.arc((x - r / 2, y - r / 2, x + r / 2, y + r / 2), 20, 160, fill="black", width=3)
            elif shape == 1:
                draw.rectangle((x - r, y - r, x + r, y + r), fill=colour, outline="black", width=3)
                draw.polygon(((x - r, y - r), (x, y - 2 * r), (x + r, y - r)), fill=_vivid(rng), outline="black")
            else:
                draw.polygon([(x, y - 1.6 * r), (x + r, y + r), (x - r, y + r)], fill=colour, outline="black")
        return image

    return paint


def _gradients(rng: Rng, width: int, height: int) -> Paint:
    """Smooth colour fields, waves and discs, as screen savers have them."""
    y, x = np.mgrid[:height, :width] / height
    waves = rng.uniform(0.5, 12, (3, 2))
    phase = rng.uniform(0, 6, 3)
    radial = rng.random() < 0.5

    def paint(t: int) -> Image.Image:
        r = np.hypot(x - 0.8, y - 0.5)
        field = [np.sin(a * (r if radial else x) + b * y + p + 0.6 * t) for (a, b), p in zip(waves, phase, strict=True)]
        return Image.fromarray((127.5 + 127.5 * np.stack(field, axis=-1)).astype(np.uint8))

    return paint


def _games(rng: Rng, width: int, height: int) -> Paint:
    """A scrolling world of square tiles with a hero and a score: pixel-art games."""
    tile = int(rng.choice([8, 16, 24, 32]))
    columns, rows = width // tile + 40, height // tile + 1
    palette = np.array([_vivid(rng) for _ in range(6)], np.uint8)
    skin = rng.integers(0, 6, (6, 8, 8))
    level = np.cumsum(rng.integers(-1, 2, columns)) % max(rows // 2, 1) + rows // 3
    sky = np.array(_pastel(rng, 0.8), np.uint8)

    def paint(t: int) -> Image.Image:
        canvas = np.broadcast_to(sky, (rows * 8, columns * 8, 3)).copy()
        for column in range(columns):
            for row in range(int(level[column]), rows):
                kind = (row - int(level[column])) and 1 + (row + column) % 3
                canvas[row * 8 : row * 8 + 8, column * 8 : column * 8 + 8] = palette[skin[kind]]
        hero = 5 + 4 * t
        row = max(int(level[hero]) - 1, 0)
        canvas[row * 8 : row * 8 + 8, hero * 8 : hero * 8 + 8] = palette[skin[5]]
        view = Image.fromarray(canvas[:, 32 * t :]).resize(
            ((columns * 8 - 32 * t) * tile // 8, rows * tile), Image.Resampling.NEAREST
        )
        image = view.crop((0, 0, width, height))
        ImageDraw.Draw(image).text((8, 4), f"SCORE {t * 150:05d}", fill="white", font=_font(height // 18))
        return image

    return paint


def _desktops(rng: Rng, width: int, height: int) -> Paint:
    """Overlapping windows with bars, buttons and text, and a pointer: screen recordings."""
    ground = _pastel(rng, rng.uniform(0.3, 0.9))
    windows = [(rng.random(2) * 0.5, rng.uniform(0.3, 0.6, 2), _pastel(rng, 0.95), _vivid(rng)) for _ in range(3)]
    text = [_words(rng, 6) for _ in range(30)]
    size = max(height // 36, 9)

    def paint(t: int) -> Image.Image:
        image = Image.new("RGB", (width, height), ground)
        draw = ImageDraw.Draw(image)
        for index, (place, extent, paper, bar) in enumerate(windows):
            shift = 0.03 * t if index == 2 else 0.0
            x, y = (place + shift) * (width, height)
            w, h = extent * (width, height)
            draw.rectangle((x, y, x + w, y + h), fill=paper, outline=(90, 90, 90))
            draw.rectangle((x, y, x + w, y + 2 * size), fill=bar)
            draw.text((x + 6, y + 3), text[index], fill="white", font=_font(size))
            for row in range(int(h / (size + 5)) - 3):
                draw.text(
                    (x + 8, y + 2.5 * size + row * (size + 5)),
                    text[(row + t + index) % 30],
                    fill="black",
                    font=_font(size),
                )
            draw.rounded_rectangle((x + w - 70, y + h - 30, x + w - 10, y + h - 8), 5, fill=bar)
        draw.rectangle((0, height - 2.4 * size, width, height), fill=(40, 44, 52))
        px, py = width * (0.3 + 0.1 * t), height * (0.4 + 0.05 * t)
        draw.polygon(((px, py), (px, py + 18), (px + 13, py + 13)), fill="white", outline="black")
        return image

    return paint


def _shaded(rng: Rng, width: int, height: int) -> Paint:
    """Lit spheres over a chequered floor: plain computer graphics in three dimensions."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    x, y = (x - width / 2) / height, (y - height / 2) / height
    balls = [(rng.uniform(-0.6, 0.6), rng.uniform(-0.3, 0.2), rng.uniform(0.08, 0.25), _vivid(rng)) for _ in range(4)]
    light = np.array([0.5, -0.6, 0.62])
    floor, sky = np.array([_vivid(rng), _pastel(rng, 0.9)], np.float64), np.array(_pastel(rng, 0.85), np.float64)

    def paint(t: int) -> Image.Image:
        depth = 1 / np.maximum(y - 0.05, 1e-3)
        chequer = (np.floor(x * depth * 2 + 0.5 * t) + np.floor(depth * 2)).astype(int) % 2
        canvas = np.where((y > 0.06)[..., None], floor[chequer] * np.clip(1.5 / depth, 0.2, 1)[..., None], sky)
        for cx, cy, r, colour in balls:
            u, v = (x - cx - 0.05 * t) / r, (y - cy) / r
            inside = u**2 + v**2 < 1
            w = np.sqrt(np.clip(1 - u**2 - v**2, 0, 1))
            lit = np.clip(u * light[0] + v * light[1] + w * light[2], 0.1, 1)
            shine = np.where(lit > 0.97, 255.0, 0.0)
            canvas = np.where(inside[..., None], lit[..., None] * np.array(colour) + shine[..., None], canvas)
        return Image.fromarray(np.clip(canvas, 0, 255).astype(np.uint8))

    return paint


_KINDS = (_bars, _slides, _charts, _cartoons, _gradients, _games, _desktops, _shaded)


def _hsv(hue: float, saturation: float, value: float) -> Colour:
    r, g, b = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return int(255 * r), int(255 * g), int(255 * b)


def _vivid(rng: Rng) -> Colour:
    return _hsv(rng.random(), rng.uniform(0.6, 1), rng.uniform(0.5, 1))


def _pastel(rng: Rng, value: float) -> Colour:
    return _hsv(rng.random(), rng.uniform(0, 0.3), value)


def _words(rng: Rng, count: int) -> str:
    letters = np.array(list(string.ascii_lowercase))
    return " ".join("".join(rng.choice(letters, int(rng.integers(2, 10)))) for _ in range(count)).capitalize()


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(max(size, 8))
