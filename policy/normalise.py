"""Undo disguises: bring a prompt to the plain spelling that the rules and the encoder read.

Steps, in order: invisible characters removed, Unicode compatibility forms folded (NFKC, Unicode Standard Annex 15),
stacked accents removed, look-alike letters of other scripts mapped (after the idea of UTS 39 confusables), s p a c e d
or d.o.t.t.e.d letters and pieces of listed words joined, leet digits read as letters. Each step that changed something
reports a signal, because a disguise is evidence in itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from operator import ne
from string import ascii_lowercase, ascii_uppercase
from typing import Literal

from policy.schema import NormalisationRules

Signal = Literal["invisible", "styled_letters", "stacked_accents", "homoglyphs", "separated_letters", "leet"]

_KEPT_CONTROLS = {"\n", "\t", "\r"}
_INVISIBLE = {"\u034f", "\u115f", "\u1160", "\u17b4", "\u17b5", "\u3164", "\uffa0", "\u2800"}
_JOINERS = {"\u200c", "\u200d"}  # legitimate inside emoji and several scripts; never between Latin or Han letters
_SEPARATORS = r" ._\-*~|/\\+·•,"
_LETTER = r"[A-Za-z0-9@$]"
_SPACED = re.compile(
    rf"(?<!{_LETTER}){_LETTER}([{_SEPARATORS}])(?:(?:{_LETTER}|['’])\1)+{_LETTER}(?!{_LETTER})(?:\1(?=[,;:!?]))?"
)
_SCATTERED = re.compile(r"(?<![^\W_])[A-Za-z0-9](?:[\W_]{1,6}[A-Za-z0-9](?![^\W_])){2,}")  # with anything between
_PIECES = re.compile(r"(?<![^\W_])[A-Za-z]+(?:(?:[^\w\s'’]|_){1,4}[A-Za-z]+)+(?![^\W_])")
_MARKS = re.compile(r"[._*~|+]*")  # which stand in no ordinary word of several parts, as "-" and "/" do
_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_NO_HAN = re.compile(rf"[^{_HAN}]+")
_HAN_GAP = r"[ \-–—·・•、/\\\t\r\n]{1,3}"
_BROKEN_HAN = re.compile(rf"(?<![{_HAN}])[{_HAN}]+(?:{_HAN_GAP}[{_HAN}]+)+")
_SPLIT_HAN = re.compile(rf"(?<=[{_HAN}])[*_~|.+#^]+(?=[{_HAN}])")
_SPACED_HAN = re.compile(rf"(?<![{_HAN}])(?:[{_HAN}][ \-/]){{2,}}[{_HAN}](?![{_HAN}])")
_TOKEN = re.compile(r"[A-Za-z0-9@$!€]+")
_INNER_LEET = re.compile(r"[a-z][013457@$!€]+[a-z]")
_AMOUNT = re.compile(r"\d+[a-z]{1,4}")  # 60fps, 35mm, 4k
_TECHNICAL = re.compile(r"\d+[a-z]{1,4}|[a-z]{1,4}\d+[a-z]?")  # these, and mp4, x264
_ABBREVIATIONS = {"aka", "asap", "fyi", "rsvp"}  # written with points and without
_ENDING = re.compile(r"(?:s|es|ed|ing|ly)$")
_MIN_SENTENCE = 8  # letters: from here a run of single letters may be several words
_MIN_UNKNOWN = 5  # letters: from here a run of single letters is taken for a word that nobody knows
_LONGEST_WORD = 16
_LONGEST_HAN = 7  # characters of a Chinese word
_PARTICLES = {"up", "in", "on", "by", "to", "go", "co", "ex"}  # of two letters, in words such as "pin-up"
_FLAG = re.compile("(?<![A-Za-z])[A-Za-z]*[\U0001f1e6-\U0001f1ff][A-Za-z\U0001f1e6-\U0001f1ff]*")
_FLAG_LETTER = {0x1F1E6 + i: letter for i, letter in enumerate(ascii_lowercase)}
# Letters that are white on black: Unicode gives them no compatibility form.
_NEGATIVE = {first + i: letter for first in (0x1F150, 0x1F170) for i, letter in enumerate(ascii_uppercase)}


@dataclass(frozen=True)
class Normalised:
    """A prompt in plain spelling.

    ``text`` keeps case and punctuation: the encoder reads it, a rewrite edits it. ``canonical`` is for matching:
    lower-case words between single spaces, with a space at both ends; ``offsets[i]`` is the index in ``text`` of the
    character that ``canonical[i]`` stands for.
    """

    text: str
    canonical: str
    offsets: tuple[int, ...]
    signals: tuple[Signal, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Map a range of ``canonical`` (without its outer spaces) to a range of ``text``."""
        return self.offsets[start], self.offsets[end - 1] + 1


