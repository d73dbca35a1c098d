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
from generator.dit.autoencoder import STRIDE, Autoencoder
from generator.dit.device import PLAIN, Execution, adapted, best_device
from generator.dit.flow import sample
from generator.dit.judge import Judge
from generator.dit.locator import Locator
from generator.dit.noise import seeded
from generator.dit.parallel import team
from generator.dit.places import group_plan
from generator.dit.planner import Planner, make_plan
from generator.dit.text import NOTHING, WORDS
from generator.dit.transformer import TransformerConfig, VideoTransformer
from generator.dit.upscaler import Upscaler
from generator.world.vocabulary import KINDS

SIDE = 256
FAST_STEPS = 4
"""In how many steps the fast transformer was taught to arrive."""

LATENT_FRAMES = 7  # 25 frames, 2.08 s: the length the model was trained on

Name = Literal["transformer", "transformer_fast"]
Trained = TypeVar("Trained", bound=torch.nn.Module)


def _filled(name: str, model: Trained) -> Trained:
    """``model`` with the weights called ``name``, ready to be used on the best device."""
    resource = files("generator") / "weights" / f"{name}.safetensors"
    try:
        with as_file(resource) as path:
            model.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise WeightsError(
            f"The weights of the bundled {name} cannot be loaded: {error}.", remedy="Install countermark again."
        ) from error
    return model.eval().to(best_device())


@dataclass(frozen=True)
class Networks:
    """The networks of the bundled model, on one device."""

    planner: Planner
    transformer: VideoTransformer
    autoencoder: Autoencoder
    judge: Judge
    locator: Locator

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
    transformer = adapted(_filled(name, VideoTransformer(TransformerConfig(words=WORDS))), execution, rank=rank)
    if rank == 0 and execution.processes > 1:
        transformer.forward = team(execution).led(name, transformer.forward)  # type: ignore[method-assign]
    return transformer


def _networks(name: Name, execution: Execution) -> Networks:
    planner, autoencoder, judge, locator = _others()
    return Networks(planner, load_transformer(name, execution), autoencoder, judge, locator)


@cache
def _others() -> tuple[Planner, Autoencoder, Judge, Locator]:
    planner = _filled("planner", Planner(WORDS))
    return planner, _filled("autoencoder", Autoencoder()), _filled("judge", Judge()), _filled("locator", Locator())


def sample_clips(networks: Networks, words: Tensor, *, seed: int, steps: int, guidance: float) -> tuple[Tensor, Tensor]:
    """Plan a batch of clips for ``words`` int64 [B, L] and sample their backgrounds: latents [B, 7, C, 16, 16], on
    which the decoder paints the subjects, and plans [B, 25, 3].
    """
    plan = make_plan(networks.planner, words, seed=seed)
    shape = (len(words), LATENT_FRAMES, networks.autoencoder.config.latent, SIDE // STRIDE, SIDE // STRIDE)
    noise = seeded(seed)(shape).to(words.device)
    scene = torch.tensor([kind == "scene" for kind in KINDS], device=words.device)
    nowhere = group_plan(torch.zeros_like(plan[:1]))

    def network(noisy: Tensor, level: Tensor, told: Tensor) -> Tensor:
        clean: Tensor = networks.transformer(noisy, level, told, nowhere.expand(len(noisy), -1, -1, -1))
        return clean

    *_, latents = sample(network, noise, words.masked_fill(~scene, NOTHING), steps=steps, guidance=guidance)
    return latents, plan
