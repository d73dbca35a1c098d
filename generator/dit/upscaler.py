"""From the frames that the networks draw to 720 lines: pictures two and a half times as large a side.

A residual network works at the small size and puts out five by five pixels for each, of which two by two are averaged
(sub-pixel convolution: Shi et al., 2016). It starts as bicubic interpolation. Trained on what the autoencoder makes of
renders, beside the same renders in large, it also cleans what the decoder has smeared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from generator.dit.autoencoder import ResidualBlock
from generator.model import RGB

FACTOR = Fraction(5, 2)


class Upscaler(nn.Module):
    """``blocks`` residual blocks of ``width`` channels."""

    def __init__(self, width: int = 32, blocks: int = 4) -> None:
        super().__init__()
        self.enter = nn.Conv2d(3, width, 5, padding=2)
        self.blocks = nn.ModuleList(ResidualBlock(width) for _ in range(blocks))
        self.leave = nn.Conv2d(width, 3 * FACTOR.numerator**2, 3, padding=1)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    def forward(self, small: Tensor) -> Tensor:
        """Pictures [B, 3, h, w] in [-1, 1], h and w even, as pictures [B, 3, 5h/2, 5w/2]."""
        x = self.enter(small)
        for block in self.blocks:
            x = block(x)
        fine = F.avg_pool2d(F.pixel_shuffle(self.leave(x), FACTOR.numerator), FACTOR.denominator)
        plain = F.interpolate(small, scale_factor=float(FACTOR), mode="bicubic", align_corners=False)
        return plain + fine


def upscaled(network: Upscaler, chunks: Iterable[RGB]) -> Iterator[RGB]:
    """Chunks of frames, uint8 [T, h, w, 3], in large: uint8 [T, 5h/2, 5w/2, 3]."""
    device = network.leave.weight.device
    for chunk in chunks:
        small = torch.from_numpy(chunk).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1
        large = torch.cat([network(frame[None]) for frame in small])  # one at a time: memory does not grow with chunks
        yield ((large.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def reduced(rgb: RGB, size: tuple[int, int]) -> RGB:
    """Frames, uint8 [T, H, W, 3], by averages of areas at ``size``, width and height."""
    large = torch.from_numpy(rgb).permute(0, 3, 1, 2).float()
    return F.interpolate(large, size[::-1], mode="area").round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
