from collections.abc import Sequence
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.dit.pairs import AXES, CLEAR, DELAY, LEAST, MARGIN, TOUCH, arranged, drawing_order, order_of
from generator.dit.text import Understanding, understand
from generator.world.relations import MOST, Link, Relation
from generator.world.vocabulary import CONCEPTS

RELATIONS = get_args(Relation)


def shown(understanding: Understanding) -> list[str]:
    """Colour and subject of all that are shown."""
    all_of = (understanding.concepts, *(companion.concepts for companion in understanding.companions))
    return [f"{concepts['colour']} {concepts['subject']}" for concepts in all_of]


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
    (companion,) = understanding.companions
    assert companion.link == Link(relation)
    assert shown(understanding) == [first, second]
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
        "a red car, the camera pans left",
        "a fish, blue and small",
        "a red car, taxi",
        "a red car, no ball",
        "a red balloon, heart shaped",
        "a ball bouncing, a red ball",
        "a red car between the sea and the forest",
        "红色气球，升起，海上",
        "一只红色气球在海面上升起",
    ],
)
def test_one_subject_stays_alone(prompt):
    assert understand(prompt, seed=0).companions == ()


def test_no_concept_is_a_pair():
    for concept in CONCEPTS:
        for word in (*concept.en, *concept.zh):
            assert understand(word, seed=0).companions == (), word


@pytest.mark.parametrize(
    "prompt,subjects,links",
    [
        ("a red balloon, a blue fish and a green star", "red balloon, blue fish, green star", "beside 0, beside 1"),
        ("a red balloon, a blue fish, a green star", "red balloon, blue fish, green star", "beside 0, beside 1"),
        ("red balloon, blue fish, and green star, sea", "red balloon, blue fish, green star", "beside 0, beside 1"),
        ("a red ball, a blue ball and a green ball", "red ball, blue ball, green ball", "beside 0, beside 1"),
        ("a red car between a blue ball and a green star", "red car, blue ball, green star", "right 0, left 0"),
        (
            "a yellow car chases a green ball above a white boat",
            "yellow car, green ball, white boat",
            "chase 0, above 1",
        ),
        ("a red ball left of a blue star and a green heart", "red ball, blue star, green heart", "left 0, left 0"),
        ("a red ball left of a blue star near a green heart", "red ball, blue star, green heart", "left 0, beside 1"),
        ("a red ball and a blue fish above a green star", "red ball, blue fish, green star", "beside 0, above 1"),
        ("a red ball behind a blue star behind a green car", "red ball, blue star, green car", "behind 0, behind 1"),
        ("a red ball, a blue star and a green car collide", "red ball, blue star, green car", "collide 0, collide 1"),
        ("a red ball and a blue star hit a green car", "red ball, blue star, green car", "beside 0, collide 1"),
        ("a red car chases a blue fish and a pink star", "red car, blue fish, pink star", "chase 0, chase 0"),
        ("a red car chases a blue fish and a pink star falls", "red car, blue fish, pink star", "chase 0, beside 1"),
        ("a red ball, blue and big, and a pink car, pan left", "red ball, pink car", "beside 0"),
        ("a red ball and a blue star, the ball chases the star", "red ball, blue star", "beside 0"),
        (
            "a red ball and a blue star, the star above a pink boat",
            "red ball, blue star, pink boat",
            "beside 0, above 1",
        ),
        ("a red car, above a blue star", "red car, blue star", "above 0"),
        ("红色气球、蓝色小鱼和绿色星星", "red balloon, blue fish, green star", "beside 0, beside 1"),
        ("一只红色气球，一条蓝色的鱼，一颗绿色星星", "red balloon, blue fish, green star", "beside 0, beside 1"),
        ("红色气球，蓝色小鱼和绿色星星", "red balloon, blue fish, green star", "beside 0, beside 1"),
        ("一辆红色汽车在蓝色球和绿色星星之间", "red car, blue ball, green star", "right 0, left 0"),
        ("红色汽车追着绿色皮球，在白色小船的上方", "red car, green ball, white boat", "chase 0, above 1"),
        ("红色皮球在蓝色星星和绿色爱心的左边", "red ball, blue star, green heart", "left 0, left 0"),
        ("红色气球和蓝色小鱼在绿色星星上方", "red balloon, blue fish, green star", "beside 0, above 1"),
        ("红色皮球、蓝色星星和绿色爱心相撞", "red ball, blue star, green heart", "collide 0, collide 1"),
        ("红色气球和蓝色小鱼，镜头左移", "red balloon, blue fish", "beside 0"),
    ],
)
def test_lists_and_chains_are_understood(prompt, subjects, links):
    understanding = understand(prompt, seed=0)
    assert ", ".join(shown(understanding)) == subjects
    assert ", ".join(f"{c.link.relation} {c.link.to}" for c in understanding.companions) == links
    assert understanding.others == ()
    assert {c.concepts["scene"] for c in understanding.companions} == {understanding.concepts["scene"]}


