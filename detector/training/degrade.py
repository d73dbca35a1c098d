"""What happens to a video between its maker and the person who screens it: rescaled, cropped, filtered, re-encoded."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

UInt8 = npt.NDArray[np.uint8]

_SHORT_SIDE = (96, 480)  # pixels; the range of what circulates after messengers and thumbnails
_CRF = (20, 40)


def degrade(frames: UInt8, rng: np.random.Generator, *, moving: bool = False) -> UInt8:
    """One random chain of losses, the same for all frames of a clip.

    ``frames`` uint8 [T, H, W, 3] R'G'B'; returns uint8 [T, h, w, 3] with even h and w. In order: crop, mirror, rescale,
    blur or sharpen, colour change, grey, palette, noise, H.264. Frames that are far apart are coded one by one, those
    of a ``moving`` sequence from each other.
    """
    images = [Image.fromarray(frame) for frame in frames]
    width, height = images[0].size
    if rng.random() < 0.5:
        keep = rng.uniform(0.7, 1.0)
        w, h = int(width * keep), int(height * keep)
        x, y = int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1))
        images = [image.crop((x, y, x + w, y + h)) for image in images]
    if rng.random() < 0.5:
        images = [image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) for image in images]
    width, height = images[0].size
    short = min(width, height)
    target = min(float(short), float(np.exp(rng.uniform(*np.log(_SHORT_SIDE)))))
    size = (_even(width * target / short), _even(height * target / short))
    kernel = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)[rng.integers(3)]
    images = [image.resize(size, kernel) for image in images]
    draw = rng.random()
    if draw < 0.2:
        radius = rng.uniform(0.3, 1.2)
        images = [image.filter(ImageFilter.GaussianBlur(radius)) for image in images]
    elif draw < 0.35:
        images = [
            image.filter(ImageFilter.UnsharpMask(radius=1, percent=int(rng.uniform(30, 120)))) for image in images
        ]
    if rng.random() < 0.4:
        for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
            factor = rng.uniform(0.75, 1.25)
            images = [enhancer(image).enhance(factor) for image in images]
    if rng.random() < 0.08:
        images = [ImageOps.grayscale(image).convert("RGB") for image in images]
    if rng.random() < 0.12:  # GIF: 256 colours and dithering
        images = [image.quantize(256).convert("RGB") for image in images]
    out = np.stack([np.asarray(image, np.uint8) for image in images])
    if rng.random() < 0.3:
        noise = rng.normal(0, rng.uniform(1, 6), out.shape)
        out = np.clip(np.rint(out + noise), 0, 255).astype(np.uint8)
    return h264(out, crf=int(rng.integers(_CRF[0], _CRF[1] + 1)), gop=250 if moving else 1)


def h264(frames: UInt8, *, crf: int, gop: int = 1) -> UInt8:
    """Encode and decode uint8 [T, H, W, 3] (H and W even) in memory, a key frame every ``gop`` frames."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream(
            "libx264", rate=Fraction(8), options={"crf": str(crf), "preset": "veryfast", "g": str(gop)}
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
