"""Marks that other generators leave, with messages their makers published.

Stable Diffusion's and FLUX's reference tools mark pictures with the `dwtDct` method of the invisible-watermark package.
This reads it with numpy alone, about a hundred times as fast as the package and softly: the votes of all blocks
of all frames are counted before a bit is decided. Like the method itself it needs the original size and survives little
compression; finding nothing means nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from provenance.watermark.grid import Plane

_STEP = 36.0  # quantisation step of the package's default scales
_BLOCK = 4  # side of a block of the Haar low-pass band, that is 8 pixels
_SIGNIFICANCE = 1e-9  # chance of a false match, per message and convention

# The package works on U of OpenCV's Y'UV, whose neutral value is 128 for 8-bit input, as Stable Diffusion 1 and 2 pass
# it, and 0.5 for float input, as diffusers (SDXL) and FLUX do. Quantisation depends on it.
_NEUTRAL = (128.0, 0.5)


@dataclass(frozen=True)
class KnownMark:
    """A recognised message. ``matches`` of ``bits`` agree; ``false_positive_rate`` is the chance of that many or more
    agreeing in unmarked material, for all messages and conventions tried.
    """

    name: str
    vendor: str
    algorithm: str
    bits: int
    matches: int
    false_positive_rate: float


@dataclass(frozen=True)
class Message:
    """A published message: ``bits`` in the order in which the method deals them to blocks."""

    name: str
    vendor: str
    bits: tuple[int, ...]


def _from_text(text: str) -> tuple[int, ...]:
    return tuple(int(bit) for bit in np.unpackbits(np.frombuffer(text.encode(), np.uint8)))


def _from_binary(digits: str) -> tuple[int, ...]:
    return tuple(int(digit) for digit in digits)


# Sources: CompVis/stable-diffusion scripts/txt2img.py; its inpainting demos; Stability-AI/stablediffusion
# scripts/txt2img.py; Stability-AI/generative-models and diffusers pipelines/stable_diffusion_xl/watermark.py;
# black-forest-labs/flux src/flux/util.py, whose 48-bit constant loses two leading zeros to bin(): 46 bits are embedded.
MESSAGES = (
    Message("StableDiffusionV1", "Stable Diffusion 1", _from_text("StableDiffusionV1")),
    Message("StableDiffusionV1-Inpainting", "Stable Diffusion 1", _from_text("StableDiffusionV1-Inpainting")),
    Message("SDV2", "Stable Diffusion 2", _from_text("SDV2")),
    Message("SDXL", "Stable Diffusion XL", _from_binary("101100111110110010010000011110111011000110011110")),
    Message("FLUX", "FLUX", _from_binary("1010101111111010000111100111001111010100101110")),
)


def detect_known_marks(rgb: npt.NDArray[np.uint8]) -> list[KnownMark]:
    """Recognise published marks in R'G'B' frames uint8 [T, H, W, 3] of one clip (or one picture, T = 1).

    A message counts as found when so many of its bits agree that independent fair bits would do so with a probability
    of at most 1e-9; five messages and two conventions make 1e-8 for a call. Frames under 256 x 256 pixels carry no such
    mark and give an empty list.
    """
    _, height, width, _ = rgb.shape
    if height * width < 256 * 256:
        return []
    candidates = []
    for neutral in _NEUTRAL:
        votes = np.stack([_votes(frame, neutral) for frame in rgb]).mean(axis=0, dtype=np.float32)
        for message in MESSAGES:
            bits = _fold(votes, len(message.bits)) > 127 / 255
            matches = int((bits == np.array(message.bits, bool)).sum())
            candidates.append((binomial_tail(len(message.bits), matches), matches, message))
    # One picture holds one such mark. Messages that begin alike agree in part, so the likeliest is the only one.
    chance, matches, best = min(candidates, key=lambda candidate: candidate[0])
    if chance > _SIGNIFICANCE:
        return []
    return [KnownMark(best.name, best.vendor, "dwtDct", len(best.bits), matches, min(1.0, len(candidates) * chance))]


def binomial_tail(count: int, least: int) -> float:
    """Chance that at least ``least`` of ``count`` fair coins show heads."""
    return sum(math.comb(count, k) for k in range(least, count + 1)) / 2.0**count


def _votes(frame: npt.NDArray[np.uint8], neutral: float) -> Plane:
    """The bit each block votes for, 0 or 1, in the order in which the method deals bits to blocks: [blocks]."""
    red, green, blue = np.moveaxis(frame.astype(np.float32), -1, 0)
    u = 0.492 * (blue - (0.299 * red + 0.587 * green + 0.114 * blue)) + neutral
    rows, columns = (side // 8 * 8 for side in u.shape)
    low = u[:rows, :columns].reshape(rows // 2, 2, columns // 2, 2).sum(axis=(1, 3)) / 2  # Haar low-pass band
    blocks = low.reshape(rows // 8, _BLOCK, columns // 8, _BLOCK).transpose(0, 2, 1, 3).reshape(-1, _BLOCK**2)
    size = np.abs(blocks[:, 1:]).max(axis=1)
    return np.asarray(size % _STEP > _STEP / 2, np.float32)


def _fold(votes: Plane, length: int) -> Plane:
    """Mean vote for each bit of a message of ``length`` bits, repeated over the blocks: [length]."""
    index = np.arange(len(votes)) % length
    return np.asarray(np.bincount(index, votes, length) / np.bincount(index, minlength=length), np.float32)
