"""How a picture moves through the encoder's space: step lengths, turning angles, their spread.

Camera footage follows objects that obey physics; its path of frame embeddings is smoother and bends otherwise than that
of sampled video. After C. Internò et al., AI-Generated Video Detection via Perceptual Straightening ("ReStraV", NeurIPS
2025: distances and angles) and C. Zheng et al., D3: Training-Free AI-Generated Video Detection Using Second-Order
Features (ICCV 2025: differences of successive distances).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]

FEWEST = 6
"""Frames below which a path has too few bends to be described."""
LEAST_MOTION = 0.02
"""Mean step (unit tokens of layer 6) below which nothing moves but noise."""
EACH = 14
"""Features of one path."""


def path_features(tokens: Float32) -> Float64:
    """Features float64 [L * EACH] of the tokens [T, L, D] of T >= FEWEST frames at even distances, one path a layer."""
    unit = tokens.astype(np.float64) / np.linalg.norm(tokens, axis=-1, keepdims=True)
    return np.concatenate([_one_path(unit[:, layer]) for layer in range(unit.shape[1])])


def motion(tokens: Float32) -> float:
    """Mean step length of the tokens [T, D] of successive frames, each scaled to unit length."""
    unit = tokens / np.linalg.norm(tokens, axis=-1, keepdims=True)
    return float(np.linalg.norm(np.diff(unit, axis=0), axis=-1).mean())


def _one_path(path: Float64) -> Float64:
    """Features of unit vectors [T, D]; lengths enter as logarithms, so that slow and fast scenes are comparable."""
    steps = np.diff(path, axis=0)
    lengths = np.linalg.norm(steps, axis=-1) + 1e-6
    cosines = np.sum(steps[1:] * steps[:-1], axis=-1) / (lengths[1:] * lengths[:-1])
    angles = np.arccos(np.clip(cosines, -1, 1))
    changes = np.abs(np.diff(lengths))
    mean = lengths.mean()
    bow = np.linalg.norm(path[-1] - path[0]) / lengths.sum()
    two = np.linalg.norm(path[2:] - path[:-2], axis=-1) / (lengths[1:] + lengths[:-1])
    return np.array(
        [
            np.log(mean),
            np.log(lengths.min() / mean),
            np.log(lengths.max() / mean),
            lengths.std() / mean,
            np.log(np.median(lengths) / mean),
            angles.mean(),
            angles.std(),
            angles.min(),
            angles.max(),
            np.log(changes.mean() / mean + 1e-3),
            np.log(changes.std() / mean + 1e-3),
            np.log(np.diff(changes).std() / mean + 1e-3),
            bow,
            two.mean(),
        ]
    )
