"""``/v1/moderations``: OpenAI's endpoint over our policy."""

from __future__ import annotations

import secrets
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from countermark.service.access import Checker
from countermark.service.api.documents import faults
from countermark.service.faults import ApiError
from countermark.service.models import Moderation, ModerationList
from countermark.service.state import Service, service_of
from policy import Decision, check, load_policy

router = APIRouter(prefix="/v1/moderations", tags=["moderations"])

_MOST = 64
_CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
_OURS = {
    "dangerous_acts": ("illicit",),
    "fraud": ("illicit",),
    "graphic_violence": ("violence", "violence/graphic"),
    "hate": ("hate",),
    "illicit": ("illicit",),
    "minors_sexual": ("sexual", "sexual/minors"),
    "self_harm": ("self-harm",),
    "sexual": ("sexual",),
    "suggestive": ("sexual",),
}
"""Our categories as OpenAI's. The others (such as likeness or privacy) have no counterpart and only set ``flagged``."""


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
    policy = load_policy(service.settings.policy_file)
    texts = _texts(asked.input)
    results = [_moderation(check(text, policy=policy)) for text in texts]
    return ModerationList(
        id=f"modr-{secrets.token_hex(12)}", model=f"countermark-policy-{policy.version}", results=results
    )


def _texts(given: str | list[str] | list[Part]) -> list[str]:
    items = [given] if isinstance(given, str) else given
    if not 1 <= len(items) <= _MOST:
        raise ApiError(400, "invalid_value", f"Give between 1 and {_MOST} texts.", param="input")
    texts = [item if isinstance(item, str) else item.text for item in items]
    if any(text is None for text in texts):
        message = "Only text is examined by this endpoint; images are not supported yet."
        raise ApiError(400, "unsupported_parameter", message, param="input")
    return [text for text in texts if text is not None]


def _moderation(decision: Decision) -> Moderation:
    refused = decision.action in ("block", "review")
    scores = dict.fromkeys(_CATEGORIES, 0.0)
    found: dict[str, bool] = dict.fromkeys(_CATEGORIES, False)
    for finding in decision.categories:
        for name in _OURS.get(finding.category, ()):
            scores[name] = max(scores[name], finding.score)
            found[name] = refused
    applied: dict[str, Any] = {name: ["text"] for name in _CATEGORIES}
    return Moderation(
        flagged=refused,
        categories=found,
        category_scores=scores,
        category_applied_input_types=applied,
        countermark=decision,
    )
