"""From feature rows to heads and what they reach: judged on held-out sites first, then fitted on everything."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from countermark.core.weights import CLIP_VISUAL_INT8
from detector.evidence import ErrorRates
from detector.fusion import Fusion, load_fusion, save_fusion
from detector.head import Head, HeadCard, save_head
from detector.training.blending import ALWAYS, error_rates, make_fusion, part_rates
from detector.training.figures import Figures, Report, figures
from detector.training.fitting import calibrate, fit, held_out, means, metadata_scores
from detector.training.heads import PATCH_RECIPE, RECIPES, Recipe
from detector.training.table import Digest, Table, tabulate

Float64 = npt.NDArray[np.float64]

REPEATS = 4
LEAST_WEIGHT = 0.05  # beside the other heads; one that gets less is not kept
FEATURES = {recipe.name: recipe.features for recipe in (*RECIPES, PATCH_RECIPE)}
ALL = "all heads together"
METADATA = "size, frame rate and bit rate only"


@dataclass(frozen=True)
class Calibration:
    """Slope and offset from a head's score to a log-likelihood ratio, and the error rates of the ratio."""

    slope: float
    offset: float
    rates: ErrorRates


@dataclass(frozen=True)
class Judged:
    """What was measured on sites that the heads had not seen. ``reports`` by head, and of all together."""

    table: Table
    calibrations: Mapping[str, Calibration]
    fusion: Fusion
    reports: Mapping[str, Report]
    baselines: Mapping[str, Figures]


def judge(digests: Sequence[Digest], recipes: Sequence[Recipe] = RECIPES) -> Judged:
    """Score everything by heads that have not seen its site; calibrate, weigh and measure on those scores.

    Raises ``UsageError`` if there are too few sources.
    """
    calibrations: dict[str, Calibration] = {}
    runs: dict[str, list[Float64]] = {}
    reports: dict[str, Report] = {}
    part: ErrorRates | None = None
    table = tabulate(digests, recipes[0].name)
    clips = int((~table.paired).sum())
    measured_on = f"{clips} clips, native and degraded, by heads and thresholds that had not seen their site"
    for recipe in recipes:
        table = tabulate(digests, recipe.name)
        rows = [held_out(table, table.sites, seed, recipe.strength, scaled=recipe.scaled) for seed in range(REPEATS)]
        scores = [means(run) for run in rows]
        slope, offset = calibrate(np.concatenate(scores, axis=1), table)
        runs[recipe.name] = [slope * run + offset for run in scores]
        together = np.concatenate(runs[recipe.name], axis=1)
        rates = error_rates(together, table, measured_on)
        calibrations[recipe.name] = Calibration(slope, offset, rates)
        reports[recipe.name] = Report.measure(together, table, rates)
        part = part or part_rates(rows, slope, offset, table, f"{measured_on}; of four frames two and more")
    rejected = {name: _reached(reports[name]) for name in runs if name != ALWAYS and not reports[name].native.low > 0.5}
    used = {name: found for name, found in runs.items() if name not in rejected}
    assert part is not None
    fusion, common = make_fusion(used, table, part, measured_on)
    widest = fusion.blends[-1]
    idle = [name for name, weight in zip(widest.signals, widest.weights, strict=True) if weight < LEAST_WEIGHT]
    if idle:
        rejected |= {name: f"{_reached(reports[name])}, but no weight beside the others" for name in idle}
        fusion, common = make_fusion({name: used[name] for name in used if name not in idle}, table, part, measured_on)
    fusion = fusion.model_copy(update={"rejected": rejected})
    best = fusion.blends[-1].error_rates
    overall = error_rates(common, table, best.measured_on)
    reports[ALL] = Report.measure(common, table, overall)
    return Judged(table, calibrations, fusion, reports, {METADATA: _metadata(table)})


def save(judged: Judged, digests: Sequence[Digest], output: Path, recipes: Sequence[Recipe] = RECIPES) -> None:
    """Fit every head on everything and write it, with the patch head and the fusion, to ``output``."""
    output.mkdir(parents=True, exist_ok=True)
    for recipe in recipes:
        if recipe.name not in judged.fusion.rejected:
            head = _fitted(recipe, tabulate(digests, recipe.name), judged.calibrations[recipe.name])
            save_head(head, _file(output, recipe))
    table = tabulate(digests, PATCH_RECIPE.name)
    rows = held_out(table, table.sites, 0, PATCH_RECIPE.strength)
    patches = patch_calibration(rows, table)
    save_head(_fitted(PATCH_RECIPE, table, patches), _file(output, PATCH_RECIPE))
    notes = dict(judged.fusion.rejected)
    if (target := output / "fusion.json").is_file():  # what other trainings have found is kept
        names = {recipe.name for recipe in recipes}
        notes |= {name: note for name, note in load_fusion(target).rejected.items() if name not in names}
    save_fusion(judged.fusion.model_copy(update={"rejected": notes}), target)


def patch_calibration(rows: Sequence[Sequence[Float64 | None]], table: Table) -> Calibration:
    """Calibration of single patches: every patch is a look of its own."""
    width = max(len(r) for looks in rows for r in looks if r is not None)
    scores = np.full((len(table), len(rows[0]) * width), np.nan)
    for clip, looks in enumerate(rows):
        for kind, found in enumerate(looks):
            if found is not None:
                scores[clip, kind * width : kind * width + len(found)] = found
    slope, offset = calibrate(scores, table)
    llr = slope * scores + offset
    rates = error_rates(llr, table, "single patches of held-out clips")
    return Calibration(slope, offset, rates)


def _reached(report: Report) -> str:
    found = report.native
    return f"AUC {found.auc:.2f}, 95 % interval {found.low:.2f} to {found.high:.2f}"


def _fitted(recipe: Recipe, table: Table, calibration: Calibration) -> Head:
    linear = fit(table, recipe.strength, scaled=recipe.scaled)
    card = HeadCard(
        version=hashlib.sha256(linear.weight.tobytes()).hexdigest()[:8],
        encoder_sha256=CLIP_VISUAL_INT8.sha256 if recipe.layers else None,
        layers=recipe.layers,
        slope=calibration.slope,
        offset=calibration.offset,
        error_rates=calibration.rates,
    )
    return Head(linear.weight, linear.centre, card)


def _file(output: Path, recipe: Recipe) -> Path:
    return output / f"{recipe.name}.safetensors"


def _metadata(table: Table) -> Figures:
    filmed = ~table.drawn & ~table.paired
    scores = [metadata_scores(table, seed)[filmed] for seed in range(REPEATS)]
    return figures(scores, table.generated[filmed], table.sources[filmed])