def is_han(character: str) -> bool:
    """True for the unified CJK ideographs in common use."""
    return "\u4e00" <= character <= "\u9fff" or "\u3400" <= character <= "\u4dbf"


def _unspaced(character: str) -> bool:
    """True for scripts written without spaces between words: Han, kana, Thai (and Hangul, whose words inflect)."""
    return (
        is_han(character)
        or "\u3040" <= character <= "\u30ff"
        or "\u0e00" <= character <= "\u0e7f"
        or "\uac00" <= character <= "\ud7a3"
    )


def canonicalise(text: str, han_variants: dict[str, str]) -> tuple[str, tuple[int, ...]]:
    """Fold ``text`` for matching; the same function folds the terms, so both sides always agree.

    Returns the folded string and, for each of its characters, the index in ``text``. Traditional Han characters
    become simplified ones where ``han_variants`` knows them; accents are dropped; an apostrophe vanishes in "don't"
    and becomes a space in "Anna's"; words of different scripts are separated.
    """
    out, offsets = [" "], [0]
    for i, character in enumerate(text):
        if character in "'’" and text[i + 1 : i + 2].lower() != "s":
            continue
        for folded in unicodedata.normalize("NFKD", character).casefold():
            kind = unicodedata.category(folded)
            if kind == "Mn" and not _unspaced(folded):
                continue
            if not kind.startswith(("L", "N", "M")):
                folded_or_space = " "
            else:
                composed = unicodedata.normalize("NFC", character) if _unspaced(character) else folded
                folded_or_space = han_variants.get(composed, composed)
            if folded_or_space == " " and out[-1] == " ":
                continue
            if folded_or_space != " " and out[-1] != " " and _unspaced(out[-1]) != _unspaced(folded_or_space):
                out.append(" ")
                offsets.append(i)
            out.append(folded_or_space)
            offsets.append(i)
            if _unspaced(character):
                break
    if out[-1] != " ":
        out.append(" ")
        offsets.append(len(text))
    return "".join(out), tuple(offsets)


def _drop_invisible(text: str) -> tuple[str, bool]:
    out: list[str] = []
    before, disguised = " ", False
    for i, character in enumerate(text):
        kind = unicodedata.category(character)
        hidden = (
            (kind in {"Cf", "Cc", "Co", "Cn", "Cs"} and character not in _KEPT_CONTROLS)
            or character in _INVISIBLE
            or "\ufe00" <= character <= "\ufe0f"
        )
        if not hidden:
            out.append(character)
            before = before if kind == "Mn" else character
            continue
        after, plain = text[i + 1 : i + 2], _joins_without(before)
        if character in _JOINERS and not plain:
            out.append(character)
        disguised |= plain and (after.isalpha() or unicodedata.category(after or " ") == "Cf")
    return "".join(out), disguised


def _joins_without(character: str) -> bool:
    """True for what never needs an invisible joiner after it: Latin, Greek, Cyrillic and Han letters, and digits."""
    name = unicodedata.name(unicodedata.normalize("NFKD", character)[0], "")
    return name.startswith(("LATIN", "GREEK", "CYRILLIC", "DIGIT", "CJK UNIFIED"))


