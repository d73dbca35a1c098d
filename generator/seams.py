"""Joining what is made to what is given around it, so that no edge shows where one ends and the other begins."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt, gaussian_filter

from generator.model import RGB, Mask

_SMOOTH = 8.0  # pixels over which the difference along an edge is averaged
_NEAR, _FAR = 3.0, 24.0  # pixels after which little is left of the difference itself, and of its average
_EDGE = 64.0  # of 255: differences of that size are not the model's error but another thing that begins there


class Seam:
    """The edge of ``mask``, bool [H, W]: where it is true, pictures are made, elsewhere they are given.

    A picture that is made differs from the given one at the edge as well, mostly smoothly. That difference is carried
    over the edge and fades with the distance from it: fine detail soon, the rest slowly. A difference so large that it
    must be meant is left.
    """

    def __init__(self, mask: Mask) -> None:
        self._mask, self._edged = mask, bool(mask.any() and not mask.all())
        if not self._edged:
            return
        distance, nearest = distance_transform_edt(mask, return_indices=True)
        self._nearest = tuple(index[mask] for index in nearest)
        off = distance[mask][:, None].astype(np.float32) - 1
        self._near, self._far = np.exp(-off / _NEAR), np.exp(-off / _FAR)
        self._share = gaussian_filter((~mask).astype(np.float32), _SMOOTH, truncate=2)

    def join(self, made: RGB, given: RGB) -> RGB:
        """``given`` [T, H, W, 3], as it is, where the mask is false, and what is ``made`` elsewhere."""
        out = np.where(self._mask[..., None], made, given)
        if not self._edged:
            return out
        for frame, known, new in zip(out, given, made, strict=True):
            difference = (known.astype(np.float32) - new) * ~self._mask[..., None]
            difference *= np.exp(-((difference / _EDGE) ** 4))
            average = gaussian_filter(difference, (_SMOOTH, _SMOOTH, 0), truncate=2)[self._nearest]
            average /= self._share[self._nearest][:, None]
            carried = self._far * average + self._near * (difference[self._nearest] - average)
            frame[self._mask] = np.clip(np.rint(new[self._mask] + carried), 0, 255)
        return out
