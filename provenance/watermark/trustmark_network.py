"""The two networks of TrustMark, read from the files that its authors publish.

A variant V is three files in one folder: ``trustmark_V.yaml`` (the sizes), ``encoder_V.ckpt`` and ``decoder_V.ckpt``
(state dictionaries of PyTorch). Bui, Agarwal and Collomosse, "TrustMark: Robust Watermarking and Watermark Removal for
Arbitrary Resolution Images", ICCV 2025: a U-Net that paints the message into a 256 x 256 picture, and a ResNet that
reads it. Checkpoints are loaded as tensors only, and classes that the YAML names are compared, never imported.
"""

from __future__ import annotations

import pickle
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import torch
import yaml
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models

from countermark.core.errors import WeightsError
from provenance.watermark.neural import existing

_READ_RESOLUTION = 224
_GRID = 16  # side of the picture that the message is first spread over
_REMEDY = "Get trustmark_{0}.yaml, encoder_{0}.ckpt and decoder_{0}.ckpt from Adobe's TrustMark, and name their folder."
_ENCODER, _DECODER = "trustmark.unet.Unet1", "trustmark.unet.SecretDecoder"
_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU, "lrelu": nn.LeakyReLU, "silu": nn.SiLU, "selu": nn.SELU, "tanh": nn.Tanh, "none": nn.Identity,
}  # fmt: skip
_READERS = {"resnet18": models.resnet18, "resnet50": models.resnet50, "resnet101": models.resnet101}


class Layer(nn.Module):
    """A convolution and what follows it."""

    def __init__(self, into: int, out: int, kernel: int, *, stride: int = 1, padding: int = 0, activation: str) -> None:
        super().__init__()
        self.conv = nn.Conv2d(into, out, kernel, stride, padding)
        self.activation = nn.LeakyReLU(0.2) if activation == "lrelu" else _ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """[B, into, H, W] to [B, out, H / stride, W / stride] (where padding makes up for the kernel)."""
        return cast(Tensor, self.activation(self.conv(x)))


