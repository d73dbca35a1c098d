"""What the detector reaches on sources it has not seen, and what it costs: ``python -m benchmarks.detector DATA``.

Writes ``benchmarks/results/detector.md``: the figures of the model card measured anew, beside baselines measured in the
same run; false accusations of the shipped heads on unusual footage; and times, which are processor seconds of this
process and its decoding children.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from countermark.core.bfloat16 import cpu_multiplies_bfloat16
from countermark.core.encoders.image import image_encoder
from countermark.core.errors import CountermarkError, MediaError
from countermark.core.media import Frames, Limits, VideoSpec, VideoWriter, probe
from countermark.core.settings import Settings, get_settings
from detector.clip import Clip, burst_frames
from detector.evidence import Evidence
from detector.fusion import fuse, fusion_for
from detector.head import features, head_for
from detector.normalise import normalise
from detector.quality import detail
from detector.screen import SIGNALS, examine, screen
from detector.signals.protocol import Signal
from detector.tokens import layers_of, see
from detector.training.__main__ import collect, options_of, wanted
from detector.training.card import options_said
from detector.training.data import Item
from detector.training.figures import Shares, loss_table, main_table, source_table
from detector.training.train import ALL, Judged, judge
from detector.training.trials import camera_trials, drawn_trials

RESULT = Path(__file__).parent / "results" / "detector.md"
PHOTOREAL = ("gen2", "moonvalley", "morph", "svd-xt")
"""Generators of the collection most of whose clips pass for camera footage at a glance; others are stylised or edits.

In this collection the clips of lumiere are drawings and those of magicvideo-v2 look painted."""
FPS = 25
TRIAL_FRAMES, TRIAL_CLIPS, TRIAL_DRAWINGS = 4, 8, 3

UInt8 = npt.NDArray[np.uint8]


def write_clip(path: Path, width: int, height: int, seconds: int) -> None:
    """A clip of drifting waves with noise, as hard to decode as camera footage."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] / height
    waves = [120 + 60 * np.sin(9 * x + 5 * y + t / 4) + rng.normal(0, 4, x.shape) for t in range(8)]
    rgb = np.repeat(np.clip(waves, 0, 255).astype(np.uint8)[..., None], 3, axis=-1)
    loop = Frames.from_rgb(rgb, pts=np.arange(len(rgb), dtype=np.int64))
    spec = VideoSpec(width=width, height=height, fps=Fraction(FPS), time_base=Fraction(1, FPS), preset="ultrafast")
    with VideoWriter(path, spec) as writer:
        for start in range(0, seconds * FPS, len(loop)):
            writer.write(replace(loop, pts=loop.pts + start))


def spent() -> float:
    """Processor seconds so far, children included."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Processor and wall-clock seconds of one call."""
    cpu, wall = spent(), time.perf_counter()
    work()
    return spent() - cpu, time.perf_counter() - wall


def cost_of(signal: Signal, clip: Clip) -> tuple[str, float, float]:
    """Processor and wall-clock seconds of one signal, by its name and whether it had a say."""
    found: list[Evidence] = []
    seconds = timed(lambda: found.append(examine(signal, clip)))
    silent = ", not applicable" if found[0].status == "not_applicable" else ""
    return f"signal {signal.NAME}{silent}", *seconds


def costs(path: Path, settings: Settings) -> list[tuple[str, float, float]]:
    """Seconds of each part of a screening, encoder already loaded."""
    rows: list[tuple[str, float, float]] = []
    clip = Clip(path, settings)
    rows.append(("probe", *timed(lambda: Clip(path, settings))))
    rows.append(("verification (credentials and watermark)", *timed(lambda: clip.verification)))
    rows.append(("frames sampled and normalised", *timed(lambda: clip.samples)))
    rows += [cost_of(signal, clip) for signal in SIGNALS]
    rows.append(("**screen, all of it**", *timed(lambda: screen(path, settings=settings))))
    rows.append(("**screen, fast path only**", *timed(lambda: screen(path, depth="fast", settings=settings))))
    return rows


def bursts(items: Sequence[Item], count: int) -> Iterator[UInt8]:
    """Successive frames of one camera clip from each of ``count`` collections."""
    seen: set[str] = set()
    limits = Limits()
    for item in items:
        if item.generated is False and item.source not in seen and len(seen) < count:
            try:
                frames = np.stack([f for _, f in burst_frames(item.path, probe(item.path, limits=limits), limits)])
            except MediaError:
                continue
            seen.add(item.source)
            yield frames


def trial(frames: UInt8, settings: Settings) -> tuple[float, bool]:
    """Log-likelihood ratio that the shipped heads give frames uint8 [T, H, W, 3], and whether they are accused."""
    head, fusion = head_for("frames", settings), fusion_for(settings)
    chosen = frames[np.linspace(0, len(frames) - 1, min(TRIAL_FRAMES, len(frames))).round().astype(int)]
    images = np.stack([normalise(frame) for frame in chosen])
    classes = see(images, image_encoder(settings)).classes
    llr = head.llr(head.scores(features(layers_of(classes, head.card.layers))))
    fused = fuse(fusion, {"frames": llr}, detail(images))
    if fused is None:
        return llr, llr >= head.card.error_rates.threshold
    return fused[0], fused[0] >= fused[1].error_rates.threshold


