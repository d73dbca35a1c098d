"""Judge a manifest report: findings on integrity, trust, time and ingredients, each on its own.

The SDK gives one state ("Invalid", "Valid", "Trusted"). That state hides what a reader wants to know: an expired
certificate and a changed picture are both "Invalid", and a new signature over a tampered parent is "Trusted".
So its status codes are sorted here by what they speak about, and what the SDK is lenient about is checked again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from provenance.credentials import leaf_problem
from provenance.reader import Ingredient, ManifestReport, Status
from provenance.timestamps import authority_chain
from provenance.trust import Anchor, Anchors

Axis = Literal["integrity", "trust", "time", "watermark", "recovery", "labels", "ingredients", "validators"]
Outcome = Literal["pass", "fail", "warn", "info", "not_applicable"]

# C2PA 2.4 section 18.11 and the soft binding algorithm list: reverse domain names, such as com.example.mark.1.
_ALGORITHM = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+")
# C2PA 2.4 section 15.2, table of failure codes. Whatever is not about trust or time is about integrity.
_TIME_CODES = frozenset(
    {"signingCredential.expired", "claimSignature.outsideValidity", "signingCredential.ocsp.skipped"}
)
_TRUST_PREFIXES = ("signingCredential.", "cawg.")
_TIME_PREFIXES = ("timeStamp.", "timestamp.")
_HARD_BINDING_MISMATCHES = frozenset(
    {
        "assertion.bmffHash.mismatch",
        "assertion.dataHash.mismatch",
        "assertion.boxesHash.mismatch",
        "assertion.collectionHash.mismatch",
    }
)


# IPTC news codes for the digital source type (2025-02), and the two that C2PA 2.4 section 18.15.4.5 adds.
_SOURCE_TYPES = frozenset(
    "http://cv.iptc.org/newscodes/digitalsourcetype/" + name
    for name in (
        "algorithmicMedia",
        "algorithmicallyEnhanced",
        "composite",
        "compositeCapture",
        "compositeSynthetic",
        "compositeWithTrainedAlgorithmicMedia",
        "computationalCapture",
        "dataDrivenMedia",
        "digitalArt",
        "digitalCapture",
        "digitalCreation",
        "humanEdits",
        "minorHumanEdits",
        "multiFrameComputationalCapture",
        "negativeFilm",
        "positiveFilm",
        "print",
        "screenCapture",
        "softwareImage",
        "trainedAlgorithmicMedia",
        "virtualRecording",
    )
) | {"http://c2pa.org/digitalsourcetype/empty", "http://c2pa.org/digitalsourcetype/trainedAlgorithmicData"}


class Finding(BaseModel):
    """One finding: what it speaks about, how it came out, the specification's code or ours, and plain words."""

    model_config = ConfigDict(frozen=True)

    axis: Axis
    status: Outcome
    code: str
    message: str


@dataclass(frozen=True)
class Judgement:
    """Findings about one manifest and what follows from them."""

    findings: tuple[Finding, ...]
    intact: bool
    """Content, claim and signature are as they were when signed, and so are the parents."""
    vouching: Anchor | None
    """The anchor that the signer's certificate leads to, if it is fit for signing claims."""
    timely: bool
    """The signature was made while the certificate was valid, as far as can be known."""

    @property
    def trusted(self) -> bool:
        """Whether this machine has reason to trust the signer."""
        return self.vouching is not None

    @property
    def sound(self) -> bool:
        """Intact, trusted and timely."""
        return self.intact and self.trusted and self.timely


def judge(
    report: ManifestReport,
    *,
    anchors: Anchors,
    registered_at: datetime | None = None,
    detached: bool = False,
) -> Judgement:
    """Judge ``report``, which was read with these ``anchors``.

    ``registered_at`` is when our registry recorded this very claim, if it did. ``detached`` is for a manifest recovered
    from the registry: its hard binding is to the original file and says nothing about this one.
    """
    failures = [f for f in report.failures if not (detached and f.code in _HARD_BINDING_MISMATCHES)]
    integrity, intact = _integrity([f for f in failures if axis_of(f.code) == "integrity"], detached=detached)
    trust, vouching = _trust(report, [f for f in failures if axis_of(f.code) == "trust"], anchors)
    if vouching is not None:
        revoked, good = _revocation(report, anchors, registered_at)
        trust, vouching = [*trust, *revoked] if good else revoked, vouching if good else None
    time, timely = _time(report, [f for f in failures if axis_of(f.code) == "time"], registered_at, anchors)
    ingredients, sound_parents = _ingredients(report.ingredients)
    integrity += _vocabulary(report) + _soft_bindings(report)
    return Judgement(tuple(integrity + trust + time + ingredients), intact and sound_parents, vouching, timely)


