"""The backgrounds: skies, horizons and what stands on them, as smooth gradients and silhouettes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.float32]
RGB = tuple[int, int, int]


def _rgb(colour: RGB) -> npt.NDArray[np.float32]:
    return np.array([c / 255 for c in colour], np.float32)


def _gradient(height: int, width: int, stops: Sequence[tuple[float, RGB]]) -> Image:
    """A vertical gradient through ``stops`` (position in [0, 1], colour)."""
    rows = np.linspace(0, 1, height, dtype=np.float32)
    where = [s for s, _ in stops]
    columns = [np.interp(rows, where, [c[i] / 255 for _, c in stops]) for i in range(3)]
    column = np.stack(columns, axis=-1).astype(np.float32)
    return np.broadcast_to(column[:, None], (height, width, 3)).copy()


def _blend(image: Image, mask: npt.NDArray[np.float32], colour: npt.NDArray[np.float32]) -> None:
    image += mask[..., None] * (colour - image)


@lru_cache(maxsize=8)
def _grid(height: int, width: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """x and y of pixel centres in [0, 1] of the height (so circles stay round at any aspect ratio)."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return (x + 0.5) / height, (y + 0.5) / height


def _disc(image: Image, cx: float, cy: float, radius: float, colour: RGB, softness: float = 0.0) -> None:
    height = image.shape[0]
    edge = max(softness, 1.0 / height)
    reach = radius + edge
    rows = slice(max(0, int((cy - reach) * height)), max(0, int((cy + reach) * height) + 2))
    columns = slice(max(0, int((cx - reach) * height)), max(0, int((cx + reach) * height) + 2))
    x, y = _grid(*image.shape[:2])
    distance = np.hypot(x[rows, columns] - cx, y[rows, columns] - cy) - radius
    _blend(image[rows, columns], np.clip(0.5 - distance / edge, 0, 1).astype(np.float32), _rgb(colour))


def _below(image: Image, line: npt.NDArray[np.float32], top: RGB, bottom: RGB) -> None:
    """Fill everything below ``line`` (y per column, in heights) with a gradient from ``top`` to ``bottom``."""
    height, width, _ = image.shape
    _, y = _grid(height, width)
    mask = np.clip((y - line[None, :]) * height + 0.5, 0, 1).astype(np.float32)
    share = np.clip((y - line.min()) / max(1e-3, 1 - float(line.min())), 0, 1)[..., None]
    _blend(image, mask, _rgb(top) + (_rgb(bottom) - _rgb(top)) * share)


def _columns(width: int, height: int) -> npt.NDArray[np.float32]:
    return ((np.arange(width, dtype=np.float32) + 0.5) / height).astype(np.float32)


def _cloud(image: Image, x: float, y: float, scale: float) -> None:
    for dx, dy, r in ((-0.09, 0.012, 0.04), (-0.03, -0.012, 0.055), (0.04, 0.0, 0.048), (0.1, 0.015, 0.034)):
        _disc(image, x + dx * scale, y + dy * scale, r * scale, (250, 252, 255), 0.012)


def _sea(h: int, w: int, rng: np.random.Generator) -> Image:
    image = _gradient(h, w, [(0, (112, 182, 236)), (0.62, (208, 234, 248))])
    _cloud(image, rng.uniform(0.15, 0.85) * w / h, rng.uniform(0.1, 0.24), rng.uniform(0.9, 1.2))
    horizon = rng.uniform(0.6, 0.66)
    _below(image, np.full(w, horizon, np.float32), (52, 140, 190), (16, 78, 140))
    x, phase = _columns(w, h), rng.uniform(0, 6.28)
    for i, depth in enumerate((0.1, 0.2, 0.3)):
        line = horizon + depth + 0.008 * np.sin(x * (22 - 4 * i) + phase + i)
        _below(image, line.astype(np.float32), (40 - 8 * i, 122 - 14 * i, 178 - 12 * i), (16, 78, 140))
    return image


def _meadow(h: int, w: int, rng: np.random.Generator) -> Image:
    image = _gradient(h, w, [(0, (134, 200, 246)), (0.7, (226, 242, 250))])
    _disc(image, rng.uniform(0.12, 0.25) * w / h, rng.uniform(0.12, 0.2), 0.07, (255, 236, 150), 0.02)
    _cloud(image, rng.uniform(0.5, 0.9) * w / h, rng.uniform(0.1, 0.22), rng.uniform(0.9, 1.2))
    x, phase = _columns(w, h), rng.uniform(0, 6.28)
    _below(image, (0.64 + 0.05 * np.sin(x * 4.0 + phase)).astype(np.float32), (150, 204, 110), (112, 176, 84))
    _below(image, (0.74 + 0.04 * np.sin(x * 5.0 + phase + 2)).astype(np.float32), (112, 182, 82), (66, 140, 58))
    return image


