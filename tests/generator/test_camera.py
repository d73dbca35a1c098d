import math
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from generator.dit.autoencoder import STRIDE
from generator.dit.camera import LONGEST, ZOOM, Camera
from generator.dit.canvas import Canvas
from generator.dit.plans import MARGIN
from generator.world.cinematography import Move

MOVES = [move for move in get_args(Move) if move != "still"]
SIZES = st.builds(Canvas, st.integers(8, 32).map(lambda n: 16 * n), st.integers(8, 32).map(lambda n: 16 * n))
CAMERAS = st.builds(Camera, SIZES, st.sampled_from(MOVES), st.integers(1, 100), st.integers(0, 99))


def large(camera: Camera) -> torch.Tensor:
    """Width and height of the canvas in pixels."""
    return torch.tensor([camera.canvas.columns * STRIDE, camera.canvas.rows * STRIDE])


@given(CAMERAS)
def test_what_is_seen_is_on_the_canvas_and_never_enlarged(camera):
    x, y, scale, angle = camera.path(torch.arange(camera.frames + 3)).unbind(1)
    assert (scale >= 1).all()
    width, height = camera.sides
    for right in (-width / 2, width / 2):
        for down in (-height / 2, height / 2):
            corner = torch.stack(
                (
                    x + scale * (right * angle.cos() - down * angle.sin()),
                    y + scale * (right * angle.sin() + down * angle.cos()),
                ),
                dim=1,
            )
            assert (corner.abs() <= large(camera) / 2 + 0.01).all()


@given(CAMERAS)
def test_a_move_is_smooth_and_in_a_long_clip_comes_to_rest(camera):
    path = camera.path(torch.arange(camera.frames))
    if camera.frames > 24 and camera.move != "handheld shake":
        path = path / path.abs().amax(0).clamp(min=1e-6)
        assert path.diff(dim=0).abs().max() < 0.18
        assert path[:2].diff(dim=0).abs().max() < 0.01
        assert path[-2:].diff(dim=0).abs().max() < 0.01
        assert torch.equal(path[LONGEST:], path[-1:].expand(len(path[LONGEST:]), -1))


@given(
    CAMERAS,
    st.lists(st.tuples(st.floats(MARGIN, 1 - MARGIN), st.floats(MARGIN, 1 - MARGIN)), min_size=1, max_size=30),
)
def test_the_subject_stays_in_view_and_as_large(camera, places):
    plan = torch.tensor([[x, y, 0.3] for x, y in places])
    seen = camera.seen(camera.onto(plan[None])[0])
    inside = 1e-3 if camera.move in ("roll", "handheld shake") else MARGIN - 1e-3  # a corner may turn towards the edge
    if camera.move != "roll":
        assert (seen[:, :2] >= inside).all()
        assert (seen[:, :2] <= 1 - inside).all()
    scale = camera.path(torch.arange(len(plan)))[:, 2]
    assert torch.allclose(seen[:, 2] * scale, plan[:, 2], atol=1e-4)


@pytest.mark.parametrize("move", ["pan left", "pan right", "tilt up", "tilt down"])
def test_a_subject_that_rests_goes_the_other_way_in_the_picture(move):
    camera = Camera(Canvas(256, 256), move, 25)
    seen = camera.seen(camera.onto(torch.tensor([0.5, 0.5, 0.3]).expand(1, 25, 3))[0])
    gone = (seen[-1] - seen[0])[:2].tolist()
    expected = {"pan left": (0.4, 0), "pan right": (-0.4, 0), "tilt up": (0, 0.4), "tilt down": (0, -0.4)}
    assert gone == pytest.approx(expected[move], abs=1e-4)


def test_a_zoom_shows_the_plan_where_nothing_is_scaled():
    plan = torch.tensor([0.3, 0.6, 0.3]).expand(25, 3)
    camera = Camera(Canvas(256, 192), "zoom in", 25)
    seen = camera.seen(camera.onto(plan[None])[0])
    assert torch.allclose(seen[-1], plan[-1], atol=1e-5)
    assert float(seen[0, 2]) == pytest.approx(0.3 / ZOOM)


@pytest.mark.parametrize("move", MOVES)
def test_a_thing_on_the_canvas_is_seen_where_the_camera_says(move):
    camera = Camera(Canvas(128, 128), move, 13, seed=2)
    plan = camera.onto(torch.tensor([0.4, 0.55, 0.2]).expand(1, 13, 3))[0]
    width, height = large(camera).tolist()
    down, across = (torch.arange(n) + 0.5 for n in (height, width))
    far = [(across - x * width) ** 2 + (down[:, None] - y * height) ** 2 for x, y, _ in plan]
    frames = (2 * torch.exp(-torch.stack(far) / 30) - 1)[:, None].expand(-1, 3, -1, -1)
    picture = camera.look(frames, torch.arange(13))
    assert picture.shape == (13, 3, 128, 128)
    light = (picture[:, 0] + 1).double()
    centres = torch.stack([(light.sum(axis) * (torch.arange(128) + 0.5)).sum(1) for axis in (1, 2)], dim=1)
    centres = centres / light.sum((1, 2))[:, None] / 128
    assert torch.allclose(centres, camera.seen(plan)[:, :2].double(), atol=4e-3)


@pytest.mark.parametrize("move", MOVES)
def test_chunks_are_seen_as_the_whole_is(move):
    camera = Camera(Canvas(64, 64), move, 9, seed=1)
    width, height = large(camera).tolist()
    frames = torch.rand(9, 3, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1
    parts = torch.cat([camera.look(frames[i : i + 4], torch.arange(9)[i : i + 4]) for i in range(0, 9, 4)])
    assert torch.allclose(parts, camera.look(frames, torch.arange(9)), atol=1e-5)
    assert parts.abs().max() <= 1


def test_where_the_camera_stands_on_whole_pixels_nothing_is_changed():
    camera = Camera(Canvas(64, 64), "zoom in", 9)
    frames = torch.rand(1, 3, 128, 128) * 2 - 1
    roll = Camera(Canvas(64, 64), "roll", 9)
    assert torch.allclose(roll.look(frames, torch.tensor([0])), frames[..., 32:96, 32:96], atol=1e-5)
    assert camera.look(frames, torch.tensor([8])).std() < frames.std()  # filtered as the rest of the zoom


def test_a_hand_shakes_as_the_seed_says():
    paths = [Camera(Canvas(256, 256), "handheld shake", 25, seed).path(torch.arange(25)) for seed in (1, 1, 2)]
    assert torch.equal(paths[0], paths[1])
    assert not torch.equal(paths[0], paths[2])
    assert paths[0][:, 3].abs().max() < math.radians(1.3)
