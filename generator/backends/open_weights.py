"""Open-weight video models through diffusers; what differs between their families is in `generator.families`.

Weights are read from a local folder, or from the local cache of the hub by their name; nothing is downloaded. Prompts
only: a picture or video given to a model that can draw anything would need a policy on pictures first.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
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
_NO_MEMORY = "can't allocate memory"  # on a CPU torch has no error of its own for it


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
        done = 0

        def after_step(steps: int) -> None:
            nonlocal done
            done += 1
            on_progress(done, steps * len(shots))

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
        after_step: Callable[[int], None],
        cancelled: Cancelled,
    ) -> RGB:
        def ask(*_: object) -> None:
            if cancelled():
                raise GenerationCancelledError("The generation was cancelled.", remedy="Ask again to start over.")

        width, height = self.size_for(request.size)
        sampling = self._own.asked(request)
        arguments = {
            "prompt": prompt,
            "negative_prompt": request.negative_prompt or None,
            "width": width,
            "height": height,
            "num_frames": 1 + self._family.group * -(-(frames - 1) // self._family.group),
            "frame_rate": self._family.fps,
            "num_inference_steps": sampling.steps,
            "guidance_scale": sampling.guidance,
            "generator": torch.Generator("cpu").manual_seed(request.seed),
            "output_type": "np",
        }
        with self._enough_memory():
            pipe = self._pipe
            taken = inspect.signature(type(pipe).__call__).parameters  # no two families take all the same
            if "guider" in pipe.components:
                pipe.guider = pipe.guider.new(guidance_scale=sampling.guidance)
            # Every pipeline tells its progress bar of every step; some have no callback for it.
            pipe.progress_bar = lambda total: nullcontext(SimpleNamespace(update=lambda: after_step(total)))
            networks = [getattr(pipe, name, None) for name in ("transformer", "transformer_2")]
            parts = [part for network in networks if network is not None for part in network.children()]
            hooks = [part.register_forward_pre_hook(ask) for part in parts]
            try:
                with torch.inference_mode():
                    video = pipe(**{name: value for name, value in arguments.items() if name in taken}).frames[0]
            finally:
                for hook in hooks:
                    hook.remove()
        if video.shape[1:] != (height, width, 3) or not np.isfinite(video).all():
            raise GenerationError(
                f"{self.name} produced invalid numbers, or another size than {width}x{height}.",
                remedy="Check the weights.",
            )
        rgb: RGB = (video[:frames].clip(0, 1) * 255).round().astype(np.uint8)
        return rgb

    @contextmanager
    def _enough_memory(self) -> Iterator[None]:
        """Say what to do where there is not."""
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError | torch.OutOfMemoryError) and _NO_MEMORY not in str(error):
                raise
            raise GenerationError(
                f"{self.name} needs more memory than there is.", remedy="Use a smaller size, or offloading."
            ) from error

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
            if (module := getattr(pipe, part, None)) is not None:
                module.to(torch.float32)
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
