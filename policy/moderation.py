"""The policy in the shape of OpenAI's moderations endpoint, for clients that already speak it.

Request ``{"input": "..."}`` or ``{"input": ["...", ...]}``; the answer has one result per input with ``flagged``,
``categories`` and ``category_scores`` under OpenAI's names where one fits, and the whole `Decision` beside them.
"""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from policy.assemble import Policy, load_policy
from policy.decision import Decision, check_many
from policy.schema import DEFAULT_AUDIENCE

# OpenAI's categories that ours answer to; the others are reported under our own names.
_NAMES = {
    "minors_sexual": "sexual/minors",
    "sexual": "sexual",
    "graphic_violence": "violence/graphic",
    "hate": "hate",
    "self_harm": "self-harm",
    "illicit": "illicit",
}
_OPENAI = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/intent",
    "self-harm/instructions",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)


class ModerationRequest(BaseModel):
    """``input``: one text or several; ``model`` is accepted and ignored, for there is one policy."""

    model_config = ConfigDict(extra="ignore")

    input: str | list[str]
    model: str | None = None


class ModerationResult(BaseModel):
    """One input's result."""

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[str]]
    decision: Decision


class ModerationResponse(BaseModel):
    """The answer; ``id`` and ``model`` name the policy that gave it."""

    id: str
    model: str
    results: list[ModerationResult] = Field(default_factory=list)


def moderate(
    request: ModerationRequest, *, policy: Policy | None = None, audience: str = DEFAULT_AUDIENCE
) -> ModerationResponse:
    """Answer a moderation request; raises as `policy.check`."""
    policy = policy or load_policy()
    texts: Sequence[str] = [request.input] if isinstance(request.input, str) else request.input
    results = [_result(decision) for decision in check_many(texts, policy=policy, audience=audience)]
    name = f"countermark-policy-{policy.version}"
    return ModerationResponse(id=f"modr-{policy.sha256[:24]}", model=name, results=results)


def _result(decision: Decision) -> ModerationResult:
    scores = dict.fromkeys(_OPENAI, 0.0)
    reached = dict.fromkeys(_OPENAI, False)
    refused = not decision.allowed
    for finding in decision.categories:
        name = _NAMES.get(finding.category, finding.category)
        scores[name] = max(scores.get(name, 0.0), finding.score)
        reached[name] = reached.get(name, False) or (refused and finding.category == decision.category)
    return ModerationResult(
        flagged=refused,
        categories=reached,
        category_scores=scores,
        category_applied_input_types={name: ["text"] for name in scores},
        decision=decision,
    )
