"""The model card: what the heads learned from, what they reach, where they fail."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from string import Template

from countermark.core.weights import CLIP_VISUAL_INT8
from detector.training.attribution import BAR, FEWEST, SURE, FamilyReport
from detector.training.data import DRAWN
from detector.training.figures import main_table, most_unseen, source_table
from detector.training.heads import FRAME_LAYERS, MOTION_LAYERS
from detector.training.train import ALL, Judged


def write_card(
    path: Path, judged: Judged, told: FamilyReport, excluded: Sequence[str], autoencoders: Sequence[str]
) -> None:
    """Write the model card. ``excluded`` are patterns of clips that were left out."""
    report, table = judged.reports[ALL], judged.table
    real = ~table.generated & ~table.drawn
    template = Template(resources.files("detector.training").joinpath("card_template.md").read_text(encoding="utf-8"))
    weights = (
        f"| {' + '.join(one.signals)} | {', '.join(f'{w:.2f}' for w in one.weights)} | {one.offset:+.2f} | "
        f"{one.error_rates.threshold:+.2f} | {100 * one.error_rates.true_positive_rate:.0f} % |"
        for one in judged.fusion.blends
    )
    text = template.substitute(
        version=judged.fusion.version,
        options=options_said(excluded, autoencoders),
        frame_layers=", ".join(map(str, FRAME_LAYERS)),
        motion_layers=", ".join(map(str, MOTION_LAYERS)),
        clips=int((~table.paired).sum()),
        generated=int((table.generated & ~table.paired).sum()),
        generators=len(report.by_generator),
        real=int(real.sum()),
        collections=len(set(table.sources[real])),
        drawn=int(table.drawn.sum()),
        kinds=sum(name.startswith(DRAWN) for name in report.by_real_source),
        paired=int(table.paired.sum()),
        encoder=CLIP_VISUAL_INT8.sha256[:16],
        table=main_table(judged.reports, judged.baselines),
        by_detail="\n".join(found.row(name) for name, found in report.by_detail.items()),
        trust=", ".join(f"{t:.2f} at {d:.1f}" for d, t in zip(judged.fusion.detail, judged.fusion.trust, strict=True)),
        calibration=f"{report.calibration_error:.3f}",
        abstained=_percent(report.abstained),
        threshold=f"{report.rates.threshold:+.2f}",
        false_positive=_percent(report.rates.false_positive_rate),
        found_native=_percent(report.native_true_positive_rate),
        found=_percent(report.rates.true_positive_rate),
        bound=_percent(most_unseen(len(set(table.sources[real])))),
        part_threshold=f"{judged.fusion.part.threshold:+.2f}",
        part_false=_percent(judged.fusion.part.false_positive_rate),
        part_found=_percent(judged.fusion.part.true_positive_rate),
        weights="\n".join(weights),
        families=told.table(),
        shown=_shown(told),
        sure=SURE,
        bar=BAR,
        fewest=FEWEST,
        told_native=f"{told.accuracy[0]:.2f}",
        told_degraded=f"{told.accuracy[1]:.2f}",
        chance=f"{told.chance:.2f}",
        elsewhere=f"{told.elsewhere:.2f}",
        elsewhere_looks=told.elsewhere_looks,
        named_left_out=_percent(told.named_left_out),
        named_camera=_percent(told.named_camera),
        named_drawn=_percent(told.named_drawn),
        by_generator=source_table(report.by_generator, "generator", "found"),
        by_source=source_table(report.by_real_source, "real collection, or kind of drawing", "wrongly accused"),
    )
    path.write_text(text, encoding="utf-8")


def options_said(excluded: Sequence[str], autoencoders: Sequence[str]) -> str:
    """What a command line had that decides which clips were used, to be put behind the command; "" for nothing."""
    options = [*(f"--exclude '{pattern}'" for pattern in excluded), *("--autoencoder …" for _ in autoencoders)]
    return "".join(f" {option}" for option in options)


def _shown(told: FamilyReport) -> str:
    names = [one.family.name for one in told.reached if one.family.shown]
    return f"These passed: {', '.join(names)}." if names else "**None passed, so none is shown.**"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
