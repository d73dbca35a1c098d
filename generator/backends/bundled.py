"""The bundled diffusion transformer behind the protocol of the studio."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction

import torch

from generator.dit.autoencoder import GROUP
from generator.dit.networks import SIDE, load_networks
from generator.dit.script import Script
from generator.dit.transformer import VideoTransformer
from generator.model import RGB, Cancelled, GenerationCancelledError, Inputs, OnProgress
from generator.request import GenerationRequest
from generator.world.clips import FPS


class BundledModel:
    """256x256 clips of our small world, on whatever device torch offers; about a second of CPU per second of video."""

    name = "countermark-dit"
    version = "1"
    width = SIDE
    height = SIDE
    fps = Fraction(FPS)
    context = 3 * GROUP

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
        networks = load_networks()
        with _cancellable(networks.transformer, cancelled), torch.inference_mode():
            yield from Script(networks, request, on_progress=on_progress, on_notice=on_notice).frames(inputs)


@contextmanager
def _cancellable(transformer: VideoTransformer, cancelled: Cancelled) -> Iterator[None]:
    """Ask before every block, which is many times a step."""

    def ask(*_: object) -> None:
        if cancelled():
            raise GenerationCancelledError("The generation was cancelled.", remedy="Ask again to start over.")

    hooks = [block.register_forward_pre_hook(ask) for block in transformer.blocks]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
