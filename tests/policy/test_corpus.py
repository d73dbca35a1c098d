from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest
import yaml

from countermark.core.encoders.text import load_text_encoder
from countermark.core.errors import UsageError
from policy import load_policy
from policy.corpus import OVERT, near_groups, own_prompts, public_prompts
from policy.fit import HEADS
from policy.framing import framed

LANGUAGES = Path(__file__).parents[2] / "benchmarks" / "policy_languages.yaml"
OWN = own_prompts()


def test_there_are_enough_prompts_and_every_unsafe_one_has_a_safe_twin() -> None:
    for category in HEADS:
        for language in ("en", "zh"):
            rows = [e for e in OWN if e.category == category and e.language == language]
            assert Counter(e.unsafe for e in rows)[True] >= 300
            paired = [e for e in rows if not e.seed.startswith("own/requests-benign-")]
            assert Counter(e.seed for e in paired if e.unsafe) == Counter(e.seed for e in paired if not e.unsafe)


def test_no_seed_idea_is_on_both_sides() -> None:
    parts: dict[str, set[str]] = {}
    for e in OWN:
        parts.setdefault(e.seed, set()).add(e.part)
    assert all(len(p) == 1 for p in parts.values())
    assert {e.part for e in OWN} == {"train", "calibration", "test"}


def test_no_prompt_occurs_twice() -> None:
    assert max(Counter(e.text for e in OWN).values()) == 1


def test_our_own_prompts_never_trip_the_rule_on_minors() -> None:
    rules = load_policy().rules
    assert [e.text for e in OWN if rules.minors.find(rules.normalise(e.text).canonical).refused] == []


def test_near_duplicates_share_a_group() -> None:
    texts = ["a red balloon over the sea", "a red balloon over the sea.", "tax law reform in parliament"]
    groups = near_groups(texts, load_text_encoder())
    assert groups[0] == groups[1] != groups[2]


def test_prompts_that_are_nearly_the_same_share_a_seed() -> None:
    some = [e for e in OWN if e.category == "fraud"]
    groups = near_groups([e.text for e in some], load_text_encoder(), near=0.85)
    seeds: dict[int, set[str]] = {}
    for e, group in zip(some, groups, strict=True):
        seeds.setdefault(group, set()).add(e.seed)
    assert max(len(s) for s in seeds.values()) == 1


def test_frames_keep_the_prompt_whole() -> None:
    rng = random.Random(1)
    for text, language in (("a red balloon.", "en"), ("一只红色气球。", "zh")):
        dressed = {framed(text, language, rng) for _ in range(40)}
        assert len(dressed) > 20
        assert all(text.rstrip(".。") in d for d in dressed)


def test_pairs_in_further_languages_are_trained_on_and_measured_on_others() -> None:
    rows = [e for e in OWN if e.source == "own_languages"]
    assert {e.part for e in rows} == {"train"}
    measured = yaml.safe_load(LANGUAGES.read_text(encoding="utf-8"))
    assert {e.language for e in rows} == set(measured)
    assert all(len(pairs) >= 15 for pairs in measured.values())
    theirs = [text for pairs in measured.values() for pair in pairs for text in pair]
    encoder = load_text_encoder()
    assert (encoder.encode([e.text for e in rows]) @ encoder.encode(theirs).T).max() < 0.85


def test_an_empty_data_folder_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        public_prompts(tmp_path)


def test_overt_keeps_near_duplicates_on_one_side(tmp_path: Path) -> None:
    texts = [
        "a cat sleeps on a red sofa",
        "a cat sleeps on a red sofa.",
        "two boys fight over a ball",
        "a river at dawn",
    ]
    for name, label in zip(OVERT, (1, 0), strict=True):
        rows = [
            {"id": i, "text": text, "label": label, "categories": ["violence"], "lang": "en"}
            for i, text in enumerate(texts)
        ]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    parts: dict[str, set[str]] = {}
    for example in public_prompts(tmp_path):
        parts.setdefault(example.text.rstrip("."), set()).add(example.part)
    assert len(parts) == 3
    assert all(len(found) == 1 for found in parts.values())
