"""The results of the five verbs as pages for people. The models themselves are what ``--json`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from countermark.cli.page import Page, Row, counted

if TYPE_CHECKING:
    from detector import Question, Verdict
    from generator import GeneratedVideo
    from policy import Decision
    from provenance.seal import SealedVideo
    from provenance.verify import Verification

_GOOD, _BAD, _CARE, _PLAIN = "bold green", "bold red", "bold yellow", "bold"

_ACTIONS = {
    "allow": ("Allowed", _GOOD),
    "rewrite": ("Allowed after rewriting", _CARE),
    "review": ("Refused until a person has looked at it", _BAD),
    "block": ("Refused", _BAD),
}
_CONCLUSIONS = {
    "verified": ("Verified", _GOOD),
    "recovered": ("Recovered", _GOOD),
    "tampered": ("Tampered", _BAD),
    "untrusted": ("Signer not trusted", _CARE),
    "no_credentials": ("No credentials", _CARE),
}
_VERDICTS = {
    "verified_origin": ("Verified origin", _GOOD),
    "generated": ("Generated", _BAD),
    "manipulated": ("Manipulated", _BAD),
    "no_sign_of_generation": ("No sign of generation found", _PLAIN),
    "inconclusive": ("Inconclusive", _CARE),
}
_STATUS = {
    "pass": ("✓", "green"),
    "fail": ("✗", "red"),
    "warn": ("!", "yellow"),
    "info": ("·", "blue"),
    "not_applicable": ("–", "dim"),
    "measured": ("·", "blue"),
    "failed": ("!", "yellow"),
}


def decision_page(decision: Decision) -> Page:
    """A policy decision: the reason, and every finding that reached a threshold."""
    headline, style = _ACTIONS[decision.action]
    rows = []
    if decision.rewritten_prompt is not None:
        rows.append(Row("rewritten", decision.rewritten_prompt))
    for finding in decision.categories:
        score = f" {finding.score:.2f} (limit {finding.threshold:.2f})" if finding.source == "classifier" else ""
        words = f", “{finding.span}”" if finding.span else ""
        rows.append(Row(finding.category, f"{finding.source}{score}{words}"))
    if decision.evasion:
        rows.append(Row("disguise", ", ".join(decision.evasion)))
    rows.append(Row("policy", f"version {decision.policy_version}"))
    if not decision.allowed:
        rows.append(Row("appeal id", decision.appeal_id))
    if decision.support_message:
        rows.append(Row("help", decision.support_message))
    return Page(headline, decision.reason, tuple(rows), style)


def sealed_page(video: SealedVideo) -> Page:
    """A sealed file: what it is and what it carries."""
    frames = counted(video.frames, "frame")
    length = f"{frames}, {video.duration:.2f} s, " if video.duration else ""  # a picture has none
    size = f"{video.width}x{video.height}, {length}{_bytes(video.size_bytes)}"
    rows = [
        Row("video id", video.video_id),
        Row("manifest", video.manifest_id),
        Row("watermark", f"{video.watermark.algorithm}, {video.watermark.psnr:.1f} dB"),
        Row("signed by", f"{video.signer.name} ({video.signer.note})"),
        Row("sha256", video.sha256),
    ]
    if video.sidecar is not None:
        rows.append(Row("sidecar", str(video.sidecar)))
    if video.time_stamp != "none":
        made = video.time_stamp == "made"
        rows.append(Row("time-stamp", "made" if made else "none: the authority failed, and it is not required"))
    if video.remote is not None:
        rows.append(Row("remote", video.remote))
    return Page(str(video.path), size, tuple(rows), _GOOD)


def generated_page(video: GeneratedVideo) -> Page:
    """A generated file: as `sealed_page`, with the model, the policy's word and what was not understood."""
    page = sealed_page(video)
    request, decision = video.request, video.decision
    rows = [
        Row("model", f"{video.model} {video.model_version}, {request.sampling}"),
        Row("policy", f"{decision.action}, version {decision.policy_version}"),
    ]
    if decision.action == "rewrite":
        rows.append(Row("prompt", request.prompt))
    rows += [Row("note", notice) for notice in video.notices]
    rows.append(Row("time", f"{video.seconds_spent:.1f} s"))
    return Page(page.headline, page.sentence, (*page.rows, *rows), page.style)


def verification_page(verification: Verification) -> Page:
    """A verification: the conclusion, then each finding on its axis."""
    headline, style = _CONCLUSIONS[verification.conclusion]
    rows = [Row(f.axis, f.message, *_STATUS[f.status]) for f in verification.findings]
    if verification.video_id:
        rows.append(Row("video id", verification.video_id))
    if verification.manifest:
        rows.append(Row("manifest", verification.manifest.manifest_id))
    if verification.timeline is not None:
        rows += [Row("timeline", f"{_time(r.start)} to {_time(r.end)}  {r.video_id}") for r in verification.timeline]
        if not verification.timeline:
            rows.append(Row("timeline", "no stretch carries a watermark of ours"))
    return Page(headline, verification.summary, tuple(rows), style)


def verdict_page(verdict: Verdict) -> Page:
    """A screening: the verdict, the two questions, then each signal with its log-likelihood ratio."""
    headline, style = _VERDICTS[verdict.conclusion]
    rows = [
        Row("is it generated?", _answer(verdict.generated)),
        Row("is a face changed?", _answer(verdict.face_manipulated)),
    ]
    if (made := verdict.attribution) is not None:
        rows.append(Row("which generator?", f"{made.family or 'unknown'}. {made.note}"))
    for item in verdict.evidence:
        weight = f" [{item.llr:+.1f}]" if item.llr else ""
        rows.append(Row(item.signal.replace("_", " "), f"{item.explanation}{weight}", *_STATUS[item.status]))
    return Page(headline, verdict.summary, tuple(rows), style)


def _answer(question: Question) -> str:
    from detector.verdict import likely

    if question.probability is None:
        return f"not answered. {question.note}"
    words = {"high": "evidence of it", "low": "no sign found", "abstain": "cannot be told"}[question.band]
    return f"{words}: probability {likely(question.probability)} at even odds beforehand"


def _time(seconds: float) -> str:
    """As players show it, with tenths: 1:02:03.4."""
    tenths = round(seconds * 10)
    minutes, hours = tenths // 600 % 60, tenths // 36000
    rest = f"{tenths // 10 % 60:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"


def _bytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
