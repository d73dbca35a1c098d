from __future__ import annotations

import numpy as np
import pytest

from policy.allocation import _score, allocate, spent, weighted_quantile


def even(n: int) -> np.ndarray:
    return np.full(n, 1 / n)


def test_weighted_quantile() -> None:
    values = np.arange(100, dtype=np.float32)
    assert weighted_quantile(values, np.ones(100), 0.95) == pytest.approx(95, abs=1)
    heavy = np.where(values == 10, 1000.0, 1.0)
    assert weighted_quantile(values, heavy, 0.5) == 10


def test_the_budget_goes_to_the_head_that_tells_harmful_from_harmless() -> None:
    rng = np.random.default_rng(3)
    harmless = rng.normal(0, 1, (4000, 2)).astype(np.float32)
    harmful = rng.normal(0, 1, (1000, 2)).astype(np.float32)
    harmful[:, 0] += 1.5  # the first head sees something, the second guesses
    harmless, harmful = _score(harmless), _score(harmful)
    cuts = allocate(harmful, even(1000), harmless, even(4000), budget=0.05, least=0)
    assert (harmless[:, 0] >= cuts[0]).mean() > 2 * (harmless[:, 1] >= cuts[1]).mean()
    equal = np.quantile(harmless, 0.975, axis=0)  # the same share for each
    assert (harmful >= cuts).any(axis=1).mean() > (harmful >= equal).any(axis=1).mean()


def test_the_budget_is_kept_and_used() -> None:
    rng = np.random.default_rng(4)
    harmless = rng.uniform(0, 1, (5000, 5)).astype(np.float32)
    harmful = rng.uniform(0.2, 1, (2000, 5)).astype(np.float32)
    cost = rng.uniform(0.5, 2, 5000)
    cost /= cost.sum()
    cuts = allocate(harmful, even(2000), harmless, cost, budget=0.04, least=0.0)
    assert 0.02 < spent(harmless, cost, cuts) <= 0.04


def test_no_threshold_lies_below_the_least() -> None:
    harmless = np.zeros((100, 2), np.float32)
    harmful = np.full((100, 2), 0.3, np.float32)
    cuts = allocate(harmful, even(100), harmless, even(100), budget=0.1, least=0.4)
    assert (cuts == np.float32(0.4)).all()