def is_bound(report: ManifestReport) -> bool:
    """Whether the hard binding of a manifest holds for the file that it was read with."""
    return not any(failure.code in _HARD_BINDING_MISMATCHES for failure in report.failures)


def axis_of(code: str) -> Axis:
    """What a status code of the specification speaks about."""
    if code in _TIME_CODES or code.startswith(_TIME_PREFIXES):
        return "time"
    return "trust" if code.startswith(_TRUST_PREFIXES) else "integrity"


def _integrity(failures: list[Status], *, detached: bool) -> tuple[list[Finding], bool]:
    if not failures:
        code, message = "claimSignature.validated", "The file is exactly as it was when it was signed."
        if detached:
            message = "The registered manifest is exactly as it was when it was signed."
        return [Finding(axis="integrity", status="pass", code=code, message=message)], True
    return [
        Finding(axis="integrity", status="fail", code=f.code, message=_integrity_message(f)) for f in failures
    ], False


def _vocabulary(report: ManifestReport) -> list[Finding]:
    """A warning for each digital source type that no vocabulary has: the SDK lets any address pass."""
    unknown = {
        str(action["digitalSourceType"])
        for action in report.actions()
        if action.get("digitalSourceType") and action["digitalSourceType"] not in _SOURCE_TYPES
    }
    return [
        Finding(
            axis="integrity",
            status="warn",
            code="countermark.digitalSourceType.unknown",
            message=f"The manifest names a digital source type that does not exist: '{name[:200]}'.",
        )
        for name in sorted(unknown)
    ]


def _soft_bindings(report: ManifestReport) -> list[Finding]:
    """A warning for each soft binding whose algorithm nobody could look up: the SDK lets any of them pass."""
    return [
        Finding(
            axis="integrity",
            status="warn",
            code="countermark.softBinding.algorithm",
            message="A soft binding of the manifest names no algorithm, or none of the form that is asked for.",
        )
        for data in report.assertions("c2pa.soft-binding")
        if not isinstance(data.get("alg"), str) or not _ALGORITHM.fullmatch(data["alg"])
    ]


def _integrity_message(failure: Status) -> str:
    if failure.code in _HARD_BINDING_MISMATCHES:
        return "The file's content was changed after it was signed."
    if failure.code.startswith("claimSignature."):
        return "The signature does not match what was signed."
    if failure.code.endswith("hashedURI.mismatch"):
        return "A statement in the manifest was changed after it was signed."
    return f"The manifest is not valid: {failure.explanation or failure.code}."


def _trust(report: ManifestReport, failures: list[Status], anchors: Anchors) -> tuple[list[Finding], Anchor | None]:
    signer = report.signer()
    anchored = any(status.code == "signingCredential.trusted" for status in report.success)
    vouching = anchors.vouching_for(report.signed.chain, "signer") if report.signed else None
    expired = vouching is not None and any(f.code in _TIME_CODES for f in report.failures)
    leaf = report.signed.leaf if report.signed else None
    if expired and leaf and not leaf.not_valid_before_utc <= datetime.now(UTC) <= leaf.not_valid_after_utc:
        # The SDK calls an expired certificate untrusted as well; who issued it and when it was valid are two questions.
        failures = [f for f in failures if f.code != "signingCredential.untrusted"]
        anchored = True
    findings = []
    for failure in failures:
        message = f"The signing credential of {signer} is not acceptable: {failure.explanation or failure.code}."
        if failure.code == "signingCredential.untrusted":
            message = (
                f"Signed by {signer}, whom this machine has no reason to trust: anybody can make such a signature."
            )
        findings.append(Finding(axis="trust", status="fail", code=failure.code, message=message))
    problem = leaf_problem(report.signed.leaf) if report.signed else f"it could not be read ({report.signed_problem})"
    if problem is not None:
        message = f"The certificate of {signer} may not sign Content Credentials: {problem}."
        findings.append(Finding(axis="trust", status="fail", code="signingCredential.invalid", message=message))
    if not findings and (vouching is None or not anchored):
        message = f"Signed by {signer}, whose certificate leads to no authority that this machine trusts for signers."
        findings.append(Finding(axis="trust", status="fail", code="signingCredential.untrusted", message=message))
    if findings or vouching is None:
        return findings, None
    message = f"Signed by {signer}, {vouching.note}"
    message += "." if vouching.source else ": its certificate authority was made here and is not publicly known."
    return [Finding(axis="trust", status="pass", code="signingCredential.trusted", message=message)], vouching


