"""Screening: what a video file shows of how it was made, as evidence and as a verdict."""

from detector.attribution import Attribution
from detector.batch import Screened, screen_many, videos
from detector.evidence import ErrorRates, Evidence, HeatMap, Segment
from detector.screen import screen
from detector.verdict import Question, Verdict

__all__ = [
    "Attribution",
    "ErrorRates",
    "Evidence",
    "HeatMap",
    "Question",
    "Screened",
    "Segment",
    "Verdict",
    "screen",
    "screen_many",
    "videos",
]
