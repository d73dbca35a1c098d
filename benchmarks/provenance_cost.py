"""What sealing and verifying cost, step by step, and beside bare c2pa-python.

    python benchmarks/provenance_cost.py [--seconds 2] [--size 256x256] [--repeat 5] [--hour]

Prints the minimum of the repetitions in milliseconds; writes nothing outside a temporary folder. With ``--hour`` an
hour of video with few frames is protected and verified instead, once.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np

from countermark.core.media import Frames, VideoSpec, VideoWriter, transcode
from countermark.core.settings import Settings
from provenance.credentials import load_or_create_credentials
from provenance.manifest import sign
from provenance.origin import Origin
from provenance.protect import protect
from provenance.reader import read_report
from provenance.seal import seal
from provenance.statements import SoftBinding, definition
from provenance.verify import verify

WHO = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
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


def hour() -> None:
    """Protect and verify an hour of 640x360 at one frame a second."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(home=folder / "home")
        spec = VideoSpec(640, 360, Fraction(1), Fraction(1), preset="ultrafast")
        with VideoWriter(folder / "hour.mp4", spec) as writer:
            for frames in clip(640, 360, 3600):
                writer.write(frames)
        print(f"an hour, {(folder / 'hour.mp4').stat().st_size / 1e6:.0f} MB")
        works: dict[str, Callable[[], object]] = {
            "protect": lambda: protect(folder / "hour.mp4", folder / "sealed.mp4", settings=settings),
            "verify": lambda: verify(folder / "sealed.mp4", settings=settings),
        }
        for what, work in works.items():
            before, begun = processor(), time.perf_counter()
            work()
            spent, wall = processor() - before, time.perf_counter() - begun
            print(f"{what}: {wall:.0f} s, processor {spent:.1f} s")
        most = [resource.getrusage(who).ru_maxrss / 2**20 for who in WHO]
        print(f"memory at most {most[0]:.2f} GB, of the largest decoding process {most[1]:.2f} GB")


def processor() -> float:
    """Processor seconds so far, children included."""
    return sum(sum(resource.getrusage(who)[:2]) for who in WHO)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--size", default="256x256")
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--hour", action="store_true", help="protect and verify an hour of 640x360, a frame a second")
    options = parser.parse_args()
    if options.hour:
        hour()
        return
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
