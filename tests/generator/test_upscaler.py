"""Pictures of 720 lines: drawn small, enlarged, with what is given still at full size."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from generator.dit.upscaler import Upscaler, reduced, upscaled


def ramp(height: int, width: int) -> np.ndarray:
    down = np.linspace(20, 220, height)[:, None, None]
    across = np.linspace(-10, 10, width)[None, :, None]
    return np.rint(np.broadcast_to(down + across, (height, width, 3)))[None].astype(np.uint8)


@given(st.integers(4, 20), st.integers(4, 20))
def test_an_untrained_network_is_bicubic_interpolation_of_the_right_size(half_height, half_width):
    small = torch.rand(1, 3, 2 * half_height, 2 * half_width) * 2 - 1
    large = Upscaler()(small)
    assert large.shape == (1, 3, 5 * half_height, 5 * half_width)
    plain = torch.nn.functional.interpolate(small, scale_factor=2.5, mode="bicubic", align_corners=False)
    assert torch.allclose(large, plain, atol=1e-5)


def test_what_is_enlarged_and_reduced_is_as_before():
    frames = ramp(36, 64).repeat(3, axis=0)
    (large,) = upscaled(Upscaler(), [frames])
    assert large.shape == (3, 90, 160, 3)
    assert np.abs(reduced(large, (64, 36)).astype(int) - frames).max() <= 2


@pytest.mark.parametrize("place", ["before", "after"])
def test_what_is_given_in_large_is_seen_in_small(place, monkeypatch):
    from generator.backends import bundled
    from generator.model import Inputs

    given_frames = ramp(90, 160)
    small = bundled._reduced(Inputs(**{place: given_frames}), (64, 36))
    assert getattr(small, place).shape == (1, 36, 64, 3)
    mask = np.zeros((90, 160), bool)
    mask[40, 60] = True  # a single pixel that is wanted
    masked = bundled._reduced(Inputs(whole=iter([given_frames]), mask=mask), (64, 36))
    assert next(masked.whole).shape == (1, 36, 64, 3)
    assert masked.mask[16, 24]
    assert masked.mask.sum() <= 4
