"""The diffusion transformer: noisy latents, noise levels and concept tokens in, clean latents of a moving scene out.

Subjects are not its business: `generator.dit.planner` says how they move, `generator.dit.painter` what they look like.

A convolutional stem and head work on the latent grid, where neighbours must agree; between them a transformer works on
patches of it, where the whole clip is seen at once. The head predicts the clean latents themselves (x-prediction: Li
and He, "Back to Basics: Let Denoising Generative Models Denoise", 2025), so a patch may be wider than the model.
Blocks follow DiT (Peebles and Xie, 2023) with one adaLN projection shared by all blocks (adaLN-single: PixArt-alpha,
Chen et al., 2023), normalised queries and keys, and rotary positions in time, height and width.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from generator.dit.autoencoder import ResidualBlock
from generator.dit.share import Share


@dataclass(frozen=True)
class TransformerConfig:
    """Sizes: ``words`` known concepts; ``latent`` channels in and out; ``patch`` latent pixels per token side;
    ``local`` and ``head`` channels of the convolutions before and after the blocks, whose sizes are ``width``,
    ``depth`` and ``heads``.
    """

    words: int
    latent: int = 24
    patch: int = 4
    local: int = 32
    head: int = 48
    width: int = 192
    depth: int = 8
    heads: int = 3


def timestep_embedding(level: Tensor, width: int) -> Tensor:
    """Sines and cosines of a noise level in [0, 1]: [...] to [..., width] (Vaswani et al., 2017)."""
    half = width // 2
    frequencies = torch.exp(-torch.arange(half, device=level.device) * (9.21 / half))  # 1 down to 1/10000
    angles = level[..., None].float() * 1000 * frequencies
    return torch.cat((angles.cos(), angles.sin()), dim=-1)


def rotary_angles(frames: int, rows: int, columns: int, head_width: int, device: torch.device) -> Tensor:
    """Rotation angle of every token and channel pair, [frames, rows * columns, head_width / 2].

    A quarter of the pairs turns with time, the rest equally with height and width (RoFormer, Su et al., 2021).
    """
    pairs = head_width // 2
    shares = (pairs - 2 * (3 * pairs // 8), 3 * pairs // 8, 3 * pairs // 8)
    grid = torch.meshgrid(*(torch.arange(n, device=device) for n in (frames, rows, columns)), indexing="ij")
    angles = [
        axis.flatten()[:, None] * torch.exp(-torch.arange(n, device=device) / n * 4.6)  # wavelengths 6 to 600 tokens
        for axis, n in zip(grid, shares, strict=True)
    ]
    by_frame: Tensor = torch.cat(angles, dim=-1).unflatten(0, (frames, -1))
    return by_frame


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn channel pairs of ``x`` [B, heads, frames, tokens, head_width] by the angles of each token."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1)


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Scaled dot-product attention, [B, heads, tokens, head_width].

    Up to a few hundred tokens, two matrix products are a third faster on a CPU than torch's fused kernel; beyond
    that, and on a GPU, the fused kernel saves the memory of the score matrix.
    """
    if q.is_cpu and q.shape[2] <= 512:
        scores = (q @ k.transpose(-1, -2)) * q.shape[-1] ** -0.5
        mixed: Tensor = scores.softmax(-1).to(v.dtype) @ v
        return mixed
    return F.scaled_dot_product_attention(q, k, v)


