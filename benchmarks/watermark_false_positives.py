"""Does the detector ever read a message where there is none?

    python -m benchmarks.watermark_false_positives DATA [--keys 300]

Material: unmarked clips of DATA and drawn graphic clips, whole and single frames, and graphic clips marked with
another key. Each is read with many fresh keys, as `result()` of the detector does. Run from the repository's root.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.watermark import read
from countermark.core.media import Frames
from provenance.watermark import Payload, SpreadSpectrum, WatermarkKey, embed
from provenance.watermark.carriers import BANDS, deal
from provenance.watermark.code import CODE_BITS, FALSE_POSITIVE_RATE, decode
from provenance.watermark.spread import soft_values
from tests.provenance.graphic_clip import graphic_clip


def material(data: Path) -> Iterator[Frames]:
    for path in sorted(path for path in data.iterdir() if path.suffix in {".mp4", ".mov"}):
        clip = read(path, 12)
        yield clip
        yield Frames(clip.luma[:1], clip.chroma[:1], clip.pts[:1], clip.colour)
    for seed in range(20):
        clip = graphic_clip(seed)
        yield clip
        yield embed(clip, Payload.new(1), WatermarkKey.new())
        yield Frames(clip.luma[:1], clip.chroma[:1], clip.pts[:1], clip.colour)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--keys", type=int, default=300, help="fresh keys for each piece of material")
    options = parser.parse_args()
    detections = decodings = reads = 0
    highest, pieces = 0.0, 0
    for clip in material(options.data):
        detector = SpreadSpectrum(WatermarkKey.new()).detector(width=clip.width, height=clip.height)
        detector.update(clip)
        spectrum, pieces = detector.spectrum, pieces + 1
        for start in range(0, options.keys, 50):
            count = min(50, options.keys - start)
            keys = [WatermarkKey.new() for _ in range(count)]
            tries = np.stack([soft_values(spectrum, [deal(key, band) for band in BANDS]) for key in keys])
            found = decode(tries.reshape(-1, CODE_BITS))
            detections, decodings = detections + count, decodings + len(found)
            reads += sum(word.payload is not None for word in found)
            highest = max(highest, *(word.correlation for word in found))
        print(
            f"{pieces} pieces, {detections} detections, {decodings} decodings, {reads} reads, {highest:.3f}", flush=True
        )
    print(f"derived: {FALSE_POSITIVE_RATE:.2e} a decoding, {decodings * FALSE_POSITIVE_RATE:.1e} reads expected here")


if __name__ == "__main__":
    main()
