"""``check``: a prompt in, a decision out, with its reasons.

Order of precedence: refusal > human review > rewriting > allowing with a strict output check > allowing.
"""

from __future__ import annotations

import hashlib
import math
from typing import Literal

from pydantic import BaseModel, ConfigDict

from countermark.core.errors import UsageError
from policy.assemble import Policy, load_policy
from policy.gazetteer import Entity
from policy.language import Language, identify
from policy.lexicon import LexiconHits
from policy.normalise import Normalised
from policy.schema import Threshold

Action = Literal["allow", "rewrite", "review", "block"]
Source = Literal["lexicon", "classifier", "rule", "gazetteer", "normaliser"]
Level = Literal["block", "review", "strict", "none"]


class CategoryScore(BaseModel):
    """One finding. ``score`` is compared with ``threshold``; ``span`` quotes the words that caused it, if words did."""

    model_config = ConfigDict(frozen=True)

    category: str
    score: float
    threshold: float
    source: Source
    span: str | None = None


class Decision(BaseModel):
    """What the policy decided about one prompt, and why.

    ``categories`` lists the findings that reached a threshold, the decisive one first. ``output_check`` is "strict"
    when the frames of an allowed prompt need the stricter check. ``reason`` is in the prompt's language.
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


def check(prompt: str, *, policy: Policy | None = None) -> Decision:
    """Decide about ``prompt`` (default policy: `load_policy`).

    Raises `UsageError` for an empty or over-long prompt, `ConfigurationError` or `WeightsError` when the policy cannot
    be loaded: a prompt is never allowed because something was missing.
    """
    policy = policy or load_policy()
    rules = policy.rules
    limit = rules.file.max_characters
    if not prompt.strip():
        raise UsageError("The prompt is empty.", remedy="Describe the video in a few words.")
    if len(prompt) > limit:
        message = f"The prompt has {len(prompt)} characters; the policy's limit is {limit}."
        raise UsageError(message, remedy="Shorten the prompt.")
    normalised, entities, text = rules.prepare(prompt)
    if not normalised.text:
        raise UsageError("The prompt has no visible characters.", remedy="Describe the video in a few words.")

    language = identify(normalised.text)
    graded = _assess(policy, normalised, text, entities)
    order = {"block": 0, "review": 1, "strict": 2, "none": 3}
    graded.sort(key=lambda item: (order[item[0]], -item[1].score))
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
    return Decision(
        action=action,
        category=category,
        categories=findings,
        reason=reason,
        prompt_sha256=hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest(),
        language=language,
        evasion=list(normalised.signals),
        output_check="strict" if strict else "standard",
        policy_version=policy.version,
        policy_sha256=policy.sha256,
        rewritten_prompt=text if action == "rewrite" else None,
        support_message=support.in_language(language) if support else None,
    )


def _assess(policy: Policy, prompt: Normalised, text: str, entities: list[Entity]) -> list[tuple[Level, CategoryScore]]:
    """Every finding with the level it reaches. The classifier reads ``text``, where names are made generic, so that
    a name alone is never held against its owner; the rules read the prompt as written."""
    rules = policy.rules
    found: list[tuple[Level, CategoryScore]] = []

    minors = rules.minors.find(prompt.canonical)
    if minors.refused:
        span = f"{minors.age} + {minors.sexual}"
        found.append(("block", CategoryScore(category="minors_sexual", score=1, threshold=1, source="rule", span=span)))
    elif minors.age:
        finding = CategoryScore(category="minors_present", score=1, threshold=1, source="rule", span=minors.age)
        found.append(("strict", finding))

    for entity in entities:
        category = rules.file.entities[entity.kind].category
        finding = CategoryScore(category=category, score=1, threshold=1, source="gazetteer", span=entity.name)
        found.append(("none", finding))
    if prompt.signals:
        span = ", ".join(prompt.signals)
        finding = CategoryScore(category="evasion", score=1, threshold=1, source="normaliser", span=span)
        found.append(("strict", finding))

    refused = {c for e in entities for c in rules.file.entities[e.kind].refused_with}
    explicit = rules.minors.explicit_term(prompt.canonical) if "sexual" in refused else None
    if explicit:
        span = f"{entities[0].name} + {explicit}"
        found.append(("block", CategoryScore(category="sexual", score=1, threshold=1, source="rule", span=span)))

    hits, _ = rules.hits(prompt.canonical)
    odds = policy.log_odds(text)
    factor = rules.file.evasion_threshold_factor if prompt.signals else 1.0
    for category in rules.categories:
        score = 1 / (1 + math.exp(-odds[category])) if category in odds else 0.0
        found.extend(_grade(policy, category, score, hits.get(category), factor=factor, named=category in refused))
    return found


def _grade(
    policy: Policy, category: str, score: float, hits: LexiconHits | None, *, factor: float, named: bool
) -> list[tuple[Level, CategoryScore]]:
    """Compare one category's lexicon matches and classifier score with its thresholds."""
    limits = policy.thresholds.thresholds.get(category, Threshold())
    block = limits.with_real_person if named and limits.with_real_person is not None else limits.block
    out: list[tuple[Level, CategoryScore]] = []
    strong = hits.strong if hits else ()
    if hits and not strong and (named or factor < 1):
        strong = hits.excused  # no benefit of the doubt beside a real name or a disguise
    floor = (limits.lexicon_floor or 0.0) * factor
    if strong and score >= floor:
        level: Level = "strict" if policy.rules.categories[category].action == "strict" else "block"
        out.append(
            (level, CategoryScore(category=category, score=1, threshold=1, source="lexicon", span=strong[0].term))
        )
    for level, limit in (("block", block), ("review", limits.review), ("strict", limits.strict)):
        if limit is not None and score >= limit * factor:
            span = hits.weak[0].term if hits and hits.weak else None
            finding = CategoryScore(
                category=category, score=round(score, 4), threshold=limit * factor, source="classifier", span=span
            )
            out.append((level, finding))
            break
    return out


def _changes(entities: list[Entity], language: Language) -> str:
    if language == "zh":
        return "，".join(dict.fromkeys(f"“{e.name}”改为“{e.replacement.zh}”" for e in entities))
    return ", ".join(dict.fromkeys(f'"{e.name}" became "{e.replacement.en}"' for e in entities))
