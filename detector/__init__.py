"""Screening: what a video file shows of how it was made, as evidence and as a verdict."""

from detector.evidence import ErrorRates, Evidence, Segment
from detector.screen import screen
from detector.verdict import Question, Verdict

__all__ = ["ErrorRates", "Evidence", "Question", "Segment", "Verdict", "screen"]
