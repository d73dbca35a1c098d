"""Watermarks that other generators' tools leave in the picture."""

from __future__ import annotations

from detector.clip import Clip
from detector.evidence import Evidence
from detector.wording import Said, say
from provenance.watermark import detect_known_marks

NAME = "known_marks"
VERSION = "1"

FOUND = 6.9
"""Weight of a published generator mark: 1000 to 1. A chance reading is rarer than 1 in 10^8; a copied mark is not."""

_SMALLEST_AREA = 256 * 256


def applicable(clip: Clip) -> Said | None:
    """Not on frames too small for the marks that are looked for."""
    if clip.info.width * clip.info.height < _SMALLEST_AREA:
        return say("known_marks.small")
    return None


def measure(clip: Clip) -> Evidence:
    """Look for published messages in a few frames as decoded."""
    marks = detect_known_marks(clip.samples.full)
    if not marks:
        return Evidence(signal=NAME, status="measured", llr=0.0, said=say("known_marks.none"), version=VERSION)
    best = min(marks, key=lambda mark: mark.false_positive_rate)
    said = say(
        "known_marks.found",
        name=best.name,
        vendor=best.vendor,
        algorithm=best.algorithm,
        matches=best.matches,
        bits=best.bits,
        rate=f"{best.false_positive_rate:.0e}",
    )
    return Evidence(signal=NAME, status="measured", llr=FOUND, said=said, version=VERSION)
