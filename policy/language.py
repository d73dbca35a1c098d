"""Which language to answer in. A rule on scripts is exact enough for that, and cannot be argued with."""

from __future__ import annotations

import re
from typing import Literal

from policy.normalise import is_han

Language = Literal["en", "zh", "other"]


_WORD = re.compile(r"[A-Za-z\u00c0-\u024f]+")


def identify(text: str) -> Language:
    """``zh`` when there are at least as many Han characters as Latin words, and no kana; ``en`` for Latin script;
    ``other`` for the rest. French or Spanish count as ``en`` here: the rules for Latin script apply to them.
    """
    letters = [c for c in text if c.isalpha()]
    han = sum(is_han(c) for c in letters)
    latin = sum(c < "\u0250" for c in letters)
    kana = sum("\u3040" <= c <= "\u30ff" for c in letters)
    if han and han >= len(_WORD.findall(text)) and kana == 0 and han + latin >= len(letters) / 2:
        return "zh"
    if latin >= len(letters) / 2:
        return "en"
    return "other"
