"""Find the noise that a video was drawn from: a watermark from inside the bundled model (`generator.dit.noise`)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from scipy.special import ndtr, ndtri

from countermark.core.media import Limits
from countermark.core.settings import Settings, get_settings
from generator.dit.canvas import Canvas
from generator.dit.networks import LATENT_FRAMES, load_networks
from generator.dit.noise import NoiseName, keyed, whitened, z_score
from generator.dit.places import GROUP
from generator.model import RGB
from generator.pictures import read_video
from generator.world.clips import FPS
from provenance.verify import FoundNoise
from provenance.watermark import SpreadSpectrum, WatermarkKey

FALSE_POSITIVE_RATE = 1e-6
"""Chance that a picture drawn from other noise, or filmed, fits any of the noises it is compared with."""


def find_noise(path: Path, values: Sequence[str], *, settings: Settings | None = None) -> FoundNoise | None:
    """The one of ``values`` that the video at ``path`` fits best, if beyond chance; a `provenance.verify.NoiseReader`.

    The video has to begin where it began, in its full width and height; its size, rate and quality may have changed.

    Raises `MediaError` or `MediaLimitError` for a file that cannot be read, `WeightsError`, and `ConfigurationError`
    when this machine's keys are unusable.
    """
    settings = settings or get_settings()
    watermark = SpreadSpectrum.load(settings)
    keys = (watermark.key, *watermark.retired)
    found = scores(path, values, keys, Limits.from_settings(settings))
    best = max(found, key=lambda value: found[value], default=None)
    tries = len(found) * len(keys)
    if best is None or found[best] < -ndtri(FALSE_POSITIVE_RATE / tries):
        return None
    return FoundNoise(best, float(tries * ndtr(-found[best])))


def scores(path: Path, values: Sequence[str], keys: Sequence[WatermarkKey], limits: Limits) -> dict[str, float]:
    """How well the video at ``path`` fits each of the noises ``values`` by any of ``keys``.

    For a single key that is standard normal where the video was not drawn from the noise. Raises as `find_noise`.
    """
    found: dict[str, float] = {}
    for size, alike in groupby(sorted(map(NoiseName.parse, values), key=_size), _size):
        seen = whitened(load_networks(), _opening(path, Canvas(*size), limits))
        for name in alike:
            found[str(name)] = max(z_score(seen, keyed(key, name.name)(seen.shape)) for key in keys)
    return found


def _size(name: NoiseName) -> tuple[int, int]:
    return name.width, name.height


def _opening(path: Path, canvas: Canvas, limits: Limits) -> torch.Tensor:
    """The first frames on the canvas, as many as a clip has at most: [T, 3, H, W] in [-1, 1]."""
    most = 1 + GROUP * (LATENT_FRAMES - 1)
    held: list[RGB] = []
    for chunk in read_video(path, canvas.width, canvas.height, Fraction(FPS), limits):
        held.append(chunk)
        if sum(map(len, held)) >= most:
            break
    frames = np.concatenate(held)
    frames = canvas.around(frames[: 1 + (min(len(frames), most) - 1) // GROUP * GROUP])
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1
