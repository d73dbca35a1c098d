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

_MINOR = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen"
_WORDS = {word: value for value, word in enumerate(_MINOR.split(), start=1)}
_MORE = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety", "hundred", "thousand")
_ALONE = "".join(f"(?<!{word} )(?<!{word} and )" for word in _MORE)  # the "one" of "twenty one" is not one
_NUMBER = rf"(\d{{1,2}}|{_ALONE}(?:{'|'.join(_WORDS)}))(?! (?:hundred|thousand|million) )"
_THINGS = r"(?! (?:degrees?|times|percent|pages?|heads|corners?|wheels?|keys?|laps?|cards?|last|of|more|by|into) )"
_WHEN = r"(?= (?:$|today |tomorrow |yesterday |tonight |years? |(?:this|next|last) (?:week|month|year) ))"
_AGE = re.compile(
    rf"(?<= )aged(?: of)? {_NUMBER}(?: (?:and|or|to) {_NUMBER})?(?= )"
    rf"|(?<= )age(?: of)? {_NUMBER}(?= )"
    rf"|(?<= )ages(?: of)? {_NUMBER} (?:and|or|to) {_NUMBER}(?= )"
    rf"|(?<= )(?:just turn(?:s|ed)|turning) {_NUMBER}(?= ){_THINGS}|(?<= )turn(?:s|ed) {_NUMBER}{_WHEN}"
    rf"|(?<= )(?:{_NUMBER} (?:and|or|to) )?{_NUMBER} ?"
    r"(?:(?:years?|yrs?) (?:olds?|of age)|yos?|y os?|ans|jahr(?:e|ig\w*)|anos|anni|лет)(?= )"
)
_MONTHS = re.compile(
    rf"(?<= )(?:\d{{1,2}}|{'|'.join(_WORDS)}) (?:months?|weeks?) (?:olds?|of age(?! old| defying))(?= )"
    r"|(?<![上下这那本每])[\d一二三四五六七八九十两几]+个月大(?![雨雪风促])"
)
_HAN_DIGITS = {digit: value for value, digit in enumerate("零一二三四五六七八九")} | {"两": 2, "几": 1, "半": 0}
_HAN_NUMERALS = "".join(_HAN_DIGITS) + "十百"
_HAN_NUMBER = rf"((?<!\d)\d{{1,2}}(?!\d)|(?<![{_HAN_NUMERALS}])[{_HAN_NUMERALS}]{{1,8}})"
_HAN_AGE = re.compile(
    rf"{_HAN_NUMBER} ?[多来]?[周週]?[岁歳歲]"
    rf"|[年芳][龄齡纪紀][是为為在才只仅僅有约約]* ?{_HAN_NUMBER}(?! ?[{_HAN_NUMERALS}千万亿样致般起个大直定些])"
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
    for pattern in (_AGE, _HAN_AGE):
        for match in pattern.finditer(canonical):
            if any(_years(number) < _MAJORITY for number in match.groups() if number):
                return match.group().strip()
    months = _MONTHS.search(canonical)
    return months.group() if months else None


def _years(number: str) -> int:
    if number.isdigit():
        return int(number)
    return _WORDS[number] if number in _WORDS else _han_number(number)


def _han_number(numeral: str) -> int:
    """The least that a numeral may mean: 17 for 十七八, 11 for 十几, 100 for any larger one."""
    if "百" in numeral:
        return 100
    tens, ten, ones = numeral.rpartition("十")
    if not ten:
        return _HAN_DIGITS[ones[0]]
    return 10 * (_HAN_DIGITS[tens[0]] if tens else 1) + (_HAN_DIGITS[ones[0]] if ones else 0)
