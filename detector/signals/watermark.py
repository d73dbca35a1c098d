"""Our own watermark, as :mod:`provenance.verify` read it."""

from __future__ import annotations

from detector.clip import Clip
from detector.evidence import Evidence
from detector.signals.credentials import AI_SOURCE_TYPES, SIGNED
from detector.wording import Said, say

NAME = "watermark"
VERSION = "1"


def applicable(clip: Clip) -> Said | None:  # noqa: ARG001 - every picture can carry a mark
    """Always."""
    return None


def measure(clip: Clip) -> Evidence:
    """The mark speaks through the registry: only the entry says whether the video was generated or merely protected."""
    verification = clip.verification
    words = " ".join(f.message for f in verification.findings if f.axis in ("watermark", "recovery"))
    manifest = verification.manifest
    matched = {"countermark.recovery.registered", "countermark.recovery.softBindingsMatched"}
    known = any(f.code in matched for f in verification.findings)
    made_by_ai = manifest is not None and (manifest.digital_source_type or "").rsplit("/", 1)[-1] in AI_SOURCE_TYPES
    llr = SIGNED if known and made_by_ai and verification.conclusion in ("verified", "recovered") else 0.0
    return Evidence(signal=NAME, status="measured", llr=llr, said=say("watermark.found", words=words), version=VERSION)
