"""``countermark compliance``: what laws and standards ask for, and what a file carries of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from countermark.cli.outcome import NEGATIVE, YES, AsJson, Outcome
from countermark.cli.page import Page, Row
from countermark.cli.progress import progress

_ALL = "eu,us-ca,cn,in,kr,iptc"


def compliance(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A video file.", show_default=False)],
    profile: Annotated[str, typer.Option(metavar="LIST", help="Which, separated by commas.")] = _ALL,
    as_json: AsJson = False,
) -> Outcome:
    """Show what the profiles ask of a generated video and what this file carries.

    Exits with 1 when something is missing. This is a table of presence and no legal advice.
    """
    from provenance.compliance import check_compliance

    with progress(f"examining {path}"):
        found = check_compliance(path, [name.strip() for name in profile.split(",") if name.strip()])
    rows = []
    for item in found.requirements:
        mark, style = ("✓", "green") if item.present else ("✗", "red")
        rows.append(Row(item.profile, f"{item.name}: {item.evidence}", mark, style))
    missing = sum(not item.present for item in found.requirements)
    sentence = (
        f"{len(found.requirements) - missing} of {len(found.requirements)} things that were asked for are present"
    )
    style = "bold yellow" if missing else "bold green"
    page = Page(str(path), f"{sentence}. This is no legal advice.", tuple(rows), style)
    return Outcome(page, NEGATIVE if missing else YES, found, as_json)
