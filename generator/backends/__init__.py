"""Video models behind one protocol (`generator.model.VideoModel`), chosen by name."""

from __future__ import annotations

import re

from countermark.core.errors import UsageError
from countermark.core.media import Limits
from countermark.core.settings import Settings, get_settings
from generator.model import VideoModel

BUNDLED = "bundled"
FAST = "bundled:fast"


def model_named(name: str, settings: Settings | None = None) -> VideoModel:
    """The model that ``name`` means, run as ``settings`` say.

    "bundled", "bundled:fast", "open-weights:FOLDER_OR_NAME", "openai:MODEL" or "openai:MODEL@WxH".

    Raises `UsageError` for another name, `ConfigurationError` when an extra is not installed, and what the model's
    class raises. Each is imported only when it is wanted: a refused prompt need not wait for torch.
    """
    settings = settings or get_settings()
    kind, _, rest = name.partition(":")
    if name in (BUNDLED, FAST):
        from generator.backends.bundled import BundledModel
        from generator.dit.device import Execution
        from provenance.watermark import load_or_create_key

        key = load_or_create_key(settings.keys_dir, settings.issuer) if settings.noise_watermark else None
        return BundledModel(fast=name == FAST, execution=Execution.from_settings(settings), noise_key=key)
    if kind == "open-weights" and rest:
        from generator.backends.open_weights import OpenWeightsModel

        return OpenWeightsModel(rest, offload=settings.generator_offload, quantization=settings.generator_quantization)
    if kind == "openai" and rest:
        from generator.backends.openai_videos import OpenAIVideosModel

        limits = Limits.from_settings(settings)
        sized = re.fullmatch(r"(.+)@([1-9]\d{1,3})x([1-9]\d{1,3})", rest)
        if sized is None:
            return OpenAIVideosModel(rest, limits=limits)
        return OpenAIVideosModel(sized[1], width=int(sized[2]), height=int(sized[3]), limits=limits)
    raise UsageError(
        f"There is no model {name!r}.",
        remedy="Use bundled, bundled:fast, open-weights:FOLDER_OR_NAME or openai:MODEL@WIDTHxHEIGHT.",
    )
