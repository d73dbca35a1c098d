"""What happens to a video between its maker and the person who screens it: rescaled, cropped, filtered, re-encoded.

By chance, in chains of several losses (:func:`degrade`), and as platforms do it (``RENDITIONS``).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

UInt8 = npt.NDArray[np.uint8]

_SHORT_SIDE = (96, 480)  # pixels; the range of what circulates after messengers and thumbnails
_CRF = (20, 40)
_RATE = 8  # frames a second that encoders are told: those of a burst
_FULL_RATE = 30  # ... and those of a platform's stream
_ENHANCERS = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)


@dataclass(frozen=True)
class Chain:
    """One random chain of losses, in the order in which they come; None and False where one is left out.

    ``crop`` is (left, top, width, height) and ``size`` (width, height) in pixels, ``kernel`` the filter it is rescaled
    with; ``blur`` a radius in pixels, ``sharpen`` in percent of each frame, ``colour`` the factors of brightness,
    contrast and saturation; ``palette`` is 256 colours with dithering, as in GIF; ``noise`` is added, float64
    [T, H, W, 3].
    """

    crop: tuple[int, int, int, int] | None
    mirrored: bool
    size: tuple[int, int]
    kernel: Image.Resampling
    blur: float | None
    sharpen: tuple[int, ...] | None
    colour: tuple[float, float, float] | None
    grey: bool
    palette: bool
    noise: npt.NDArray[np.float64] | None
    crf: int


LOSSES: Mapping[str, Callable[[Chain], bool]] = {
    "H.264 at CRF 20 to 26": lambda chain: chain.crf <= 26,
    "H.264 at CRF 27 to 33": lambda chain: 27 <= chain.crf <= 33,
    "H.264 at CRF 34 to 40": lambda chain: chain.crf >= 34,
    "short side 270 to 480": lambda chain: min(chain.size) >= 270,
    "short side 160 to 269": lambda chain: 160 <= min(chain.size) < 270,
    "short side below 160": lambda chain: min(chain.size) < 160,
    "cropped to .7 to 1": lambda chain: chain.crop is not None,
    "blurred, radius .3 to 1.2": lambda chain: chain.blur is not None,
    "sharpened": lambda chain: chain.sharpen is not None,
    "colours changed": lambda chain: chain.colour is not None,
    "grey": lambda chain: chain.grey,
    "256 colours, dithered": lambda chain: chain.palette,
    "noise, deviation 1 to 6": lambda chain: chain.noise is not None,
}
"""Kinds of loss that a chain may hold among others."""


def draw_chain(shape: tuple[int, int, int], rng: np.random.Generator) -> Chain:
    """The chain for ``shape`` (frames, height, width), which with the state of ``rng`` is all it depends on."""
    count, height, width = shape
    crop = None
    if rng.random() < 0.5:
        keep = rng.uniform(0.7, 1.0)
        w, h = int(width * keep), int(height * keep)
        crop = (int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1)), w, h)
        width, height = w, h
    mirrored = bool(rng.random() < 0.5)
    short = min(width, height)
    target = min(float(short), float(np.exp(rng.uniform(*np.log(_SHORT_SIDE)))))
    size = (_even(width * target / short), _even(height * target / short))
    kernel = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)[rng.integers(3)]
    draw, blur, sharpen = rng.random(), None, None
    if draw < 0.2:
        blur = float(rng.uniform(0.3, 1.2))
    elif draw < 0.35:
        sharpen = tuple(int(rng.uniform(30, 120)) for _ in range(count))
    colour = None
    if rng.random() < 0.4:
        brightness, contrast, saturation = (float(rng.uniform(0.75, 1.25)) for _ in range(3))
        colour = (brightness, contrast, saturation)
    grey, palette = bool(rng.random() < 0.08), bool(rng.random() < 0.12)
    noise = None
    if rng.random() < 0.3:
        noise = rng.normal(0, rng.uniform(1, 6), (count, size[1], size[0], 3))
    crf = int(rng.integers(_CRF[0], _CRF[1] + 1))
    return Chain(crop, mirrored, size, kernel, blur, sharpen, colour, grey, palette, noise, crf)


def degrade(frames: UInt8, rng: np.random.Generator, *, moving: bool = False) -> UInt8:
    """One random chain of losses, the same for all frames of a clip but for how much each is sharpened.

    ``frames`` uint8 [T, H, W, 3] R'G'B'; returns uint8 [T, h, w, 3] with even h and w. In order: crop, mirror, rescale,
    blur or sharpen, colour change, grey, palette, noise, H.264. Frames that are far apart are coded one by one, those
    of a ``moving`` sequence from each other.
    """
    chain = draw_chain((frames.shape[0], frames.shape[1], frames.shape[2]), rng)
    out = np.stack([_lossy(Image.fromarray(frame), chain, index) for index, frame in enumerate(frames)])
    if chain.noise is not None:
        out = np.clip(np.rint(out + chain.noise), 0, 255).astype(np.uint8)
    return h264(out, crf=chain.crf, gop=250 if moving else 1)


def _lossy(image: Image.Image, chain: Chain, index: int) -> UInt8:
    """One frame, the ``index``-th, with everything but noise and H.264."""
    if chain.crop is not None:
        x, y, w, h = chain.crop
        image = image.crop((x, y, x + w, y + h))
    if chain.mirrored:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image = image.resize(chain.size, chain.kernel)
    if chain.blur is not None:
        image = image.filter(ImageFilter.GaussianBlur(chain.blur))
    elif chain.sharpen is not None:
        image = image.filter(ImageFilter.UnsharpMask(radius=1, percent=chain.sharpen[index]))
    if chain.colour is not None:
        for enhancer, factor in zip(_ENHANCERS, chain.colour, strict=True):
            image = enhancer(image).enhance(factor)
    if chain.grey:
        image = ImageOps.grayscale(image).convert("RGB")
    if chain.palette:
        image = image.quantize(256).convert("RGB")
    return np.asarray(image, np.uint8)


def _platform(frames: UInt8, short_side: int, megabits: float) -> UInt8:
    """A platform's stream: at most ``short_side`` lines, H.264 with the bits a frame of so many Mb/s at 30 a second."""
    height, width = frames.shape[1:3]
    scale = min(1.0, short_side / min(height, width))
    size = (_even(width * scale), _even(height * scale))
    resized = [Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC) for frame in frames]
    return h264(np.stack([np.asarray(r, np.uint8) for r in resized]), bits=megabits * 1e6 / _FULL_RATE, gop=250)


