"""Video autoencoder: groups of four frames to a grid of latents 16 times smaller per side, and back.

The encoder is closed-form: a principal component projection of blocks of 4 frames x 16 x 16 pixels, fitted in seconds.
The decoder starts from the transposed projection and adds a convolutional network trained to see across block borders
and to ignore noise on the latents, so that small errors of the diffusion model do not show. Where it is told where the
subject is in each frame, a painter looks at the smeared subject and draws it sharp, as a layer of its own on top: four
frames in one code are too few numbers for a fast subject, but it is the same subject in all of them.

A group is coded without its neighbours, so any length, cut, loop or stream is exact in latent space, and the code is
causal: the first frame of a clip is a group of its own (the frame repeated), so a still image is a video of one
latent frame. A clip of 1 + 4n frames has 1 + n latent frames.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor, nn

from generator.dit.places import GROUP, group_plan, place_maps
from generator.dit.text import WORDS

STRIDE = 16
CELL = 4  # pixels a side that the painter draws at once
_OFFSETS = (0, CELL // 2)
_PIXELS = GROUP * 3
_WAVES = tuple(math.pi * 2**i for i in range(6))
_EYE = 24  # pixels a side at which the painter looks at the subject
_REACH = 1.15  # half sizes from the centre of the subject to where it surely ends


@dataclass(frozen=True)
class AutoencoderConfig:
    """Channel counts: ``latent`` of the code, ``decoder`` at strides 16, 8 and 4. ``words`` that the painter knows."""

    latent: int = 16
    words: int = WORDS
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


class Painter(nn.Module):
    """The subject as a layer. One vector says what it looks like. It comes from the words of the prompt where they say
    it all; else what the convolutions made of it is looked at in all four frames, each moved so that the subject is in
    the middle. A perceptron turns the vector and the place of a cell on the subject into the cell's pixels and how much
    they cover.

    Detail of a place needs sines of many wavelengths (Tancik et al., "Fourier Features Let Networks Learn High
    Frequency Functions", 2020); the vector scales and shifts every layer (FiLM: Perez et al., 2018).
    """

    def __init__(self, words: int, look: int = 256, width: int = 128, depth: int = 3) -> None:
        super().__init__()
        self.most: int | None = None  # cells drawn at once; training needs not all, and is faster with one shape
        self.see = nn.Sequential(
            nn.Conv2d(_PIXELS, 48, 4, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(48, 96, 4, stride=2, padding=1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(96 * (_EYE // 4) ** 2, look),
            nn.SiLU(),
            nn.Linear(look, look),
        )
        self.said = nn.EmbeddingBag(words, look, mode="sum")
        self.hear = nn.Sequential(nn.SiLU(), nn.Linear(look, look), nn.SiLU(), nn.Linear(look, look))
        self.enter = nn.Linear(2 + 4 * len(_WAVES), width)
        self.modulation = nn.ModuleList(nn.Linear(look, 4 * width) for _ in range(depth))
        self.up = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(depth))
        self.down = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(depth))
        self.leave = nn.Linear(width, 4 * CELL**2)
        nn.init.zeros_(self.leave.weight)
        with torch.no_grad():
            self.leave.bias.copy_(torch.tensor([0.0, 0.0, 0.0, -3.0]).repeat_interleave(CELL**2))  # covers little

    def look(self, picture: Tensor, plan: Tensor) -> Tensor:
        """What the subject looks like, [B, look], in what was drawn without the painter; see `forward`."""
        height, width = picture.shape[3:]
        x, y, size = plan.flatten(0, 1)[..., None, None].unbind(1)
        axis = torch.linspace(-_REACH, _REACH, _EYE, device=plan.device) / 2 * size  # heights from the centre
        across, down = 2 * (x + axis * height / width) - 1, 2 * (y + axis.transpose(1, 2)) - 1
        grid = torch.stack(torch.broadcast_tensors(across, down), dim=-1)
        moved = F.grid_sample(picture.flatten(0, 1).float(), grid, padding_mode="border", align_corners=False)
        seen: Tensor = self.see(moved.unflatten(0, (-1, GROUP)).flatten(1, 2))
        return seen

    def told(self, words: Tensor) -> Tensor:
        """What a subject looks like, [B, look], by the words for it and how it moves, int64 [B, W]."""
        heard: Tensor = self.hear(self.said(words))
        return heard

    def forward(self, picture: Tensor, look: Tensor, plan: Tensor) -> Tensor:
        """``picture`` [B, 4, 3, H, W] with the subject on top: ``look`` [B, L] as `look` or `told` gives it, ``plan``
        [B, 4, 3] as `generator.dit.places.place_maps` takes it.
        """
        layer = self._layer if self.training else self._smooth
        colour, cover = layer(look, plan, *picture.shape[3:])
        out: Tensor = picture * (1 - cover) + colour
        return out

    def _smooth(self, look: Tensor, plan: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """The layer, averaged over grids of cells that lie half a cell apart, so that no borders of cells show."""
        larger = plan.new_tensor([width, height, height]) + CELL
        layers = []
        for down, across in product(_OFFSETS, repeat=2):
            moved = (plan * plan.new_tensor([width, height, height]) + plan.new_tensor([across, down, 0])) / larger
            layer = self._layer(look, moved, height + CELL, width + CELL)
            layers.append([part[..., down : down + height, across : across + width] for part in layer])
        colour, cover = (torch.stack(parts).mean(0) for parts in zip(*layers, strict=True))
        return colour, cover

    def _layer(self, look: Tensor, plan: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """The subject's colours, multiplied by how much they cover, [B, 4, 3, H, W], and that, [B, 4, 1, H, W]."""
        batch = len(plan)
        look = F.silu(look)
        rows, columns = height // CELL, width // CELL
        place = place_maps(plan, rows, columns).permute(0, 1, 3, 4, 2).reshape(-1, 3)  # of every cell [B * 4 * r * c]
        on = ((place[:, 2] > 0) & (place[:, :2].abs().amax(1) < _REACH)).nonzero()[:, 0]
        if self.most is not None:
            on = on[torch.randperm(len(on), device=on.device)[: self.most]]
        item = on // (GROUP * rows * columns)
        place = place[on, :2]
        h = self.enter(torch.cat((place, *(f(place * wave) for wave in _WAVES for f in (torch.sin, torch.cos))), dim=1))
        for modulation, up, down in zip(self.modulation, self.up, self.down, strict=True):
            scale, shift = modulation(look).index_select(0, item).chunk(2, dim=1)
            h = h + down(F.silu(up(F.rms_norm(h, h.shape[-1:])) * (1 + scale) + shift))
        colour, cover = self.leave(h).float().split((3 * CELL**2, CELL**2), dim=1)
        cover = cover.sigmoid()

        def spread(cells: Tensor) -> Tensor:
            """[K, c * CELL * CELL] of the cells that are drawn to pictures [B, 4, c, H, W], 0 elsewhere."""
            whole = cells.new_zeros(batch * GROUP * rows * columns, cells.shape[1]).index_add(0, on, cells)
            return rearrange(
                whole, "(b t h w) (c p q) -> b t c (h p) (w q)", b=batch, t=GROUP, h=rows, w=columns, p=CELL, q=CELL
            )

        return spread(colour * cover.repeat(1, 3)), spread(cover)


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
        self.painter = Painter(self.config.words)

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

    def decode_groups(self, latents: Tensor, plan: Tensor, words: Tensor | None = None) -> Tensor:
        """Latents [B, C, h, w] to frames [B, 4, 3, 16h, 16w], about [-1, 1]. ``plan`` [B, 4, 3] says where the subject
        is in each frame; size 0 where that is not known. ``words`` int64 [B, W] say all of what is shown, or are not
        given.
        """
        picture = self.drawn(latents)
        look = self.painter.look(picture, plan) if words is None else self.painter.told(words)
        painted: Tensor = self.painter(picture, look, plan)
        return painted

    def decode_layers(self, latents: Tensor, plans: Tensor, words: Tensor, order: Iterable[int]) -> Tensor:
        """Groups [B, 4, 3, 16h, 16w] whose latents [B, C, h, w] show the background alone. Subjects with ``plans``
        [S, B, 4, 3] and ``words`` int64 [S, B, W] are painted on it in ``order``, which begins with what is farthest.
        """
        picture = self.drawn(latents)
        for i in order:
            picture = self.painter(picture, self.painter.told(words[i]), plans[i])
        return picture

    def drawn(self, latents: Tensor) -> Tensor:
        """What is drawn by convolutions alone, [B, 4, 3, 16h, 16w]."""
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

    def decode(self, latents: Tensor, plan: Tensor, words: Tensor | None = None) -> Tensor:
        """Latents [B, 1 + n, C, h, w] to video [B, 1 + 4n, 3, 16h, 16w], clamped to [-1, 1]; ``plan`` [B, 1 + 4n, 3]
        says where the subject is in each frame, ``words`` int64 [B, W] all of what is shown, or are not given.
        """
        batch, count = latents.shape[:2]
        said = None if words is None else words.repeat_interleave(count, 0)
        groups = self.decode_groups(latents.flatten(0, 1), group_plan(plan).flatten(0, 1), said)
        video = rearrange(groups, "(b n) t c h w -> b (n t) c h w", b=batch)
        return video[:, GROUP - 1 :].clamp(-1, 1)