def accusations(items: Sequence[Item], settings: Settings) -> list[str]:
    """Rows of a table: kind of unusual footage, looks, how many were accused, highest and mean ratio."""
    found: dict[str, list[tuple[float, bool]]] = {}
    for kind, frames in camera_trials(list(bursts(items, TRIAL_CLIPS))):
        found.setdefault(kind, []).append(trial(frames, settings))
    for kind, frames in drawn_trials(TRIAL_DRAWINGS, TRIAL_FRAMES):
        found.setdefault(kind, []).append(trial(frames, settings))
    return [
        f"| {kind} | {len(looks)} | {sum(accused for _, accused in looks)} | {max(llr for llr, _ in looks):+.2f} | "
        f"{np.mean([llr for llr, _ in looks]):+.2f} |"
        for kind, looks in found.items()
    ]


def group(shares: dict[str, Shares], names: Sequence[str]) -> Shares:
    """Several generators as one, each clip counting alike."""
    chosen = [shares[name] for name in names if name in shares]
    clips = sum(share.clips for share in chosen)

    def mean(part: str) -> float:
        known = [(getattr(s, part), s.clips) for s in chosen if np.isfinite(getattr(s, part))]
        return sum(value * n for value, n in known) / max(sum(n for _, n in known), 1)

    return Shares(clips, mean("native"), mean("degraded"), mean("abstained"))


def page(
    judged: Judged,
    options: str,
    trials: list[str],
    times: dict[str, list[tuple[str, float, float]]],
    load: tuple[float, float],
) -> str:
    """The result page. ``options`` are those of the command line that decide which clips were used."""
    report, table = judged.reports[ALL], judged.table
    by_generator = dict(report.by_generator)
    others = [name for name in by_generator if name not in PHOTOREAL]
    groups = {
        "modern, photoreal": group(by_generator, PHOTOREAL),
        "stylised, early or edits": group(by_generator, others),
    }
    rejected = ", ".join(f"`{name}` ({reached})" for name, reached in judged.fusion.rejected.items()) or "none"
    lines = [
        "# Detector",
        "",
        f"`python -m benchmarks.detector DATA{options}`, {platform.machine()}, {os.cpu_count()} cores, "
        f"{'with' if cpu_multiplies_bfloat16() else 'without'} bfloat16. "
        f"{int((~table.paired).sum())} clips, {int((~table.generated & ~table.drawn).sum())} of them camera footage, "
        f"{int(table.drawn.sum())} drawn by rule; every score by heads that have not seen the clip's site. "
        "Layers and regularisation of `frames` were chosen on these same looks.",
        "",
        main_table(judged.reports, judged.baselines),
        "",
        f"`noise` is the baseline of hand-made features. Not used by the verdict: {rejected}.",
        "",
        "By the fine detail that is left, all heads together:",
        "",
        "| | AUC (95 % interval over sources) | found at 5 % false positives | at 1 % |",
        "|---|---|---|---|",
        *(found.row(name) for name, found in report.by_detail.items()),
        "",
        "By what had been done to a clip before it was looked at. Uploaded is at most 720 lines of H.264 with about "
        "the bits a frame of 2.5 Mb/s, passed on after that at most 480 lines with those of 1 Mb/s, re-recorded is "
        "played in a smaller window, with another gamma, and uploaded again; smaller clips keep their size and get as "
        "many bits. All other losses come several at once, drawn by chance, and a look stands in a row for each. The "
        "threshold is that below; intervals of shares take each clip as one witness.",
        "",
        loss_table(report),
        "",
        f"At the threshold of these heads ({report.rates.threshold:+.2f}): "
        f"{100 * report.native_true_positive_rate:.0f} % of generated clips found as published, "
        f"{100 * report.rates.true_positive_rate:.0f} % of all looks, "
        f"{100 * report.rates.false_positive_rate:.1f} % of real looks accused "
        f"when the threshold is chosen without their site. Calibration error {report.calibration_error:.3f}; "
        f"abstained on {100 * report.abstained:.0f} % of looks.",
        "",
        source_table({**groups, **by_generator}, "generator", "found"),
        "",
        source_table(report.by_real_source, "real collection, or kind of drawing", "wrongly accused"),
        "",
        "## Unusual footage",
        "",
        "What nobody generated, scored by the shipped heads and weights; none of it is in the training data, but the "
        "camera clips that it is made of are.",
        "",
        "| kind | looks | accused | highest ratio | mean |",
        "|---|---|---|---|---|",
        *trials,
        "",
        f"Loading the encoder: {load[0]:.1f} s of processor time ({load[1]:.1f} s of wall-clock time). Memory of this "
        f"process at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.1f} GB.",
    ]
    for name, rows in times.items():
        lines += ["", f"## Time for a clip of {name}", "", "| part | processor s | wall-clock s |", "|---|---|---|"]
        lines += [f"| {part} | {cpu:.2f} | {wall:.2f} |" for part, cpu, wall in rows]
    return "\n".join(lines) + "\n"


CLIPS = (("2 s, 256×256", 256, 256, 2), ("10 s, 1920×1080", 1920, 1080, 10))


def main(arguments: Sequence[str] | None = None) -> int:
    options: argparse.Namespace = options_of(arguments, "python -m benchmarks.detector", "Measure the detector.")
    settings = get_settings()
    try:
        load = timed(lambda: image_encoder(settings))
        judged = judge(collect(options))
        trials = accusations(wanted(options), settings)
        times = {}
        with tempfile.TemporaryDirectory() as folder:
            for index, (name, width, height, seconds) in enumerate(CLIPS):
                path = Path(folder) / f"{index}.mp4"
                write_clip(path, width, height, seconds)
                times[name] = costs(path, settings)
    except CountermarkError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(
        page(judged, options_said(options.exclude, options.autoencoder), trials, times, load), encoding="utf-8"
    )
    print(RESULT.read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
