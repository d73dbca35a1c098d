"""Does the picture resemble a video in the registry that was generated here?

Where credentials and watermark are gone, the fingerprint can still lead to the sealed original; see
:mod:`provenance.fingerprint`. A resemblance has a score and is no proof.
"""

from __future__ import annotations

from detector.clip import Clip
from detector.evidence import Evidence
from provenance.fingerprint import fingerprint
from provenance.lookalikes import find_lookalikes
from provenance.registry import open_registry

NAME = "fingerprint"
VERSION = "1"

RESEMBLES = 3.9
"""Weight of a resemblance to a generated video, at full score: 50 to 1, set, not measured. An edit of it, or footage that
it imitates closely, resembles it too."""


def applicable(clip: Clip) -> str | None:
    """Only where something is registered, and nothing surer has led there already."""
    if clip.verification.recovered is not None or clip.verification.conclusion == "verified":
        return "Credentials or watermark have led to the origin, which is surer than a resemblance."
    with open_registry(clip.settings) as registry:
        if registry.count() == 0:
            return "No video is registered here, so there is none to resemble."
    return None


def measure(clip: Clip) -> Evidence:
    """Compare the opening with those of all registered videos."""
    hashes = fingerprint(clip.path, clip.limits)
    with open_registry(clip.settings) as registry:
        alike = find_lookalikes(registry, hashes)
    if not alike:
        words = "The opening resembles no video in the registry."
        return Evidence(signal=NAME, status="measured", llr=0.0, explanation=words, version=VERSION)
    best = alike[0]
    words = (
        f"The opening resembles the {best.entry.kind} video that was registered on {best.entry.created_at:%Y-%m-%d}: "
        f"{best.similarity} % of the sampled frames match. The two may differ in details."
    )
    llr = RESEMBLES * best.similarity / 100 if best.entry.kind == "generated" else 0.0
    return Evidence(signal=NAME, status="measured", llr=round(llr, 3), explanation=words, version=VERSION)
