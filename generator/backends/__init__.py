"""Video models behind one protocol (`generator.model.VideoModel`), chosen by name."""

from __future__ import annotations

from countermark.core.errors import UsageError
from generator.model import VideoModel

BUNDLED = "bundled"


def model_named(name: str) -> VideoModel:
    """The model that ``name`` means: "bundled", "open-weights:FOLDER_OR_NAME" or "openai:MODEL".

    Raises `UsageError` for another name, `ConfigurationError` when an extra is not installed, and what the model's
    class raises. Each is imported only when it is wanted: a refused prompt need not wait for torch.
    """
    kind, _, rest = name.partition(":")
    if name == BUNDLED:
        from generator.backends.bundled import BundledModel

        return BundledModel()
    if kind == "open-weights" and rest:
        from generator.backends.open_weights import OpenWeightsModel

        return OpenWeightsModel(rest)
    if kind == "openai" and rest:
        from generator.backends.openai_videos import OpenAIVideosModel

        return OpenAIVideosModel(rest)
    raise UsageError(f"There is no model {name!r}.", remedy="Use bundled, open-weights:FOLDER_OR_NAME or openai:MODEL.")
