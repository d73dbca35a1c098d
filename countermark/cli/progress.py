"""Progress on standard error, for a person who waits. Where nobody watches (no terminal) nothing is printed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from countermark.cli import stopping
from countermark.cli.page import console, printable

if TYPE_CHECKING:
    from rich.console import RenderableType


@dataclass(frozen=True)
class Listener:
    """The two callbacks that the verbs take."""

    on_step: Callable[[str, str], None]
    on_progress: Callable[[int, int], None]


@contextmanager
def progress(what: str) -> Iterator[Listener]:
    """A line that shows the present step, with a bar while sampling; gone when the block ends.

    Every step also looks whether the process was asked to end.
    """
    if not sys.stderr.isatty():
        yield Listener(_checking, _checking)
        return
    from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
    from rich.text import Text

    class KnownBar(ProgressColumn):
        """A bar only while there is something to measure; the steps of a seal have no length."""

        bar = BarColumn(bar_width=24)

        def render(self, task: Task) -> RenderableType:
            return self.bar.render(task) if task.total else Text()

    columns = (SpinnerColumn(), TimeElapsedColumn(), KnownBar(), TextColumn("{task.description}"))
    with Progress(*columns, console=console(sys.stderr), transient=True) as bar:
        task = bar.add_task(what, total=None)

        def on_step(name: str, detail: str) -> None:
            stopping.check()
            bar.update(task, description=printable(f"{name}: {detail}"), total=None)

        began = time.monotonic()

        def on_progress(step: int, steps: int) -> None:
            stopping.check()
            left = (time.monotonic() - began) / step * (steps - step)
            text = f"sampling, step {step} of {steps}, {timedelta(seconds=round(left))} left"
            bar.update(task, completed=step, total=steps, description=text)

        yield Listener(on_step, on_progress)


def _checking(*_: object) -> None:
    """Nobody watches."""
    stopping.check()
