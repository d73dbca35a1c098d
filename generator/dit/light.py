"""Light of another hour: finished frames are graded, as film is that was shot by day.

Grading works in linear light, where a filter in front of a lens would. Night is day for night: dark, with little
colour, and blue, most of all in the shadows, because the eye's rods are most sensitive to blue (Purkinje's shift). No
channel is made brighter than the brightest was, so nothing is clipped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from generator.world.cinematography import Light

_LUMINANCE = (0.2126, 0.7152, 0.0722)  # of linear Rec. 709


@dataclass(frozen=True)
class Grade:
    """How much of the colour is left, and what red, green and blue of shadows and of highlights are multiplied by."""

    saturation: float
    shadows: tuple[float, float, float]
    highlights: tuple[float, float, float]


GRADES: Mapping[Light, Grade] = {
    "night": Grade(0.9, (0.14, 0.14, 0.30), (0.25, 0.26, 0.42)),
    "sunset": Grade(0.85, (0.62, 0.36, 0.42), (1.00, 0.64, 0.36)),
    "dawn": Grade(0.7, (0.42, 0.42, 0.66), (0.92, 0.72, 0.76)),
}
"""Of every light but day, which is how the world is drawn."""


def graded(frames: Tensor, light: Light) -> Tensor:
    """R'G'B' ``frames`` [T, 3, H, W] in [-1, 1], drawn by day, in ``light``."""
    if light == "day":
        return frames
    grade = GRADES[light]
    encoded = (frames + 1) / 2
    linear = torch.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055).clamp(min=0) ** 2.4)
    grey = (linear * linear.new_tensor(_LUMINANCE)[:, None, None]).sum(1, keepdim=True)
    linear = grey + grade.saturation * (linear - grey)
    shadows, highlights = (linear.new_tensor(c)[:, None, None] for c in (grade.shadows, grade.highlights))
    linear = linear * (shadows + (highlights - shadows) * grey.sqrt())
    back = torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear.clamp(min=0) ** (1 / 2.4) - 0.055)
    return back * 2 - 1


def lit(frames: Tensor, lights: Sequence[tuple[Light, Tensor]]) -> Tensor:
    """``frames`` [T, 3, H, W] in the light of each of ``lights`` with its weight in every frame, [T]; what is left of
    1 is the day.
    """
    out = frames
    for light, weight in lights:
        out = out + weight.to(frames)[:, None, None, None] * (graded(frames, light) - frames)
    return out
