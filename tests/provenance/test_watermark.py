"""Our own watermark, end to end: invisible enough, exact or absent, through codecs and resizing."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from graphic_clip import graphic_clip
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from countermark.core.errors import WatermarkError
from countermark.core.media import Frames, VideoReader, VideoSpec, VideoWriter, transcode
from provenance.watermark import ALGORITHM_ID, Payload, Reading, SpreadSpectrum, WatermarkKey, detect, embed
from provenance.watermark.embedder import raise_weakest
from provenance.watermark.grid import resize

KEY = WatermarkKey(bytes(range(32)), issuer=3)
PAYLOAD = Payload(issuer=3, serial=0x123456789ABC)


def textured_clip(frames: int = 9, height: int = 360, width: int = 640, deviation: float = 45) -> Frames:
    """A drifting cloud of 1/f noise, which is what natural pictures are to a watermark."""
    rng = np.random.default_rng(1)
    fy, fx = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]
    spectrum = np.fft.rfft2(rng.normal(size=(height, width))) / np.maximum(np.hypot(fy, fx), 1 / width)
    cloud = np.fft.irfft2(spectrum, s=(height, width))
    cloud = 120 + deviation * cloud / cloud.std()
    rgb = np.stack([np.roll(cloud, 3 * t, axis=1) for t in range(frames)]).clip(0, 255).astype(np.uint8)
    return Frames.from_rgb(np.repeat(rgb[..., None], 3, axis=-1), pts=np.arange(frames))


def psnr(one: Frames, other: Frames) -> float:
    error = np.mean((one.to_rgb().astype(float) - other.to_rgb()) ** 2)
    return float(10 * np.log10(255**2 / error))


def luma_only(frames: Frames, luma: np.ndarray) -> Frames:
    """The same clip with luma of any size, as a detector that looks at nothing else would get it."""
    values = np.rint(luma.clip(0, 255)).astype(np.uint8)
    count, height, width = values.shape
    chroma = np.full((count, 2, (height + 1) // 2, (width + 1) // 2), 128, np.uint8)
    return Frames(values, chroma, frames.pts[:count], frames.colour)


@pytest.mark.parametrize("seed", range(4))
def test_generated_clips_read_exactly_after_two_encodings(seed: int, tmp_path: Path) -> None:
    clip, key, payload = graphic_clip(seed), WatermarkKey.new(seed), Payload.new(seed)
    marked = embed(clip, payload, key)
    assert psnr(clip, marked) >= 44
    first, second = tmp_path / "first.mp4", tmp_path / "second.mp4"
    with VideoWriter(first, VideoSpec(256, 256, Fraction(10), Fraction(1, 10), crf=18)) as writer:
        writer.write(marked)
    transcode(first, second, crf=28)
    detector = SpreadSpectrum(key).detector(width=256, height=256)
    with VideoReader(second) as reader:
        for frames in reader:
            detector.update(frames)
    reading = detector.result()
    assert reading.payload == payload
    assert reading.statistic > 0.6  # reading begins near 0.5


def test_a_read_says_what_it_is() -> None:
    reading = detect(embed(textured_clip(), PAYLOAD, KEY), KEY)
    assert reading.algorithm == ALGORITHM_ID
    assert reading.payload == PAYLOAD
    assert reading.payload_bits == PAYLOAD.to_bits()
    assert reading.frames == 9
    assert 0 < reading.false_positive_rate < 1e-6
    assert reading.statistic > 0.7


def test_the_change_is_small_in_luma_and_nothing_else() -> None:
    clip = textured_clip()
    marked = embed(clip, PAYLOAD, KEY)
    assert psnr(clip, marked) >= 44.1
    assert np.array_equal(marked.chroma, clip.chroma)
    assert np.array_equal(marked.pts, clip.pts)
    assert marked.colour == clip.colour


def test_flat_pictures_are_changed_less() -> None:
    flat = luma_only(graphic_clip(0), np.full((4, 256, 256), 120))
    change = embed(flat, PAYLOAD, KEY).luma.astype(int) - flat.luma
    assert 0 < change.std() < 1.05
    assert np.abs(change).max() <= 5
    assert detect(embed(flat, PAYLOAD, KEY), KEY).payload == PAYLOAD


@pytest.mark.parametrize(("level", "low", "high"), [(16, 16, 235), (235, 16, 235), (0, 0, 235), (255, 16, 255)])
def test_black_and_white_stay_in_range(level: int, low: int, high: int) -> None:
    clip = luma_only(graphic_clip(0), np.full((2, 256, 256), level))
    marked = embed(clip, PAYLOAD, KEY)
    assert marked.luma.min() >= low
    assert marked.luma.max() <= high


@pytest.mark.parametrize("clip", [graphic_clip(5), textured_clip()], ids=["graphic", "textured"])
def test_nothing_is_read_without_a_mark_or_with_another_key(clip: Frames) -> None:
    other = WatermarkKey(bytes(32), issuer=3)
    assert detect(clip, KEY).payload_bits is None
    # Searched for with another key in `test_watermark_geometry`.
    assert detect(embed(clip, PAYLOAD, KEY), other, search=False).payload_bits is None


def test_no_frames_is_no_mark() -> None:
    reading = SpreadSpectrum(KEY).detector(width=256, height=256).result()
    assert (reading.payload, reading.frames, reading.statistic) == (None, 0, 0.0)


def test_short_clips_and_excerpts_read() -> None:
    marked = embed(textured_clip(frames=20), PAYLOAD, KEY)
    assert detect(cut(marked, 5, 12), KEY).payload == PAYLOAD
    alone = textured_clip(frames=1, deviation=25)
    assert detect(embed(alone, PAYLOAD, KEY), KEY).payload == PAYLOAD
    graphic = embed(graphic_clip(0), PAYLOAD, KEY)
    assert detect(cut(graphic, 9, 10), KEY).payload == PAYLOAD


def cut(frames: Frames, start: int, stop: int) -> Frames:
    part = slice(start, stop)
    return Frames(frames.luma[part], frames.chroma[part], frames.pts[part], frames.colour)


@pytest.mark.parametrize("size", [(720, 1280), (256, 455), (360, 360), (300, 700)])
def test_resizing_and_change_of_aspect_need_no_search(size: tuple[int, int]) -> None:
    marked = embed(textured_clip(), PAYLOAD, KEY)
    resized = np.stack([resize(luma.astype(np.float32), *size) for luma in marked.luma])
    assert detect(luma_only(marked, resized), KEY).payload == PAYLOAD


@pytest.mark.parametrize(("gain", "offset"), [(0.5, 0), (1.5, -40), (1, 30)])
def test_brightness_and_contrast_do_not_matter(gain: float, offset: float) -> None:
    marked = embed(textured_clip(), PAYLOAD, KEY)
    assert detect(luma_only(marked, marked.luma * gain + offset), KEY).payload == PAYLOAD


def test_chunks_do_not_matter() -> None:
    clip = textured_clip(frames=16)
    watermark = SpreadSpectrum(KEY)
    whole = embed(clip, PAYLOAD, KEY)
    embedder = watermark.embedder(PAYLOAD.to_bits(), width=clip.width, height=clip.height, length=16)
    detector = watermark.detector(width=clip.width, height=clip.height)
    readings: list[Reading] = []
    for part in (slice(0, 8), slice(8, 16)):
        chunk = embedder.process(cut(clip, part.start, part.stop))
        assert np.array_equal(chunk.luma, whole.luma[part])
        detector.update(chunk)
        readings.append(detector.result())
    assert [reading.payload for reading in readings] == [PAYLOAD, PAYLOAD]
    assert readings[1].statistic == pytest.approx(detect(whole, KEY).statistic, abs=1e-4)


def test_wrong_sizes_and_payloads_are_refused() -> None:
    watermark = SpreadSpectrum(KEY)
    with pytest.raises(WatermarkError, match="too small"):
        watermark.embedder(PAYLOAD.to_bits(), width=1920, height=100)
    with pytest.raises(WatermarkError, match="too small"):
        watermark.detector(width=1920, height=40)
    with pytest.raises(WatermarkError, match="64 bits"):
        watermark.embedder([0] * 32, width=256, height=256)
    with pytest.raises(WatermarkError, match="issuer 3, version 1"):
        watermark.embedder(Payload.new(4).to_bits(), width=256, height=256)
    with pytest.raises(WatermarkError, match="frame size changes"):
        watermark.embedder(PAYLOAD.to_bits(), width=256, height=256).process(textured_clip(frames=1))
    with pytest.raises(WatermarkError, match="frame size changes"):
        watermark.detector(width=256, height=256).update(textured_clip(frames=1))


@given(arrays(np.float32, 40, elements=st.floats(-100, 100, width=32)), st.floats(0.01, 1e5))
def test_the_weakest_are_raised_to_one_level(values: np.ndarray, budget: float) -> None:
    lift = raise_weakest(values, budget)
    assert lift.min() >= 0
    assert float(np.sum(lift.astype(float) ** 2)) == pytest.approx(budget, rel=1e-2, abs=1e-2)
    raised = values + lift
    touched = lift > 1e-3
    assert raised[touched].std() < 1e-2
    assert raised.min() == pytest.approx(raised[touched].min(), abs=1e-2)


@settings(max_examples=30)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 300), st.integers(1, 300))
def test_resizing_keeps_constants_and_range(height: int, width: int, rows: int, columns: int) -> None:
    plane = np.random.default_rng(height).uniform(0, 255, (height, width)).astype(np.float32)
    out = resize(plane, rows, columns)
    assert out.shape == (rows, columns)
    assert plane.min() - 1e-2 <= out.min()
    assert out.max() <= plane.max() + 1e-2
    assert np.allclose(resize(np.full((height, width), 7, np.float32), rows, columns), 7, atol=1e-4)


def test_real_clips_survive_a_strong_transcode(shared_data: Path, tmp_path: Path) -> None:
    for name in ("real_rabbit-watermelon.mp4", "generated_morph_1.mp4"):
        clip = shared_data / "video" / "watermark" / name
        key, copy = WatermarkKey.new(PAYLOAD.issuer), tmp_path / "copy.mp4"
        with VideoReader(clip, max_frames=8) as reader:
            embedder = SpreadSpectrum(key).embedder(
                PAYLOAD.to_bits(), width=reader.info.width, height=reader.info.height
            )
            marked = tmp_path / "marked.mp4"
            with VideoWriter(marked, VideoSpec.like(reader.info, preset="veryfast")) as writer:
                for frames in reader:
                    writer.write(embedder.process(frames))
        transcode(marked, copy, crf=30, preset="veryfast")
        with VideoReader(copy) as reader:
            detector = SpreadSpectrum(key).detector(width=reader.info.width, height=reader.info.height)
            for frames in reader:
                detector.update(frames)
        assert detector.result().payload == PAYLOAD