def _desert(h: int, w: int, rng: np.random.Generator) -> Image:
    image = _gradient(h, w, [(0, (96, 172, 224)), (0.65, (250, 234, 206))])
    _disc(image, rng.uniform(0.7, 0.88) * w / h, rng.uniform(0.12, 0.2), 0.075, (255, 246, 208), 0.02)
    x, phase = _columns(w, h), rng.uniform(0, 6.28)
    _below(image, (0.66 + 0.05 * np.sin(x * 4.5 + phase)).astype(np.float32), (236, 196, 134), (222, 172, 104))
    _below(image, (0.78 + 0.05 * np.sin(x * 3.5 + phase + 2.5)).astype(np.float32), (226, 176, 108), (190, 132, 72))
    return image


def _snow(h: int, w: int, rng: np.random.Generator) -> Image:
    image = _gradient(h, w, [(0, (150, 190, 226)), (0.7, (234, 242, 250))])
    x = _columns(w, h)
    for cx, top, slope, colour in (
        (rng.uniform(0.2, 0.32), 0.34, 1.1, (126, 150, 184)),
        (rng.uniform(0.66, 0.8), 0.27, 1.0, (104, 130, 168)),
    ):
        peak = (top + slope * np.abs(x - cx * w / h)).astype(np.float32)
        _below(image, peak, colour, colour)
        # The snow cap ends where the mountain is 0.12 heights below its top.
        _, y = _grid(h, w)
        cap = np.clip((y - peak[None]) * h + 0.5, 0, 1) * np.clip((top + 0.12 - y) * h + 0.5, 0, 1)
        _blend(image, cap.astype(np.float32), _rgb((246, 250, 255)))
    _below(
        image, (0.68 + 0.03 * np.sin(x * 4 + rng.uniform(0, 6.28))).astype(np.float32), (244, 248, 254), (206, 220, 238)
    )
    return image


def _night(h: int, w: int, rng: np.random.Generator) -> Image:
    image = _gradient(h, w, [(0, (14, 16, 48)), (0.8, (52, 50, 104))])
    stars = np.random.default_rng(7)  # one fixed sky: stars are detail, not information
    for _ in range(26):
        _disc(
            image,
            stars.uniform(0.02, 0.98) * w / h,
            stars.uniform(0.02, 0.6),
            stars.uniform(0.004, 0.007),
            (236, 238, 255),
            0.006,
        )
    cx, cy = rng.uniform(0.72, 0.86) * w / h, rng.uniform(0.14, 0.22)
    _disc(image, cx, cy, 0.085, (250, 244, 214))
    x = _columns(w, h)
    _below(image, (0.8 + 0.04 * np.sin(x * 5 + rng.uniform(0, 6.28))).astype(np.float32), (24, 28, 56), (10, 12, 28))
    return image


def _sunset(h: int, w: int, rng: np.random.Generator) -> Image:
    image = _gradient(h, w, [(0, (76, 58, 128)), (0.35, (206, 96, 116)), (0.68, (255, 186, 98))])
    horizon = rng.uniform(0.66, 0.7)
    _disc(image, rng.uniform(0.4, 0.6) * w / h, horizon - 0.03, 0.13, (255, 232, 160), 0.015)
    x, phase = _columns(w, h), rng.uniform(0, 6.28)
    _below(image, (horizon + 0.02 * np.sin(x * 6 + phase)).astype(np.float32), (112, 62, 92), (84, 46, 78))
    _below(image, (horizon + 0.12 + 0.03 * np.sin(x * 4 + phase + 2)).astype(np.float32), (70, 40, 70), (38, 24, 48))
    return image


def _city(h: int, w: int, rng: np.random.Generator) -> Image:
    image = _gradient(h, w, [(0, (150, 190, 222)), (0.75, (244, 232, 214))])
    x = _columns(w, h)
    fixed = np.random.default_rng(11)  # one street of houses, seen from another place each time
    for lowest, spread, width, colour in ((0.42, 0.2, 0.11, (164, 178, 200)), (0.56, 0.16, 0.14, (104, 120, 152))):
        tops = lowest + spread * fixed.random(64)
        house = np.floor((x + rng.uniform(0, 2)) / width).astype(int)
        _below(image, tops[house].astype(np.float32), colour, colour)
    _below(image, np.full(w, 0.82, np.float32), (124, 126, 134), (84, 86, 96))
    return image


