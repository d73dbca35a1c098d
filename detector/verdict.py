"""From evidence to a verdict: weighed log-likelihood ratios, and the courage to say nothing.

False accusations cost most. "generated" needs either the file's own statement or forensic evidence above a threshold
that at most one in a hundred unseen real clips reached; everything between that and clear absence is "inconclusive".
The words "real" and "not AI" do not occur: no test can show them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

from countermark.core.media import MediaInfo
from detector.attribution import Attribution
from detector.evidence import Evidence, Segment
from detector.fusion import STRONGEST_AGAINST, Fusion, fuse
from detector.wording import Said, say
from provenance.verify import Verification

Conclusion = Literal["verified_origin", "generated", "manipulated", "no_sign_of_generation", "inconclusive"]
Band = Literal["high", "abstain", "low", "not_applicable"]

PRIOR_LOG_ODDS = 0.0
"""Even odds. A platform that knows its own share of generated uploads can shift the probability by Bayes' rule."""

DECLARATIONS = ("credentials", "watermark", "known_marks", "container", "fingerprint")
"""Signals in which the file speaks about itself. They are one witness, so the strongest counts, not their sum."""
REGISTRY = "fingerprint"
"""The one among them that does not read the file but finds what was registered here and resembles it."""
WITNESSED = ("verdict.declared", "verdict.registered")
"""Sentences that repeat what `witness_of` found."""
FORENSICS = ("frames", "motion", "noise")
"""Signals measured on the picture, weighed by :mod:`detector.fusion`."""
PARTS = "edits"
"""The signal that says which stretches of a clip look generated."""

DECLARED_AT = 2.5
"""Total at or above which a file that declares itself generated is called so, its forensics notwithstanding."""
ABSENT_AT = -1.0
"""Total at or below which no sign of generation was found."""


class Question(BaseModel):
    """One question and its answer. ``probability`` assumes even odds beforehand; natural logarithms.

    Between ``absent_at`` and ``present_at`` nothing is said: the abstain band.
    """

    model_config = ConfigDict(frozen=True)

    probability: float | None = None
    log_likelihood_ratio: float | None = None
    band: Band = "not_applicable"
    absent_at: float | None = None
    present_at: float | None = None
    said: Said

    @computed_field  # type: ignore[prop-decorator]  # pydantic's own way to write it
    @property
    def note(self) -> str:
        """What the answer rests on, or why there is none, in English."""
        return self.said.words()


def likely(probability: float) -> str:
    """Two digits of it. Evidence never makes certain, and must not look as if it did."""
    return "> 0.99" if probability > 0.99 else "< 0.01" if probability < 0.01 else f"{probability:.2f}"


class Verdict(BaseModel):
    """What screening found, in the words and numbers in which it can be defended."""

    model_config = ConfigDict(frozen=True)

    conclusion: Conclusion
    said: Said
    generated: Question
    face_manipulated: Question
    attribution: Attribution | None = Field(default=None, description="Which generator made it, if it is generated.")
    evidence: tuple[Evidence, ...]
    provenance: Verification
    info: MediaInfo
    encoder: str | None = Field(description="Which image encoder weights were used, if any.")
    seconds: float = Field(description="Wall-clock time the screening took.")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def summary(self) -> str:
        """One sentence, in English."""
        return self.said.words()


@dataclass(frozen=True)
class Opinion:
    """What the evidence comes to."""

    conclusion: Conclusion
    said: Said
    generated: Question
    face_manipulated: Question


def declared_llr(evidence: Sequence[Evidence]) -> float:
    """The strongest of the file's own statements."""
    return max((e.llr for e in evidence if e.signal in DECLARATIONS and e.llr is not None), key=abs, default=0.0)


def settled(evidence: Sequence[Evidence], verification: Verification) -> bool:
    """Whether looking at the picture could not change the conclusion any more."""
    return _states_origin(verification) or declared_llr(evidence) >= DECLARED_AT - STRONGEST_AGAINST


def conclude(evidence: Sequence[Evidence], verification: Verification, fusion: Fusion, detail: float = 0.0) -> Opinion:
    """The conclusion, its sentence and the answers to both questions. ``detail`` as in :mod:`detector.quality`."""
    generated = _generated(evidence, fusion, detail)
    face = _face(evidence)
    conclusion, said = _sentence(generated, face, evidence, verification)
    return Opinion(conclusion, said, generated, face)


