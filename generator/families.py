"""Families of open-weight video models: one table of facts in place of a file for each.

It stands apart from what runs them (`generator.backends.open_weights`), so that a server can tell what it offers
without loading weights, or torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from countermark.core.errors import UsageError, WeightsError
from generator.request import GenerationRequest

INDEX = "model_index.json"
EXAMPLE = "Wan-AI/Wan2.1-T2V-1.3B-Diffusers"  # weights on the hub of one of these families
RATES = range(8, 61)  # frames a second that families which are told of them may be asked for
_MAX_INDEX_BYTES = 1024**2


@dataclass(frozen=True)
class Family:
    """What differs between families: sides are multiples of ``side``; a clip has 1 + n ``group`` frames, at most
    ``longest``; ``width``, ``height``, ``fps`` and ``guidance`` are what the weights were made for.

    ``pipelines`` says for every task that the weights can do which class of diffusers does it; a storyboard is text,
    shot by shot. At most ``context`` given frames are gone on from. ``exact`` names parts that lose too much in half
    precision. What is ``timed`` hears how many frames a second its clip has, and can be asked for other rates.
    """

    side: int
    group: int
    longest: int
    width: int
    height: int
    fps: int
    guidance: float
    pipelines: Mapping[str, str]
    context: int = 1
    exact: tuple[str, ...] = ()
    timed: bool = False

    @property
    def seconds(self) -> float:
        """How long the longest clip is that is made in one piece, at the usual rate."""
        return self.longest / self.fps

    @property
    def tasks(self) -> tuple[str, ...]:
        """What the weights can do, as `generator.request.Task` names it."""
        return (*self.pipelines, *(("storyboard",) if "text" in self.pipelines else ()))

    @property
    def rates(self) -> range | tuple[int, ...]:
        """Frames a second that can be asked for."""
        return RATES if self.timed else (self.fps,)

    def beyond(self, request: GenerationRequest) -> str | None:
        """What of a request the weights cannot do, for people; None when they can do all of it."""
        asked = {
            "a loop": request.loop,
            "a shot that is blended in": any(shot.transition == "blend" for shot in request.shots),
            "extend backward": request.task == "extend" and request.conditions[0].at == "end",
            "inpaint": any(condition.mask is not None for condition in request.conditions),
            request.task: request.task not in self.tasks,
        }
        return next((what for what, is_so in asked.items() if is_so), None)

    def fits(self, width: int, height: int) -> bool:
        """Whether frames of this width and height, in pixels, can be made."""
        return width % self.side == 0 and height % self.side == 0


_WAN = Family(16, 4, 81, 832, 480, 16, 5.0, {"image": "WanImageToVideoPipeline"}, exact=("vae", "image_encoder"))
_LTX = Family(
    *(32, 8, 257, 704, 480, 24, 3.0), dict.fromkeys(("image", "extend", "edit"), "LTXConditionPipeline"), 25, timed=True
)
_LTX_2 = replace(
    _LTX, longest=481, width=768, height=512, pipelines=dict.fromkeys(("image", "extend"), "LTX2ConditionPipeline")
)
_COG = Family(16, 4, 49, 720, 480, 8, 6.0, {"image": "CogVideoXImageToVideoPipeline"})
_HUNYUAN = Family(16, 4, 121, 848, 480, 24, 6.0, {"image": "HunyuanVideo15ImageToVideoPipeline"})

# From the pipelines of diffusers 0.42 and the model cards of the families. The key is the class that the index of the
# weights names, and after it the entry by which the index tells one kind of weights of that class from the others:
# Wan 2.2 has a transformer for high noise and one for low (boundary_ratio), or one for both (expand_timesteps).
FAMILIES = {
    "WanPipeline": replace(_WAN, pipelines={"text": "WanPipeline", "edit": "WanVideoToVideoPipeline"}),
    "WanPipeline boundary_ratio": replace(_WAN, guidance=4.0, pipelines={"text": "WanPipeline"}),
    "WanPipeline expand_timesteps": Family(
        32, 4, 121, 1280, 704, 24, 5.0, {"text": "WanPipeline", **_WAN.pipelines}, exact=_WAN.exact
    ),
    "WanImageToVideoPipeline": _WAN,
    "WanImageToVideoPipeline boundary_ratio": replace(_WAN, guidance=3.5),
    "LTXPipeline": replace(_LTX, pipelines={"text": "LTXPipeline", **_LTX.pipelines}),
    "LTXConditionPipeline": replace(_LTX, pipelines={"text": "LTXConditionPipeline", **_LTX.pipelines}),
    "LTX2Pipeline": replace(_LTX_2, pipelines={"text": "LTX2Pipeline", **_LTX_2.pipelines}),
    "CogVideoXPipeline": replace(
        _COG, pipelines={"text": "CogVideoXPipeline", "edit": "CogVideoXVideoToVideoPipeline"}
    ),
    "CogVideoXImageToVideoPipeline": _COG,
    "HunyuanVideo15Pipeline": replace(_HUNYUAN, pipelines={"text": "HunyuanVideo15Pipeline"}),
    "HunyuanVideo15ImageToVideoPipeline": _HUNYUAN,
}
_KINDS = ("boundary_ratio", "expand_timesteps")


def family_of(source: str) -> str:
    """The family, a key of `FAMILIES`, of the weights at ``source``: a folder, or a name in the local cache of the hub.

    Only their index is read. Raises `WeightsError` when there are none or the index is unreadable, and `UsageError` for
    an unknown family.
    """
    index = _index(source)
    if index is None:
        name = f"{EXAMPLE} --local-dir {source}" if source.startswith(("/", ".", "~")) else source
        raise WeightsError(
            f"There are no weights of {source} on this machine.",
            remedy=f"Fetch them first, for example with: hf download {name}",
        )
    try:
        with index.open("rb") as file:
            found = json.loads(file.read(_MAX_INDEX_BYTES))
        kind = str(found["_class_name"])
        keys = [f"{kind} {name}" for name in _KINDS if found.get(name)]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise WeightsError(
            f"{index} is not the index of a pipeline of diffusers.", remedy=f"Fetch the weights again: {source}."
        ) from error
    if kind not in FAMILIES:
        known = ", ".join(name for name in FAMILIES if " " not in name)
        raise UsageError(f"{source} is a {kind}, which is not supported.", remedy=f"Use one of: {known}.")
    return next((key for key in keys if key in FAMILIES), kind)


def _index(source: str) -> Path | None:
    """The file that says what the weights at ``source`` are; None when there is none."""
    folder = Path(source)
    try:
        if folder.is_dir():
            return folder / INDEX if (folder / INDEX).is_file() else None
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(source, INDEX)
    except (OSError, ValueError):  # what can be neither a folder nor a name on the hub
        return None
    return Path(cached) if isinstance(cached, str) else None
