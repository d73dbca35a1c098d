"""The policy in the shape of OpenAI's moderations endpoint, for clients that already speak it.

Categories have OpenAI's names where one fits; those that OpenAI does not have (such as likeness or privacy) only set
``flagged``. The whole `Decision` stands beside them as ``countermark``.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, Field

from policy.assemble import Policy, load_policy
from policy.decision import Decision, check_many
from policy.schema import DEFAULT_AUDIENCE

CATEGORIES = (
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
"""Our categories as OpenAI's."""


class Moderation(BaseModel):
    """OpenAI's verdict on one text; ``countermark`` is the policy's own decision, with its reason."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float] = Field(description="0 where no finding reached a threshold.")
    category_applied_input_types: dict[str, list[Literal["text"]]]
    countermark: Decision


class ModerationList(BaseModel):
    """OpenAI's answer of the moderations endpoint; ``model`` names the policy."""

    id: str
    model: str
    results: list[Moderation]


def moderate(texts: Sequence[str], *, policy: Policy | None = None, audience: str = DEFAULT_AUDIENCE) -> ModerationList:
    """Judge texts, each by itself. ``flagged`` means that the policy would not generate. Raises as `policy.check`."""
    policy = policy or load_policy()
    results = [_moderation(decision) for decision in check_many(texts, policy=policy, audience=audience)]
    name = f"countermark-policy-{policy.version}"
    return ModerationList(id=f"modr-{secrets.token_hex(12)}", model=name, results=results)


def _moderation(decision: Decision) -> Moderation:
    refused = not decision.allowed
    scores = dict.fromkeys(CATEGORIES, 0.0)
    found = dict.fromkeys(CATEGORIES, False)
    for finding in decision.categories:
        for name in _OURS.get(finding.category, ()):
            scores[name] = max(scores[name], finding.score)
            found[name] = refused
    return Moderation(
        flagged=refused,
        categories=found,
        category_scores=scores,
        category_applied_input_types={name: ["text"] for name in CATEGORIES},
        countermark=decision,
    )
