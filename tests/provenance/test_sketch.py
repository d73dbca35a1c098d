"""Sketches of originals: what they show of a copy, and that they read no mark where there is none."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_watermark import KEY, PAYLOAD, luma_only, textured_clip

from countermark.core.media import Frames
from provenance.watermark import Payload, SpreadSpectrum, embed
from provenance.watermark.detector import SpreadSpectrumDetector
from provenance.watermark.geometry import CORNERS, apply, resample
from provenance.watermark.grid import GRID, Plane
from provenance.watermark.normalise import forward, inverse
from provenance.watermark.sketch import SIDE, Placed, Sketch, placed


def detail(seed: int) -> Plane:
    """Something like the detail of a picture: waves of 20 to 100 cycles, more here than there."""
    rng = np.random.default_rng(seed)
    noise = forward(rng.normal(size=(GRID, GRID)).astype(np.float32))
    cycles = np.hypot(*np.meshgrid(np.arange(GRID) / 2, np.arange(GRID) / 2))
    waves = inverse((noise * (cycles > 15) * np.exp(-cycles / 40)).astype(np.float32))
    where = inverse((forward(rng.normal(size=(GRID, GRID)).astype(np.float32)) * (cycles < 6)).astype(np.float32))
    return np.asarray(waves * np.exp(where / where.std()), np.float32)


@given(seed=st.integers(0, 99), aspect=st.floats(0.1, 10))
@settings(max_examples=10)
def test_a_sketch_is_the_same_when_it_was_stored(seed: int, aspect: float) -> None:
    sketch = Sketch.of(detail(seed), aspect)
    again = Sketch.from_bytes(sketch.to_bytes())
    assert np.array_equal(again.plane, sketch.plane)
    assert again.aspect == sketch.aspect
    assert len(sketch.to_bytes()) < 4500


HEAD = struct.pack("<2sf", b"S1", 1.0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"S1",
        HEAD,
        HEAD + b"nothing",
        HEAD + zlib.compress(b"short"),
        HEAD + zlib.compress(bytes(50_000_000)),
        struct.pack("<2sf", b"S2", 1.0) + zlib.compress(bytes(SIDE * SIDE // 4)),
        struct.pack("<2sf", b"S1", float("nan")) + zlib.compress(bytes(SIDE * SIDE // 4)),
        struct.pack("<2sf", b"S1", 0.0) + zlib.compress(bytes(SIDE * SIDE // 4)),
    ],
)
def test_what_is_no_sketch_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a sketch"):
        Sketch.from_bytes(data)


def lying(found: list[Placed], index: int, geometry: np.ndarray) -> bool:
    """Whether the clearest one says that the corners of the copy lie there, to two thousandths of its side."""
    off = np.abs(apply(found[0].geometry, CORNERS) - apply(geometry, CORNERS)).max() / max(1.0, geometry[0, 0])
    return found[0].index == index and off < 2e-3


@given(
    scale=st.floats(0.52, 1.6),  # a copy that is smaller still is found mostly
    x=st.floats(-1, 1),
    y=st.floats(-1, 1),
    turn=st.floats(-0.004, 0.004),
    noise=st.floats(0, 1),
)
@settings(max_examples=12)
def test_a_copy_is_found_where_it_lies(scale: float, x: float, y: float, turn: float, noise: float) -> None:
    room = abs(1 - scale) / 2  # inside the original, or with all of it inside
    geometry = np.array([(scale, turn, x * room), (-turn, scale, y * room), (0, 0, 1)])
    copy = resample(detail(3), np.linalg.inv(geometry))
    copy += np.random.default_rng(99).normal(0, noise * copy.std(), copy.shape).astype(np.float32)
    sketches = [Sketch.of(detail(seed), 1.5) for seed in range(5)]
    assert lying(placed(copy, 1.5, sketches), 3, geometry)


@pytest.mark.parametrize(
    ("aspect", "scales"),
    [
        (9 / 16, (0.7 * 81 / 256, 0.7)),  # upright, cut out of a wide one
        (1.0, (1.0, 16 / 9)),  # the whole of it inside a square, with borders
        (4 / 3, (1.0, 1.0)),  # stretched to another shape
    ],
)
def test_a_copy_may_have_another_shape(aspect: float, scales: tuple[float, float]) -> None:
    geometry = np.diag([*scales, 1.0])
    copy = resample(detail(1), np.linalg.inv(geometry))
    assert lying(placed(copy, aspect, [Sketch.of(detail(seed), 16 / 9) for seed in range(3)]), 1, geometry)


def test_others_are_not_taken_for_the_original() -> None:
    sketches = [Sketch.of(detail(seed), 1.5) for seed in range(12)]
    assert placed(detail(50), 1.5, sketches) == []
    assert placed(np.zeros((GRID, GRID), np.float32), 1.5, sketches) == []
    assert placed(detail(3), 1.5, []) == []


def cut(frames: Frames) -> Frames:
    """The middle seven tenths, drowned in noise that changes from frame to frame."""
    rng = np.random.default_rng(8)
    part = frames.luma[:, 54:306, 96:544].astype(np.float32)
    return luma_only(frames, part + rng.normal(0, 110, part.shape))


def seen(frames: Frames, *, keys: tuple = (KEY,)) -> SpreadSpectrumDetector:
    detector = SpreadSpectrumDetector(keys, (frames.height, frames.width))
    detector.update(frames)
    return detector


def test_a_mark_that_nothing_else_finds_is_read_over_the_sketch() -> None:
    clip = textured_clip()
    sketch = Sketch.of(seen(clip, keys=()).evidence.detail, clip.width / clip.height)
    copy = seen(cut(embed(clip, PAYLOAD, KEY)))
    others = [Payload(3, serial) for serial in range(99)]
    assert copy.result(register=[*others, PAYLOAD]).payload is None
    assert copy.compare([PAYLOAD]).payload is None
    found = copy.laid_over([(others[0], Sketch.of(detail(1), 1.5)), (PAYLOAD, sketch)])
    assert found.payload == PAYLOAD
    assert found.false_positive_rate <= 1e-6


def test_over_the_sketch_only_the_message_itself_is_read() -> None:
    clip = textured_clip()
    sketch = Sketch.of(seen(clip, keys=()).evidence.detail, clip.width / clip.height)
    other = Payload(3, serial=5)
    for frames, payload in ((clip, PAYLOAD), (embed(clip, PAYLOAD, KEY), other)):
        assert seen(frames).laid_over([(payload, sketch)]).payload is None
    assert seen(embed(clip, PAYLOAD, KEY)).laid_over([(Payload(4, serial=5), sketch)]).payload is None  # not its issuer
    assert seen(clip).laid_over([]).payload is None


def test_keys_that_were_retired_are_tried_too() -> None:
    clip = textured_clip()
    sketch = Sketch.of(seen(clip, keys=()).evidence.detail, clip.width / clip.height)
    newer = SpreadSpectrum(type(KEY)(bytes(32), issuer=3), retired=(KEY,))
    detector = newer.detector(width=clip.width, height=clip.height)
    detector.update(embed(clip, PAYLOAD, KEY))
    assert detector.laid_over([(PAYLOAD, sketch)]).payload == PAYLOAD
