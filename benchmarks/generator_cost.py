"""What a sealed clip costs by size, length and model: the rows that `benchmarks.generator` writes about it.

Seconds are CPU time, which other work on the machine does not change as it does the clock: of a process that is started
for one clip and of its children, so that a clip on idle cores takes no longer than that, and less where two share it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time

from benchmarks.generator_clips import sampled
from countermark.core.settings import Settings, get_settings
from countermark.core.weights import weights_home
from generator.backends import BUNDLED, FAST
from generator.backends.bundled import BundledModel
from generator.request import GenerationRequest
from generator.studio import Studio

SIZES = ((256, 256), (512, 288), (288, 512), (1280, 720))
LENGTHS = (2, 3, 5)  # seconds
PROMPT = "a red balloon rising over the sea"
AIM = 15  # CPU seconds for 3 s of 256x256 with the fast model


@dataclass(frozen=True)
class Cost:
    """CPU seconds of the ``whole`` process, of ``drawing`` alone once the networks are loaded; peak memory in GB."""

    whole: float
    drawing: float
    memory: float


def cost_rows(sizes: tuple[tuple[int, int], ...] = SIZES, lengths: tuple[int, ...] = LENGTHS) -> Iterator[str]:
    """The table."""
    models = ("full, 20 steps", "fast, 4 steps")
    heads = [f"{model}, {seconds} s" for model in models for seconds in lengths]
    yield from (
        "",
        f"| CPU seconds of a clip, whole (drawing alone); peak memory | {' | '.join(heads)} |",
        "|---|" + "---|" * (2 * len(lengths)),
    )
    aim = ""
    for size in sizes:
        cells = []
        for fast in (False, True):
            for seconds in lengths:
                cost = _alone(size, seconds, fast)
                cells.append(f"{cost.whole:.1f} ({cost.drawing:.1f}); {cost.memory:.2f} GB")
                if (size, seconds, fast) == ((256, 256), 3, True):
                    reached = "reached" if cost.whole < AIM else "missed"
                    aim = f"3 s at 256x256, fast model: {cost.whole:.1f} s; the aim of less than {AIM} s is {reached}."
        yield f"| {size[0]}x{size[1]} | {' | '.join(cells)} |"
    yield from (
        "",
        f'{aim} Each is one run of "{PROMPT}" in a fresh process with one thread. Whole: CPU time of the process and'
        " its children from its start to the sealed file, with imports, policy, weights, a first key, watermark,"
        " encoding, signing and reading back. Drawing alone: the same frames once more. Memory is that of the process,"
        " without its children that decode.",
    )


def _alone(size: tuple[int, int], seconds: int, fast: bool) -> Cost:
    """The cost of one clip in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(_measured, size, seconds, fast).result()


def _measured(size: tuple[int, int], seconds: int, fast: bool) -> Cost:
    request = GenerationRequest(prompt=PROMPT, size=size, seconds=seconds)
    with TemporaryDirectory() as place:
        settings = Settings(home=Path(place) / "home")
        settings.home.mkdir()
        weights_home(settings).symlink_to(weights_home(get_settings()))
        Studio(FAST if fast else BUNDLED, settings=settings).generate(request, Path(place) / "out.mp4")
    whole = sum(os.times()[:4])
    # Not getrusage: a child's begins with what its parent had.
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found is not None
    begin = process_time()
    sampled(request, model=BundledModel(fast=fast))
    return Cost(whole, process_time() - begin, int(found[1]) / 2**20)
