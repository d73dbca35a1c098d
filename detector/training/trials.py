"""Footage that nobody generated but that looks unusual: what a detector must not accuse.

Made from camera clips and by rule, with seeds that training never uses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.ndimage import gaussian_filter

from detector.training.degrade import h264
from detector.training.graphics import drawn_clips

UInt8 = npt.NDArray[np.uint8]

CAMERA_TRIALS = ("heavy compression", "old film", "slow motion", "time lapse", "letterbox and logo")
_SEEN = 5  # drawings of each kind with lower numbers are used in training


def drawn_trials(each: int, frames: int) -> Iterator[tuple[str, UInt8]]:
    """Drawings of every kind that training has not used: its name and uint8 [frames, H, W, 3]."""
    counted: dict[str, int] = {}
    for kind, pictures in drawn_clips(_SEEN + each, frames):
        counted[kind] = counted.get(kind, 0) + 1
        if counted[kind] > _SEEN:
            yield f"drawn: {kind}", pictures


def camera_trial(kind: str, burst: UInt8, rng: np.random.Generator) -> UInt8:
    """Successive frames uint8 [T, H, W, 3] of a camera clip as one of ``CAMERA_TRIALS`` would show them."""
    return {
        "heavy compression": _compressed,
        "old film": _old_film,
        "slow motion": _slow_motion,
        "time lapse": _time_lapse,
        "letterbox and logo": _letterbox,
    }[kind](burst, rng)


def _resized(frames: UInt8, short: int) -> UInt8:
    height, width = frames.shape[1:3]
    scale = short / min(height, width)
    size = (2 * max(8, round(width * scale / 2)), 2 * max(8, round(height * scale / 2)))
    return np.stack([np.asarray(Image.fromarray(f).resize(size, Image.Resampling.BICUBIC), np.uint8) for f in frames])


def _compressed(frames: UInt8, rng: np.random.Generator) -> UInt8:
    """240 lines at CRF 42 to 48, then encoded again, as messengers do."""
    once = h264(_resized(frames, 240), crf=int(rng.integers(42, 49)), gop=250)
    return h264(once, crf=34, gop=250)


def _old_film(frames: UInt8, rng: np.random.Generator) -> UInt8:
    """Grey or sepia, soft, with grain, flicker, gate weave, scratches and dust."""
    frames = _resized(frames, 360)
    tint = np.array((1.0, 1.0, 1.0) if rng.random() < 0.5 else (1.08, 0.96, 0.76))
    out = []
    for frame in frames:
        grey = gaussian_filter(frame.mean(axis=-1), 1.0)
        grey = np.roll(grey, rng.integers(-2, 3, 2), (0, 1)) * rng.uniform(0.85, 1.15)
        grey = (grey - 128) * 1.2 + 128 + gaussian_filter(rng.normal(0, 28, grey.shape), 0.7)
        for x in rng.integers(0, grey.shape[1], rng.integers(0, 4)):
            grey[:, x] += rng.choice([-70, 70])
        for y, x in zip(rng.integers(0, grey.shape[0] - 4, 6), rng.integers(0, grey.shape[1] - 4, 6), strict=True):
            grey[y : y + 3, x : x + 3] = rng.choice([20, 235])
        out.append(np.clip(grey[..., None] * tint, 0, 255).astype(np.uint8))
    return h264(np.stack(out), crf=28, gop=250)


def _slow_motion(frames: UInt8, rng: np.random.Generator) -> UInt8:  # noqa: ARG001 - one signature for all trials
    """New frames blended between those of the camera, as editors make them."""
    first = _resized(frames[: max(2, len(frames) // 2)], 360).astype(np.uint16)
    between = (first[1:] + first[:-1]) // 2
    mixed = [frame for pair in zip(first[:-1], between, strict=True) for frame in pair]
    return h264(np.stack(mixed).astype(np.uint8), crf=26, gop=250)


def _time_lapse(frames: UInt8, rng: np.random.Generator) -> UInt8:  # noqa: ARG001
    """Frames averaged in threes, as long exposures have it."""
    frames = _resized(frames, 360)
    mean = [frames[i : i + 3].mean(axis=0) for i in range(0, max(1, len(frames) - 2))]
    return h264(np.stack(mean).astype(np.uint8), crf=26, gop=250)


def _letterbox(frames: UInt8, rng: np.random.Generator) -> UInt8:
    """Black bars, a logo in a corner and a line of subtitles."""
    frames = _resized(frames, 360).copy()
    bar = frames.shape[1] // 8
    frames[:, :bar] = frames[:, -bar:] = 0
    colour = rng.integers(0, 256, 3).astype(np.uint8)
    frames[:, bar + 8 : bar + 32, -60:-12] = colour
    width = frames.shape[2]
    frames[:, -bar + 8 : -bar + 18, width // 4 : -width // 4 : 3] = 255
    return h264(frames, crf=26, gop=250)


def camera_trials(bursts: Sequence[UInt8], seed: int = 0) -> Iterator[tuple[str, UInt8]]:
    """Every kind of trial of every burst of camera frames."""
    for number, burst in enumerate(bursts):
        for index, kind in enumerate(CAMERA_TRIALS):
            yield kind, camera_trial(kind, burst, np.random.default_rng([seed, number, index]))
