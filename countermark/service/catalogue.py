"""The models that are offered, what may be asked of them, and what that comes to: the plan that a job keeps."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from countermark.core.errors import ConfigurationError, UsageError, WeightsError
from countermark.service.faults import ApiError
from generator import GenerationRequest
from generator.families import FAMILIES, Family, family_of
from generator.pictures import placed
from generator.request import BUNDLED_RATES, MAX_SECONDS, Condition, Shot, Size
from generator.tasks import DEFAULT_STRENGTH


@dataclass(frozen=True)
class Offer:
    """A model and what it makes: ``sizes`` as width x height in pixels, the first where none is asked for, and
    ``seconds`` where no length is.

    ``backend`` is its name for `generator.backends.model_named`. Ours do everything, open weights what their ``family``
    does, and the model of another server takes a prompt.
    """

    id: str
    sizes: tuple[str, ...]
    seconds: str
    backend: str
    family: Family | None = None
    created: int = 1764028800

    def longest(self, fps: int | None, given: Sequence[Given]) -> float:
        """How many seconds it makes in one piece, at so many frames a second, beside what is given."""
        if self.family is None:
            return MAX_SECONDS
        known = max((1 if each.get("still") else self.family.context for each in given), default=0)
        return (self.family.longest - known) / (fps or self.family.fps)

    def beyond(self, request: GenerationRequest) -> str | None:
        """What of a request it cannot do, for people."""
        if self in OURS:
            return None
        if self.family is not None:
            return self.family.beyond(request)
        return "a loop" if request.loop else None if request.task == "text" else request.task

    def size_for(self, asked: str | None) -> str:
        """The size that is made when ``asked`` is asked for: of those that are nearest in shape the nearest in area."""
        if asked is None or asked in self.sizes:
            return asked or self.sizes[0]
        width, height = _sides(asked)

        def differences(size: str) -> tuple[float, float]:
            made_width, made_height = _sides(size)
            shape = abs(math.log(made_width * height / (made_height * width)))
            return round(shape, 9), abs(math.log(made_width * made_height / (width * height)))

        return min(self.sizes, key=differences)


def _sides(size: str) -> tuple[int, int]:
    width, height = size.split("x")
    return int(width), int(height)


_SIZES = ("256x256", "512x288", "288x512", "640x640", "1280x720", "720x1280")
BUNDLED = Offer("countermark-dit", _SIZES, "2", "bundled")
FAST = Offer("countermark-dit-fast", _SIZES, "2", "bundled:fast")
OURS = (BUNDLED, FAST)
_ALIASES = ("sora-2", "sora-2-pro")
"""Names under which clients of the service that closed go on asking."""
_SIZE = r"[1-9]\d{1,3}x[1-9]\d{1,3}"
_ENGINE = re.compile(rf"(openai|open-weights):(.+)@({_SIZE}(?:,{_SIZE})*)")
_PACKAGES = {"openai": "openai", "open-weights": "diffusers"}
"""What each kind of engine needs beyond our own dependencies. The extra that installs it has the kind's name."""


class Catalogue:
    """What is offered: the bundled models, and others that the operator names."""

    def __init__(self, others: Mapping[str, str]) -> None:
        """``others`` are engines by name: ``openai:NAME@SIZES`` or ``open-weights:SOURCE@SIZES``.

        Of open weights only the index is read, to know their family. Raises `ConfigurationError` for what is no engine,
        and for weights that are absent, of an unknown family, or do not make one of the sizes.
        """
        self.offers = {offer.id: offer for offer in OURS}
        self.offers |= {name: _engine(name, value) for name, value in others.items()}

    def find(self, name: str) -> Offer:
        """The offer of this name or alias. Raises `ApiError`, 404, where there is none."""
        found = self.offers.get(name) or (BUNDLED if name in _ALIASES else None)
        if found is None:
            raise ApiError(404, "model_not_found", f"The model '{name[:100]}' does not exist.", param="model")
        return found

    def check_packages(self) -> None:
        """Refuse to work without what the models need. Raises `ConfigurationError` that says how to install it."""
        for offer in self.offers.values():
            kind = offer.backend.partition(":")[0]
            package = _PACKAGES.get(kind)
            if package is not None and find_spec(package) is None:
                raise ConfigurationError(
                    f"The model {offer.id!r} needs {package}, which is not installed.",
                    remedy=f"Run `pip install 'countermark[{kind}]'`, or take it out of COUNTERMARK_SERVICE_MODELS.",
                )


