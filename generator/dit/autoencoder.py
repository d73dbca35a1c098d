"""Video autoencoder: groups of four frames to a grid of latents 16 times smaller per side, and back.

The encoder is closed-form: a principal component projection of blocks of 4 frames x 16 x 16 pixels, fitted in seconds.
The decoder starts from the transposed projection and adds a convolutional network trained to see across block borders
and to ignore noise on the latents, so that small errors of the diffusion model do not show. Fast subjects come back
smeared, as four frames in one code are too few numbers for them: they are painted on top (`generator.dit.painter`).

A group is coded without its neighbours, so any length, cut, loop or stream is exact in latent space, and the code is
causal: the first frame of a clip is a group of its own (the frame repeated), so a still image is a video of one
latent frame. A clip of 1 + 4n frames has 1 + n latent frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from generator.dit.places import GROUP

STRIDE = 16
_PIXELS = GROUP * 3


@dataclass(frozen=True)
class AutoencoderConfig:
    """Channel counts: ``latent`` of the code, ``decoder`` at strides 16, 8 and 4."""

    latent: int = 16
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
        # An orthonormal basis [C, 12, 16, 16] of blocks, the mean block per channel, and the scale of each latent.
        self.register_buffer("mean", torch.zeros(_PIXELS))
        self.register_buffer("basis", torch.zeros(self.config.latent, _PIXELS, STRIDE, STRIDE))
        self.register_buffer("scale", torch.ones(self.config.latent))
        self.refine = nn.Sequential(
            nn.Conv2d(self.config.latent, d16, 3, padding=1),
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
            nn.Conv2d(d4, _PIXELS * 16, 3, padding=1),
            nn.PixelShuffle(4),
        )
        nn.init.zeros_(self.refine[-2].weight)  # type: ignore[arg-type]  # indexing a Sequential loses the type
        nn.init.zeros_(self.refine[-2].bias)  # type: ignore[arg-type]

    @torch.no_grad()
    def fit(self, groups: Tensor) -> None:
        """Set the projection from sample frames [B, 4, 3, H, W]: the principal components of their blocks.

        The basis is fitted at half resolution, which the eye hardly misses at this rate and is 4 times cheaper.
        Latents are divided by the square root of their standard deviation: half way between equal error in pixels
        and equal error in every component.
        """
        half = F.avg_pool2d(rearrange(groups, "b t c h w -> b (t c) h w"), 2)
        side = STRIDE // 2
        self.mean.copy_(half.mean((0, 2, 3)))
        blocks = rearrange(half - self.mean[:, None, None], "b c (h p) (w q) -> (b h w) (c p q)", p=side, q=side)
        values, vectors = torch.linalg.eigh(blocks.T @ blocks / len(blocks))
        top = vectors.T.flip(0)[: self.config.latent].reshape(-1, _PIXELS, side, side)
        self.basis.copy_(top.repeat_interleave(2, 2).repeat_interleave(2, 3) / 2)  # still orthonormal
        deviation = (values.flip(0)[: self.config.latent] * 4).sqrt()  # a full-size block has 4 times the energy
        scale = deviation.sqrt()
        self.scale.copy_(scale * (deviation / scale).square().mean().sqrt())  # latents have variance 1 over all

    def encode_groups(self, groups: Tensor) -> Tensor:
        """Frames [B, 4, 3, H, W] in [-1, 1] to latents [B, C, H/16, W/16]."""
        centred = rearrange(groups, "b t c h w -> b (t c) h w") - self.mean[:, None, None]
        return F.conv2d(centred, self.basis, stride=STRIDE) / self.scale[:, None, None]

    def decode_groups(self, latents: Tensor) -> Tensor:
        """Latents [B, C, h, w] to frames [B, 4, 3, 16h, 16w], about [-1, 1]."""
        linear = F.conv_transpose2d(latents * self.scale[:, None, None], self.basis, stride=STRIDE)
        out = linear + self.mean[:, None, None] + self.refine(latents)
        groups: Tensor = rearrange(out, "b (t c) h w -> b t c h w", t=GROUP)
        return groups

    def encode(self, video: Tensor) -> Tensor:
        """Video [B, 1 + 4n, 3, H, W] in [-1, 1] to latents [B, 1 + n, C, H/16, W/16]."""
        batch, frames = video.shape[:2]
        if (frames - 1) % GROUP:
            raise ValueError(f"a clip has 1 + {GROUP}n frames, not {frames}")
        padded = torch.cat((video[:, :1].expand(-1, GROUP - 1, -1, -1, -1), video), dim=1)
        groups = rearrange(padded, "b (n t) c h w -> (b n) t c h w", t=GROUP)
        return rearrange(self.encode_groups(groups), "(b n) c h w -> b n c h w", b=batch)

    def decode(self, latents: Tensor) -> Tensor:
        """Latents [B, 1 + n, C, h, w] to video [B, 1 + 4n, 3, 16h, 16w], clamped to [-1, 1]."""
        groups = self.decode_groups(latents.flatten(0, 1))
        video = rearrange(groups, "(b n) t c h w -> b (n t) c h w", b=len(latents))
        return video[:, GROUP - 1 :].clamp(-1, 1)
