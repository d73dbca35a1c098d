"""A trained head on what is left when the content is taken away: noise and spectrum (:mod:`detector.residual`)."""

from __future__ import annotations

import numpy as np

from detector.clip import Clip
from detector.evidence import Evidence
from detector.fusion import STRONGEST_AGAINST, STRONGEST_FOR, fusion_for
from detector.head import head_for
from detector.residual import SMALLEST, residual_features
from detector.wording import Said, say

NAME = "noise"
VERSION = "1"


def applicable(clip: Clip) -> Said | None:
    """Not if the head was found useless, on frames too small for a spectrum, or on a single frame."""
    if (measured := fusion_for(clip.settings).rejected.get(NAME)) is not None:
        return say("head.rejected", measured=measured)
    count, height, width, _ = clip.burst.crops.shape
    if min(height, width) < SMALLEST:
        return say("noise.small", width=clip.info.width, height=clip.info.height, least=SMALLEST)
    if count < 2:
        return say("noise.single")
    return None


def measure(clip: Clip) -> Evidence:
    """Measure the centre of successive frames as decoded."""
    head = head_for(NAME, clip.settings)
    row = residual_features(clip.burst.crops).astype(np.float32)
    llr = min(max(head.llr(head.scores(row[None])), STRONGEST_AGAINST), STRONGEST_FOR)
    return Evidence(
        signal=NAME,
        status="measured",
        llr=round(llr, 3),
        said=say(f"{NAME}.{head.card.error_rates.level(llr)}", count=len(clip.burst.crops)),
        version=f"{VERSION}/{head.card.version}",
        error_rates=head.card.error_rates,
    )
