import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from generator.seams import Seam

masks = hnp.arrays(bool, st.tuples(st.integers(2, 24), st.integers(2, 24)))


def pictures(shape, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (2, *shape, 3)).astype(np.uint8)


@given(mask=masks, seed=st.integers(0, 99))
@settings(max_examples=40)
def test_what_is_given_stays_as_it_is(mask, seed):
    made, kept = pictures(mask.shape, seed), pictures(mask.shape, seed + 100)
    joined = Seam(mask).join(made, kept)
    assert joined.dtype == np.uint8
    assert np.array_equal(joined[:, ~mask], kept[:, ~mask])
    if mask.all():
        assert np.array_equal(joined, made)


@given(mask=masks, seed=st.integers(0, 99))
@settings(max_examples=40)
def test_what_fits_already_is_not_touched(mask, seed):
    made = pictures(mask.shape, seed)
    assert np.array_equal(Seam(mask).join(made, made), made)


@pytest.mark.parametrize("offset", [-20, 20])
def test_a_step_becomes_a_slope(offset):
    mask = np.zeros((8, 160), bool)
    mask[:, 40:] = True
    ramp = np.broadcast_to(np.linspace(60, 190, 160), (1, 8, 160))[..., None].repeat(3, 3)
    joined = Seam(mask).join((ramp + offset).round().astype(np.uint8), ramp.round().astype(np.uint8))
    line = joined[0, 4, :, 0].astype(float)
    assert abs(line[40] - line[39]) <= 3
    assert np.abs(np.diff(line)).max() <= 4
    assert abs(line[-1] - ramp[0, 4, -1, 0] - offset) <= 1


def test_another_thing_that_begins_at_the_edge_keeps_its_own():
    mask = np.zeros((8, 40), bool)
    mask[:, 20:] = True
    joined = Seam(mask).join(np.full((1, 8, 40, 3), 20, np.uint8), np.full((1, 8, 40, 3), 220, np.uint8))
    assert np.abs(joined[0, :, 20:].astype(int) - 20).max() <= 2


def test_detail_at_the_edge_goes_on_for_a_little_way():
    mask = np.zeros((64, 64), bool)
    mask[32:] = True
    kept = np.full((1, 64, 64, 3), 100, np.uint8)
    kept[:, :, 20:24] = 130
    joined = Seam(mask).join(np.full_like(kept, 100), kept)
    stripe = joined[0, :, 22, 0].astype(int)
    assert stripe[31] == 130
    assert stripe[32] >= 127
    assert stripe[45] < 115
