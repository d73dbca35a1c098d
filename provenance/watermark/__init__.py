"""Invisible watermarks: Countermark's own, and those that other tools leave."""

from provenance.watermark.interface import Detector, Embedder, Reading, Watermark
from provenance.watermark.keys import WatermarkKey, load_or_create_key
from provenance.watermark.payload import PAYLOAD_BITS, Payload
from provenance.watermark.spread import ALGORITHM_ID, SpreadSpectrum, detect, embed

__all__ = [
    "ALGORITHM_ID",
    "PAYLOAD_BITS",
    "Detector",
    "Embedder",
    "Payload",
    "Reading",
    "SpreadSpectrum",
    "Watermark",
    "WatermarkKey",
    "detect",
    "embed",
    "load_or_create_key",
]
