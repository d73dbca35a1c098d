"""The fingerprint: recall after what platforms do, false matches between different videos, and the time of a look-up.

    python -m benchmarks.fingerprint DATA [--clips 40] [--hashes 1000000 4000000] [--only PATTERN]

DATA is a folder that holds MP4 files, at any depth. Prints the tables and writes them to ``benchmarks/results``.
"""

from __future__ import annotations

import argparse
import re
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from pathlib import Path

import numpy as np

from countermark.core.errors import MediaError
from countermark.core.media import Frames, Limits, VideoReader, VideoSpec, VideoWriter, transcode
from countermark.core.settings import Settings
from provenance.fingerprint import VIEWS, Index, fingerprint, queries, similarity
from provenance.lookalikes import MIN_SIMILARITY

LIMITS = Limits.from_settings(Settings())
RESULTS = Path(__file__).parent / "results" / "fingerprint.md"


Cut = tuple[float, float, float, float]


def cropped(source: Path, target: Path, cut: Cut, *, skip: float = 0.0) -> None:
    """Cut shares of the frame away (left, right, top, bottom); leave out the first ``skip`` seconds."""
    with VideoReader(source, LIMITS, isolated=False, start=skip, max_frames=300) as reader:
        info = reader.info
        x, y = round(info.width * cut[0] / 2) * 2, round(info.height * cut[2] / 2) * 2
        width = round((info.width * (1 - cut[1]) - x) / 2) * 2
        height = round((info.height * (1 - cut[3]) - y) / 2) * 2
        with VideoWriter(target, VideoSpec.like(info, width=width, height=height, crf=28, preset="veryfast")) as writer:
            for frames in reader:
                luma = frames.luma[:, y : y + height, x : x + width]
                chroma = frames.chroma[:, :, y // 2 : (y + height) // 2, x // 2 : (x + width) // 2]
                writer.write(Frames(luma, chroma, frames.pts, frames.colour))


ATTACKS: dict[str, Callable[[Path, Path], None]] = {
    "H.264 CRF 28": lambda s, t: transcode(s, t, crf=28, preset="veryfast"),
    "H.264 CRF 40": lambda s, t: transcode(s, t, crf=40, preset="veryfast"),
    "240 lines, CRF 30": lambda s, t: _scaled(s, t, 240),
    **{
        f"cropped by {share:g} %": lambda s, t, c=share / 200: cropped(s, t, (c, c, c, c))
        for share in (3, 5, 8, 10, 15)
    },
    "5 % off the left": lambda s, t: cropped(s, t, (0.05, 0, 0, 0)),
    "7 % off the bottom": lambda s, t: cropped(s, t, (0, 0, 0, 0.07)),
    "5 % off a corner": lambda s, t: cropped(s, t, (0, 0.05, 0, 0.05)),
    "first 0.5 s left out": lambda s, t: cropped(s, t, (0, 0, 0, 0), skip=0.5),
}


def _scaled(source: Path, target: Path, lines: int) -> None:
    with VideoReader(source, LIMITS, isolated=False) as reader:
        width = round(reader.info.width * lines / reader.info.height / 2) * 2
    transcode(source, target, crf=30, preset="veryfast", size=(width, lines))


def recall(clips: dict[Path, tuple[bytes, ...]], only: str) -> Iterator[str]:
    """Share of clips found again after each attack whose name matches the pattern ``only``."""
    for name, attack in ATTACKS.items():
        if not re.search(only, name):
            continue
        found, scores = 0, []
        with tempfile.TemporaryDirectory() as folder:
            for path, hashes in clips.items():
                target = Path(folder) / "attacked.mp4"
                attack(path, target)
                score = resemblance(queries(target, LIMITS, isolated=False), hashes)
                target.unlink()
                scores.append(score)
                found += score >= MIN_SIMILARITY
        yield f"{name:22} {found:4} of {len(clips)} found, mean score {np.mean(scores):5.1f}"


def false_matches(clips: dict[Path, tuple[bytes, ...]]) -> str:
    """Pairs of different clips that match."""
    asked = {path: queries(path, LIMITS, isolated=False) for path in clips}
    wrong = [(a, b) for a, b in permutations(clips, 2) if resemblance(asked[a], clips[b]) >= MIN_SIMILARITY]
    names = "".join(f"\n    {a.name} ~ {b.name}" for a, b in wrong[:20])
    return f"{'different clips':22} {len(wrong)} of {len(clips) * (len(clips) - 1)} pairs match{names}"


def resemblance(asked: Sequence[Sequence[bytes]], hashes: Sequence[bytes]) -> int:
    """As `find_lookalikes` judges it: the best of a video's queries, at least two hashes where it has two."""
    scores = [similarity(query, hashes) for query in asked]
    return max((score for score in scores if score * len(asked[0]) >= 100 * min(2, len(asked[0]))), default=0)


def look_up(count: int) -> str:
    """Time of one hash's look-up among ``count``."""
    random = np.random.default_rng(0)
    hashes = random.integers(0, 256, (count, 32), dtype=np.uint8)
    begun = time.perf_counter()
    index = Index(hashes)
    built = time.perf_counter() - begun
    times, missed = [], 0
    for row in random.integers(0, count, 200):
        bits = np.unpackbits(hashes[row])
        bits[random.choice(256, 31, replace=False)] ^= 1
        begun = time.perf_counter()
        found = index.near(np.packbits(bits).tobytes())
        times.append((time.perf_counter() - begun) * 1000)
        missed += row not in found
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    median = np.median(times)
    return (
        f"{count:>10,} hashes: one {median:.2f} ms (at most {max(times):.2f}), a video of 8 {8 * median:.1f} ms, "
        f"with all crops {8 * VIEWS * median:.0f} ms; {missed} of 200 missed at distance 31; built in {built:.1f} s; "
        f"{memory:.1f} GB"
    )


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--hashes", type=int, nargs="*", default=[1_000_000, 4_000_000])
    parser.add_argument("--only", default="", help="Attacks whose names match this pattern.")
    options = parser.parse_args()
    lines = [look_up(count) for count in options.hashes]
    print("\n".join(lines), flush=True)
    files = sorted(options.data.rglob("*.mp4"))
    clips: dict[Path, tuple[bytes, ...]] = {}
    for path in files[:: max(1, len(files) // options.clips)]:
        try:
            hashes = fingerprint(path, LIMITS, isolated=False)
        except MediaError as error:
            print(f"left out: {error}")
            continue
        if hashes:
            clips[path] = hashes
        else:
            lines.append(f"left out, nothing distinctive in it: {path.name}")
    lines.append(false_matches(clips))
    print(lines[-1], flush=True)
    for line in recall(clips, options.only):
        print(line, flush=True)
        lines.append(line)
    RESULTS.write_text("# The fingerprint\n\n```\n" + "\n".join(lines) + "\n```\n")


if __name__ == "__main__":
    main()
