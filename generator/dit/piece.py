"""Pieces of a clip: what was sampled, and how it is decoded, painted, filmed and lit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from generator.dit.autoencoder import Autoencoder, led_on
from generator.dit.camera import Camera
from generator.dit.canvas import Canvas
from generator.dit.cast import Actor
from generator.dit.light import lit
from generator.dit.networks import Networks
from generator.dit.places import GROUP
from generator.model import RGB
from generator.world.cinematography import Light

STILL_FITS = 0.06  # of the range of 2: how far a picture may have moved on before detail of a given frame fits no more


@dataclass(frozen=True)
class Carried:
    """What the code has ``lost`` of a given frame that is ``decoded`` as it is, [3, H, W] each, and with which
    ``weight`` it is put back in every frame, [frames].
    """

    lost: Tensor
    decoded: Tensor
    weight: Tensor

    def onto(self, group: Tensor, weights: Tensor) -> Tensor:
        """``group`` [1, 4, 3, H, W] with its share, ``weights`` [4], of what was lost; nothing of it where the scene
        has moved on.
        """
        moved = F.avg_pool2d((group[0] - self.decoded).abs().mean(1, keepdim=True), 9, 1, 4)
        fits = (-((moved / STILL_FITS) ** 2)).exp()
        return group + self.lost * fits * weights.to(group.device)[:, None, None, None]


@dataclass(frozen=True)
class Piece:
    """Latents [1 + G, C, h, w] of the background of ``frames`` frames: of the first frame, or where a piece goes on
    from another and does not ``start`` with it, of the frame before, and of every fourth one after. The ``cast`` is
    painted on it, farthest first.

    ``carried`` is what the code lost of given frames. A ``camera`` that moves sees a part of it. ``lights`` other than
    day have a weight in every frame, [frames].
    """

    latents: Tensor
    cast: tuple[Actor, ...]
    frames: int
    start: bool
    carried: tuple[Carried, ...] = ()
    camera: Camera | None = None
    lights: tuple[tuple[Light, Tensor], ...] = ()

    def grouped(self, track: Tensor) -> Tensor:
        """What holds for every frame, [frames, ...], for every group of four frames, [G, 4, ...]."""
        track = torch.cat((track[:1].expand(GROUP - 1, *track.shape[1:]), track)) if self.start else track
        missing = GROUP * (len(self.latents) - (not self.start)) - len(track)
        grouped: Tensor = torch.cat((track, track[-1:].expand(missing, *track.shape[1:]))).unflatten(0, (-1, GROUP))
        return grouped


def _scene(autoencoder: Autoencoder, piece: Piece) -> Iterator[Tensor]:
    """What stands behind the cast in every group of four frames, [1, 4, 3, H, W]; the first frame fills its group."""
    codes = piece.latents.split(1)
    last = autoencoder.decode_groups(codes[0], codes[0])[:, -1]
    if piece.start:
        yield last[:, None].expand(-1, GROUP, -1, -1, -1)
    for before, latents in pairwise(codes):
        decoded = autoencoder.decode_groups(before, latents)
        yield led_on(decoded, last)
        last = decoded[:, -1]


def shown(networks: Networks, piece: Piece) -> Iterator[Tensor]:
    """Decoded chunks [T, 3, H, W] in [-1, 1] of the canvas that is seen, as the camera sees them."""
    tracks = [(piece.grouped(actor.pose), piece.grouped(actor.seen)) for actor in piece.cast]
    weights = [piece.grouped(carried.weight) for carried in piece.carried]
    left = piece.frames
    for i, scene in enumerate(_scene(networks.autoencoder, piece)):
        group = scene
        for carried, weight in zip(piece.carried, weights, strict=True):
            group = carried.onto(group, weight[i])
        for actor, (pose, seen) in zip(piece.cast, tracks, strict=True):
            group = _painted(networks, group, actor, pose[i], seen[i])
        frames = group[0].clamp(-1, 1)
        chunk = (frames[GROUP - 1 :] if piece.start and i == 0 else frames)[:left]
        first = piece.frames - left
        left -= len(chunk)
        if len(chunk):
            yield chunk if piece.camera is None else piece.camera.look(chunk, first)


def _painted(networks: Networks, group: Tensor, actor: Actor, pose: Tensor, seen: Tensor) -> Tensor:
    """Four frames, [1, 4, 3, H, W], with an actor in a ``pose`` [4, 4] on top, as much ``seen`` as [4] says."""
    mirrored = torch.tensor([actor.mirrored], device=pose.device)
    painted: Tensor = networks.painter(group, actor.words[None], pose[None], mirrored, seen[None])
    return painted


def thumbnail(networks: Networks, latents: Tensor, cast: tuple[Actor, ...], frame: int) -> RGB:
    """The frame of these ``latents`` [C, h, w] with a ``cast`` on it, by day: uint8 [2h, 2w, 3]."""
    large = F.interpolate(networks.autoencoder.thumbnail(latents[None]), scale_factor=2, mode="bilinear")
    group = large[:, None].expand(-1, GROUP, -1, -1, -1)
    for actor in cast:
        at = min(frame, len(actor.pose) - 1)
        group = _painted(networks, group, actor, actor.pose[at].expand(GROUP, -1), actor.seen[at].expand(GROUP))
    picture = F.avg_pool2d(group[0, 0], 2).clamp(-1, 1)
    small: RGB = ((picture + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return small


def finished(networks: Networks, piece: Piece, canvas: Canvas) -> Iterator[RGB]:
    """Chunks of the picture that stands on ``canvas``, in its light: uint8 [T, height, width, 3]."""
    first = 0
    for chunk in shown(networks, piece):
        span = slice(first, first := first + len(chunk))
        picture = lit(canvas.picture(chunk), [(light, weight[span]) for light, weight in piece.lights])
        yield ((picture + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
