"""A verdict for people: lines for a terminal, and one self-contained HTML page in English or Chinese."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

import numpy as np
import numpy.typing as npt

from countermark.core.errors import UsageError
from countermark.core.media.partial import written_whole
from countermark.core.settings import Settings, get_settings
from detector.attribution import Attribution
from detector.clip import Clip
from detector.evidence import ErrorRates, Evidence
from detector.pictures import figure, overlay, timeline
from detector.verdict import FORENSICS, PARTS, WITNESSED, Question, Verdict, likely, witness_of
from detector.wording import LANGUAGES, Language, phrase, say

UInt8 = npt.NDArray[np.uint8]


def summary_lines(verdict: Verdict) -> list[str]:
    """The verdict in a few lines of plain text: conclusion, sentence, the two questions, one line for each signal."""
    lines = [f"{phrase(f'page.{verdict.conclusion}', {}, 'en')}: {verdict.summary}"]
    lines.append(f"Is it generated?      {_answer(verdict.generated)}")
    lines.append(f"Is a face changed?    {_answer(verdict.face_manipulated)}")
    if (made := verdict.attribution) is not None:
        lines.append(f"Which generator?      {made.family or 'unknown'}. {made.note}")
    for item in verdict.evidence:
        weight = f"{item.llr:+.1f}" if item.llr is not None else "–"
        lines.append(f"  {phrase(f'signal.{item.signal}', {}, 'en'):<28} {weight:>5}  {item.explanation}")
    if verdict.encoder:
        lines.append(f"Encoder: {verdict.encoder}")
    return lines


def write_html(
    verdict: Verdict,
    video: Path,
    target: Path,
    *,
    language: Language = "en",
    settings: Settings | None = None,
    clip: Clip | None = None,
) -> None:
    """Write the report page, with thumbnails of the frames that were scored; it appears complete or not at all.

    With the ``clip`` that was screened ``video`` is not decoded again. Raises ``MediaError`` if the video can no longer
    be read or ``target`` not be written, and ``UsageError`` for a language that there is not.
    """
    thumbnails: Sequence[UInt8] = ()
    if any(item.segments for item in verdict.evidence):
        thumbnails = (clip or Clip(video, settings or get_settings())).samples.thumbnails
    page = render_html(verdict, thumbnails, language)
    with written_whole(target) as partial:
        partial.write_text(page, encoding="utf-8", errors="replace")  # a file's name may be no UTF-8


def check_language(language: Language) -> None:
    """Raises `UsageError` for a language that there is no report in."""
    if language not in LANGUAGES:
        raise UsageError(f"There is no report in {language!r}.", remedy=f"Choose one of: {', '.join(LANGUAGES)}.")


def render_html(verdict: Verdict, thumbnails: Sequence[UInt8] = (), language: Language = "en") -> str:
    """The page as text, with everything in it. ``thumbnails`` uint8 [h, w, 3] belong to the scored frames, in order."""
    page = _Page(language)
    template = Template(resources.files("detector").joinpath("report.html").read_text(encoding="utf-8"))
    info = verdict.info
    facts = f"{info.width}×{info.height}, {info.duration:.1f} s, {float(info.frame_rate):.3g} fps, {info.codec}"
    labels: tuple[str, ...] = ("timeline", "evidence", "signal", "weight", "found", "weights_note")
    labels += ("not_applicable", "rates", "provenance", "axis", "status", "finding")
    footer = page.say("page.footer", seconds=f"{verdict.seconds:.1f}", encoder=verdict.encoder or page.say("page.none"))
    return template.substitute(
        {f"label_{name}": page.say(f"page.{name}") for name in labels},
        language=page.say("page.language"),
        file=escape(info.path.name),
        facts=escape(facts),
        conclusion=verdict.conclusion,
        title=page.say(f"page.{verdict.conclusion}"),
        summary=escape(summary(verdict, language)),
        generated=page.question("page.is_generated", verdict.generated),
        face=page.question("page.is_face", verdict.face_manipulated),
        attribution=page.attribution(verdict.attribution),
        origin=page.origin(verdict),
        along=page.along(verdict, thumbnails),
        heat=page.heat(verdict, thumbnails),
        evidence="\n".join(page.evidence(item) for item in verdict.evidence if item.status != "not_applicable"),
        not_applicable="\n".join(page.reason(item) for item in verdict.evidence if item.status == "not_applicable"),
        rates="\n".join(page.rates(item) for item in verdict.evidence),
        findings="\n".join(
            f'<tr><td>{page.say(f"axis.{f.axis}")}</td><td class="{f.status}">{page.say(f"status.{f.status}")}</td>'
            f"<td>{escape(f.message)}</td></tr>"
            for f in verdict.provenance.findings
        ),
        footer=footer,
    )


def summary(verdict: Verdict, language: Language) -> str:
    """The verdict's sentence; a statement that it repeats is given in the same language."""
    witness = witness_of(verdict.evidence)
    if verdict.said.code in WITNESSED and witness is not None:
        return say(verdict.said.code, explanation=witness.words(language)).words(language)
    return verdict.said.words(language)


def _answer(question: Question) -> str:
    if question.probability is None:
        return f"not answered. {question.note}"
    words = {"high": "yes, by this evidence", "low": "no sign found", "abstain": "cannot be told"}[question.band]
    return f"{words} (probability {likely(question.probability)} at even odds)"


