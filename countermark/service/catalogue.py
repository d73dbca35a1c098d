"""The models that are offered, and what a request for a video comes to with one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from countermark.service.faults import ApiError
from generator import GenerationRequest


@dataclass(frozen=True)
class Offer:
    """A model and what it makes: ``size`` as width x height in pixels, ``seconds`` rounded, as OpenAI's API has it."""

    id: str
    size: str
    seconds: str
    created: int


BUNDLED = Offer("countermark-dit", "256x256", "2", created=1764028800)
OFFERS = {BUNDLED.id: BUNDLED}
ALIASES = {"sora-2": BUNDLED.id, "sora-2-pro": BUNDLED.id}
"""Names under which clients of the service that closed go on asking."""

_DEFAULTS = GenerationRequest.model_fields
_Text = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int) else value)]


class CreateVideo(BaseModel):
    """A request for a video. ``seed``, ``steps`` and ``guidance`` are ours; send them with ``extra_body``."""

    model_config = ConfigDict(extra="ignore")

    prompt: str = Field(
        min_length=1,
        description="What the video shows, in English or Chinese.",
        examples=["a red balloon rising over the sea"],
    )
    model: str = Field(default=BUNDLED.id, description="See `/v1/models`; OpenAI's names of models are aliases.")
    seconds: _Text | None = Field(default=None, pattern=r"^[0-9]{1,4}$", description="The nearest offered is made.")
    size: str | None = Field(
        default=None,
        pattern=r"^[0-9]{2,5}x[0-9]{2,5}$",
        description="The nearest offered is made.",
        examples=["256x256"],
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="The same seed gives the same video.")
    steps: int = Field(default=_DEFAULTS["steps"].default, ge=1, le=200, description="Sampling steps.")
    guidance: float = Field(
        default=_DEFAULTS["guidance"].default, ge=1, le=20, description="How strictly to follow the prompt."
    )
    priority: int = Field(default=100, ge=1, le=1000, description="Of your own waiting videos, the lowest is first.")


class RemixVideo(BaseModel):
    """A request for a variation: the same seed and settings with another prompt."""

    model_config = ConfigDict(extra="ignore")

    prompt: str = Field(
        min_length=1, description="What the new video shows.", examples=["a green balloon rising over the sea"]
    )


def planned(asked: CreateVideo) -> dict[str, Any]:
    """What will be made, as a job keeps it, with a notice for all that differs from what was asked.

    Raises `ApiError` (404) for an unknown model.
    """
    offer = OFFERS.get(ALIASES.get(asked.model, asked.model))
    if offer is None:
        raise ApiError(404, "model_not_found", f"The model '{asked.model[:100]}' does not exist.", param="model")
    notices = []
    if asked.size not in (None, offer.size):
        notices.append(f"{offer.id} makes {offer.size} videos; {asked.size} was asked for.")
    if asked.seconds not in (None, offer.seconds):
        notices.append(f"{offer.id} makes videos of about {offer.seconds} s; {asked.seconds} s was asked for.")
    made = {"model": offer.id, "size": offer.size, "seconds": offer.seconds, "notices": notices}
    return asked.model_dump(include={"prompt", "seed", "steps", "guidance", "priority"}) | made
