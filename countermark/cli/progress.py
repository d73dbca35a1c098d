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
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import RenderableType
    from rich.text import Text


@dataclass(frozen=True)
class Listener:
    """The callbacks that the verbs take; nobody draws previews where nobody watches."""

    on_step: Callable[[str, str], None]
    on_progress: Callable[[int, int], None]
    on_preview: Callable[[NDArray[np.uint8]], None] | None = None


@contextmanager
def progress(what: str) -> Iterator[Listener]:
    """A line that shows the present step, with a bar and a preview while sampling; gone when the block ends.

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

    class Watched(Progress):
        """The line, and below it a picture while there is one."""

        picture: Text | None = None

        def get_renderables(self) -> Iterator[RenderableType]:
            yield from super().get_renderables()
            if self.picture is not None:
                yield self.picture

    columns = (SpinnerColumn(), TimeElapsedColumn(), KnownBar(), TextColumn("{task.description}", markup=False))
    with Watched(*columns, console=console(sys.stderr), transient=True) as bar:
        task = bar.add_task(printable(what), total=None)

        def on_step(name: str, detail: str) -> None:
            stopping.check()
            bar.picture = None
            bar.update(task, description=printable(f"{name}: {detail}"), total=None)

        began = time.monotonic()

        def on_progress(step: int, steps: int) -> None:
            stopping.check()
            left = (time.monotonic() - began) / step * (steps - step)
            text = f"sampling, step {step} of {steps}, {timedelta(seconds=round(left))} left"
            bar.update(task, completed=step, total=steps, description=text)

        def on_preview(thumbnail: NDArray[np.uint8]) -> None:
            bar.picture = mosaic(thumbnail)

        yield Listener(on_step, on_progress, on_preview)


def mosaic(picture: NDArray[np.uint8]) -> Text:
    """``picture`` [h, w, 3] in half blocks: two pixels, one above the other, in each character."""
    from rich.color import Color
    from rich.style import Style
    from rich.text import Text

    out = Text()
    for upper, lower in zip(picture[::2], picture[1::2], strict=False):
        for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
            out.append("▀", Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below)))
        out.append("\n")
    return out


def _checking(*_: object) -> None:
    """Nobody watches."""
    stopping.check()
