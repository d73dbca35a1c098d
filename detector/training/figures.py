"""What was measured: areas, hit rates, calibration, false accusations by source; as numbers and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import beta
from sklearn.metrics import roc_auc_score, roc_curve

from detector.evidence import ErrorRates
from detector.training.degrade import RENDITIONS
from detector.training.table import DONE, Table
from detector.verdict import ABSENT_AT

Float64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_BOOTSTRAPS = 1000


@dataclass(frozen=True)
class Figures:
    """Area under the ROC curve with its 95 % interval over sources, and hit rates at 5 % and 1 % false positives."""

    auc: float
    low: float
    high: float
    at_5: float
    at_1: float

    def row(self, name: str) -> str:
        """A row of a Markdown table."""
        if np.isnan(self.auc):
            return f"| {name} | not measured | | |"
        return f"| {name} | {self.auc:.3f} ({self.low:.3f} to {self.high:.3f}) | {self.at_5:.2f} | {self.at_1:.2f} |"


def figures(scores: Sequence[Float64], generated: Bools, sources: npt.NDArray[np.str_]) -> Figures:
    """Figures of held-out scores [N], one array for each repetition of the division into folds, averaged.

    The interval resamples sources, not clips: clips of one source are no independent witnesses.
    """
    if generated.all() or not generated.any():
        return Figures(*[float("nan")] * 5)
    curves = [roc_curve(generated, run) for run in scores]
    mean = np.mean([roc_auc_score(generated, run) for run in scores])
    # The area is the share of pairs (generated, real) in the right order; resampling sources only reweighs pairs.
    order = np.sign(scores[0][generated][:, None] - scores[0][~generated][None, :]) / 2 + 0.5
    rng = np.random.default_rng(0)
    drawn = [_resampled(sources[kind], rng) for kind in (generated, ~generated)]
    spread = np.einsum("bi,ij,bj->b", drawn[0], order, drawn[1], optimize=True)
    low, high = np.percentile(spread / drawn[0].sum(axis=1) / drawn[1].sum(axis=1), (2.5, 97.5))
    hits = [np.mean([tpr[fpr <= rate].max() for fpr, tpr, _ in curves]) for rate in (0.05, 0.01)]
    return Figures(float(mean), float(low), float(high), float(hits[0]), float(hits[1]))


def _resampled(sources: npt.NDArray[np.str_], rng: np.random.Generator) -> Float64:
    """Weights [_BOOTSTRAPS, n] of clips when their sources are drawn with replacement."""
    names, of = np.unique(sources, return_inverse=True)
    return rng.multinomial(len(names), np.full(len(names), 1 / len(names)), _BOOTSTRAPS).astype(np.float64)[:, of]


def most_unseen(count: int) -> float:
    """The highest share, with 95 % confidence, of what none of ``count`` independent witnesses showed (exact)."""
    return float(1 - 0.05 ** (1 / max(count, 1)))


@dataclass(frozen=True)
class Shares:
    """Of one source: clips, shares of native and degraded looks that reach the threshold, share abstained on."""

    clips: int
    native: float
    degraded: float
    abstained: float

    def row(self, name: str) -> str:
        """A row of a Markdown table."""
        shares = ("–" if np.isnan(s) else f"{s:.2f}" for s in (self.native, self.degraded, self.abstained))
        return f"| {name} | {self.clips} | {' | '.join(shares)} |"


@dataclass(frozen=True)
class Loss:
    """Looks that had lost something: their figures, and the shares that reach the threshold, with the clips behind."""

    figures: Figures
    found: float
    accused: float
    generated: int
    real: int

    def row(self, name: str) -> str:
        """A row of a Markdown table; the intervals of shares are exact binomial ones, each clip one witness."""
        shares = (_with_interval(self.found, self.generated), _with_interval(self.accused, self.real))
        return f"{self.figures.row(name)} {' | '.join(shares)} | {self.generated}, {self.real} |"


def _with_interval(share: float, count: int) -> str:
    hits = share * count
    low = float(beta.ppf(0.025, hits, count - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(0.975, hits + 1, count - hits)) if hits < count else 1.0
    return f"{share:.2f} ({low:.2f} to {high:.2f})"


@dataclass(frozen=True)
class Report:
    """What was measured about one log-likelihood ratio, of a head or of all together, on held-out looks.

    Areas and hit rates leave out what was drawn by rule and what was reconstructed; false accusations count drawings.
    """

    native: Figures
    platforms: Figures
    degraded: Figures
    by_detail: Mapping[str, Figures]
    rates: ErrorRates
    native_true_positive_rate: float
    calibration_error: float
    abstained: float
    by_generator: Mapping[str, Shares]
    by_real_source: Mapping[str, Shares]
    by_loss: Mapping[str, Loss]

    @classmethod
    def measure(cls, llr: Float64, table: Table, rates: ErrorRates) -> Report:
        """From ratios [N, R * K] of R repetitions of the K kinds of look, NaN where there is none."""
        kinds = len(table.rows[0])
        runs = np.split(llr, llr.shape[1] // kinds, axis=1)
        published = ~table.paired
        filmed = published & ~table.drawn
        low, high = np.nanquantile(table.detail[filmed], (1 / 3, 2 / 3))
        levels = {
            "little detail": table.detail < low,
            "middling": (table.detail >= low) & (table.detail < high),
            "much detail": table.detail >= high,
        }
        native = np.zeros((len(table), kinds), bool)
        native[:, 0] = True
        platforms = np.asarray(table.losses[..., [DONE.index(name) for name in RENDITIONS]].any(axis=-1), np.bool_)

        def areas(wanted: Bools) -> Figures:
            clip, view = np.nonzero(
                wanted & filmed[:, None] & np.isfinite(llr).reshape(len(table), -1, kinds).all(axis=1)
            )
            return figures([run[clip, view] for run in runs], table.generated[clip], table.sources[clip])

        def shares(kind: Bools) -> dict[str, Shares]:
            return {
                str(source): _shares(runs, kind & (table.sources == source), rates)
                for source in sorted(set(table.sources[kind]))
            }

        def loss(wanted: Bools) -> Loss:
            chosen = wanted & filmed[:, None] & np.isfinite(runs[0])
            reach = np.mean([run >= rates.threshold for run in runs], axis=0)
            classes = (table.generated[:, None] & chosen, ~table.generated[:, None] & chosen)
            found, accused = (float(reach[rows].mean()) if rows.any() else float("nan") for rows in classes)
            return Loss(areas(wanted), found, accused, *(int(rows.any(axis=1).sum()) for rows in classes))

        losses = {"as published": native} | {name: table.losses[..., n] for n, name in enumerate(DONE)}
        looks = np.isfinite(llr)
        between = (llr > ABSENT_AT) & (llr < rates.threshold)
        return cls(
            native=areas(native),
            platforms=areas(platforms),
            degraded=areas(~native & ~platforms),
            by_detail={name: areas(level) for name, level in levels.items()},
            rates=rates,
            native_true_positive_rate=_shares(runs, table.generated & published, rates).native,
            calibration_error=_calibration_error(llr[filmed], table.generated[filmed]),
            abstained=float(between[filmed][looks[filmed]].mean()),
            by_generator=shares(table.generated & published),
            by_real_source=shares(~table.generated),
            by_loss={name: loss(wanted) for name, wanted in losses.items()},
        )


def _shares(runs: Sequence[Float64], rows: Bools, rates: ErrorRates) -> Shares:
    native = np.concatenate([run[rows, 0] for run in runs])
    degraded = np.concatenate([run[rows, 1:].ravel() for run in runs])
    both = np.concatenate([native, degraded])
    both = both[np.isfinite(both)]

    def reach(llr: Float64) -> float:
        known = llr[np.isfinite(llr)]
        return float(np.mean(known >= rates.threshold)) if len(known) else float("nan")

    between = float(np.mean((both > ABSENT_AT) & (both < rates.threshold))) if len(both) else float("nan")
    return Shares(int(rows.sum()), reach(native), reach(degraded), between)


def main_table(reports: Mapping[str, Report], baselines: Mapping[str, Figures]) -> str:
    """Areas and hit rates of everything measured in this run, as a Markdown table."""
    lines = ["| | AUC (95 % interval over sources) | found at 5 % false positives | at 1 % |", "|---|---|---|---|"]
    for name, report in reports.items():
        lines += [
            report.native.row(f"{name}, as published"),
            report.platforms.row(f"{name}, as platforms show it"),
            report.degraded.row(f"{name}, degraded"),
        ]
    return "\n".join([*lines, *(found.row(f"baseline: {name}") for name, found in baselines.items())])


def loss_table(report: Report) -> str:
    """One row for each kind of loss that was seen in clips of both classes."""
    head = (
        "| looks that were (among other things) | AUC (95 % interval over sources) | found at 5 % false positives | "
        "at 1 % | found at the threshold | wrongly accused | clips: generated, camera |\n|---|---|---|---|---|---|---|"
    )
    seen = {name: loss for name, loss in report.by_loss.items() if loss.generated and loss.real}
    return "\n".join([head, *(loss.row(name) for name, loss in seen.items())])


def source_table(shares: Mapping[str, Shares], title: str, verb: str) -> str:
    """One row for each source."""
    head = f"| {title} | clips | {verb} as published | {verb} degraded | abstained |\n|---|---|---|---|---|"
    return "\n".join([head, *(share.row(name) for name, share in shares.items())])


def _calibration_error(looks: Float64, generated: Bools) -> float:
    """Expected calibration error of the probabilities at even odds, in ten bins, classes weighed alike.

    ``looks`` [N, V] are log-likelihood ratios, NaN where there is no look.
    """
    clip, view = np.nonzero(np.isfinite(looks))
    probability, truth = 1 / (1 + np.exp(-looks[clip, view])), generated[clip]
    weight = np.where(truth, 0.5 / max(truth.sum(), 1), 0.5 / max((~truth).sum(), 1))
    bins = np.minimum((probability * 10).astype(int), 9)
    error = 0.0
    for index in range(10):
        inside = bins == index
        error += abs(np.sum(weight[inside] * truth[inside]) - np.sum(weight[inside] * probability[inside]))
    return float(error)
