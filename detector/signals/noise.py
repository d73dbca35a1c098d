"""A trained head on what is left when the content is taken away: noise and spectrum (:mod:`detector.residual`)."""

from __future__ import annotations

import numpy as np

from detector.clip import Clip
from detector.evidence import Evidence
from detector.fusion import STRONGEST_AGAINST, STRONGEST_FOR
from detector.head import head_for
from detector.residual import SMALLEST, residual_features

NAME = "noise"
VERSION = "1"


def applicable(clip: Clip) -> str | None:
    """Not on frames too small for a spectrum, and not on a single frame."""
    count, height, width, _ = clip.burst.crops.shape
    if min(height, width) < SMALLEST:
        return f"The frames are {clip.info.width}x{clip.info.height}; below {SMALLEST} pixels a spectrum says nothing."
    if count < 2:
        return "A single frame has no noise to compare with the next."
    return None


def measure(clip: Clip) -> Evidence:
    """Measure the centre of successive frames as decoded."""
    head = head_for(NAME, clip.settings)
    row = residual_features(clip.burst.crops).astype(np.float32)
    llr = min(max(head.llr(head.scores(row[None])), STRONGEST_AGAINST), STRONGEST_FOR)
    if llr >= head.card.error_rates.threshold:
        finding = "are like those of known video generators"
    elif llr > 0:
        finding = "lean towards known video generators, but not enough to say so"
    else:
        finding = "are unlike those of the video generators it knows; compression changes them easily"
    return Evidence(
        signal=NAME,
        status="measured",
        llr=round(llr, 3),
        explanation=f"Noise and spectrum of {len(clip.burst.crops)} successive frames {finding}.",
        version=f"{VERSION}/{head.card.version}",
        error_rates=head.card.error_rates,
    )
