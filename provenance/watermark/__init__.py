"""Invisible watermarks: Countermark's own, and those that other tools leave."""

from provenance.watermark.interface import Detector, Embedder, Reading, Watermark
from provenance.watermark.invisible import InvisibleWatermark
from provenance.watermark.keys import WatermarkKey, load_or_create_key
from provenance.watermark.known import KnownMark, detect_known_marks
from provenance.watermark.payload import PAYLOAD_BITS, Payload
from provenance.watermark.spread import ALGORITHM_ID, SpreadSpectrum, detect, embed

__all__ = [
    "ALGORITHM_ID",
    "PAYLOAD_BITS",
    "Detector",
    "Embedder",
    "InvisibleWatermark",
    "KnownMark",
    "Payload",
    "Reading",
    "SpreadSpectrum",
    "Watermark",
    "WatermarkKey",
    "detect",
    "detect_known_marks",
    "embed",
    "load_or_create_key",
]
