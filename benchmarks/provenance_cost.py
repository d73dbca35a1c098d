"""What sealing and verifying cost, step by step, and beside bare c2pa-python.

    python benchmarks/provenance_cost.py [--seconds 2] [--size 256x256] [--repeat 5]

Prints the minimum of the repetitions in milliseconds; writes nothing outside a temporary folder.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from countermark.core.media import Frames, VideoSpec, transcode
from countermark.core.settings import Settings
from provenance.credentials import load_or_create_credentials
from provenance.manifest import sign
from provenance.origin import Origin
from provenance.reader import read_report
from provenance.seal import seal
from provenance.statements import SoftBinding, definition
from provenance.verify import verify

ORIGIN = Origin("generated", "benchmark", "1", policy={"action": "allow"})


def clip(width: int, height: int, frames: int) -> Iterator[Frames]:
    """A drifting texture with grain, in chunks of 16 frames."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    grain = np.random.default_rng(0).normal(0, 5, (height, width))
    for start in range(0, frames, 16):
        pictures = []
        for t in range(start, min(start + 16, frames)):
            base = 120 + 50 * np.sin((x + 2 * t) / 23) + 40 * np.cos(y / 17) + grain
            pictures.append(np.clip(np.stack([base, base * 0.8, 255 - base], axis=-1), 0, 255).astype(np.uint8))
        yield Frames.from_rgb(np.stack(pictures), pts=np.arange(start, start + len(pictures)))


def fastest(repeat: int, work: Callable[[], object]) -> float:
    """Milliseconds of the quickest of ``repeat`` runs."""
    times = []
    for _ in range(repeat):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times) * 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--size", default="256x256")
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    frames = list(clip(width, height, round(options.seconds * 24)))
    spec = VideoSpec(width, height, Fraction(24), Fraction(1, 24))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(home=folder / "home")
        best: dict[str, float] = {}
        for _ in range(options.repeat):
            marks: list[tuple[str, float]] = []
            sealed = seal(
                iter(frames),
                spec,
                folder / "sealed.mp4",
                origin=ORIGIN,
                settings=settings,
                overwrite=True,
                on_step=lambda step, _, marks=marks: marks.append((step, time.perf_counter())),
            )
            for (step, begun), (_, ended) in pairwise(marks):
                best[step] = min(best.get(step, 1e9), (ended - begun) * 1000)
        print(f"{options.size}, {sealed.frames} frames, {sealed.size_bytes / 1e6:.2f} MB, {sealed.watermark.psnr} dB")
        for step, spent in best.items():
            print(f"seal: {step:12} {spent:9.1f} ms")
        credentials = load_or_create_credentials(settings)
        manifest = definition(
            ORIGIN, SoftBinding("x.y", "0" * 16, 1), title="t", file_format="video/mp4", when=datetime.now(UTC)
        )

        def bare() -> None:
            (folder / "bare.mp4").unlink(missing_ok=True)
            sign(sealed.path, folder / "bare.mp4", manifest, credentials, origin=ORIGIN)

        transcode(sealed.path, folder / "transcoded.mp4", crf=28)
        measured = {
            "C2PA sign alone": bare,
            "C2PA read alone": lambda: read_report(sealed.path, credentials.root_pem),
            "verify, intact": lambda: verify(sealed.path, settings=settings),
            "verify, stripped": lambda: verify(folder / "transcoded.mp4", settings=settings),
        }
        for label, work in measured.items():
            print(f"{label:18} {fastest(options.repeat, work):9.1f} ms")


if __name__ == "__main__":
    main()
