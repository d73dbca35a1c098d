"""What speaks against a prompt: every rule, list and head is asked, and each answer gets the level it reaches."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import BaseModel, ConfigDict

from policy.assemble import Judgement, Policy
from policy.gazetteer import Entity
from policy.lexicon import LexiconHits
from policy.normalise import Normalised
from policy.schema import Audience, Threshold

Source = Literal["lexicon", "classifier", "rule", "gazetteer", "normaliser", "guard", "picture", "abuse"]
Level = Literal["block", "review", "strict", "none"]
_SPAN = 120  # characters of a quoted part


class CategoryScore(BaseModel):
    """One finding. ``score`` is compared with ``threshold``; ``span`` quotes the words that caused it, if words did."""

    model_config = ConfigDict(frozen=True)

    category: str
    score: float
    threshold: float
    source: Source
    span: str | None = None


Graded = tuple[Level, CategoryScore]


def certain(category: str, source: Source, span: str | None) -> CategoryScore:
    """A finding that was not weighed: a rule or a list decided."""
    return CategoryScore(category=category, score=1, threshold=1, source=source, span=span)


def assess(
    policy: Policy,
    prompt: Normalised,
    entities: list[Entity],
    judgement: Judgement,
    *,
    audience: Audience,
    shift: float = 0.0,
    shown: dict[str, float] | None = None,
) -> list[Graded]:
    """Every finding with the level it reaches, the gravest first.

    ``judgement`` is of the text where names are made generic, so that a name alone is never held against its owner; the
    rules read ``prompt`` as written. ``shift`` (log-odds) moves all thresholds, ``shown`` is what a picture beside the
    prompt adds to each category's log-odds.
    """
    rules = policy.rules
    found: list[Graded] = []
    minors = rules.minors.find(prompt.canonical)
    if minors.refused:
        found.append(("block", certain("minors_sexual", "rule", f"{minors.age} + {minors.sexual}")))
    elif minors.age:
        found.append(("strict", certain("minors_present", "rule", minors.age)))
    for entity in entities:
        found.append(("none", certain(rules.file.entities[entity.kind].category, "gazetteer", entity.name)))
    if prompt.signals:
        found.append(("strict", certain("evasion", "normaliser", ", ".join(prompt.signals))))

    refused = {c for e in entities for c in rules.file.entities[e.kind].refused_with}
    explicit = rules.minors.explicit_term(prompt.canonical) if "sexual" in refused else None
    if explicit:
        found.append(("block", certain("sexual", "rule", f"{entities[0].name} + {explicit}")))

    hits, _ = rules.hits(prompt.canonical)
    for category in rules.categories:
        odds = judgement.odds.get(category, -math.inf) + (shown or {}).get(category, 0.0)
        graded = _grade(
            policy,
            category,
            odds,
            hits.get(category),
            shift=audience.shift.get(category, 0.0) + shift,
            disguised=bool(prompt.signals),
            named=category in refused,
            part=judgement.part.get(category),
        )
        if category in audience.permitted:
            graded = [("strict" if level in {"block", "review"} else level, finding) for level, finding in graded]
        found.extend(graded)
    return in_order(found)


def in_order(found: list[Graded]) -> list[Graded]:
    """The gravest finding first, of equals the one that is furthest above its threshold."""
    order = {"block": 0, "review": 1, "strict": 2, "none": 3}
    return sorted(found, key=lambda item: (order[item[0]], -_excess(item[1])))


def _excess(finding: CategoryScore) -> float:
    """How far a score lies above its threshold, in log-odds; what is certain lies furthest."""
    if finding.threshold in {0.0, 1.0} or finding.score >= 1:
        return math.inf
    return _log_odds(finding.score) - _log_odds(finding.threshold)


def _log_odds(score: float) -> float:
    score = min(max(score, 1e-6), 1 - 1e-6)
    return math.log(score / (1 - score))


def _grade(
    policy: Policy,
    category: str,
    odds: float,
    hits: LexiconHits | None,
    *,
    shift: float,
    disguised: bool,
    named: bool,
    part: str | None,
) -> list[Graded]:
    """Compare one category's lexicon matches and classifier score with its thresholds."""
    limits = policy.thresholds.thresholds.get(category, Threshold())
    shift += policy.rules.file.evasion_shift if disguised else 0.0
    block = limits.with_real_person if named and limits.with_real_person is not None else limits.block
    score = 1 / (1 + math.exp(-odds))
    out: list[Graded] = []
    strong = hits.strong if hits else ()
    if hits and not strong and (named or disguised):
        strong = hits.excused  # no benefit of the doubt beside a real name or a disguise
    if strong and score >= (limits.lexicon_floor or 0.0):
        level: Level = "strict" if policy.rules.categories[category].action == "strict" else "block"
        out.append((level, certain(category, "lexicon", strong[0].term)))
    for level, limit in (("block", block), ("review", limits.review), ("strict", limits.strict)):
        if limit is None:
            continue
        threshold = moved(limit, shift)
        if score >= threshold:
            span = part or (hits.weak[0].term if hits and hits.weak else None)
            if span and len(span) > _SPAN:
                span = f"{span[: _SPAN - 1]}…"
            rounded = {"score": round(score, 4), "threshold": round(threshold, 4)}
            out.append((level, CategoryScore(category=category, source="classifier", span=span, **rounded)))
            break
    return out


def moved(threshold: float, shift: float) -> float:
    """A threshold moved by ``shift`` log-odds."""
    if shift == 0 or threshold in {0.0, 1.0}:
        return threshold
    return 1 / (1 + math.exp(-(_log_odds(threshold) + shift)))
