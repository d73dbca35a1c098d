"""``countermark screen``: one file with all its evidence, or many with a line each."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from countermark.cli import pages
from countermark.cli.outcome import NEGATIVE, YES, Outcome
from countermark.cli.page import Page, Row, counted
from countermark.cli.policy import Report
from countermark.cli.progress import progress
from countermark.core.errors import MediaError, UsageError
from countermark.core.media.partial import create_partial
from countermark.core.settings import get_settings

if TYPE_CHECKING:
    from detector import Verdict
    from detector.screen import Depth
    from detector.wording import Language


def screen_file(path: Path, depth: Depth, report: Path | None, language: Language, as_json: bool) -> Outcome:
    """Screen one file and write its report, if one is asked for."""
    if report is not None:
        _check_report(report, path)
    from detector.clip import Clip
    from detector.report import write_html
    from detector.screen import screen_clip

    with progress(f"screening {path}") as listener:
        clip = Clip(path, get_settings(), quick=depth == "fast")
        verdict = screen_clip(clip, depth=depth, on_step=listener.on_step)
        if report is not None:
            write_html(verdict, path, report, language=language, clip=clip)
    return Outcome(pages.verdict_page(verdict), NEGATIVE if _against(verdict) else YES, verdict, as_json)


def screen_files(
    paths: list[Path], depth: Depth, report: Path | None, language: Language, as_json: bool, workers: int | None
) -> Outcome:
    """Screen many files, with a report each in the folder ``report``."""
    from detector import screen_many, videos
    from detector.batch import check_reports, report_name

    files = videos(paths)
    if report is not None:
        check_reports(report, files)
        _check_writable(report / report_name(files[0]))
    found = []
    with progress(f"screening {counted(len(files), 'video')}") as listener:
        for screened in screen_many(files, workers=workers, depth=depth, reports=report, language=language):
            found.append(screened)
            said = screened.verdict.conclusion if screened.verdict else "not readable"
            listener.on_step(f"{len(found)} of {len(files)}", f"{screened.path.name}: {said}")
    order = {path: number for number, path in enumerate(files)}
    found.sort(key=lambda one: order[one.path])
    counts: Counter[str] = Counter(one.verdict.conclusion if one.verdict else "not_readable" for one in found)
    rows = []
    for one in found:
        text = " ".join(said for said in (one.verdict.summary if one.verdict else None, one.error) if said)
        label = one.verdict.conclusion if one.verdict else "not_readable"
        rows.append(Row(label.replace("_", " "), f"{one.path}: {text}"))
    sentence = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.most_common())
    against = any(one.verdict is not None and _against(one.verdict) for one in found)
    code = NEGATIVE if against else MediaError.exit_code if any(one.error for one in found) else YES
    page = Page(counted(len(found), "video"), f"{sentence}.", tuple(rows))
    return Outcome(page, code, Report(items=list(found)), as_json)


def _against(verdict: Verdict) -> bool:
    return verdict.conclusion in ("generated", "manipulated") or verdict.provenance.conclusion == "tampered"


def _check_report(report: Path, video: Path) -> None:
    """Before minutes of work: may the report be written there?"""
    if report.suffix.lower() not in (".html", ".htm") or report.resolve() == video.resolve():
        raise UsageError(f"The report cannot be {report}.", remedy="Give a file name that ends in .html.")
    if not report.parent.is_dir():
        raise UsageError(f"The folder {report.parent} does not exist.", remedy="Create it, or choose another path.")
    _check_writable(report)


def _check_writable(report: Path) -> None:
    """Raises ``MediaError`` where no file can be made beside ``report``, ``UsageError`` where it is a folder."""
    if report.is_dir():
        raise UsageError(f"{report} is a folder.", remedy="Give the path of the page to write.")
    create_partial(report).unlink()
