"""Changes of values: light and colour as in torchvision, blur, noise, and things laid over the picture."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from benchmarks.attacks.scene import Plane, Scene, by_picture, by_plane
from countermark.core.media import Frames

_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as torchvision


@dataclass(frozen=True)
class Brightness:
    """R'G'B' times ``factor``."""

    factor: float

    def __call__(self, frames: Frames, _: Scene) -> Frames:
        return by_picture(frames, lambda rgb: _blended(rgb, 0, self.factor))


@dataclass(frozen=True)
class Contrast:
    """Away from (factor > 1) or towards the mean grey of the picture."""

    factor: float

    def __call__(self, frames: Frames, _: Scene) -> Frames:
        return by_picture(frames, lambda rgb: _blended(rgb, float((rgb @ _GREY).mean()), self.factor))


@dataclass(frozen=True)
class Saturation:
    """Away from (factor > 1) or towards the grey of each pixel; 0 makes a picture grey."""

    factor: float

    def __call__(self, frames: Frames, _: Scene) -> Frames:
        return by_picture(frames, self._picture)

    def _picture(self, rgb: Plane) -> Plane:
        grey = (rgb @ _GREY)[..., None]
        return _to_bytes(grey + np.float32(self.factor) * (rgb - grey))


@dataclass(frozen=True)
class Hue:
    """A turn of the colour circle by ``share`` of it."""

    share: float

    def __call__(self, frames: Frames, _: Scene) -> Frames:
        return by_picture(frames, self._picture)

    def _picture(self, rgb: Plane) -> Plane:
        hsv = cv2.cvtColor(rgb.astype(np.float32), cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0] + 360 * self.share) % 360
        return _to_bytes(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB))


@dataclass(frozen=True)
class Blur:
    """Gaussian, with torchvision's deviation for the kernel size; chroma, at half the size, with half of it."""

    kernel: int

    def __call__(self, frames: Frames, _: Scene) -> Frames:
        deviation = 0.3 * ((self.kernel - 1) * 0.5 - 1) + 0.8
        small = self.kernel // 4 * 2 + 1

        def blur(plane: Plane, kernel: int, deviation: float) -> Plane:
            return np.asarray(cv2.GaussianBlur(np.ascontiguousarray(plane), (kernel, kernel), deviation))

        return by_plane(frames, lambda p: blur(p, self.kernel, deviation), lambda p: blur(p, small, deviation / 2))


@dataclass(frozen=True)
class Median:
    """Median of a square; of one half as wide in chroma."""

    kernel: int

    def __call__(self, frames: Frames, _: Scene) -> Frames:
        small = self.kernel // 4 * 2 + 1

        def median(plane: Plane, kernel: int) -> Plane:
            return np.asarray(cv2.medianBlur(np.ascontiguousarray(plane), kernel))

        return by_plane(frames, lambda p: median(p, self.kernel), lambda p: median(p, small))


@dataclass(frozen=True)
class Noise:
    """Gaussian noise of its own on every sample, ``deviation`` in codes."""

    deviation: float

    def __call__(self, frames: Frames, scene: Scene) -> Frames:
        rng = scene.rng(self)

        def add(plane: Plane) -> Plane:
            return _to_bytes(plane + np.float32(self.deviation) * rng.standard_normal(plane.shape, np.float32))

        return by_plane(frames, add, add)


@dataclass(frozen=True)
class Overlay:
    """A logo in a corner and a subtitle on a dark bar, both opaque at their core, the same in every frame."""

    def __call__(self, frames: Frames, _: Scene) -> Frames:
        layer = _captions(frames.width, frames.height)
        paint = Frames.from_rgb(layer[None, ..., :3], pts=frames.pts[:1], colour=frames.colour)
        cover = layer[..., 3].astype(np.float32) / 255
        half = cv2.resize(cover, paint.chroma.shape[:1:-1], interpolation=cv2.INTER_AREA)
        luma = np.stack([_to_bytes(p + cover * (paint.luma[0].astype(np.float32) - p)) for p in frames.luma])
        chroma = np.stack([_to_bytes(p + half * (paint.chroma[0].astype(np.float32) - p)) for p in frames.chroma])
        return Frames(luma, chroma, frames.pts, frames.colour)


def _captions(width: int, height: int) -> Plane:
    """What is laid over the picture, and how densely: R'G'B'A uint8 [H, W, 4]."""
    layer = Image.new("RGBA", (width, height))
    draw = ImageDraw.Draw(layer)
    side, margin = min(width, height) / 7, min(width, height) / 24
    box = (width - margin - side, margin, width - margin, margin + side)
    draw.ellipse(box, fill=(210, 30, 40, 255))
    triangle = [(box[0] + x * side, box[1] + y * side) for x, y in ((0.35, 0.25), (0.8, 0.5), (0.35, 0.75))]
    draw.polygon(triangle, fill=(255, 255, 255, 255))
    font = ImageFont.load_default(max(height / 20, 8))
    text, centre = "She never said where the film was made.", (width / 2, height - 2 * margin)
    left, top, right, below = draw.textbbox(centre, text, font, anchor="mm")
    draw.rectangle((left - margin / 2, top - margin / 4, right + margin / 2, below + margin / 4), fill=(0, 0, 0, 160))
    draw.text(centre, text, (255, 255, 255, 255), font, anchor="mm")
    return np.asarray(layer)


def _blended(rgb: Plane, other: float, factor: float) -> Plane:
    """``other`` + factor (value - other) for each code."""
    codes = _to_bytes(other + factor * (np.arange(256, dtype=np.float32) - other))
    return codes[rgb]


def _to_bytes(values: np.ndarray) -> Plane:
    return np.asarray(np.rint(np.clip(values, 0, 255)), np.uint8)
