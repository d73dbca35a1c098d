from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from generator.dit.pairs import CLEAR, MARGIN, TOUCH, paired
from generator.dit.text import understand
from generator.world.relations import Relation
from generator.world.vocabulary import CONCEPTS

RELATIONS = get_args(Relation)


@pytest.mark.parametrize(
    "prompt,first,second,relation",
    [
        ("a red balloon and a blue fish over the sea", "red balloon", "blue fish", "beside"),
        ("a yellow car chases a green ball in the snow", "yellow car", "green ball", "chase"),
        ("a white star is chased by a black rocket", "white star", "black rocket", "chased"),
        ("a white star above a red boat", "white star", "red boat", "above"),
        ("a pink heart under a brown umbrella", "pink heart", "brown umbrella", "below"),
        ("a grey car to the left of a green mushroom, desert", "grey car", "green mushroom", "left"),
        ("a grey car on the right of a green mushroom", "grey car", "green mushroom", "right"),
        ("a pink heart behind a purple balloon", "pink heart", "purple balloon", "behind"),
        ("a green car in front of a yellow umbrella", "green car", "yellow umbrella", "front"),
        ("a red ball collides with a blue ball", "red ball", "blue ball", "collide"),
        ("a red ball and a blue star collide", "red ball", "blue star", "collide"),
        ("a red ball going up and down and a blue fish", "red ball", "blue fish", "beside"),
        ("a red balloon rising over the sea and a blue fish", "red balloon", "blue fish", "beside"),
        ("一只红色气球和一条蓝色的鱼在海上", "red balloon", "blue fish", "beside"),
        ("黄色汽车追着绿色皮球", "yellow car", "green ball", "chase"),
        ("白色星星在红色小船的上方", "white star", "red boat", "above"),
        ("灰色汽车在绿色蘑菇左边，沙漠", "grey car", "green mushroom", "left"),
        ("粉色爱心在紫色气球后面", "pink heart", "purple balloon", "behind"),
        ("白色星星被黑色火箭追着", "white star", "black rocket", "chased"),
        ("红色皮球撞上蓝色皮球", "red ball", "blue ball", "collide"),
        ("红色皮球和蓝色星星相撞", "red ball", "blue star", "collide"),
    ],
)
def test_two_subjects_are_understood(prompt, first, second, relation):
    understanding = understand(prompt, seed=0)
    companion = understanding.companion
    assert companion is not None
    assert companion.relation == relation
    shown = [f"{c['colour']} {c['subject']}" for c in (understanding.concepts, companion.concepts)]
    assert shown == [first, second]
    assert companion.concepts["scene"] == understanding.concepts["scene"]
    assert understanding.unknown == ()


@pytest.mark.parametrize(
    "prompt",
    [
        "a red balloon rising over the sea",
        "a fish under the sea going back and forth",
        "a ball moving to the left of the picture",
        "a red and white boat by the beach",
        "汽车在海边向左行驶",
        "皮球被抛出，星空",
        "一只红色气球在海面上升起",
    ],
)
def test_one_subject_stays_alone(prompt):
    assert understand(prompt, seed=0).companion is None


def test_no_concept_is_a_pair():
    for concept in CONCEPTS:
        for word in (*concept.en, *concept.zh):
            assert understand(word, seed=0).companion is None, word


def test_what_is_chosen_for_the_second_and_what_is_too_many_is_said():
    notices = understand("a fish chases a star and a car", seed=0).notices
    assert any("names no colour for the star" in notice for notice in notices)
    assert any("left out: car" in notice for notice in notices)


def test_a_motion_is_for_both_unless_each_has_its_own():
    both = understand("a red ball and a blue star rising", seed=0)
    assert both.concepts["motion"] == both.companion.concepts["motion"] == "rise"
    each = understand("a red ball falling and a blue star rising", seed=0)
    assert (each.concepts["motion"], each.companion.concepts["motion"]) == ("fall", "rise")


PLACES = st.tuples(st.floats(0.1, 0.9), st.floats(0.1, 0.9))
PATHS = st.integers(1, 40).flatmap(lambda n: st.tuples(*(st.lists(PLACES, min_size=n, max_size=n) for _ in range(2))))


def plan(places: list[tuple[float, float]], size: float = 0.3) -> torch.Tensor:
    return torch.tensor([[x, y, size] for x, y in places])


@given(PATHS, st.sampled_from(RELATIONS), st.sampled_from([1.0, 1.6, 0.625]))
def test_two_are_in_the_picture_and_as_the_relation_says(paths, relation, aspect):
    first, second = paired(*(plan(path, 0.3 * min(1, aspect)) for path in paths), relation, aspect=aspect)
    size = 0.3 * min(1, aspect)
    apart = second - first
    if relation in ("left", "right", "beside"):
        signed = -apart[:, 0] if relation == "right" else apart[:, 0]
        assert (signed >= CLEAR * size / aspect - 1e-4).all()
    elif relation in ("above", "below"):
        signed = -apart[:, 1] if relation == "below" else apart[:, 1]
        assert (signed >= CLEAR * size - 1e-4).all()
    elif relation == "behind":
        assert (apart[:, 1] > 0).all()
    elif relation == "front":
        assert (apart[:, 1] < 0).all()
    elif relation == "collide":
        assert (apart[:, 0] >= TOUCH * size / aspect - 1e-4).all()
    axes = {"above": (1,), "below": (1,), "behind": (0, 1), "front": (0, 1), "chase": (), "chased": ()}.get(
        relation, (0,)
    )
    for each in (first, second):
        for axis in axes:
            assert each[:, axis].min() >= MARGIN - 1e-4
            assert each[:, axis].max() <= 1 - MARGIN + 1e-4


def test_a_pursuer_goes_where_the_other_went():
    way = plan([(0.25 + 0.02 * t, 0.5 + 0.1 * (t % 5) / 5) for t in range(25)])
    first, second = paired(way, way, "chase")
    assert (second[:, 0] - first[:, 0] >= CLEAR * 0.3 - 1e-4).all()
    assert second[-1, 0] - second[0, 0] > 0.1
    assert torch.allclose(first[6:, 1], second[:-6, 1])
    third, fourth = paired(way, way, "chased")
    assert torch.equal(third, second)
    assert torch.equal(fourth, first)


def test_two_that_collide_come_touch_and_part():
    first, second = paired(plan([(0.3, 0.5)] * 25), plan([(0.6, 0.5)] * 25), "collide")
    between = second[:, 0] - first[:, 0]
    assert int(between.argmin()) == 12
    assert float(between.min()) == pytest.approx(TOUCH * 0.3, abs=1e-4)
    assert between[0] > 0.5 < between[23]
