"""Does the picture resemble a video in the registry that was generated here?

Where credentials and watermark are gone, the fingerprint can still lead to the sealed original; see
:mod:`provenance.fingerprint`. A resemblance has a score and is no proof.
"""

from __future__ import annotations

from detector.clip import Clip
from detector.evidence import Evidence
from detector.wording import Said, say
from provenance.fingerprint import queries
from provenance.lookalikes import find_lookalikes
from provenance.registry import open_registry

NAME = "fingerprint"
VERSION = "1"

RESEMBLES = 3.9
"""Weight of a resemblance to a generated video, at full score: 50 to 1, set, not measured. An edit of it, or
footage that it imitates closely, resembles it too."""


def applicable(clip: Clip) -> Said | None:
    """Only where something is registered, and nothing surer has led there already."""
    if clip.verification.recovered is not None or clip.verification.conclusion == "verified":
        return say("fingerprint.settled")
    with open_registry(clip.settings) as registry:
        if registry.count() == 0:
            return say("fingerprint.empty")
    return None


def measure(clip: Clip) -> Evidence:
    """Compare the opening, also as it may have been before it was cropped, with those of all registered videos."""
    asked = queries(clip.path, clip.limits)
    with open_registry(clip.settings) as registry:
        alike = find_lookalikes(registry, *asked)
    if not alike:
        return Evidence(signal=NAME, status="measured", llr=0.0, said=say("fingerprint.none"), version=VERSION)
    best = alike[0]
    said = say(
        "fingerprint.found",
        kind=best.entry.kind,
        date=f"{best.entry.created_at:%Y-%m-%d}",
        similarity=best.similarity,
    )
    llr = RESEMBLES * best.similarity / 100 if best.entry.kind == "generated" else 0.0
    return Evidence(signal=NAME, status="measured", llr=round(llr, 3), said=said, version=VERSION)
