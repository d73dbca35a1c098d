"""Screen many files on all cores. A file that cannot be read is a result too, and stops nobody."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from countermark.core.errors import CountermarkError, MediaError, UsageError
from countermark.core.settings import Settings, get_settings
from detector.clip import Clip
from detector.report import check_language, write_html
from detector.screen import Depth, check_depth, screen_clip
from detector.verdict import Verdict
from detector.wording import Language

SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif", ".ts", ".mts", ".mpg", ".mpeg", ".ogv"})
"""Endings of files that are taken from a folder. A file that is named is tried whatever it is called."""


class Screened(BaseModel):
    """One file of a batch: its verdict, or why there is none; both where only its report could not be written."""

    model_config = ConfigDict(frozen=True)

    path: Path
    verdict: Verdict | None = None
    error: str | None = None


_Screen = Callable[[Path], Screened]


def videos(paths: Iterable[Path]) -> list[Path]:
    """The named files, and those below the named folders that end like a video, sorted, each once.

    Raises ``MediaError`` if a path does not exist, ``UsageError`` if there is no video at all.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        elif path.exists():
            found.append(path)
        else:
            raise MediaError(f"{path} does not exist.", remedy="Check the path.")
    if not found:
        raise UsageError("There is no video to screen.", remedy="Name video files, or folders that contain some.")
    return list(dict.fromkeys(found))


def report_name(path: Path) -> str:
    """What the report about a file is called."""
    return f"{path.name}.html"


def screen_many(
    paths: Iterable[Path],
    *,
    workers: int | None = None,
    depth: Depth = "full",
    settings: Settings | None = None,
    reports: Path | None = None,
    language: Language = "en",
) -> Iterator[Screened]:
    """Screen ``paths`` in ``workers`` processes (default: one a core, at most one a file), in the order they finish.

    With ``reports`` a page about each is written into that folder, see :func:`report_name`. Each worker keeps the
    encoder in memory, about 1 GB. A worker that dies takes only the files in hand with it, and whoever stops early
    waits for those alone. Raises `UsageError` for a depth or language that there is not, and where the reports cannot
    be told apart or have no folder.
    """
    check_depth(depth)
    check_language(language)
    paths = list(paths)
    if reports is not None:
        check_reports(reports, paths)
    one = partial(_one, depth=depth, settings=settings or get_settings(), reports=reports, language=language)
    waiting = list(dict.fromkeys(paths))
    count = max(1, min(workers or os.cpu_count() or 1, len(waiting)))
    if count == 1:
        yield from (one(path) for path in waiting)
        return
    queue, died = iter(waiting), list[Path]()
    while hand := list(islice(queue, count)):
        pool = _pool(count)
        try:
            jobs = {_submitted(pool, one, path): path for path in hand}
            while jobs:
                for job in wait(jobs, return_when=FIRST_COMPLETED).done:
                    path = jobs.pop(job)
                    if isinstance(job.exception(), BrokenProcessPool):
                        died.append(path)
                        continue
                    if not died and (following := next(queue, None)) is not None:
                        jobs[_submitted(pool, one, following)] = following
                    yield job.result()
        finally:
            pool.shutdown(cancel_futures=True)
        while died:  # which file it was cannot be known, so each is tried once more, alone
            yield _alone(one, died.pop(0))


def check_reports(reports: Path, paths: Sequence[Path]) -> None:
    """Raises `UsageError` where reports on these files have no folder, or two of them the same name."""
    if not reports.is_dir():
        raise UsageError(f"{reports} is not a folder.", remedy="For more than one video name a folder for the reports.")
    if len({report_name(path) for path in paths}) < len(set(paths)):
        raise UsageError("Two of the videos have the same name.", remedy="Screen their folders one after the other.")


def _pool(count: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_one_thread)


def _submitted(pool: ProcessPoolExecutor, one: _Screen, path: Path) -> Future[Screened]:
    """The job, which has failed already where the pool broke just before."""
    try:
        return pool.submit(one, path)
    except BrokenProcessPool as error:
        failed = Future[Screened]()
        failed.set_exception(error)
        return failed


def _alone(one: _Screen, path: Path) -> Screened:
    with _pool(1) as pool:
        try:
            return _submitted(pool, one, path).result()
        except BrokenProcessPool:
            return Screened(path=path, error="The process that screened it died, perhaps for lack of memory.")


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _one(path: Path, *, depth: Depth, settings: Settings, reports: Path | None, language: Language) -> Screened:
    verdict = None
    try:
        clip = Clip(path, settings, quick=depth == "fast")
        verdict = screen_clip(clip, depth=depth)
        if reports is not None:
            write_html(verdict, path, reports / report_name(path), language=language, clip=clip)
        return Screened(path=path, verdict=verdict)
    except CountermarkError as error:
        said = str(error)
    except Exception as error:  # noqa: BLE001  # one hostile file stops nobody else's
        undone = "It could not be screened" if verdict is None else "Its report could not be written"
        said = f"{undone} ({type(error).__name__}: {error})."
    return Screened(path=path, verdict=verdict, error=said)
