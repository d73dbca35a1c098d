"""The bundled diffusion transformer, with its weights inside the package."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from fractions import Fraction
from functools import cache
from importlib.resources import as_file, files

import numpy as np
import numpy.typing as npt
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from countermark.core.errors import WeightsError
from generator.dit.autoencoder import GROUP, STRIDE, Autoencoder
from generator.dit.flow import sample
from generator.dit.planner import Planner, make_plan
from generator.dit.text import WORDS, understand
from generator.dit.transformer import TransformerConfig, VideoTransformer
from generator.model import OnProgress
from generator.request import GenerationRequest
from generator.world.clips import FPS

SIDE = 256
LATENT_FRAMES = 7  # 25 frames, 2.08 s: the length the model was trained on


def _load(name: str, model: torch.nn.Module) -> None:
    resource = files("generator") / "weights" / f"{name}.safetensors"
    try:
        with as_file(resource) as path:
            model.load_state_dict(load_file(path))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise WeightsError(
            f"The weights of the bundled {name} cannot be loaded: {error}.", remedy="Install countermark again."
        ) from error


@dataclass(frozen=True)
class Networks:
    """The three networks of the bundled model, on one device."""

    planner: Planner
    transformer: VideoTransformer
    autoencoder: Autoencoder


@cache
def load_networks() -> Networks:
    """The networks with the weights inside the package. Raises `WeightsError`."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    networks = Networks(Planner(WORDS), VideoTransformer(TransformerConfig(words=WORDS)), Autoencoder())
    for field in fields(networks):
        network = getattr(networks, field.name)
        _load(field.name, network)
        network.eval().to(device)
    return networks


def sample_latents(networks: Networks, words: Tensor, *, seed: int, steps: int, guidance: float) -> Iterator[Tensor]:
    """Plan and sample clips for ``words`` int64 [B, L]; yields the clean latents [B, 7, C, 16, 16] of every step.

    Noise is drawn on the CPU, so that a seed means the same on every device.
    """
    plan = make_plan(networks.planner, words, seed=seed)
    shape = (len(words), LATENT_FRAMES, networks.autoencoder.config.latent, SIDE // STRIDE, SIDE // STRIDE)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(words.device)

    def network(noisy: Tensor, level: Tensor, told: Tensor) -> Tensor:
        clean: Tensor = networks.transformer(noisy, level, told, plan.repeat(len(noisy) // len(plan), 1, 1))
        return clean

    return sample(network, noise, words, steps=steps, guidance=guidance)


class BundledModel:
    """Text to 256x256 clips of two seconds, on whatever device torch offers; a few seconds on a CPU."""

    name = "countermark-dit"
    version = "1"
    width = SIDE
    height = SIDE
    fps = Fraction(FPS)

    def notices(self, request: GenerationRequest) -> list[str]:
        """Words outside the model's world, and what it chose where the prompt is silent."""
        return understand(request.prompt, seed=request.seed).notices

    def sample(self, request: GenerationRequest, *, on_progress: OnProgress) -> Iterator[npt.NDArray[np.uint8]]:
        """See `generator.model.VideoModel.sample`."""
        networks = load_networks()
        tokens = understand(request.prompt, seed=request.seed).tokens
        words = torch.tensor([tokens], device=networks.autoencoder.basis.device)
        latents = torch.empty(0)
        for step, latents in enumerate(  # noqa: B007  # the last one is the sample
            sample_latents(networks, words, seed=request.seed, steps=request.steps, guidance=request.guidance), start=1
        ):
            on_progress(step, request.steps)
        for i in range(LATENT_FRAMES):
            with torch.inference_mode():
                group = networks.autoencoder.decode_groups(latents[:, i])[0].clamp(-1, 1)
            frames = ((group + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
            yield frames[GROUP - 1 :] if i == 0 else frames
