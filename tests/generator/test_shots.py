import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.core.errors import UsageError
from generator.dit.shots import SHORTEST, cut, understand_shots
from generator.request import MAX_SHOTS
from generator.world.cinematography import between_cuts
from generator.world.clips import FPS
from generator.world.vocabulary import CONCEPTS


@pytest.mark.parametrize(
    "prompt,parts",
    [
        ("A red car in the snow; cut to a blue fish", ("a red car in the snow", "a blue fish")),
        ("a ball, then cut to: a star. Then cut to it falls", ("a ball", "a star", "it falls")),
        ("a ball. Next shot: a star", ("a ball", "a star")),
        ("the sea, and the scene changes to the desert", ("the sea", "the desert")),
        ("一辆红色汽车，镜头切换到一条鱼", ("一辆红色汽车", "一条鱼")),
        ("红色气球升起，然后切到夜空", ("红色气球升起", "夜空")),
        ("cut to a ball", ("a ball",)),
        ("a car cuts to the left", ("a car cuts to the left",)),
        ("", ("",)),
    ],
)
def test_prompts_are_parted_at_their_cuts(prompt, parts):
    assert between_cuts(prompt) == parts


def test_no_concept_is_a_cut():
    for concept in CONCEPTS:
        for word in (*concept.en, *concept.zh):
            assert between_cuts(f"a {word} b") == (f"a {word} b",)


@given(count=st.integers(1, MAX_SHOTS), spare=st.integers(0, 500))
def test_shots_are_equally_long_and_as_long_as_asked_together(count, spare):
    frames = SHORTEST * count + spare
    shots = cut([f"shot {i}" for i in range(count)], frames)
    lengths = [round(shot.seconds * FPS) for shot in shots]
    assert sum(lengths) == frames
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("count,frames,message", [(4, 4 * SHORTEST - 1, "too short"), (MAX_SHOTS + 1, 999, "limit")])
def test_shots_that_cannot_be_are_refused(count, frames, message):
    with pytest.raises(UsageError, match=message):
        cut(["a ball"] * count, frames)


def test_a_shot_that_names_a_subject_keeps_nothing_of_the_one_before():
    shots = cut(("a red car in the snow", "it bounces", "a fish in the sea"), 75)
    _, second, third = understand_shots(shots, seed=1, anew=True)
    assert (second.concepts["subject"], second.concepts["colour"]) == ("car", "red")
    assert third.concepts["subject"] == "fish"
    assert "colour" in third.chosen
    *_, kept = understand_shots(shots, seed=1, anew=False)
    assert kept.concepts["colour"] == "red"
    assert "colour" not in kept.chosen
