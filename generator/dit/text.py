"""From a prompt to concept tokens, in English and Chinese.

The bundled model draws a small, closed world, so its text conditioning is a closed vocabulary: every surface word of
``generator.world.vocabulary`` becomes the token of its concept, longest match first. Words outside the world are
reported, never silently dropped, and aspects the prompt leaves open are chosen by the seed and reported as well.
"""

from __future__ import annotations

import random
import re
import unicodedata
from dataclasses import dataclass
from functools import cache

from generator.world.vocabulary import BY_KIND, CONCEPTS, KINDS, Concept, Kind

NOTHING = 0
WORDS = len(CONCEPTS) + 1
TOKEN: dict[tuple[Kind, str], int] = {(c.kind, c.name): i for i, c in enumerate(CONCEPTS, start=1)}

_STOP_EN = re.compile(
    r"(a|an|the|of|in|on|at|over|above|under|by|with|and|is|are|it|its|to|from|into|onto|through|across|near|this|that|"
    r"video|clip|shot|scene|showing|shows|show|film|animation|one|single|some|there|up|down|very)"
)
_STOP_ZH = "一个只颗艘辆枚条支的在上里中下着正从到和与地是有了过片面色慢快速缓缓之间向往我们看见，。！？、"


@dataclass(frozen=True)
class Understanding:
    """What was understood: one concept name per kind, which of them were chosen freely, and the unknown words."""

    concepts: dict[Kind, str]
    chosen: tuple[Kind, ...]
    unknown: tuple[str, ...]

    @property
    def tokens(self) -> list[int]:
        """Concept tokens in the fixed order of kinds."""
        return [TOKEN[kind, self.concepts[kind]] for kind in KINDS]

    @property
    def notices(self) -> list[str]:
        """Plain sentences for the user about what was not understood or chosen for him."""
        out = []
        if self.unknown:
            out.append(f"not understood and left out: {', '.join(self.unknown)}")
        for kind in self.chosen:
            out.append(f"the prompt names no {kind} that the model knows; it drew: {self.concepts[kind]}")
        return out


@cache
def _pattern() -> re.Pattern[str]:
    """Every surface word of both languages, the longest first; English words end at word boundaries."""
    words = [(w, rf"\b{re.escape(w)}\b") for c in CONCEPTS for w in c.en] + [
        (w, re.escape(w)) for c in CONCEPTS for w in c.zh
    ]
    return re.compile("|".join(pattern for _, pattern in sorted(words, key=lambda p: -len(p[0]))))


@cache
def _meaning() -> dict[str, tuple[Concept, ...]]:
    table: dict[str, tuple[Concept, ...]] = {}
    for concept in CONCEPTS:
        for word in (*concept.en, *concept.zh):
            table[word] = (*table.get(word, ()), concept)
    return table


def understand(prompt: str, *, seed: int) -> Understanding:
    """Read ``prompt``; ``seed`` decides what it leaves open. The first concept of each kind counts."""
    text = re.sub(r"[-\s]+", " ", unicodedata.normalize("NFKC", prompt).lower())
    found: dict[Kind, str] = {}

    def take(match: re.Match[str]) -> str:
        for concept in _meaning()[match[0]]:
            if concept.kind not in found:
                found[concept.kind] = concept.name
                break
        return " "

    rest = _pattern().sub(take, text)
    latin = [w for w in re.findall(r"[^\W\d_\u4e00-\u9fff]+", rest) if not _STOP_EN.fullmatch(w)]
    han = [w.strip(_STOP_ZH) for w in re.findall(r"[\u4e00-\u9fff]+", rest)]
    unknown = tuple(dict.fromkeys(w for w in (*latin, *han) if w))

    rng = random.Random(seed)
    concepts: dict[Kind, str] = {}
    chosen: list[Kind] = []
    for kind in KINDS:
        free = rng.choice(BY_KIND[kind]).name  # drawn for every kind, so one more known word changes nothing else
        concepts[kind] = found.get(kind, free)
        if kind not in found:
            chosen.append(kind)
    return Understanding(concepts, tuple(chosen), unknown)
