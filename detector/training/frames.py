"""Train, calibrate and judge the frame head: ``python -m detector.training.frames DATA``.

A logistic regression on the class tokens of middle encoder layers, on frames as they are and degraded, with every
source given its fair share. It is judged on what it has not seen: clips are divided into folds by the site that
published them, which keeps originals and their edits together, and each is scored by a head trained without its site.
Those scores also give the calibration (score to log-likelihood ratio) and the threshold.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from countermark.core.errors import CountermarkError, UsageError
from countermark.core.weights import CLIP_VISUAL_INT8
from detector.evidence import ErrorRates
from detector.head import WEIGHTS, Head, HeadCard, features, save_head
from detector.training.card import Report, write_card
from detector.training.data import DRAWN, LAYERS, Item, Views, embed, embed_drawn, read_manifest

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

CHOSEN = (6, 7, 8)
"""Encoder layers the head looks at; the best of those tried, see ``docs/detector.md``."""
STRENGTH = 50.0
"""Inverse strength of L2 regularisation."""
DRAWN_SHARE = 0.2
"""Weight of what was drawn by rule among everything not generated. More of it costs hits; less accuses drawings."""
FOLDS, REPEATS = 5, 4
MOST_FALSE = 0.005
"""Share of looks at real clips from unseen sites that may reach the threshold: half of the 1 % that is aimed at, which
leaves room for sources unlike these."""


@dataclass(frozen=True)
class Table:
    """N clips as arrays: ``values`` N float32 [VIEWS, T, D], ``facts`` float64 [N, 6], and what they are, [N] each."""

    values: list[Float32]
    generated: npt.NDArray[np.bool_]
    drawn: npt.NDArray[np.bool_]
    sources: npt.NDArray[np.str_]
    sites: npt.NDArray[np.str_]
    facts: Float64

    def part(self, chosen: npt.NDArray[np.bool_]) -> Table:
        """The clips where ``chosen`` [N] is true."""
        values = [clip for clip, wanted in zip(self.values, chosen, strict=True) if wanted]
        return Table(
            values=values,
            generated=self.generated[chosen],
            drawn=self.drawn[chosen],
            sources=self.sources[chosen],
            sites=self.sites[chosen],
            facts=self.facts[chosen],
        )


def look(folder: Path, cache: Path, exclude: Sequence[str] = ()) -> list[tuple[Item, Views]]:
    """Everything the head learns from: the clips of ``folder`` and pictures drawn by rule, as the encoder sees them.

    ``exclude`` are patterns of paths (as in a shell) of clips to leave out, such as those found to be labelled wrongly.
    """
    items = [item for item in read_manifest(folder) if not any(item.path.match(pattern) for pattern in exclude)]
    return [*embed(items, cache), *embed_drawn(cache)]


def tabulate(looked: Sequence[tuple[Item, Views]]) -> Table:
    """The clips that answer the question, as arrays. Raises ``UsageError`` if one class has fewer than two sources."""
    pairs = [(item, views) for item, views in looked if item.generated is not None]
    at = [LAYERS.index(layer) for layer in CHOSEN]
    table = Table(
        values=[features(views.classes[:, :, at]) for _, views in pairs],
        generated=np.array([bool(item.generated) for item, _ in pairs]),
        drawn=np.array([item.label == DRAWN for item, _ in pairs]),
        sources=np.array([item.source for item, _ in pairs]),
        sites=np.array([item.site for item, _ in pairs]),
        facts=np.array([item.facts for item, _ in pairs], np.float64),
    )
    for kind in (True, False):
        if len(set(table.sources[table.generated == kind])) < FOLDS:
            raise UsageError(
                f"There are fewer than {FOLDS} sources of {'generated' if kind else 'real'} clips.",
                remedy="Add clips of further sources: a head that saw few cannot be judged.",
            )
    return table


def fair_weights(table: Table) -> Float64:
    """Weights [N] of clips: both classes alike; within one, a source of n clips counts as the square root of n.

    What was drawn by rule has ``DRAWN_SHARE`` of the class it stands in.
    """
    weights = np.zeros(len(table.sources))
    shares = ((table.generated, 1.0), (~table.generated & ~table.drawn, 1 - DRAWN_SHARE), (table.drawn, DRAWN_SHARE))
    for kind, share in shares:
        for source in set(table.sources[kind]):
            members = (table.sources == source) & kind
            weights[members] = members.sum() ** -0.5
        weights[kind] *= share / max(weights[kind].sum(), 1e-12)
    return weights * len(weights) / 2


def fit(table: Table) -> tuple[Float32, Float32]:
    """Weight [D] and centre [D] of a linear head on all views and frames of these clips."""
    rows = np.concatenate([clip.reshape(-1, clip.shape[-1]) for clip in table.values])
    counts = [clip.shape[0] * clip.shape[1] for clip in table.values]
    centre = rows.mean(axis=0)
    model = LogisticRegression(C=STRENGTH, max_iter=400)
    weights = np.repeat(fair_weights(table) / counts, counts)
    model.fit(rows - centre, np.repeat(table.generated, counts), sample_weight=weights)
    # The intercept is left to the calibration, which is fitted on held-out scores.
    return model.coef_[0].astype(np.float32), centre.astype(np.float32)


def folds(groups: npt.NDArray[np.str_], generated: npt.NDArray[np.bool_], seed: int) -> npt.NDArray[np.int64]:
    """A fold number [N] for every clip, the same for all clips of a group; each fold gets some of both classes."""
    rng = np.random.default_rng(seed)
    of: dict[str, int] = {}
    for kind in (True, False):
        filled = np.zeros(FOLDS)
        names = [str(name) for name in rng.permutation(sorted(set(groups[generated == kind])))]
        for name in sorted(names, key=lambda n: -np.sum(groups == n) * rng.uniform(0.5, 1.0)):
            fold = of.setdefault(name, int(np.argmin(filled)))
            filled[fold] += np.sum(groups == name)
    return np.array([of[str(name)] for name in groups])


def held_out_scores(table: Table, groups: npt.NDArray[np.str_], seed: int) -> Float64:
    """Scores [N, VIEWS] of every clip by a head that saw neither its group nor any other of its fold."""
    assigned = folds(groups, table.generated, seed)
    scores = np.zeros((len(table.values), table.values[0].shape[0]))
    for fold in range(FOLDS):
        weight, centre = fit(table.part(assigned != fold))
        for i in np.flatnonzero(assigned == fold):
            scores[i] = ((table.values[i] - centre) @ weight).mean(axis=1)
    return scores


def metadata_scores(table: Table, seed: int) -> Float64:
    """Scores [N] by size, frame rate and bit rate alone, on the same folds: what a head must beat."""
    assigned = folds(table.sites, table.generated, seed)
    facts = np.log(np.maximum(table.facts, 1e-6))
    scores = np.zeros(len(facts))
    for fold in range(FOLDS):
        train, test = (assigned != fold) & ~table.drawn, assigned == fold
        mean, std = facts[train].mean(axis=0), facts[train].std(axis=0) + 1e-9
        model = LogisticRegression(C=1.0, max_iter=1000)
        weights = fair_weights(table.part(train))
        model.fit((facts[train] - mean) / std, table.generated[train], sample_weight=weights)
        scores[test] = model.decision_function((facts[test] - mean) / std)
    return scores


def calibrate(scores: Float64, table: Table) -> tuple[float, float]:
    """Slope and offset from held-out scores [N, VIEWS] to log-likelihood ratios (Platt scaling at even odds)."""
    weights = fair_weights(table)
    views = scores.shape[1]
    model = LogisticRegression(C=1e3)
    model.fit(scores.reshape(-1, 1), np.repeat(table.generated, views), sample_weight=np.repeat(weights, views))
    return float(model.coef_[0, 0]), float(model.intercept_[0])


def threshold_of(llr: Float64, real: npt.NDArray[np.bool_]) -> float:
    """The lowest log-likelihood ratio that at most ``MOST_FALSE`` of real looks [n, VIEWS] reach."""
    looks = np.sort(llr[real].ravel())[::-1]
    allowed = int(MOST_FALSE * len(looks))
    return float(np.ceil(looks[allowed] * 100) / 100 + 0.01)


def nested_rates(llr: Float64, table: Table) -> list[float]:
    """For each real clip, the share of its looks that reach a threshold chosen without its site."""
    rates = []
    for index in np.flatnonzero(~table.generated):
        elsewhere = ~table.generated & (table.sites != table.sites[index])
        rates.append(float(np.mean(llr[index] >= threshold_of(llr, elsewhere))))
    return rates


def judge(table: Table) -> tuple[Report, float, float]:
    """What heads that have not seen a site make of it, and the slope and offset that calibrate their scores."""
    runs = [held_out_scores(table, table.sites, seed) for seed in range(REPEATS)]
    slope, offset = calibrate(np.concatenate(runs, axis=1), table)
    llrs = [slope * run + offset for run in runs]
    report = Report.measure(
        llrs,
        generated=table.generated,
        drawn=table.drawn,
        sources=table.sources,
        threshold=threshold_of(np.concatenate(llrs, axis=1), ~table.generated),
        nested=nested_rates(np.concatenate(llrs, axis=1), table),
        source_unseen=[held_out_scores(table, table.sources, seed)[:, 0] for seed in range(REPEATS)],
        metadata=[metadata_scores(table, seed) for seed in range(REPEATS)],
    )
    return report, slope, offset


def train(folder: Path, cache: Path, output: Path, exclude: Sequence[str] = ()) -> Report:
    """Train on ``folder``, write ``output/frames.safetensors`` and the model card; returns what was measured."""
    looked = look(folder, cache, exclude)
    table = tabulate(looked)
    report, slope, offset = judge(table)
    weight, centre = fit(table)
    card = HeadCard(
        version=hashlib.sha256(weight.tobytes()).hexdigest()[:8],
        encoder_sha256=CLIP_VISUAL_INT8.sha256,
        layers=CHOSEN,
        slope=slope,
        offset=offset,
        error_rates=ErrorRates(
            threshold=report.threshold,
            false_positive_rate=round(report.false_positive_rate, 4),
            true_positive_rate=round(report.true_positive_rate, 4),
            measured_on=f"{len(table.values)} clips, native and degraded, by heads that had not seen their site",
        ),
    )
    head = Head(weight, centre, card)
    save_head(head, output / "frames.safetensors")
    write_card(output / "MODEL_CARD.md", head, report, other_questions(looked, head), exclude)
    return report


def other_questions(looked: Sequence[tuple[Item, Views]], head: Head) -> dict[str, list[float]]:
    """Log-likelihood ratios of clips the head is not meant for (manipulated faces), by method, as published."""
    at = [LAYERS.index(layer) for layer in CHOSEN]
    found: dict[str, list[float]] = {}
    for item, views in looked:
        if item.generated is None:
            llr = head.llr(head.scores(features(views.classes[0][:, at])))
            found.setdefault(item.source, []).append(llr)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Train from the command line; exit 0, or the error's code."""
    parser = argparse.ArgumentParser(prog="python -m detector.training.frames", description="Train the frame head.")
    parser.add_argument("data", type=Path, help="folder with manifest.csv and the clips")
    parser.add_argument(
        "--cache", type=Path, default=Path("runs/frames"), help="what the encoder saw, to be used again"
    )
    parser.add_argument("--output", type=Path, default=WEIGHTS, help="folder for the head and its model card")
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="PATTERN", help="clips to leave out; repeatable"
    )
    options = parser.parse_args(arguments)
    try:
        report = train(options.data, options.cache, options.output, options.exclude)
    except CountermarkError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    print(report.table())
    return 0


if __name__ == "__main__":
    sys.exit(main())
