"""The table of the watermark benchmark, from its records."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median

from benchmarks.attacks import Attack
from benchmarks.clips import MATERIALS

_Z = 1.959964  # of the normal distribution at 97.5 %


@dataclass(frozen=True)
class Record:
    """What became of one algorithm's message in one marked clip after one attack.

    ``length`` is the number of frames asked for, ``frames`` what the clip had, ``read_frames`` how many of the received
    ones the detector was given (None: all). ``outcome`` is `exact`, `wrong`, `absent`, or `recalled`: too weak to read,
    but found among registered payloads or those of videos that look alike.
    """

    material: str
    clip: str
    length: int
    frames: int
    algorithm: str
    bits: int
    read_frames: int | None
    psnr: float
    ssim: float
    xpsnr: float
    embed_ms: float
    attack: str
    accuracy: float = math.nan
    outcome: str = ""
    detect_ms: float = math.nan


def wilson(errors: int, count: int) -> tuple[float, float]:
    """95 % interval of a rate of which ``errors`` in ``count`` trials were seen (Wilson, JASA 22, 1927)."""
    share, spread = errors / count, _Z**2 / count
    centre = (share + spread / 2) / (1 + spread)
    reach = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return max(centre - reach, 0.0), min(centre + reach, 1.0)


def page(records: Sequence[Record], attacks: dict[str, Sequence[Attack]], command: str) -> str:
    """The whole page: a table for each material in ``attacks``, which also gives the order of its rows."""
    lines = [
        "# Watermark robustness",
        "",
        f"Made by `{command}`.",
        "",
        "Bit accuracy is the mean over clips of the share of right bits in the likeliest message (coin tosses where",
        "there is none; the 16 bits of ours that follow from the key are not counted). A word error is a message that",
        "was not read, or not exactly; its 95 % interval is Wilson's. Not found: neither read nor recalled, that is,",
        "recognised among 1,000 registered messages, or as that of the one whose fingerprint the clip still has, or",
        "over the sketch of the original: `countermark verify` asks its registry all three.",
        "Video Seal's published figures are its authors', for 128 bits on 72 HD frames of other clips; every other",
        "column was measured in one run on the same clips. n is the number of clips where it is not that of the table.",
    ]
    for material, wanted in attacks.items():
        chosen = [record for record in records if record.material == material]
        if chosen:
            lines += ["", *_section(material, chosen, wanted)]
    return "\n".join(lines) + "\n"


def _section(material: str, records: list[Record], attacks: Sequence[Attack]) -> Iterator[str]:
    names = list(dict.fromkeys(record.algorithm for record in records))
    clips = {record.clip: record.frames for record in records}
    few, many = min(clips.values()), max(clips.values())
    lengths = f"{many} frames each" if few == many else f"{few} to {many} frames"
    yield f"## {material}: {MATERIALS[material].about}"
    yield ""
    yield f"{len(clips)} clips, {lengths}."
    yield ""
    recalling = {record.algorithm for record in records if record.outcome == "recalled"}
    heads = [f"{name}: bit accuracy | {name}: word error (95 %)" for name in names]
    heads += [f"{name}: not found" for name in names if name in recalling]
    yield "| attack | Video Seal, published | " + " | ".join(heads) + " |"
    yield "|---" * (2 + 2 * len(names) + len(recalling)) + "|"
    for attack in attacks:
        rows = [record for record in records if record.attack == attack.name]
        if rows:
            by_name = {name: [row for row in rows if row.algorithm == name] for name in names}
            cells = [_cells(by_name[name], len(clips)) for name in names]
            cells += [_not_found(by_name[name]) for name in names if name in recalling]
            yield f"| {attack.name} | {attack.published} | " + " | ".join(cells) + " |"
    yield ""
    yield "CPU time is in ms a frame, of the median clip; for detection without an attack, and with the slowest one."
    yield ""
    yield "| | bits | PSNR, dB (least) | SSIM | XPSNR, dB | to embed | to detect (slowest) |"
    yield "|---" * 7 + "|"
    for name in names:
        yield _cost(name, [record for record in records if record.algorithm == name])
    yield ""
    for name in names:
        outcomes = [record.outcome for record in records if record.algorithm == name]
        yield f"* {name}: {outcomes.count('wrong')} of {len(outcomes)} messages were reported as read but wrong."
    for name, frames in {r.algorithm: r.read_frames for r in records if r.read_frames is not None}.items():
        yield f"* {name} was given {frames} evenly spaced frames of each attacked clip."


def _cells(rows: list[Record], clips: int) -> str:
    if not rows:
        return "- | -"
    errors = sum(row.outcome != "exact" for row in rows)
    low, high = wilson(errors, len(rows))
    note = "" if len(rows) == clips else f", n={len(rows)}"
    accuracy = fmean(row.accuracy for row in rows)
    return f"{accuracy:.3f} | {errors / len(rows):.2f} ({low:.2f}-{high:.2f}{note})"


def _not_found(rows: list[Record]) -> str:
    return f"{sum(row.outcome not in ('exact', 'recalled') for row in rows)} of {len(rows)}" if rows else "-"


def _cost(name: str, rows: list[Record]) -> str:
    """Quality over marked clips (one row each), and time: the median clip, and for detection the slowest attack."""
    clips = list({row.clip: row for row in rows}.values())
    psnr = [row.psnr for row in clips]
    by_attack = {row.attack: [r.detect_ms for r in rows if r.attack == row.attack] for row in rows}
    usual = median(by_attack.get("identity") or [row.detect_ms for row in rows])
    slowest = max(median(times) for times in by_attack.values())
    return (
        f"| {name} | {rows[0].bits} | {fmean(psnr):.1f} ({min(psnr):.1f}) | {fmean(r.ssim for r in clips):.4f} | "
        f"{fmean(r.xpsnr for r in clips):.1f} | {median(r.embed_ms for r in clips):.1f} | {usual:.1f} ({slowest:.1f}) |"
    )
