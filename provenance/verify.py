"""Verify where a video comes from: its credentials, its watermark, and what the registry knows of it.

Findings stay on separate axes; the conclusion only orders them. It says what is known of the origin, never whether the
content is true, and never that a video was or was not made by a machine unless a valid manifest states it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from countermark.core.media import Limits, probe
from countermark.core.settings import Settings, get_settings
from provenance.credentials import load_trust_anchor
from provenance.extract import Extraction, extract
from provenance.judgement import Finding, Judgement, judge, signer_name
from provenance.labels import Labels, read_labels
from provenance.manifest import TRAINED_ALGORITHMIC_MEDIA
from provenance.reader import ManifestReport, UnreadableManifestError, read_report
from provenance.registry import Registry, RegistryEntry, open_registry
from provenance.watermark import SpreadSpectrum, load_or_create_key

Conclusion = Literal["verified", "recovered", "tampered", "untrusted", "no_credentials"]


class ManifestSummary(BaseModel):
    """What a manifest says. ``embedded`` is False for one that was recovered from the registry."""

    model_config = ConfigDict(frozen=True)

    manifest_id: str
    embedded: bool
    title: str | None
    claim_generator: str
    signer: str
    actions: tuple[str, ...]
    software: str | None
    digital_source_type: str | None
    signed_at: str | None
    ingredients: tuple[str, ...]


class Verification(BaseModel):
    """The answer about one file.

    * ``verified``: credentials are intact, from a trusted signer, and agree with the watermark.
    * ``recovered``: the file lost its credentials; its watermark led back to them.
    * ``tampered``: the file, its credentials or a parent were changed after signing, or watermark and credentials
      contradict each other.
    * ``untrusted``: credentials are intact, but from a signer this machine has no reason to trust.
    * ``no_credentials``: nothing is known of the origin. This says nothing about the content.
    """

    model_config = ConfigDict(frozen=True)

    path: Path
    conclusion: Conclusion
    summary: str
    video_id: str | None
    findings: list[Finding]
    manifest: ManifestSummary | None
    recovered: RegistryEntry | None


def verify(path: Path, *, settings: Settings | None = None) -> Verification:
    """Examine one file. Nothing is fetched from the network.

    Raises `MediaError` when the file cannot be read as video, `MediaLimitError` when it is over the limits, and
    `CredentialError`, `ConfigurationError` or `RegistryError` when this machine's keys or registry are unusable.
    """
    settings = settings or get_settings()
    path = Path(path)
    limits = Limits.from_settings(settings)
    info = probe(path, limits=limits)
    anchor = load_trust_anchor(settings)
    report, unreadable = _read(path, anchor)
    watermark = SpreadSpectrum(load_or_create_key(settings.keys_dir, settings.issuer))
    extraction = extract(path, watermark, limits)
    with open_registry(settings) as registry:
        case = _Case(path, anchor, registry, watermark.algorithm_id, extraction, report)
        recovery = _recover(case)
        judgement = _judge_embedded(case)
    binding, agrees = _compare_watermark(case)
    findings = [
        *(judgement.findings if judgement else unreadable),
        binding,
        recovery.finding,
        *_label_findings(read_labels(path, info.metadata), report),
    ]
    broken = any(f.axis == "integrity" and f.status == "fail" for f in findings)
    conclusion = _conclude(judgement, recovery, broken=broken, agrees=agrees)
    shown = report or recovery.report
    return Verification(
        path=path,
        conclusion=conclusion,
        summary=_summary(conclusion, shown, recovery, findings),
        video_id=_video_id(case),
        findings=findings,
        manifest=_summarise(shown, embedded=report is not None) if shown else None,
        recovered=recovery.entry if conclusion == "recovered" else None,
    )


@dataclass(frozen=True)
class _Case:
    """What is known of a file before it is judged."""

    path: Path
    anchor: str | None
    registry: Registry
    algorithm: str
    extraction: Extraction
    report: ManifestReport | None


@dataclass(frozen=True)
class _Recovery:
    """Outcome of looking the watermark up; ``entry`` and ``report`` are set only when everything matched."""

    finding: Finding
    entry: RegistryEntry | None = None
    report: ManifestReport | None = None


def _read(path: Path, anchor: str | None) -> tuple[ManifestReport | None, list[Finding]]:
    """The embedded manifest, or findings that say why there is none."""
    try:
        report = read_report(path, anchor)
    except UnreadableManifestError as error:
        if error.remote:
            message = "The file only points to credentials elsewhere, which were not fetched."
            return None, [Finding(axis="integrity", status="info", code="manifest.inaccessible", message=message)]
        message = f"The file has credentials, but they are damaged: {error}."
        code = "countermark.manifest.unreadable"
        return None, [Finding(axis="integrity", status="fail", code=code, message=message)]
    if report is not None:
        return report, []
    message = "The file carries no Content Credentials."
    return None, [Finding(axis="integrity", status="not_applicable", code="claim.missing", message=message)]


def _judge_embedded(case: _Case) -> Judgement | None:
    if case.report is None:
        return None
    entry = case.registry.find_manifest(case.report.manifest_id)
    same = (
        entry is not None and case.report.signed is not None and entry.claim_sha256 == case.report.signed.claim_sha256
    )
    return judge(case.report, registered_at=entry.created_at if entry and same else None)


def _recover(case: _Case) -> _Recovery:
    payload = case.extraction.payload
    if payload is None:
        message = "Without a watermark there is nothing to look up."
        return _Recovery(_recovery_finding("not_applicable", "nothing", message))
    entry = case.registry.find(case.algorithm, payload.video_id)
    if entry is None:
        message = (
            f"The watermark names issuer {payload.issuer}, serial {payload.serial:012x}, "
            "which is not in this machine's registry."
        )
        return _Recovery(_recovery_finding("info", "unknown", message))
    if case.report is not None and case.report.manifest_id == entry.manifest_id:
        message = "The registry holds this video; if its metadata is lost, the watermark leads back to it."
        return _Recovery(_recovery_finding("pass", "registered", message))
    store = case.registry.manifest(entry.video_id)
    problem: str | None
    try:
        report = read_report(case.path, case.anchor, store=store)
    except UnreadableManifestError as error:
        report, problem = None, str(error)
    else:
        problem = _registered_problem(report, entry, case)
    if report is None or problem is not None:
        message = f"The registry holds this video, but its stored manifest is not usable: {problem or 'it is empty'}."
        return _Recovery(_recovery_finding("fail", "invalid", message))
    message = (
        f"The watermark led to the manifest that was registered on {entry.created_at:%Y-%m-%d}; "
        "algorithm and value both match."
    )
    return _Recovery(_recovery_finding("pass", "softBindingsMatched", message), entry, report)


def _registered_problem(report: ManifestReport | None, entry: RegistryEntry, case: _Case) -> str | None:
    """Why a stored manifest may not be shown as this video's, or None."""
    if report is None or report.manifest_id != entry.manifest_id:
        return "it is another manifest"
    if report.signed is None or report.signed.claim_sha256 != entry.claim_sha256:
        return "its claim differs from the registered one"
    judgement = judge(report, registered_at=entry.created_at, detached=True)
    if not judgement.sound:
        return "its signature does not hold"
    if entry.video_id not in _bound_values(report, case.algorithm):
        return "it is bound to another watermark"
    return None


