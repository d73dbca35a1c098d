"""The watermark is found again in pictures that were cropped, turned, mirrored, framed or distorted."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates, rotate
from test_watermark import luma_only, textured_clip

from countermark.core.media import Frames
from provenance.watermark import Payload, SpreadSpectrum, WatermarkKey, detect, embed
from provenance.watermark import detector as module
from provenance.watermark.carriers import deal
from provenance.watermark.code import CODE_BITS, encode, encode_all
from provenance.watermark.code import FALSE_POSITIVE_RATE as CODE_RATE
from provenance.watermark.detector import (
    RECALL_FALSE_POSITIVE_RATE,
    SpreadSpectrumDetector,
    chance_of_cosine,
    recall,
    recallable_from,
    significant_cosine,
)
from provenance.watermark.geometry import CORNERS, MIRRORS, apply, border_geometries, homography, resample
from provenance.watermark.grid import GRID, resize
from provenance.watermark.normalise import forward

KEY = WatermarkKey(bytes(range(32)), issuer=3)
PAYLOAD = Payload(issuer=3, serial=0x123456789ABC)


@cache
def marked() -> Frames:
    return embed(textured_clip(frames=4, height=480, width=800, deviation=12), PAYLOAD, KEY)


def cropped(luma: np.ndarray, share: float, top: float, left: float) -> np.ndarray:
    height, width = (int(side * share) for side in luma.shape[1:])
    row, column = int(top * (luma.shape[1] - height)), int(left * (luma.shape[2] - width))
    return luma[:, row : row + height, column : column + width]


def turned(luma: np.ndarray, degrees: float) -> np.ndarray:
    return rotate(luma, degrees, axes=(1, 2), reshape=False, order=0, cval=16)


def scaled(luma: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.stack([resize(plane.astype(np.float32), height, width) for plane in luma])


def in_perspective(luma: np.ndarray) -> np.ndarray:
    height, width = luma.shape[1:]
    back = homography(np.add(CORNERS, [(0.06, 0.1), (-0.15, 0.03), (-0.04, -0.12), (0.18, -0.05)]), CORNERS)
    y, x = np.mgrid[:height, :width]
    source = apply(back, np.stack(((x + 0.5) / width - 0.5, (y + 0.5) / height - 0.5), axis=-1))
    index = [(source[..., 1] + 0.5) * height - 0.5, (source[..., 0] + 0.5) * width - 0.5]
    return np.stack([map_coordinates(plane.astype(np.float32), index, order=1, cval=16) for plane in luma])


def letterboxed(luma: np.ndarray) -> np.ndarray:
    return np.pad(luma, ((0, 0), (60, 60), (0, 0)), constant_values=16)


def in_another_picture(luma: np.ndarray) -> np.ndarray:
    out = np.array(textured_clip(frames=len(luma), height=480, width=800).luma[:, ::-1], np.float32)
    out[:, 200:440, 330:730] = scaled(luma, 240, 400)
    return out


@pytest.mark.parametrize(
    "attack",
    [
        lambda luma: cropped(luma, 0.71, 0.9, 0.2),
        lambda luma: cropped(luma, 0.55, 0.3, 0.6),
        lambda luma: turned(luma, 10),
        lambda luma: turned(luma, -45),
        lambda luma: luma[:, :, ::-1],
        lambda luma: np.rot90(luma, axes=(1, 2)),
        lambda luma: turned(luma[:, ::-1], 15),
        lambda luma: scaled(cropped(luma, 0.75, 0.5, 0.1), 360, 480),
        in_perspective,
        letterboxed,
        in_another_picture,
    ],
    ids=[
        "crop .71", "crop .55", "turn 10", "turn -45", "mirror", "quarter turn", "mirror and turn",
        "crop and squeeze", "perspective", "letterbox", "picture in picture",
    ],
)  # fmt: skip
def test_the_picture_is_found_without_knowing_what_was_done(attack: Callable[[np.ndarray], np.ndarray]) -> None:
    clip = marked()
    received = luma_only(clip, np.array(attack(clip.luma), np.float32))
    assert detect(received, KEY).payload == PAYLOAD


def test_a_turned_picture_is_not_read_with_another_key_or_without_a_mark() -> None:
    clip = marked()
    received = luma_only(clip, np.array(turned(clip.luma, 10), np.float32))
    assert detect(received, WatermarkKey(bytes(32), issuer=3)).payload is None
    plain = textured_clip(frames=2, height=480, width=800, deviation=12)
    assert detect(luma_only(plain, np.array(turned(plain.luma, 10), np.float32)), KEY).payload is None


def test_retired_keys_are_still_read() -> None:
    clip = marked()
    detector = SpreadSpectrum(WatermarkKey.new(3), retired=(KEY,)).detector(width=clip.width, height=clip.height)
    detector.update(clip)
    assert detector.result(search=False).payload == PAYLOAD


def test_no_key_is_searched_with_before_all_have_been_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    clip = marked()
    ring = tuple(WatermarkKey.new(3) for _ in range(3))
    detector = SpreadSpectrum(WatermarkKey.new(3), retired=(*ring, KEY)).detector(width=clip.width, height=clip.height)
    detector.update(clip)
    monkeypatch.setattr(module, "_guesses", lambda *_, **__: pytest.fail("searched"))
    assert detector.result(search=True).payload == PAYLOAD


@pytest.mark.parametrize(("height", "width"), [(96, 160), (60, 100)])
def test_copies_smaller_than_what_can_be_marked_are_read(height: int, width: int) -> None:
    small = scaled(marked().luma, height, width)
    assert detect(luma_only(marked(), small), KEY).payload == PAYLOAD


@pytest.mark.parametrize("mirror", MIRRORS)
def test_mirrors_of_the_spectrum_are_those_of_the_picture(mirror) -> None:
    plane = np.random.default_rng(0).normal(size=(GRID, GRID)).astype(np.float32)
    assert np.allclose(mirror.apply(forward(plane)), forward(resample(plane, mirror.geometry)), atol=2e-3)


def _corner(x: int, y: int) -> st.SearchStrategy[tuple[float, float]]:
    return st.tuples(st.floats(0.02, 0.2), st.floats(0.02, 0.2)).map(lambda d: (x * (0.5 - d[0]), y * (0.5 - d[1])))


@settings(max_examples=25)
@given(st.tuples(_corner(-1, -1), _corner(1, -1), _corner(1, 1), _corner(-1, 1)))
def test_black_borders_show_the_four_corners(corners: tuple[tuple[float, float], ...]) -> None:
    quad = np.array(corners)
    side = (np.arange(GRID) + 0.5) / GRID - 0.5
    x, y = np.meshgrid(side, side)
    place = apply(homography(quad, CORNERS), np.stack((x, y), axis=-1))
    lit = (np.abs(place) <= 0.5).all(axis=-1)
    assume(lit.mean() > 0.12)
    found = border_geometries(np.where(lit, 100, 16).astype(np.float32))
    assert np.abs(apply(found[0], quad) - CORNERS).max() < 0.015


def test_no_borders_no_guess() -> None:
    assert border_geometries(np.full((GRID, GRID), 90, np.float32)) == []
    assert border_geometries(np.full((GRID, GRID), 16, np.float32)) == []


def test_many_code_words_at_once() -> None:
    bits = np.random.default_rng(1).integers(0, 2, (50, 64)).astype(np.uint8)
    assert np.array_equal(encode_all(bits), np.stack([encode(row.tolist()) for row in bits]))


def test_a_registered_mark_is_recalled_when_it_is_too_weak_to_decode() -> None:
    rng = np.random.default_rng(2)
    register = [Payload(3, serial=int(serial)) for serial in rng.integers(0, 2**48, 500)]
    word = 1 - 2 * encode(register[77].to_bits()).astype(np.float32)
    weak = np.stack([rng.normal(size=CODE_BITS), word + rng.normal(0, 2.0, CODE_BITS)]).astype(np.float32)
    found = recall(weak, register, recallable_from(1000))
    assert found is not None
    assert (found.payload, found.row) == (register[77], 1)
    assert recall(weak, [payload for payload in register if payload != register[77]], recallable_from(998)) is None
    assert recall(rng.normal(size=(100, CODE_BITS)).astype(np.float32), register, recallable_from(50_000)) is None
    assert RECALL_FALSE_POSITIVE_RATE <= 1e-6


def test_the_fewer_payloads_there_are_the_weaker_a_mark_is_recalled() -> None:
    rng = np.random.default_rng(3)
    register = [Payload(3, serial=int(serial)) for serial in rng.integers(0, 2**48, 5000)]
    word = 1 - 2 * encode(register[77].to_bits()).astype(np.float32)
    noise = rng.normal(size=CODE_BITS)
    noise -= word * (noise @ word) / CODE_BITS
    weak = (0.27 * word + np.sqrt(1 - 0.27**2) * noise / noise.std()).astype(np.float32)[None]
    assert recall(weak, register, recallable_from(5000)) is None
    found = recall(weak, register[77:80], recallable_from(3))
    assert found is not None
    assert found.payload == register[77]


def test_more_keys_to_compare_with_leave_less_to_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rate that a recalled reading states is for all keys: a mark that only one key may recall needs to be clearer
    among four."""
    rng = np.random.default_rng(5)
    clip = marked()
    noisy = luma_only(clip, clip.luma + rng.normal(0, 30, clip.luma.shape))
    keys = [KEY, *(WatermarkKey(bytes([n] * 32), issuer=3) for n in range(3))]
    one, four = (SpreadSpectrumDetector(some, clip.luma.shape[1:]) for some in (keys[:1], keys))
    for detector in (one, four):
        detector.update(noisy)
    found = one.compare([PAYLOAD])
    assert found.mark is not None
    assert (found.mark.key, found.mark.payload, found.false_positive_rate) == (KEY, PAYLOAD, 1e-6)
    rows = sum(3 for _ in one.evidence.planes) + (3 if len(one.evidence.planes) > 1 else 0)
    monkeypatch.setattr(module, "RECALL_FALSE_POSITIVE_RATE", 2 * rows * chance_of_cosine(found.statistic))
    assert one.compare([PAYLOAD]).payload == PAYLOAD
    assert four.compare([PAYLOAD]).payload is None


