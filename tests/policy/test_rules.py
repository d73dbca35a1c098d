from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy import load_policy
from policy.clauses import MAX_PARTS, split_parts
from policy.gazetteer import rewrite
from policy.language import identify
from policy.phrases import PhraseIndex

RULES = load_policy().rules


def minors(prompt: str) -> bool:
    return RULES.minors.find(RULES.normalise(prompt).canonical).refused


def test_every_definite_age_term_meets_every_sexual_term() -> None:
    """The rule is the product of two lists: a sample of each against all of the other, with no word between them."""
    file = json.loads(json.dumps(_minors_lists()))
    for age in file["definite"]["en"] + file["definite"]["zh"]:
        for sexual in ("sexual", "裸体"):
            assert minors(f"{age} + {sexual}"), (age, sexual)
    for sexual in file["explicit"]["en"] + file["explicit"]["zh"]:
        for age in ("minor", "未成年"):
            assert minors(f"{age} + {sexual.rstrip('*')}"), (age, sexual)


def _minors_lists() -> dict[str, dict[str, list[str]]]:
    from policy.schema import BUNDLED, Folder, MinorsFile

    return Folder(BUNDLED / "policy.yaml").read("minors.yaml", MinorsFile).model_dump()


@pytest.mark.parametrize(
    "age",
    [
        *("aged 9", "12 years old", "14yo", "a five year old", "16 year olds", "16-year-olds", "sixteen year olds"),
        *("sixteen-year-old", "16yr old", "twelve yr old", "twelve yo", "12 y/o", "twelve years of age"),
        *("at the age of 12", "at age twelve", "age: 12", "ages 12 and 13", "aged 18 to 16"),
        *("between the ages of 12 and 20", "17 to 19 year olds", "13-jährige", "13 Jahre", "13 años"),
        *(
            "just turned 12",
            "just turns twelve",
            "turning 12 today",
            "turned 12 yesterday",
            "6 months old",
            "six-month-old",
            "18 months of age",
        ),
        *("an 18 year old, 14 year old", "18 or 17 year olds"),
        *("12岁", "16 岁", "十岁", "十七八岁", "十几歲", "16周岁", "16 周岁", "十六周岁", "年龄16"),
        *("年龄：十六", "年齡是 16", "芳龄十六", "六个月大"),
    ],
)
def test_stated_ages_below_eighteen_count(age: str) -> None:
    assert minors(f"AGE-TERM {age}, SEXUAL-TERM sexual")


@pytest.mark.parametrize(
    "age",
    [
        *("aged 30", "45 years old", "30岁", "115岁", "四十岁", "二十几岁", "三十五六歲", "ten years later", "18 yo"),
        *("twenty-one years old", "a hundred and one year old", "5 18-year-olds", "ages 18 and 20"),
        *("20 to 30 year olds", "12 years of experience", "turns 12 degrees", "turned 40", "16 months later"),
        *("beside a 300-year-old tree", "年龄18", "年龄十八", "年龄160", "年龄十六万年的岩石", "二十八周岁"),
        *("年龄三十六", "16周年", "年龄一样", "上了年纪，一起", "上个月大雪后", "三个月大促销"),
        *(
            "turned one last time",
            "turned one of the pages",
            "turned two cards",
            "turned five knobs",
            "turning two corners",
        ),
        *("with wine that ages two years in oak", "three weeks of age-old rituals", "aged one hundred"),
    ],
)
def test_stated_ages_of_adults_do_not(age: str) -> None:
    assert not minors(f"a person {age}, sexual")


@pytest.mark.parametrize(
    "disguised",
    [
        "m1nor + s3xual",
        "mi\u200bnor + sex\u200bual",
        "ｍｉｎｏｒ ｓｅｘｕａｌ",
        "m.i.n.o.r s.e.x.u.a.l",
        "mіnоr + sехuаl",
        "未*成*年 裸*体",
    ],
)
def test_the_minors_rule_sees_through_disguises(disguised: str) -> None:
    assert minors(disguised)


@pytest.mark.parametrize(
    "prompt",
    [
        "a child flies a kite",
        "sex education for teenagers",
        "a minor chord on the piano",
        "一个孩子在放风筝",
        "青少年性教育讲座",
    ],
)
def test_children_and_harmless_phrases_are_not_refused(prompt: str) -> None:
    assert not minors(prompt)