def _fold_forms(text: str, is_term: Callable[[str], bool]) -> tuple[str, bool]:
    """NFKC, with a flag when letters came in full-width, mathematical, enclosed, superscript or negative form, or as
    halves of flags: those that make a listed word, or whose number is odd, as that of halves is not.
    """

    def letters(match: re.Match[str]) -> str:
        folded = match.group().translate(_FLAG_LETTER)
        halves = sum(map(ne, folded, match.group()))
        # Two by themselves are a flag, as "it" and "in" are; more letters are a word.
        return folded if halves % 2 or (len(folded) > 2 and is_term(folded.lower())) else match.group()

    plain = _FLAG.sub(letters, text).translate(_NEGATIVE)
    folded = unicodedata.normalize("NFKC", plain)
    styled = any(
        not c.isascii() and (n := unicodedata.normalize("NFKC", c)).isascii() and n.isalpha() and c not in "ªºſ"
        for c in text
    )
    return folded, styled or sum(map(ne, plain, text)) > 1  # one by itself is a sign, as of a car park


def _drop_stacked_accents(text: str) -> tuple[str, bool]:
    """Remove marks that did not compose with their ASCII letter: they decorate, they do not spell."""
    out: list[str] = []
    removed = 0
    base = " "
    for character in text:
        if unicodedata.category(character) in {"Mn", "Me"} and (base.isascii() or removed) and base.isascii():
            removed += 1
            continue
        if unicodedata.category(character) not in {"Mn", "Me"}:
            base = unicodedata.normalize("NFD", character)[0]
        out.append(character)
    return "".join(out), removed > 1


def _map_homoglyphs(text: str, table: dict[str, str]) -> tuple[str, bool]:
    """Map look-alikes in words that mix scripts, and in all-look-alike words of an otherwise Latin text."""
    latin = sum(c.isascii() and c.isalpha() for c in text)
    foreign = sum(c.isalpha() and not c.isascii() and c not in table and not is_han(c) for c in text)
    changed = False

    def replace(match: re.Match[str]) -> str:
        nonlocal changed
        word = match.group()
        confusable = [c in table for c in word]
        if not any(confusable):
            return word
        mixed = any(c.isascii() and c.isalpha() for c in word)
        lone = all(confusable) and latin > 2 * foreign and latin > 0
        if not (mixed or lone):
            return word
        changed = True
        return "".join(table.get(c, c) for c in word)

    return re.sub(r"\w+", replace, text), changed


def _is_inflected(word: str, is_word: Callable[[str], bool]) -> bool:
    """True for a known word and for a known one with a common English ending ("heroes", "compared")."""
    if is_word(word):
        return True
    stem = _ENDING.sub("", word)
    return len(stem) > 3 and stem != word and (is_word(stem) or is_word(f"{stem}e"))


def _segment(letters: str, is_word: Callable[[str], bool]) -> list[str]:
    """Cut a run of letters into known words, long ones preferred (sum of squared lengths), unknown
    stretches between them at least `_MIN_UNKNOWN` letters; [] if impossible.
    """
    best: list[tuple[int, list[str]] | None] = [(0, [])] + [None] * len(letters)
    for end in range(1, len(letters) + 1):
        for start in range(max(0, end - _LONGEST_WORD), end):
            head = best[start]
            word = letters[start:end]
            if head is None:
                continue
            known = is_word(word) if len(word) > 1 else word in "ai"
            if not known and len(word) < _MIN_UNKNOWN:
                continue
            value = head[0] + (len(word) ** 2 if known else 0)
            current = best[end]
            if current is None or value > current[0]:
                best[end] = (value, [*head[1], word])
    found = best[-1]
    return found[1] if found else []


