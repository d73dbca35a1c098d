"""Which stretches of a video carry which payload: compilations, the logic of runs, and bounded memory."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from drawn_clip import Case
from graphic_clip import graphic_clip
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.cli.pages import verification_page
from countermark.core.errors import WatermarkError
from countermark.core.media import Frames, Limits, VideoSpec, VideoWriter
from countermark.core.settings import Settings
from provenance.extract import ranges
from provenance.verify import verify
from provenance.watermark import MarkedRange, Payload, SpreadSpectrum, Timeline, WatermarkKey, embed
from provenance.watermark.code import CODE_BITS, encode
from provenance.watermark.runs import Mark, Runs
from provenance.watermark.timeline import _chance

FPS, SECONDS = 8, 3
KEY = WatermarkKey(bytes(range(32)), issuer=3)
ONE, TWO, THREE = (Payload(issuer=3, serial=serial) for serial in (0x123456789ABC, 0x555555555555, 0x0F0F0F0F0F0F))

read_ranges = partial(ranges, limits=Limits.from_settings(Settings()), isolated=False)


def compile_video(path: Path, payloads: Sequence[Payload | None], *, crop: int = 0, mirrored: bool = False) -> Path:
    """An H.264 file of clips of three seconds each, marked or not."""
    clips = [graphic_clip(seed, frames=FPS * SECONDS) for seed in range(1, len(payloads) + 1)]
    marked = [embed(c, p, KEY) if p is not None else c for c, p in zip(clips, payloads, strict=True)]
    luma, chroma = (np.concatenate(planes) for planes in ([c.luma for c in marked], [c.chroma for c in marked]))
    if crop:
        luma, chroma = luma[:, crop:, crop:], chroma[:, :, crop // 2 :, crop // 2 :]
    if mirrored:
        luma, chroma = luma[..., ::-1], chroma[..., ::-1]
    frames = Frames(np.ascontiguousarray(luma), np.ascontiguousarray(chroma), np.arange(len(luma)), marked[0].colour)
    spec = VideoSpec(frames.width, frames.height, Fraction(FPS), Fraction(1, FPS), crf=28, preset="veryfast")
    with VideoWriter(path, spec) as writer:
        writer.write(frames)
    return path


def check(found: list[MarkedRange], *expected: tuple[float, float, Payload]) -> None:
    """To within a second, as promised."""
    assert [r.video_id for r in found] == [payload.video_id for _, _, payload in expected]
    for marked, (start, end, _) in zip(found, expected, strict=True):
        assert (marked.start, marked.end) == (pytest.approx(start, abs=1), pytest.approx(end, abs=1))
        assert 0 < marked.false_positive_rate < 1e-9


def test_a_compilation_says_which_part_is_whose(tmp_path: Path) -> None:
    path = compile_video(tmp_path / "clip.mp4", (ONE, None, TWO))
    check(read_ranges(path, SpreadSpectrum(KEY)), (0, 3, ONE), (6, 9, TWO))
    assert read_ranges(path, SpreadSpectrum(WatermarkKey(bytes(32), issuer=3)), search=False) == []


def test_neighbours_are_told_apart_and_equals_are_one(tmp_path: Path) -> None:
    path = compile_video(tmp_path / "clip.mp4", (None, ONE, TWO, TWO))
    check(read_ranges(path, SpreadSpectrum(KEY)), (3, 6, ONE), (6, 12, TWO))


@pytest.mark.parametrize("change", [{"mirrored": True}, {"crop": 40}], ids=["mirrored", "cropped"])
def test_a_compilation_that_was_distorted_is_searched(tmp_path: Path, change: dict[str, int]) -> None:
    path = compile_video(tmp_path / "clip.mp4", (ONE, None, TWO), **change)
    check(read_ranges(path, SpreadSpectrum(KEY)), (0, 3, ONE), (6, 9, TWO))


def test_an_earlier_key_of_the_issuer_is_read_too(tmp_path: Path) -> None:
    path = compile_video(tmp_path / "clip.mp4", (ONE,))
    check(read_ranges(path, SpreadSpectrum(WatermarkKey(bytes(32), issuer=3), retired=(KEY,))), (0, 3, ONE))


def test_an_unmarked_video_has_no_ranges(tmp_path: Path) -> None:
    assert read_ranges(compile_video(tmp_path / "clip.mp4", (None, None)), SpreadSpectrum(KEY)) == []


def test_times_are_those_of_the_frames() -> None:
    """A slow start, and a gap: one frame may last longer than a window."""
    marked = embed(graphic_clip(1), ONE, KEY)
    timeline = Timeline([KEY], (256, 256))
    timeline.update(marked, np.array([10.0, 13.0, *np.linspace(14, 15, 15)]))
    (found,) = timeline.ranges()
    assert (found.start, found.end) == (10, pytest.approx(15 + 1 / 14))


def test_no_frames_and_wrong_frames() -> None:
    assert Timeline([KEY], (256, 256)).ranges() == []
    with pytest.raises(WatermarkError, match="256x256"):
        Timeline([KEY], (128, 128)).update(graphic_clip(1), np.arange(17.0))


def test_verify_tells_the_timeline_when_asked(case: Case) -> None:
    result = verify(case.sealed.path, timeline=True, settings=case.settings)
    assert result.timeline is not None
    (found,) = result.timeline
    assert (found.start, found.end) == (0, pytest.approx(17 / 24, abs=0.01))
    assert found.video_id == case.sealed.video_id
    rows = [row.text for row in verification_page(result).rows if row.label == "timeline"]
    assert rows == [f"0:00.0 to 0:00.7  {case.sealed.video_id}"]
    assert verify(case.sealed.path, settings=case.settings).timeline is None


def test_the_state_does_not_grow() -> None:
    rng = np.random.default_rng(1)
    timeline = Timeline([KEY], (128, 128), search=False)
    sizes = []
    for second in range(40):
        luma = rng.integers(0, 256, (2, 128, 128), np.uint8)
        frames = Frames(luma, np.full((2, 2, 64, 64), 128, np.uint8), np.arange(2))
        timeline.update(frames, np.array([second, second + 0.5]))
        sizes.append(len(pickle.dumps(timeline)))
    assert max(sizes[10:]) < sizes[10] * 1.001


def test_a_reading_by_chance_is_bounded_by_the_check_and_by_the_cosine() -> None:
    assert _chance(0.1, 16) == 2.0**-27
    assert _chance(0.5, 16) < 1e-12
    assert _chance(0.5, 0) > _chance(0.5, 16) > _chance(0.6, 16)


class _SoftReader:
    """Windows are soft values [512]; of all payloads there are three, so the best cosine decides."""

    marks = tuple(Mark(payload, KEY, np.eye(3), 1e-9) for payload in (ONE, TWO, THREE))

    def read(self, windows: Sequence[np.ndarray], *, search: bool) -> tuple[Mark, int] | None:
        lengths = [length for length in (1, 2, 4, 8) if length <= len(windows)]
        tries = [(self._cosine(windows[-n:], mark), n, i) for n in lengths for i, mark in enumerate(self.marks)]
        cosine, length, index = max(tries)
        return (self.marks[index], length) if cosine > 0.5 else None

    def fits(self, windows: Sequence[np.ndarray], mark: Mark) -> bool:
        return self._cosine(windows, mark) > 0.2

    @staticmethod
    def _cosine(windows: Sequence[np.ndarray], mark: Mark) -> float:
        total = np.sum(windows, axis=0)
        sign = 1 - 2 * encode(mark.payload.to_bits()).astype(float)
        return float(total @ sign / (np.linalg.norm(total) * CODE_BITS**0.5))


def soft_runs(windows: Sequence[tuple[Payload | None, float]]) -> list[tuple[int, int, Payload]]:
    """What is found in windows that carry a payload at a cosine of about ``strength / sqrt(1 + strength**2)``."""
    rng, runs = np.random.default_rng(7), Runs(_SoftReader())
    for index, (payload, strength) in enumerate(windows):
        soft = rng.normal(size=CODE_BITS)
        if payload is not None:
            soft += strength * (1 - 2 * encode(payload.to_bits()).astype(float))
        runs.add(index, index + 1, soft)
    return [(round(run.start), round(run.end), run.mark.payload) for run in runs.finish()]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([ONE, TWO, THREE, None]), st.integers(3, 20)), min_size=1, max_size=8))
def test_runs_are_exactly_the_segments(segments: list[tuple[Payload | None, int]]) -> None:
    expected: list[tuple[int, int, Payload]] = []
    at = 0
    for payload, length in segments:
        if payload is not None:
            same = expected and expected[-1][1] == at and expected[-1][2] == payload
            start = expected.pop()[0] if same else at
            expected.append((start, at + length, payload))
        at += length
    assert soft_runs([(payload, 1.5) for payload, length in segments for _ in range(length)]) == expected


@given(st.integers(1, 2), st.integers(3, 9), st.integers(3, 9))
@settings(max_examples=20, deadline=None)
def test_a_drop_out_of_two_windows_does_not_split_a_run(gap: int, before: int, after: int) -> None:
    windows = [(ONE, 1.5)] * before + [(ONE, 0.0)] * gap + [(ONE, 1.5)] * after
    assert soft_runs(windows) == [(0, before + gap + after, ONE)]


def test_another_payload_splits_a_run_however_short() -> None:
    windows = [(ONE, 1.5)] * 5 + [(TWO, 1.5)] + [(ONE, 1.5)] * 5
    assert soft_runs(windows) == [(0, 5, ONE), (5, 6, TWO), (6, 11, ONE)]


def test_a_mark_too_weak_for_one_window_is_read_from_several() -> None:
    ((start, end, payload),) = soft_runs([(ONE, 0.35)] * 24)
    assert (payload, start) == (ONE, 0)
    assert end >= 22