class _Page:
    """Parts of the page in one language. Whatever comes from a file is escaped."""

    def __init__(self, language: Language) -> None:
        check_language(language)
        self.language = language

    def say(self, code: str, **facts: str) -> str:
        return escape(phrase(code, facts, self.language))

    def question(self, title: str, question: Question) -> str:
        """A card with the answer and, where there is one, a needle on a scale from 0 to 1 with the abstain band."""
        head = f"<h2>{self.say(title)}</h2>"
        if question.probability is None:
            note = escape(question.said.words(self.language))
            body = f'<p class="answer">{self.say("page.not_answered")}</p><p class="note">{note}</p>'
            return f'<section class="card">{head}{body}</section>'
        absent, present = question.absent_at, question.present_at
        left, right = _percent(absent, 0.0), _percent(present, 100.0)
        note = self.say(
            "page.scale",
            probability=likely(question.probability),
            llr=_signed(question.log_likelihood_ratio or 0.0, 2),
            absent="−∞" if absent is None else _signed(absent, 1),
            present="∞" if present is None else _signed(present, 1),
        )
        body = (
            f'<p class="answer {question.band}">{self.say(f"page.band.{question.band}")}</p>'
            f'<div class="scale"><i style="left:{left:.1f}%;width:{max(right - left, 0):.1f}%"></i>'
            f'<span style="left:{100 * question.probability:.1f}%"></span></div><p class="note">{note}</p>'
        )
        return f'<section class="card">{head}{body}</section>'

    def attribution(self, made: Attribution | None) -> str:
        """A card with the generator; empty for clips that are not called generated."""
        if made is None:
            return ""
        name = escape(made.family) if made.family else self.say("page.unknown")
        return (
            f'<section class="card"><h2>{self.say("page.which")}</h2><p class="answer">{name}</p>'
            f'<p class="note">{escape(made.said.words(self.language))}</p></section>'
        )

    def origin(self, verdict: Verdict) -> str:
        state = self.say(f"provenance.{verdict.provenance.conclusion}")
        return (
            f'<section class="card"><h2>{self.say("page.origin")}</h2><p class="answer">{state}</p>'
            f'<p class="note">{escape(verdict.provenance.summary)}</p></section>'
        )

    def along(self, verdict: Verdict, thumbnails: Sequence[UInt8]) -> str:
        """Thumbnails over the bars of their scores, and the stretches found."""
        scored = _scored(verdict)
        if scored is None or len(scored.segments) != len(thumbnails):
            return f'<p class="note">{self.say("page.no_frames")}</p>'
        # The bars are the frames' own: what the file says of itself moves the answer's band and not this one.
        threshold = None if scored.error_rates is None else scored.error_rates.threshold
        chart = timeline(scored.segments, threshold, verdict.generated.absent_at)
        strip = "".join(
            figure(image, f"{segment.start:.1f} s") for segment, image in zip(scored.segments, thumbnails, strict=True)
        )
        edits = next((item for item in verdict.evidence if item.signal == PARTS and item.segments), None)
        parts = ""
        if edits is not None:
            listed = ", ".join(f"{p.start:.1f}–{p.end:.1f} s ({_signed(p.llr, 1)})" for p in edits.segments)
            parts = f" {self.say('page.parts_note')} {escape(listed)}"
        return (
            f'<div class="along"><div class="strip">{strip}</div>{chart}</div>'
            f'<p class="note">{self.say("page.timeline_note")}{parts}</p>'
        )

    def heat(self, verdict: Verdict, thumbnails: Sequence[UInt8]) -> str:
        """Frames with a heat map, beside themselves; empty if there is none."""
        scored = _scored(verdict)
        if scored is None or not scored.heat_maps or len(scored.segments) != len(thumbnails):
            return ""
        found = []
        for heat in scored.heat_maps:
            at = next((i for i, s in enumerate(scored.segments) if s.start <= heat.time <= s.end), 0)
            pair = figure(thumbnails[at], f"{heat.time:.1f} s") + figure(overlay(thumbnails[at], heat), "")
            found.append(f'<div class="pair">{pair}</div>')
        note = f'<p class="note">{self.say("page.heat_note")}</p>'
        return f'<h2 class="part">{self.say("page.heat")}</h2><div class="heat">{"".join(found)}</div>{note}'

    def evidence(self, item: Evidence) -> str:
        weight = _signed(item.llr, 2) if item.llr is not None else "–"
        if item.status == "failed":
            weight = self.say("page.failed")
        kind = "forensic" if item.signal in FORENSICS else "stated"
        return (
            f'<tr class="{item.status} {kind}"><td>{self.say(f"signal.{item.signal}")}</td><td>{weight}</td>'
            f"<td>{escape(item.words(self.language))}</td></tr>"
        )

    def reason(self, item: Evidence) -> str:
        return f"<tr><td>{self.say(f'signal.{item.signal}')}</td><td>{escape(item.words(self.language))}</td></tr>"

    def rates(self, item: Evidence) -> str:
        rates: ErrorRates | None = item.error_rates
        if rates is None or item.llr is None:  # for parts of clips the threshold was chosen, and no rate measured
            return ""
        words = self.say(
            "page.rates_of",
            threshold=_signed(rates.threshold, 2),
            false=f"{100 * rates.false_positive_rate:.1f}",
            true=f"{100 * rates.true_positive_rate:.0f}",
            measured=rates.measured_on,
        )
        return f"<tr><td>{self.say(f'signal.{item.signal}')}</td><td>{words}</td></tr>"


def _scored(verdict: Verdict) -> Evidence | None:
    """The signal whose segments are the frames that were looked at."""
    return next((item for item in verdict.evidence if item.signal == "frames" and item.segments), None)


def _percent(llr: float | None, otherwise: float) -> float:
    """Where a log-likelihood ratio lies on the scale of probabilities, in percent."""
    return otherwise if llr is None else float(100 / (1 + np.exp(-llr)))


def _signed(value: float, digits: int) -> str:
    """A number with its sign, the minus as wide as the plus."""
    return f"{value:+.{digits}f}".replace("-", "−")
