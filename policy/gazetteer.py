"""Names: people, characters, brands, artists. Found in the prompt, and replaced by what they are."""

from __future__ import annotations

import re
from dataclasses import dataclass

from policy.normalise import Normalised, is_han
from policy.phrases import Match, PhraseIndex, outside
from policy.schema import Bilingual, EntityRule, GazetteerFile

_DETERMINERS = {"a", "an", "the", "my", "your", "his", "her", "our", "their", "this", "that", "some", "two", "three"}
_TAKES_ARTICLE = {
    "of",
    "in",
    "on",
    "at",
    "by",
    "with",
    "and",
    "or",
    "to",
    "from",
    "for",
    "near",
    "beside",
    "behind",
    "like",
}
_TAKES_ARTICLE |= {
    "as",
    "into",
    "show",
    "shows",
    "showing",
    "is",
    "was",
    "between",
    "against",
    "under",
    "over",
    "while",
    "where",
}


@dataclass(frozen=True)
class Entity:
    """A name found: its ``kind``, its range in the normalised text, and the words that may replace it."""

    kind: str
    name: str
    start: int
    end: int
    replacement: Bilingual


class Gazetteers:
    """All name lists of a policy, indexed."""

    def __init__(self, files: list[GazetteerFile], rules: dict[str, EntityRule], han_variants: dict[str, str]) -> None:
        self._lists = []
        for file in files:
            rule = rules[file.kind]
            names = {n: e.generic or rule.replacement for e in file.entries for n in [*e.en, *e.zh, *e.cased]}
            free = PhraseIndex([n for e in file.entries for n in [*e.en, *e.zh]], han_variants)
            cased = PhraseIndex([n for e in file.entries for n in e.cased], han_variants)
            harmless = PhraseIndex(file.harmless, han_variants)
            self._lists.append((file.kind, names, free, cased, harmless))

    @property
    def words(self) -> set[str]:
        """Every word of every name."""
        return set().union(*(free.words | cased.words for _, _, free, cased, _ in self._lists))

    def find(self, prompt: Normalised) -> list[Entity]:
        """Names in the prompt from left to right; of overlapping ones the longest."""
        found: list[tuple[Match, str, Bilingual]] = []
        for kind, names, free, cased, harmless in self._lists:
            matches = free.find(prompt.canonical)
            for match in cased.find(prompt.canonical):
                start, end = prompt.span(match.start, match.end)
                if prompt.text[start:end] == match.term:
                    matches.append(match)
            matches = outside(matches, harmless.find(prompt.canonical))
            found.extend((match, kind, names[match.term]) for match in matches)
        found.sort(key=lambda item: (item[0].start, item[0].start - item[0].end))
        entities: list[Entity] = []
        for match, kind, replacement in found:
            start, end = prompt.span(match.start, match.end)
            if not entities or start >= entities[-1].end:
                entities.append(Entity(kind, prompt.text[start:end], start, end, replacement))
        return entities


def rewrite(text: str, entities: list[Entity]) -> str:
    """Replace each entity by its general description, with the article that English wants."""
    out, position = "", 0
    for entity in entities:
        out += text[position : entity.start]
        neighbours = text[max(entity.start - 1, 0)] + text[entity.end - 1]
        if any(is_han(c) for c in neighbours + entity.name):
            out += entity.replacement.zh
        else:
            out = _with_article(out, entity.replacement.en)
        position = entity.end
    return out + text[position:]


def _with_article(before: str, noun: str) -> str:
    article = "an" if noun[0] in "aeiou" else "a"
    words = re.findall(r"[\w'’]+", before)
    previous = words[-1].lower() if words and re.search(r"[\w'’]\s*$", before) else ""
    if previous in {"a", "an"}:
        return (
            re.sub(r"\b[Aa]n?\s*$", lambda m: (article.capitalize() if m.group()[0] == "A" else article) + " ", before)
            + noun
        )
    if previous in _DETERMINERS or (previous and previous not in _TAKES_ARTICLE and not previous.endswith("ing")):
        return before + noun
    if not previous and not before.strip():
        return f"{before}{article.capitalize()} {noun}"
    return f"{before}{article} {noun}"
