"""What a command hands to the program's outermost frame, which alone prints it and chooses the exit code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer
from pydantic import BaseModel

from countermark.cli.page import Page

YES, NEGATIVE = 0, 1

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON, and nothing else, on standard output.")]


@dataclass(frozen=True)
class Outcome:
    """What a command has to say: the model for ``--json`` or the page for people, and the exit code."""

    page: Page
    exit_code: int = YES
    result: BaseModel | None = None
    as_json: bool = False
