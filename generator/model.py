"""What a video model is to the studio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np
import numpy.typing as npt

from countermark.core.errors import GenerationError
from generator.request import GenerationRequest

RGB = npt.NDArray[np.uint8]
OnProgress = Callable[[int, int], None]
OnPreview = Callable[[RGB], None]
Cancelled = Callable[[], bool]
Mask = npt.NDArray[np.bool_]


class GenerationCancelledError(GenerationError):
    """Whoever asked for the video no longer wants it."""

    code = "cancelled"


@dataclass(frozen=True)
class Inputs:
    """Given frames at the size and rate of what is made, R'G'B' uint8 [T, height, width, 3].

    ``before`` are the last frames that come right before the generated ones (one frame: a still picture), ``after``
    the first that come right after; at most the rate's ``context`` each. ``whole`` is a video that is changed, in
    chunks; where there is a ``mask``, bool [height, width], only what is true is wanted.
    """

    before: RGB | None = None
    after: RGB | None = None
    whole: Iterator[RGB] | None = None
    mask: Mask | None = None


@dataclass(frozen=True)
class Rate:
    """``fps`` frames a second, of which a model looks at ``context`` before or after what it makes."""

    fps: Fraction
    context: int


@dataclass(frozen=True)
class Sampling:
    """How many steps a model takes, and its classifier-free guidance scale (1 is none)."""

    steps: int
    guidance: float

    def asked(self, request: GenerationRequest) -> Sampling:
        """This, but for what ``request`` says."""
        return Sampling(request.steps or self.steps, request.guidance or self.guidance)


class VideoModel(Protocol):
    """A model that turns a request into frames. Only `generator.studio.Studio` calls ``sample``.

    ``sampling`` is what it does unless a request says otherwise, None where that is a server's affair.
    """

    name: str
    version: str
    sampling: Sampling | None

    def size_for(self, size: tuple[int, int] | None) -> tuple[int, int]:
        """Width and height of what is made when ``size`` is asked for; raises `UsageError` for what cannot be made."""

    def rate_for(self, fps: int | None) -> Rate:
        """The rate of what is made when ``fps`` frames a second are asked for, None for the model's own; raises
        `UsageError` for one that cannot be made.
        """

    def check(self, request: GenerationRequest) -> None:
        """Raises `UsageError` for what this model cannot do of a request, whatever is in the files beside it: asked
        before they are looked at, and before weights are read.
        """

    def noise_mark(self, request: GenerationRequest) -> str | None:
        """The value of the watermark in the noise that ``request`` is drawn from, if there is one."""

    def sample(
        self,
        request: GenerationRequest,
        inputs: Inputs,
        *,
        on_progress: OnProgress,
        on_preview: OnPreview | None = None,
        on_notice: Callable[[str], None],
        cancelled: Cancelled,
    ) -> Iterator[RGB]:
        """Chunks of generated frames, uint8 [T, height, width, 3], without those that were given.

        ``on_progress(step, steps)`` is called after every sampling step. A model that can tell what comes of it calls
        ``on_preview`` too, with a thumbnail, uint8 [h, w, 3], an eighth as large as the frames: enough to see whether
        to wait, too small to pass for the video. ``on_notice`` is called with what the user should know about how
        prompt and inputs were understood. ``cancelled`` is asked several times a step.

        Raises `GenerationError`, `GenerationCancelledError` or `WeightsError`.
        """