def test_a_recalled_reading_counts_what_was_tried_before() -> None:
    rng = np.random.default_rng(6)
    clip = marked()
    reading = None
    for deviation in (60, 90, 120):  # until it cannot be decoded
        detector = SpreadSpectrumDetector([KEY], clip.luma.shape[1:])
        detector.update(luma_only(clip, clip.luma + rng.normal(0, deviation, clip.luma.shape)))
        unread = detector.result(search=False)
        reading = detector.result(search=False, register=[PAYLOAD])
        if unread.payload is None:
            break
    assert reading is not None
    assert (unread.payload, reading.payload) == (None, PAYLOAD)
    assert reading.false_positive_rate == pytest.approx(unread.false_positive_rate + 1e-6)
    assert unread.false_positive_rate >= 3 * CODE_RATE
    assert detector.compare([]).false_positive_rate == 0


@pytest.mark.parametrize("weights", [np.ones(512), np.arange(512.0), 0.9 ** np.arange(512)])
def test_chance_seldom_makes_a_significant_cosine(weights: npt.NDArray[np.float64]) -> None:
    """Fair signs of values of any size: the bound holds, and is no more than a few times too careful."""
    signs = np.random.default_rng(4).choice((-1.0, 1.0), (40_000, 512))
    cosines = signs @ weights / (np.linalg.norm(weights) * np.sqrt(512))
    for rate in (0.1, 0.01, 0.001):
        seen = float(np.mean(cosines > significant_cosine(rate)))
        assert seen <= rate
        assert chance_of_cosine(significant_cosine(rate)) == pytest.approx(rate)
        assert seen >= rate / 10 or weights[-1] < 1e-9  # a few large values never sum to much


def test_no_frequency_is_dealt_twice() -> None:
    dealt = deal(KEY)
    sync = dealt.sync.row * GRID + dealt.sync.column
    every = np.concatenate((dealt.both.coefficient.ravel(), sync))
    assert len(np.unique(every)) == len(every)
