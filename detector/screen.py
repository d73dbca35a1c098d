"""Screen one file: run the signals that apply, weigh the evidence, say what can be said."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, get_args

from countermark.core.errors import CountermarkError, UsageError
from countermark.core.settings import Settings, get_settings
from detector.attribution import Attribution, families_for, pictured, stated
from detector.clip import Clip
from detector.evidence import Evidence
from detector.fusion import fusion_for
from detector.signals import (
    container,
    credentials,
    edits,
    faces,
    fingerprint,
    frames,
    known_marks,
    motion,
    noise,
    watermark,
)
from detector.signals.protocol import Signal
from detector.verdict import FORENSICS, Opinion, Verdict, conclude, settled
from detector.wording import say

OnStep = Callable[[str, str], None]
Depth = Literal["full", "settled", "fast"]
"""How far to look: everything; only until the file's own statements settle the matter; only at those statements."""

DECLARED: tuple[Signal, ...] = (credentials, watermark, container, known_marks, fingerprint)
PICTURE: tuple[Signal, ...] = (frames, motion, noise, edits, faces)
SIGNALS = DECLARED + PICTURE
_SLOW = (known_marks, fingerprint)
"""Signals of the first kind that decode frames of their own; left out of the fast path."""


def screen(
    path: Path | str,
    *,
    depth: Depth = "full",
    settings: Settings | None = None,
    on_step: OnStep | None = None,
) -> Verdict:
    """Examine a video file. ``on_step`` is told the name of each signal and its finding as they come.

    With ``depth`` "settled" the picture is not looked at once credentials, watermark or labels have settled the matter;
    with "fast" it is never looked at, and the watermark is sought only in the first frames as they are. A signal that
    fails is reported as failed and weighs nothing.

    Raises:
        UsageError: there is no such depth.
        MediaError: the file cannot be read as video; ``MediaLimitError`` if it is over the limits.
        WeightsError: the detector's own weights are missing or damaged.
    """
    check_depth(depth)
    clip = Clip(Path(path), settings or get_settings(), quick=depth == "fast")
    return screen_clip(clip, depth=depth, on_step=on_step)


def screen_clip(clip: Clip, *, depth: Depth = "full", on_step: OnStep | None = None) -> Verdict:
    """As :func:`screen`, of a clip that is open: whoever shows its frames afterwards need not decode them again.

    With ``depth`` "fast" the clip is expected to be ``quick``.
    """
    verification, fusion = clip.verification, fusion_for(clip.settings)  # first: a file that cannot be read ends here
    evidence: list[Evidence] = []
    for signal in SIGNALS:
        item = _skipped(signal, evidence, clip, depth) or examine(signal, clip)
        evidence.append(item)
        if on_step is not None:
            on_step(item.signal, item.explanation)
    seen = any(item.signal in FORENSICS and item.status == "measured" for item in evidence)
    opinion = conclude(evidence, verification, fusion, clip.detail if seen else 0.0)
    return Verdict(
        conclusion=opinion.conclusion,
        said=opinion.said,
        generated=opinion.generated,
        face_manipulated=opinion.face_manipulated,
        attribution=_attribution(opinion, evidence, clip),
        evidence=tuple(evidence),
        provenance=verification,
        info=clip.info,
        encoder=next((item.model for item in evidence if item.model), None),
        seconds=round(time.perf_counter() - clip.opened, 3),
    )


def check_depth(depth: Depth) -> None:
    """Raises `UsageError` for a depth that there is not, which would pass for the full one."""
    if depth not in get_args(Depth):
        raise UsageError(f"There is no depth {depth!r}.", remedy=f"Choose one of: {', '.join(get_args(Depth))}.")


def _attribution(opinion: Opinion, evidence: list[Evidence], clip: Clip) -> Attribution | None:
    """Which generator made it, if the clip is called generated; the frames are asked only about a clip as a whole."""
    if opinion.conclusion != "generated":
        return None
    if (found := stated(evidence, clip.verification.manifest)) is not None:
        return found
    looked = any(item.signal == frames.NAME and item.status == "measured" for item in evidence)
    whole = looked and opinion.generated.band == "high"
    return pictured(families_for(clip.settings), clip.tokens.classes if whole else None)


def examine(signal: Signal, clip: Clip) -> Evidence:
    """The evidence of one signal, or the reason why there is none."""
    status: Literal["not_applicable", "failed"] = "not_applicable"
    try:
        if (said := signal.applicable(clip)) is None:
            return signal.measure(clip)
    except CountermarkError as error:
        status, said = "failed", say("failed", why=error)
    return Evidence(signal=signal.NAME, status=status, subject=_subject(signal), said=said, version=signal.VERSION)


def _skipped(signal: Signal, evidence: list[Evidence], clip: Clip, depth: Depth) -> Evidence | None:
    """Why this signal need not be asked, if so."""
    if depth == "fast" and (signal in PICTURE or signal in _SLOW):
        code = "skipped.fast"
    elif depth == "settled" and signal in PICTURE and settled(evidence, clip.verification):
        code = "skipped.settled"
    else:
        return None
    return Evidence(
        signal=signal.NAME,
        status="not_applicable",
        subject=_subject(signal),
        said=say(code),
        version=signal.VERSION,
    )


def _subject(signal: Signal) -> Literal["generated", "face_manipulated"]:
    return "face_manipulated" if signal is faces else "generated"