def _generated(evidence: Sequence[Evidence], fusion: Fusion, detail: float) -> Question:
    declared = declared_llr(evidence)
    llrs = {e.signal: e.llr for e in evidence if e.signal in FORENSICS and e.llr is not None}
    fused = fuse(fusion, llrs, detail)
    if fused is None and declared == 0:
        return Question(said=say("question.silent"))
    total = declared + (fused[0] if fused else 0.0)
    if declared >= DECLARED_AT:
        present_at = DECLARED_AT
    else:  # what the file says only weakly does not help the picture over the threshold that was measured for it alone
        present_at = fused[1].error_rates.threshold + max(declared, 0.0) if fused else math.inf
    if total >= present_at:
        band: Band = "high"
    elif fused and total <= ABSENT_AT:
        band = "low"
    else:
        band = "abstain"
    return Question(
        probability=round(1 / (1 + math.exp(-(PRIOR_LOG_ODDS + total))), 4),
        log_likelihood_ratio=round(total, 3),
        band=band,
        absent_at=ABSENT_AT if fused else None,
        present_at=round(present_at, 2) if math.isfinite(present_at) else None,
        said=say("question.prior"),
    )


def _face(evidence: Sequence[Evidence]) -> Question:
    """The answer of the one signal that looks at faces."""
    about = [e for e in evidence if e.subject == "face_manipulated"]
    measured = next((e for e in about if e.llr is not None and e.error_rates is not None), None)
    if measured is None or measured.llr is None or measured.error_rates is None:
        return Question(said=about[0].said if about else say("question.silent"))
    high, low = measured.llr >= measured.error_rates.threshold, measured.llr <= ABSENT_AT
    return Question(
        probability=round(1 / (1 + math.exp(-(PRIOR_LOG_ODDS + measured.llr))), 4),
        log_likelihood_ratio=measured.llr,
        band="high" if high else "low" if low else "abstain",
        absent_at=ABSENT_AT,
        present_at=measured.error_rates.threshold,
        said=say("question.prior"),
    )


def generated_parts(evidence: Sequence[Evidence]) -> tuple[Segment, ...]:
    """Stretches that look generated on their own while others do not."""
    for item in evidence:
        if item.signal == PARTS and item.error_rates is not None:
            found = tuple(part for part in item.segments if part.llr >= item.error_rates.threshold)
            return found if len(found) < len(item.segments) else ()
    return ()


def _states_origin(verification: Verification) -> bool:
    # A seal on somebody else's video says nothing of how it was made, and must not silence the forensics.
    stated = verification.manifest is not None and verification.manifest.digital_source_type is not None
    return stated and verification.conclusion in ("verified", "recovered")


def _sentence(
    generated: Question, face: Question, evidence: Sequence[Evidence], verification: Verification
) -> tuple[Conclusion, Said]:
    band, parts = generated.band, generated_parts(evidence)
    suspicious = band == "high" or bool(parts) or face.band == "high"
    if _states_origin(verification) or (verification.conclusion in ("verified", "recovered") and not suspicious):
        return "verified_origin", say("verdict.verified_origin", summary=verification.summary)
    tampered = verification.conclusion == "tampered"
    if band == "high":
        return "generated", _why_generated(evidence, tampered)
    if parts:
        places = ", ".join(f"{part.start:.1f}–{part.end:.1f} s" for part in parts)
        return "generated", say("verdict.part", places=places)
    if face.band == "high":
        return "manipulated", say("verdict.face")
    if band == "low" and not tampered:
        return "no_sign_of_generation", say("verdict.no_sign")
    return "inconclusive", _why_inconclusive(evidence, tampered)


def witness_of(evidence: Sequence[Evidence]) -> Evidence | None:
    """The signal in which the file, or the registry, says most clearly that it was generated."""
    stated = (e for e in evidence if e.signal in DECLARATIONS and e.llr is not None and e.llr > 0)
    return max(stated, key=lambda e: e.llr or 0.0, default=None)


def _why_generated(evidence: Sequence[Evidence], tampered: bool) -> Said:
    witness = witness_of(evidence)
    if witness is not None and declared_llr(evidence) >= DECLARED_AT:
        # Of a registered video that it resembles, the file itself says nothing.
        found = "verdict.registered" if witness.signal == REGISTRY else "verdict.declared"
        return say(found, explanation=witness.explanation)
    return say("verdict.picture_changed" if tampered else "verdict.picture")


def _why_inconclusive(evidence: Sequence[Evidence], tampered: bool) -> Said:
    if tampered:
        return say("verdict.changed")
    if any(e.said.code == "skipped.fast" for e in evidence):
        return say("verdict.fast")
    measured = any(e.signal in FORENSICS and e.status == "measured" for e in evidence)
    return say("verdict.thin" if measured else "verdict.nothing")
