import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.dit.cast import Actor, actor, crossing
from generator.dit.close_up import REACH, corrected, crops_of
from generator.dit.painter import Painter
from generator.dit.places import GROUP
from generator.dit.training.close_up import Placing, placed
from generator.dit.training.painter import drawings
from generator.dit.views import behind_all

WORDS = torch.tensor([[1, 2]])
RED_BALL = {"subject": "ball", "colour": "red", "motion": "hover"}


@pytest.fixture(scope="module")
def painter() -> Painter:
    """One that draws something smooth: no waves shorter than a cell."""
    torch.manual_seed(0)
    painter = Painter(words=9, look=16, width=16, depth=1).eval()
    torch.nn.init.normal_(painter.leave.weight, std=0.3)
    with torch.no_grad():
        painter.enter.weight[:, 6:] = 0
        painter.leave.bias.zero_()
        weight = painter.leave.weight.view(4, -1, 16)
        weight.copy_(weight.mean(1, keepdim=True).expand_as(weight).clone())  # a cell has one colour
    return painter


def painted(
    painter: Painter, pose: list[float], *, picture: torch.Tensor | None = None, mirrored: bool = False, seen: float = 1
) -> torch.Tensor:
    """A picture [3, 96, 128], black if no other, with a subject on it."""
    picture = torch.zeros(3, 96, 128) if picture is None else picture
    poses = torch.tensor(pose).expand(1, GROUP, 4)
    group = picture.expand(1, GROUP, *picture.shape)
    with torch.inference_mode():
        return painter(group, WORDS, poses, torch.tensor([mirrored]), torch.full((1, GROUP), seen))[0, 0]


def test_the_painter_draws_where_the_subject_is_and_nowhere_else(painter):
    change = painted(painter, [0.25, 0.5, 0.5, 0]).abs().amax(0)
    inside = change[26:70, 10:54] > 0  # half of 96 pixels around column 32
    assert inside.float().mean() > 0.95
    assert change[:, 70:].max() == 0


def test_what_is_half_seen_is_half_there(painter):
    behind = torch.full((3, 96, 128), 0.5)
    whole, half, none = (painted(painter, [0.5, 0.5, 0.5, 0], picture=behind, seen=share) for share in (1, 0.5, 0))
    assert torch.allclose(half, (whole + behind) / 2, atol=1e-5)
    assert torch.equal(none, behind)


@given(x=st.floats(0.3, 0.7), y=st.floats(0.3, 0.7), turn=st.sampled_from([0.0, 0.7]))
@settings(max_examples=10)
def test_who_is_mirrored_is_the_mirror_image(painter, x, y, turn):
    plain = painted(painter, [1 - x, y, 0.5, -turn])
    assert torch.allclose(painted(painter, [x, y, 0.5, turn], mirrored=True), plain.flip(-1), atol=1e-4)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_who_is_turned_is_turned_clockwise(painter, quarters):
    upright = painted(painter, [0.5, 0.5, 0.5, 0])[:, :, 16:112]  # a square around the middle
    turned = painted(painter, [0.5, 0.5, 0.5, quarters * math.pi / 2])[:, :, 16:112]
    away = (turned - upright.rot90(-quarters, (1, 2))).abs().mean()
    assert away < 0.3 * (turned - upright).abs().mean()


def test_a_whole_turn_changes_hardly_anything(painter):
    upright, turned = (painted(painter, [0.43, 0.52, 0.5, turn]) for turn in (0, 2 * math.pi))
    assert (turned - upright).abs().mean() < 0.02


def way(start: float, end: float, frames: int = 9) -> torch.Tensor:
    """A plan [frames, 3] from left to right or back."""
    x = torch.linspace(start, end, frames)
    return torch.stack((x, torch.full_like(x, 0.5), torch.full_like(x, 0.4)), dim=1)


@pytest.mark.parametrize(
    ("motion", "before", "now"), [("left", False, True), ("right", True, False), ("rise", True, True)]
)
def test_an_actor_looks_where_it_goes_else_as_before(motion, before, now):
    assert actor({**RED_BALL, "motion": motion}, way(0.8, 0.2), aspect=1, mirrored=before).mirrored == now


@pytest.mark.parametrize("backward", [False, True])
def test_what_rolls_is_upright_beside_what_is_given(backward):
    rolling = actor({**RED_BALL, "motion": "roll"}, way(0.2, 0.8), aspect=2, backward=backward)
    turn = rolling.pose[:, 3]
    assert turn[-1 if backward else 0] == 0
    assert torch.allclose(turn[-1] - turn[0], torch.tensor(0.6 * 2 / 0.2), atol=1e-4)


