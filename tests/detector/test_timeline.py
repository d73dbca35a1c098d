from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.core.encoders.image import SIZE
from detector.geometry import EACH, motion, path_features
from detector.normalise import visible_part
from detector.quality import detail
from detector.residual import residual_features
from detector.timeline import partition, segments


def test_a_generated_insert_becomes_a_stretch_of_its_own() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(-1.5, 0.7, 8), rng.normal(4.0, 0.7, 5), rng.normal(-1.5, 0.7, 8)])
    assert partition(values, 1.0, 8.0) == [(0, 8), (8, 13), (13, 21)]


def test_noise_is_not_divided() -> None:
    rng = np.random.default_rng(1)
    divided = sum(len(partition(rng.normal(0, 1, 16), 1.0, 8.0)) > 1 for _ in range(200))
    assert divided < 40


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=24), st.integers(1, 4))
def test_stretches_cover_everything_once(values: list[float], fewest: int) -> None:
    parts = partition(np.array(values), 1.0, 2.0, fewest)
    assert [start for start, _ in parts] == [0, *(end for _, end in parts[:-1])]
    assert parts[-1][1] == len(values)
    assert len(parts) == 1 or min(end - start for start, end in parts) >= fewest


def test_segments_meet_half_way() -> None:
    found = segments(np.array([1.0, 3.0]), np.array([0.1, 0.2]), 5.0)
    assert [(s.start, s.end) for s in found] == [(0.0, 2.0), (2.0, 5.0)]


@pytest.mark.parametrize("shape", [(240, 240), (1080, 1920), (1920, 1080)])
def test_the_part_that_is_looked_at_is_the_central_square(shape: tuple[int, int]) -> None:
    left, top, right, bottom = visible_part(shape)
    height, width = shape
    assert (right - left) * width == pytest.approx((bottom - top) * height)
    assert left + right == pytest.approx(1.0)
    assert (bottom - top) * 240 == pytest.approx(SIZE) or (right - left) * 240 == pytest.approx(SIZE)


def test_a_straight_path_has_no_angles() -> None:
    direction = np.eye(8)[0]
    start = np.eye(8)[1]
    straight = np.stack([start * 10 + direction * t for t in range(8)])[:, None].astype(np.float32)
    rng = np.random.default_rng(0)
    crooked = rng.normal(size=(8, 1, 8)).astype(np.float32)
    angle = 5  # mean turning angle
    assert path_features(straight).shape == (EACH,)
    assert path_features(straight)[angle] < 0.2 < 1.5 < path_features(crooked)[angle]
    assert motion(straight[:, 0]) < motion(crooked[:, 0])


def test_detail_falls_with_blur() -> None:
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 255, (2, 64, 64, 3), dtype=np.uint8)
    flat = np.full_like(sharp, 128)
    assert detail(sharp) > 5 > 0 > detail(flat)


@pytest.mark.parametrize("side", [128, 200, 256])
def test_up_sampling_leaves_a_lattice_that_is_found(side: int) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(128, 20, (3, side, side, 3))
    y, x = np.mgrid[:side, :side] / 8
    lattice = 6 * (np.cos(2 * np.pi * x) + np.cos(2 * np.pi * y))[None, ..., None]
    plain, blocky = (residual_features(np.clip(f, 0, 255).astype(np.uint8)) for f in (noise, noise + lattice))
    assert plain.shape == blocky.shape
    assert np.isfinite(plain).all()
    at_8 = slice(11 + 6, 11 + 9)  # after the bands, three values a period
    assert blocky[at_8].max() > plain[at_8].max() + 1


def test_still_frames_and_black_frames_have_finite_features() -> None:
    assert np.isfinite(residual_features(np.zeros((2, 128, 128, 3), np.uint8))).all()
