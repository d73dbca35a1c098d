"""Linear heads: fitted with fair weights, scored on publishers they have not seen, calibrated on those scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from detector.training.table import FOLDS, Bools, Strings, Table, fair_weights, folds

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

MOST_FALSE = 0.005
"""Share of looks at real clips from unseen sites that may reach the threshold: half of the 1 % that is aimed at, which
leaves room for sources unlike these."""
MOST_FALSE_OF_SOURCE = 0.01
"""The same of the looks at one source: a kind of footage that is accused too often is not outvoted by the others."""


@dataclass(frozen=True)
class Linear:
    """``weight`` and ``centre`` float32 [D]; the score of a row x is ``(x - centre) @ weight``."""

    weight: Float32
    centre: Float32

    def scores(self, rows: Float32) -> Float64:
        """Scores [n] of rows [n, D]."""
        return (rows - self.centre).astype(np.float64) @ self.weight.astype(np.float64)


def fit(table: Table, strength: float, *, scaled: bool = False) -> Linear:
    """A logistic regression on all rows of all looks at these clips.

    ``strength`` is the inverse of L2 regularisation; ``scaled`` divides features by their deviation first, for features
    of different units. The intercept is left to the calibration, which is fitted on held-out scores.
    """
    looks = [(clip, rows) for clip, looks in enumerate(table.rows) for rows in looks if rows is not None]
    rows = np.concatenate([rows for _, rows in looks])
    of = np.repeat([clip for clip, _ in looks], [len(rows) for _, rows in looks])
    weights = (fair_weights(table) / np.maximum(np.bincount(of, minlength=len(table)), 1))[of]
    centre = np.average(rows, axis=0, weights=weights).astype(np.float32)
    scale = rows.std(axis=0) + 1e-6 if scaled else np.ones(rows.shape[1], np.float32)
    model = LogisticRegression(C=strength, max_iter=400)
    model.fit((rows - centre) / scale, table.generated[of], sample_weight=weights)
    return Linear((model.coef_[0] / scale).astype(np.float32), centre)


RowScores = list[list[Float64 | None]]
"""Scores [n] of the rows of every look at every clip, N times K; None where there is no look."""


def row_scores(table: Table, head: Linear) -> RowScores:
    """What a head makes of every row."""
    return [[None if rows is None else head.scores(rows) for rows in looks] for looks in table.rows]


def means(scores: RowScores) -> Float64:
    """Scores [N, K] of looks: the mean over their rows; NaN where there is no look."""
    return np.array([[np.nan if rows is None else float(rows.mean()) for rows in looks] for looks in scores])


def held_out(table: Table, groups: Strings, seed: int, strength: float, *, scaled: bool = False) -> RowScores:
    """Scores of every row by a head that saw neither its clip's group nor any other of its fold."""
    assigned = folds(groups, table.generated & ~table.paired, seed)
    scores: RowScores = [[] for _ in range(len(table))]
    for fold in range(FOLDS):
        head = fit(table.part(assigned != fold), strength, scaled=scaled)
        for clip, found in zip(
            np.flatnonzero(assigned == fold), row_scores(table.part(assigned == fold), head), strict=True
        ):
            scores[clip] = found
    return scores


def metadata_scores(table: Table, seed: int) -> Float64:
    """Scores [N] by size, frame rate and bit rate alone, on the same folds: what a head must beat."""
    assigned = folds(table.sites, table.generated & ~table.paired, seed)
    facts = np.log(np.maximum(table.facts, 1e-6))
    scores = np.zeros(len(facts))
    for fold in range(FOLDS):
        train, test = (assigned != fold) & ~table.drawn & ~table.paired, assigned == fold
        mean, std = facts[train].mean(axis=0), facts[train].std(axis=0) + 1e-9
        model = LogisticRegression(C=1.0, max_iter=1000)
        weights = fair_weights(table.part(train))
        model.fit((facts[train] - mean) / std, table.generated[train], sample_weight=weights)
        scores[test] = model.decision_function((facts[test] - mean) / std)
    return scores


def calibrate(scores: Float64, table: Table) -> tuple[float, float]:
    """Slope and offset from held-out scores [N, V] to log-likelihood ratios (Platt scaling at even odds)."""
    clip, view = np.nonzero(np.isfinite(scores) & ~table.paired[:, None])
    weights = fair_weights(table)[clip]
    model = LogisticRegression(C=1e3)
    model.fit(scores[clip, view][:, None], table.generated[clip], sample_weight=weights)
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def threshold_of(llr: Float64, real: Bools, sources: Strings) -> float:
    """The lowest log-likelihood ratio that few real looks [N, V] reach, NaN is no look; ``sources`` are [N].

    Few are at most ``MOST_FALSE`` of all, and at most ``MOST_FALSE_OF_SOURCE`` of those at any one source.
    """

    def reached(clips: Bools, share: float) -> float:
        looks = llr[clips][np.isfinite(llr[clips])]
        return float(np.sort(looks)[::-1][int(share * len(looks))]) if len(looks) else -np.inf

    of_source = (reached(real & (sources == source), MOST_FALSE_OF_SOURCE) for source in set(sources[real]))
    return round(float(np.ceil(max(reached(real, MOST_FALSE), *of_source) * 100) + 1) / 100, 2)


def nested_rate(llr: Float64, table: Table) -> float:
    """Share of looks [N, V] at a real clip that reach a threshold chosen without its site, the mean over clips."""
    real, shares = ~table.generated & np.isfinite(llr).any(axis=1), list[Float64]()
    for site in set(table.sites[real]):
        here = real & (table.sites == site)
        reach = llr[here] >= threshold_of(llr, real & ~here, table.sources)
        shares.append(reach.sum(axis=1) / np.isfinite(llr[here]).sum(axis=1))
    return float(np.concatenate(shares).mean())
