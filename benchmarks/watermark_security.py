"""Can the watermark be averaged out of an issuer's clips, or carried from one clip to another?

    python -m benchmarks.watermark_security DATA [--material 360p,drawn] [--clips 21] [--frames 24]

The attacker knows how the watermark works and has marked clips, but neither the key nor the originals. From each clip
he takes the fine detail, limited so that the pictures' own edges count little, and averages it over frames; averaged
over clips too, what the clips share is left (Voloshynovskiy et al., "Attacks on digital watermarks", IEEE
Communications Magazine 39(8), 2001). He subtracts that from a marked clip, or adds it to one that was never marked.

Each clip in turn is the victim, up to 20 others are what he has. Writes `benchmarks/results/watermark-security.md`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from benchmarks.clips import MATERIALS, Clip, clips
from benchmarks.watermark import embedder_for
from countermark.core.media import Frames
from provenance.watermark import Payload, SpreadSpectrum, Watermark, WatermarkKey

RESULTS = Path(__file__).resolve().parent / "results" / "watermark-security.md"
OTHERS = 20
STRENGTHS = (42, 38, 34)  # dB of luma that the attacker is ready to spend
_LIMIT = 4.0  # codes: more detail than this is the picture's
_SMOOTH = 24  # the shorter side in deviations of the blur that detail is measured against

Plane = npt.NDArray[np.float32]
Bits = tuple[int, ...]


@dataclass(frozen=True)
class Marked:
    """A clip, what was done to it, and the message in it."""

    original: Frames
    frames: Frames
    bits: Bits


def marked(clip: Frames, watermark: Watermark, bits: Bits) -> Marked:
    embedder = embedder_for(watermark, bits, clip)
    return Marked(clip, embedder.process(clip), bits)


def detail(frames: Frames) -> Plane:
    """What an attacker takes for the mark in one clip: limited fine detail, averaged over frames, [H, W]."""
    total = np.zeros(frames.luma.shape[1:], np.float32)
    for luma in frames.luma:
        plane = luma.astype(np.float32)
        total += np.clip(plane - cv2.GaussianBlur(plane, (0, 0), min(plane.shape) / _SMOOTH), -_LIMIT, _LIMIT)
    return total / np.float32(len(frames))


def shared(details: Iterable[Plane], height: int, width: int) -> Plane:
    """The mean of details on one size [height, width]: the mark scales with the frame."""
    planes = [cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in details]
    return np.asarray(np.mean(planes, axis=0), np.float32)


def added(frames: Frames, plane: Plane, decibels: float) -> Frames:
    """Luma plus ``plane`` [H, W] at the strength that costs ``decibels``; a negative plane is taken away."""
    scale = 255 / 10 ** (decibels / 20) / (float(np.sqrt(np.mean(plane**2))) + 1e-9)
    return frames.with_luma(np.rint(np.clip(frames.luma + scale * plane, 0, 255)).astype(np.uint8))


def reads(watermark: Watermark, frames: Frames) -> Bits | None:
    detector = watermark.detector(width=frames.width, height=frames.height)
    detector.update(frames)
    return detector.result().payload_bits


def attempts(
    victim: Marked, other: Marked, same: Plane, various: Plane
) -> Iterator[tuple[str, Plane, Frames, Bits | None]]:
    """What is tried on one clip: its name, what is added, to what, and the message that counts (None: any)."""
    own, foreign = detail(victim.frames), detail(other.frames)
    foreign = shared([foreign], victim.frames.height, victim.frames.width)
    yield "taken away: the clip's own detail", -own, victim.frames, victim.bits
    yield "taken away: mean of the others, one message in all", -same, victim.frames, victim.bits
    yield "taken away: mean of the others, a message each", -various, victim.frames, victim.bits
    yield "put on an unmarked clip: one other's detail", foreign, victim.original, other.bits
    yield "put on an unmarked clip: mean of the others, one message in all", same, victim.original, victim.bits
    yield "put on an unmarked clip: mean of the others, a message each (any read)", various, victim.original, None


def table(found: Sequence[Clip], watermark: Watermark, messages: Sequence[Bits]) -> Iterator[str]:
    """A line for each attempt: in how many clips the message is read, at each strength."""
    one = [marked(clip.frames, watermark, messages[0]) for clip in found]
    each = [marked(clip.frames, watermark, bits) for clip, bits in zip(found, messages, strict=True)]
    same, various = ([detail(clip.frames) for clip in group] for group in (one, each))
    read: dict[str, list[list[bool]]] = {}
    known, strangers = set(messages), 0
    for index, victim in enumerate(one):
        size = victim.frames.height, victim.frames.width
        rest = [place for place in range(len(found)) if place != index][:OTHERS]
        means = [shared([group[place] for place in rest], *size) for group in (same, various)]
        for name, plane, target, bits in attempts(victim, each[rest[0]], *means):
            outcomes = [reads(watermark, added(target, plane, decibels)) for decibels in STRENGTHS]
            strangers += sum(outcome is not None and outcome not in known for outcome in outcomes)
            read.setdefault(name, []).append([outcome is not None and bits in (None, outcome) for outcome in outcomes])
    yield "| attempt | " + " | ".join(f"read at {decibels} dB" for decibels in STRENGTHS) + " |"
    yield "|---" * (1 + len(STRENGTHS)) + "|"
    for name, rows in read.items():
        yield f"| {name} | " + " | ".join(f"{sum(column)} of {len(rows)}" for column in zip(*rows, strict=True)) + " |"
    yield ""
    yield f"Messages read that were in no clip: {strangers}."


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.watermark_security", description=__doc__.splitlines()[0]
    )
    parser.add_argument("data", type=Path, help="folder of clips")
    parser.add_argument("--material", default="360p,drawn", help=f"some of {','.join(MATERIALS)}")
    parser.add_argument("--clips", type=int, default=OTHERS + 1, help="at most so many of each material; at least 2")
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--table", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    lines = [
        "# Averaging and copying the watermark",
        "",
        "Made by `python -m benchmarks.watermark_security DATA`. Reading after something was taken away means that the",
        "mark survived; reading after something was put on an unmarked clip means that it was forged. The strength is",
        "what the attacker's change costs in luma.",
    ]
    for material in options.material.split(","):
        found = list(clips(material, options.data, count=options.clips, length=options.frames))
        if len(found) < 2:
            raise SystemExit(f"There are fewer than two clips of {material} in {options.data}.")
        lines += [
            "",
            f"## {material}: {MATERIALS[material].about}",
            "",
            f"{len(found)} clips of up to {options.frames} frames; means are of {min(len(found) - 1, OTHERS)} others.",
            "",
        ]
        lines += table(found, SpreadSpectrum(WatermarkKey.new()), [tuple(Payload.new(1).to_bits()) for _ in found])
        print(f"{material} done", flush=True)
    options.table.write_text("\n".join(lines) + "\n")
    print(f"wrote {options.table}")


if __name__ == "__main__":
    main()
