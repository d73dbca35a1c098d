"""Nudity in pictures: Yahoo's open_nsfw (a ResNet-50 thin, 2016), run with onnxruntime.

Trained on photographs; drawings, and anything but nudity, are outside of what it knows.
Reference: J. Mahadeokar and G. Pesavento, Open sourcing a deep learning solution for detecting NSFW images, 2016.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from countermark.core.settings import Settings
from countermark.core.weights import OPEN_NSFW
from policy.session import session_of

UInt8 = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
_RESIZED, _CROP = 256, 224
_MEAN = np.array([104, 117, 123], np.float32)  # B, G, R of the training set


def nudity_scores(pictures: UInt8, settings: Settings) -> Float32:
    """Probability of nudity, float32 [N], for R'G'B' pictures uint8 [N, H, W, 3].

    Raises `WeightsError` when the model is missing or is not the expected file.
    """
    session = session_of(OPEN_NSFW, settings)
    edge = (_RESIZED - _CROP) // 2
    inside = slice(edge, edge + _CROP)
    out = np.zeros(len(pictures), np.float32)
    for i, picture in enumerate(pictures):
        resized = Image.fromarray(picture).resize((_RESIZED, _RESIZED), Image.Resampling.BILINEAR)
        bgr = np.asarray(resized, np.float32)[inside, inside, ::-1] - _MEAN
        out[i] = session.run(None, {"input:0": np.ascontiguousarray(bgr[None])})[0][0, 1]
    return out
