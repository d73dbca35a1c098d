"""Pieces of a clip: what was sampled, and how it is decoded, painted, filmed and lit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from generator.dit.camera import Camera
from generator.dit.canvas import Canvas
from generator.dit.cast import Actor
from generator.dit.light import lit
from generator.dit.networks import Networks
from generator.dit.places import GROUP
from generator.model import RGB
from generator.world.cinematography import Light


@dataclass(frozen=True)
class Piece:
    """Latents [G, C, h, w] of the background of ``frames`` frames, the ``cast`` that is painted on it, farthest first,
    and whether the first latent frame is a single frame.

    ``carried`` are pictures [3, H, W] of what the code lost of given frames, each with its weight in every frame,
    [frames]. A ``camera`` that moves sees a part of it. ``lights`` other than day have a weight in every frame too.
    """

    latents: Tensor
    cast: tuple[Actor, ...]
    frames: int
    starts: bool
    carried: tuple[tuple[Tensor, Tensor], ...] = ()
    camera: Camera | None = None
    lights: tuple[tuple[Light, Tensor], ...] = ()

    def grouped(self, track: Tensor) -> Tensor:
        """What holds for every frame, [frames, ...], for every latent frame, [G, 4, ...]."""
        track = torch.cat((track[:1].expand(GROUP - 1, *track.shape[1:]), track)) if self.starts else track
        missing = GROUP * len(self.latents) - len(track)
        grouped: Tensor = torch.cat((track, track[-1:].expand(missing, *track.shape[1:]))).unflatten(0, (-1, GROUP))
        return grouped


def shown(networks: Networks, piece: Piece) -> Iterator[Tensor]:
    """Decoded chunks [T, 3, H, W] in [-1, 1] of the canvas that is seen, as the camera sees them."""
    tracks = [(piece.grouped(actor.pose), piece.grouped(actor.seen)) for actor in piece.cast]
    carried = [(picture, piece.grouped(weight.to(picture.device))) for picture, weight in piece.carried]
    left = piece.frames
    for i, latents in enumerate(piece.latents[:, None]):
        group = networks.autoencoder.decode_groups(latents)
        for picture, weights in carried:
            group = group + picture * weights[i][:, None, None, None]
        for actor, (pose, seen) in zip(piece.cast, tracks, strict=True):
            mirrored = torch.tensor([actor.mirrored], device=pose.device)
            group = networks.painter(group, actor.words[None], pose[i][None], mirrored, seen[i][None])
        frames = group[0].clamp(-1, 1)
        chunk = (frames[GROUP - 1 :] if piece.starts and i == 0 else frames)[:left]
        first = piece.frames - left
        left -= len(chunk)
        if len(chunk):
            yield chunk if piece.camera is None else piece.camera.look(chunk, first)


def finished(networks: Networks, piece: Piece, canvas: Canvas) -> Iterator[RGB]:
    """Chunks of the picture that stands on ``canvas``, in its light: uint8 [T, height, width, 3]."""
    first = 0
    for chunk in shown(networks, piece):
        span = slice(first, first := first + len(chunk))
        picture = lit(canvas.picture(chunk), [(light, weight[span]) for light, weight in piece.lights])
        yield ((picture + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
