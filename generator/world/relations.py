"""Up to three subjects in one clip, and how one is to another: the English and Chinese words that say so."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

from generator.world.vocabulary import Concept, Kind

MOST = 3
"""Subjects that a clip shows."""

Relation = Literal["beside", "left", "right", "above", "below", "behind", "front", "chase", "chased", "collide"]
"""How one subject is to another: "left" of it, "chased" by it."""


class Mention(NamedTuple):
    """Where a text names something of the world, and what that can be."""

    start: int
    end: int
    concepts: tuple[Concept, ...]

    @property
    def kinds(self) -> frozenset[Kind]:
        """Of which kinds it can be."""
        return frozenset(concept.kind for concept in self.concepts)


_Said = Relation | Literal["between"]  # one that is between two others is right of one and left of the other

Find = Callable[[str], Sequence[Mention]]
"""All mentions of a text, in its order."""

_LINKED: tuple[Relation, ...] = ("beside",)  # "and" is a part of some words, such as "up and down"

_BETWEEN: Mapping[_Said, tuple[str, ...]] = {
    "beside": (r"and|with|together with|as well as|beside|next to|alongside|near|by", "和|与|跟|以及|还有"),
    "left": (r"(?:(?:to|on|at) the )?left (?:side )?of",),
    "right": (r"(?:(?:to|on|at) the )?right (?:side )?of",),
    "above": (r"above|over|on top of",),
    "below": (r"below|beneath|under|underneath",),
    "between": (r"(?:in )?between",),
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
_AROUND: Mapping[_Said, str] = {  # 星星在船的上方
    "left": "左边|左侧|左方|左面",
    "right": "右边|右侧|右方|右面",
    "above": "上方|上面|上空|之上",
    "below": "下方|下面|之下",
    "behind": "后面|背后|后方|身后",
    "front": "前面|前方|跟前",
    "beside": "旁边|旁|身边|附近",
    "between": "之间|中间|当中",
}
_TOGETHER: Mapping[Relation, str] = {  # "a ball and a star collide"
    "collide": r"(?<![a-z])(?:collid(?:e|es|ing)|crash(?:ing)?(?: into each other| together)?)(?![a-z])"
    "|相撞|碰撞|撞在一起",
    "chase": r"(?<![a-z])chas(?:e|ing) each other(?![a-z])|互相追逐|追逐|追赶",
}


@dataclass(frozen=True)
class Link:
    """How subject ``to``, counted from 0, is to the one that has the link."""

    relation: Relation
    to: int = 0


@dataclass(frozen=True)
class Related:
    """What a text says of each of its subjects, in ``texts``; how one before it is to each after the first; and the
    ``rest``, about subjects that are too many.
    """

    texts: tuple[str, ...]
    links: tuple[Link, ...] = ()
    rest: str = ""


@dataclass(frozen=True)
class _Split:
    """A text in two: ``first`` is in this relation to ``second``. ``listed``: only a comma or an "and" says so."""

    first: str
    second: str
    relation: _Said
    listed: bool = False


def related(text: str, find: Find) -> Related:
    """The subjects of ``text`` and their relations.

    A relation has a subject before it, and after it no other thing of the world than a subject, with its colour: "over
    the sea and a ball" is nothing above a ball. What is listed after a relation is in it too: "left of a star and a
    heart" is left of both. Who is between two is right of one and left of the other.
    """
    texts, links = [text], list[Link]()
    while len(texts) <= MOST:
        # What follows a link comes first; where a link was cut out of a text, something is left around it.
        splits = ((at, _split(texts[at], find, texts[:at] + texts[at + 1 :])) for at in reversed(range(len(texts))))
        at, split = next(((at, split) for at, split in splits if split is not None), (0, None))
        if split is None:
            break
        texts[at] = split.first
        if split.relation == "between":
            both = _split(split.second, find)
            assert both is not None  # or it were no split
            texts += both.first, both.second
            links += Link("right", at), Link("left", at)
            continue
        link = Link(split.relation, at)
        if split.listed and at == len(links) > 0 and _holds_for(links[-1], find(split.second)):
            link = links[-1]
        texts.append(split.second)
        links.append(link)
    for i, _ in enumerate(links):
        for relation, word in _TOGETHER.items():
            if all(link.relation == "beside" for link in links[: i + 1]) and re.search(word, texts[i + 1]):
                texts[i + 1] = re.sub(word, " ", texts[i + 1])
                links[: i + 1] = [Link(relation, link.to) for link in links[: i + 1]]
    return Related(tuple(texts[:MOST]), tuple(links[: MOST - 1]), " ".join(texts[MOST:]))


def _holds_for(link: Link, mentions: Sequence[Mention]) -> bool:
    """Whether ``link`` is also that of a subject listed after it, of which ``mentions`` are told."""
    if link.relation in ("chase", "chased"):  # "chases a ball and a star falls"
        return not any("motion" in mention.kinds for mention in mentions)
    return link.relation != "beside"


def _split(text: str, find: Find, others: Sequence[str] = ()) -> _Split | None:
    """The first relation in ``text``, None where it names only one subject. ``others`` are texts about subjects that
    are known already; beside them, naming one of them again makes no further one.
    """
    mentions = find(text)
    known = [thing for part in (text, *others) for thing in _things(find(part))[:1]] if others else []
    found: list[tuple[int, int, _Split]] = []

    def add(match: re.Match[str], split: _Split, second: int) -> bool:
        """Whether ``match`` is a relation, whose second subject is told of from ``second``."""
        is_one = (
            _has(mentions, 0, match.start())
            and not (known and _again(text, mentions, second, known))
            and (split.relation != "between" or _listed(split.second, find))
        )
        if is_one:
            found.append((match.start(), match.start() - match.end(), split))
        return is_one

    for relation, pattern in _infix():
        for match in pattern.finditer(text):
            start, end = match.span()
            apart = relation not in _LINKED or not any(m.start < end and start < m.end for m in mentions)
            listed = _AND.fullmatch(match[0]) is not None
            second = re.sub("追逐|追赶|追着|追|跟着", " ", text[end:]) if relation == "chased" else text[end:]
            if apart and _leads(mentions, end) and add(match, _Split(text[:start], second, relation, listed), end):
                break
    for match in _COMMA.finditer(text):
        if _item(text, mentions, match):
            split = _Split(text[: match.start()], text[match.end() :], "beside", listed=True)
            if add(match, split, match.end()):
                break
    for relation, pattern in _circumfix():
        for match in pattern.finditer(text):
            rest = f"{text[: match.start()]} {text[match.end() :]}"
            if _has(mentions, *match.span(1)) and add(match, _Split(rest, match[1], relation), match.start(1)):
                break
    return min(found, key=lambda hit: hit[:2])[2] if found else None


def _has(mentions: Sequence[Mention], start: int, end: int) -> bool:
    return any(start <= m.start and m.end <= end and "subject" in m.kinds for m in mentions)


def _leads(mentions: Sequence[Mention], start: int) -> bool:
    """Whether the first thing from ``start``, apart from colours, is a subject."""
    after = (m.kinds for m in mentions if m.start >= start and m.kinds != {"colour"})
    return "subject" in next(after, frozenset())


def _listed(text: str, find: Find) -> bool:
    """Whether ``text`` begins with two subjects and no relation but that both are named."""
    split = _split(text, find)
    return split is not None and split.listed


_AND = re.compile(r"(?<![a-z])(?:and|as well as|together with)(?![a-z])|和|与|跟|以及|还有")
_COMMA = re.compile(rf" ?[,、](?! ?(?:{_AND.pattern})) ?")
_CLAUSE = re.compile(r"[,、;:.。!?]|$")
_NEW = re.compile(r"(?<![a-z])(?:an?|another|one)(?![a-z])|一|另")
_NO_ITEM = re.compile(  # ", which is on a boat", ", no star"
    r"(?<![a-z])(?:on|in|at|to|of|off|from|into|onto|inside|across|around|towards?|through|is|are|has|have|which|that|who"
    r"|like|as|for|not?|without|than|while|then|but|or)(?![a-z])|[在被像如没无不是有往向从到]"
)
_AHEAD = 8  # how many commas further the end of a list is looked for


def _item(text: str, mentions: Sequence[Mention], comma: re.Match[str], ahead: int = _AHEAD) -> bool:
    """Whether ``comma`` stands in a list of subjects: the next thing to its right is one, in the same clause, which is
    not the left one by another name; and it is a new one, or an "and" ends the list. Only lists have a "、".
    """
    clause = _CLAUSE.search(text, comma.end())
    assert clause is not None  # it may be empty
    inside = [m for m in mentions if comma.end() <= m.start and m.end <= clause.start()]
    if not _leads(inside, 0):
        return False
    subject = next(m for m in inside if "subject" in m.kinds)
    between = text[comma.end() : subject.start]
    if _NO_ITEM.search(between) or any(pattern.search(between) for _, pattern in _infix()):
        return False
    known = _things([m for m in mentions if m.end <= comma.start()])
    if _again(text, mentions, comma.end(), known, always=True):
        return False
    if "、" in comma[0] or _NEW.search(between):
        return True
    if any(_leads(mentions, end.end()) for end in _AND.finditer(text, subject.end, clause.end() + 14)):
        return True
    following = _COMMA.match(text, clause.start())
    return following is not None and ahead > 0 and _item(text, mentions, following, ahead - 1)


Thing = tuple[str, frozenset[str]]
"""A subject and the colours that are said of it."""


def _things(mentions: Sequence[Mention]) -> list[Thing]:
    """The subjects that ``mentions`` name, each with the colours right before it."""
    out, colours = list[Thing](), frozenset[str]()
    for mention in mentions:
        subject = next((concept.name for concept in mention.concepts if concept.kind == "subject"), None)
        if subject is not None:
            out.append((subject, colours))
        colours = colours | {c.name for c in mention.concepts} if mention.kinds == {"colour"} else frozenset()
    return out


def _again(text: str, mentions: Sequence[Mention], start: int, known: Sequence[Thing], *, always: bool = False) -> bool:
    """Whether the first subject from ``start`` is one of those that are ``known``, named again without an "a" (or
    ``always``) and in no other colour.
    """
    after = [m for m in mentions if m.start >= start]
    subject = next(m for m in after if "subject" in m.kinds)
    if not always and _NEW.search(text, start, subject.start):
        return False
    name, colours = _things(after)[0]
    return any(name == other and (not colours or not theirs or colours == theirs) for other, theirs in known)


@cache
def _infix() -> tuple[tuple[_Said, re.Pattern[str]], ...]:
    return tuple(
        (relation, re.compile(rf"(?<![a-z])(?:{pattern})(?![a-z])"))
        for relation, patterns in _BETWEEN.items()
        for pattern in patterns
    )


@cache
def _circumfix() -> tuple[tuple[_Said, re.Pattern[str]], ...]:
    return tuple((relation, re.compile(rf"在([^在,。;]{{1,24}}?)的?(?:{word})")) for relation, word in _AROUND.items())
