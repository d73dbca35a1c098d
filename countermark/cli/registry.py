"""``countermark registry``: the log, its audit, and carrying and erasing entries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from countermark.cli.outcome import NEGATIVE, YES, AsJson, Outcome
from countermark.cli.page import Page, Row, counted

if TYPE_CHECKING:
    from provenance.log import TreeHead

app = typer.Typer(help="The registry of sealed videos, and its append-only log.", no_args_is_help=True)
_BAD = "bold red"


@app.command()
def head(as_json: AsJson = False) -> Outcome:
    """Print the head of the log; keep it elsewhere, and `audit --against` it later."""
    from countermark.core.settings import get_settings
    from provenance.registry import open_registry

    with open_registry(get_settings()) as registry:
        found = registry.head()
    return Outcome(Page(counted(found.size, "event"), rows=(Row("root", found.root),)), result=found, as_json=as_json)


@app.command()
def audit(
    against: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A head that was kept (`registry head --json > FILE`).")
    ] = None,
    as_json: AsJson = False,
) -> Outcome:
    """Recompute the log and hold every entry against it. Exits with 1 when anything was changed or removed."""
    from countermark.core.settings import get_settings
    from provenance.registry import open_registry

    kept = None if against is None else _read_head(against)
    with open_registry(get_settings()) as registry:
        found = registry.audit(kept)
    rows = [
        Row("log", f"{counted(found.head.size, 'event')}, root {found.head.root}"),
        Row("videos", f"{found.videos} ({found.erased} with personal data erased, {found.withdrawn} withdrawn)"),
    ]
    if kept is not None and not found.problems:
        rows.append(Row("kept head", f"this log begins with its {counted(kept.size, 'event')}"))
    rows += [Row("problem", problem, "✗", "red") for problem in found.problems]
    headline, style = ("The registry is as its log says", "bold green") if not found.problems else ("Changed", _BAD)
    return Outcome(Page(headline, rows=tuple(rows), style=style), NEGATIVE if found.problems else YES, found, as_json)


@app.command()
def export(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write (JSON lines).")],
    as_json: AsJson = False,
) -> Outcome:
    """Write the whole registry, manifests and personal data included, to a file."""
    from countermark.core.settings import get_settings
    from provenance.registry import open_registry
    from provenance.transfer import export_registry

    with open_registry(get_settings()) as registry:
        done = export_registry(registry, path)
    rows = (Row("log", f"{counted(done.head.size, 'event')}, root {done.head.root}"),)
    return Outcome(Page(str(path), counted(done.videos, "video"), rows), result=done, as_json=as_json)


@app.command(name="import")
def import_(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A file that `registry export` wrote.")],
    as_json: AsJson = False,
) -> Outcome:
    """Add the entries of an exported registry to this one."""
    from countermark.core.settings import get_settings
    from provenance.registry import open_registry
    from provenance.transfer import import_registry

    with open_registry(get_settings()) as registry:
        done = import_registry(registry, path)
    sentence = f"{counted(done.videos, 'video')} added, {done.present} here already"
    return Outcome(Page("Imported", sentence), result=done, as_json=as_json)


@app.command()
def erase(
    video_id: Annotated[str, typer.Argument(metavar="VIDEO_ID", help="The video's id, 16 hex digits.")],
    *,
    manifest: Annotated[
        bool, typer.Option("--manifest", help="The stored manifest too; credentials cannot be recovered then.")
    ] = False,
) -> Outcome:
    """Erase what is personal about a video: title, prompt hash, policy record, owner. The log keeps its proof."""
    from countermark.core.settings import get_settings
    from provenance.registry import open_registry

    with open_registry(get_settings()) as registry:
        registry.erase(video_id.lower(), manifest=manifest)
    return Outcome(Page(f"Personal data of {video_id} is erased", "Its manifest too." if manifest else ""))


def _read_head(path: Path) -> TreeHead:
    from countermark.core.errors import UsageError
    from provenance.log import TreeHead

    try:
        return TreeHead.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", remedy="Check the path.") from error
    except ValueError as error:
        raise UsageError(
            f"{path} is not the head of a log.", remedy="Give a file made with `registry head --json > FILE`."
        ) from error