class Residual(nn.Module):
    """Two layers around which the input is added; ``model`` is the name that the checkpoints use."""

    def __init__(self, width: int, activation: str) -> None:
        super().__init__()
        self.model = nn.Sequential(
            Layer(width, width, 3, padding=1, activation=activation),
            Layer(width, width, 3, padding=1, activation="none"),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, H, W] to the same."""
        return cast(Tensor, x + self.model(x))


class Residuals(nn.Module):
    """Several residual blocks in a row."""

    def __init__(self, count: int, width: int, activation: str) -> None:
        super().__init__()
        self.model = nn.Sequential(*(Residual(width, activation) for _ in range(count)))

    def forward(self, x: Tensor) -> Tensor:
        """[B, width, H, W] to the same."""
        return cast(Tensor, self.model(x))


class Up(nn.Module):
    """Twice the size, half the channels, then joined with what the way down had at that size."""

    def __init__(self, width: int, skip: int, activation: str) -> None:
        super().__init__()
        self.conv1 = Layer(width, width // 2, 2, activation=activation)
        self.conv2 = Layer(width // 2 + skip, width // 2, 3, padding=1, activation=activation)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """[B, width, H, W] and [B, skip, 2H, 2W] to [B, width / 2, 2H, 2W]."""
        larger = F.pad(F.interpolate(x, scale_factor=2), (0, 1, 0, 1))
        return cast(Tensor, self.conv2(torch.cat([self.conv1(larger), skip], dim=1)))


class Spread(nn.Module):
    """The message as a picture: [B, bits] to [B, 3, resolution, resolution]."""

    def __init__(self, bits: int, resolution: int) -> None:
        super().__init__()
        self.dense, self.scale = nn.Linear(bits, _GRID * _GRID * 3), resolution // _GRID

    def forward(self, message: Tensor) -> Tensor:
        """Bits 0 or 1 to a coarse picture, enlarged."""
        picture = self.dense(message).view(-1, 3, _GRID, _GRID)
        return F.relu(F.interpolate(picture, scale_factor=self.scale))


class Encoder(nn.Module):
    """The U-Net: a picture in [-1, 1] and a message to the marked picture."""

    def __init__(self, *, bits: int, resolution: int, width: int, ndown: int, nmiddle: int, activ: str) -> None:
        super().__init__()
        self.resolution = resolution
        self.secret2image = Spread(bits, resolution)
        self.pre = Layer(6, width, 3, padding=1, activation=activ)
        widths = [width * 2**level for level in range(ndown + 1)]
        self.enc = nn.ModuleList(Layer(w, 2 * w, 3, stride=2, padding=1, activation="relu") for w in widths[:-1])
        self.middle = nn.ModuleList(Residuals(nmiddle, widths[-1], activ) for _ in range(nmiddle))
        skips = [w if level else w + 6 for level, w in enumerate(widths[:-1])]  # the last step sees the input again
        self.dec = nn.ModuleList(Up(widths[level + 1], skips[level], activ) for level in reversed(range(ndown)))
        self.post = nn.Sequential(
            Layer(width, width, 3, padding=1, activation=activ),
            Layer(width, width // 2, 1, activation="silu"),
            Layer(width // 2, 3, 1, activation="tanh"),
        )

    def forward(self, picture: Tensor, message: Tensor) -> Tensor:
        """[B, 3, R, R] and [B, bits] to [B, 3, R, R]."""
        both = torch.cat([picture, self.secret2image(message)], dim=1)
        x = self.pre(both)
        skips = []
        for down in self.enc:
            skips.append(x)
            x = down(x)
        for block in self.middle:
            x = block(x)
        skips[0] = torch.cat([skips[0], both], dim=1)
        for up, skip in zip(self.dec, reversed(skips), strict=True):
            x = up(x, skip)
        return cast(Tensor, self.post(x))


class Decoder(nn.Module):
    """The ResNet: a picture in [-1, 1] to soft bits."""

    def __init__(self, *, bits: int, arch: str) -> None:
        super().__init__()
        self.decoder = _READERS[arch]()
        self.decoder.fc = nn.Linear(self.decoder.fc.in_features, bits)

    def forward(self, picture: Tensor) -> Tensor:
        """[B, 3, H, W] to [B, bits]; positive means 1."""
        if min(picture.shape[-2:]) > _READ_RESOLUTION:
            picture = F.interpolate(picture, (_READ_RESOLUTION, _READ_RESOLUTION), mode="bilinear", align_corners=False)
        return cast(Tensor, self.decoder(picture))


@lru_cache(maxsize=2)
def load(folder: Path, variant: str) -> tuple[Encoder, Decoder, int]:
    """Encoder, decoder and the number of raw bits; raises :class:`WeightsError` for missing or other files."""
    remedy = _REMEDY.format(variant)
    files = (folder / name.format(variant) for name in ("trustmark_{}.yaml", "encoder_{}.ckpt", "decoder_{}.ckpt"))
    config, *checkpoints = [existing(path, remedy) for path in files]
    try:
        bits, encoder, decoder = _networks(yaml.safe_load(config.read_text(encoding="utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"{config} does not describe a TrustMark model: {error!r}.", remedy=remedy) from error
    for network, path, part in zip((encoder, decoder), checkpoints, ("encoder.", "decoder."), strict=True):
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            state = state.get("state_dict", state)
            network.load_state_dict({key.removeprefix(part): v for key, v in state.items() if key.startswith(part)})
        except (pickle.UnpicklingError, RuntimeError, AttributeError, EOFError, KeyError) as error:
            reason = str(error).strip().splitlines()[0]
            raise WeightsError(f"{path} does not fit {config.name}: {reason}", remedy=remedy) from error
        network.eval()
    return encoder, decoder, bits


def _networks(config: Any) -> tuple[int, Encoder, Decoder]:  # noqa: ANN401  # whatever the file holds
    """Networks of the sizes that the YAML states; raises what a wrong file leads to."""
    parameters = config["model"]["params"]
    paint, read = parameters["secret_encoder_config"], parameters["secret_decoder_config"]
    if (paint["target"], read["target"]) != (_ENCODER, _DECODER):
        raise ValueError(f"networks {paint['target']} and {read['target']}")
    bits, sizes = int(parameters["secret_len"]), paint["params"]
    encoder = Encoder(
        bits=bits,
        resolution=int(parameters["resolution"]),
        width=int(sizes["width"]),
        ndown=int(sizes["ndown"]),
        nmiddle=int(sizes["nmiddle"]),
        activ=str(sizes["activ"]),
    )
    return bits, encoder, Decoder(bits=bits, arch=str(read["params"]["arch"]))