class Block(nn.Module):
    """Attention over all video tokens and the concept tokens, then a feed-forward; both modulated per latent frame."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.modulation = nn.Parameter(torch.zeros(6, width))
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.text_kv = nn.Linear(width, 2 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(
        self, x: Tensor, condition: Tensor, text: Tensor, cos: Tensor, sin: Tensor, whole: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """x [B, N, P, D] (frames, tokens a frame); condition [B, N, 6, D]; text [B, L, D]; cos and sin [N, P, d / 2].

        ``whole`` turns something about these tokens, [..., P, d], into the same about those of all processes.
        """
        shift1, scale1, gate1, shift2, scale2, gate2 = (condition + self.modulation).unsqueeze(3).unbind(2)
        n = x.shape[1]
        width = x.shape[-1:]

        h = F.layer_norm(x, width) * (1 + scale1) + shift1
        q, k, v = rearrange(self.qkv(h), "b n p (three h d) -> three b h n p d", three=3, h=self.heads)
        tk, tv = rearrange(self.text_kv(text), "b l (two h d) -> two b h l d", two=2, h=self.heads)
        head = q.shape[-1:]
        q = rotate(F.rms_norm(q, head), cos, sin).to(v.dtype).flatten(2, 3)
        k = whole(rotate(F.rms_norm(k, head), cos, sin).to(v.dtype)).flatten(2, 3)
        v = whole(v).flatten(2, 3)
        k, v = torch.cat((k, F.rms_norm(tk, head).to(k.dtype)), dim=2), torch.cat((v, tv), dim=2)
        x = x + gate1 * self.out(rearrange(attention(q, k, v), "b h (n p) d -> b n p (h d)", n=n))

        h = F.layer_norm(x, width) * (1 + scale2) + shift2
        out: Tensor = x + gate2 * self.down(F.gelu(self.up(h), approximate="tanh"))
        return out


class LocalBlock(nn.Module):
    """Two 3x3 convolutions on the latent grid, modulated like a transformer block; starts as the identity."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(width, 2 * channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """x [B, C, h, w], condition [B, D]."""
        shift, scale = self.modulation(condition)[..., None, None].chunk(2, dim=1)
        normal = x * torch.rsqrt(x.float().square().mean(1, keepdim=True) + 1e-6).to(x.dtype)
        out: Tensor = x + self.second(F.silu(self.first(normal) * (1 + scale) + shift))
        return out


class VideoTransformer(nn.Module):
    """The whole network. Word 0 means "nothing said": it fills absent concepts and the unconditional branch."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.config = config
        self.share = Share()  # of several processes, each does its share of the blocks
        local, width, patch = config.local, config.width, config.patch
        self.stem = nn.Sequential(nn.Conv2d(config.latent, local, 3, padding=1), ResidualBlock(local))
        self.embed = nn.Linear(local * patch**2, width)
        self.words = nn.Embedding(config.words, width)
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.modulation = nn.Linear(width, 6 * width)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.unembed = nn.Linear(width, local * patch**2)
        self.head_in = nn.Conv2d(local, config.head, 3, padding=1)
        self.head = nn.ModuleList(LocalBlock(config.head, width) for _ in range(2))
        self.head_out = nn.Conv2d(config.head, config.latent, 3, padding=1)
        nn.init.normal_(self.words.weight, std=0.5)
        for name in ("modulation", "unembed", "head_out"):
            for parameter in self.get_submodule(name).parameters():
                nn.init.zeros_(parameter)

    def forward(self, noisy: Tensor, level: Tensor, words: Tensor) -> Tensor:
        """Clean latents [B, N, C, h, w] from noisy ones of the same shape.

        ``level`` [B, N] is the noise level of each latent frame, 0 (clean) to 1 (pure noise); ``words`` int64 [B, L].
        """
        batch, frames, _, h, w = noisy.shape
        p = self.config.patch
        if h % p or w % p:
            raise ValueError(f"latents are {h}x{w}; both sides must be multiples of {p}")
        fine = self.stem(rearrange(noisy, "b n c h w -> (b n) c h w"))
        x = self.embed(rearrange(fine, "(b n) c (h p) (w q) -> b n (h w) (c p q)", b=batch, p=p, q=p))

        text = self.words(words)
        condition = F.silu(self.time(timestep_embedding(level, self.config.width)) + text.sum(1, keepdim=True))
        modulation = rearrange(self.modulation(condition), "b n (six d) -> b n six d", six=6)
        angles = rotary_angles(frames, h // p, w // p, self.config.width // self.config.heads, noisy.device)
        whole = partial(self.share.whole, count=x.shape[2])
        x, cos, sin = (self.share.own(each) for each in (x, angles.cos(), angles.sin()))
        for block in self.blocks:
            x = block(x, modulation, text, cos, sin, whole)

        x = self.unembed(F.layer_norm(whole(x), x.shape[-1:]))
        coarse = rearrange(x, "b n (h w) (c p q) -> (b n) c (h p) (w q)", h=h // p, p=p, q=p)
        y = self.head_in(fine + coarse)
        for local in self.head:
            y = local(y, condition.flatten(0, 1))
        clean: Tensor = rearrange(self.head_out(F.silu(y)), "(b n) c h w -> b n c h w", b=batch)
        return clean
