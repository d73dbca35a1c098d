"""Cut a prompt into sentences and clauses, so that harm cannot hide among harmless padding.

One harmful sentence among film jargon hardly moves the embedding of the whole prompt; its own embedding is not diluted.
The classifier therefore takes the maximum over the whole, its sentences and their clauses.
"""

from __future__ import annotations

import re

_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？])\s*|\s*\n+\s*")
_CLAUSE_END = re.compile(r"\s*[,;:，；：、…]+\s*|\s+[-–—]{1,2}\s+")
_MIN_UNITS = 4  # words; shorter pieces join their neighbour
_HAN_PER_WORD = 1.75
MAX_PARTS = 24


def _units(clause: str) -> float:
    han = sum("\u3400" <= c <= "\u9fff" for c in clause)
    return len(re.findall(r"[^\W\d_]+", clause)) if han == 0 else han / _HAN_PER_WORD


def _pieces(text: str, end: re.Pattern[str], glue: str) -> list[str]:
    """Cut at ``end``; pieces too short to mean anything by themselves join their neighbour."""
    out: list[str] = []
    for raw in end.split(text):
        piece = raw.strip()
        if not piece:
            continue
        if out and (_units(out[-1]) < _MIN_UNITS or _units(piece) < _MIN_UNITS):
            out[-1] += glue + piece
        else:
            out.append(piece)
    return out


def split_parts(text: str) -> list[str]:
    """Sentences and clauses of ``text``; empty when it is a single clause.

    Beyond `MAX_PARTS` sentences, neighbours are merged, and clauses are left out: nothing goes unread.
    """
    sentences = _pieces(text, _SENTENCE_END, " ")
    size = -(-len(sentences) // MAX_PARTS)
    sentences = [" ".join(sentences[i : i + size]) for i in range(0, len(sentences), size or 1)]
    parts = list(sentences) if len(sentences) > 1 else []
    for sentence in sentences:
        clauses = _pieces(sentence, _CLAUSE_END, ", ")
        if len(clauses) > 1 and len(parts) + len(clauses) <= MAX_PARTS:
            parts += clauses
    return parts
