"""A trained head on how the frames' embeddings move: steps and turns of their path (:mod:`detector.geometry`)."""

from __future__ import annotations

import numpy as np

from countermark.core.errors import WeightsError
from detector.clip import Clip
from detector.evidence import Evidence, Segment
from detector.fusion import STRONGEST_AGAINST, STRONGEST_FOR
from detector.geometry import FEWEST, LEAST_MOTION, motion, path_features
from detector.head import head_for
from detector.tokens import GRID_LAYER, layers_of

NAME = "motion"
VERSION = "1"


def applicable(clip: Clip) -> str | None:
    """Not without the encoder, not on too few frames, and not where nothing moves."""
    try:
        clip.encoder  # noqa: B018 - asks whether there is one
    except WeightsError as error:
        return str(error)
    if (count := len(clip.burst.times)) < FEWEST:
        return f"{count} frames are too few to follow a motion; {FEWEST} are needed."
    if motion(layers_of(clip.burst_tokens.classes, (GRID_LAYER,))[:, 0]) < LEAST_MOTION:
        return "Nothing moves in the stretch that was looked at, so there is no motion to judge."
    return None


def measure(clip: Clip) -> Evidence:
    """Follow a burst of frames from the middle of the clip."""
    head, times = head_for(NAME, clip.settings), clip.burst.times
    row = path_features(layers_of(clip.burst_tokens.classes, head.card.layers)).astype(np.float32)
    llr = min(max(head.llr(head.scores(row[None])), STRONGEST_AGAINST), STRONGEST_FOR)
    if llr >= head.card.error_rates.threshold:
        finding = "moves like the output of known video generators"
    elif llr > 0:
        finding = "leans towards known video generators in how it moves, but not enough to say so"
    else:
        finding = "moves unlike the output of the video generators it knows"
    return Evidence(
        signal=NAME,
        status="measured",
        llr=round(llr, 3),
        explanation=f"The picture {finding} ({len(times)} frames from {times[0]:.1f} to {times[-1]:.1f} s).",
        version=f"{VERSION}/{head.card.version}",
        error_rates=head.card.error_rates,
        segments=(Segment(start=float(times[0]), end=float(times[-1]), llr=round(llr, 3)),),
        model=clip.encoder.weights,
    )
