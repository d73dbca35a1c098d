"""Screen many files on all cores. A file that cannot be read is a result too, and stops nobody."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from countermark.core.errors import CountermarkError, MediaError, UsageError
from countermark.core.settings import Settings, get_settings
from detector.screen import Depth, check_depth, screen
from detector.verdict import Verdict

SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".gif", ".ts", ".mts", ".mpg", ".mpeg", ".ogv"})
"""Endings of files that are taken from a folder. A file that is named is tried whatever it is called."""


class Screened(BaseModel):
    """One file of a batch: its verdict, or why there is none."""

    model_config = ConfigDict(frozen=True)

    path: Path
    verdict: Verdict | None = None
    error: str | None = None


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


def screen_many(
    paths: Iterable[Path], *, workers: int | None = None, depth: Depth = "full", settings: Settings | None = None
) -> Iterator[Screened]:
    """Screen ``paths`` in ``workers`` processes (default: one a core, at most one a file), in the order they finish.

    Each worker keeps the encoder in memory, about 1 GB. A worker that dies takes only the files in hand with it, and
    whoever stops early waits for those alone. Raises `UsageError` for a depth that there is not.
    """
    check_depth(depth)
    settings = settings or get_settings()
    waiting = list(dict.fromkeys(paths))
    count = max(1, min(workers or os.cpu_count() or 1, len(waiting)))
    if count == 1:
        yield from (_one(path, depth, settings) for path in waiting)
        return
    queue, died = iter(waiting), list[Path]()
    while hand := list(islice(queue, count)):
        pool = _pool(count)
        try:
            jobs = {_submitted(pool, path, depth, settings): path for path in hand}
            while jobs:
                for job in wait(jobs, return_when=FIRST_COMPLETED).done:
                    path = jobs.pop(job)
                    if isinstance(job.exception(), BrokenProcessPool):
                        died.append(path)
                        continue
                    if not died and (following := next(queue, None)) is not None:
                        jobs[_submitted(pool, following, depth, settings)] = following
                    yield job.result()
        finally:
            pool.shutdown(cancel_futures=True)
        while died:  # which file it was cannot be known, so each is tried once more, alone
            yield _alone(died.pop(0), depth, settings)


def _pool(count: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_one_thread)


def _submitted(pool: ProcessPoolExecutor, path: Path, depth: Depth, settings: Settings) -> Future[Screened]:
    """The job, which has failed already where the pool broke just before."""
    try:
        return pool.submit(_one, path, depth, settings)
    except BrokenProcessPool as error:
        failed = Future[Screened]()
        failed.set_exception(error)
        return failed


def _alone(path: Path, depth: Depth, settings: Settings) -> Screened:
    with _pool(1) as pool:
        try:
            return _submitted(pool, path, depth, settings).result()
        except BrokenProcessPool:
            return Screened(path=path, error="The process that screened it died, perhaps for lack of memory.")


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _one(path: Path, depth: Depth, settings: Settings) -> Screened:
    try:
        return Screened(path=path, verdict=screen(path, depth=depth, settings=settings))
    except CountermarkError as error:
        return Screened(path=path, error=str(error))
    except Exception as error:  # noqa: BLE001  # one hostile file stops nobody else's
        return Screened(path=path, error=f"It could not be screened ({type(error).__name__}: {error}).")
