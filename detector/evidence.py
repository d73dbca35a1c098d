"""What a signal hands to the verdict: one measured statement, with how much it weighs and how often it is wrong."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field

from detector.wording import Language, Said

Status = Literal["measured", "not_applicable", "failed"]
Subject = Literal["generated", "face_manipulated"]


class Segment(BaseModel):
    """A stretch of the clip, in seconds from its start, and the log-likelihood ratio it would give on its own."""

    model_config = ConfigDict(frozen=True)

    start: float
    end: float
    llr: float


class HeatMap(BaseModel):
    """Where in a frame the evidence lies: log-likelihood ratios of square patches, row by row.

    ``time`` is in seconds; the grid covers the centre of the upright frame that is ``left`` to ``right`` and ``top`` to
    ``bottom`` in parts of its sides.
    """

    model_config = ConfigDict(frozen=True)

    time: float
    left: float
    top: float
    right: float
    bottom: float
    llrs: tuple[tuple[float, ...], ...]


class ErrorRates(BaseModel):
    """How often a signal is wrong when its log-likelihood ratio is at least ``threshold``, as measured, and on what.

    ``false_positive_rate`` is over real clips called generated, ``true_positive_rate`` over generated clips found.
    """

    model_config = ConfigDict(frozen=True)

    threshold: float
    false_positive_rate: float
    true_positive_rate: float
    measured_on: str

    def level(self, llr: float) -> Literal["high", "leans", "low"]:
        """Whether a ratio reaches the threshold, leans towards it, or speaks against."""
        if llr >= self.threshold:
            return "high"
        return "leans" if llr > 0 else "low"


class Evidence(BaseModel):
    """What one signal found.

    ``llr`` is the natural logarithm of P(finding | generated) / P(finding | not generated): positive speaks for
    "generated", 0 says nothing. It is None where the signal has no say or was not measured. With ``subject``
    "face_manipulated" the same holds for that question instead.
    """

    model_config = ConfigDict(frozen=True)

    signal: str
    status: Status
    subject: Subject = "generated"
    llr: float | None = None
    said: Said
    details: tuple[Said, ...] = ()
    version: str
    error_rates: ErrorRates | None = None
    segments: tuple[Segment, ...] = ()
    heat_maps: tuple[HeatMap, ...] = ()
    model: str | None = Field(default=None, description="Weights that were used, where there are any.")

    @computed_field  # type: ignore[prop-decorator]  # pydantic's own way to write it
    @property
    def explanation(self) -> str:
        """What was found, in English."""
        return self.words()

    def words(self, language: Language = "en") -> str:
        """What was found, all sentences of it."""
        return " ".join(said.words(language) for said in (*self.details, self.said))
