"""``check``: a prompt in, a decision out, with its reasons.

Order of precedence: refusal > human review > rewriting > allowing with a strict output check > allowing.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from countermark.core.errors import UsageError
from policy.assemble import Judgement, Policy, load_policy
from policy.findings import CategoryScore, Graded, assess, in_order
from policy.gazetteer import Entity
from policy.guard import Guard
from policy.language import Language, identify
from policy.normalise import Normalised
from policy.schema import DEFAULT_AUDIENCE, Audience

Action = Literal["allow", "rewrite", "review", "block"]
_BATCH = 512  # prompts that are judged together


class Decision(BaseModel):
    """What the policy decided about one prompt, and why.

    ``categories`` lists the findings that reached a threshold, the decisive one first. ``output_check`` is "strict"
    when the frames of an allowed prompt need the stricter check. ``reason`` is in the prompt's language. Whoever wants
    the decision looked at again quotes ``appeal_id``: the same prompt under the same policy has the same. ``report``
    says that the operator has to report the attempt.
    """

    model_config = ConfigDict(frozen=True)

    action: Action
    category: str | None
    categories: list[CategoryScore]
    reason: str
    prompt_sha256: str
    language: Language
    evasion: list[str]
    output_check: Literal["standard", "strict"] = "standard"
    policy_version: str
    policy_sha256: str
    rewritten_prompt: str | None = None
    support_message: str | None = None
    audience: str = DEFAULT_AUDIENCE
    appeal_id: str
    report: bool = False

    @property
    def allowed(self) -> bool:
        """True when something may be generated."""
        return self.action in {"allow", "rewrite"}


def check(
    prompt: str,
    *,
    policy: Policy | None = None,
    audience: str = DEFAULT_AUDIENCE,
    shift: float = 0.0,
    shown: Mapping[str, float] | None = None,
    guard: Guard | None = None,
) -> Decision:
    """Decide about ``prompt`` (default policy: `load_policy`).

    ``audience`` chooses the thresholds; ``shift`` (log-odds, negative is stricter) moves them, as `policy.gate` does
    for users under watch; ``shown`` is what a picture beside the prompt adds to each category (`policy.vision`);
    ``guard`` is an external model whose verdict counts too.

    Raises `UsageError` for a prompt that is empty, over-long or no valid Unicode and for an unknown audience,
    `ConfigurationError` or `WeightsError` when the policy cannot be loaded, `GuardError` when the guard gives no
    verdict: a prompt is never allowed because something was missing.
    """
    policy = policy or load_policy()
    rules_for = _audience(policy, audience)
    prepared = _prepare(policy, prompt)
    judgement = policy.judge([prepared[2]])[0]
    normalised, entities, _ = prepared
    found = assess(policy, normalised, entities, judgement, audience=rules_for, shift=shift, shown=dict(shown or {}))
    if guard:
        found = in_order([*found, *guard.judge(normalised.text, policy)])
    return _decide(policy, prompt, prepared, found, audience)


def check_many(
    prompts: Sequence[str], *, policy: Policy | None = None, audience: str = DEFAULT_AUDIENCE
) -> list[Decision]:
    """Decide about many prompts, judged together in batches; the same decisions as `check` one by one.

    Raises as `check`, for the first prompt that makes no sense.
    """
    policy = policy or load_policy()
    rules_for = _audience(policy, audience)
    out: list[Decision] = []
    for start in range(0, len(prompts), _BATCH):
        batch = prompts[start : start + _BATCH]
        prepared = [_prepare(policy, prompt) for prompt in batch]
        judged: list[Judgement] = policy.judge([text for _, _, text in prepared])
        for prompt, parts, judgement in zip(batch, prepared, judged, strict=True):
            found = assess(policy, parts[0], parts[1], judgement, audience=rules_for)
            out.append(_decide(policy, prompt, parts, found, audience))
    return out


def refuse_unusable(prompt: str, *, policy: Policy) -> None:
    """Raises `UsageError` for a prompt that `check` would not judge, such as an empty one; says nothing of the rest."""
    _prepare(policy, prompt)


def appeal_id(prompt_sha256: str, policy_sha256: str) -> str:
    """The short name of a decision that a user can quote: 60 bits in base 32."""
    digest = hashlib.sha256(f"{prompt_sha256} {policy_sha256}".encode()).digest()
    letters = base64.b32encode(digest).decode()[:12]
    return "-".join(letters[i : i + 4] for i in range(0, 12, 4))


def prompt_digest(prompt: str) -> str:
    """SHA-256 of a prompt as typed, in hex."""
    return hashlib.sha256(prompt.encode()).hexdigest()


def _audience(policy: Policy, name: str) -> Audience:
    audiences = policy.rules.file.audiences
    if name not in audiences:
        known = ", ".join(sorted(audiences))
        raise UsageError(f"The policy has no audience {name!r}.", remedy=f"Choose one of: {known}.")
    return audiences[name]


_Prepared = tuple[Normalised, list[Entity], str]


def _prepare(policy: Policy, prompt: str) -> _Prepared:
    limit = policy.rules.file.max_characters
    if not prompt.strip():
        raise UsageError("The prompt is empty.", remedy="Describe the video in a few words.")
    try:
        prompt.encode()  # a lone surrogate can be written neither into JSON nor into manifest and registry
    except UnicodeEncodeError as error:
        found = f"U+{ord(prompt[error.start]):04X}"
        message = f"The prompt is not valid Unicode: {found} stands alone."
        raise UsageError(message, remedy="Correct the text.") from None
    if len(prompt) > limit:
        message = f"The prompt has {len(prompt)} characters; the policy's limit is {limit}."
        raise UsageError(message, remedy="Shorten the prompt.")
    prepared = policy.rules.prepare(prompt)
    if not prepared[0].text:
        raise UsageError("The prompt has no visible characters.", remedy="Describe the video in a few words.")
    return prepared


def _decide(policy: Policy, prompt: str, prepared: _Prepared, graded: list[Graded], audience: str) -> Decision:
    rules = policy.rules
    normalised, entities, text = prepared
    language = identify(normalised.text)
    levels = [level for level, _ in graded]
    findings = [finding for _, finding in graded]
    strict = "strict" in levels

    action: Action = "allow"
    category = None
    reason = rules.file.allowed.in_language(language)
    if levels and levels[0] in {"block", "review"}:
        action = "block" if levels[0] == "block" else "review"
        category = findings[0].category
        reason = rules.categories[category].reason.in_language(language)
        if action == "review":
            reason = rules.file.in_review.in_language(language).format(reason=reason)
    elif entities:
        action = "rewrite"
        category = rules.file.entities[entities[0].kind].category
        changes = _changes(entities, language)
        reason = rules.file.rewritten.in_language(language).format(changes=changes)
        reason += " " * (language != "zh") + rules.categories[category].reason.in_language(language)
    elif strict:
        category = findings[0].category
    support = rules.categories[category].support if category and action in {"block", "review"} else None
    sha256 = prompt_digest(prompt)
    return Decision(
        action=action,
        category=category,
        categories=findings,
        reason=reason,
        prompt_sha256=sha256,
        language=language,
        evasion=list(normalised.signals),
        output_check="strict" if strict else "standard",
        policy_version=policy.version,
        policy_sha256=policy.sha256,
        rewritten_prompt=text if action == "rewrite" else None,
        support_message=support.in_language(language) if support else None,
        audience=audience,
        appeal_id=appeal_id(sha256, policy.sha256),
        report=action == "block" and category is not None and rules.categories[category].report,
    )


def _changes(entities: list[Entity], language: Language) -> str:
    if language == "zh":
        return "，".join(dict.fromkeys(f"“{e.name}”改为“{e.replacement.zh}”" for e in entities))
    return ", ".join(dict.fromkeys(f'"{e.name}" became "{e.replacement.en}"' for e in entities))
