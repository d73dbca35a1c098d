"""The policy in the shape of OpenAI's moderations endpoint, for clients that already speak it.

Categories have OpenAI's names where one fits; those that OpenAI does not have (such as likeness or privacy) only set
``flagged``. The whole `Decision` about the text stands beside them as ``countermark``, what was seen in each picture as
``pictures``.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field

from countermark.core.settings import Settings
from policy.assemble import Policy, load_policy
from policy.consent import consent_among
from policy.decision import Decision, check, check_many
from policy.schema import DEFAULT_AUDIENCE
from policy.vision import UploadDecision, check_upload, shown_together

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
_LOOKED_FOR = frozenset(name for names in _OURS.values() for name in names)
"""OpenAI's categories that words are examined for here."""


class Moderation(BaseModel):
    """OpenAI's verdict on one text, or on texts and pictures together. ``countermark`` is the policy's own decision
    about the text, with its reason; ``pictures`` are its decisions about the pictures, in the order given.
    """

    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float] = Field(description="0 where no finding reached a threshold.")
    category_applied_input_types: dict[str, list[Literal["text", "image"]]] = Field(
        description="In which kinds of input a category was looked for; none where nothing here looks for it."
    )
    countermark: Decision | None = Field(description="The policy's decision about the text; null where there was none.")
    pictures: list[UploadDecision] = []


class ModerationList(BaseModel):
    """OpenAI's answer of the moderations endpoint; ``model`` names the policy."""

    id: str
    model: str
    results: list[Moderation]


def moderate(texts: Sequence[str], *, policy: Policy | None = None, audience: str = DEFAULT_AUDIENCE) -> ModerationList:
    """Judge texts, each by itself. ``flagged`` means that the policy would not generate. Raises as `policy.check`."""
    policy = policy or load_policy()
    return _answer(policy, [_moderation(each) for each in check_many(texts, policy=policy, audience=audience)])


def moderate_together(
    texts: Sequence[str],
    pictures: Sequence[Path],
    *,
    settings: Settings,
    consents: Sequence[str] = (),
    audience: str = DEFAULT_AUDIENCE,
) -> ModerationList:
    """Judge texts and pictures as one request to generate from them would be: one result for all.

    What a picture shows counts for the text beside it. A face needs a token for its file among ``consents``.
    ``flagged`` means that the text or a picture would be refused. Raises as `policy.check` and
    `policy.vision.check_upload`.
    """
    policy = load_policy(settings.policy_file)
    uploads = [check_upload(path, settings=settings, consent=consent_among(consents, path)) for path in pictures]
    shown = shown_together(uploads)
    decision = check("\n".join(texts), policy=policy, audience=audience, shown=shown) if texts else None
    return _answer(policy, [_moderation(decision, uploads)])


def _answer(policy: Policy, results: list[Moderation]) -> ModerationList:
    name = f"countermark-policy-{policy.version}"
    return ModerationList(id=f"modr-{secrets.token_hex(12)}", model=name, results=results)


def _moderation(decision: Decision | None, uploads: Sequence[UploadDecision] = ()) -> Moderation:
    scores = dict.fromkeys(CATEGORIES, 0.0)
    found = dict.fromkeys(CATEGORIES, False)
    judged = [(upload.allowed, upload.findings) for upload in uploads]
    if decision is not None:
        judged.append((decision.allowed, decision.categories))
    for allowed, findings in judged:
        for finding in findings:
            for name in _OURS.get(finding.category, ()):
                scores[name] = max(scores[name], finding.score)
                found[name] = found[name] or not allowed
    inputs: dict[Literal["text", "image"], Set[str]] = {
        "text": _LOOKED_FOR if decision is not None else frozenset(),
        "image": {name for upload in uploads for name in _examined_for(upload)},
    }
    return Moderation(
        flagged=not all(allowed for allowed, _ in judged),
        categories=found,
        category_scores=scores,
        category_applied_input_types={
            name: [kind for kind, examined in inputs.items() if name in examined] for name in CATEGORIES
        },
        countermark=decision,
        pictures=list(uploads),
    )


def _examined_for(upload: UploadDecision) -> frozenset[str]:
    """OpenAI's categories that a picture was examined for: by its looks, and by its words if it has any."""
    if upload.text.strip():
        return _LOOKED_FOR
    return frozenset(name for category in upload.examined for name in _OURS.get(category, ()))
