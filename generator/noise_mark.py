"""Find the noise that a video was drawn from: a watermark from inside the bundled model (`generator.dit.noise`)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
import torch
from scipy.fft import dctn, idctn
from scipy.special import ndtr, ndtri
from torch import Tensor

from countermark.core.media import Limits
from countermark.core.settings import Settings, get_settings
from generator.dit.canvas import Canvas
from generator.dit.flow import SHIFT, schedule
from generator.dit.networks import LATENT_FRAMES, Networks, load_networks
from generator.dit.noise import NoiseName, keyed
from generator.dit.places import GROUP
from generator.dit.text import tokens_of
from generator.model import RGB
from generator.pictures import read_video
from generator.world.clips import FPS
from provenance.verify import FoundNoise
from provenance.watermark import SpreadSpectrum, WatermarkKey

FALSE_POSITIVE_RATE = 1e-6
"""Chance that a picture drawn from other noise, or filmed, fits any of the noises it is compared with."""

_STEPS = 3
_LOWEST = 0.25  # noise level at which the inversion begins: below it, it would enlarge what a codec did to the picture
_STEADY_SHARE = 0.5  # of what stands still in a place, to what changes there
_BANDS = (0, 1, 2, 4, 7, 11)  # of spatial frequency, in half cycles a side, within which a spectrum is whitened


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


def _opening(path: Path, canvas: Canvas, limits: Limits) -> Tensor:
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


@torch.inference_mode()
def whitened(networks: Networks, video: Tensor) -> Tensor:
    """What frames [T, 3, H, W] in [-1, 1] say of their noise: float32 [N, C, h, w], N at most the latent frames of one
    clip. T is 1 + 4n; H and W are multiples of the transformer's patches.

    The flow is run backwards from the encoded frames by Euler steps, without a prompt. Then every place is
    brought to one level, and every band of the spectrum: what shows best of the noise is weakest in the picture, and a
    subject that moves on top of it shows nothing.
    """
    clean = networks.autoencoder.encode(video[None])[:, :LATENT_FRAMES]
    words = torch.tensor([tokens_of({})], device=clean.device)
    x = clean
    for now, then in pairwise(schedule(_STEPS, shift=SHIFT)[::-1]):
        level = max(now, _LOWEST)
        predicted = networks.transformer(x, torch.full(clean.shape[:2], level, device=clean.device), words).float()
        x = x + (then - now) * ((x - (1 - level) * predicted) / level - predicted)
    steady = x.mean(1, keepdim=True)
    moving = x - steady
    x = moving / _rms(moving, (1, 2)) + _STEADY_SHARE * steady / _rms(steady, (1, 2))
    spectrum = dctn(x[0].cpu().numpy().astype(np.float64), axes=(0, 2, 3), norm="ortho")
    frequency = np.maximum(*np.indices(spectrum.shape[2:]))
    for band in (np.digitize(frequency, _BANDS) == i for i in range(1, len(_BANDS) + 1)):
        if band.any():
            inside = spectrum[..., band]
            spectrum[..., band] = inside / (np.sqrt(np.mean(inside**2, axis=(1, 2), keepdims=True)) + 1e-12)
    return torch.from_numpy(idctn(spectrum, axes=(0, 2, 3), norm="ortho").astype(np.float32))


def _rms(values: Tensor, dim: tuple[int, ...]) -> Tensor:
    return values.square().mean(dim, keepdim=True).sqrt() + 1e-6


def z_score(found: Tensor, noise: Tensor) -> float:
    """How well `whitened` frames fit ``noise`` of their shape: standard normal if they were drawn from any other."""
    return float((found * noise).sum() / (found.norm() + 1e-12))
