"""A trained head on how the frames' embeddings move: steps and turns of their path (:mod:`detector.geometry`)."""

from __future__ import annotations

import numpy as np

from countermark.core.errors import WeightsError
from detector.clip import Clip
from detector.evidence import Evidence, Segment
from detector.fusion import STRONGEST_AGAINST, STRONGEST_FOR, fusion_for
from detector.geometry import FEWEST, LEAST_MOTION, motion, path_features
from detector.head import head_for
from detector.tokens import GRID_LAYER, layers_of
from detector.wording import Said, say

NAME = "motion"
VERSION = "1"


def applicable(clip: Clip) -> Said | None:
    """Not if the head was found useless, not without the encoder, on too few frames, or where nothing moves."""
    if (measured := fusion_for(clip.settings).rejected.get(NAME)) is not None:
        return say("head.rejected", measured=measured)
    try:
        clip.encoder  # noqa: B018 - asks whether there is one
    except WeightsError as error:
        return say("encoder.missing", why=error)
    if (count := len(clip.burst.times)) < FEWEST:
        return say("motion.few", count=count, least=FEWEST)
    if motion(layers_of(clip.burst_tokens.classes, (GRID_LAYER,))[:, 0]) < LEAST_MOTION:
        return say("motion.still")
    return None


def measure(clip: Clip) -> Evidence:
    """Follow a burst of frames from the middle of the clip."""
    head, times = head_for(NAME, clip.settings), clip.burst.times
    row = path_features(layers_of(clip.burst_tokens.classes, head.card.layers)).astype(np.float32)
    llr = min(max(head.llr(head.scores(row[None])), STRONGEST_AGAINST), STRONGEST_FOR)
    return Evidence(
        signal=NAME,
        status="measured",
        llr=round(llr, 3),
        said=say(f"{NAME}.{head.card.error_rates.level(llr)}", stretch=f"{times[0]:.1f}–{times[-1]:.1f} s"),
        version=f"{VERSION}/{head.card.version}",
        error_rates=head.card.error_rates,
        segments=(Segment(start=float(times[0]), end=float(times[-1]), llr=round(llr, 3)),),
        model=clip.encoder.weights,
    )