def _revocation(report: ManifestReport, anchors: Anchors, registered_at: datetime | None) -> tuple[list[Finding], bool]:
    """Findings about a revoked certificate, and whether the signature is good in spite of it."""
    revoked = anchors.revocation_of(report.signed.chain) if report.signed else None
    if revoked is None:
        return [], True
    stamped = (report.active.get("signature_info") or {}).get("time") if _stamping(report, anchors) else None
    moments = [registered_at, datetime.fromisoformat(stamped) if stamped else None]
    earlier = any(moment is not None and moment < revoked.when for moment in moments)
    good = earlier and revoked.reason != "key_compromise"
    message = f"The certificate of {report.signer()} was revoked on {revoked.when:%Y-%m-%d}"
    message += ", after the file was signed." if good else f" ({revoked.reason.replace('_', ' ')})."
    status: Outcome = "warn" if good else "fail"
    return [Finding(axis="trust", status=status, code="countermark.trust.revoked", message=message)], good


def _time(
    report: ManifestReport, failures: list[Status], registered_at: datetime | None, anchors: Anchors
) -> tuple[list[Finding], bool]:
    findings = []
    leaf = report.signed.leaf if report.signed else None
    covered = (
        registered_at is not None
        and leaf is not None
        and leaf.not_valid_before_utc <= registered_at <= leaf.not_valid_after_utc
    )
    stamped = {status.code for status in report.success} & {"timeStamp.trusted", "timeStamp.validated"}
    stamping = _stamping(report, anchors) if "timeStamp.trusted" in stamped else None
    expired = leaf is not None and leaf.not_valid_after_utc < datetime.now(UTC)
    if expired and stamping is None and not any(f.code in _TIME_CODES for f in failures):
        # To the SDK any anchor's time-stamp shows that the certificate was still valid.
        failures = [*failures, Status("signingCredential.expired", "")]
    timely = True
    for failure in failures:
        if failure.code.startswith(_TIME_PREFIXES):
            message = f"A time-stamp is not valid: {failure.explanation or failure.code}."
            findings.append(Finding(axis="time", status="warn", code=failure.code, message=message))
        elif covered:
            message = (
                f"The certificate has expired, but the registry recorded this manifest on {registered_at:%Y-%m-%d}."
            )
            findings.append(Finding(axis="time", status="warn", code=failure.code, message=message))
        else:
            timely = False
            message = "The certificate is not valid today, and nothing shows that it was when the file was signed."
            findings.append(Finding(axis="time", status="fail", code=failure.code, message=message))
    if stamping is not None:
        when = str((report.active.get("signature_info") or {}).get("time", "an unknown time"))[:19]
        message = f"A time-stamp authority, {stamping.note}, confirms that the signature existed on {when}."
        findings.append(Finding(axis="time", status="pass", code="timeStamp.trusted", message=message))
    elif stamped:
        message = "There is an intact time-stamp, from an authority that this machine does not know."
        findings.append(Finding(axis="time", status="info", code="timeStamp.validated", message=message))
    elif not findings:
        message = "There is no independent time-stamp; the date is the signer's own statement."
        if covered:
            message += f" The registry recorded the manifest on {registered_at:%Y-%m-%d}."
        findings.append(Finding(axis="time", status="info", code="countermark.time.unstamped", message=message))
    return findings, timely


def _stamping(report: ManifestReport, anchors: Anchors) -> Anchor | None:
    """The anchor for time-stamps that one of the signature's time-stamps leads to."""
    for token in report.signed.time_stamps if report.signed else ():
        vouching = anchors.vouching_for(authority_chain(token), "tsa")
        if vouching is not None:
            return vouching
    return None


def _ingredients(ingredients: tuple[Ingredient, ...]) -> tuple[list[Finding], bool]:
    if not ingredients:
        message = "The manifest names no ingredients."
        return [
            Finding(axis="ingredients", status="not_applicable", code="countermark.ingredients.none", message=message)
        ], True
    findings, sound = [], True
    for ingredient in ingredients:
        name = f"'{ingredient.title}'" if ingredient.title else "an ingredient"
        if not ingredient.failures and ingredient.manifest_id is None:
            message = f"The ingredient {name} has no credentials of its own."
            findings.append(_ingredient("info", "ingredient.unknownProvenance", message))
        elif not ingredient.failures:
            message = f"The ingredient {name} has valid credentials of its own."
            findings.append(_ingredient("pass", "ingredient.manifest.validated", message))
        for failure in dict.fromkeys(ingredient.failures):
            if axis_of(failure.code) != "integrity":
                message = f"The signer of the ingredient {name} is not trusted, or its certificate was not valid."
                findings.append(_ingredient("warn", failure.code, message))
                continue
            if ingredient.relationship == "parentOf":
                sound = False
            message = f"The ingredient {name} had been changed after it was signed, before it went into this file."
            findings.append(_ingredient("fail", failure.code, message))
    return findings, sound


def _ingredient(status: Outcome, code: str, message: str) -> Finding:
    return Finding(axis="ingredients", status=status, code=code, message=message)
