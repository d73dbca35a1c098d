"""What a signal hands to the verdict: one measured statement, with how much it weighs and how often it is wrong."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Status = Literal["measured", "not_applicable", "failed"]


class Segment(BaseModel):
    """A stretch of the clip, in seconds from its start, and the log-likelihood ratio it would give on its own."""

    model_config = ConfigDict(frozen=True)

    start: float
    end: float
    llr: float


class ErrorRates(BaseModel):
    """How often a signal is wrong when its log-likelihood ratio is at least ``threshold``, as measured, and on what.

    ``false_positive_rate`` is over real clips called generated, ``true_positive_rate`` over generated clips found.
    """

    model_config = ConfigDict(frozen=True)

    threshold: float
    false_positive_rate: float
    true_positive_rate: float
    measured_on: str


class Evidence(BaseModel):
    """What one signal found.

    ``llr`` is the natural logarithm of P(finding | generated) / P(finding | not generated): positive speaks for
    "generated", 0 says nothing. It is None where the signal does not speak to that question or was not measured.
    """

    model_config = ConfigDict(frozen=True)

    signal: str
    status: Status
    llr: float | None = None
    explanation: str
    version: str
    error_rates: ErrorRates | None = None
    segments: tuple[Segment, ...] = ()
    model: str | None = Field(default=None, description="Weights that were used, where there are any.")
