"""Watermarks that other generators' tools leave in the picture."""

from __future__ import annotations

from detector.clip import Clip
from detector.evidence import Evidence
from provenance.watermark import detect_known_marks

NAME = "known_marks"
VERSION = "1"

FOUND = 6.9
"""Weight of a published generator mark: 1000 to 1. A chance reading is rarer than 1 in 10^8; a copied mark is not."""

_SMALLEST_AREA = 256 * 256


def applicable(clip: Clip) -> str | None:
    """Not on frames too small for the marks that are looked for."""
    if clip.info.width * clip.info.height < _SMALLEST_AREA:
        return "The marks of other tools are only put into frames of 256x256 pixels and more."
    return None


def measure(clip: Clip) -> Evidence:
    """Look for published messages in a few frames as decoded."""
    marks = detect_known_marks(clip.samples.full)
    if not marks:
        words = "None of the published marks of Stable Diffusion's tools was found; most generators leave none."
        return Evidence(signal=NAME, status="measured", llr=0.0, explanation=words, version=VERSION)
    best = min(marks, key=lambda mark: mark.false_positive_rate)
    words = (
        f"The frames carry the invisible mark “{best.name}” of {best.vendor} ({best.algorithm}): {best.matches} of "
        f"{best.bits} bits agree; chance of that in unmarked frames {best.false_positive_rate:.0e}."
    )
    return Evidence(signal=NAME, status="measured", llr=FOUND, explanation=words, version=VERSION)
