"""Content Credentials (C2PA): what a signature says about how the video was made."""

from __future__ import annotations

from detector.clip import Clip
from detector.evidence import Evidence
from detector.wording import Said, say

NAME = "credentials"
VERSION = "1"

SIGNED = 6.9
"""Weight of the statement "made by AI" under a signature trusted here: 1000 to 1, set, not measured."""
CLAIMED = 4.6
"""Weight of the same under a signature nobody here vouches for: 100 to 1, like any other label."""

AI_SOURCE_TYPES = frozenset({"trainedAlgorithmicMedia", "compositeWithTrainedAlgorithmicMedia"})
"""IPTC digital source types: a trained model made the whole or a part."""


def applicable(clip: Clip) -> Said | None:
    """Only where there are credentials, in the file or found again through the watermark."""
    if clip.verification.manifest is None and clip.verification.conclusion != "tampered":
        return say("credentials.none")
    return None


def measure(clip: Clip) -> Evidence:
    """What the manifest states, weighed by whether it is intact and who signed it."""
    verification = clip.verification
    manifest = verification.manifest
    kind = ((manifest.digital_source_type if manifest else None) or "").rsplit("/", 1)[-1]
    weights = {"verified": SIGNED, "recovered": SIGNED, "untrusted": CLAIMED}
    llr = weights.get(verification.conclusion) if kind in AI_SOURCE_TYPES else None
    said = say("credentials.found", summary=verification.summary)
    return Evidence(signal=NAME, status="measured", llr=llr, said=said, version=VERSION)
