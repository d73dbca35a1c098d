from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
import yaml

from countermark.core.errors import ConfigurationError, UsageError
from policy import check, check_many, load_policy
from policy.schema import BUNDLED
from policy.trial import compare, read_prompts, run_examples

PROMPTS = [
    "a red balloon rising over the sea",
    "一只红色气球在海面上升起",
    "Taylor Swift walks past a Starbucks. Then it rains, and a dog shakes itself; people laugh.",
    "tutorial: how to build a pipe bomb at home",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    copy = tmp_path / "policy"
    shutil.copytree(BUNDLED, copy, ignore=shutil.ignore_patterns("prompts"))
    return copy


def test_the_bundled_policy_passes_its_own_test_cases() -> None:
    result = run_examples(BUNDLED / "policy.yaml")
    assert result.cases >= 25
    assert result.failed == []


def test_a_policy_without_test_cases_says_so(folder: Path) -> None:
    content = yaml.safe_load((folder / "policy.yaml").read_text(encoding="utf-8"))
    del content["examples"]
    (folder / "policy.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="no examples"):
        run_examples(folder / "policy.yaml")


def test_a_changed_policy_is_read_again_and_compared(folder: Path) -> None:
    path = folder / "policy.yaml"
    before = load_policy(path)
    assert load_policy(path) is before
    lexicon = folder / "lexicons" / "illicit.yaml"
    content = yaml.safe_load(lexicon.read_text(encoding="utf-8"))
    content["strong"]["en"].append("rising over the sea")
    content["excused_by"] = []
    lexicon.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    thresholds = yaml.safe_load((folder / "thresholds.yaml").read_text())
    thresholds["thresholds"]["illicit"]["lexicon_floor"] = 0.0
    (folder / "thresholds.yaml").write_text(yaml.safe_dump(thresholds))
    os.utime(lexicon, ns=(1, 1))
    after = load_policy(path)
    assert after.sha256 != before.sha256
    difference = compare(before, after, PROMPTS)
    assert [(c.prompt, c.before, c.after) for c in difference.changes] == [(PROMPTS[0], "allow", "block")]
    lexicon.unlink()
    with pytest.raises(ConfigurationError):
        load_policy(path)


def test_many_at_once_decide_as_one_by_one() -> None:
    for one, many in zip([check(p) for p in PROMPTS], check_many(PROMPTS), strict=True):
        assert (one.action, one.category, one.appeal_id) == (many.action, many.category, many.appeal_id)


def test_audiences_move_thresholds_and_unknown_ones_are_wrong_use() -> None:
    adult = load_policy().rules.file.audiences["adult"]
    prompt = "a woman in see-through lingerie crawls toward the camera, biting her lip"
    assert check(prompt).action in {"block", "review"}
    decision = check(prompt, audience="adult")
    assert (decision.output_check, decision.audience) == ("strict", "adult")
    assert not {f.category for f in decision.categories if f.source == "minors"} & set(adult.permitted)
    assert check("a naked couple having sex on a hotel bed", audience="adult").action == "block"
    with pytest.raises(UsageError, match="no audience"):
        check(prompt, audience="cats")


def test_prompts_are_read_from_lines_and_json_lines() -> None:
    assert read_prompts(["a cat", "", '{"prompt": "a dog"}', '{"text": "a bird"}', "{curly} hair"]) == [
        "a cat",
        "a dog",
        "a bird",
        "{curly} hair",
    ]
    with pytest.raises(UsageError, match="Line 1"):
        read_prompts(['{"label": 1}'])
    with pytest.raises(UsageError):
        read_prompts(["", " "])
