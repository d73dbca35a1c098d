"""What the detector reaches on sources it has not seen, and what it costs: ``python -m benchmarks.detector DATA``.

Writes ``benchmarks/results/detector.md``. The quality figures are those of the model card, measured anew; times are
processor seconds of this process and its decoding children, of which there is one at a time.
"""

from __future__ import annotations

import argparse
import platform
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np

from countermark.core.encoders.image import image_encoder
from countermark.core.errors import CountermarkError
from countermark.core.media import Frames, VideoSpec, VideoWriter
from countermark.core.settings import Settings, get_settings
from detector.clip import Clip
from detector.screen import SIGNALS, examine, screen
from detector.training.card import Report
from detector.training.frames import judge, look, tabulate

RESULT = Path(__file__).parent / "results" / "detector.md"
CLIPS = (("2 s, 256×256", 256, 256, 2), ("5 s, 1280×720", 1280, 720, 5))
FPS = 25


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


def costs(path: Path, settings: Settings) -> list[tuple[str, float, float]]:
    """Seconds of each part of a screening, encoder already loaded."""
    rows: list[tuple[str, float, float]] = []
    clip = Clip(path, settings)
    rows.append(("probe", *timed(lambda: Clip(path, settings))))
    rows.append(("verification (credentials and watermark)", *timed(lambda: clip.verification)))
    rows.append(("frames sampled and normalised", *timed(lambda: clip.samples)))
    for signal in SIGNALS:
        rows.append((f"signal {signal.NAME}", *timed(partial(examine, signal, clip))))
    rows.append(("**screen, all of it**", *timed(lambda: screen(path, settings=settings))))
    return rows


def page(report: Report, times: dict[str, list[tuple[str, float, float]]], load: tuple[float, float]) -> str:
    """The result page."""
    lines = [
        "# Detector",
        "",
        f"`python -m benchmarks.detector DATA`, {platform.machine()}, one core. {report.clips} clips, "
        f"{report.real_clips} of them camera footage, {report.drawn_clips} drawn by rule; every score by a head that "
        "has not seen the clip's site.",
        "",
        report.table(),
        "",
        f"At the shipped threshold ({report.threshold:+.2f}): {100 * report.native_true_positive_rate:.0f} % of "
        f"generated clips found as published, {100 * report.true_positive_rate:.0f} % of all looks, "
        f"{100 * report.nested_false_positive_rate:.1f} % of real looks accused when the threshold is chosen without "
        f"their site. Calibration error {report.calibration_error:.3f}.",
        "",
        f"Loading the encoder: {load[0]:.1f} s of processor time ({load[1]:.1f} s of wall-clock time).",
    ]
    for name, rows in times.items():
        lines += ["", f"## Time for a clip of {name}", "", "| part | processor s | wall-clock s |", "|---|---|---|"]
        lines += [f"| {part} | {cpu:.2f} | {wall:.2f} |" for part, cpu, wall in rows]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detector")
    parser.add_argument("data", type=Path, help="folder with manifest.csv and the clips")
    parser.add_argument("--cache", type=Path, default=Path("runs/frames"), help="as for detector.training.frames")
    options = parser.parse_args(arguments)
    try:
        load = timed(lambda: image_encoder(get_settings()))
        report, _, _ = judge(tabulate(look(options.data, options.cache)))
        with tempfile.TemporaryDirectory() as folder:
            settings = get_settings()
            times = {}
            for index, (name, width, height, seconds) in enumerate(CLIPS):
                path = Path(folder) / f"{index}.mp4"
                write_clip(path, width, height, seconds)
                times[name] = costs(path, settings)
    except CountermarkError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(page(report, times, load), encoding="utf-8")
    print(RESULT.read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
