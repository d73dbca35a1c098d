"""Marks of other tools: read where they are, not seen where they are not."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from drawn_clip import draw

from countermark.core.errors import WatermarkError
from countermark.core.media import Frames
from provenance.watermark import InvisibleWatermark, detect_known_marks
from provenance.watermark.known import MESSAGES, binomial_tail


def photograph(seed: int = 0, side: int = 512) -> np.ndarray:
    """A coloured cloud of 1/f noise, uint8 [side, side, 3]."""
    rng = np.random.default_rng(seed)
    frequency = np.maximum(np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :]), 1 / side)
    planes = [np.fft.irfft2(np.fft.rfft2(rng.normal(size=(side, side))) / frequency) for _ in range(3)]
    return np.stack([120 + 40 * p / p.std() for p in planes], axis=-1).clip(0, 255).astype(np.uint8)


def mark(rgb: np.ndarray, bits: tuple[int, ...], kind: type) -> np.ndarray:
    """As Stable Diffusion's tools do: BGR, 8-bit or float, 0 to 255."""
    imwatermark = pytest.importorskip("imwatermark", exc_type=ImportError)
    encoder = imwatermark.WatermarkEncoder()
    encoder.set_watermark("bits", list(bits))
    marked = encoder.encode(np.ascontiguousarray(rgb[..., ::-1]).astype(kind), "dwtDct")
    return np.clip(marked[..., ::-1], 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", [np.uint8, np.float32], ids=["8-bit", "float"])
@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_published_messages_are_recognised(message, kind: type) -> None:
    (found,) = detect_known_marks(mark(photograph(), message.bits, kind)[None])
    assert (found.name, found.bits) == (message.name, len(message.bits))
    assert found.matches >= 0.9 * found.bits
    assert found.false_positive_rate <= 1e-8


def test_frames_add_up_through_video_chroma() -> None:
    sdxl = next(message for message in MESSAGES if message.name == "SDXL")
    rgb = np.stack([mark(photograph(seed), sdxl.bits, np.float32) for seed in range(3)])
    planar = Frames.from_rgb(rgb, pts=np.arange(3))
    assert [found.name for found in detect_known_marks(planar.to_rgb())] == ["SDXL"]


def test_unmarked_pictures_hold_no_known_mark() -> None:
    flat = np.full((1, 256, 256, 3), 128, np.uint8)
    gradient = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None, None], (256, 256, 3))[None]
    for rgb in (flat, gradient, *(photograph(seed)[None] for seed in range(10))):
        assert detect_known_marks(rgb) == []
    assert detect_known_marks(np.zeros((1, 100, 100, 3), np.uint8)) == []


def test_other_messages_are_not_mistaken_for_a_known_one() -> None:
    rng = np.random.default_rng(5)
    for length in (32, 48, 136):
        bits = tuple(int(bit) for bit in rng.integers(0, 2, length))
        assert detect_known_marks(mark(photograph(), bits, np.uint8)[None]) == []


def test_binomial_tail() -> None:
    assert binomial_tail(48, 0) == 1
    assert binomial_tail(2, 1) == 0.75
    assert binomial_tail(32, 32) == 2.0**-32


@pytest.mark.parametrize("method", ["dwtDct", "dwtDctSvd"])
def test_invisible_watermark_speaks_our_interface(method) -> None:
    pytest.importorskip("imwatermark", exc_type=ImportError)
    clip = Frames.from_rgb(np.stack([photograph(side=256)] * 2), pts=np.arange(2))
    watermark = InvisibleWatermark(method, capacity=32)
    bits = tuple(int(bit) for bit in np.random.default_rng(0).integers(0, 2, watermark.capacity))
    marked = watermark.embedder(bits, width=256, height=256).process(clip)
    detector = watermark.detector(width=256, height=256)
    assert detector.result().payload_bits is None
    detector.update(marked)
    reading = detector.result()
    assert reading.payload_bits is not None
    assert np.mean(np.array(reading.payload_bits) == bits) >= 0.9
    assert reading.payload is None
    assert reading.false_positive_rate == 1.0
    assert np.array_equal(marked.pts, clip.pts)


def test_rivagan_marks_and_reads() -> None:
    pytest.importorskip("onnxruntime")
    clip = next(draw(1))
    watermark = InvisibleWatermark("rivaGan", capacity=32)
    bits = tuple(int(bit) for bit in np.random.default_rng(0).integers(0, 2, 32))
    detector = watermark.detector(width=clip.width, height=clip.height)
    detector.update(watermark.embedder(bits, width=clip.width, height=clip.height).process(clip))
    reading = detector.result()
    assert reading.payload_bits is not None
    assert np.mean(np.array(reading.payload_bits) == bits) >= 0.9


def test_missing_libraries_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imwatermark", None)
    with pytest.raises(WatermarkError, match="opencv-python-headless"):
        InvisibleWatermark().detector(width=256, height=256)


def test_adapters_refuse_what_the_package_cannot() -> None:
    with pytest.raises(WatermarkError, match="32 bits"):
        InvisibleWatermark("rivaGan", capacity=64)
    with pytest.raises(WatermarkError, match="too small"):
        InvisibleWatermark().embedder([0] * 32, width=100, height=100)
    with pytest.raises(WatermarkError, match="carries 32"):
        InvisibleWatermark().embedder([0] * 8, width=256, height=256)
