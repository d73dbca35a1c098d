"""How the heads' held-out ratios are weighed, believed and turned into thresholds: the making of a ``Fusion``."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from detector.evidence import ErrorRates
from detector.fusion import STRONGEST_AGAINST, STRONGEST_FOR, Blend, Fusion
from detector.training.fitting import RowScores, nested_rate, threshold_of
from detector.training.table import Table, fair_weights

Float64 = npt.NDArray[np.float64]

ALWAYS = "frames"
"""The head without which nothing is said."""
_LEVELS = 3
_LEAST_TRUST = 0.3
_STRETCH = 2


def blend(llrs: Mapping[str, Float64], table: Table, signals: Sequence[str]) -> tuple[Float64, float]:
    """Weights and offset for the ratios [N, V] of ``signals``, from looks at which all of them could speak.

    Weights are not negative: a head that helps only when it is turned round has learned a habit of the collection.
    """
    used = list(signals)
    stacked = np.stack([llrs[name] for name in used], axis=-1)
    clip, view = np.nonzero(np.isfinite(stacked).all(axis=-1) & ~table.paired[:, None])
    rows, weights = stacked[clip, view], fair_weights(table)[clip]
    active = np.ones(len(used), bool)
    while True:
        model = LogisticRegression(C=1.0)
        model.fit(rows[:, active], table.generated[clip], sample_weight=weights)
        if (model.coef_[0] >= 0).all() or active.sum() == 1:
            break
        active[np.flatnonzero(active)[np.argmin(model.coef_[0])]] = False
    found = np.zeros(len(used))
    found[active] = np.maximum(model.coef_[0], 0)
    return found, float(model.intercept_[0])


def trust(llr: Float64, table: Table) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """How far a ratio [N, V] is to be believed at low, middling and high detail: (detail, part).

    The part is the slope of a logistic regression of the truth on the ratio at that level, at most 1, and never lower
    for more detail.
    """
    known = np.isfinite(llr) & np.isfinite(table.detail) & ~table.paired[:, None] & ~table.drawn[:, None]
    edges = np.quantile(table.detail[known], np.linspace(0, 1, _LEVELS + 1))
    weights = fair_weights(table)
    centres, parts = [], []
    for low, high in pairwise(edges):
        clip, view = np.nonzero(known & (table.detail >= low) & (table.detail <= high))
        part = 1.0
        if len(set(table.generated[clip])) == 2:
            model = LogisticRegression(C=10.0)
            model.fit(llr[clip, view][:, None], table.generated[clip], sample_weight=weights[clip])
            part = float(np.clip(model.coef_[0, 0], _LEAST_TRUST, 1.0))
        centres.append(round(float((low + high) / 2), 3))
        parts.append(part)
    return tuple(centres), tuple(round(float(p), 3) for p in np.maximum.accumulate(parts))


def apply(fusion_like: Fusion, one: Blend, llrs: Mapping[str, Float64], detail: Float64) -> Float64:
    """Common ratios [N, V] as screening would give them."""
    total = one.offset + sum(w * llrs[name] for name, w in zip(one.signals, one.weights, strict=True))
    believed = np.interp(np.nan_to_num(detail), fusion_like.detail, fusion_like.trust)
    return np.clip(total * believed, STRONGEST_AGAINST, STRONGEST_FOR)


def make_fusion(
    runs: Mapping[str, Sequence[Float64]], table: Table, part: ErrorRates, measured_on: str
) -> tuple[Fusion, Float64]:
    """The fusion of heads from their held-out ratios, ``runs[name]`` R arrays [N, K], and the common ratios [N, R * K].

    The common ratio of a look uses every head that could speak about it.
    """
    together = {name: np.concatenate(list(arrays), axis=1) for name, arrays in runs.items()}
    repeats = len(next(iter(runs.values())))
    wide = _repeated(table, repeats)
    others = [name for name in runs if name != ALWAYS]
    subsets = [(ALWAYS, *more) for count in range(len(others) + 1) for more in combinations(others, count)]
    base = blend(together, wide, (ALWAYS,))
    detail, parts = trust(base[1] + base[0][0] * together[ALWAYS], wide)
    draft = Fusion(version="", blends=(), part=part, detail=detail, trust=parts)
    blends, best = [], np.full_like(together[ALWAYS], np.nan)
    for signals in subsets:
        weights, offset = blend(together, wide, signals)
        none = ErrorRates(threshold=0, false_positive_rate=0, true_positive_rate=0, measured_on="")
        one = Blend(signals=signals, weights=tuple(map(float, weights)), offset=offset, error_rates=none)
        llr = apply(draft, one, together, wide.detail)
        spoken = np.isfinite(np.stack([together[name] for name in signals])).all(axis=0)
        llr[~spoken] = np.nan
        rates = error_rates(llr, table, measured_on)
        blends.append(one.model_copy(update={"error_rates": rates}))
        best = np.where(spoken, llr, best)
    text = "".join(one.model_dump_json() for one in blends)
    version = hashlib.sha256(text.encode()).hexdigest()[:8]
    return draft.model_copy(update={"version": version, "blends": tuple(blends)}), best


def error_rates(llr: Float64, table: Table, measured_on: str) -> ErrorRates:
    """The threshold on ratios [N, V] and what it does to real and generated clips; NaN is no look.

    Real clips are judged by thresholds chosen without their site: that they chose themselves would flatter it.
    """
    threshold = threshold_of(llr, ~table.generated, table.sources)
    generated = llr[table.generated & ~table.paired]
    return ErrorRates(
        threshold=threshold,
        false_positive_rate=round(nested_rate(llr, table), 4),
        true_positive_rate=round(float((generated[np.isfinite(generated)] >= threshold).mean()), 4),
        measured_on=measured_on,
    )


def _repeated(table: Table, repeats: int) -> Table:
    return replace(table, detail=np.concatenate([table.detail] * repeats, axis=1))


def part_rates(runs: Sequence[RowScores], slope: float, offset: float, table: Table, measured_on: str) -> ErrorRates:
    """Where a stretch of a clip is called generated, and how often that is wrong.

    Of a look at a real clip every stretch of two frames and more counts, and the highest decides. Of a generated one
    the first two frames are taken, as if they had been cut into something else.
    """
    highest = np.full((len(table), len(runs) * len(table.rows[0])), np.nan)
    for run, scores in enumerate(runs):
        for clip, looks in enumerate(scores):
            for kind, rows in enumerate(looks):
                if rows is None or len(rows) < _STRETCH:
                    continue
                column = run * len(looks) + kind
                if table.generated[clip]:
                    highest[clip, column] = slope * rows[:_STRETCH].mean() + offset
                else:
                    sums = np.concatenate([[0.0], np.cumsum(rows)])
                    lengths = range(_STRETCH, len(rows) + 1)
                    best = max(((sums[n:] - sums[:-n]) / n).max() for n in lengths)
                    highest[clip, column] = slope * best + offset
    return error_rates(highest, table, measured_on)
