"""The closed loop spends what the codec demands: less on easy clips, never more than the budget, and the mark reads."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from graphic_clip import graphic_clip

from countermark.core.media import Frames
from countermark.core.media.round_trip import round_trip
from provenance.watermark import Payload, SpreadSpectrum, WatermarkKey, detect
from provenance.watermark.closed_loop import STRETCH, stretches

KEY = WatermarkKey(bytes(range(32)))


def marked(clip: Frames, crf: int | None) -> tuple[Frames, Payload]:
    watermark, payload = SpreadSpectrum(KEY, closed_loop_crf=crf), Payload(KEY.issuer, serial=0x5EA1)
    size = {"width": clip.width, "height": clip.height, "length": len(clip)}
    embedder = watermark.embedder(payload.to_bits(), **size)
    parts = [embedder.process(part) for part in watermark.chunks([clip[:10], clip[10:]])]
    return Frames.joined(parts), payload


def error(clip: Frames, other: Frames) -> float:
    return float(np.mean((clip.luma.astype(np.float32) - other.luma) ** 2))


@pytest.mark.parametrize("seed", [0, 3])
def test_an_easy_codec_needs_a_fainter_mark_that_still_survives_it(seed: int) -> None:
    clip = graphic_clip(seed, frames=24)
    open_, _ = marked(clip, None)
    closed, payload = marked(clip, 20)
    assert error(clip, closed) < 0.8 * error(clip, open_)
    assert detect(round_trip(closed, "libx264", {"crf": "20"}), KEY, search=False).payload == payload


def test_a_codec_too_harsh_gets_the_whole_budget_and_no_more() -> None:
    clip = graphic_clip(1, frames=24)
    open_, _ = marked(clip, None)
    closed, _ = marked(clip, 51)
    assert 0.7 * error(clip, open_) < error(clip, closed) < 1.15 * error(clip, open_)


def test_odd_sizes_keep_their_size() -> None:
    clip = graphic_clip(0, frames=9, side=257)
    closed, payload = marked(clip, 28)
    assert closed.luma.shape == clip.luma.shape
    assert detect(closed, KEY, search=False).payload == payload


@pytest.mark.parametrize("cuts", [[], [1], [71, 72, 73], [10, 20, 100, 140]])
def test_stretches_are_the_same_frames_in_portions(cuts: list[int]) -> None:
    pts = np.arange(150)
    clip = Frames(np.zeros((150, 4, 4), np.uint8), np.zeros((150, 2, 2, 2), np.uint8), pts)
    edges = [0, *cuts, 150]
    parts = list(stretches(clip[a:b] for a, b in pairwise(edges)))
    assert [len(part) for part in parts] == [STRETCH, STRETCH, 150 - 2 * STRETCH]
    assert np.array_equal(np.concatenate([part.pts for part in parts]), pts)
