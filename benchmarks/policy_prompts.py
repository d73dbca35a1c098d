"""The prompts that `benchmarks.policy` measures on: samples of the test parts in sets, and what is held out whole."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from policy.corpus import Example, own_prompts

APART = {
    "own_misleading": ("own/requests-more-", "own/requests-benign-more-", "own/voices-zh-", "own/long-"),
    "own_scenes": ("own/scenes-",),
    "own_descriptions": ("own/treatments-",),
    "own_questions": ("own/questions-", "own/ordinary-chat-"),
}
"""Ours that are sets of their own here, by how their seeds begin: pairs that were written to mislead (the safe twin has
the alarming words, or one sentence of many decides), scenes and sequences of shots that only their meaning tells apart,
long harmless descriptions, questions as to a chat assistant.
"""
MOST_PER_SET = 400
MOST_OF_OURS = 800  # unsafe prompts and twins of thirteen categories in two languages
HELD_OUT = Path(__file__).parent / "policy_held_out"
"""Prompts of writers who had seen none of the training prompts, never trained on: a red team's, harmful ones beside
what a public generator is asked for, and pairs written to find the limits.
"""


def limited(examples: Sequence[Example]) -> list[Example]:
    """At most `MOST_PER_SET` of each set, `MOST_OF_OURS` of ours, the same ones every time; `APART` are sets, too."""
    rng = random.Random(11)
    examples = [_apart(e) for e in examples]
    out: list[Example] = []
    for source in sorted({e.source for e in examples}):
        rows = [e for e in examples if e.source == source]
        most = MOST_OF_OURS if source == "own" else MOST_PER_SET
        out += rng.sample(rows, most) if len(rows) > most else rows
    return out


def held_out() -> list[Example]:
    """The prompts of `HELD_OUT`: the red team's and the pairs, a set for each language."""

    def source(e: Example) -> str:
        return f"{'red_team' if e.seed.startswith('own/red-team-') else 'held_out'}_{e.language}"

    return [replace(e, source=source(e), part="test") for e in own_prompts(HELD_OUT)]


def _apart(e: Example) -> Example:
    return next((replace(e, source=source) for source, seeds in APART.items() if e.seed.startswith(seeds)), e)
