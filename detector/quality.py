"""How much fine detail has survived what happened to a video: less of it means less evidence."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter

UInt8 = npt.NDArray[np.uint8]


def detail(frames: UInt8) -> float:
    """Natural logarithm of the median high-pass energy of normalised frames uint8 [N, S, S, 3], in grey levels squared.

    Blur, small sizes and strong compression all lower it. The median over blocks ignores a few sharp edges.
    """
    luma = frames[..., :].astype(np.float32) @ np.array((0.299, 0.587, 0.114), np.float32)
    residual = luma - uniform_filter(luma, (0, 3, 3))
    energy = uniform_filter(residual**2, (0, 16, 16))[:, 8::16, 8::16]
    return float(np.log(np.median(energy) + 1e-2))
