"""Does the detector ever read a message where there is none?

    python -m benchmarks.watermark_false_positives DATA [--detections 20000] [--searches 100] [--minutes 60]

Material: unmarked clips of DATA and drawn graphic clips, whole and single frames, and graphic clips marked with another
key. Each is read with many fresh keys, as `result()` of the detector does, without the search for geometry and, a
smaller number of times because it takes seconds, with it. Every detection also asks a register of 1,000 payloads.
Run from the repository's root.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.clips import read
from countermark.core.media import Frames
from provenance.watermark import Payload, WatermarkKey, embed
from provenance.watermark.detector import RECALL_FALSE_POSITIVE_RATE, SpreadSpectrumDetector
from tests.provenance.graphic_clip import graphic_clip

RESULTS = Path(__file__).parent / "results" / "watermark_false_positives.md"


def material(data: Path, drawn: int = 20) -> Iterator[Frames]:
    """Clips and single frames that carry no mark of the keys they will be read with."""
    for path in sorted(path for path in data.iterdir() if path.suffix in {".mp4", ".mov"}):
        clip = read(path, 12)
        yield clip
        yield first(clip)
    for seed in range(drawn):
        clip = graphic_clip(seed)
        yield clip
        yield embed(clip, Payload.new(1), WatermarkKey.new())
        yield first(clip)


def first(clip: Frames) -> Frames:
    return Frames(clip.luma[:1], clip.chroma[:1], clip.pts[:1], clip.colour)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--detections", type=int, default=20000, help="without search, over all pieces of material")
    parser.add_argument("--searches", type=int, default=100, help="detections with search, over all pieces")
    parser.add_argument("--minutes", type=float, default=60, help="stop after so long, with what was done")
    options = parser.parse_args()
    pieces = list(material(options.data))
    register = [Payload.new(1) for _ in range(1000)]
    end = time.monotonic() + 60 * options.minutes
    counts = {False: 0, True: 0}
    reads, highest, expected = 0, 0.0, 0.0
    goals = {False: options.detections, True: options.searches}
    rounds = 0
    while time.monotonic() < end and any(counts[search] < goals[search] for search in goals):
        clip = pieces[rounds % len(pieces)]
        rounds += 1
        detector = SpreadSpectrumDetector((WatermarkKey.new(),), (clip.height, clip.width))
        detector.update(clip)
        for search, goal in goals.items():
            share = -(-goal // len(pieces))  # of this piece, in this round
            for _ in range(min(share, goal - counts[search])):
                reading = detector.with_keys((WatermarkKey.new(),)).result(search=search, register=register)
                counts[search] += 1
                reads += reading.payload is not None
                highest = max(highest, reading.statistic)
                expected += reading.false_positive_rate
                if time.monotonic() > end:
                    break
        print(f"{rounds} pieces: {counts[False]} + {counts[True]} detections, {reads} reads, {highest:.3f}", flush=True)
    RESULTS.write_text(
        "\n".join(
            (
                "# False reads of the watermark",
                "",
                "Made by `python -m benchmarks.watermark_false_positives DATA`, on unmarked and wrongly keyed video.",
                "",
                "| | |",
                "|---|---|",
                f"| pieces of material | {min(rounds, len(pieces))} |",
                f"| detections without search for geometry | {counts[False]:,} |",
                f"| detections with it | {counts[True]:,} |",
                f"| false reads | {reads} |",
                f"| false reads expected by the derivation | {expected:.1e} |",
                f"| of these by recall, at most | {sum(counts.values()) * RECALL_FALSE_POSITIVE_RATE:.1e} |",
                f"| highest cosine | {highest:.3f} |",
                "",
            )
        )
    )
    print(f"wrote {RESULTS}")


if __name__ == "__main__":
    main()
