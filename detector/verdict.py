"""From evidence to a verdict: a sum of log-likelihood ratios, and the courage to say nothing.

False accusations cost most. "generated" needs either the file's own statement or forensic evidence above a threshold
that at most one in a hundred unseen real clips reached; everything between that and clear absence is "inconclusive".
The words "real" and "not AI" do not occur: no test can show them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from countermark.core.media import MediaInfo
from detector.evidence import Evidence
from provenance.verify import Verification

Conclusion = Literal["verified_origin", "generated", "manipulated", "no_sign_of_generation", "inconclusive"]
Band = Literal["high", "abstain", "low", "not_applicable"]

PRIOR_LOG_ODDS = 0.0
"""Even odds. A platform that knows its own share of generated uploads can shift the probability by Bayes' rule."""

DECLARATIONS = ("credentials", "watermark", "known_marks", "container")
"""Signals in which the file speaks about itself. They are one witness, so the strongest counts, not their sum."""
FORENSICS = ("frames",)
"""Signals measured on the picture. They add up."""

DECLARED_AT = 2.5
"""Total at or above which a file that declares itself generated is called so, its forensics notwithstanding."""
ABSENT_AT = -1.0
"""Total at or below which no sign of generation was found."""

_NO_SIGN = "The frames do not look like those of known video generators; those of an unknown one might not either."
_CHANGED = "The file was changed after it was signed, and its frames do not settle how the picture was made."
_THIN = "The evidence is too thin to say whether this video is generated."
_NOTHING = "No forensic signal could be measured, and the file says nothing of its origin."


class Question(BaseModel):
    """One question and its answer. ``probability`` assumes even odds beforehand; natural logarithms."""

    model_config = ConfigDict(frozen=True)

    probability: float | None = None
    log_likelihood_ratio: float | None = None
    band: Band = "not_applicable"
    note: str = ""


class Verdict(BaseModel):
    """What screening found, in the words and numbers in which it can be defended."""

    model_config = ConfigDict(frozen=True)

    conclusion: Conclusion
    summary: str = Field(description="One sentence.")
    generated: Question
    face_manipulated: Question
    evidence: tuple[Evidence, ...]
    provenance: Verification
    info: MediaInfo
    encoder: str | None = Field(description="Which image encoder weights were used, if any.")
    seconds: float = Field(description="Wall-clock time the screening took.")


def conclude(evidence: Sequence[Evidence], verification: Verification) -> tuple[Conclusion, str, Question]:
    """The conclusion, its sentence and the answer to "is it generated?"."""
    declared = max((e.llr for e in evidence if e.signal in DECLARATIONS and e.llr is not None), key=abs, default=0.0)
    forensic = [e for e in evidence if e.signal in FORENSICS and e.llr is not None]
    total = declared + sum(e.llr for e in forensic if e.llr is not None)
    measured = bool(forensic) or declared != 0
    threshold = max((e.error_rates.threshold for e in forensic if e.error_rates), default=math.inf)
    if measured and total >= (DECLARED_AT if declared >= DECLARED_AT else threshold):
        band: Band = "high"
    elif forensic and total <= ABSENT_AT:
        band = "low"
    else:
        band = "abstain"
    question = Question(
        probability=round(1 / (1 + math.exp(-(PRIOR_LOG_ODDS + total))), 4) if measured else None,
        log_likelihood_ratio=round(total, 3) if measured else None,
        band=band,
        note="Probability at even odds beforehand." if measured else "No signal could speak to this question.",
    )
    conclusion, sentence = _sentence(band, declared, evidence, verification)
    return conclusion, sentence, question


def _sentence(
    band: Band, declared: float, evidence: Sequence[Evidence], verification: Verification
) -> tuple[Conclusion, str]:
    # A seal on somebody else's video says nothing of how it was made, and must not silence the forensics.
    stated = verification.manifest is not None and verification.manifest.digital_source_type is not None
    if verification.conclusion in ("verified", "recovered") and (stated or band != "high"):
        return "verified_origin", verification.summary
    tampered = verification.conclusion == "tampered"
    if band == "high" and declared >= DECLARED_AT:
        witness = max((e for e in evidence if e.signal in DECLARATIONS), key=lambda e: e.llr or 0.0)
        return "generated", f"The file itself says that it is AI-generated: {witness.explanation}"
    if band == "high":
        changed = ", and its credentials do not match its contents" if tampered else ""
        return "generated", f"The frames look like those of known video generators{changed}."
    if band == "low" and not tampered:
        return "no_sign_of_generation", _NO_SIGN
    measured = any(e.signal in FORENSICS and e.status == "measured" for e in evidence)
    return "inconclusive", _CHANGED if tampered else _THIN if measured else _NOTHING
