"""A verdict for people: lines for a terminal, and one self-contained HTML page."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

import numpy as np
import numpy.typing as npt
from PIL import Image

from countermark.core.settings import Settings, get_settings
from detector.clip import Clip
from detector.evidence import Evidence, Segment
from detector.verdict import Question, Verdict

UInt8 = npt.NDArray[np.uint8]

TITLES = {
    "verified_origin": "Verified origin",
    "generated": "Generated",
    "manipulated": "Manipulated",
    "no_sign_of_generation": "No sign of generation found",
    "inconclusive": "Inconclusive",
}
_SIGNALS = {
    "credentials": "Content Credentials (C2PA)",
    "watermark": "Countermark watermark",
    "known_marks": "Watermarks of other tools",
    "container": "Container and labels",
    "frames": "Appearance of frames",
}
_STATUS = {"measured": "measured", "not_applicable": "not applicable", "failed": "failed"}


def summary_lines(verdict: Verdict) -> list[str]:
    """The verdict in a few lines of plain text: conclusion, sentence, the two questions, one line for each signal."""
    lines = [f"{TITLES[verdict.conclusion]}: {verdict.summary}"]
    lines.append(f"Is it generated?      {_answer(verdict.generated)}")
    lines.append(f"Is a face changed?    {_answer(verdict.face_manipulated)}")
    for item in verdict.evidence:
        weight = f"{item.llr:+.1f}" if item.llr is not None else "–"
        lines.append(f"  {_SIGNALS.get(item.signal, item.signal):<28} {weight:>5}  {item.explanation}")
    if verdict.encoder:
        lines.append(f"Encoder: {verdict.encoder}")
    return lines


def write_html(verdict: Verdict, video: Path, target: Path, *, settings: Settings | None = None) -> None:
    """Write the report page, with thumbnails of the frames that were scored.

    Raises ``MediaError`` if the video can no longer be read.
    """
    thumbnails: Sequence[UInt8] = ()
    if any(item.segments for item in verdict.evidence):
        thumbnails = Clip(video, settings or get_settings()).samples.thumbnails
    target.write_text(render_html(verdict, thumbnails), encoding="utf-8")


def render_html(verdict: Verdict, thumbnails: Sequence[UInt8] = ()) -> str:
    """The page as text, with everything in it. ``thumbnails`` uint8 [h, w, 3] belong to the segments, in order."""
    template = Template(resources.files("detector").joinpath("report.html").read_text(encoding="utf-8"))
    info = verdict.info
    facts = f"{info.width}×{info.height}, {info.duration:.1f} s, {float(info.frame_rate):.3g} fps, {info.codec}"
    return template.substitute(
        file=escape(info.path.name),
        facts=escape(facts),
        conclusion=verdict.conclusion,
        title=escape(TITLES[verdict.conclusion]),
        summary=escape(verdict.summary),
        generated=_question_html("Is it generated?", verdict.generated),
        face=_question_html("Is a face manipulated?", verdict.face_manipulated),
        provenance=escape(verdict.provenance.summary),
        provenance_state=escape(verdict.provenance.conclusion.replace("_", " ").capitalize()),
        findings="\n".join(
            f'<tr><td>{f.axis}</td><td class="{f.status}">{f.status.replace("_", " ")}</td>'
            f"<td>{escape(f.message)}</td></tr>"
            for f in verdict.provenance.findings
        ),
        evidence="\n".join(_evidence_html(item) for item in verdict.evidence),
        frames=_frames_html(verdict.evidence, thumbnails),
        encoder=escape(verdict.encoder or "none"),
        seconds=f"{verdict.seconds:.1f}",
    )


def _answer(question: Question) -> str:
    if question.probability is None:
        return f"not answered. {question.note}"
    words = {"high": "yes, by this evidence", "low": "no sign found", "abstain": "cannot be told"}[question.band]
    return f"{words} (probability {question.probability:.2f} at even odds)"


def _question_html(title: str, question: Question) -> str:
    """A card with the answer and, where there is one, a needle on a scale from 0 to 1."""
    if question.probability is None:
        body = f'<p class="answer">Not answered</p><p class="note">{escape(question.note)}</p>'
        return f'<section class="card"><h2>{escape(title)}</h2>{body}</section>'
    words = {"high": "Evidence of generation", "low": "No sign found", "abstain": "Cannot be told"}[question.band]
    percent = round(100 * question.probability)
    body = (
        f'<p class="answer {question.band}">{words}</p>'
        f'<div class="scale"><span style="left:{percent}%"></span></div>'
        f'<p class="note">Probability {question.probability:.2f} at even odds beforehand; '
        f"log-likelihood ratio {_signed(question.log_likelihood_ratio or 0.0, 2)}.</p>"
    )
    return f'<section class="card"><h2>{escape(title)}</h2>{body}</section>'


def _evidence_html(item: Evidence) -> str:
    weight = _signed(item.llr, 2) if item.llr is not None else "–"
    rates = ""
    if item.error_rates is not None:
        e = item.error_rates
        rates = (
            f'<p class="note">From {_signed(e.threshold, 2)} on it calls a clip generated: '
            f"{100 * e.false_positive_rate:.1f} % of real clips, {100 * e.true_positive_rate:.0f} % of generated ones "
            f"({escape(e.measured_on)}).</p>"
        )
    return (
        f'<tr class="{item.status}"><td>{escape(_SIGNALS.get(item.signal, item.signal))}</td>'
        f"<td>{_STATUS[item.status]}</td><td>{weight}</td><td>{escape(item.explanation)}{rates}</td></tr>"
    )


def _frames_html(evidence: Sequence[Evidence], thumbnails: Sequence[UInt8]) -> str:
    segments: Sequence[Segment] = next((item.segments for item in evidence if item.segments), ())
    if not segments or len(segments) != len(thumbnails):
        return '<p class="note">No frames were scored.</p>'
    figures = []
    for segment, thumbnail in zip(segments, thumbnails, strict=True):
        # Colour says which way a frame leans; beyond 4 the evidence is capped anyway.
        lean = max(-1.0, min(1.0, segment.llr / 4))
        colour = f"rgba(193,62,42,{max(lean, 0):.2f})" if lean > 0 else f"rgba(38,110,150,{-lean:.2f})"
        figures.append(
            f'<figure><img alt="" src="{_data_uri(thumbnail)}"><i style="background:{colour}"></i>'
            f"<figcaption>{segment.start:.1f}–{segment.end:.1f} s <b>{_signed(segment.llr, 1)}</b></figcaption>"
            "</figure>"
        )
    return f'<div class="frames">{"".join(figures)}</div>'


def _signed(value: float, digits: int) -> str:
    """A number with its sign, the minus as wide as the plus."""
    return f"{value:+.{digits}f}".replace("-", "−")


def _data_uri(image: UInt8) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
