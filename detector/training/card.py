"""What was measured about a head, and the model card that says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score, roc_curve

from detector.head import Head
from detector.training.data import DRAWN

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
        return f"| {name} | {self.auc:.3f} ({self.low:.3f} to {self.high:.3f}) | {self.at_5:.2f} | {self.at_1:.2f} |"


def figures(scores: Sequence[Float64], generated: Bools, sources: npt.NDArray[np.str_]) -> Figures:
    """Figures of held-out scores [N], one array for each repetition of the division into folds, averaged.

    The interval resamples sources, not clips: clips of one source are no independent witnesses.
    """
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


@dataclass(frozen=True)
class Report:
    """Everything the model card states. Rates are over held-out looks at clips, each view of a clip being one look."""

    clips: int
    real_clips: int
    drawn_clips: int
    native: Figures
    degraded: Figures
    source_unseen: Figures
    metadata: Figures
    threshold: float
    false_positive_rate: float
    nested_false_positive_rate: float
    true_positive_rate: float
    native_true_positive_rate: float
    calibration_error: float
    by_generator: Mapping[str, tuple[int, float, float]]
    by_real_source: Mapping[str, tuple[int, float, float]]

    @classmethod
    def measure(
        cls,
        llrs: Sequence[Float64],
        *,
        generated: Bools,
        drawn: Bools,
        sources: npt.NDArray[np.str_],
        threshold: float,
        nested: Sequence[float],
        source_unseen: Sequence[Float64],
        metadata: Sequence[Float64],
    ) -> Report:
        """From held-out log-likelihood ratios [N, VIEWS], one array a repetition, and as many scores [N] otherwise.

        ``nested`` has, for each real clip, the share of its looks that reach a threshold chosen without its site.
        Areas and hit rates leave out what was ``drawn`` by rule; false accusations count it.
        """
        looks = np.concatenate(llrs, axis=1)
        degraded = [llr[:, 1:] for llr in llrs]
        real, filmed = ~generated, ~drawn

        def areas(scores: Sequence[Float64]) -> Figures:
            views = scores[0].shape[1]
            return figures(
                [run[filmed].ravel() for run in scores],
                np.repeat(generated[filmed], views),
                np.repeat(sources[filmed], views),
            )

        def by_source(kind: Bools) -> dict[str, tuple[int, float, float]]:
            table = {}
            for source in sorted(set(sources[kind])):
                rows = kind & (sources == source)
                native = np.concatenate([llr[rows, 0] for llr in llrs])
                table[str(source)] = (
                    int(rows.sum()),
                    float(np.mean(native >= threshold)),
                    float(np.mean(np.concatenate([d[rows].ravel() for d in degraded]) >= threshold)),
                )
            return table

        return cls(
            clips=len(generated),
            real_clips=int((real & filmed).sum()),
            drawn_clips=int(drawn.sum()),
            native=areas([llr[:, :1] for llr in llrs]),
            degraded=areas(degraded),
            source_unseen=areas([run[:, None] for run in source_unseen]),
            metadata=areas([run[:, None] for run in metadata]),
            threshold=threshold,
            false_positive_rate=float(np.mean(looks[real] >= threshold)),
            nested_false_positive_rate=float(np.mean(nested)),
            true_positive_rate=float(np.mean(looks[generated] >= threshold)),
            native_true_positive_rate=float(np.mean(np.concatenate([x[generated, 0] for x in llrs]) >= threshold)),
            calibration_error=_calibration_error(looks, generated),
            by_generator=by_source(generated),
            by_real_source=by_source(real),
        )

    def table(self) -> str:
        """The main figures as a Markdown table."""
        return "\n".join(
            [
                "| | AUC (95 % interval over sources) | found at 5 % false positives | at 1 % |",
                "|---|---|---|---|",
                self.native.row("frames as published"),
                self.degraded.row("frames degraded"),
                self.source_unseen.row("frames as published, only the source unseen, not its site"),
                self.metadata.row("baseline: size, frame rate and bit rate only"),
            ]
        )


def _calibration_error(looks: Float64, generated: Bools) -> float:
    """Expected calibration error of the probabilities at even odds, in ten bins, classes weighed alike."""
    probability = 1 / (1 + np.exp(-looks.ravel()))
    truth = np.repeat(generated, looks.shape[1])
    weight = np.where(truth, 0.5 / truth.sum(), 0.5 / (~truth).sum())
    bins = np.minimum((probability * 10).astype(int), 9)
    error = 0.0
    for index in range(10):
        inside = bins == index
        if inside.any():
            share = weight[inside].sum()
            error += (
                abs(
                    np.sum(weight[inside] * truth[inside]) / share
                    - np.sum(weight[inside] * probability[inside]) / share
                )
                * share
            )
    return float(error)


def write_card(
    path: Path, head: Head, report: Report, others: Mapping[str, Sequence[float]], excluded: Sequence[str]
) -> None:
    """Write the model card.

    ``others`` are the log-likelihood ratios of clips that answer another question; ``excluded`` the patterns of clips
    that were left out.
    """

    def rows(table: Mapping[str, tuple[int, float, float]]) -> str:
        return "\n".join(f"| {name} | {n} | {a:.2f} | {b:.2f} |" for name, (n, a, b) in table.items())

    def percent(share: float) -> str:
        return f"{100 * share:.1f}"

    template = Template(resources.files("detector.training").joinpath("card_template.md").read_text(encoding="utf-8"))
    text = template.substitute(
        version=head.card.version,
        options="".join(f" --exclude '{pattern}'" for pattern in excluded),
        layers=", ".join(map(str, head.card.layers)),
        left_out=" Clips left out are labelled wrongly in the data." if excluded else "",
        clips=report.clips,
        generated=report.clips - report.real_clips - report.drawn_clips,
        drawn=report.drawn_clips,
        generators=len(report.by_generator),
        real=report.real_clips,
        collections=sum(not name.startswith(DRAWN) for name in report.by_real_source),
        kinds=sum(name.startswith(DRAWN) for name in report.by_real_source),
        encoder=head.card.encoder_sha256[:16],
        table=report.table(),
        calibration=f"{report.calibration_error:.3f}",
        threshold=f"{report.threshold:+.2f}",
        false_positive=percent(report.false_positive_rate),
        nested=percent(report.nested_false_positive_rate),
        found_native=percent(report.native_true_positive_rate),
        found=percent(report.true_positive_rate),
        bound=percent(1 - 0.05 ** (1 / report.real_clips)),  # exact binomial bound when none is seen
        by_generator=rows(report.by_generator),
        by_source=rows(report.by_real_source),
        others="\n".join(
            f"| {name} | {len(llrs)} | {np.mean(np.array(llrs) >= report.threshold):.2f} |"
            for name, llrs in sorted(others.items())
        ),
    )
    path.write_text(text, encoding="utf-8")
