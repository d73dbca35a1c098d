"""What signing and verifying cost beside bare c2pa-python, and the memory they take, by the size of the file.

    python -m benchmarks.c2pa_cost [--megabytes 1 50 500] [--repeat 3]

"Ours" is what sealing and verifying do with the manifest: signing with every assertion and a thumbnail; reading,
the chain, the judgement. "Bare" is a minimal manifest, and the verdict. Decoding and the watermark are measured
by `provenance_cost`. Each runs in a process of its own, after a warm-up, small files several times; times are the
minimum of all repetitions, in turns. The ratio is that of processor time, which other work on the machine lengthens
least. Writes its table to ``benchmarks/results``.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import c2pa
import numpy as np
from PIL import Image

from benchmarks.provenance_cost import clip
from countermark.core.media import VideoSpec, VideoWriter
from countermark.core.settings import Settings
from provenance.credentials import load_or_create_credentials
from provenance.judgement import judge
from provenance.manifest import new_context, sign
from provenance.origin import Origin
from provenance.reader import read_report
from provenance.staging import flush_and_hash
from provenance.statements import TRAINED_ALGORITHMIC_MEDIA, SoftBinding, definition
from provenance.trust import load_anchors

ORIGIN = Origin("generated", "benchmark", "1", policy={"action": "allow"})
RESULTS = Path(__file__).parent / "results" / "c2pa_cost.md"
BARE = {
    "claim_generator_info": [{"name": "bare"}],
    "format": "video/mp4",
    "assertions": [
        {
            "label": "c2pa.actions.v2",
            "data": {"actions": [{"action": "c2pa.created", "digitalSourceType": TRAINED_ALGORITHMIC_MEDIA}]},
        }
    ],
}


def make_file(path: Path, megabytes: int) -> None:
    """A playable MP4, filled up to size with a second media box of noise."""
    with VideoWriter(path, VideoSpec(256, 256, Fraction(24), Fraction(1, 24), preset="ultrafast")) as writer:
        for frames in clip(256, 256, 48):
            writer.write(frames)
    rest = megabytes * 10**6 - path.stat().st_size - 8
    with path.open("ab") as file:
        file.write(struct.pack(">I4s", rest + 8, b"mdat"))
        noise = np.random.default_rng(0).bytes(10**6)
        while rest > 0:
            rest -= file.write(noise[: min(rest, len(noise))])


def _thumbnail() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(next(clip(320, 180, 1)).to_rgb()[0]).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


PICTURE = _thumbnail()
"""A JPEG of the size that sealing makes."""


def run(job: str, folder: Path) -> None:
    """Do one job in this process, after a warm-up on a small file.

    Prints its seconds of wall clock and of processor time, the least of its repetitions, and the peak memory in MB.
    """
    settings = Settings(home=folder / "home")
    work = {"bare sign": bare_sign, "ours sign": our_sign, "bare verify": bare_verify, "ours verify": our_verify}
    size = (folder / "large.mp4").stat().st_size
    spent: list[tuple[float, float]] = []
    for name in ("small", *["large"] * max(1, min(20, 20_000_000 // size))):
        source, target = folder / f"{name}.mp4", folder / f"{name}.{job.split(maxsplit=1)[0]}.mp4"
        if job.endswith("sign"):
            target.unlink(missing_ok=True)
        wall, processor = time.perf_counter(), time.process_time()
        if job == "ours flush":
            flush_and_hash(target.with_name(f"{name}.ours.mp4"))
        else:
            work[job](source, target, settings)
        spent.append((time.perf_counter() - wall, time.process_time() - processor))
    least = [min(column) for column in zip(*spent[1:], strict=True)]
    print(*least, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)


def bare_sign(source: Path, target: Path, settings: Settings) -> None:
    """A minimal manifest, signed by the SDK."""
    credentials = load_or_create_credentials(settings)
    key, chain = credentials.key_pem.encode(), credentials.chain_pem.encode()
    with (
        c2pa.Signer.from_info(c2pa.C2paSignerInfo(c2pa.C2paSigningAlg.ES256, chain, key, None)) as signer,
        c2pa.Builder(BARE, new_context(credentials.root_pem)) as builder,
        source.open("rb") as data,
        target.open("w+b") as out,
    ):
        builder.sign(signer, "video/mp4", data, out)


def our_sign(source: Path, target: Path, settings: Settings) -> None:
    """What sealing signs: every assertion, and a thumbnail."""
    binding = SoftBinding("org.countermark.video.2", "0" * 16, 2000)
    manifest = definition(ORIGIN, binding, title="t", file_format="video/mp4", when=datetime.now(UTC))
    sign(source, target, manifest, load_or_create_credentials(settings), origin=ORIGIN, thumbnail=PICTURE)


def bare_verify(_source: Path, target: Path, settings: Settings) -> None:
    """The SDK's verdict."""
    context = new_context(load_or_create_credentials(settings).root_pem)
    with target.open("rb") as data, c2pa.Reader("video/mp4", data, None, context) as reader:
        assert reader.get_validation_state() == "Trusted"


def our_verify(_source: Path, target: Path, settings: Settings) -> None:
    """The report, the chain, the judgement."""
    anchors = load_anchors(settings)
    report = read_report(target, anchors.pem)
    assert report is not None
    assert judge(report, anchors=anchors).sound


def measure(job: str, folder: Path) -> tuple[float, float, float]:
    """Run a job in a process of its own: wall clock, processor time, memory."""
    command = [sys.executable, "-m", "benchmarks.c2pa_cost", "--job", job, "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    wall, processor, memory = map(float, done.stdout.split())
    return wall, processor, memory


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, nargs="*", default=[1, 50, 500])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--job", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        run(options.job, options.folder)
        return
    lines = []
    for megabytes in options.megabytes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            make_file(folder / "small.mp4", 1)
            make_file(folder / "large.mp4", megabytes)
            for verb in ("sign", "verify"):
                all_of: dict[str, list[tuple[float, float, float]]] = {"bare": [], "ours": []}
                for _ in range(options.repeat):
                    for who, measured in all_of.items():
                        measured.append(measure(f"{who} {verb}", folder))
                told, processor = [], {}
                for who, measured in all_of.items():
                    wall, processor[who] = (1000 * min(column) for column in list(zip(*measured, strict=True))[:2])
                    memory = max(each[2] for each in measured)
                    told.append(f"{who} {wall:8.1f} ms, processor {processor[who]:8.1f} ms, {memory:5.0f} MB")
                ratio = processor["ours"] / processor["bare"]
                lines.append(f"{megabytes:4} MB {verb:6}  {'   '.join(told)}   ratio {ratio:.2f}")
                print(lines[-1], flush=True)
            spent = min(measure("ours flush", folder)[0] for _ in range(options.repeat))
            lines.append(f"{megabytes:4} MB flush to disk and hash for the registry: {spent * 1000:.1f} ms")
            print(lines[-1], flush=True)
    RESULTS.write_text("# Signing and verifying beside bare c2pa-python\n\n```\n" + "\n".join(lines) + "\n```\n")


if __name__ == "__main__":
    main()