def _compare_watermark(case: _Case) -> tuple[Finding, bool]:
    """The finding about the watermark, and False when it contradicts the embedded manifest."""
    found = case.extraction
    bound = list(_bound_values(case.report, case.algorithm)) if case.report else []
    if found.problem is not None:
        return _watermark_finding("not_applicable", "unsupported", found.problem), True
    if found.payload is None:
        if bound:
            message = (
                "The manifest says that the video carries a watermark, which could not be read with this machine's key."
            )
            return _watermark_finding("warn", "unread", message), True
        message = f"None of our watermarks was read in {found.frames} frames."
        return _watermark_finding("not_applicable", "absent", message), True
    payload = found.payload
    read = (
        f"The watermark was read exactly (issuer {payload.issuer}, serial {payload.serial:012x}; "
        f"chance of a false reading {found.false_positive_rate:.0e})"
    )
    if case.report is None:
        return _watermark_finding("info", "read", f"{read}."), True
    if not bound:
        return _watermark_finding("warn", "unmentioned", f"{read}, and the manifest does not mention it."), True
    if any(value != payload.video_id for value in bound):
        message = f"{read}, but the manifest was made for a video with another watermark ({bound[0]})."
        return _watermark_finding("fail", "contradiction", message), False
    return _watermark_finding("pass", "match", f"{read}, and agrees with the manifest."), True


def _label_findings(labels: Labels, report: ManifestReport | None) -> Iterator[Finding]:
    def finding(status: Literal["info", "warn", "not_applicable"], code: str, message: str) -> Finding:
        return Finding(axis="labels", status=status, code=f"countermark.labels.{code}", message=message)

    if labels.aigc_problem:
        yield finding("warn", "aigc.malformed", f"There is an AIGC label (GB 45438-2025), but {labels.aigc_problem}.")
    elif labels.aigc:
        words = {"1": "is", "2": "may be", "3": "is suspected to be"}[labels.aigc["Label"]]
        producer = labels.aigc["ContentProducer"] or "an unnamed producer"
        message = f"The AIGC label (GB 45438-2025) says that the content {words} generated, by {producer}."
        yield finding("info", "aigc", message)
    if labels.digital_source_type:
        kind = labels.digital_source_type.rsplit("/", 1)[-1]
        yield finding("info", "iptc", f"The IPTC digital source type says '{kind}'.")
    if report is None and (labels.aigc or labels.digital_source_type):
        yield finding("info", "unsigned", "Without credentials anybody can have written these labels.")
    if not labels.aigc and not labels.aigc_problem and not labels.digital_source_type:
        yield finding("not_applicable", "none", "The container carries no labels about AI.")


