"""Word lists with context: which listed words occur, and whether their surroundings excuse them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from policy.phrases import Match, PhraseIndex, outside
from policy.schema import ContextsFile, LexiconFile, Terms


def all_terms(terms: Terms) -> list[str]:
    """The terms of every language in one list; one index matches them all."""
    return [term for language in terms.values() for term in language]


@dataclass(frozen=True)
class LexiconHits:
    """Matches of one lexicon: ``strong`` ones decide, ``excused`` ones stand in a harmless frame, ``weak`` inform."""

    strong: tuple[Match, ...]
    excused: tuple[Match, ...]
    weak: tuple[Match, ...]


class Lexicon:
    """The word list of one category, indexed."""

    def __init__(self, file: LexiconFile, han_variants: dict[str, str]) -> None:
        self.category = file.category
        self._strong = PhraseIndex(all_terms(file.strong), han_variants)
        self._weak = PhraseIndex(all_terms(file.weak), han_variants)
        self._harmless = PhraseIndex(all_terms(file.harmless), han_variants)
        self._excused_by = frozenset(file.excused_by)

    @property
    def words(self) -> set[str]:
        """Every word of the list, for the normaliser's doubtful cases."""
        return self._strong.words | self._weak.words

    def find(self, canonical: str, contexts: frozenset[str]) -> LexiconHits:
        """Matches in a folded prompt whose frames are ``contexts``."""
        harmless = self._harmless.find(canonical)
        strong = tuple(outside(self._strong.find(canonical), harmless))
        weak = tuple(outside(self._weak.find(canonical), harmless))
        if self._excused_by & contexts:
            return LexiconHits((), strong, weak)
        return LexiconHits(strong, (), weak)


class Contexts:
    """The groups of words that mark harmless frames."""

    def __init__(self, file: ContextsFile, han_variants: dict[str, str]) -> None:
        self._groups = {name: PhraseIndex(all_terms(terms), han_variants) for name, terms in file.contexts.items()}

    @property
    def names(self) -> Iterable[str]:
        """Names of the groups, in the file's order."""
        return self._groups.keys()

    def find(self, canonical: str) -> frozenset[str]:
        """The frames that a folded prompt names."""
        return frozenset(name for name, index in self._groups.items() if index.find(canonical))
