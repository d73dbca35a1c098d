"""Does the clip change: where are its shots, and does a part of it look generated when the rest does not?

The scores of the frame head along the clip are divided into stretches of constant mean (:mod:`detector.timeline`); a
generated insert in camera footage shows as a stretch of its own, even where the mean over the clip is inconspicuous.
A stretch needs a higher ratio than a whole clip to be called generated, because every clip has several of them: one of
many is high by chance alone.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from detector.clip import Clip
from detector.evidence import Evidence, Segment
from detector.fusion import STRONGEST_AGAINST, STRONGEST_FOR, fusion_for
from detector.head import features, head_for
from detector.signals import frames
from detector.timeline import partition, segments
from detector.tokens import layers_of
from detector.wording import Said, say

NAME = "edits"
VERSION = "2"

PART = 4
"""Frames of a part at least: as many as those had on which its threshold was measured."""
FEWEST = 2 * PART
"""Frames below which a clip is not divided."""
DEVIATION, PENALTY = 1.0, 8.0
"""Usual spread of the frame head's ratio within a shot, and the price of a further stretch in squared deviations."""
CUT = 0.35
"""Distance of the class tokens (layer 8, unit length) of neighbouring samples from which on a cut lies between."""


def applicable(clip: Clip) -> Said | None:
    """Only where the frame head can speak and there are enough frames to divide."""
    if (said := frames.applicable(clip)) is not None:
        return said
    if (count := int(frames.visible(clip).sum())) < FEWEST:
        return say("edits.few", count=count, least=FEWEST)
    return None


def measure(clip: Clip) -> Evidence:
    """Divide the clip by its frames' scores. It has no weight of its own: the frames have been counted already.

    A part's ratio is less the natural logarithm of how many parts of fewest frames the clip has room for.
    """
    head = head_for(frames.NAME, clip.settings)
    seen = frames.visible(clip)
    times, classes = clip.samples.times[seen], clip.tokens.classes[seen]
    scores = head.scores(features(layers_of(classes, head.card.layers)))
    each = np.array([head.llr(scores[i : i + 1]) for i in range(len(scores))])
    parts = partition(each, DEVIATION, PENALTY, PART)
    chances = math.log(len(each) // PART) if len(parts) > 1 else 0.0
    single = segments(times, each, clip.info.duration)
    found = tuple(
        Segment(
            start=single[start].start,
            end=single[end - 1].end,
            llr=round(float(np.clip(head.llr(scores[start:end]) - chances, STRONGEST_AGAINST, STRONGEST_FOR)), 3),
        )
        for start, end in parts
    )
    rates = fusion_for(clip.settings).part
    generated = [part for part in found if part.llr >= rates.threshold]
    shots = 1 + int((shot_distances(classes) >= CUT).sum())
    if len(found) == 1 and not generated:
        said = say("edits.uniform", count=len(each), shots=shots)
    elif len(generated) == len(found):
        said = say("edits.whole", shots=shots)
    elif generated:
        said = say("edits.part", places=", ".join(f"{part.start:.1f}–{part.end:.1f} s" for part in generated))
    else:
        places = ", ".join(f"{part.start:.1f} s" for part in found[1:])
        said = say("edits.changes", places=places, shots=shots)
    return Evidence(
        signal=NAME,
        status="measured",
        said=said,
        version=f"{VERSION}/{head.card.version}",
        error_rates=rates,
        segments=found,
        model=clip.encoder.weights,
    )


def shot_distances(classes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Distances [N - 1] of neighbouring frames from their tokens [N, L, 768]: of the last layer, 0 to 2."""
    last = classes[:, -1]
    unit = last / np.linalg.norm(last, axis=-1, keepdims=True)
    distances: npt.NDArray[np.float32] = np.linalg.norm(np.diff(unit, axis=0), axis=-1)
    return distances
