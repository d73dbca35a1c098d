import pytest
from hypothesis import given
from hypothesis import strategies as st

from generator.dit.text import NOTHING, TOKEN, WORDS, negative_tokens, understand
from generator.world.vocabulary import CONCEPTS


@pytest.mark.parametrize(
    "prompt,expected",
    [
        ("a red balloon rising over the sea", ("balloon", "red", "rise", "sea")),
        ("A GREEN ball bounces on the grass", ("ball", "green", "bounce", "meadow")),
        ("a golden star falls at night", ("star", "yellow", "fall", "night")),
        ("a snow-white boat drifting to the left, sunset", ("boat", "white", "left", "sunset")),
        ("一只红色气球在海面上升起", ("balloon", "red", "rise", "sea")),
        ("一辆黄色汽车在雪地里向右行驶", ("car", "yellow", "right", "snow")),
        ("夜空中紫色火箭升空", ("rocket", "purple", "rise", "night")),
    ],
)
def test_prompts_are_understood_in_both_languages(prompt, expected):
    understanding = understand(prompt, seed=0)
    assert tuple(understanding.concepts.values()) == expected
    assert understanding.chosen == ()


def test_unknown_words_and_free_choices_are_reported():
    understanding = understand("a velociraptor on the moon", seed=4)
    assert understanding.unknown == ("velociraptor",)
    assert understanding.chosen == ("subject", "colour", "motion")
    assert "velociraptor" in " ".join(understanding.notices)


def test_every_surface_word_means_its_concept():
    for concept in CONCEPTS:
        for word in (*concept.en, *concept.zh):
            assert understand(word, seed=0).concepts[concept.kind] == concept.name, word


@given(st.text(max_size=80), st.integers(0, 1000))
def test_any_text_gives_four_known_tokens(prompt, seed):
    tokens = understand(prompt, seed=seed).tokens
    assert len(tokens) == 4
    assert all(0 < token < WORDS for token in tokens)
    assert tokens == understand(prompt, seed=seed).tokens


def test_tokens_are_distinct():
    assert len(set(TOKEN.values())) == len(CONCEPTS) == WORDS - 1


def test_what_a_prompt_leaves_open_is_taken_from_what_is_given():
    seen = {"subject": "car", "colour": "yellow", "scene": "sea"}
    understanding = understand("bouncing over the desert", seed=0, seen=seen)
    assert understanding.concepts == {"subject": "car", "colour": "yellow", "motion": "bounce", "scene": "desert"}
    assert understanding.seen == ("subject", "colour")
    assert "car" in " ".join(understanding.notices)


def test_how_a_given_clip_goes_on_is_left_to_the_model_where_the_prompt_is_silent():
    understanding = understand("a desert", seed=0, seen={"subject": "car", "colour": "yellow", "scene": "sea"})
    assert "motion" not in understanding.concepts
    assert understanding.tokens[2] == NOTHING


def test_a_negative_prompt_names_only_what_it_says():
    assert negative_tokens("no clouds, a red thing") == [NOTHING, TOKEN["colour", "red"], NOTHING, NOTHING]