NOUNS = st.sampled_from([c for c in CONCEPTS if c.kind == "subject"])
COLOURED = st.lists(st.sampled_from([c for c in CONCEPTS if c.kind == "colour"]), min_size=2, max_size=5, unique=True)


@given(st.lists(NOUNS, min_size=5, max_size=5), COLOURED, st.booleans(), st.sampled_from([", ", "、"]))
def test_a_list_keeps_its_order_and_says_what_is_too_many(nouns, colours, chinese, comma):
    things = list(zip(colours, nouns, strict=False))
    if chinese:
        *most, last = (f"{colour.zh[0]}{noun.zh[0]}" for colour, noun in things)
        prompt = f"{'、'.join(most)}和{last}"
    else:
        *most, last = (f"a {colour.en[0]} {noun.en[0]}" for colour, noun in things)
        prompt = f"{comma.join(most)} and {last}"
    understanding = understand(prompt, seed=0)
    assert shown(understanding) == [f"{colour.name} {noun.name}" for colour, noun in things[:MOST]]
    assert understanding.others == tuple(sorted({noun.name for _, noun in things[MOST:]}))


WORDS = (*", 、和在间之被追", " and ", " a ", " the ", " between ", " above ", " star", "红球", " red")


@given(st.lists(st.sampled_from(WORDS), max_size=25).map("".join))
def test_no_wording_has_too_many_subjects_or_loose_links(prompt):
    understanding = understand(prompt, seed=0)
    assert len(understanding.companions) < MOST
    assert all(companion.link.to in (0, i) for i, companion in enumerate(understanding.companions))


def test_a_long_list_is_read_fast():
    prompt = ", ".join(
        f"a {c.name} {s.en[0]}" for _ in range(20) for c in CONCEPTS if c.kind == "colour" for s in CONCEPTS[:4]
    )
    assert len(understand(prompt, seed=0).companions) == MOST - 1


def test_what_is_chosen_for_the_others_and_what_is_too_many_is_said():
    understanding = understand("a fish chases a star and a car, a boat and a heart", seed=0)
    notices = understanding.notices
    assert len({understanding.concepts["colour"], *(c.concepts["colour"] for c in understanding.companions)}) == 3
    assert any("names no colour for the star" in notice for notice in notices)
    assert any("names no colour for the car" in notice for notice in notices)
    assert any("left out: boat, heart" in notice for notice in notices)


def test_a_motion_is_for_both_unless_each_has_its_own():
    both = understand("a red ball and a blue star rising", seed=0)
    assert both.concepts["motion"] == both.companions[0].concepts["motion"] == "rise"
    each = understand("a red ball falling and a blue star rising", seed=0)
    assert (each.concepts["motion"], each.companions[0].concepts["motion"]) == ("fall", "rise")
    three = understand("a red ball falling, a blue star and a green car rising", seed=0)
    assert [three.concepts["motion"], *(c.concepts["motion"] for c in three.companions)] == ["fall", "rise", "rise"]


