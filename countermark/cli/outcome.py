"""What a command hands to `countermark.cli.app.main`, which alone prints it and chooses the exit code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from countermark.cli.page import Page

if TYPE_CHECKING:
    from pydantic import BaseModel

YES, NEGATIVE, INTERRUPTED = 0, 1, 130


@dataclass(frozen=True)
class Outcome:
    """What a command has to say: the model for ``--json`` or the page for people, and the exit code."""

    page: Page
    exit_code: int = YES
    result: BaseModel | None = None
    as_json: bool = False
