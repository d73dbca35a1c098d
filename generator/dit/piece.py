"""Pieces of a clip: what was sampled, and how it is decoded, filmed and lit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from generator.dit.camera import Camera
from generator.dit.canvas import Canvas
from generator.dit.light import lit
from generator.dit.networks import Networks
from generator.dit.places import GROUP, off_subject
from generator.model import RGB
from generator.world.cinematography import Light


@dataclass(frozen=True)
class Cast:
    """Subjects that are painted on a background: ``plans`` [S, frames, 3], ``words`` int64 [S, W], and their ``order``,
    which begins with what is farthest away.
    """

    plans: Tensor
    words: Tensor
    order: tuple[int, ...] = (0,)


@dataclass(frozen=True)
class Piece:
    """Latents [G, C, h, w] of ``frames`` frames, the ``plan`` [frames, 3] of the subject in them, and whether the first
    latent frame is a single frame. With a ``cast`` the latents show the background alone, and the plan is its first's.

    ``carried`` are pictures [3, H, W] of what the code lost of given frames beside it, each with its weight in every
    frame, [frames]. A ``camera`` that moves sees a part of it. ``lights`` other than day have a weight in every frame
    too.
    """

    latents: Tensor
    plan: Tensor
    frames: int
    starts: bool
    cast: Cast | None = None
    carried: tuple[tuple[Tensor, Tensor], ...] = ()
    camera: Camera | None = None
    lights: tuple[tuple[Light, Tensor], ...] = ()

    @property
    def seen(self) -> Tensor:
        """The plan [frames, 3] of the picture that is seen."""
        return self.plan if self.camera is None else self.camera.seen(self.plan)

    def places(self, plan: Tensor) -> Tensor:
        """``plan`` [frames, 3] for every latent frame, [G, 4, 3]."""
        plan = torch.cat((plan[:1].expand(GROUP - 1, -1), plan)) if self.starts else plan
        missing = GROUP * len(self.latents) - len(plan)
        places: Tensor = torch.cat((plan, plan[-1:].expand(missing, -1))).unflatten(0, (-1, GROUP))
        return places


def shown(networks: Networks, piece: Piece) -> Iterator[Tensor]:
    """Decoded chunks [T, 3, H, W] in [-1, 1] of the canvas that is seen, as the camera sees them."""
    cast = piece.cast
    plans = torch.stack([piece.places(plan) for plan in (piece.plan[None] if cast is None else cast.plans)])
    left = piece.frames
    for i, latents in enumerate(piece.latents[:, None]):
        places = plans[:, i, None]
        if cast is None:
            group = networks.autoencoder.decode_groups(latents, places[0])
        else:
            group = networks.autoencoder.decode_layers(latents, places, cast.words[:, None], cast.order)
        group = group[0].clamp(-1, 1)
        chunk = (group[GROUP - 1 :] if piece.starts and i == 0 else group)[:left]
        first = piece.frames - left
        left -= len(chunk)
        if len(chunk):
            whole = _with_carried(chunk, piece, first)
            yield whole if piece.camera is None else piece.camera.look(whole, first)


def finished(networks: Networks, piece: Piece, canvas: Canvas) -> Iterator[RGB]:
    """Chunks of the picture that stands on ``canvas``, in its light: uint8 [T, height, width, 3]."""
    first = 0
    for chunk in shown(networks, piece):
        span = slice(first, first := first + len(chunk))
        picture = lit(canvas.picture(chunk), [(light, weight[span]) for light, weight in piece.lights])
        yield ((picture + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def _with_carried(chunk: Tensor, piece: Piece, first: int) -> Tensor:
    """``chunk``, the frames of ``piece`` from ``first``, with what is carried over from given frames."""
    rows, columns = chunk.shape[2:]
    span = slice(first, first + len(chunk))
    for picture, weight in piece.carried:
        share = weight[span, None, None, None].to(chunk.device) * off_subject(piece.plan[span], rows, columns)
        chunk = chunk + share * picture
    return chunk.clamp(-1, 1)
