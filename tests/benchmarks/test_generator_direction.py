"""What `benchmarks.generator_direction` reads from clips whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks import generator_direction as direction
from benchmarks.generator_direction import global_motion, holds, read_light, read_move, where, without
from generator.dit.autoencoder import STRIDE
from generator.dit.camera import Camera
from generator.dit.canvas import Canvas
from generator.dit.light import graded
from generator.world.cinematography import Move
from generator.world.clips import ClipSpec, render
from generator.world.scenes import scene_of

NOWHERE = torch.tensor([5.0, 5.0, 0.3]).expand(25, 3)


def filmed(move: Move, scene: str) -> np.ndarray:
    """A moment of ``scene`` with a camera's ``move``."""
    if move == "still":
        drawn = scene_of(scene, 256, 256, np.random.default_rng(3)).at(0)
        return np.rint(255 * drawn)[None].repeat(25, 0).astype(np.uint8)
    camera = Camera(Canvas(256, 256), move, 25)
    sides = camera.canvas.rows * STRIDE, camera.canvas.columns * STRIDE
    picture = torch.from_numpy(scene_of(scene, *sides, np.random.default_rng(3)).at(0)).permute(2, 0, 1) * 2 - 1
    seen = camera.look(picture.expand(25, -1, -1, -1), torch.arange(25))
    return ((seen + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("scene", ["forest", "snow", "desert"])
@pytest.mark.parametrize(
    "move",
    ["still", "pan left", "pan right", "tilt up", "tilt down", "zoom in", "zoom out", "roll", "handheld shake"],
)
def test_a_move_is_read_from_the_background(move, scene):
    assert read_move(global_motion(filmed(move, scene), NOWHERE)) == move


def test_light_is_read_from_the_colour():
    spec = ClipSpec("ball", "red", "hover", "forest", 100)
    frames = render(spec, frames=2).frames
    assert read_light(frames, spec) == "day"
    signal = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 127.5 - 1
    night = ((graded(signal, "night") + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    assert read_light(night, spec) == "night"


def test_a_thing_is_found_by_its_colour_and_painted_over():
    clip = render(ClipSpec("ball", "red", "right", "snow", 5), frames=5)
    boxes = where(clip.frames, "red")
    assert np.abs(boxes[:, :2] - clip.track[:, :2]).max() < 0.04
    assert np.isnan(where(clip.frames, "purple")).all()
    painted = without(clip.frames, boxes)
    assert np.isnan(where(painted, "red")).all()


@pytest.mark.parametrize(
    "scenes,colours",
    [(direction._TWO_SCENES, direction._TWO_COLOURS), (direction._THREE_SCENES, direction._THREE_COLOURS)],
)
def test_no_scene_is_taken_for_what_stands_in_it(scenes, colours):
    for scene in scenes:
        drawn = np.stack([scene_of(scene, 256, 256, np.random.default_rng(seed)).at(0) for seed in range(3)])
        frames = np.rint(255 * drawn).astype(np.uint8)
        assert all(np.isnan(where(frames, colour)).all() for colour in colours), scene


def test_relations_hold_or_not():
    time = np.linspace(0, 1, 25)
    left, right = np.stack((0.1 + 0.3 * time, 0 * time + 0.5), 1), np.stack((0.5 + 0.3 * time, 0 * time + 0.5), 1)
    assert holds("left", left, right)
    assert holds("right", right, left)
    assert holds("chase", left, right)
    assert holds("chased", right, left)
    assert holds("above", left[:, ::-1], right[:, ::-1])
    assert not holds("below", left, right)
    assert not holds("collide", left, right)
    come = np.stack((0.2 + 0.3 * np.minimum(time, 1 - time), 0 * time + 0.5), 1)
    assert holds("collide", come, 1 - come)
    assert not holds("left", np.full((25, 2), np.nan), right)
