"""Scenes: groups cover every frame once, never reach across a cut, and know how old their scene is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.watermark.scenes import Scenes


@pytest.mark.parametrize(("shortest", "options"), [(1, {"stands_out": 0}), (4, {})])
@given(data=st.data(), size=st.integers(1, 8), portions=st.lists(st.integers(0, 9), max_size=20))
def test_groups_divide_a_stream_at_its_cuts(
    shortest: int, options: dict[str, float], data: st.DataObject, size: int, portions: list[int]
) -> None:
    """Every cut, or those between scenes that are longer than what is looked back on."""
    lengths = data.draw(st.lists(st.integers(shortest, 20), min_size=1, max_size=5))
    level = np.concatenate([np.full(n, 60 + 100 * (i % 2), np.uint8) for i, n in enumerate(lengths)])
    age = np.concatenate([np.arange(n) for n in lengths])
    luma = np.broadcast_to(level[:, None, None], (len(level), 32, 32))
    scenes, covered, start = Scenes(size, **options), [], 0
    for count in (*portions, len(level)):  # in chunks of any length
        for part, before in scenes.groups(luma[start : start + count]):
            members = range(start + part.start, start + part.stop)
            assert 1 <= len(members) <= size
            assert before == age[members[0]]
            assert len({int(level[i]) for i in members}) == 1
            covered += members
        start += count
    assert covered == list(range(len(level)))


@given(changes=st.lists(st.integers(30, 40), min_size=2, max_size=40), every=st.integers(2, 9))
def test_what_goes_on_changing_as_much_is_one_scene(changes: list[int], every: int) -> None:
    """A fast pan over fine texture; ``every`` so many frames one is repeated, as a change of the frame rate does."""
    steps = [0 if i % every == every - 1 else change for i, change in enumerate(changes)]
    level = 100 + np.cumsum([0, *(step * (-1) ** i for i, step in enumerate(steps))])
    luma = np.broadcast_to(np.clip(level, 0, 255).astype(np.uint8)[:, None, None], (len(level), 32, 32))
    ages = [age for _, age in Scenes(8).groups(luma)]
    assert ages == [*range(0, len(luma), 8)]
