"""The networks of the bundled model with the weights inside the package, and the plainest way to use them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import Literal, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from countermark.core.errors import WeightsError
from generator.dit.autoencoder import Autoencoder
from generator.dit.close_up import CloseUp
from generator.dit.device import PLAIN, Execution, adapted, best_device
from generator.dit.judge import Judge
from generator.dit.locator import Locator
from generator.dit.painter import Painter
from generator.dit.parallel import team
from generator.dit.planner import Planner
from generator.dit.transformer import TransformerConfig, VideoTransformer
from generator.dit.upscaler import Upscaler

SIDE = 256
FAST_STEPS = 4
"""In how many steps the fast transformer was taught to arrive."""

LATENT_FRAMES = 7  # 25 frames, 2.08 s: the length the model was trained on

Name = Literal["transformer", "transformer_fast"]
Trained = TypeVar("Trained", bound=torch.nn.Module)


def _weights(name: str) -> dict[str, Tensor]:
    try:
        with as_file(files("generator") / "weights" / f"{name}.safetensors") as path:
            return load_file(path)
    except (OSError, SafetensorError) as error:
        raise _unusable(name, error) from error


def _filled(name: str, model: Trained, weights: dict[str, Tensor] | None = None) -> Trained:
    """``model`` with the weights called ``name``, ready to be used on the best device."""
    try:
        model.load_state_dict(_weights(name) if weights is None else weights)
    except RuntimeError as error:
        raise _unusable(name, error) from error
    return model.eval().to(best_device())


def _words(weights: dict[str, Tensor], embedding: str) -> int:
    """How many words these weights know. The planner hears of motions alone, the transformer of scenes and the painter
    of subjects and colours: words of other kinds may have come after each was trained.
    """
    return len(weights.get(f"{embedding}.weight", ()))


def _unusable(name: str, error: Exception) -> WeightsError:
    return WeightsError(
        f"The weights of the bundled {name} cannot be loaded: {error}.", remedy="Install countermark again."
    )


@dataclass(frozen=True)
class Networks:
    """The networks of the bundled model, on one device."""

    planner: Planner
    transformer: VideoTransformer
    painter: Painter
    autoencoder: Autoencoder
    judge: Judge
    locator: Locator
    close_up: CloseUp

    @property
    def device(self) -> torch.device:
        """Where they are."""
        return self.autoencoder.basis.device


def load_networks(execution: Execution = PLAIN) -> Networks:
    """The networks with the weights inside the package, the transformer run by ``execution``. Raises `WeightsError`."""
    return _networks("transformer", execution)


def load_fast_networks(execution: Execution = PLAIN) -> Networks:
    """The same with the transformer of few steps; the others are shared. Raises `WeightsError`."""
    return _networks("transformer_fast", execution)


@cache
def load_upscaler() -> Upscaler:
    """The upscaler with the weights inside the package. Raises `WeightsError`."""
    return _filled("upscaler", Upscaler()).to(memory_format=torch.channels_last)  # half as fast again on a CPU


@cache
def load_transformer(name: Name, execution: Execution, rank: int = 0) -> VideoTransformer:
    """One of the transformers, for the leader of its processes (rank 0) or a follower. Raises `WeightsError`."""
    weights = _weights(name)
    network = _filled(name, VideoTransformer(TransformerConfig(words=_words(weights, "words"))), weights)
    transformer = adapted(network, execution, rank=rank)
    if rank == 0 and execution.processes > 1:
        transformer.forward = team(execution).led(name, transformer.forward)  # type: ignore[method-assign]
    return transformer


def _networks(name: Name, execution: Execution) -> Networks:
    return Networks(_planner(), load_transformer(name, execution), _painter(), *_others())


@cache
def _planner() -> Planner:
    weights = _weights("planner")
    return _filled("planner", Planner(_words(weights, "words")), weights)


@cache
def _painter() -> Painter:
    weights = _weights("painter")
    return _filled("painter", Painter(_words(weights, "said")), weights)


@cache
def _others() -> tuple[Autoencoder, Judge, Locator, CloseUp]:
    return (
        _filled("autoencoder", Autoencoder()),
        _filled("judge", Judge()),
        _filled("locator", Locator()),
        _filled("close_up", CloseUp()),
    )
