"""A second opinion on a manifest from an independent validator, encypher-c2pa (optional; ``countermark[crosscheck]``).

Two implementations by different people seldom have the same fault. Theirs gets the same anchors and no network, and
sends nothing home. A disagreement is a finding for a person to look at; which of the two is right is not decided here.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization

from countermark.core.errors import ConfigurationError
from provenance.judgement import Finding, Judgement, Outcome, axis_of
from provenance.reader import ManifestReport
from provenance.trust import Anchors, Kind

_TYPES = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/quicktime",
    ".avi": "video/x-msvideo",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}


def second_opinion(path: Path, report: ManifestReport, judgement: Judgement, anchors: Anchors) -> Finding:
    """Compare our judgement of a file's manifest with the second validator's.

    Raises `ConfigurationError` when it is not installed, and OSError when the file cannot be read.
    """
    try:
        import encypher_c2pa
    except ImportError as error:
        raise ConfigurationError(
            "The second validator is not installed.", remedy="Run: pip install 'countermark[crosscheck]'"
        ) from error
    name = f"A second validator (encypher-c2pa {version('encypher-c2pa')})"
    kind = _TYPES.get(path.suffix.lower())
    if kind is None or not report.embedded:
        return _finding("not_applicable", "unsupported", f"{name} was not asked: it does not know this kind of file.")
    try:
        # Mapped, because given a path it takes no file above 128 MiB.
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
            memoryview(content) as view,
        ):
            answer = encypher_c2pa.verify(
                view,
                kind,
                trust_pem=_pem(anchors, "signer"),
                tsa_trust_pem=_pem(anchors, "tsa"),
                no_default_trust=True,
                telemetry=False,
                online=False,
            )
    except ValueError as error:  # what it raises for files that it cannot take
        return _finding("warn", "failed", f"{name} could not judge the file: {error}.")
    differences = _differences(answer, judgement)
    if differences:
        return _finding("warn", "disagreement", f"{name} disagrees: {'; '.join(differences)}.")
    return _finding("pass", "agreement", f"{name} comes to the same result.")


def _differences(answer: Mapping[str, Any], judgement: Judgement) -> list[str]:
    if not answer.get("present"):
        return ["it finds no credentials"]
    results = answer.get("validation_results") or {}
    succeeded = {str(entry.get("code")) for entry in results.get("success") or []}
    failed = [str(entry.get("code")) for entry in results.get("failure") or []]
    broken = sorted({code for code in failed if axis_of(code) == "integrity"})
    trusted = "signingCredential.trusted" in succeeded and not any(axis_of(code) == "trust" for code in failed)
    differences = []
    if bool(broken) == judgement.intact:
        theirs = f"not intact ({', '.join(broken)})" if broken else "intact"
        differences.append(f"it calls the file {theirs}, the first {'intact' if judgement.intact else 'not intact'}")
    if not broken and judgement.intact and trusted != judgement.trusted:
        differences.append(f"it {'trusts' if trusted else 'does not trust'} the signer, unlike the first")
    return differences


def _pem(anchors: Anchors, kind: Kind) -> str | None:
    certificates = [anchor.certificate for anchor in anchors.anchors if anchor.kind == kind]
    return "".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in certificates) or None


def _finding(status: Outcome, code: str, message: str) -> Finding:
    return Finding(axis="validators", status=status, code=f"countermark.validators.{code}", message=message)
