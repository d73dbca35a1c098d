"""What a command has to say when it is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from countermark.cli.page import Page

if TYPE_CHECKING:
    from pydantic import BaseModel

YES, NEGATIVE, INTERRUPTED = 0, 1, 130


@dataclass(frozen=True)
class Outcome:
    """The model for ``--json`` or the page for people, and the exit code."""

    page: Page
    exit_code: int = YES
    result: BaseModel | None = None
    as_json: bool = False
