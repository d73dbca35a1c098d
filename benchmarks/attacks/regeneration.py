"""Regeneration: the picture encoded into a diffusion model's latents and decoded again.

TAEF2 (Ollin Boer Bohan, madebyollin/taesd, MIT) is a small autoencoder for the latents of FLUX.2. The user names a
folder with ``taef2_encoder.safetensors`` and ``taef2_decoder.safetensors``, whose layers are numbered as in a plain
sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.attacks.scene import Plane, Scene, by_picture, taken
from countermark.core.errors import WeightsError
from countermark.core.media import Frames

ENCODER, DECODER = "taef2_encoder.safetensors", "taef2_decoder.safetensors"
_LATENTS, _STRIDE = 32, 8


@dataclass(frozen=True)
class Regenerate:
    """``count`` evenly spaced frames through the autoencoder; the others are left out, for a frame takes seconds.

    Raises :class:`WeightsError` if ``scene.taef2`` is not a folder with the weights.
    """

    count: int

    def __call__(self, frames: Frames, scene: Scene) -> Frames:
        encoder, decoder = load(scene.taef2)
        chosen = np.unique(np.linspace(0, len(frames) - 1, self.count).round().astype(int))
        with torch.inference_mode():
            return by_picture(taken(frames, chosen), lambda rgb: _regenerated(rgb, encoder, decoder))


def _regenerated(rgb: Plane, encoder: nn.Module, decoder: nn.Module) -> Plane:
    height, width, _ = rgb.shape
    picture = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255
    picture = F.pad(picture, (0, -width % _STRIDE, 0, -height % _STRIDE), mode="replicate")
    again = decoder(encoder(picture))[0, :, :height, :width].clamp(0, 1).mul(255).round()
    return np.ascontiguousarray(again.permute(1, 2, 0).to(torch.uint8).numpy())


@lru_cache(maxsize=1)
def load(folder: Path | None) -> tuple[nn.Module, nn.Module]:
    """Encoder (R'G'B' in [0, 1], [B, 3, H, W] to [B, 32, H/8, W/8]) and decoder (the way back)."""
    if folder is None or not all((folder / name).is_file() for name in (ENCODER, DECODER)):
        raise WeightsError(
            f"There is no {ENCODER} and {DECODER} in {folder or 'a folder you named'}.",
            remedy="Name the folder that holds both, or leave the regeneration attack out.",
        )
    made = make_encoder(), make_decoder()
    for network, name in zip(made, (ENCODER, DECODER), strict=True):
        network.load_state_dict(load_file(folder / name))
        network.eval().to(memory_format=torch.channels_last)
    return made


def make_encoder() -> nn.Sequential:
    """The encoder with fresh weights."""
    layers: list[nn.Module] = [_conv(3, 64), Block(64)]
    for pooled in (False, False, True):
        layers += [nn.Conv2d(64, 64, 3, padding=1, stride=2, bias=False), *(Block(64, pool=pooled) for _ in range(3))]
    return nn.Sequential(*layers, _conv(64, _LATENTS))


def make_decoder() -> nn.Sequential:
    """The decoder with fresh weights."""
    layers: list[nn.Module] = [Clamp(), _conv(_LATENTS, 64), nn.ReLU(), *(Block(64, pool=True) for _ in range(3))]
    for blocks in (3, 3, 1):
        layers += [nn.Upsample(scale_factor=2), nn.Conv2d(64, 64, 3, padding=1, bias=False)]
        layers += [Block(64) for _ in range(blocks)]
    return nn.Sequential(*layers, _conv(64, 3))


class Clamp(nn.Module):
    """Keeps latents within three units, softly."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / 3) * 3


class Block(nn.Module):
    """Three convolutions around which the input is added; ``pool`` mixes in group-normalised features first."""

    def __init__(self, channels: int, *, pool: bool = False) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            _conv(channels, channels), nn.ReLU(), _conv(channels, channels), nn.ReLU(), _conv(channels, channels)
        )
        wide = 4 * channels
        self.pool = nn.Sequential(
            nn.Conv2d(channels, wide, 1, bias=False), nn.GroupNorm(4, wide), nn.ReLU(inplace=True),
            nn.Conv2d(wide, channels, 1, bias=False),
        ) if pool else None  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        if self.pool is not None:
            x = x + self.pool(x)
        return F.relu(self.conv(x) + x)


def _conv(into: int, out: int) -> nn.Conv2d:
    return nn.Conv2d(into, out, 3, padding=1)
