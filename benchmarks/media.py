"""Memory and processor time of a 1080p video read chunk by chunk and written again, decoded in the child process.

Memory that stays flat over the frames does not depend on the length of the video, so a short run speaks for a long one.
Run: python benchmarks/media.py [--frames 600] [--preset ultrafast]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from countermark.core.media import Frames, VideoReader, VideoSpec, VideoWriter, probe

WIDTH, HEIGHT, CHUNK = 1920, 1080, 16
RESULTS = Path(__file__).parent / "results"


def synthetic(count: int) -> Iterator[Frames]:
    """A textured picture that pans, with a little new noise in each frame."""
    rng = np.random.default_rng(7)
    blocks = rng.integers(30, 220, (HEIGHT // 20, WIDTH // 20), dtype=np.uint8)
    picture = blocks.repeat(20, axis=0).repeat(20, axis=1)
    noise = rng.integers(0, 8, (HEIGHT, WIDTH), dtype=np.uint8)
    chroma = np.full((1, 2, HEIGHT // 2, WIDTH // 2), 120, np.uint8)
    for index in range(count):
        luma = np.roll(picture, 3 * index, axis=1) + np.roll(noise, 17 * index, axis=0)
        yield Frames(luma[None], chroma, np.array([index]))


def status(pid: int, field: str) -> float:
    """A memory field of /proc/PID/status in MB; 0 for a process that has ended."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0.0
    return int(text.split(f"{field}:")[1].split()[0]) / 1024 if field in text else 0.0


def child_of(pid: int) -> int:
    """The one child process, which decodes."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(children[0]) if children else 0


def main() -> None:
    """Make a clip, pass it through, and print and save what it cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--preset", default="ultrafast")
    options = parser.parse_args()
    me = os.getpid()
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "source.mp4", Path(folder) / "target.mp4"
        spec = VideoSpec(WIDTH, HEIGHT, Fraction(30), Fraction(1, 30), preset="ultrafast", crf=23)
        with VideoWriter(source, spec) as writer:
            for frames in synthetic(options.frames):
                writer.write(frames)
        samples = []
        mine, decoder = time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        with VideoReader(source, chunk=CHUNK) as reader:
            child, child_peak = child_of(me), 0.0
            copy = VideoSpec.like(reader.info, preset=options.preset)
            with VideoWriter(target, copy) as writer:
                for frames in reader:
                    writer.write(frames)
                    child_peak = max(child_peak, status(child, "VmHWM"))
                    samples.append(round(status(me, "VmRSS") + status(child, "VmRSS")))
        mine = time.process_time() - mine
        decoder = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - decoder
        if probe(target).frame_count != options.frames:
            raise SystemExit("the copy lost frames")
    result = {
        "frames": options.frames,
        "size": f"{WIDTH}x{HEIGHT}",
        "chunk": CHUNK,
        "preset": options.preset,
        "cpu_ms_per_frame_this_process": round(1000 * mine / options.frames, 1),
        "cpu_ms_per_frame_child": round(1000 * decoder / options.frames, 1),
        "resident_mb_after_each_quarter": [samples[(len(samples) * q) // 4 - 1] for q in (1, 2, 3, 4)],
        "peak_mb_this_process": round(status(me, "VmHWM")),
        "peak_mb_child": round(child_peak),
    }
    print(json.dumps(result, indent=2))
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"media-{options.preset}.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
