"""The rule on minors: fixed words, never learned, never weighed against anything.

A word for a child or young person together with a sexual word, anywhere in the prompt after normalisation, is refused.
Words that are also used of adults ("girl", "student") need an explicit sexual word beside them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from policy.lexicon import all_terms
from policy.phrases import PhraseIndex, outside
from policy.schema import MinorsFile

_AGE = re.compile(
    r" (?:age|aged|turning) (\d{1,2}) "
    r"| (\d{1,2}) ?(?:(?:years?|yrs?) (?:old|of age)|yo|y o|ans|jahre|anos|anni|лет) "
    r"|(?<!\d)(\d{1,2}) ?[岁歳歲]"
)
_HAN_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"两": 2, "几": 1, "半": 0}
_HAN_AGE = re.compile(rf"([{''.join(_HAN_DIGITS)}十百]+)[多来]?[岁歳歲]")
_WORDS = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
_AGE_WORDS = re.compile(
    rf" (?:age|aged|turning) (?:{'|'.join(_WORDS.split())}) | (?:{'|'.join(_WORDS.split())}) years? old "
)
_MAJORITY = 18


@dataclass(frozen=True)
class MinorsFinding:
    """``age`` is the age term found, if any; ``refused`` is true when a sexual term stands beside it."""

    age: str | None
    sexual: str | None
    refused: bool


class MinorsRule:
    """The rule with its terms indexed."""

    def __init__(self, file: MinorsFile, han_variants: dict[str, str]) -> None:
        self._definite, self._ambiguous, self._explicit, self._suggestive = (
            PhraseIndex(all_terms(terms), han_variants)
            for terms in (file.definite, file.ambiguous, file.explicit, file.suggestive)
        )
        self._harmless = PhraseIndex(all_terms(file.harmless), han_variants)

    @property
    def words(self) -> set[str]:
        """Every word of the lists."""
        return self._definite.words | self._ambiguous.words | self._explicit.words | self._suggestive.words

    def explicit_term(self, canonical: str) -> str | None:
        """The first explicit sexual term, if any; the rule on named real persons uses the same list."""
        found = outside(self._explicit.find(canonical), self._harmless.find(canonical))
        return found[0].term if found else None

    def find(self, canonical: str) -> MinorsFinding:
        """Apply the rule to a folded prompt."""
        harmless = self._harmless.find(canonical)
        definite = outside(self._definite.find(canonical), harmless)
        age = definite[0].term if definite else _stated_age(canonical)
        explicit = outside(self._explicit.find(canonical), harmless)
        if explicit:
            ambiguous = outside(self._ambiguous.find(canonical), harmless)
            some_age = age or (ambiguous[0].term if ambiguous else None)
            return MinorsFinding(some_age, explicit[0].term, some_age is not None)
        suggestive = outside(self._suggestive.find(canonical), harmless) if age else []
        return MinorsFinding(age, suggestive[0].term if suggestive else None, bool(suggestive))


def _stated_age(canonical: str) -> str | None:
    for match in _AGE.finditer(canonical):
        years = next(int(group) for group in match.groups() if group)
        if years < _MAJORITY:
            return match.group().strip()
    for match in _HAN_AGE.finditer(canonical):
        if _han_number(match.group(1)) < _MAJORITY:
            return match.group()
    words = _AGE_WORDS.search(canonical)
    return words.group().strip() if words else None


def _han_number(numeral: str) -> int:
    """The least that a numeral may mean: 17 for 十七八, 11 for 十几, 100 for any larger one."""
    if "百" in numeral:
        return 100
    tens, ten, ones = numeral.rpartition("十")
    if not ten:
        return _HAN_DIGITS[ones[0]]
    return 10 * (_HAN_DIGITS[tens[0]] if tens else 1) + (_HAN_DIGITS[ones[0]] if ones else 0)