def test_who_only_looks_on_stays_where_it_is():
    for prompt, motions in (
        ("a car chases a ball above a boat", ["right", "right", "hover"]),
        ("a car hits a ball above a boat", ["right", "left", "hover"]),
        ("a boat above a car which chases a ball", ["hover", "right", "right"]),
        ("a car and a star chase a ball", ["right"] * 3),
    ):
        told = understand(prompt, seed=0)
        assert [told.concepts["motion"], *(c.concepts["motion"] for c in told.companions)] == motions


PLACES = st.tuples(st.floats(0.1, 0.9), st.floats(0.1, 0.9))
PATHS = st.integers(1, 40).flatmap(lambda n: st.tuples(*(st.lists(PLACES, min_size=n, max_size=n) for _ in range(2))))


def plan(places: list[tuple[float, float]], size: float = 0.3) -> torch.Tensor:
    return torch.tensor([[x, y, size] for x, y in places])


def paired(first: torch.Tensor, second: torch.Tensor, relation: Relation, *, aspect: float = 1.0) -> torch.Tensor:
    """Two, `arranged`."""
    return arranged(torch.stack((first, second)), [Link(relation)], aspect=aspect)


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


THREE = st.integers(1, 15).flatmap(lambda n: st.tuples(*(st.lists(PLACES, min_size=n, max_size=n) for _ in range(3))))
SECOND = st.builds(Link, st.sampled_from(RELATIONS), st.sampled_from([0, 1]))
OVERLAPPING = {"behind", "front", "collide"}


@settings(max_examples=60)
@given(THREE, st.sampled_from(RELATIONS), SECOND, st.sampled_from([1.0, 1.6, 0.625]), st.floats(0.32, 0.38))
def test_three_are_in_the_picture_apart_and_as_their_links_say(paths, relation, second, aspect, size):
    links = (Link(relation), second)
    size *= min(1, aspect)
    before = torch.stack([plan(path, size) for path in paths])
    kept = before.clone()
    plans = arranged(before, links, aspect=aspect)
    assert torch.equal(before, kept)
    assert torch.isfinite(plans).all()
    size = float(plans[0, 0, 2])
    assert LEAST - 1e-4 <= size / float(before[0, 0, 2]) <= 1
    plain = {link.relation for link in links} <= AXES.keys()
    if plain:
        assert plans[..., :2].min() >= 0.1 - 1e-3  # as inside as they were alone
        assert plans[..., :2].max() <= 0.9 + 1e-3
    for i, link in enumerate(links, start=1):
        far = (plans[i, :, :2] - plans[link.to, :, :2]) * torch.tensor([aspect, 1.0])
        if plain and link.relation != "beside":
            sign = -1 if link.relation in ("right", "below") else 1
            assert (sign * far[:, AXES[link.relation]] > 0.4 * size).all()
        if link.relation in ("behind", "front"):
            sign = 1 if link.relation == "behind" else -1
            assert (sign * far[:, 1] > 0).all()
    if not OVERLAPPING & {link.relation for link in links}:
        for i, j in ((0, 1), (0, 2), (1, 2)):
            far = (plans[i, :, :2] - plans[j, :, :2]) * torch.tensor([aspect, 1.0])
            assert (far.norm(dim=1) >= CLEAR * size - 1e-3).all()


def test_three_that_collide_meet_and_part():
    still = torch.stack([plan([(x, 0.5)] * 25) for x in (0.3, 0.5, 0.7)])
    plans = arranged(still, [Link("collide"), Link("collide", 1)])
    sizes = plans[0, 0, 2]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        far = (plans[i, :, :2] - plans[j, :, :2]).norm(dim=1)
        assert int(far.argmin()) == 12
        assert float(far.min()) == pytest.approx(float(TOUCH * sizes), abs=1e-4)
        assert far[0] > 0.5


def test_what_is_farther_away_is_drawn_first():
    assert drawing_order([]) == [0]
    assert drawing_order([Link("behind")]) == [0, 1]
    assert drawing_order([Link("front")]) == [1, 0]
    assert drawing_order([Link("front"), Link("front", 1)]) == [2, 1, 0]
    assert drawing_order([Link("behind"), Link("front", 1)]) == [2, 0, 1]
    assert drawing_order([Link("below"), Link("front", 1)]) == [2, 0, 1]


