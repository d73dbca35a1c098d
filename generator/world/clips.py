"""Rendering: a specification of a clip becomes frames, with the truth about them kept beside."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from generator.world.scenes import scene_of
from generator.world.sprites import Sprite
from generator.world.vocabulary import COLOURS, KINDS, MOTIONS, SCENES, SUBJECTS, Kind

FPS = 12
SPIN = 2.2  # seconds for a turn of what spins


@dataclass(frozen=True)
class ClipSpec:
    """What a clip shows. ``seed`` fixes everything the words leave open (place, size, speed, horizon)."""

    subject: str
    colour: str
    motion: str
    scene: str
    seed: int

    @property
    def concepts(self) -> dict[Kind, str]:
        """What the prompt for it names."""
        return {kind: getattr(self, kind) for kind in KINDS}

    @property
    def held_out(self) -> bool:
        """Whether this subject never appears in this colour in training: one pair in eight."""
        digest = hashlib.sha256(f"{self.subject} {self.colour}".encode()).digest()
        return digest[0] % 8 == 0


def random_spec(rng: np.random.Generator, *, held_out: bool | None = None) -> ClipSpec:
    """A random clip; ``held_out`` restricts to unseen (True) or seen (False) combinations."""
    while True:
        spec = ClipSpec(
            subject=str(rng.choice(SUBJECTS)),
            colour=str(rng.choice(COLOURS)),
            motion=str(rng.choice(MOTIONS)),
            scene=str(rng.choice(SCENES)),
            seed=int(rng.integers(2**31)),
        )
        if held_out is None or spec.held_out == held_out:
            return spec


@dataclass(frozen=True)
class Clip:
    """The clip that ``spec`` means: ``frames`` uint8 [T, H, W, 3], ``background`` [T, H, W, 3] behind the subject;
    ``track`` as `track` returns it.
    """

    spec: ClipSpec
    frames: npt.NDArray[np.uint8]
    background: npt.NDArray[np.uint8]
    track: npt.NDArray[np.float32]


def _path(motion: str, frames: int, size: float, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Centre of the subject per frame, [T, 2] as shares of width and height."""
    t = np.arange(frames, dtype=np.float64) / FPS
    half = size / 2
    x = np.full(frames, rng.uniform(0.3, 0.7))
    y = np.full(frames, rng.uniform(0.35, 0.6))
    speed = rng.uniform(0.2, 0.28)  # heights per second
    phase = rng.uniform(0, 2 * math.pi)
    if motion == "rise":
        y = rng.uniform(0.72, 0.8) - speed * t
    elif motion == "fall":
        # Free fall from rest, with a gravity chosen for a toy world: y = y0 + g t^2 / 2.
        y = rng.uniform(0.2, 0.28) + 0.5 * speed * t**2
    elif motion == "left":
        x = rng.uniform(0.7, 0.8) - speed * t
    elif motion == "right":
        x = rng.uniform(0.2, 0.3) + speed * t
    elif motion == "bounce":
        s = (t / rng.uniform(0.95, 1.1)) % 1.0
        y = 0.82 - half - 0.34 * 4 * s * (1 - s)  # a parabola per hop: constant gravity, elastic floor
    elif motion == "hover":
        y = y + 0.012 * np.sin(2 * math.pi * t / 1.6 + phase)
    elif motion == "throw":
        s = t / rng.uniform(2.0, 2.2)
        x, y = rng.uniform(0.14, 0.2) + 0.62 * s, rng.uniform(0.68, 0.74) - 0.44 * 4 * s * (1 - s)
    elif motion == "swing":
        # A pendulum at small angles, hung from above the picture.
        angle = 0.46 * np.cos(2 * math.pi * t / rng.uniform(1.9, 2.3) + phase)
        x, y = rng.uniform(0.46, 0.54) + 0.62 * np.sin(angle), -0.1 + 0.62 * np.cos(angle)
    elif motion == "circle":
        turn = 2 * math.pi * t / rng.uniform(2.1, 2.5) * rng.choice((-1, 1)) + phase
        x, y = rng.uniform(0.44, 0.56) + 0.2 * np.cos(turn), rng.uniform(0.42, 0.52) + 0.2 * np.sin(turn)
    elif motion == "zigzag":
        s = (t / 1.05 + phase) % 1.0
        x = rng.uniform(0.2, 0.3) + speed * t
        y = rng.uniform(0.42, 0.54) + 0.26 * (np.abs(2 * s - 1) - 0.5)
    elif motion == "roll":
        x, y = rng.uniform(0.2, 0.3) + speed * t, np.full(frames, 0.82 - half)
    return np.stack((x, y), axis=-1).astype(np.float32)


def turned(motion: str, plan: npt.NDArray[np.float32], *, aspect: float) -> npt.NDArray[np.float32]:
    """How far the subject of ``plan`` [T, 3], as `track` returns it, has turned clockwise in each frame, [T] radians.

    What rolls turns by the way it goes over the radius, as a wheel does that does not slip. ``aspect`` is the width of
    the picture over its height.
    """
    if motion == "roll":
        turn = (plan[:, 0] - plan[0, 0]) * aspect / (plan[:, 2] / 2)
    else:
        turn = np.arange(len(plan)) * (2 * math.pi / (SPIN * FPS) if motion == "spin" else 0.0)
    out: npt.NDArray[np.float32] = turn.astype(np.float32)
    return out


def track(spec: ClipSpec, frames: int, *, scale: float = 1.0) -> npt.NDArray[np.float32]:
    """Where the subject is: float32 [frames, 3], centre x and y as shares of width and height, size in heights,
    ``scale`` times as large as in the square pictures the world is made for.
    """
    rng = np.random.default_rng((spec.seed, 1))
    size = rng.uniform(0.32, 0.38)
    path = _path(spec.motion, frames, size, rng)
    return np.concatenate((path, np.full((frames, 1), size * scale, np.float32)), axis=1)


def render(spec: ClipSpec, *, frames: int, height: int = 256, width: int = 256, scale: float = 1.0) -> Clip:
    """Render ``spec``. Everything is a pure function of the arguments."""
    scene = scene_of(spec.scene, height, width, np.random.default_rng((spec.seed, 0)))
    background = np.stack([np.rint(scene.at(number / FPS) * 255).astype(np.uint8) for number in range(frames)])
    places = track(spec, frames, scale=scale)
    sprite = Sprite(spec.subject, spec.colour, round(float(places[0, 2]) * height), faces_left=spec.motion == "left")
    out = background.copy()
    angles = turned(spec.motion, places, aspect=width / height)
    for frame, (x, y, _), angle in zip(out, places, angles, strict=True):
        sprite.turned(float(angle)).composite(frame, float(x) * width, float(y) * height)
    return Clip(spec, out, background, places)
