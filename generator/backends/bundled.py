"""The bundled diffusion transformer behind the protocol of the studio."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction

import numpy as np
import torch

from countermark.core.errors import UsageError
from generator.dit.autoencoder import STRIDE
from generator.dit.device import PLAIN, Execution
from generator.dit.networks import FAST_STEPS, SIDE, load_fast_networks, load_networks, load_upscaler
from generator.dit.noise import NoiseName, keyed, seeded
from generator.dit.places import GROUP
from generator.dit.script import Script
from generator.dit.shots import cut
from generator.dit.text import understand
from generator.dit.upscaler import FACTOR, reduced, upscaled
from generator.model import RGB, Cancelled, GenerationCancelledError, Inputs, OnPreview, OnProgress, Rate, Sampling
from generator.request import BUNDLED_RATES, GenerationRequest
from generator.world.clips import FPS
from provenance.watermark import WatermarkKey

SMALLEST, LARGEST = 128, 512  # pixels a side that are drawn; what is larger is drawn small and enlarged


class BundledModel:
    """Clips of our small world, on whatever device torch offers, run there as ``execution`` says.

    ``fast`` takes the transformer that was taught to arrive in few steps, guidance included. With a ``noise_key`` the
    noise is that key's and not the seed's alone: the same request still gives the same video.
    """

    version = "10"

    def __init__(
        self, *, fast: bool = False, execution: Execution = PLAIN, noise_key: WatermarkKey | None = None
    ) -> None:
        self._fast = fast
        self._noise_key = noise_key
        self._execution = execution
        self.name = "countermark-dit-fast" if fast else "countermark-dit"
        self._own = Sampling(FAST_STEPS, 1.0) if fast else Sampling(20, 1.4)
        self.sampling: Sampling | None = self._own

    def size_for(self, size: tuple[int, int] | None) -> tuple[int, int]:
        """See `generator.model.VideoModel.size_for`."""
        width, height = size or (SIDE, SIDE)
        for side, other in ((width, height), (height, width)):
            drawn = _drawn(side, larger=max(side, other) > LARGEST)
            if drawn % STRIDE or not SMALLEST <= drawn <= LARGEST:
                step, least, most = (int(n * FACTOR) for n in (STRIDE, SMALLEST, LARGEST))
                raise UsageError(
                    f"The bundled model makes no {width}x{height}.",
                    remedy=f"Both sides must be multiples of {STRIDE} from {SMALLEST} to {LARGEST}, such as 512x288, "
                    f"or of {step} from {least} to {most}, such as 1280x720.",
                )
        return width, height

    def rate_for(self, fps: int | None) -> Rate:
        """See `generator.model.VideoModel.rate_for`."""
        fps = fps or FPS
        if fps not in BUNDLED_RATES:
            slowest, fastest = BUNDLED_RATES[0], BUNDLED_RATES[-1]
            raise UsageError(
                f"The bundled model makes no {fps} frames a second.",
                remedy=f"Ask for {slowest} to {fastest}, such as 24.",
            )
        return Rate(Fraction(fps), math.ceil(Fraction(3 * GROUP * fps, FPS)))

    def check(self, request: GenerationRequest) -> None:
        """See `generator.model.VideoModel.check`."""
        if self._fast and (self._own.asked(request).guidance != 1 or request.negative_prompt):
            raise UsageError(
                "bundled:fast has its guidance built in and takes no other, and no negative prompt.",
                remedy="Leave them out, or use the model bundled.",
            )
        cut(request)

    def noise_mark(self, request: GenerationRequest) -> str | None:
        """See `generator.model.VideoModel.noise_mark`: for clips made from words alone and seen as drawn."""
        if self._noise_key is None or request.task != "text":
            return None
        if understand(request.prompt, seed=request.seed).filmed.move != "still":
            return None
        return str(self._noise_name(self._noise_key, request))

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
        """See `generator.model.VideoModel.sample`."""
        sampling = self._own.asked(request)
        networks = (load_fast_networks if self._fast else load_networks)(self._execution)
        # Before every block, which is many times a step; but what several processes have begun together, they finish.
        asked = networks.transformer.blocks if self._execution.processes == 1 else [networks.transformer]
        drawn = self._drawn_size(request)
        key = self._noise_key
        draw = seeded(request.seed) if key is None else keyed(key, self._noise_name(key, request).name)
        upscaler = load_upscaler() if drawn != self.size_for(request.size) else None
        with _cancellable([*asked, *([upscaler] if upscaler else [])], cancelled), torch.inference_mode():
            script = Script(
                networks,
                request,
                sampling,
                size=drawn,
                fps=int(self.rate_for(request.fps).fps),
                draw=draw,
                on_progress=on_progress,
                on_preview=on_preview,
                on_notice=on_notice,
            )
            if upscaler is None:
                yield from script.frames(inputs)
            else:
                yield from upscaled(upscaler, script.frames(_reduced(inputs, drawn)))

    def _drawn_size(self, request: GenerationRequest) -> tuple[int, int]:
        """Width and height of what is drawn, in pixels; a larger picture is enlarged from it."""
        width, height = self.size_for(request.size)
        larger = max(width, height) > LARGEST
        return int(_drawn(width, larger=larger)), int(_drawn(height, larger=larger))

    def _noise_name(self, key: WatermarkKey, request: GenerationRequest) -> NoiseName:
        return NoiseName.of(key, f"{self.name} {request.model_dump_json(exclude={'fps'})}", self._drawn_size(request))


def _drawn(side: int, *, larger: bool) -> Fraction:
    """Pixels that are drawn for ``side`` pixels of a picture that is ``larger`` than what the networks draw."""
    return side / FACTOR if larger else Fraction(side)


def _reduced(inputs: Inputs, size: tuple[int, int]) -> Inputs:
    """``inputs`` at ``size``, width and height."""
    before, after = (None if end is None else reduced(end, size) for end in (inputs.before, inputs.after))
    whole = None if inputs.whole is None else (reduced(chunk, size) for chunk in inputs.whole)
    mask = inputs.mask
    if mask is not None:  # every pixel that a wanted one falls into
        mask = reduced(np.where(mask, 255, 0).astype(np.uint8)[None, ..., None], size)[0, ..., 0] > 0
    return Inputs(before, after, whole, mask)


@contextmanager
def _cancellable(parts: Iterable[torch.nn.Module], cancelled: Cancelled) -> Iterator[None]:
    """Ask whenever one of these parts of the network is called."""

    def ask(*_: object) -> None:
        if cancelled():
            raise GenerationCancelledError("The generation was cancelled.", remedy="Ask again to start over.")

    hooks = [part.register_forward_pre_hook(ask) for part in parts]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
