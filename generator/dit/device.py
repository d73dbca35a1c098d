"""How the transformer is run: where, how exactly, compiled or not, and by how many processes.

The other networks are small, run once where the transformer runs dozens of times, and stay as they are: in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from countermark.core.errors import ConfigurationError
from countermark.core.settings import Settings
from generator.dit.share import Share
from generator.dit.transformer import VideoTransformer

Precision = Literal["float32", "bfloat16"]
Forward = Callable[..., Tensor]


@dataclass(frozen=True)
class Execution:
    """``precision`` of the transformer, None for what suits the device; whether its blocks are ``compiled``; and how
    many ``processes`` share its work (`generator.dit.parallel`).
    """

    precision: Precision | None = None
    compiled: bool = False
    processes: int = 1

    @classmethod
    def from_settings(cls, settings: Settings) -> Execution:
        """As a deployment wants it."""
        return cls(settings.generator_precision, settings.generator_compile, settings.generator_processes)


PLAIN = Execution()


def best_device() -> torch.device:
    """The current GPU, or the CPU where there is none."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def precision_on(device: torch.device, asked: Precision | None) -> Precision:
    """``asked``, or else bfloat16 on a GPU that computes in it, and float32 elsewhere: on a CPU a seed's frames stay
    what they have been, bit for bit.
    """
    if asked is not None:
        return asked
    native = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    return "bfloat16" if native else "float32"


def adapted(transformer: VideoTransformer, execution: Execution, *, rank: int = 0) -> VideoTransformer:
    """``transformer``, changed in place to run on its device as ``execution`` says, in the process of this ``rank``."""
    device = next(transformer.parameters()).device
    transformer.share = Share(rank, execution.processes)
    if execution.compiled:
        # Block by block: what is compiled for one serves all, and hooks on blocks run as ever, outside of it.
        for block in transformer.blocks:
            block.forward = _compiled(block.forward)
    if precision_on(device, execution.precision) == "bfloat16":
        transformer.forward = _in_bfloat16(transformer.forward, device)  # type: ignore[method-assign]
    return transformer


def _in_bfloat16(forward: Forward, device: torch.device) -> Forward:
    """Autocast, as in training: weights, norms and what is passed from block to block stay in float32."""

    def call(*inputs: Tensor) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            return forward(*inputs)

    return call


def _compiled(forward: Forward) -> Forward:
    """Compiled for any number of frames, tokens and prompts, when it is first called."""
    from torch._dynamo.exc import BackendCompilerFailed  # only here: it takes seconds to import

    compiled: Forward = torch.compile(forward, dynamic=True)

    def call(*inputs: object) -> Tensor:
        try:
            return compiled(*inputs)
        except BackendCompilerFailed as error:
            raise ConfigurationError(
                f"The transformer cannot be compiled: {' '.join(str(error).splitlines()[:2])}.",
                remedy="Install a C++ compiler such as g++, or unset COUNTERMARK_GENERATOR_COMPILE.",
            ) from error

    return call
