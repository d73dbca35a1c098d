"""What a person reads: a headline, a sentence, and rows of label and text; and how it is put on a terminal."""

from __future__ import annotations

import sys
import unicodedata
from dataclasses import dataclass
from typing import IO

from rich.console import Console
from rich.text import Text

# Controls that reorder what is shown; a title in somebody else's manifest could use them to forge our lines.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_REPLACED = frozenset({"Cc", "Cs", "Zl", "Zp"})
_GAP = "  "


@dataclass(frozen=True)
class Row:
    """One line of a page; ``mark`` is a sign before the label, in ``style`` (a rich style)."""

    label: str
    text: str
    mark: str = ""
    style: str = ""


@dataclass(frozen=True)
class Page:
    """A result for people. ``style`` (a rich style) is the headline's."""

    headline: str
    sentence: str = ""
    rows: tuple[Row, ...] = ()
    style: str = "bold"


def counted(number: int, what: str) -> str:
    """So many of something, named in the singular, whose plural is regular: "1 video", "2 entries"."""
    if number == 1:
        return f"1 {what}"
    return f"{number} {what[:-1]}ies" if what.endswith("ry") else f"{number} {what}s"


def printable(text: str) -> str:
    """``text`` on one line, without anything that a terminal would obey: files we examine may be hostile."""
    return "".join(_shown(character) for character in text)


def console(stream: IO[str]) -> Console:
    """A rich console that never reads markup out of data and wraps only for a person's terminal."""
    return Console(file=stream, markup=False, highlight=False, emoji=False, soft_wrap=not stream.isatty())


def show(page: Page, stream: IO[str] | None = None) -> None:
    """Print a page (to standard output). On a terminal, long texts are wrapped beside their labels."""
    out = console(stream or sys.stdout)
    _line(out, Text(), Text.assemble((page.headline, page.style), _GAP if page.sentence else "", page.sentence))
    marks = any(row.mark for row in page.rows)
    width = max((len(row.label) for row in page.rows), default=0)
    for row in page.rows:
        mark = [(row.mark.ljust(1) + " ", row.style)] if marks else []
        _line(out, Text.assemble(_GAP, *mark, (row.label.ljust(width), "dim"), _GAP), Text(row.text))


def _line(out: Console, head: Text, text: Text) -> None:
    text.plain = printable(text.plain)
    if not out.is_terminal:
        out.print(Text.assemble(head, text), soft_wrap=True)
        return
    room = max(out.width - head.cell_len, 20)
    for i, part in enumerate(text.wrap(out, room) or [text]):
        out.print(Text.assemble(head if i == 0 else " " * head.cell_len, part), soft_wrap=True)


def _shown(character: str) -> str:
    if character in "\n\t":
        return " "
    return "\ufffd" if character in _BIDI or unicodedata.category(character) in _REPLACED else character
