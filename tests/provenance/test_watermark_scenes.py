"""Scenes: groups cover every frame once, never reach across a cut, and know how old their scene is."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from provenance.watermark.scenes import Scenes


@given(
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=5),
    size=st.integers(1, 8),
    portions=st.lists(st.integers(0, 9), max_size=20),
)
def test_groups_divide_a_stream_at_its_cuts(lengths: list[int], size: int, portions: list[int]) -> None:
    level = np.concatenate([np.full(n, 60 + 100 * (i % 2), np.uint8) for i, n in enumerate(lengths)])
    age = np.concatenate([np.arange(n) for n in lengths])
    luma = np.broadcast_to(level[:, None, None], (len(level), 32, 32))
    scenes, covered, start = Scenes(size), [], 0
    for count in (*portions, len(level)):  # in chunks of any length
        for part, before in scenes.groups(luma[start : start + count]):
            members = range(start + part.start, start + part.stop)
            assert 1 <= len(members) <= size
            assert before == age[members[0]]
            assert len({int(level[i]) for i in members}) == 1
            covered += members
        start += count
    assert covered == list(range(len(level)))
