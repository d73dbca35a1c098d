"""Screen one file: run every signal that applies, weigh the evidence, say what can be said."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from countermark.core.errors import CountermarkError
from countermark.core.settings import Settings, get_settings
from detector.clip import Clip
from detector.evidence import Evidence
from detector.signals import container, credentials, frames, known_marks, watermark
from detector.signals.protocol import Signal
from detector.verdict import Question, Verdict, conclude

OnStep = Callable[[str, str], None]

SIGNALS: tuple[Signal, ...] = (credentials, watermark, known_marks, container, frames)


def screen(path: Path | str, *, settings: Settings | None = None, on_step: OnStep | None = None) -> Verdict:
    """Examine a video file. ``on_step`` is told the name of each signal and its finding as they come.

    A signal that fails is reported as failed and weighs nothing.

    Raises:
        MediaError: the file cannot be read as video; ``MediaLimitError`` if it is over the limits.
    """
    begun = time.perf_counter()
    clip = Clip(Path(path), settings or get_settings())
    verification = clip.verification  # first, so that a file that cannot be read ends here
    evidence = []
    for signal in SIGNALS:
        item = examine(signal, clip)
        evidence.append(item)
        if on_step is not None:
            on_step(item.signal, item.explanation)
    conclusion, summary, generated = conclude(evidence, verification)
    return Verdict(
        conclusion=conclusion,
        summary=summary,
        generated=generated,
        face_manipulated=Question(note="Not examined: this version has no head for manipulated faces."),
        evidence=tuple(evidence),
        provenance=verification,
        info=clip.info,
        encoder=next((item.model for item in evidence if item.model), None),
        seconds=round(time.perf_counter() - begun, 3),
    )


def examine(signal: Signal, clip: Clip) -> Evidence:
    """The evidence of one signal, or the reason why there is none."""
    try:
        if (reason := signal.applicable(clip)) is not None:
            return Evidence(signal=signal.NAME, status="not_applicable", explanation=reason, version=signal.VERSION)
        return signal.measure(clip)
    except CountermarkError as error:
        return Evidence(signal=signal.NAME, status="failed", explanation=str(error), version=signal.VERSION)
