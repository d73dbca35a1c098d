"""``countermark trust``: the lists of authorities that this machine believes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from pydantic import BaseModel

from countermark.cli.outcome import AsJson, Outcome
from countermark.cli.page import Page, Row, counted

if TYPE_CHECKING:
    from provenance.trust import TrustList

app = typer.Typer(help="Trust lists: who may vouch for signers and for time-stamps.", no_args_is_help=True)
_PURPOSES = {"signer": "vouches for signers", "tsa": "vouches for time-stamps"}


class TrustLists(BaseModel):
    """What ``--json`` prints."""

    lists: list[dict[str, object]]


@app.command()
def update(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="PEM files of CA certificates.")],
    kind: Annotated[
        Literal["signer", "tsa"] | None,
        typer.Option(help="What the authorities may vouch for; known for the official lists."),
    ] = None,
    as_json: AsJson = False,
) -> Outcome:
    """Put trust lists in place, or replace them: C2PA-TRUST-LIST.pem, C2PA-TSA-TRUST-LIST.pem, or your own.

    Nothing is downloaded: fetch the files from their publisher and check where they come from.
    """
    from countermark.core.settings import get_settings
    from provenance.trust import update_trust_lists

    return _outcome("Trust lists are in place", update_trust_lists(files, get_settings(), kind=kind), as_json)


@app.command(name="list")
def show(as_json: AsJson = False) -> Outcome:
    """Show the trust lists in place."""
    from countermark.core.settings import get_settings
    from provenance.trust import trust_lists

    lists = trust_lists(get_settings())
    return _outcome(
        "Trust lists" if lists else "No trust lists: only this machine's own root is trusted", lists, as_json
    )


@app.command()
def remove(name: Annotated[str, typer.Argument(metavar="NAME", help="The list's name.")]) -> Outcome:
    """Take a trust list away."""
    from countermark.core.settings import get_settings
    from provenance.trust import remove_trust_list

    remove_trust_list(name, get_settings())
    return Outcome(Page(f"Trust list {name} is gone"))


def _outcome(headline: str, lists: list[TrustList], as_json: bool) -> Outcome:
    rows = []
    for entry in lists:
        expired = f", {entry.expired} expired" if entry.expired else ""
        since = f"since {entry.updated_at:%Y-%m-%d}"
        rows.append(
            Row(entry.name, f"{_PURPOSES[entry.kind]}, {counted(entry.certificates, 'certificate')}{expired}, {since}")
        )
    result = TrustLists(lists=[entry.model_dump(mode="json") for entry in lists])
    return Outcome(Page(headline, rows=tuple(rows)), result=result, as_json=as_json)
