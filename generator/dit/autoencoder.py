"""Video autoencoder: every fourth frame to a grid of latents 16 times smaller per side, and back to all frames.

The encoder is closed-form: a principal component projection of blocks of 16 x 16 pixels, fitted in seconds. The decoder
starts from the transposed projection of two neighbouring codes, faded into each other over the frames that lead from
one to the next, and adds a convolutional network trained to see across block borders, to make a movement of what is a
fade, and to ignore noise on the latents, so that small errors of the diffusion model do not show. The network sees a
frame with a code twice, with the code before it and with the one after, and not quite alike: `led_on` lets one turn
into the other. All this is made for scenes: subjects are faster and have more detail, and are painted on top
(`generator.dit.painter`).

A frame is coded without its neighbours and decoded with the code before it, never a later one: any length, cut, loop or
stream is exact in latent space, and a still image is a video of one latent frame. A clip of 1 + 4n frames has 1 + n
latent frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from generator.dit.places import GROUP

STRIDE = 16
_COLOURS = 3


@dataclass(frozen=True)
class AutoencoderConfig:
    """Channel counts: ``latent`` of the code, ``decoder`` at strides 16, 8 and 4."""

    latent: int = 24
    decoder: tuple[int, int, int] = (256, 128, 64)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions on a per-pixel normalised input; starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape."""
        scale = torch.rsqrt(x.float().square().mean(1, keepdim=True) + 1e-6).to(x.dtype)
        y: Tensor = self.second(F.silu(self.first(x * scale)))
        return x + y


class Autoencoder(nn.Module):
    """``encode`` and ``decode`` between frames and latents; see the module docstring."""

    mean: Tensor
    basis: Tensor
    scale: Tensor

    def __init__(self, config: AutoencoderConfig | None = None) -> None:
        super().__init__()
        self.config = config or AutoencoderConfig()
        d16, d8, d4 = self.config.decoder
        # An orthonormal basis [C, 3, 16, 16] of blocks, the mean colour, and the scale of each latent.
        self.register_buffer("mean", torch.zeros(_COLOURS))
        self.register_buffer("basis", torch.zeros(self.config.latent, _COLOURS, STRIDE, STRIDE))
        self.register_buffer("scale", torch.ones(self.config.latent))
        self.refine = nn.Sequential(
            nn.Conv2d(2 * self.config.latent, d16, 3, padding=1),
            ResidualBlock(d16),
            ResidualBlock(d16),
            nn.Conv2d(d16, d8 * 4, 1),
            nn.PixelShuffle(2),
            ResidualBlock(d8),
            ResidualBlock(d8),
            nn.Conv2d(d8, d4 * 4, 1),
            nn.PixelShuffle(2),
            ResidualBlock(d4),
            nn.SiLU(),
            nn.Conv2d(d4, (1 + GROUP) * _COLOURS * 16, 3, padding=1),
            nn.PixelShuffle(4),
        )
        nn.init.zeros_(self.refine[-2].weight)  # type: ignore[arg-type]  # indexing a Sequential loses the type
        nn.init.zeros_(self.refine[-2].bias)  # type: ignore[arg-type]

    @torch.no_grad()
    def fit(self, frames: Tensor) -> None:
        """Set the projection from sample frames [B, 3, H, W]: the principal components of their blocks.

        The basis is fitted at half resolution, which the eye hardly misses at this rate and is 4 times cheaper.
        Latents are divided by the square root of their standard deviation: half way between equal error in pixels
        and equal error in every component.
        """
        half = F.avg_pool2d(frames, 2)
        side = STRIDE // 2
        self.mean.copy_(half.mean((0, 2, 3)))
        blocks = rearrange(half - self.mean[:, None, None], "b c (h p) (w q) -> (b h w) (c p q)", p=side, q=side)
        values, vectors = torch.linalg.eigh(blocks.T @ blocks / len(blocks))
        top = vectors.T.flip(0)[: self.config.latent].reshape(-1, _COLOURS, side, side)
        self.basis.copy_(top.repeat_interleave(2, 2).repeat_interleave(2, 3) / 2)  # still orthonormal
        deviation = (values.flip(0)[: self.config.latent] * 4).sqrt()  # a full-size block has 4 times the energy
        scale = deviation.sqrt()
        self.scale.copy_(scale * (deviation / scale).square().mean().sqrt())  # latents have variance 1 over all

    def encode_frames(self, frames: Tensor) -> Tensor:
        """Frames [B, 3, H, W] in [-1, 1], each by itself, to latents [B, C, H/16, W/16]."""
        centred = frames - self.mean[:, None, None]
        return F.conv2d(centred, self.basis, stride=STRIDE) / self.scale[:, None, None]

    def decode_groups(self, before: Tensor, latents: Tensor) -> Tensor:
        """The frame coded ``before``, and the four that lead on to that of ``latents`` and end with it: of [B, C, h, w]
        each to [B, 5, 3, 16h, 16w], about [-1, 1].
        """
        start, end = (
            F.conv_transpose2d(code * self.scale[:, None, None], self.basis, stride=STRIDE)[:, None]
            for code in (before, latents)
        )
        way = torch.linspace(0, 1, 1 + GROUP, device=latents.device)[:, None, None, None]
        detail = self.refine(torch.cat((before, latents), dim=1))
        detail = rearrange(detail, "b (t c) h w -> b t c h w", t=1 + GROUP)
        groups: Tensor = start + (end - start) * way + self.mean[:, None, None] + detail
        return groups

    def thumbnail(self, latents: Tensor) -> Tensor:
        """Coarse pictures [B, 3, 2h, 2w] of latents [B, C, h, w], at hardly any cost: the mean of every 8 x 8 pixels,
        without what the network adds.
        """
        basis = F.avg_pool2d(self.basis, STRIDE // 2)
        linear = F.conv_transpose2d(latents * self.scale[:, None, None], basis, stride=2)
        coarse: Tensor = linear + self.mean[:, None, None]
        return coarse

    def encode(self, video: Tensor) -> Tensor:
        """Video [B, 1 + 4n, 3, H, W] in [-1, 1] to latents [B, 1 + n, C, H/16, W/16]."""
        if (video.shape[1] - 1) % GROUP:
            raise ValueError(f"a clip has 1 + {GROUP}n frames, not {video.shape[1]}")
        latents: Tensor = self.encode_frames(video[:, ::GROUP].flatten(0, 1)).unflatten(0, (len(video), -1))
        return latents

    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B, 1 + n, C, h, w] to video [B, 1 + 4n, 3, 16h, 16w], clamped to [-1, 1]."""
        before = torch.cat((latents[:, :1], latents[:, :-1]), dim=1)
        groups = self.decode_groups(before.flatten(0, 1), latents.flatten(0, 1)).unflatten(0, (len(latents), -1))
        led = [led_on(group, earlier[:, -1]) for earlier, group in pairwise(groups.unbind(1))]
        return torch.cat((groups[:, 0, -1:], *led), dim=1).clamp(-1, 1)


def led_on(group: Tensor, last: Tensor) -> Tensor:
    """The four frames [B, 4, 3, H, W] of a decoded ``group`` [B, 5, 3, H, W] after its first, which was shown already
    as ``last`` [B, 3, H, W]: what that differs by fades until the last of them.
    """
    rest = torch.linspace(1, 0, 1 + GROUP, device=group.device)[1:, None, None, None]
    return group[:, 1:] + (last - group[:, 0])[:, None] * rest
