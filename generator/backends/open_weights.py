"""Open-weight video models through diffusers; what differs between their families is in `generator.families`.

Weights are read from a local folder, or from the local cache of the hub by their name; nothing is downloaded. Prompts
only: a picture or video given to a model that can draw anything would need a policy on pictures first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from countermark.core.errors import ConfigurationError, GenerationError, UsageError, WeightsError
from generator.families import FAMILIES, family_of
from generator.model import RGB, Cancelled, GenerationCancelledError, Inputs, OnProgress, Sampling
from generator.request import GenerationRequest

try:
    import diffusers
except ImportError as error:
    raise ConfigurationError(
        "Open-weight models need diffusers, which is not installed.",
        remedy="Run: pip install 'countermark[open-weights]'.",
    ) from error

Offload = Literal["none", "model", "sequential"]

CHUNK = 16
STEPS = 20


class OpenWeightsModel:
    """One model of a known family, loaded when it is first sampled.

    ``source`` is a folder or a name on the hub. ``offload`` keeps weights in main memory until they are needed: whole
    networks ("model") or layer by layer ("sequential", slowest and smallest).

    Raises what `family_of` raises.
    """

    context = 1

    def __init__(self, source: str, *, offload: Offload = "none") -> None:
        self._source = source
        self._offload = offload
        kind = family_of(source)
        self._family = FAMILIES[kind]
        self.name = f"open-weights/{Path(source).name}"
        self.version = f"{kind} of diffusers {diffusers.__version__}"
        self.fps = Fraction(self._family.fps)
        self._own = Sampling(STEPS, self._family.guidance)
        self.sampling: Sampling | None = self._own

    def size_for(self, size: tuple[int, int] | None) -> tuple[int, int]:
        """See `generator.model.VideoModel.size_for`."""
        width, height = size or (self._family.width, self._family.height)
        if not self._family.fits(width, height):
            cause = f"{width}x{height} does not fit {self.name}."
            raise UsageError(cause, remedy=f"Both sides must be multiples of {self._family.side}.")
        return width, height

    def noise_mark(self, request: GenerationRequest) -> None:
        """See `generator.model.VideoModel.noise_mark`: other models are not known to show their noise."""

    def sample(
        self,
        request: GenerationRequest,
        inputs: Inputs,  # noqa: ARG002  # the protocol's; see `_check`
        *,
        on_progress: OnProgress,
        on_notice: Callable[[str], None],  # noqa: ARG002  # nothing is left out of a prompt
        cancelled: Cancelled,
    ) -> Iterator[RGB]:
        """See `generator.model.VideoModel.sample`."""
        shots: list[tuple[str, float | None]] = [(shot.prompt, shot.seconds) for shot in request.shots]
        shots = shots or [(request.prompt, request.seconds)]
        counts = [self._frames(seconds) for _, seconds in shots]
        _check(request)
        total = self._own.asked(request).steps * len(shots)
        done = 0

        def after_step(_pipe: object, _step: int, _timestep: object, tensors: dict[str, Any]) -> dict[str, Any]:
            nonlocal done
            done += 1
            on_progress(done, total)
            return tensors

        for (prompt, _), count in zip(shots, counts, strict=True):
            frames = self._clip(request, prompt, count, after_step=after_step, cancelled=cancelled)
            for first in range(0, len(frames), CHUNK):
                yield frames[first : first + CHUNK]

    def _clip(
        self,
        request: GenerationRequest,
        prompt: str,
        frames: int,
        *,
        after_step: Callable[..., dict[str, Any]],
        cancelled: Cancelled,
    ) -> RGB:
        def ask(*_: object) -> None:
            if cancelled():
                raise GenerationCancelledError("The generation was cancelled.", remedy="Ask again to start over.")

        width, height = self.size_for(request.size)
        sampling = self._own.asked(request)
        hooks = [module.register_forward_pre_hook(ask) for module in self._pipe.transformer.children()]
        try:
            with torch.inference_mode():
                video = self._pipe(
                    prompt=prompt,
                    negative_prompt=request.negative_prompt or None,
                    width=width,
                    height=height,
                    num_frames=1 + self._family.group * -(-(frames - 1) // self._family.group),
                    num_inference_steps=sampling.steps,
                    guidance_scale=sampling.guidance,
                    generator=torch.Generator("cpu").manual_seed(request.seed),
                    callback_on_step_end=after_step,
                    output_type="np",
                    **({"frame_rate": self._family.fps} if self._family.timed else {}),
                ).frames[0]
        except torch.OutOfMemoryError as error:
            raise GenerationError(
                f"{self.name} needs more memory than there is.", remedy="Use a smaller size, or offloading."
            ) from error
        finally:
            for hook in hooks:
                hook.remove()
        if not np.isfinite(video).all():
            raise GenerationError(f"{self.name} produced invalid numbers.", remedy="Check the weights.")
        rgb: RGB = (video[:frames].clip(0, 1) * 255).round().astype(np.uint8)
        return rgb

    def _frames(self, seconds: float | None) -> int:
        if seconds is None:
            return self._family.longest
        frames = round(seconds * self._family.fps)
        if frames > self._family.longest:
            cause = f"{self.name} makes at most {self._family.seconds:.1f} seconds in one piece, not {seconds:g}."
            raise UsageError(cause, remedy="Ask for a shorter clip.")
        return frames

    @cached_property
    def _pipe(self) -> Any:  # noqa: ANN401  # diffusers is not typed
        on_gpu = torch.cuda.is_available()
        logging.getLogger("diffusers").setLevel(logging.ERROR)
        try:
            pipe: Any = diffusers.DiffusionPipeline.from_pretrained(  # type: ignore[no-untyped-call]
                self._source, local_files_only=True, dtype=torch.bfloat16 if on_gpu else torch.float32
            )
        except (OSError, ValueError, KeyError) as error:
            raise WeightsError(
                f"The weights of {self._source} are incomplete: {error}.", remedy=f"Fetch them again: {self._source}."
            ) from error
        for part in self._family.exact:
            getattr(pipe, part).to(torch.float32)
        pipe.set_progress_bar_config(disable=True)
        if self._offload == "model" and on_gpu:
            pipe.enable_model_cpu_offload()
        elif self._offload == "sequential" and on_gpu:
            pipe.enable_sequential_cpu_offload()
        else:
            pipe.to("cuda" if on_gpu else "cpu")
        return pipe


def _check(request: GenerationRequest) -> None:
    if request.conditions or request.loop or request.still:
        raise UsageError(
            "Open-weight models make videos from prompts only.",
            remedy="Use the bundled model for pictures, given videos and loops.",
        )
    if any(shot.transition == "blend" for shot in request.shots):
        raise UsageError("Open-weight models cannot blend shots.", remedy="Use the transition 'cut'.")