def _engine(name: str, value: str) -> Offer:
    """The offer that an operator's entry means. Raises `ConfigurationError`."""

    def unusable(why: str, remedy: str) -> ConfigurationError:
        return ConfigurationError(
            f"The model {name!r} of COUNTERMARK_SERVICE_MODELS cannot be {value!r}: {why}", remedy=remedy
        )

    found = _ENGINE.fullmatch(value)
    if found is None:
        raise unusable(
            "it has another form than an engine's.",
            'Write JSON such as {"wan": "openai:NAME@832x480"} or {"wan": "open-weights:FOLDER@832x480,480x832"}.',
        )
    kind, source, sizes = found[1], found[2], tuple(dict.fromkeys(found[3].split(",")))
    for size in sizes:
        try:
            TypeAdapter(Size).validate_python(_sides(size))
        except ValidationError:
            raise unusable(f"it cannot make {size}.", "Give sides of 64 to 4096 pixels.") from None
    if kind == "openai":  # which other sizes and lengths there are, the server says when it is asked
        return Offer(name, sizes, "4", f"openai:{source}@{sizes[0]}")
    try:
        family = FAMILIES[family_of(source)]
    except (UsageError, WeightsError) as error:
        raise unusable(error.cause, error.remedy) from error
    for size in sizes:
        if not family.fits(*_sides(size)):
            raise unusable(f"it cannot make {size}.", f"Both sides must be multiples of {family.side}.")
    if Path(source).is_dir():
        source = str(Path(source).absolute())  # workers may run in another folder
    return Offer(name, sizes, f"{family.seconds:.0f}", f"open-weights:{source}", family)


_VIDEO = "video_0123456789abcdef0123456789abcdef"
PICTURE = "data:image/png;base64,iVBORw0KGgo="
"""Stands for a picture in examples."""
PATH = Path("given")
"""Stands for a given file where only the form of a request is looked at."""


def _from_json(value: object) -> object:
    """Forms have no lists of objects, so these come as JSON text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise ValueError("a JSON list is expected") from None


_Text = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)]
_Seconds = Annotated[_Text, Field(pattern=r"^[0-9]{1,4}$")]
_Shots = Annotated[list[Shot], BeforeValidator(_from_json)]


class VideoReference(BaseModel):
    """A completed video that this service made or sealed."""

    model_config = ConfigDict(extra="ignore")

    id: str = Field(max_length=100)


class InputReference(BaseModel):
    """What a video starts from: a picture as a data URL, or (ours) a completed video by its id."""

    model_config = ConfigDict(extra="ignore")

    image_url: str | None = Field(default=None, description="A data URL with a PNG, JPEG or WebP picture.")
    file_id: str | None = Field(default=None, description="Not supported: there is no files API here.")
    id: str | None = Field(default=None, max_length=100, description="A completed video to go on from.")

    @model_validator(mode="after")
    def _is_one(self) -> InputReference:
        if [self.image_url, self.file_id, self.id].count(None) != 2:
            raise ValueError("exactly one of 'image_url' and 'id' is needed")
        return self


class MaskReference(BaseModel):
    """Where a video may change: white in a picture of its shape."""

    model_config = ConfigDict(extra="ignore")

    image_url: str = Field(description="A data URL with a PNG, JPEG or WebP picture.", examples=[PICTURE])


_Video = Annotated[VideoReference, BeforeValidator(lambda value: {"id": value} if isinstance(value, str) else value)]


class Asked(BaseModel):
    """What every request for a video may say. All but ``prompt`` and ``model`` is ours; send it with ``extra_body``."""

    model_config = ConfigDict(extra="ignore")

    prompt: str = Field(
        min_length=1,
        description="What the video shows, in English or Chinese.",
        examples=["a red balloon rising over the sea"],
    )
    model: str = Field(default=BUNDLED.id, description="See `/v1/models`; OpenAI's names of models are aliases.")
    negative_prompt: str = Field(default="", description="What the video should not show.")
    seed: int = Field(default=0, ge=0, lt=2**31, description="The same seed gives the same video.")
    steps: int | None = Field(default=None, ge=1, le=200, description="Sampling steps; by default the model's own.")
    guidance: float | None = Field(
        default=None, ge=1, le=20, description="How strictly to follow the prompt; by default the model's own."
    )
    priority: int = Field(default=100, ge=1, le=1000, description="Of your own waiting videos, the lowest is first.")
    consents: list[str] = Field(
        default=[], max_length=16, description="Tokens of the operator for the persons in what is given."
    )
    user: str = Field(
        default="",
        max_length=200,
        description="An id of your end user, by which refusals are counted; all without one count together.",
    )


class AskedVideo(Asked):
    """What requests for more than a picture may say."""

    size: str | None = Field(
        default=None,
        pattern=r"^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$",
        description="What is offered in the nearest shape is made; by default that of a completed video it is made of.",
        examples=["256x256"],
    )
    fps: int | None = Field(
        default=None,
        ge=BUNDLED_RATES[0],
        le=BUNDLED_RATES[-1],
        description=f"Frames a second; by default {BUNDLED_RATES[0]}, or the model's own.",
    )


class CreateVideo(AskedVideo):
    """A request for a video. ``loop``, ``blend`` and ``shots`` are ours as well."""

    seconds: _Seconds | None = Field(default=None, description="Length of what is generated, at most 60.")
    input_reference: InputReference | None = Field(
        default=None, description="A picture or video to start from; in a form, a file."
    )
    loop: bool = Field(default=False, description="The end leads back to the beginning.")
    blend: list[str] | None = Field(
        default=None,
        min_length=2,
        max_length=2,
        description="Ids of two completed videos, in a form also files; the new one leads from the first to the "
        "second.",
        examples=[[_VIDEO, _VIDEO]],
    )
    shots: _Shots = Field(
        default=[],
        description="A storyboard, in a form as JSON text. `prompt` is then only the video's name in lists.",
        examples=[[{"prompt": "a red car on a street", "seconds": 2, "transition": "cut"}]],
    )


class CreateImage(Asked):
    """A request for still pictures, OpenAI's but for what `Asked` has."""

    n: int = Field(default=1, ge=1, le=4, description="How many; each has the next seed.")
    size: str | None = Field(
        default=None,
        pattern=r"^(auto|[1-9][0-9]{1,4}x[1-9][0-9]{1,4})$",
        description="What is offered in the nearest shape is made.",
        examples=["256x256"],
    )
    output_format: Literal["png", "jpeg"] = Field(default="png", description="WebP is not made.")
    response_format: Literal["b64_json"] = Field(default="b64_json", description="Addresses are not given.")

    @field_validator("size")
    @classmethod
    def _auto(cls, size: str | None) -> str | None:
        return None if size == "auto" else size


