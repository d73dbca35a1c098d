import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.core.errors import UsageError
from generator.backends.bundled import BundledModel
from generator.dit.shots import OWN_FRAMES, SHORTEST, cut, understand_shots
from generator.request import MAX_SHOTS, GenerationRequest
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


def asked(*parts, **options):
    return GenerationRequest(prompt="; cut to ".join(parts), **options)


@given(count=st.integers(2, MAX_SHOTS), spare=st.integers(0, 500))
def test_shots_are_equally_long_and_as_long_as_asked_together(count, spare):
    frames = SHORTEST * count + spare
    shots = cut(asked(*(f"shot {i}" for i in range(count)), seconds=frames / FPS))
    lengths = [round(shot.seconds * FPS) for shot in shots]
    assert sum(lengths) == frames
    assert max(lengths) - min(lengths) <= 1


def test_shots_have_the_length_of_a_clip_where_none_is_asked_for():
    assert [round(shot.seconds * FPS) for shot in cut(asked("a ball", "a star"))] == [OWN_FRAMES] * 2


@pytest.mark.parametrize("prompt,options", [("a ball", {}), ("a ball; cut to a star", {"loop": True})])
def test_what_has_no_cuts_has_no_shots(prompt, options):
    assert cut(asked(prompt, **options)) == ()


@pytest.mark.parametrize("count,frames,message", [(4, 4 * SHORTEST - 1, "too short"), (MAX_SHOTS + 1, 700, "limit")])
def test_shots_that_cannot_be_are_refused_before_weights_are_read(count, frames, message):
    with pytest.raises(UsageError, match=message):
        BundledModel().check(asked(*["a ball"] * count, seconds=frames / FPS))


def test_a_shot_that_names_a_subject_keeps_nothing_of_the_one_before():
    shots = cut(asked("a red car in the snow", "it bounces", "a fish in the sea"))
    _, second, third = understand_shots(shots, seed=1, anew=True)
    assert (second.concepts["subject"], second.concepts["colour"]) == ("car", "red")
    assert third.concepts["subject"] == "fish"
    assert "colour" in third.chosen
    *_, kept = understand_shots(shots, seed=1, anew=False)
    assert kept.concepts["colour"] == "red"
    assert "colour" not in kept.chosen
