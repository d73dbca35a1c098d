"""Open-weight video models through diffusers; what differs between their families is in `generator.families`.

Weights are read from a local folder, or from the local cache of the hub by their name; nothing is downloaded.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image

from countermark.core.errors import ConfigurationError, GenerationError, UsageError, WeightsError
from generator.families import FAMILIES, RATES, family_of
from generator.model import RGB, Cancelled, GenerationCancelledError, Inputs, OnPreview, OnProgress, Rate, Sampling
from generator.request import GenerationRequest

try:
    import diffusers
    from diffusers.quantizers.pipe_quant_config import PipelineQuantizationConfig
except ImportError as error:
    raise ConfigurationError(
        "Open-weight models need diffusers, which is not installed.",
        remedy="Run: pip install 'countermark[open-weights]'.",
    ) from error

Offload = Literal["none", "model", "sequential"]
Quantization = Literal["8bit", "4bit"]

CHUNK = 16
STEPS = 20
_LARGE = ["transformer", "transformer_2", "text_encoder"]
_QUANTIZED: dict[str, dict[str, Any]] = {
    "8bit": {"load_in_8bit": True},
    "4bit": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": torch.bfloat16},
}
_SMALLER = (
    "Use a smaller size or a shorter clip, or on a GPU COUNTERMARK_GENERATOR_OFFLOAD=model (or sequential) and "
    "COUNTERMARK_GENERATOR_QUANTIZATION=8bit (or 4bit)."
)
_NO_MEMORY = "can't allocate memory"  # on a CPU torch has no error of its own for it


@dataclass(frozen=True)
class _Clip:
    """What is made in one piece: so many ``frames``, the first of them ``given`` and ``kept`` as `Condition` says."""

    prompt: str
    frames: int
    given: RGB | None = None
    kept: float = 1.0

    @property
    def known(self) -> int:
        """How many of its frames are as they were given."""
        return 0 if self.given is None or self.kept < 1 else len(self.given)


class OpenWeightsModel:
    """One model of a known family, loaded when it is first sampled.

    ``source`` is a folder or a name on the hub. ``offload`` keeps weights in main memory until they are needed on the
    GPU: whole networks ("model") or layer by layer ("sequential", slowest and smallest). ``quantization`` is
    what bitsandbytes makes of those of the transformers and the text encoder: eight bits, or four (NF4).

    Raises what `family_of` raises, and `ConfigurationError` where weights cannot be quantized.
    """

    def __init__(self, source: str, *, offload: Offload = "none", quantization: Quantization | None = None) -> None:
        self._source = source
        self._offload = offload
        self._quantization = quantization
        kind = family_of(source)
        if quantization is not None:
            _check_quantization(offload)
        self._family = FAMILIES[kind]
        self.name = f"open-weights/{Path(source).name}"
        self.version = f"{kind} of diffusers {diffusers.__version__}"
        self._own = Sampling(STEPS, self._family.guidance)
        self.sampling: Sampling | None = self._own
        self._loaded: tuple[str, Any] | None = None

    def size_for(self, size: tuple[int, int] | None) -> tuple[int, int]:
        """See `generator.model.VideoModel.size_for`."""
        width, height = size or (self._family.width, self._family.height)
        if not self._family.fits(width, height):
            cause = f"{width}x{height} does not fit {self.name}."
            raise UsageError(cause, remedy=f"Both sides must be multiples of {self._family.side}.")
        return width, height

    def rate_for(self, fps: int | None) -> Rate:
        """See `generator.model.VideoModel.rate_for`."""
        own = self._family.fps
        if fps is not None and fps not in self._family.rates:
            many = f"{RATES[0]} to {RATES[-1]}" if self._family.timed else f"{own}, or leave it out"
            raise UsageError(f"{self.name} makes no {fps} frames a second.", remedy=f"Ask for {many}.")
        return Rate(Fraction(fps or own), self._family.context)

    def check(self, request: GenerationRequest) -> None:
        """See `generator.model.VideoModel.check`."""
        self._pipeline_for(request)
        given = {"image": 1, "extend": self._family.context}.get(request.task, 0)
        for seconds in (request.seconds, *(shot.seconds for shot in request.shots)):
            self._frames(request, seconds, after=given)

    def noise_mark(self, request: GenerationRequest) -> None:
        """See `generator.model.VideoModel.noise_mark`: other models are not known to show their noise."""

    def sample(
        self,
        request: GenerationRequest,
        inputs: Inputs,
        *,
        on_progress: OnProgress,
        on_preview: OnPreview | None = None,  # noqa: ARG002  # half-done latents of other models are not looked at
        on_notice: Callable[[str], None],  # noqa: ARG002  # nothing is left out of a prompt
        cancelled: Cancelled,
    ) -> Iterator[RGB]:
        """See `generator.model.VideoModel.sample`."""
        pipeline = self._pipeline_for(request)
        if inputs.whole is not None and request.conditions[0].strength == 1:
            yield from inputs.whole
            return
        clips = self._clips(request, inputs)
        done = 0

        def after_step(steps: int) -> None:
            nonlocal done
            done += 1
            on_progress(done, steps * len(clips))

        for clip in clips:
            frames = self._made(pipeline, request, clip, after_step=after_step, cancelled=cancelled)
            for first in range(clip.known, len(frames), CHUNK):
                yield frames[first : first + CHUNK]

    def _pipeline_for(self, request: GenerationRequest) -> str:
        """The class of diffusers that does what is asked. Raises `UsageError` when these weights have none."""
        if beyond := self._family.beyond(request):
            raise UsageError(
                f"{self.name} cannot do this: {beyond}.",
                remedy=f"These weights do: {', '.join(self._family.tasks)}. The bundled model does the rest.",
            )
        return self._family.pipelines["text" if request.shots else request.task]

    def _clips(self, request: GenerationRequest, inputs: Inputs) -> list[_Clip]:
        """What has to be made, piece by piece. Raises `UsageError` for a piece that is too long."""
        if inputs.whole is not None:
            whole = self._whole(inputs.whole)
            return [_Clip(request.prompt, len(whole), whole, request.conditions[0].strength)]
        if inputs.before is not None:
            given = inputs.before[(len(inputs.before) - 1) % self._family.group :]  # so many as make whole groups
            return [_Clip(request.prompt, len(given) + self._frames(request, request.seconds, after=len(given)), given)]
        if request.shots:
            return [_Clip(shot.prompt, self._frames(request, shot.seconds)) for shot in request.shots]
        return [_Clip(request.prompt, self._frames(request, request.seconds))]

    def _made(
        self,
        pipeline: str,
        request: GenerationRequest,
        clip: _Clip,
        *,
        after_step: Callable[[int], None],
        cancelled: Cancelled,
    ) -> RGB:
        """All frames of ``clip``, those that were given too."""

        def ask(*_: object) -> None:
            if cancelled():
                raise GenerationCancelledError("The generation was cancelled.", remedy="Ask again to start over.")

        width, height = self.size_for(request.size)
        sampling = self._own.asked(request)
        frames = 1 + self._family.group * -(-(clip.frames - 1) // self._family.group)
        arguments = {
            "prompt": clip.prompt,
            "negative_prompt": request.negative_prompt or None,
            "width": width,
            "height": height,
            "num_frames": frames,
            "frame_rate": int(self.rate_for(request.fps).fps),
            "num_inference_steps": sampling.steps,
            "guidance_scale": sampling.guidance,
            "generator": torch.Generator("cpu").manual_seed(request.seed),
            "output_type": "np",
        }
        if clip.given is not None:
            arguments |= _shown(pipeline, clip.given, clip.kept, frames=frames, steps=sampling.steps)
        with self._explained():
            pipe = self._pipe(pipeline)
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
        rgb: RGB = (video[: clip.frames].clip(0, 1) * 255).round().astype(np.uint8)
        return rgb

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """What went wrong in a pipeline, as an error of ours."""
        try:
            yield
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError | torch.OutOfMemoryError) and _NO_MEMORY not in str(error):
                raise
            raise GenerationError(f"{self.name} needs more memory than there is.", remedy=_SMALLER) from error
        except ValueError as error:
            raise GenerationError(
                f"{self.name} cannot make this: {error}", remedy="Ask for the size and length that it was made for."
            ) from error

    def _frames(self, request: GenerationRequest, seconds: float | None, *, after: int = 0) -> int:
        """How many frames of a ``request`` are made in ``seconds``, ``after`` so many that are given."""
        longest, fps = self._family.longest - after, self.rate_for(request.fps).fps
        if seconds is None:
            return longest
        frames = round(seconds * float(fps))
        if frames > longest:
            most = longest / fps
            cause = f"{self.name} makes at most {float(most):.1f} seconds in one piece, not {seconds:g}."
            raise UsageError(cause, remedy="Ask for a shorter clip.")
        return frames

    def _whole(self, chunks: Iterator[RGB]) -> RGB:
        """All frames of a video that is changed. Raises `UsageError` for one that is too long, without reading on."""
        held: list[RGB] = []
        for chunk in chunks:
            held.append(chunk)
            if sum(map(len, held)) > self._family.longest:
                cause = f"{self.name} changes at most {self._family.seconds:.1f} seconds in one piece."
                raise UsageError(cause, remedy="Cut the video first.")
        return np.concatenate(held)

    def _pipe(self, pipeline: str) -> Any:  # noqa: ANN401  # diffusers is not typed
        """The pipeline of this class with the weights in it, kept until another one is asked for."""
        if self._loaded is None or self._loaded[0] != pipeline:
            self._loaded = None  # two would need twice the memory
            self._loaded = (pipeline, self._read(pipeline))
        return self._loaded[1]

    def _read(self, pipeline: str) -> Any:  # noqa: ANN401
        on_gpu = torch.cuda.is_available()
        logging.getLogger("diffusers").setLevel(logging.ERROR)
        quantized: dict[str, Any] = {}
        if self._quantization is not None:
            quantized["quantization_config"] = PipelineQuantizationConfig(
                quant_backend=f"bitsandbytes_{self._quantization}",
                quant_kwargs=_QUANTIZED[self._quantization],
                components_to_quantize=_LARGE,
            )
        try:
            pipe: Any = getattr(diffusers, pipeline).from_pretrained(
                self._source, local_files_only=True, dtype=torch.bfloat16 if on_gpu else torch.float32, **quantized
            )
        except (OSError, ValueError, KeyError) as error:
            raise WeightsError(
                f"The weights of {self._source} are incomplete: {error}.", remedy=f"Fetch them again: {self._source}."
            ) from error
        for part in self._family.exact:
            if (module := getattr(pipe, part, None)) is not None:
                module.to(torch.float32)
        if hasattr(pipe.video_processor, "calculate_default_height_width"):
            # Where there is no other way to say it, the picture that is given has the size that is wanted.
            pipe.video_processor.calculate_default_height_width = lambda height, width, **_: (height, width)
        if self._offload == "model" and on_gpu:
            pipe.enable_model_cpu_offload()
        elif self._offload == "sequential" and on_gpu:
            pipe.enable_sequential_cpu_offload()
        else:
            pipe.to("cuda" if on_gpu else "cpu")
        return pipe


def _check_quantization(offload: Offload) -> None:
    """Raises `ConfigurationError` where weights cannot be quantized."""
    if find_spec("bitsandbytes") is None:
        raise ConfigurationError(
            "COUNTERMARK_GENERATOR_QUANTIZATION needs bitsandbytes, which is not installed.",
            remedy="Run: pip install 'countermark[quantization]', or unset it.",
        )
    if not torch.cuda.is_available():
        raise ConfigurationError(
            "COUNTERMARK_GENERATOR_QUANTIZATION needs a GPU, and torch sees none.", remedy="Unset it."
        )
    if offload == "sequential":  # https://github.com/huggingface/diffusers/issues/10800
        raise ConfigurationError(
            "Quantized weights cannot be offloaded layer by layer.",
            remedy="Set COUNTERMARK_GENERATOR_OFFLOAD to model, or unset COUNTERMARK_GENERATOR_QUANTIZATION.",
        )


def _shown(pipeline: str, given: RGB, kept: float, *, frames: int, steps: int) -> dict[str, Any]:
    """Arguments by which a pipeline of this class sees the first of its ``frames``, and how much of them it keeps."""
    if pipeline == "LTX2ConditionPipeline":
        from diffusers.pipelines.ltx2.pipeline_ltx2_condition import LTX2VideoCondition

        return {"conditions": [LTX2VideoCondition(frames=given, strength=kept)]}
    if kept < 1:
        given = np.concatenate([given, given[-1:].repeat(frames - len(given), axis=0)])  # to whole groups
    pictures = [Image.fromarray(frame) for frame in given]
    if pipeline == "LTXConditionPipeline":
        from diffusers.pipelines.ltx.pipeline_ltx_condition import LTXVideoCondition

        return {"conditions": [LTXVideoCondition(video=pictures, strength=kept)]}
    if pipeline.endswith("VideoToVideoPipeline"):
        taken = max(1, round(steps * (1 - kept)))  # at least one
        return {"video": pictures, "strength": min(1.0, (taken + 0.5) / steps)}  # which they round down to steps
    return {"image": pictures[-1]}
