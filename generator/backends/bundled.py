"""The bundled diffusion transformer behind the protocol of the studio."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction

import torch

from countermark.core.errors import UsageError
from generator.dit.autoencoder import STRIDE
from generator.dit.device import PLAIN, Execution
from generator.dit.networks import FAST_STEPS, SIDE, load_fast_networks, load_networks
from generator.dit.places import GROUP
from generator.dit.script import Script
from generator.model import RGB, Cancelled, GenerationCancelledError, Inputs, OnProgress, Sampling
from generator.request import GenerationRequest
from generator.world.clips import FPS

SMALLEST, LARGEST = 128, 512  # pixels a side; it was trained on 256x256, 512x320 and 320x512


class BundledModel:
    """Clips of our small world, on whatever device torch offers, run there as ``execution`` says.

    ``fast`` takes the transformer that was taught to arrive in few steps, guidance included.
    """

    version = "4"
    fps = Fraction(FPS)
    context = 3 * GROUP

    def __init__(self, *, fast: bool = False, execution: Execution = PLAIN) -> None:
        self._fast = fast
        self._execution = execution
        self.name = "countermark-dit-fast" if fast else "countermark-dit"
        self._own = Sampling(FAST_STEPS, 1.0) if fast else Sampling(20, 2.0)
        self.sampling: Sampling | None = self._own

    def size_for(self, size: tuple[int, int] | None) -> tuple[int, int]:
        """See `generator.model.VideoModel.size_for`."""
        width, height = size or (SIDE, SIDE)
        if width % STRIDE or height % STRIDE or min(width, height) < SMALLEST or max(width, height) > LARGEST:
            raise UsageError(
                f"The bundled model makes no {width}x{height}.",
                remedy=f"Both sides must be multiples of {STRIDE} from {SMALLEST} to {LARGEST}, such as 512x288.",
            )
        return width, height

    def sample(
        self,
        request: GenerationRequest,
        inputs: Inputs,
        *,
        on_progress: OnProgress,
        on_notice: Callable[[str], None],
        cancelled: Cancelled,
    ) -> Iterator[RGB]:
        """See `generator.model.VideoModel.sample`."""
        sampling = self._own.asked(request)
        if self._fast and (sampling.guidance != 1 or request.negative_prompt):
            raise UsageError(
                "bundled:fast has its guidance built in and takes no other, and no negative prompt.",
                remedy="Leave them out, or use the model bundled.",
            )
        networks = (load_fast_networks if self._fast else load_networks)(self._execution)
        # Before every block, which is many times a step; but what several processes have begun together, they finish.
        asked = networks.transformer.blocks if self._execution.processes == 1 else [networks.transformer]
        with _cancellable(asked, cancelled), torch.inference_mode():
            size = self.size_for(request.size)
            script = Script(networks, request, sampling, size=size, on_progress=on_progress, on_notice=on_notice)
            yield from script.frames(inputs)


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
