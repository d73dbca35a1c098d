"""Take back what SVT-AV1 does where it may: its threads, and the one that starts it, get real-time priority."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_TASKS = Path("/proc/self/task")


@contextmanager
def usual_scheduling() -> Iterator[None]:
    """Threads of this process that are scheduled in real time after the block, but not before, are as usual again."""
    if not _TASKS.is_dir():  # no Linux, and no such priority
        yield
        return
    before = {task.name for task in _TASKS.iterdir() if _in_real_time(task.name)}
    yield
    for task in _TASKS.iterdir():
        if task.name not in before and _in_real_time(task.name):
            with suppress(OSError):  # it has ended
                os.sched_setscheduler(int(task.name), os.SCHED_OTHER, os.sched_param(0))


def _in_real_time(task: str) -> bool:
    try:
        return os.sched_getscheduler(int(task)) == os.SCHED_FIFO
    except OSError:
        return False
