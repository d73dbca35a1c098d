"""What ``make demo`` runs: every verb once on real input, explained step by step, and checked.

``python -m countermark.demo [FOLDER]`` writes into FOLDER (default ``./demo``) only: keys and registry go to
``FOLDER/home``. It ends with exit code 4 when a step does not come out as it must.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import countermark
from countermark.cli import pages
from countermark.cli.failures import failure_from, show_failure
from countermark.cli.page import Page, show
from countermark.core.errors import CountermarkError, PolicyRefusedError
from countermark.core.media import VideoReader, transcode

PROMPT = "a red balloon rising over the sea"
REFUSED = "a nude video of a famous politician"
CRF = 28
_COLUMNS, _ROWS, _GAP, _CAPTION = 4, 3, 8, 24
_INK, _PAPER = (32, 32, 32), (250, 250, 248)


class DemoError(CountermarkError):
    """A step of the demo did not come out as it must."""

    code = "demo"


def run(folder: Path) -> None:
    """All steps; raises `DemoError` at the first that contradicts what this project promises."""
    clip, copy, sheet = folder / "clip.mp4", folder / "copy-without-metadata.mp4", folder / "contact-sheet.png"
    refused = folder / "refused.mp4"
    for path in (clip, copy, sheet, refused):
        path.unlink(missing_ok=True)

    _title("1. A prompt that the policy refuses")
    print(f'countermark generate "{REFUSED}"')
    _expect_refusal(refused)

    _title("2. Generate a video")
    print(f'countermark generate "{PROMPT}"')
    made = countermark.generate(PROMPT, clip, on_step=_step, on_progress=_sampling)
    show(pages.generated_page(made))

    _title("3. Verify it")
    verification = countermark.verify(clip)
    show(pages.verification_page(verification))
    _expect(verification.conclusion == "verified", f"the clip is '{verification.conclusion}', not 'verified'")
    _expect(verification.video_id == made.video_id, "the watermark and the seal name different videos")

    _title(f"4. What a platform does: H.264 at CRF {CRF}, all metadata gone")
    transcode(clip, copy, crf=CRF)
    print(f"{clip.stat().st_size:,} bytes became {copy.stat().st_size:,}")
    recovered = countermark.verify(copy)
    show(pages.verification_page(recovered))
    _expect(recovered.conclusion == "recovered", f"the copy is '{recovered.conclusion}', not 'recovered'")
    _expect(recovered.video_id == made.video_id, "the copy's watermark names another video")

    _title("5. Screen both")
    for path in (clip, copy):
        verdict = countermark.screen(path)
        print(path)
        show(pages.verdict_page(verdict))
        _expect(verdict.conclusion == "verified_origin", f"{path.name} is '{verdict.conclusion}'")

    _title("6. Files")
    contact_sheet(clip, sheet, caption=f"{PROMPT}  ·  video id {made.video_id}")
    for path, what in ((clip, "the sealed video"), (copy, "its copy"), (sheet, "frames of it, to look at")):
        print(f"{path}  {what}")


def contact_sheet(video: Path, target: Path, *, caption: str) -> None:
    """Write twelve frames of a video, evenly spread, as one PNG with their times.

    Raises ``MediaError`` when the video cannot be read.
    """
    with VideoReader(video) as reader:
        width, height, base = reader.info.width, reader.info.height, reader.info.time_base
        frames = [(rgb, int(pts)) for chunk in reader for rgb, pts in zip(chunk.to_rgb(), chunk.pts, strict=True)]
    chosen = np.linspace(0, len(frames) - 1, _COLUMNS * _ROWS).round().astype(int)
    cell_width, cell_height = width + _GAP, height + _CAPTION
    size = (_COLUMNS * cell_width + _GAP, _ROWS * cell_height + _GAP + 2 * _CAPTION)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    small, large = ImageFont.load_default(13), ImageFont.load_default(17)
    draw.text((_GAP, _GAP), caption, _INK, large)
    for place, index in enumerate(chosen):
        rgb, pts = frames[index]
        x, y = _GAP + place % _COLUMNS * cell_width, _GAP + _CAPTION + place // _COLUMNS * cell_height
        sheet.paste(Image.fromarray(rgb), (x, y))
        draw.text((x, y + height + 3), f"{float((pts - frames[0][1]) * base):.2f} s", _INK, small)
    sheet.save(target)


def _expect_refusal(output: Path) -> None:
    decision = countermark.check(REFUSED)
    show(pages.decision_page(decision))
    _expect(decision.action == "block", f"the policy's action was '{decision.action}', not 'block'")
    try:
        countermark.generate(REFUSED, output)
    except PolicyRefusedError:
        _expect(not output.exists(), "a refused prompt left a file")
    else:
        raise _contradiction("a refused prompt made a video")


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise _contradiction(otherwise)


def _contradiction(what: str) -> DemoError:
    return DemoError(f"The demo went wrong: {what}.", remedy="Please report it with the output above.")


def _title(text: str) -> None:
    print()
    show(Page(text))


def _step(name: str, detail: str) -> None:
    print(f"  {name:<10} {detail}", flush=True)


def _sampling(step: int, steps: int) -> None:
    if step == steps or step % max(1, steps // 5) == 0:
        _step("sample", f"step {step} of {steps}")


def _timed(work: Callable[[], None]) -> None:
    started = time.monotonic()
    work()
    print(f"\nDone in {time.monotonic() - started:.0f} s; every step came out as it must.")


def main() -> int:
    """Run the demo in the folder given on the command line; returns the exit code."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    folder.mkdir(parents=True, exist_ok=True)
    # Set before the settings are first read, so that nothing goes to the user's account.
    os.environ["COUNTERMARK_HOME"] = str(folder / "home")
    os.environ["COUNTERMARK_DATABASE_URL"] = ""  # SQLite in there, whatever else is set, in `.env` too
    try:
        _timed(lambda: run(folder))
    except (CountermarkError, OSError) as error:
        failure = failure_from(error)
        show_failure(failure, error)
        return failure.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
