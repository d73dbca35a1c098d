"""Plain words for a verification: what a manifest says, and the one sentence that people read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from provenance.judgement import Finding
from provenance.reader import ManifestReport
from provenance.registry import RegistryEntry
from provenance.statements import COMPOSITE_WITH_TRAINED, TRAINED_ALGORITHMIC_MEDIA
from provenance.trust import Anchor

Conclusion = Literal["verified", "recovered", "tampered", "untrusted", "no_credentials"]
_UNDATED = "nothing shows that their certificate was valid when they were signed"


class ManifestSummary(BaseModel):
    """What a manifest says. ``embedded`` is False for one that was recovered from the registry.

    ``software`` is what the first action names; ``signed_at`` is a time-stamp's time or else the signer's statement.
    """

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


def summarise_manifest(report: ManifestReport, *, embedded: bool) -> ManifestSummary:
    """The parts of a manifest that people ask for."""
    actions = report.actions()
    first: Mapping[str, Any] = actions[0] if actions else {}
    generators = report.active.get("claim_generator_info") or [report.active.get("claim_generator")]
    title = report.active.get("title")
    signed_at = (report.active.get("signature_info") or {}).get("time") or first.get("when")
    return ManifestSummary(
        manifest_id=report.manifest_id,
        embedded=embedded,
        title=None if title is None else str(title),
        claim_generator=_named(generators[0]) or "unnamed",
        signer=report.signer(),
        actions=tuple(str(action.get("action")) for action in actions),
        software=_named(first.get("softwareAgent")),
        digital_source_type=report.source_type(),
        signed_at=None if signed_at is None else str(signed_at),
        ingredients=tuple(ingredient.title for ingredient in report.ingredients),
    )


def summary_sentence(
    conclusion: Conclusion,
    findings: Sequence[Finding],
    report: ManifestReport | None,
    entry: RegistryEntry | None,
    vouching: Anchor | None,
    *,
    picture: bool = False,
) -> str:
    """One sentence.

    ``report`` is the manifest shown, ``entry`` the registry's if one was found, ``vouching`` the anchor behind the
    signer. ``picture``: that manifest is of a picture.
    """
    thing = "picture" if picture else "video"
    note = f" ({vouching.note})" if vouching else ""
    if conclusion == "tampered":
        axes = ("integrity", "ingredients", "watermark")
        first = next(finding.message for finding in findings if finding.status == "fail" and finding.axis in axes)
        return f"The credentials of this file cannot be relied on: {first[0].lower()}{first[1:]}"
    if conclusion == "recovered" and entry is not None and report is not None:
        failed = {finding.axis for finding in findings if finding.status == "fail"}
        codes = {finding.code for finding in findings}
        how = "its watermark led to those"
        if "countermark.recovery.noise" in codes:
            how = "the noise that it was drawn from led to those"
        if "countermark.recovery.similar" in codes:
            how = f"{'it resembles a' if picture else 'its picture resembles that of a'} {thing} whose credentials were"
        own = "not trusted here" if "trust" in failed else "out of date" if "time" in failed else "missing"
        return (
            f"The file's own credentials are {own}, but {how} registered by {entry.signer}{note} on "
            f"{entry.created_at:%Y-%m-%d}; {_statement(report, thing)}."
        )
    if conclusion == "verified" and report is not None:
        return f"The credentials are intact and signed by {report.signer()}{note}; {_statement(report, thing)}."
    if conclusion == "untrusted" and report is not None:
        strange = any(finding.axis == "trust" and finding.status == "fail" for finding in findings)
        why = f"{report.signer()} is a signer this machine has no reason to trust"
        return f"The credentials are intact, but {why if strange else _UNDATED}."
    if any(finding.code == "countermark.watermark.read" for finding in findings):
        erased = any(finding.code == "countermark.recovery.erased" for finding in findings)
        why = "what the registry held of it was erased" if erased else "the registry does not know it"
        return f"No credentials were found; a watermark of ours was read, but {why}."
    return "No credentials and no watermark of ours were found; this says nothing about how the file was made."


def _statement(report: ManifestReport, thing: str) -> str:
    if report.source_type() == TRAINED_ALGORITHMIC_MEDIA:
        return f"they state that the {thing} was generated by an AI model"
    if any(action.get("digitalSourceType") == COMPOSITE_WITH_TRAINED for action in report.actions()):
        return f"they state that an AI model changed or extended an existing {thing}"
    if any(action.get("action") == "c2pa.opened" for action in report.actions()):
        return f"they state that an existing {thing} was sealed, and not how it was made"
    return f"they do not state how the {thing} was made"


def _named(software: object) -> str | None:
    """Name and version of a software agent, which is an object in current manifests and text in old ones."""
    if isinstance(software, Mapping):
        return " ".join(str(software[key]) for key in ("name", "version") if software.get(key)) or None
    return str(software) if software else None
