"""Find listed phrases in folded text. One small index serves the lexicons, the gazetteers and the rule on minors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from policy.normalise import canonicalise

_STEM = 3  # letters by which single-word stems ("decapitat*") are indexed


@dataclass(frozen=True)
class Match:
    """One occurrence: the term as listed, and its range in the folded text."""

    term: str
    start: int
    end: int

    def inside(self, other: Match) -> bool:
        """True when this match lies within ``other``."""
        return other.start <= self.start and self.end <= other.end


class PhraseIndex:
    """An index of terms. Scripts with spaces match whole words (``*`` at the end allows any ending); others, parts."""

    def __init__(self, terms: Iterable[str], han_variants: dict[str, str]) -> None:
        self._by_word: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._by_stem: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self._by_character: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self.words: set[str] = set()
        for term in terms:
            folded = canonicalise(term.rstrip("*"), han_variants)[0].strip()
            if not folded:
                continue
            self.words.update(folded.split())
            if not _spaced_script(folded[0]):
                self._by_character[folded[0]].append((folded, term))
            elif term.endswith("*") and " " not in folded:
                self._by_stem[folded[:_STEM]].append((folded, term))
            else:
                whole = folded if term.endswith("*") or not _spaced_script(folded[-1]) else folded + " "
                self._by_word[folded.split()[0]].append((whole, term))
        self._beginnings = {*self._by_word, *self._by_stem, *self._by_character}

    def find(self, canonical: str) -> list[Match]:
        """All occurrences in ``canonical`` (as made by `policy.normalise`), longest first at each place."""
        if self._beginnings.isdisjoint(_beginnings(canonical)):  # of most lists nothing occurs
            return []
        return sorted(self._scan(canonical), key=lambda m: (m.start, m.start - m.end))

    def _scan(self, canonical: str) -> Iterator[Match]:
        start = 1
        while start < len(canonical):
            stop = canonical.index(" ", start)
            word = canonical[start:stop]
            for folded, term in self._by_word.get(word, ()):
                if canonical.startswith(folded, start):
                    end = start + len(folded.rstrip())
                    yield Match(term, start, canonical.index(" ", end) if term.endswith("*") else end)
            for folded, term in self._by_stem.get(word[:_STEM], ()):
                if word.startswith(folded):
                    yield Match(term, start, stop)
            if not word.isascii():
                for i in range(start, stop):
                    for folded, term in self._by_character.get(canonical[i], ()):
                        if canonical.startswith(folded, i):
                            yield Match(term, i, i + len(folded))
            start = stop + 1


@lru_cache(maxsize=16)  # all lists are asked about one text in succession
def _beginnings(canonical: str) -> frozenset[str]:
    """What terms in a folded text can begin with: its words, their stems, and characters of scripts without spaces."""
    words = canonical.split()
    return frozenset((*words, *(word[:_STEM] for word in words), *(c for w in words if not w.isascii() for c in w)))


def _spaced_script(character: str) -> bool:
    """True for alphabets with spaces between words (Latin, Greek, Cyrillic, Arabic ...)."""
    return not (
        "\u3040" <= character <= "\u30ff"
        or "\u3400" <= character <= "\u9fff"
        or "\u0e00" <= character <= "\u0e7f"
        or "\uac00" <= character <= "\ud7a3"
    )


def outside(matches: Iterable[Match], harmless: Iterable[Match]) -> list[Match]:
    """The matches that do not lie inside a harmless phrase ("nude" inside "nude lipstick")."""
    shields = list(harmless)
    return [m for m in matches if not any(m.inside(s) for s in shields)]