def _forest(h: int, w: int, rng: np.random.Generator) -> Image:
    image = _gradient(h, w, [(0, (178, 220, 226)), (0.6, (226, 240, 224))])
    x = _columns(w, h)
    for top, height, width, colour in ((0.4, 0.2, 0.15, (122, 170, 140)), (0.5, 0.24, 0.2, (64, 122, 88))):
        share = (x + rng.uniform(0, 1)) / width % 1
        _below(image, (top + height * np.abs(2 * share - 1)).astype(np.float32), colour, colour)
    ground = 0.76 + 0.02 * np.sin(x * 5 + rng.uniform(0, 6.28))
    _below(image, ground.astype(np.float32), (96, 146, 74), (58, 100, 52))
    return image


def _beach(h: int, w: int, rng: np.random.Generator) -> Image:
    image = _gradient(h, w, [(0, (84, 188, 236)), (0.5, (214, 242, 250))])
    _disc(image, rng.uniform(0.14, 0.3) * w / h, rng.uniform(0.12, 0.18), 0.075, (255, 248, 200), 0.02)
    _below(image, np.full(w, rng.uniform(0.5, 0.54), np.float32), (36, 168, 196), (96, 214, 214))
    x, phase = _columns(w, h), rng.uniform(0, 6.28)
    line = 0.7 + 0.02 * np.sin(x * 5 + phase)
    _below(image, line.astype(np.float32), (250, 252, 252), (250, 252, 252))
    _below(image, (line + 0.025).astype(np.float32), (246, 222, 170), (228, 192, 130))
    return image


def _underwater(h: int, w: int, rng: np.random.Generator) -> Image:
    image = _gradient(h, w, [(0, (110, 216, 226)), (0.45, (30, 128, 176)), (0.9, (12, 54, 110))])
    fixed = np.random.default_rng(5)  # one pattern of bubbles
    for _ in range(14):
        x, y, radius = fixed.uniform(0.02, 0.98) * w / h, fixed.uniform(0.1, 0.75), fixed.uniform(0.006, 0.012)
        _disc(image, x, y, radius, (190, 236, 244), 0.008)
    across, phase = _columns(w, h), rng.uniform(0, 6.28)
    weed = 0.8 + 0.1 * np.abs(np.sin(across * 9 + phase))
    _below(image, weed.astype(np.float32), (20, 94, 96), (20, 94, 96))
    sand = 0.87 + 0.03 * np.sin(across * 4 + phase)
    _below(image, sand.astype(np.float32), (178, 168, 132), (132, 124, 104))
    return image


def _volcano(h: int, w: int, rng: np.random.Generator) -> Image:
    image = _gradient(h, w, [(0, (92, 70, 92)), (0.45, (206, 120, 96)), (0.75, (246, 190, 132))])
    x = _columns(w, h)
    cx = rng.uniform(0.34, 0.66) * w / h
    for dx, cy, radius in ((0.0, 0.2, 0.06), (0.07, 0.13, 0.075), (0.17, 0.07, 0.09)):  # what it smokes
        _disc(image, cx + dx, cy, radius, (124, 104, 112), 0.03)
    cone = np.maximum(0.28 + 0.9 * np.maximum(np.abs(x - cx) - 0.09, 0), 0.28 + 0.02 * np.cos((x - cx) * 30))
    _below(image, cone.astype(np.float32), (96, 66, 66), (58, 40, 46))
    _, y = _grid(h, w)
    stream = 0.03 + 0.12 * (y - 0.28) + 0.012 * np.sin(y * 40) - np.abs(x - cx)[None]  # of lava, wider below
    glow = np.clip(stream * h / 2 + 0.5, 0, 1) * np.clip((y - 0.3) * h, 0, 1) * np.clip((0.74 - y) * 6, 0, 1)
    _blend(image, glow.astype(np.float32), _rgb((255, 122, 40)))
    ground = 0.76 + 0.02 * np.sin(x * 7 + rng.uniform(0, 6.28))
    _below(image, ground.astype(np.float32), (70, 52, 58), (40, 30, 38))
    return image


def _room(h: int, w: int, rng: np.random.Generator) -> Image:
    image = _gradient(h, w, [(0, (238, 222, 196)), (0.8, (222, 200, 170))])
    x, y = _grid(h, w)
    left, top, wide, tall = rng.uniform(0.12, 0.5) * w / h, rng.uniform(0.12, 0.18), 0.36, 0.34
    for grown, colour in ((0.03, (142, 98, 66)), (0.0, (160, 212, 240))):  # a frame, and the sky in it
        inside = np.minimum(
            np.minimum(x - left + grown, left + wide + grown - x), np.minimum(y - top + grown, top + tall + grown - y)
        )
        _blend(image, np.clip(inside * h + 0.5, 0, 1).astype(np.float32), _rgb(colour))
    bars = np.minimum(np.abs(x - left - wide / 2), np.abs(y - top - tall / 2))
    glass = (inside > 0) & (bars < 0.02)
    _blend(image, np.where(glass, np.clip((0.012 - bars) * h + 0.5, 0, 1), 0).astype(np.float32), _rgb((142, 98, 66)))
    floor = rng.uniform(0.7, 0.74)
    _below(image, np.full(w, floor - 0.03, np.float32), (250, 246, 238), (250, 246, 238))
    _below(image, np.full(w, floor, np.float32), (176, 122, 80), (140, 92, 58))
    return image


