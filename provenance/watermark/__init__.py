"""Invisible watermarks: Countermark's own, and those that other tools leave."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from provenance.watermark.detector import ALGORITHM_ID
from provenance.watermark.interface import Detector, Embedder, Reading, Watermark
from provenance.watermark.invisible import InvisibleWatermark
from provenance.watermark.keys import WatermarkKey, load_or_create_key, rotate_key
from provenance.watermark.known import KnownMark, detect_known_marks
from provenance.watermark.payload import PAYLOAD_BITS, Payload
from provenance.watermark.spread import SpreadSpectrum, detect, embed
from provenance.watermark.timeline import MarkedRange, Timeline

if TYPE_CHECKING:
    from provenance.watermark.trustmark import TrustMark
    from provenance.watermark.videoseal import VideoSeal

__all__ = [
    "ALGORITHM_ID",
    "PAYLOAD_BITS",
    "Detector",
    "Embedder",
    "InvisibleWatermark",
    "KnownMark",
    "MarkedRange",
    "Payload",
    "Reading",
    "SpreadSpectrum",
    "Timeline",
    "TrustMark",
    "VideoSeal",
    "Watermark",
    "WatermarkKey",
    "detect",
    "detect_known_marks",
    "embed",
    "load_or_create_key",
    "rotate_key",
]

_NEURAL = {"TrustMark": "trustmark", "VideoSeal": "videoseal"}  # imported on first use, for they need torch


def __getattr__(name: str) -> object:
    if name not in _NEURAL:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_NEURAL[name]}"), name)
