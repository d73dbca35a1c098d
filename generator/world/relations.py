"""Two subjects in one clip, and how one is to the other: the English and Chinese words that say so."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from generator.world.vocabulary import Kind

Relation = Literal["beside", "left", "right", "above", "below", "behind", "front", "chase", "chased", "collide"]
"""How the first subject is to the second: "left" of it, "chased" by it."""

Mention = tuple[int, int, frozenset[Kind]]
"""Where a text names something of the world, and of which kinds that can be."""

_LINKED: tuple[Relation, ...] = ("beside",)  # "and" is a part of some words, such as "up and down"

_BETWEEN: Mapping[Relation, tuple[str, ...]] = {
    "beside": (r"and|with|together with|as well as|beside|next to|alongside|near|by", "和|与|跟|以及|还有"),
    "left": (r"(?:(?:to|on|at) the )?left (?:side )?of",),
    "right": (r"(?:(?:to|on|at) the )?right (?:side )?of",),
    "above": (r"above|over|on top of",),
    "below": (r"below|beneath|under|underneath",),
    "behind": (r"behind",),
    "front": (r"in front of",),
    "chase": (
        r"(?:is )?(?:chas(?:es|ing)|chase|follow(?:s|ing)|pursu(?:es|ing)|(?:run|rac)(?:s|es|ning|ing) after)",
        "追逐|追赶|追着|追|跟着|跟随",
    ),
    "chased": (r"(?:is |being )?(?:chased|followed|pursued) by", "被(?=.{1,16}(?:追|跟))"),
    "collide": (
        r"(?:collid(?:es|ing)|collide) with|(?:crash|bump|run)(?:s|es|ing|ning)? into|hit(?:s|ting)?|touch(?:es|ing)",
        "撞上|撞到|撞向|撞击|碰到|碰上|撞",
    ),
}
_AROUND: Mapping[Relation, str] = {  # 星星在船的上方
    "left": "左边|左侧|左方|左面",
    "right": "右边|右侧|右方|右面",
    "above": "上方|上面|上空|之上",
    "below": "下方|下面|之下",
    "behind": "后面|背后|后方|身后",
    "front": "前面|前方|跟前",
    "beside": "旁边|旁|身边|附近",
}
_TOGETHER: Mapping[Relation, str] = {  # "a ball and a star collide"
    "collide": r"(?<![a-z])(?:collid(?:e|es|ing)|crash(?:ing)?(?: into each other| together)?)(?![a-z])"
    "|相撞|碰撞|撞在一起",
    "chase": r"(?<![a-z])chas(?:e|ing) each other(?![a-z])|互相追逐|追逐|追赶",
}


@dataclass(frozen=True)
class Pair:
    """What a text says of its ``first`` and its ``second`` subject, and how the first is to the second."""

    first: str
    second: str
    relation: Relation


def pair(text: str, mentions: Sequence[Mention]) -> Pair | None:
    """The two subjects of ``text``, None where it names only one. ``mentions`` are in the order of the text.

    A relation has a subject before it, and after it no other thing of the world than a subject, with its colour: "over
    the sea and a ball" is nothing above a ball.
    """
    found: list[tuple[int, int, Pair]] = []
    for relation, pattern in _infix():
        for match in pattern.finditer(text):
            start, end = match.span()
            linked = relation not in _LINKED or not any(a < end and start < b for a, b, _ in mentions)
            if linked and _has(mentions, 0, start) and _leads(mentions, end):
                found.append((start, start - end, Pair(text[:start], text[end:], relation)))
    for relation, pattern in _circumfix():
        for match in pattern.finditer(text):
            if _has(mentions, 0, match.start()) and _has(mentions, *match.span(1)):
                rest = f"{text[: match.start()]} {text[match.end() :]}"
                found.append((match.start(), match.start() - match.end(), Pair(rest, match[1], relation)))
    if not found:
        return None
    *_, first = min(found, key=lambda hit: hit[:2])
    if first.relation == "beside":
        for relation, word in _TOGETHER.items():
            if re.search(word, first.second):
                return Pair(first.first, re.sub(word, " ", first.second), relation)
    if first.relation == "chased":
        return Pair(first.first, re.sub("追逐|追赶|追着|追|跟着", " ", first.second), "chased")
    return first


def _has(mentions: Sequence[Mention], start: int, end: int) -> bool:
    return any(start <= a and b <= end and "subject" in kinds for a, b, kinds in mentions)


def _leads(mentions: Sequence[Mention], start: int) -> bool:
    """Whether the first thing from ``start``, apart from colours, is a subject."""
    after = (kinds for a, _, kinds in mentions if a >= start and kinds != {"colour"})
    return "subject" in next(after, frozenset())


@cache
def _infix() -> tuple[tuple[Relation, re.Pattern[str]], ...]:
    return tuple(
        (relation, re.compile(rf"(?<![a-z])(?:{pattern})(?![a-z])"))
        for relation, patterns in _BETWEEN.items()
        for pattern in patterns
    )


@cache
def _circumfix() -> tuple[tuple[Relation, re.Pattern[str]], ...]:
    return tuple((relation, re.compile(rf"在([^在,。;]{{1,24}}?)的?(?:{word})")) for relation, word in _AROUND.items())