def _uploaded(frames: UInt8) -> UInt8:
    """At most 720 lines at 2.5 Mb/s."""
    return _platform(frames, 720, 2.5)


def _passed_on(frames: UInt8) -> UInt8:
    """Uploaded, then once more as at most 480 lines at 1 Mb/s."""
    return _platform(_uploaded(frames), 480, 1.0)


def _re_recorded(frames: UInt8) -> UInt8:
    """Played in a window of .83 of its size, recorded with the screen's gamma a little off, then uploaded."""
    height, width = frames.shape[1:3]
    size = (_even(width * 0.83), _even(height * 0.83))
    window = [Image.fromarray(frame).resize(size, Image.Resampling.BILINEAR) for frame in _uploaded(frames)]
    shown = 255 * (np.stack([np.asarray(w, np.float32) for w in window]) / 255) ** 0.9
    return _uploaded(np.rint(shown).astype(np.uint8))


RENDITIONS: Mapping[str, Callable[[UInt8], UInt8]] = {
    "uploaded": _uploaded,
    "passed on": _passed_on,
    "re-recorded": _re_recorded,
}
"""What platforms and viewers make of successive frames uint8 [T, H, W, 3]; nothing in it is left to chance."""


def h264(frames: UInt8, *, crf: int | None = None, bits: float | None = None, gop: int = 1) -> UInt8:
    """Encode and decode uint8 [T, H, W, 3] (H and W even) in memory, a key frame every ``gop`` frames.

    At a constant quality ``crf``, or at ``bits`` a frame on average.
    """
    buffer = io.BytesIO()
    quality = {"crf": str(crf)} if bits is None else {"b": str(round(_RATE * bits))}
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(_RATE), options={**quality, "preset": "veryfast", "g": str(gop)}
        )
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    buffer.seek(0)
    with av.open(buffer, "r") as coded:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in coded.decode(video=0)]).astype(np.uint8)


def _even(value: float) -> int:
    return max(16, 2 * round(value / 2))
