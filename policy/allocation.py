"""Spend a budget of false refusals where it buys the most recall: one threshold per head, chosen together.

Maximise the gain of harmful prompts that any head refuses, subject to a budget for harmless prompts that any head
refuses. The constraint is relaxed with a Lagrange multiplier, a price on every harmless refusal (Everett, "Generalized
Lagrange multiplier method", Operations Research 11, 1963); for a given price the thresholds are improved one head at a
time until none moves, and the price is bisected until the budget is just kept. Candidates are quantiles of the harmless
scores, few and spread on a logarithmic scale, so that no threshold is fitted to a single prompt.

An allocation found on prompts of one hand fits that hand. It is therefore drawn halfway, in log-odds, towards one cut
for all heads, which serves prompts of other authors better.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from policy.classifier import Floats

Weights = npt.NDArray[np.float64]
CANDIDATES = 24  # per head, shares of harmless prompts from the whole budget down ...
STEP = 2.0**-0.25  # ... each this times the one before
BISECTIONS = 24
DEAREST = 1e4  # price at which no head spends anything
SHARE = 0.5  # how much of the allocation is kept; the rest is one cut for all heads
_NEVER = 1e-7  # scores this close to 0 and 1 have no larger log-odds


def allocate(harmful: Floats, gain: Weights, harmless: Floats, cost: Weights, budget: float, least: float) -> Floats:
    """Thresholds [C] for scores ``harmful`` [M, C] and ``harmless`` [N, C] of every head.

    Scores are probabilities. ``gain`` [M] and ``cost`` [N] weigh the prompts, each summing to one; at most ``budget``
    of the cost is spent, and no threshold lies below ``least``.
    """
    best = _allocated(harmful, gain, harmless, cost, budget, least)
    low, high = -20.0, 20.0
    for _ in range(2 * BISECTIONS):
        shift = (low + high) / 2
        cuts = np.maximum(_score(SHARE * _log_odds(best) + shift), np.float32(least))
        low, high = (low, shift) if spent(harmless, cost, cuts) <= budget else (shift, high)
    return np.maximum(_score(SHARE * _log_odds(best) + high), np.float32(least))


def _log_odds(scores: Floats) -> Floats:
    kept = np.clip(scores.astype(np.float64), _NEVER, 1 - _NEVER)
    return np.asarray(np.log(kept / (1 - kept)), np.float32)


def _score(odds: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(-odds.astype(np.float64))), np.float32)


def _allocated(harmful: Floats, gain: Weights, harmless: Floats, cost: Weights, budget: float, least: float) -> Floats:
    """Thresholds [C] with the highest gain within the budget."""
    shares = budget * STEP ** np.arange(CANDIDATES)
    grid = np.stack([quantiles(harmless, cost, float(share)) for share in shares])
    grid = np.maximum(grid, np.float32(least))
    low, high = -np.log(DEAREST), np.log(DEAREST)
    chosen: Floats = grid[-1]
    for _ in range(BISECTIONS):
        price = (low + high) / 2
        cuts = _at_price(harmful, gain, harmless, cost, grid, float(np.exp(price)))
        if spent(harmless, cost, cuts) <= budget:
            chosen, high = cuts, price
        else:
            low = price
    return chosen


def spent(scores: Floats, weight: Weights, cuts: Floats) -> float:
    """Share of the weight that some head refuses."""
    return float(weight[(scores >= cuts).any(axis=1)].sum() / weight.sum())


def quantiles(scores: Floats, weight: Weights, share: float) -> Floats:
    """Per column of ``scores`` [N, C], the score that ``share`` of the weight exceeds."""
    return np.array([weighted_quantile(column, weight, 1 - share) for column in scores.T], np.float32)


def weighted_quantile(values: Floats, weight: Weights, share: float) -> float:
    """The smallest value at or below which ``share`` of the weight lies."""
    order = np.argsort(values)
    below = np.cumsum(weight[order]) / weight.sum()
    return float(values[order][min(int(np.searchsorted(below, share)), len(values) - 1)])


def _at_price(harmful: Floats, gain: Weights, harmless: Floats, cost: Weights, grid: Floats, price: float) -> Floats:
    """Thresholds [C] from ``grid`` [K, C] that no change of a single head improves, at a price per harmless refusal."""
    pick = np.full(grid.shape[1], len(grid) - 1)
    columns = np.arange(len(pick))
    while True:
        before = pick.copy()
        for c in columns:
            rest = columns != c
            cuts = grid[pick, columns][rest]
            open_gain = gain * ~(harmful[:, rest] >= cuts).any(axis=1)
            open_cost = cost * ~(harmless[:, rest] >= cuts).any(axis=1)
            value = open_gain @ (harmful[:, c, None] >= grid[:, c])
            value -= price * (open_cost @ (harmless[:, c, None] >= grid[:, c]))
            best = int(value.argmax())
            if value[best] > value[pick[c]] + 1e-12:  # strictly better, so that the search ends
                pick[c] = best
        if (pick == before).all():
            return np.asarray(grid[pick, columns], np.float32)