def test_one_that_goes_on_turns_upright_and_others_dissolve():
    one = actor({**RED_BALL, "motion": "spin"}, way(0.5, 0.5, 20), aspect=1)
    (same,) = crossing(one, actor(RED_BALL, way(0.5, 0.5), aspect=1), way(0.5, 0.5, 40))
    ends = same.pose[[0, -1], 3]
    assert abs(ends[0] - one.pose[-1, 3]) < 0.1
    assert abs(math.remainder(float(ends[1]), 2 * math.pi)) < 0.1
    first, second = crossing(one, actor({**RED_BALL, "colour": "blue"}, way(0.5, 0.5), aspect=1), way(0.5, 0.5, 3))
    assert torch.allclose(first.seen, torch.tensor([0.75, 0.5, 0.25]))
    assert torch.allclose(first.seen + second.seen, torch.ones(3))
    mirrored = replace(one, mirrored=True)
    assert len(crossing(one, mirrored, way(0.5, 0.5))) == 2


def test_an_actor_is_its_words_and_its_way():
    plan = way(0.2, 0.8)
    found = actor(RED_BALL, plan, aspect=1)
    assert isinstance(found, Actor)
    assert torch.equal(found.plan, plan)
    assert not found.pose[:, 3].any()
    assert found.seen.min() == 1


def test_a_crop_is_the_same_wherever_the_subject_is():
    picture = torch.zeros(2, 3, 64, 96)
    picture[0, :, 20:32, 24:36] = 1
    picture[1] = picture[0].roll((8, 16), (1, 2))
    plan = torch.tensor([[30 / 96, 26 / 64, 0.25], [46 / 96, 34 / 64, 0.25]])
    crops = crops_of(picture, plan)
    assert crops.shape == (2, 3, 48, 48)
    assert torch.allclose(crops[0], crops[1], atol=1e-5)
    assert crops[0, :, 24, 24].min() == 1
    assert crops[0, :, 0, 0].max() == 0


@given(rows=st.integers(3, 8), columns=st.integers(3, 8), moving=st.booleans())
@settings(max_examples=10)
def test_the_background_is_what_is_seen_elsewhere(rows, columns, moving):
    still = torch.arange(2.0)[:, None, None].expand(2, rows, columns)
    latents = still.expand(5, 2, rows, columns).clone()
    x = torch.linspace(0.1, 0.9, 5) if moving else torch.full((5,), 0.5)
    plan = torch.stack((x, torch.full((5,), 0.5), torch.full((5,), 0.1)), dim=1)
    for frame, (across, down, _) in zip(latents, plan, strict=True):
        frame[:, int(down * rows), int(across * columns)] = 9
    behind = behind_all(latents, plan)
    assert torch.allclose(behind.latents, still.expand_as(behind.latents), atol=1e-4)
    assert behind.clear.any()


def test_where_nothing_of_the_background_is_seen_nothing_is_made_up():
    behind = behind_all(torch.ones(1, 2, 4, 4), torch.tensor([[0.5, 0.5, 4.0]]))
    assert not behind.clear.any()
    assert not behind.latents.any()


@given(x=st.floats(-0.5, 0.5), y=st.floats(-0.5, 0.5), growth=st.floats(0.7, 1.4))
@settings(max_examples=20)
def test_a_place_is_corrected_by_what_a_crop_shows(x, y, growth):
    found = torch.tensor([[0.5, 0.4, 0.3]])
    true = torch.tensor([[0.5 + x * 0.15 / 2, 0.4 + y * 0.15, 0.3 * growth]])  # in a picture twice as wide as high
    assert torch.allclose(corrected(found, torch.tensor([[x, y, math.log(growth)]]), aspect=2.0), true, atol=1e-6)


def test_the_truth_of_a_placing_is_what_the_crop_shows():
    where = Placing(torch.tensor([[0.3, -0.2]]), torch.tensor([1.2]), torch.zeros(1), torch.ones(1))
    pool = drawings([("ball", "red")], each=1, seed=0)
    layer = placed(pool, torch.tensor([0]), where)[0, 3]  # how much the ball covers
    down, across = (layer > 0.5).nonzero().float().mean(0) + 0.5
    seen = (torch.stack((across, down)) / len(layer) * 2 - 1) * REACH
    assert torch.allclose(seen, where.off[0, :2], atol=0.05)
    wide = float((layer > 0.5).any(0).sum()) / len(layer) * 2 * REACH  # the ball fills 0.8 of its square
    assert wide == pytest.approx(2 * 0.8 * math.exp(float(where.off[0, 2])), rel=0.05)
