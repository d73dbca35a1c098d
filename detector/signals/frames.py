"""A trained head on CLIP tokens of normalised frames: does the picture look generated, and where?

A linear probe on a frozen image-language encoder, after U. Ojha, Y. Li and Y. J. Lee, Towards Universal Fake Image
Detectors that Generalize Across Generative Models, CVPR 2023. Measured error rates are in ``weights/MODEL_CARD.md``.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from countermark.core.errors import WeightsError
from detector.clip import Clip
from detector.evidence import Evidence, HeatMap
from detector.fusion import STRONGEST_AGAINST, STRONGEST_FOR
from detector.head import features, head_for
from detector.normalise import visible_part
from detector.timeline import segments
from detector.tokens import layers_of
from detector.wording import Said, say

NAME = "frames"
VERSION = "3"

SMALLEST = 96
"""Short side in pixels below which nothing of a frame's texture is left."""
LEAST_CONTRAST = 3.0
"""Deviation in grey levels below which a frame shows nothing: black, white, or a fade."""
HEAT_MAPS = 3
"""How many frames are shown with a heat map: those that speak most for "generated"."""


def applicable(clip: Clip) -> Said | None:
    """Not on frames too small, not without the encoder's weights, and not where nothing is to be seen."""
    if min(clip.info.width, clip.info.height) < SMALLEST:
        return say("frames.small", width=clip.info.width, height=clip.info.height, least=SMALLEST)
    try:
        clip.encoder  # noqa: B018 - asks whether there is one
    except WeightsError as error:
        return say("encoder.missing", why=error)
    if not visible(clip).any():
        return say("frames.blank")
    return None


def visible(clip: Clip) -> npt.NDArray[np.bool_]:
    """Which of the samples show anything. A black frame looks like no generator, whoever made it."""
    contrast = clip.samples.normalised.astype(np.float32).std(axis=(1, 2)).mean(axis=-1)
    return np.asarray(contrast >= LEAST_CONTRAST, np.bool_)


def measure(clip: Clip) -> Evidence:
    """Embed evenly spread frames, score each that shows anything, average; what shows nothing says 0.

    Raises ``MediaError`` if no frame can be decoded.
    """
    head = head_for(NAME, clip.settings)
    scored = np.flatnonzero(visible(clip))
    scores = head.scores(features(layers_of(clip.tokens.classes[scored], head.card.layers)))
    llr = min(max(head.llr(scores), STRONGEST_AGAINST), STRONGEST_FOR)
    each = np.zeros(len(clip.samples.times))
    each[scored] = [head.llr(scores[i : i + 1]) for i in range(len(scores))]
    speaking = scored[np.argsort(-each[scored])[:HEAT_MAPS]]
    return Evidence(
        signal=NAME,
        status="measured",
        llr=round(llr, 3),
        said=say(f"{NAME}.{head.card.error_rates.level(llr)}", count=len(scores)),
        version=f"{VERSION}/{head.card.version}",
        error_rates=head.card.error_rates,
        segments=segments(clip.samples.times, each, clip.info.duration),
        heat_maps=tuple(_heat_map(clip, int(index)) for index in sorted(speaking)),
        model=clip.encoder.weights,
    )


def _heat_map(clip: Clip, index: int) -> HeatMap:
    """What a head on single patch tokens says about frame ``index``."""
    head = head_for("patches", clip.settings)
    scores = head.scores(patch_features(clip.tokens.grids[index]))
    llrs = np.clip(head.card.slope * scores + head.card.offset, STRONGEST_AGAINST, STRONGEST_FOR)
    side = round(len(llrs) ** 0.5)
    left, top, right, bottom = visible_part(clip.samples.thumbnails[index].shape[:2])
    rows = tuple(tuple(round(float(value), 2) for value in row) for row in llrs.reshape(side, side))
    return HeatMap(time=float(clip.samples.times[index]), left=left, top=top, right=right, bottom=bottom, llrs=rows)


def patch_features(grid: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Features [196, D] of patch tokens [196, D]: each scaled to unit length."""
    unit: npt.NDArray[np.float32] = grid / np.linalg.norm(grid, axis=-1, keepdims=True)
    return unit
