"""Clips that the benchmarks of the generator look at: frames of the bundled model, and renders of known truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from generator.backends.bundled import BundledModel
from generator.dit.autoencoder import STRIDE
from generator.dit.camera import Camera
from generator.dit.canvas import Canvas
from generator.dit.light import graded
from generator.dit.pairs import arranged, drawing_order
from generator.model import RGB, Inputs
from generator.request import GenerationRequest
from generator.world.cinematography import Light, Move
from generator.world.clips import FPS, Clip, ClipSpec, render, track, turned
from generator.world.relations import Link
from generator.world.scenes import scene_of
from generator.world.sprites import Sprite

SIDE = 256
FRAMES = 25


def sampled(request: GenerationRequest, inputs: Inputs | None = None, *, model: BundledModel | None = None) -> RGB:
    """All frames that ``model``, by default the full one, makes for ``request``."""
    chunks = (model or BundledModel()).sample(
        request,
        inputs or Inputs(),
        on_progress=lambda *_: None,
        on_notice=lambda _: None,
        cancelled=lambda: False,
    )
    return np.concatenate(list(chunks))


def signal(frames: RGB) -> Tensor:
    """uint8 [T, H, W, 3] to [T, 3, H, W] in [-1, 1]."""
    return torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1


def rgb(frames: Tensor) -> RGB:
    """Inverse of `signal`."""
    out: RGB = ((frames + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return out


def psnr(one: RGB, two: RGB) -> float:
    """Peak signal-to-noise ratio of R'G'B' pictures, in dB; infinite where they are the same to the bit."""
    error = np.square(one.astype(np.float64) - two).mean()
    return float(10 * np.log10(255**2 / error)) if error else float("inf")


def filmed(spec: ClipSpec, move: Move) -> RGB:
    """A render of ``spec`` seen by a camera whose ``move`` is known."""
    if move == "still":
        return render(spec, frames=FRAMES).frames
    camera = Camera(Canvas(SIDE, SIDE), move, FRAMES, seed=spec.seed)
    plan = camera.onto(torch.from_numpy(track(spec, FRAMES))[None])
    width, height = camera.canvas.columns * STRIDE, camera.canvas.rows * STRIDE
    whole = signal(_drawn([spec], plan, [0], width=width, height=height))
    return rgb(camera.look(whole, torch.arange(FRAMES)))


def lit(spec: ClipSpec, light: Light) -> RGB:
    """A render of ``spec`` in a known ``light``."""
    return rgb(graded(signal(render(spec, frames=FRAMES).frames), light))


def related(specs: Sequence[ClipSpec], links: Sequence[Link]) -> tuple[RGB, Tensor]:
    """A render of two or three subjects over the scene of the first, placed as the model places its own, and where they
    are: [S, T, 3].
    """
    # As in generated clips, all move like the first.
    tracks = [track(ClipSpec(s.subject, s.colour, specs[0].motion, s.scene, s.seed), FRAMES) for s in specs]
    plans = arranged(torch.from_numpy(np.stack(tracks)), links)
    return _drawn(specs, plans, drawing_order(links), width=SIDE, height=SIDE), plans


def covered(clip: Clip) -> npt.NDArray[np.bool_]:
    """Where the subject of a render covers at least half of a pixel, [T, H, W]."""
    black, white = np.zeros_like(clip.frames), np.full_like(clip.frames, 255)
    for frames in (black, white):
        _composite(frames, clip.spec, clip.track, motion=clip.spec.motion)
    out: npt.NDArray[np.bool_] = (white[..., 0].astype(np.int16) - black[..., 0]) < 128
    return out


def _drawn(specs: Sequence[ClipSpec], plans: Tensor, order: Sequence[int], *, width: int, height: int) -> RGB:
    """Subjects of ``specs`` along ``plans`` [S, T, 3], drawn in this ``order`` over the scene of the first, all of them
    turned and facing as its motion says.
    """
    scene = scene_of(specs[0].scene, height, width, np.random.default_rng((specs[0].seed, 0)))
    out = np.stack([np.rint(scene.at(number / FPS) * 255).astype(np.uint8) for number in range(plans.shape[1])])
    for i in order:
        _composite(out, specs[i], plans[i].numpy(), motion=specs[0].motion)
    return out


def _composite(frames: RGB, spec: ClipSpec, plan: npt.NDArray[np.float32], *, motion: str) -> None:
    """Draw the subject of ``spec`` along ``plan`` [T, 3] onto ``frames``, in place."""
    _, height, width, _ = frames.shape
    sprite = Sprite(spec.subject, spec.colour, round(float(plan[0, 2]) * height), faces_left=motion == "left")
    angles = turned(motion, plan, aspect=width / height)
    for frame, (x, y, _), angle in zip(frames, plan, angles, strict=True):
        sprite.turned(float(angle)).composite(frame, float(x) * width, float(y) * height)
