"""Frame rates: what is between two frames of the networks', and which given frames they see."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_bundled import sampled

from countermark.core.errors import UsageError
from generator.backends.bundled import BundledModel
from generator.dit.piece import Piece, between
from generator.dit.rate import Thinned, latest, times_of
from generator.model import Inputs
from generator.request import BUNDLED_RATES, Condition, GenerationRequest
from generator.world.clips import FPS

rates = st.sampled_from(BUNDLED_RATES)


def piece(frames: int, *, start: bool) -> Piece:
    return Piece(torch.zeros(1, 1, 1, 1), (), frames, start=start)


def numbered(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.uint8)[:, None, None, None]


@given(fps=rates, starts=st.lists(st.booleans(), min_size=1, max_size=4), data=st.data())
def test_pieces_make_frames_at_even_steps_for_as_long_as_they_last(fps, starts, data):
    pieces = [piece(data.draw(st.integers(6, 40)), start=start) for start in starts]
    times = times_of(pieces, fps)
    begins = np.cumsum([0, *(one.frames for one in pieces)])
    every = np.concatenate([begin + own.numpy() for begin, own in zip(begins, times, strict=False)])
    assert np.allclose(np.diff(every), FPS / fps)
    assert every[0] == (0 if starts[0] else pytest.approx(FPS / fps - 1))
    assert abs(len(every) - begins[-1] * fps / FPS) < 1
    for one, own in zip(pieces, times, strict=True):
        assert all((own >= 0) if one.start else (own > -1))
        assert all(own < one.frames)


@given(frames=st.integers(6, 40), fps=rates)
def test_what_joins_two_given_ends_leaves_no_gap(frames, fps):
    (times,) = times_of([piece(frames, start=False)], fps, joined=True)
    step = FPS / fps
    assert times[0] == pytest.approx(step - 1)  # after the last frame before, at -1
    assert 0 < frames - times[-1] <= step + 1e-9  # before the first one after, at `frames`


@given(frames=st.integers(1, 200), fps=rates, data=st.data())
def test_given_frames_are_thinned_out_to_those_nearest_to_the_twelfths(frames, fps, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, frames), max_size=4)))
    chunks = [numbered(frames)[a:b] for a, b in pairwise([0, *cuts, frames])]
    thinned = Thinned(chunks, fps)
    kept = [int(i) for chunk in thinned for i in chunk.ravel()]
    assert thinned.count == frames
    nearest = [int(Fraction(n * fps, FPS) + Fraction(1, 2)) for n in range(frames)]
    assert kept == [i for i in nearest if i < frames]
    back = latest(numbered(frames), fps).ravel().tolist()
    assert back == [frames - 1 - i for i in reversed(kept)]
    # Frames that are shown for an edit are as many as were given, and those of the networks reach over them.
    (times,) = times_of([piece(len(kept), start=True)], fps, count=frames)
    assert len(times) == frames
    assert times[-1] < len(kept)


def test_what_changes_goes_on_evenly_between_frames_and_beyond_them():
    track = torch.tensor([[0.0, 1.0], [2.0, 1.0], [3.0, 5.0]])
    assert between(track, torch.tensor([-0.5, 0.5, 2.0, 2.25])).tolist() == [
        [-1.0, 1.0],
        [1.0, 1.0],
        [3.0, 5.0],
        [3.25, 6.0],
    ]
    assert torch.equal(between(track, torch.arange(3.0)), track)
    assert between(track[:1], torch.tensor([0.0, 0.7])).tolist() == [[0.0, 1.0], [0.0, 1.0]]


def made(fps: int | None, inputs: Inputs | None = None, **asked: object) -> np.ndarray:
    request = GenerationRequest.model_validate({"prompt": "a red ball moving right by the sea", "fps": fps, **asked})
    return sampled(request, inputs, model=BundledModel(fast=True))[0]


def test_twice_the_rate_is_the_same_video_with_a_frame_between_any_two():
    slow, fast = (made(fps, seconds=1.0).astype(int) for fps in (None, 24))
    assert len(slow) == 12
    assert len(fast) == 24
    assert np.array_equal(fast[::2], slow)
    between_two = fast[1:-1:2]
    step = np.abs(np.diff(slow, axis=0)).mean()
    for side in (slow[:-1], slow[1:]):
        assert 0.2 * step < np.abs(between_two - side).mean() < 0.9 * step
    fade = (slow[:-1] + slow[1:]) / 2  # which would show the ball twice, half seen
    assert np.abs(between_two - fade).max() > 60


@pytest.mark.parametrize("fps", [24, 30])
def test_an_edit_has_as_many_frames_as_its_video(fps):
    given_video = made(fps, seconds=0.9)
    whole = Condition(path=Path("given.mp4"), at="whole", strength=0.2)
    changed = made(fps, Inputs(whole=iter([given_video[:7], given_video[7:]])), conditions=(whole,), prompt="snow")
    assert changed.shape == given_video.shape


def test_a_rate_that_is_not_made_is_refused():
    with pytest.raises(UsageError, match="no 8 frames a second") as refused:
        BundledModel().rate_for(8)
    assert "12 to 60" in refused.value.remedy
