"""What may be asked of the models: the bodies of requests for videos and pictures."""

from __future__ import annotations

import json
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from countermark.service.catalogue import BUNDLED
from generator.request import BUNDLED_RATES, Shot
from generator.tasks import DEFAULT_STRENGTH

_VIDEO = "video_0123456789abcdef0123456789abcdef"
PICTURE = "data:image/png;base64,iVBORw0KGgo="
"""Stands for a picture in examples."""


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
