"""A trained head on CLIP embeddings of normalised frames: does the picture look generated?

A linear probe on a frozen image-language encoder, after U. Ojha, Y. Li and Y. J. Lee, Towards Universal Fake Image
Detectors that Generalize Across Generative Models, CVPR 2023. Measured error rates are in ``weights/MODEL_CARD.md``.
"""

from __future__ import annotations

from functools import cache

from countermark.core.encoders.image import image_encoder
from countermark.core.errors import WeightsError
from countermark.core.weights import CLIP_VISUAL_INT8
from detector.clip import Clip
from detector.evidence import Evidence, Segment
from detector.head import WEIGHTS, Head, features, load_head

NAME = "frames"
VERSION = "1"

SMALLEST = 96
"""Short side in pixels below which nothing of a frame's texture is left."""

# The evidence may not outweigh what a few hundred clips can support. The lower bound is nearer to zero, because a
# generator the head has never seen often looks to it like camera footage.
STRONGEST_FOR, STRONGEST_AGAINST = 4.6, -2.0


@cache
def _head() -> Head:
    head = load_head(WEIGHTS / "frames.safetensors")
    if head.card.encoder_sha256 != CLIP_VISUAL_INT8.sha256:
        raise WeightsError(
            "The frame head was trained on another image encoder.",
            remedy="Train it again with `python -m detector.training.frames`.",
        )
    return head


def applicable(clip: Clip) -> str | None:
    """Not without the encoder's weights, and not on frames too small."""
    if min(clip.info.width, clip.info.height) < SMALLEST:
        return f"The frames are {clip.info.width}x{clip.info.height}; below {SMALLEST} pixels nothing can be told."
    try:
        image_encoder(clip.settings)
    except WeightsError as error:
        return str(error)
    return None


def measure(clip: Clip) -> Evidence:
    """Embed evenly spread frames, score each, average. Raises ``MediaError`` if no frame can be decoded."""
    head, encoder = _head(), image_encoder(clip.settings)
    samples = clip.samples
    scores = head.scores(features(encoder.layers(samples.normalised, head.card.layers).classes))
    llr = min(max(head.llr(scores), STRONGEST_AGAINST), STRONGEST_FOR)
    bounds = [0.0, *((samples.times[1:] + samples.times[:-1]) / 2), max(clip.info.duration, samples.times[-1])]
    segments = tuple(
        Segment(start=float(bounds[i]), end=float(bounds[i + 1]), llr=round(head.llr(scores[i : i + 1]), 3))
        for i in range(len(scores))
    )
    if llr >= head.card.error_rates.threshold:
        finding = "look like those of known video generators"
    elif llr > 0:
        finding = "lean towards known video generators, but not enough to say so"
    else:
        finding = "do not look like those of the video generators it knows, which new generators need not either"
    return Evidence(
        signal=NAME,
        status="measured",
        llr=round(llr, 3),
        explanation=f"{len(scores)} frames {finding}.",
        version=f"{VERSION}/{head.card.version}",
        error_rates=head.card.error_rates,
        segments=segments,
        model=encoder.weights,
    )
