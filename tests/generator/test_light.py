import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from generator.dit.light import GRADES, graded, lit

LIGHTS = sorted(GRADES)


@given(st.sampled_from(LIGHTS), st.integers(0, 1000))
def test_a_grade_stays_within_range_and_keeps_the_order_of_greys(light, seed):
    frames = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    out = graded(frames, light)
    assert out.min() >= -1 - 1e-5
    assert out.max() <= 1 + 1e-5
    ramp = torch.linspace(-1, 1, 64)[None, None, None].expand(1, 3, 1, 64)
    assert (graded(ramp, light).diff(dim=3) >= -1e-6).all()


def test_every_hour_has_its_colour():
    grey = torch.zeros(1, 3, 1, 1)
    night, sunset, dawn = (graded(grey, light)[0, :, 0, 0] for light in ("night", "sunset", "dawn"))
    assert night.mean() < dawn.mean() < 0
    assert night[2] > night[0] + 0.1
    assert sunset[0] > sunset[2] + 0.2
    assert graded(grey, "day") is grey


@pytest.mark.parametrize("light", LIGHTS)
def test_a_subject_can_still_be_told_from_what_is_behind_it(light):
    red, sky = (torch.tensor(c)[None, :, None, None] / 127.5 - 1 for c in ([222.0, 45, 48], [170.0, 210, 240]))
    assert (graded(red, light) - graded(sky, light)).abs().max() > 0.3


def test_light_changes_from_frame_to_frame():
    frames = torch.rand(3, 3, 4, 4) * 2 - 1
    out = lit(frames, [("night", torch.tensor([0, 0.5, 1]))])
    night = graded(frames, "night")
    assert torch.equal(out[0], frames[0])
    assert torch.allclose(out[1], (frames[1] + night[1]) / 2, atol=1e-6)
    assert torch.allclose(out[2], night[2], atol=1e-6)
    assert lit(frames, []) is frames