def _conclude(judgement: Judgement | None, recovery: _Recovery, *, broken: bool, agrees: bool) -> Conclusion:
    if broken or not agrees or (judgement is not None and not judgement.intact):
        return "tampered"
    if judgement is not None and judgement.sound:
        return "verified"
    if recovery.entry is not None:
        return "recovered"
    return "no_credentials" if judgement is None else "untrusted"


def _summary(
    conclusion: Conclusion, report: ManifestReport | None, recovery: _Recovery, findings: list[Finding]
) -> str:
    match conclusion:
        case "verified":
            assert report is not None
            return (
                f"Intact since it was signed by {signer_name(report)} (trusted on this machine only); {_made(report)}."
            )
        case "recovered":
            assert report is not None
            assert recovery.entry is not None
            return (
                "The file lost its credentials, but its watermark led back to them: registered on "
                f"{recovery.entry.created_at:%Y-%m-%d} by {recovery.entry.signer}; {_made(recovery.report or report)}."
            )
        case "tampered":
            first = next(f for f in findings if f.status == "fail")
            return f"Do not rely on this file's credentials: {first.message[0].lower()}{first.message[1:]}"
        case "untrusted":
            assert report is not None
            return f"Intact since {signer_name(report)} signed it, but this machine has no reason to trust that signer."
        case "no_credentials":
            if any(f.code == "countermark.watermark.read" for f in findings):
                return "No credentials were found; a watermark of ours was read, but the registry does not know it."
            return "No credentials and no watermark of ours were found; this says nothing about how the video was made."


def _made(report: ManifestReport) -> str:
    if _source_type(report) == TRAINED_ALGORITHMIC_MEDIA:
        return "it states that the video was generated by an AI model"
    if any(action.get("action") == "c2pa.opened" for action in report.actions()):
        return "it states that an existing video was sealed, and not how that video was made"
    return "it does not state how the video was made"


def _summarise(report: ManifestReport, *, embedded: bool) -> ManifestSummary:
    actions = report.actions()
    generator: Mapping[str, Any] = next(iter(report.active.get("claim_generator_info") or []), {})
    first: Mapping[str, Any] = actions[0] if actions else {}
    agent = first.get("softwareAgent")
    software = (
        " ".join(str(agent[k]) for k in ("name", "version") if agent.get(k)) if isinstance(agent, Mapping) else agent
    )
    return ManifestSummary(
        manifest_id=report.manifest_id,
        embedded=embedded,
        title=report.active.get("title"),
        claim_generator=" ".join(str(generator[k]) for k in ("name", "version") if generator.get(k))
        or str(report.active.get("claim_generator", "unnamed")),
        signer=signer_name(report),
        actions=tuple(str(action.get("action")) for action in actions),
        software=software,
        digital_source_type=_source_type(report),
        signed_at=(report.active.get("signature_info") or {}).get("time") or first.get("when"),
        ingredients=tuple(i.title for i in report.ingredients),
    )


def _source_type(report: ManifestReport) -> str | None:
    for action in report.actions():
        if action.get("action") in ("c2pa.created", "c2pa.opened") and action.get("digitalSourceType"):
            return str(action["digitalSourceType"])
    return None


def _video_id(case: _Case) -> str | None:
    if case.extraction.payload is not None:
        return case.extraction.payload.video_id
    return next(iter(_bound_values(case.report, case.algorithm)), None) if case.report else None


def _bound_values(report: ManifestReport, algorithm: str) -> Iterator[str]:
    """Values (16 hex digits) of the manifest's soft bindings under ``algorithm``.

    The specification wants a byte string and the SDK writes text, so both are understood: hex, or base64 of 8 bytes.
    """
    for data in report.assertions("c2pa.soft-binding"):
        if data.get("alg") != algorithm:
            continue
        for block in data.get("blocks") or []:
            value = block.get("value")
            if isinstance(value, list):
                yield bytes(value).hex()
            elif isinstance(value, str):
                try:
                    decoded = base64.b64decode(value, validate=True)
                except (binascii.Error, ValueError):
                    decoded = b""
                yield decoded.hex() if len(decoded) == 8 else value


def _watermark_finding(
    status: Literal["pass", "fail", "warn", "info", "not_applicable"], code: str, message: str
) -> Finding:
    return Finding(axis="watermark", status=status, code=f"countermark.watermark.{code}", message=message)


def _recovery_finding(status: Literal["pass", "fail", "info", "not_applicable"], code: str, message: str) -> Finding:
    return Finding(axis="recovery", status=status, code=f"countermark.recovery.{code}", message=message)