def test_who_is_between_is_in_the_middle():
    assert order_of([Link("right"), Link("left")]) == [1, 0, 2]
    plans = arranged(torch.stack([plan([(0.5, 0.5)] * 9)] * 3), [Link("right"), Link("left")])
    x = plans[:, 4, 0]
    assert x[1] < x[0] < x[2]


@settings(max_examples=60)
@given(PATHS, st.sampled_from(RELATIONS), st.sampled_from([1.0, 1.6, 0.625]), st.floats(0.1, 0.7))
def test_two_stand_to_the_bit_where_they_stood_before_there_were_three(paths, relation, aspect, size):
    first, second = plan(paths[0], size), plan(paths[1], size + 0.02)
    assert torch.equal(
        paired(first, second, relation, aspect=aspect), torch.stack(_two(first, second, relation, aspect))
    )


def _two(first: torch.Tensor, second: torch.Tensor, relation: Relation, aspect: float) -> Sequence[torch.Tensor]:
    """How two were placed by version 4 of the model, which knew no third."""
    first, second = first.clone(), second.clone()
    size = torch.stack((first[:, 2], second[:, 2])).mean()
    room = torch.stack((size / aspect, size))
    if relation == "chased":
        return _two(second, first, "chase", aspect)[::-1]
    if relation == "chase":
        _two_on_one_way(first, second, room)
    elif relation == "collide":
        time = torch.linspace(0, max(1, round(len(first) / 25)), len(first)) % 1
        near = TOUCH * room[0]
        between = near + (torch.tensor(1 - 2 * MARGIN) - near).clamp(min=0) * (2 * time - 1).abs()
        height = (first[:, 1].mean() + second[:, 1].mean()) / 2
        for each, side in ((first, -0.5), (second, 0.5)):
            each[:, 0], each[:, 1] = 0.5 + side * between, height.clamp(0.35, 0.65)
    elif relation in ("behind", "front"):
        far, near = (first, second) if relation == "behind" else (second, first)
        far[:, :2] = near[:, :2]
        _two_apart(far, near, 0, 0.5 * room[0])
        _two_apart(far, near, 1, 0.22 * room[1])
    else:
        low, high = (second, first) if relation in ("right", "below") else (first, second)
        _two_apart(low, high, AXES[relation], CLEAR * room[AXES[relation]])
    return first, second


def _two_on_one_way(first: torch.Tensor, second: torch.Tensor, room: torch.Tensor) -> None:
    gone = second[-1, :2] - second[0, :2]
    if gone.abs().max() < 0.15:
        second[:, 0] = 0.5 + 0.4 * (torch.linspace(0, 1, len(second)) - 0.5)
        gone = second[-1, :2] - second[0, :2]
    axis = int(gone.abs().argmax())
    delay = min(DELAY, len(second) - 1)
    first[:, axis] = second[:, axis]
    first[:, 1 - axis] = torch.cat((second[:1, 1 - axis].expand(delay), second[: len(second) - delay, 1 - axis]))
    low, high = (first, second) if gone[axis] > 0 else (second, first)
    _two_apart(low, high, axis, CLEAR * room[axis])


def _two_apart(low: torch.Tensor, high: torch.Tensor, axis: int, gap: torch.Tensor) -> None:
    both = torch.stack((low[:, axis], high[:, axis]))
    middle = both.mean(1, keepdim=True)
    for share in torch.linspace(1, 0, 21).tolist():
        moved = share * (both - middle)
        moved[1] += gap + (moved[0] - moved[1]).max()
        if moved.max() - moved.min() <= 1 - 2 * MARGIN:
            break
    moved = moved + middle.mean() - (moved.max() + moved.min()) / 2
    moved = moved + (MARGIN - moved.min()).clamp(min=0) - (moved.max() - 1 + MARGIN).clamp(min=0)
    low[:, axis], high[:, axis] = moved
