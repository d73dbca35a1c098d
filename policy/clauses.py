"""Cut a prompt into clauses, so that harm cannot hide among harmless padding.

One sentence of film jargon around a harmful clause pulls the embedding of the whole prompt to the harmless side;
the embedding of the clause alone is not moved. The classifier therefore takes the maximum over whole and clauses.
"""

from __future__ import annotations

import re

_BREAK = re.compile(r"(?<=[.!?;])\s+|\s*[。！？；…\n]+\s*|\s*[,，、:：]\s*|\s+[-–—]{1,2}\s+")
_MIN_UNITS = 4  # words; shorter pieces join their neighbour
_HAN_PER_WORD = 1.75
MAX_CLAUSES = 24


def _units(clause: str) -> float:
    han = sum("\u3400" <= c <= "\u9fff" for c in clause)
    return len(re.findall(r"[^\W\d_]+", clause)) if han == 0 else han / _HAN_PER_WORD


def split_clauses(text: str) -> list[str]:
    """Clauses of ``text`` in order, at most `MAX_CLAUSES` (later ones are merged); empty when there is only one."""
    clauses: list[str] = []
    for part in _BREAK.split(text):
        piece = part.strip()
        if not piece:
            continue
        if clauses and (_units(clauses[-1]) < _MIN_UNITS or _units(piece) < _MIN_UNITS):
            clauses[-1] = f"{clauses[-1]}, {piece}"
        else:
            clauses.append(piece)
    if len(clauses) <= 1:
        return []
    size = -(-len(clauses) // MAX_CLAUSES)
    return [", ".join(clauses[i : i + size]) for i in range(0, len(clauses), size)]
