"""What a video model is to the studio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Protocol

import numpy as np
import numpy.typing as npt

from generator.request import GenerationRequest

OnProgress = Callable[[int, int], None]


class VideoModel(Protocol):
    """A model that turns a request into frames. Only `generator.studio.Studio` calls ``sample``."""

    name: str
    version: str
    width: int
    height: int
    fps: Fraction

    def notices(self, request: GenerationRequest) -> list[str]:
        """What the user should know about how the prompt was understood, in plain sentences."""

    def sample(self, request: GenerationRequest, *, on_progress: OnProgress) -> Iterator[npt.NDArray[np.uint8]]:
        """Chunks of R'G'B' frames, uint8 [T, height, width, 3]; ``on_progress(step, steps)`` after every step.

        Raises `GenerationError` or `WeightsError`.
        """