def _join_letters(text: str, is_term: Callable[[str], bool], is_word: Callable[[str], bool]) -> tuple[str, bool]:
    changed = False

    def spaced(match: re.Match[str]) -> str:
        nonlocal changed
        joined = re.sub(rf"[{_SEPARATORS}'’]", "", match.group())
        letters = sum(c.isalpha() for c in joined)
        plain = joined.lower()
        if letters < 3 or plain in _ABBREVIATIONS:
            return match.group()
        words = [joined]
        if not (is_term(plain) or (len(joined) > 3 and _is_inflected(plain, is_word))):
            listing = joined.isupper() or plain in ascii_lowercase or letters < len(joined)  # initials, A B C, 1 2 3
            if match.group(1) != " ":  # such a separator ends where the word ends
                words = [] if listing or not (is_word(plain) or letters >= _MIN_UNKNOWN) else [joined]
            elif plain[0] == "a" and is_term(plain[1:]):
                words = [joined[0], joined[1:]]
            elif len(joined) >= _MIN_SENTENCE:
                words = _segment(plain, lambda w: is_term(w) or is_word(w))
            else:
                words = [joined] if letters >= _MIN_UNKNOWN else []
            if not words or len(joined) / len(words) < 2.5:
                return match.group()
            if listing and not all(is_term(w) or is_word(w) for w in words):
                return match.group()
        changed = True
        return " ".join(words)

    def spaced_han(match: re.Match[str]) -> str:
        nonlocal changed
        changed = True
        return re.sub(r"[ \-/]", "", match.group())

    text = _SPACED.sub(spaced, text)
    text = _SPACED_HAN.sub(spaced_han, text)
    text, count = _SPLIT_HAN.subn("", text)
    return text, changed or count > 0