class EditVideo(AskedVideo):
    """A request to change a video by a prompt; its length stays. ``strength``, ``mask`` and ``outpaint`` are ours."""

    video: _Video | None = Field(default=None, description="A completed video; in a form, a file or `video[id]`.")
    strength: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description=f"How much may change; 1 is all. By default {DEFAULT_STRENGTH}, with a mask 1.",
    )
    mask: MaskReference | None = Field(
        default=None, description="A picture, white where the video may change; in a form, a file."
    )
    outpaint: bool = Field(
        default=False, description="All of the video stays, inside a picture of another `size` whose rest is made."
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> EditVideo:
        if self.outpaint and self.size is None:
            raise ValueError("what is made around a video needs the 'size' of the whole")
        if self.outpaint and self.strength is not None:
            raise ValueError("'strength' is for a video that is changed; what is made around one keeps it as it is")
        return self


class ExtendVideo(AskedVideo):
    """A request to go on from a video. ``direction`` and ``loop`` are ours."""

    video: _Video | None = Field(default=None, description="A completed video; in a form, a file or `video[id]`.")
    seconds: _Seconds | None = Field(default=None, description="Length of the new part, at most 60.")
    direction: Literal["forward", "backward"] = Field(default="forward", description="After its end or before it.")
    loop: bool = Field(default=False, description="The end leads back to the beginning.")


class RemixVideo(BaseModel):
    """A request for a variation: the same seed and settings with another prompt."""

    model_config = ConfigDict(extra="ignore")

    prompt: str = Field(
        min_length=1, description="What the new video shows.", examples=["a green balloon rising over the sea"]
    )


class Given(TypedDict):
    """A picture or video that a job works on: an ``upload`` by the file's name (by default the only one), or a
    completed ``video`` by id, with its ``size``. A ``mask`` is an upload.

    The rest is that of `Condition`.
    """

    upload: NotRequired[str]
    video: NotRequired[str]
    still: NotRequired[bool]
    at: NotRequired[Literal["start", "end", "whole"]]
    strength: NotRequired[float]
    mask: NotRequired[str]
    around: NotRequired[bool]
    size: NotRequired[str]


def needs_upload(plan: Mapping[str, Any]) -> bool:
    """Whether what the plan of a generation works on was uploaded for it."""
    return any("video" not in given or "mask" in given for given in plan.get("given", []))


def plan_for(catalogue: Catalogue, asked: Asked, *given: Given) -> dict[str, Any]:
    """What will be made, as a job keeps it, with a notice for all that differs from what was asked.

    Raises `ApiError`, 404 for an unknown model and 400 for one that cannot do this, and `ValidationError` for what
    makes no sense together.
    """
    offer = catalogue.find(asked.model)
    notices = []
    size, seconds = getattr(asked, "size", None), getattr(asked, "seconds", None)
    made_size = offer.size_for(size or next((each["size"] for each in given if "size" in each), None))
    if any(each.get("around") and not _leaves_room(each["size"], made_size) for each in given if "size" in each):
        message = f"The video has the shape of {made_size} already; there is nothing to make around it."
        raise ApiError(400, "invalid_value", message, param="size")
    longest = offer.longest(getattr(asked, "fps", None), given)
    length = None if seconds is None else min(max(float(seconds), 1.0), longest)
    if size not in (None, made_size):
        notices.append(f"{offer.id} makes {' or '.join(offer.sizes)}; {size} was asked for.")
    if length is not None and length != float(seconds or 0):
        notices.append(f"{offer.id} makes 1 to {longest:.3g} s at once; {seconds} s was asked for.")
    shots = getattr(asked, "shots", [])
    usual = offer.seconds if offer.family is None else f"{longest:.0f}"  # open weights make as much as they can
    made = f"{sum(shot.seconds for shot in shots):g}" if shots else usual
    plan = asked.model_dump(include={*Asked.model_fields, "fps", "loop", "shots", "n", "output_format"}) | {
        "still": isinstance(asked, CreateImage),
        "model": offer.id,
        "backend": offer.backend,
        "size": made_size,
        "length": length,
        "seconds": made if length is None else f"{length:.3g}",
        "notices": notices,
        "given": list(given),
    }
    _check(offer, request_of(plan, lambda _: PATH), longest)
    return plan


def _leaves_room(video: str, whole: str) -> bool:
    """Whether a video of one size, all of it shown inside another, leaves something of that empty."""
    width, height = _sides(whole)
    return placed(_sides(video), width, height)[2:] != (width, height)


def _check(offer: Offer, request: GenerationRequest, longest: float) -> None:
    """Refuse what this model cannot do. Raises `ApiError`, 400."""
    if beyond := offer.beyond(request):
        message = f"{offer.id} cannot do this: {beyond}. {BUNDLED.id} does."
        raise ApiError(400, "unsupported_parameter", message, param="model")
    rates = BUNDLED_RATES if offer in OURS else () if offer.family is None else offer.family.rates
    if request.fps is not None and request.fps not in rates:
        message = f"{offer.id} makes as many frames a second as it does; leave 'fps' out, or ask {BUNDLED.id}."
        raise ApiError(400, "unsupported_parameter", message, param="fps")
    if too_long := [shot.seconds for shot in request.shots if shot.seconds > longest]:
        message = f"{offer.id} makes shots of at most {longest:.3g} s; {too_long[0]:g} s were asked for."
        raise ApiError(400, "invalid_value", message, param="shots")


def user_of(tenant: str, plan: Mapping[str, Any]) -> str:
    """Whose refusals count together (`policy.gate.admit`): an end user's of a tenant, or of all it tells nothing of."""
    return f"{tenant}\n{plan['user']}" if plan.get("user") else tenant


def request_of(plan: dict[str, Any], path_of: Callable[[Given], Path]) -> GenerationRequest:
    """The generator's request for a plan. Raises `ValidationError` for what makes no sense together."""
    same = ("prompt", "negative_prompt", "seed", "steps", "guidance", "fps", "loop", "shots", "still", "consents")
    fields = {name: plan[name] for name in same if name in plan}

    def condition(given: Given) -> Condition:
        told = {name: value for name, value in given.items() if name in Condition.model_fields}
        if "mask" in given:
            told["mask"] = path_of({"upload": given["mask"]})
        return Condition.model_validate(told | {"path": path_of(given)})

    given = [condition(each) for each in plan.get("given", [])]
    size = tuple(map(int, plan["size"].split("x"))) if "size" in plan else None
    return GenerationRequest.model_validate(
        {**fields, "seconds": plan.get("length"), "size": size, "conditions": given}
    )
