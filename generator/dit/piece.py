"""Pieces of a clip: what was sampled, and how it is decoded, painted, filmed and lit."""

from __future__ import annotations

import math
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

    def onto(self, frames: Tensor, times: Tensor) -> Tensor:
        """``frames`` [1, T, 3, H, W] at ``times`` [T] with their share of what was lost; nothing of it where the scene
        has moved on.
        """
        moved = F.avg_pool2d((frames[0] - self.decoded).abs().mean(1, keepdim=True), 9, 1, 4)
        fits = (-((moved / STILL_FITS) ** 2)).exp()
        return frames + self.lost * fits * _share(self.weight, times).to(frames.device)[:, None, None, None]


@dataclass(frozen=True)
class Piece:
    """Latents [1 + G, C, h, w] of the background of ``frames`` frames: of the first frame, or where a piece goes on
    from another and does not ``start`` with it, of the frame before, and of every fourth one after. The ``cast`` is
    painted on it, farthest first.

    ``carried`` is what the code lost of given frames. A ``camera`` that moves sees a part of it. ``lights`` other than
    day have a weight in every frame, [frames]. Frames are those of `generator.world.clips.FPS`; what is `shown` may be
    of any times between them.
    """

    latents: Tensor
    cast: tuple[Actor, ...]
    frames: int
    start: bool
    carried: tuple[Carried, ...] = ()
    camera: Camera | None = None
    lights: tuple[tuple[Light, Tensor], ...] = ()


def between(track: Tensor, times: Tensor) -> Tensor:
    """What holds for every frame, [frames, ...], at ``times`` [T] in frames from the first: [T, ...]. What changes goes
    on evenly from one frame to the next, and so beyond the first and the last.
    """
    if len(track) == 1:
        return track.expand(len(times), *track.shape[1:])
    before = times.floor().long().clamp(0, len(track) - 2)
    way = (times - before).to(track).reshape(-1, *[1] * (track.dim() - 1))
    before = before.to(track.device)
    there: Tensor = track[before].lerp(track[before + 1], way)
    return there


def _share(track: Tensor, times: Tensor) -> Tensor:
    """As `between`, of shares from 0 to 1."""
    return between(track, times).clamp(0, 1)


def _scene(autoencoder: Autoencoder, piece: Piece) -> Iterator[Tensor]:
    """What stands behind the cast in every fifth frame and the four that lead on to the next, [5, 3, H, W]. The first
    five all show the first frame of a piece that starts with it.
    """
    codes = piece.latents.split(1)
    last = autoencoder.decode_groups(codes[0], codes[0])[:, -1]
    if piece.start:
        yield last.expand(1 + GROUP, -1, -1, -1)
    for before, latents in pairwise(codes):
        group = torch.cat((last[:, None], led_on(autoencoder.decode_groups(before, latents), last)), dim=1)
        yield group[0]
        last = group[:, -1]


def shown(networks: Networks, piece: Piece, times: Tensor | None = None) -> Iterator[Tensor]:
    """Decoded chunks [T, 3, H, W] in [-1, 1] of the canvas that is seen, as the camera sees them.

    They are what is to be seen at ``times``, float64, rising, in frames from the piece's first; by default in all its
    frames. Between two frames the scene is a fade, which is as near to what it should be as they are themselves;
    cast, camera and light are faster than that, and are where they should be.
    """
    if times is None:
        times = torch.arange(piece.frames, dtype=torch.float64)
    first = -GROUP if piece.start else -1  # where the first five frames begin
    scenes = list(range(first, first + GROUP * (len(piece.latents) - (not piece.start)), GROUP))
    for begin, scene in zip(scenes, _scene(networks.autoencoder, piece), strict=True):
        end = begin + GROUP if begin != scenes[-1] else math.inf
        now = times[(times > begin) & (times <= end)]
        if not len(now):
            continue
        frames = between(scene, (now - begin).clamp(max=GROUP))[None]
        for carried in piece.carried:
            frames = carried.onto(frames, now)
        for actor in piece.cast:
            frames = _painted(networks, frames, actor, now)
        picture = frames[0].clamp(-1, 1)
        yield picture if piece.camera is None else piece.camera.look(picture, now)


def _painted(networks: Networks, frames: Tensor, actor: Actor, times: Tensor) -> Tensor:
    """``frames`` [1, T, 3, H, W] with an actor on top, as he is at ``times`` [T]."""
    pose, seen = between(actor.pose, times), _share(actor.seen, times)
    mirrored = torch.tensor([actor.mirrored], device=pose.device)
    painted: Tensor = networks.painter(frames, actor.words[None], pose[None], mirrored, seen[None])
    return painted


def thumbnail(networks: Networks, latents: Tensor, cast: tuple[Actor, ...], frame: int) -> RGB:
    """The frame of these ``latents`` [C, h, w] with a ``cast`` on it, by day: uint8 [2h, 2w, 3]."""
    large = F.interpolate(networks.autoencoder.thumbnail(latents[None]), scale_factor=2, mode="bilinear")[None]
    for actor in cast:
        large = _painted(networks, large, actor, torch.tensor([min(frame, len(actor.pose) - 1)]))
    picture = F.avg_pool2d(large[0, 0], 2).clamp(-1, 1)
    small: RGB = ((picture + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return small


def finished(networks: Networks, piece: Piece, canvas: Canvas, times: Tensor) -> Iterator[RGB]:
    """Chunks of the picture that stands on ``canvas`` at ``times``, in its light: uint8 [T, height, width, 3]."""
    first = 0
    for chunk in shown(networks, piece, times):
        now = times[first : first + len(chunk)]
        first += len(chunk)
        picture = lit(canvas.picture(chunk), [(light, _share(weight, now)) for light, weight in piece.lights])
        yield ((picture + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
