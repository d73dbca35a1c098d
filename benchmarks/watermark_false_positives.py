"""Does the detector ever read a message where there is none?

    python -m benchmarks.watermark_false_positives DATA [--detections 200000] [--searches 500]

Material: the unmarked clips of DATA and drawn graphic clips, whole and single frames, and graphic clips marked with
another key. Each is read with many keys, as `result()` of the detector does, without the search for geometry and,
a smaller number of times because it takes seconds, with it. Every detection also asks a register of 1,000 payloads, and
compares with one of them by itself, as with that of a video which looks alike; those with the search also lay the
material over its own sketch, as if it had been sealed with another message.
The table is written anew after every 16 pieces of material, with the counts beside it as JSON, and a run that was cut
off goes on from there: give it the same DATA. Counts of other code than today's are begun anew. Run from the
repository's root.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path

from benchmarks.clips import files_of, read
from benchmarks.watermark import code_version
from countermark.core.errors import MediaError
from countermark.core.media import Frames, probe
from provenance.watermark import Payload, Reading, WatermarkKey, embed
from provenance.watermark.detector import RECALL_FALSE_POSITIVE_RATE, SpreadSpectrumDetector
from provenance.watermark.sketch import Sketch
from provenance.watermark.spread import MIN_SIDE
from tests.provenance.graphic_clip import graphic_clip

RESULTS = Path(__file__).parent / "results" / "watermark_false_positives.md"
DRAWN = 40  # graphic clips
BLOCK = 16  # pieces that are read with the same keys


def material(paths: Sequence[Path]) -> Iterator[Frames]:
    """Clips and single frames that carry no mark of the keys they will be read with: :func:`pieces` of them."""
    for seed in range(DRAWN):
        clip = graphic_clip(seed)
        yield clip
        yield first(clip)
        yield embed(clip, Payload.new(1), WatermarkKey.new())
    for path in paths:
        clip = read(path, 12)
        yield clip
        yield first(clip)


def blocks(clips: Iterator[Frames]) -> Iterator[list[Frames]]:
    """The clips in lists of 16."""
    while block := list(islice(clips, BLOCK)):
        yield block


def pieces(paths: Sequence[Path]) -> int:
    """How many pieces :func:`material` makes."""
    return 3 * DRAWN + 2 * len(paths)


def readable(path: Path) -> bool:
    """Whether it is a video that is large enough to have a mark."""
    try:
        info = probe(path)
    except MediaError:
        return False
    return min(info.width, info.height) >= MIN_SIDE


def first(clip: Frames) -> Frames:
    return Frames(clip.luma[:1], clip.chroma[:1], clip.pts[:1], clip.colour)


@dataclass
class Count:
    """What came out so far. ``allowed`` adds up the false positive rates that the readings state."""

    pieces: int = 0
    plain: int = 0
    searched: int = 0
    reads: int = 0
    highest: float = 0.0
    allowed: float = 0.0

    def add(self, reading: Reading, *recalled: Reading, search: bool) -> None:
        self.searched += search
        self.plain += not search
        self.reads += any(each.payload is not None for each in (reading, *recalled))
        self.highest = max(self.highest, reading.statistic)
        self.allowed += sum(each.false_positive_rate for each in (reading, *recalled))

    @classmethod
    def resumed(cls, path: Path) -> Count:
        """What an earlier run counted, if the code was the same; nothing otherwise."""
        stored = json.loads(path.read_text()) if path.exists() else {}
        return cls(**stored["count"]) if stored.get("code") == code_version() else cls()

    def keep(self, path: Path) -> None:
        """Write the table to ``path``, and what `resumed` needs beside it."""
        path.write_text(self.page())
        counts = {"code": code_version(), "count": asdict(self)}
        path.with_suffix(".json").write_text(json.dumps(counts, indent=1) + "\n")

    def page(self) -> str:
        """The table, Markdown."""
        # The register, one of it, and with the search the same one laid over its sketch, if it lies there.
        recall = (2 * self.plain + 3 * self.searched) * RECALL_FALSE_POSITIVE_RATE
        return "\n".join(
            (
                "# False reads of the watermark",
                "",
                f"Made by `python -m benchmarks.watermark_false_positives DATA --searches {self.searched}`, "
                "on unmarked and wrongly keyed video.",
                "",
                "| | |",
                "|---|---|",
                f"| pieces of material | {self.pieces} |",
                f"| detections without search for geometry | {self.plain:,} |",
                f"| detections with it | {self.searched:,} |",
                f"| false reads | {self.reads} |",
                f"| false reads that the derivation allows | {self.allowed:.1e} |",
                f"| of these by recall, at most | {recall:.1e} |",
                f"| highest cosine | {self.highest:.3f} |",
                "",
            )
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--detections", type=int, default=200_000, help="without search, over all pieces of material")
    parser.add_argument("--searches", type=int, default=500, help="detections with search, over all pieces")
    options = parser.parse_args()
    paths = [path for path in files_of(options.data) if readable(path)]
    random.Random(0).shuffle(paths)
    register = [Payload.new(1) for _ in range(1000)]
    total, count = pieces(paths), Count.resumed(RESULTS.with_suffix(".json"))
    for block in blocks(islice(material(paths), count.pieces, None)):
        detectors = []
        for clip in block:
            detectors.append(SpreadSpectrumDetector((), (clip.height, clip.width)))
            detectors[-1].update(clip)
        share = len(block) / (total - count.pieces)  # of what is left to do
        for _ in range(round((options.detections - count.plain) * share / len(block))):
            key = WatermarkKey.new()  # dealing its frequencies takes a quarter of the time
            for detector in detectors:
                keyed = detector.with_keys((key,))
                count.add(keyed.result(search=False, register=register), keyed.compare(register[:1]), search=False)
        for detector in islice(cycle(detectors), round((options.searches - count.searched) * share)):
            keyed = detector.with_keys((WatermarkKey.new(),))
            laid = keyed.laid_over([(register[0], Sketch.of(keyed.evidence.detail, keyed.aspect))])
            count.add(keyed.result(search=True, register=register), keyed.compare(register[:1]), laid, search=True)
        count.pieces += len(block)
        count.keep(RESULTS)
        print(f"{count.pieces} of {total}: {count}", flush=True)
    print(f"wrote {RESULTS}")


if __name__ == "__main__":
    main()
