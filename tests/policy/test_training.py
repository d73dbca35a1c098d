from __future__ import annotations

import numpy as np
import pytest

from policy.corpus import Example
from policy.fit import HEADS
from policy.training import BLOCK_RATE, LEAST, REVIEW_RATE, calibrate, mixture_weights, weighted_quantile


def test_weighted_quantile() -> None:
    values = np.arange(100, dtype=np.float32)
    assert weighted_quantile(values, np.ones(100), 0.95) == pytest.approx(95, abs=1)
    heavy = np.where(values == 10, 1000.0, 1.0)
    assert weighted_quantile(values, heavy, 0.5) == 10


def examples(n: int) -> list[Example]:
    sources = ("own_benign", "own", "overt_benign_half", "coco10k", "partiprompts")
    harmless = [Example("a cat", False, None, "en", sources[i % len(sources)], f"seed/{i}") for i in range(n)]
    return [*harmless, *(Example("harm", True, HEADS[0], "en", "own", f"harm/{i}") for i in range(10))]


def test_all_heads_together_refuse_the_nominal_share_of_the_mixture() -> None:
    rows = examples(4000)
    scores = np.random.default_rng(4).uniform(0, 1, (len(rows), len(HEADS))).astype(np.float32)
    thresholds = calibrate(scores, rows)
    weight = mixture_weights(rows[:4000])
    for levels, rate in ((("block",), BLOCK_RATE), (("block", "review", "strict"), REVIEW_RATE)):
        cuts = np.array([min(thresholds[c].get(level, 1.0) for level in levels) for c in HEADS])
        refused = (scores[:4000] > cuts + 1e-6).any(axis=1)
        assert weight[refused].sum() == pytest.approx(rate, abs=0.002)
    assert len({tuple(v for k, v in limits.items() if k != "lexicon_floor") for limits in thresholds.values()}) == 1


def test_no_threshold_lies_below_the_least() -> None:
    rows = examples(100)
    thresholds = calibrate(np.full((len(rows), len(HEADS)), 0.01, np.float32), rows)
    assert thresholds["hate"]["block"] == LEAST["block"]
    assert thresholds["hate"]["review"] == LEAST["review"]
    assert thresholds["suggestive"]["strict"] == LEAST["review"]