def _farm(h: int, w: int, rng: np.random.Generator) -> Image:
    image = _gradient(h, w, [(0, (120, 190, 240)), (0.6, (244, 240, 214))])
    _cloud(image, rng.uniform(0.15, 0.85) * w / h, rng.uniform(0.1, 0.2), rng.uniform(0.9, 1.2))
    x, phase = _columns(w, h), rng.uniform(0, 6.28)
    _below(image, (0.58 + 0.02 * np.sin(x * 5 + phase)).astype(np.float32), (122, 160, 82), (104, 144, 70))
    cx = rng.choice((0.2, 0.8)) * w / h + rng.uniform(-0.06, 0.06)
    house = np.where(np.abs(x - cx) < 0.15, 0.36 + 0.55 * np.abs(x - cx), 2).astype(np.float32)
    roofless = np.where(np.abs(x - cx) < 0.13, 0.45, 2).astype(np.float32)
    _below(image, house, (112, 60, 52), (112, 60, 52))
    _below(image, np.maximum(house + 0.03, roofless), (190, 62, 54), (170, 52, 48))
    _below(image, np.where(np.abs(x - cx) < 0.045, 0.53, 2).astype(np.float32), (246, 238, 226), (246, 238, 226))
    line = 0.66 + 0.02 * np.sin(x * 4 + phase + 1)
    _below(image, line.astype(np.float32), (240, 204, 98), (206, 158, 58))
    middle = rng.uniform(0.3, 0.7) * w / h
    _, y = _grid(h, w)
    for side in range(-5, 6):  # furrows that meet behind the horizon
        way = middle + side * 0.09 + (y - 0.66) * side * 0.6
        furrow = np.clip(0.5 - (np.abs(x[None] - way) - 0.008) * h, 0, 1) * np.clip((y - line[None] - 0.02) * h, 0, 1)
        _blend(image, (0.7 * furrow).astype(np.float32), _rgb((186, 138, 50)))
    return image


def _lunar(h: int, w: int, rng: np.random.Generator) -> Image:
    image = _gradient(h, w, [(0, (10, 10, 20)), (0.7, (30, 30, 46))])
    stars = np.random.default_rng(13)  # one fixed sky, as at night
    for _ in range(20):
        at = stars.uniform(0.02, 0.98) * w / h, stars.uniform(0.02, 0.5)
        _disc(image, *at, stars.uniform(0.003, 0.006), (236, 238, 255), 0.006)
    cx, cy = rng.uniform(0.16, 0.34) * w / h, rng.uniform(0.16, 0.24)
    _disc(image, cx, cy, 0.1, (58, 124, 206))
    _disc(image, cx - 0.025, cy - 0.02, 0.045, (112, 176, 108), 0.02)
    x, phase = _columns(w, h), rng.uniform(0, 6.28)
    _below(image, (0.62 + 0.04 * np.sin(x * 4 + phase)).astype(np.float32), (150, 150, 160), (120, 120, 132))
    _below(image, (0.72 + 0.02 * np.sin(x * 6 + phase + 2)).astype(np.float32), (190, 190, 198), (140, 140, 152))
    _, y = _grid(h, w)
    shift = rng.uniform(-0.08, 0.08)
    for px, py, rx in ((0.18, 0.82, 0.09), (0.52, 0.9, 0.12), (0.8, 0.8, 0.07)):
        reach = np.hypot((x[None] - (px + shift) * w / h) / rx, (y - py) / (0.38 * rx)) - 1
        _blend(image, np.clip(0.5 - reach * rx * 0.6 * h, 0, 1).astype(np.float32), _rgb((116, 116, 130)))
    return image


_DRAW: dict[str, Callable[[int, int, np.random.Generator], Image]] = {
    "sea": _sea,
    "meadow": _meadow,
    "desert": _desert,
    "snow": _snow,
    "night": _night,
    "sunset": _sunset,
    "city": _city,
    "forest": _forest,
    "beach": _beach,
    "underwater": _underwater,
    "volcano": _volcano,
    "room": _room,
    "farm": _farm,
    "lunar": _lunar,
}


def draw_scene(name: str, height: int, width: int, rng: np.random.Generator) -> Image:
    """A background as float32 R'G'B' [H, W, 3] in [0, 1]; ``rng`` places horizon, sun and clouds."""
    return np.clip(_DRAW[name](height, width, rng), 0, 1)