def _join_terms(
    text: str, rules: NormalisationRules, is_term: Callable[[str], bool], is_word: Callable[[str], bool]
) -> tuple[str, bool]:
    """Join what makes a word of the lists: letters with anything between them ("k, i - d"), pieces of a word that stand
    tight ("kid/nap"; not "e-mail", which is spelled so), and the characters of a Chinese word.
    """
    changed = False

    def scattered(parts: list[str], start: int, stop: int) -> bool:
        # Three letters make a word by chance: they count where there are no others, but for an article.
        alone = stop == len(parts) and (start == 0 or (start == 2 and parts[0] in "aA"))
        joined = "".join(parts[start:stop:2]).lower()
        return (len(joined) > 3 or alone) and not joined.isdigit() and any(map(is_term, _readings(joined, rules.leet)))

    def in_pieces(parts: list[str], start: int, stop: int) -> bool:
        pieces = [piece.lower() for piece in parts[start:stop:2]]
        if len(joined := "".join(pieces)) < 4 or not is_term(joined):
            return False
        usual = all(map(is_word, pieces)) and (min(map(len, pieces)) != 2 or not _PARTICLES.isdisjoint(pieces))
        return len(pieces) > 2 or _MARKS.fullmatch(parts[start + 1]) is not None or not usual

    def joined_where(hides: Callable[[list[str], int, int], bool]) -> Callable[[re.Match[str]], str]:
        """``hides`` says it of pieces and the gaps between them, from one index to before another."""

        def join(match: re.Match[str]) -> str:
            nonlocal changed
            parts, out, start = re.split(r"([\W_]+)", match.group()), list[str](), 0
            while start < len(parts):
                furthest = min(len(parts), start + 2 * _LONGEST_WORD - 1)
                stop = next((k for k in range(furthest, start + 1, -2) if hides(parts, start, k)), start + 1)
                changed |= stop > start + 1
                out += ["".join(parts[start:stop:2]), *parts[stop : stop + 1]]
                start = stop + 1
            return "".join(out)

        return join

    def begun(parts: list[str], start: int) -> int:
        """Where a word ends that begins with a whole piece and goes on in the next ones; ``start`` if none does. Within
        a piece none begins: the last character of one and the first of the next make many a word by chance.
        """
        joined = parts[start]
        for stop in range(start + 2, len(parts), 2):
            for length in range(min(len(parts[stop]), _LONGEST_HAN - len(joined)), 0, -1):
                pieces = [*parts[start:stop:2], parts[stop][:length]]
                word = "".join(rules.han_variants.get(character, character) for piece in pieces for character in piece)
                if is_term(word) and not all(map(is_term, pieces)):  # the parts of a foreign name are listed too
                    return stop
            joined += parts[stop]
        return start

    def broken_han(match: re.Match[str]) -> str:
        nonlocal changed
        parts, start = re.split(f"({_HAN_GAP})", match.group()), 0
        while start < len(parts):
            stop = begun(parts, start)
            changed |= stop > start
            parts[start + 1 : stop : 2] = [""] * ((stop - start) // 2)
            start = stop if stop > start else start + 2
        return "".join(parts)

    text = _SCATTERED.sub(joined_where(scattered), text)
    text = _PIECES.sub(joined_where(in_pieces), text)
    text = _BROKEN_HAN.sub(broken_han, text)
    return text, changed


def _readings(token: str, table: dict[str, list[str]]) -> list[str]:
    """All plain readings of a leet token (a 1 may be i or l), at most 16, the commonest first."""
    choices = [table.get(c, [c]) for c in token]
    return ["".join(letters) for letters, _ in zip(product(*choices), range(16), strict=False)]


def _read_leet(
    text: str, rules: NormalisationRules, is_term: Callable[[str], bool], is_word: Callable[[str], bool]
) -> tuple[str, bool]:
    changed = False

    def replace(match: re.Match[str]) -> str:
        nonlocal changed
        token = match.group()
        tail = token[len(token.rstrip("!")) :]
        word = token[: len(token) - len(tail)].lower()
        letters = sum(c.isalpha() for c in word)
        if letters == 0 or letters == len(word) or word in rules.protected or is_term(word):
            return token
        readings = [r for r in _readings(word, rules.leet) if r.isalpha()]
        chosen = next((r for r in readings if is_term(r)), None)
        if chosen is None and len(word) > 3 and not _AMOUNT.fullmatch(word):
            chosen = next((r for r in readings if _is_inflected(r, is_word)), None)
        if chosen is None and letters > 1 and len(word) > 2 and not _TECHNICAL.fullmatch(word):
            chosen = next((r for r in readings if is_word(r)), None)
            if chosen is None and _INNER_LEET.search(word) and len(word) > 4:
                chosen = next(iter(readings), None)
        if chosen is None:
            return token
        changed = True
        return chosen + tail

    return _TOKEN.sub(replace, text), changed


def normalise(
    prompt: str,
    rules: NormalisationRules,
    *,
    is_term: Callable[[str], bool] = lambda _: False,
    is_word: Callable[[str], bool] = lambda _: False,
) -> Normalised:
    """Bring ``prompt`` to plain spelling and say which disguises were found.

    ``is_term`` knows the lower-case words of the policy's lists and ``is_word`` ordinary words; they decide the
    doubtful cases (is "nud3" a word, is "A.B.C.D" one?).
    """
    signals: list[Signal] = []
    text, found = _drop_invisible(prompt)
    if found:
        signals.append("invisible")
    text, found = _fold_forms(text, is_term)
    if found:
        signals.append("styled_letters")
    text, found = _drop_stacked_accents(text)
    if found:
        signals.append("stacked_accents")
    text, found = _map_homoglyphs(text, rules.homoglyphs)
    if found:
        signals.append("homoglyphs")
    text, spaced = _join_letters(text, is_term, is_word)
    text, broken = _join_terms(text, rules, is_term, is_word)
    if spaced or broken:
        signals.append("separated_letters")
    for emoji, words in rules.emoji.items():
        text = text.replace(emoji, f" {words} ")
    text, found = _read_leet(text, rules, is_term, is_word)
    if found:
        signals.append("leet")
    text = re.sub(r"[ \t]+", " ", text).strip()
    canonical, offsets = canonicalise(text, rules.han_variants)
    return Normalised(text, canonical, offsets, tuple(signals))
