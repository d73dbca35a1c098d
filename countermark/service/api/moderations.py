"""``/v1/moderations``: OpenAI's endpoint over our policy."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from countermark.service.access import Checker
from countermark.service.api.documents import faults
from countermark.service.faults import ApiError
from countermark.service.state import Service, service_of
from policy import load_policy
from policy.moderation import ModerationList, moderate

router = APIRouter(prefix="/v1/moderations", tags=["moderations"])

_MOST = 64


class Part(BaseModel):
    """A part of a multi-modal input; only texts are examined."""

    model_config = ConfigDict(extra="ignore")

    type: str
    text: str | None = None


class CreateModeration(BaseModel):
    """Texts to examine; each is judged by itself."""

    model_config = ConfigDict(
        extra="ignore", json_schema_extra={"example": {"input": "a red balloon rising over the sea"}}
    )

    input: str | list[str] | list[Part] = Field(description="A text, a list of texts, or a list of text parts.")
    model: str | None = None


@router.post("", response_model=ModerationList, summary="Ask the policy about prompts", responses=faults())
def create(
    asked: CreateModeration, _principal: Checker, service: Annotated[Service, Depends(service_of)]
) -> ModerationList:
    """Ask the policy about texts, without generating anything. `flagged` means that it would refuse to generate."""
    texts = _texts(asked.input)
    policy = load_policy(service.settings.policy_file)
    return moderate(texts, policy=policy)


def _texts(given: str | list[str] | list[Part]) -> list[str]:
    items = [given] if isinstance(given, str) else given
    if not 1 <= len(items) <= _MOST:
        raise ApiError(400, "invalid_value", f"Give between 1 and {_MOST} texts.", param="input")
    texts = [item if isinstance(item, str) else item.text for item in items]
    if any(text is None for text in texts):
        message = "Only text is examined by this endpoint; images are not supported yet."
        raise ApiError(400, "unsupported_parameter", message, param="input")
    return [text for text in texts if text is not None]