def test_phrases_match_whole_words_only() -> None:
    index = PhraseIndex(["sex", "decapitat*", "at sea", "色情"], {})
    found = [m.term for m in index.find(" the sexton of essex was decapitated at seaside at sea 情色情节 ")]
    assert found == ["decapitat*", "at sea", "色情"]


@given(
    st.lists(st.sampled_from(["sex", "sexton", "decapitated", "at", "sea", "情色情节", "a色情", "ё", "x"]), max_size=8)
)
def test_a_phrase_is_found_wherever_it_stands(words: list[str]) -> None:
    index = PhraseIndex(["sex", "decapitat*", "at sea", "色情"], {})
    text = f" {' '.join(words)} " if words else " "
    pattern = r"(?<= )sex(?= )|(?<= )decapitat[^ ]*|(?<= )at sea(?= )|色情"
    assert [(m.start, m.end) for m in index.find(text)] == [m.span() for m in re.finditer(pattern, text)]


@pytest.mark.parametrize(
    ("prompt", "rewritten"),
    [
        ("Donald Trump eats an apple", "A politician eats an apple"),
        ("a portrait of Elon Musk", "a portrait of a person"),
        ("Spider-Man drinks a Coca-Cola", "An original character drinks a soft drink"),
        ("a red Ferrari on a road", "a red sports car on a road"),
        ("特朗普在海边散步", "一位政治人物在海边散步"),
        ("in the style of Banksy", "in the style of a contemporary artist"),
    ],
)
def test_names_become_generic(prompt: str, rewritten: str) -> None:
    assert rewrite(*reversed_arguments(prompt)) == rewritten


def reversed_arguments(prompt: str) -> tuple[str, list[object]]:
    normalised = RULES.normalise(prompt)
    return normalised.text, RULES.gazetteers.find(normalised)


@pytest.mark.parametrize("prompt", ["a trump card", "a musk ox in the snow", "Van Gogh's starry night", "望子成龙"])
def test_ordinary_words_are_no_names(prompt: str) -> None:
    assert RULES.gazetteers.find(RULES.normalise(prompt)) == []


def test_gazetteers_hold_hundreds_of_names() -> None:
    assert len(RULES.gazetteers.words) > 800


def test_frames_excuse_strong_words() -> None:
    plain, _ = RULES.hits(RULES.fold("a man is decapitated"))
    framed, frames = RULES.hits(RULES.fold("actors on a film set rehearse: a man is decapitated"))
    assert plain["graphic_violence"].strong
    assert "fiction" in frames
    assert not framed["graphic_violence"].strong
    assert framed["graphic_violence"].excused


def test_harmless_phrases_shield_words() -> None:
    hits, _ = RULES.hits(RULES.fold("a nude lipstick and a chicken breast"))
    assert not hits["sexual"].strong
    assert not hits["sexual"].weak


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("a red balloon", "en"),
        ("un globo rojo", "en"),
        ("一只红色气球", "zh"),
        ("红色气球 4K cinematic", "zh"),
        ("赤い風船が昇る", "other"),
        ("красный шар", "other"),
    ],
)
def test_language(text: str, language: str) -> None:
    assert identify(text) == language


def test_parts_are_sentences_and_their_clauses() -> None:
    assert split_parts("a red balloon rising over the sea") == []
    parts = split_parts("Wide shot of a harbour. A man walks his dog along the pier; gulls circle above the boats.")
    assert len(parts) == 4  # two sentences, and the two clauses of the second
    assert parts[1] == "A man walks his dog along the pier; gulls circle above the boats."
    assert len(split_parts("海面上升起一只红色的气球，远处有一艘白色的帆船，天空中飞过海鸥")) == 3


def test_long_prompts_are_read_to_the_end_in_a_bounded_number_of_parts() -> None:
    text = " ".join(f"Sentence with number word{i} inside it." for i in range(100))
    parts = split_parts(text)
    assert len(parts) <= MAX_PARTS
    assert all(f"word{i} " in " ".join(parts) for i in range(100))
