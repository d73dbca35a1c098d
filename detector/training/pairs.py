"""Real frames passed through an image autoencoder: the same content, painted by a decoder.

Generated and real clips of public collections differ in what they show as much as in how they were made, and a head
learns whichever is easier. A real frame and its reconstruction differ in nothing but the decoder's traces (B. Wang et
al., training on paired reconstructions: "DRCT", ICML 2024).
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image

from countermark.core.bfloat16 import training_autocast
from countermark.core.errors import UsageError

if TYPE_CHECKING:
    import torch

UInt8 = npt.NDArray[np.uint8]
Reconstruct = Callable[[UInt8], UInt8]
"""Frames uint8 [T, H, W, 3] (H and W multiples of 16) to the same shape, through an autoencoder."""

_SHORT_SIDE = (240, 320)
_GRID = 16


def reconstruct(frames: UInt8, through: Reconstruct, rng: np.random.Generator) -> UInt8:
    """``frames`` uint8 [T, H, W, 3] rescaled to a random size that generators work at, then encoded and decoded."""
    height, width = frames.shape[1:3]
    scale = rng.integers(*_SHORT_SIDE, endpoint=True) / min(height, width)
    size = (_GRID * max(1, round(width * scale / _GRID)), _GRID * max(1, round(height * scale / _GRID)))
    images = [Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC) for frame in frames]
    return through(np.stack([np.asarray(image, np.uint8) for image in images]))


def autoencoder(name: str) -> Reconstruct:
    """By name: a folder with the two weight files of a "TAE" (madebyollin/taesd), or ``module:function``.

    Raises:
        UsageError: it is neither, or the files do not fit.
    """
    if (folder := Path(name)).is_dir():
        return _tiny(folder)
    module, _, function = name.partition(":")
    try:
        found: Reconstruct = getattr(import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"{name} is no autoencoder: {error}.", remedy="Name a folder with TAE weights or MODULE:FUNCTION."
        ) from error
    return found


def _tiny(folder: Path) -> Reconstruct:
    """A tiny autoencoder whose layers are numbered as in a plain sequence, with or without pooling blocks."""
    import torch
    from safetensors.torch import load_file
    from torch import nn

    class Block(nn.Module):
        def __init__(self, pooled: bool) -> None:
            super().__init__()
            self.conv = nn.Sequential(_conv(), nn.ReLU(), _conv(), nn.ReLU(), _conv())
            self.pool = (
                nn.Sequential(
                    nn.Conv2d(64, 256, 1, bias=False),
                    nn.GroupNorm(4, 256),
                    nn.ReLU(),
                    nn.Conv2d(256, 64, 1, bias=False),
                )
                if pooled
                else None
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.pool is not None:
                x = x + self.pool(x)
            return torch.relu(self.conv(x) + x)

    def _conv(inputs: int = 64, outputs: int = 64, *, stride: int = 1, bias: bool = True) -> nn.Conv2d:
        return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=bias)

    def blocks(count: int, pooled: bool = False) -> list[nn.Module]:
        return [Block(pooled) for _ in range(count)]

    def half() -> nn.Module:
        return _conv(stride=2, bias=False)

    def double() -> list[nn.Module]:
        return [nn.Upsample(scale_factor=2), _conv(bias=False)]

    try:
        states = [load_file(next(folder.glob(f"*_{part}.safetensors"))) for part in ("encoder", "decoder")]
        latent = states[0]["14.bias"].numel()
        pooled = any(".pool." in key for key in states[0])
        encoder = nn.Sequential(
            _conv(3), *blocks(1), half(), *blocks(3), half(), *blocks(3), half(), *blocks(3, pooled), _conv(64, latent)
        )
        decoder = nn.Sequential(
            nn.Identity(), _conv(latent), nn.ReLU(), *blocks(3, pooled), *double(), *blocks(3), *double(), *blocks(3),
            *double(), *blocks(1), _conv(64, 3),
        )  # fmt: skip
        for network, state in zip((encoder, decoder), states, strict=True):
            network.load_state_dict(state)
            network.eval().requires_grad_(False)
    except (StopIteration, KeyError, RuntimeError, OSError) as error:
        raise UsageError(
            f"{folder} does not hold a tiny autoencoder: {error}.",
            remedy="It needs one file ending in _encoder.safetensors and one in _decoder.safetensors.",
        ) from error

    def through(frames: UInt8) -> UInt8:
        out = []
        with torch.inference_mode(), training_autocast():
            for frame in frames:
                x = torch.from_numpy(frame.copy()).permute(2, 0, 1)[None].float() / 255
                y = decoder(torch.tanh(encoder(x) / 3) * 3)[0]
                out.append((y.float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())
        return np.stack(out)

    return through
