import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generator.world.clips import FPS, ClipSpec, random_spec, render
from generator.world.vocabulary import COLOURS, MOTIONS, SCENES, SUBJECTS

specs = st.builds(
    ClipSpec,
    subject=st.sampled_from(SUBJECTS),
    colour=st.sampled_from(COLOURS),
    motion=st.sampled_from(MOTIONS),
    scene=st.sampled_from(SCENES),
    seed=st.integers(0, 2**31 - 1),
)


@given(specs)
@settings(max_examples=10, deadline=None)
def test_rendering_is_a_pure_function(spec):
    first, second = (render(spec, frames=3, height=64, width=96) for _ in range(2))
    assert first.frames.shape == (3, 64, 96, 3)
    assert np.array_equal(first.frames, second.frames)


@pytest.mark.parametrize("motion,axis,sign", [("rise", 1, -1), ("fall", 1, 1), ("left", 0, -1), ("right", 0, 1)])
def test_motion_goes_where_its_name_says(motion, axis, sign):
    track = render(ClipSpec("ball", "red", motion, "sea", 3), frames=2 * FPS, height=64, width=64).track
    steps = np.diff(track[:, axis])
    assert (sign * steps > 0).all()
    assert np.allclose(np.diff(track[:, 1 - axis]), 0)


def test_a_falling_subject_accelerates():
    y = render(ClipSpec("star", "blue", "fall", "sea", 5), frames=24, height=64, width=64).track[:, 1]
    assert np.allclose(np.diff(y, 2), np.diff(y, 2)[0], atol=1e-5)
    assert np.diff(y, 2)[0] > 0


def test_the_track_is_where_the_subject_is_drawn():
    spec = ClipSpec("ball", "red", "right", "snow", 1)
    clip = render(spec, frames=9, height=128, width=128)
    for frame, (x, y, _) in zip(clip.frames, clip.track, strict=True):
        red, green, blue = frame[int(y * 128) + 8, int(x * 128)].astype(int)
        assert red > green + 60
        assert red > blue + 60


def test_held_out_combinations_never_come_up_in_training():
    rng = np.random.default_rng(0)
    seen = {(s.subject, s.colour, s.motion) for s in (random_spec(rng, held_out=False) for _ in range(3000))}
    unseen = {(s.subject, s.colour, s.motion) for s in (random_spec(rng, held_out=True) for _ in range(300))}
    assert not seen & unseen
    assert len(seen) > 6 * len(unseen) > 0
