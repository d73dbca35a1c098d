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

from benchmarks.clips import MATERIALS, read
from countermark.cli.pages import verification_page
from countermark.core.errors import WatermarkError
from countermark.core.media import Frames, Limits, VideoSpec, VideoWriter, transcode
from countermark.core.settings import Settings
from provenance.extract import extract, ranges
from provenance.verify import verify
from provenance.watermark import MarkedRange, Payload, SpreadSpectrum, Timeline, WatermarkKey, embed
from provenance.watermark.carriers import deal
from provenance.watermark.code import CODE_BITS, encode
from provenance.watermark.detector import SpreadSpectrumDetector
from provenance.watermark.interface import Mark
from provenance.watermark.runs import Runs
from provenance.watermark.segments import Segments
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


def test_ends_are_given_to_the_millisecond() -> None:
    timeline = Timeline([KEY], (256, 256), search=False)
    timeline.update(
        embed(graphic_clip(1, frames=20), ONE, KEY), np.arange(20) * 0.1 + 0.2
    )  # ends at 2.1999999999999997
    (found,) = timeline.ranges()
    assert (found.start, found.end) == (0.2, 2.2)


def test_an_unmarked_video_has_no_ranges(tmp_path: Path) -> None:
    assert read_ranges(compile_video(tmp_path / "clip.mp4", (None, None)), SpreadSpectrum(KEY)) == []


def test_times_are_those_of_the_frames() -> None:
    """A slow start, and a gap: one frame may last longer than a window."""
    marked = embed(graphic_clip(1), ONE, KEY)
    timeline = Timeline([KEY], (256, 256))
    timeline.update(marked, np.array([10.0, 13.0, *np.linspace(14, 15, 15)]))
    (found,) = timeline.ranges()
    assert (found.start, found.end) == (10, 15.071)  # and one fourteenth


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


def noisy(payloads: Sequence[Payload | None], deviation: float) -> Frames:
    """Clips of 2.5 seconds each, marked or not, under noise that changes from frame to frame."""
    clips = [graphic_clip(seed, frames=20) for seed in range(1, len(payloads) + 1)]
    luma = np.concatenate([embed(c, p, KEY).luma if p else c.luma for c, p in zip(clips, payloads, strict=True)])
    noise = np.random.default_rng(9).normal(0, deviation, luma.shape)
    chroma = np.concatenate([clip.chroma for clip in clips])
    return Frames(np.rint((luma + noise).clip(0, 255)).astype(np.uint8), chroma, np.arange(len(luma)), clips[0].colour)


def timeline_of(frames: Frames, known: Mark | None) -> list[MarkedRange]:
    timeline = Timeline([KEY], (frames.height, frames.width), search=False, known=known)
    timeline.update(frames, frames.pts / FPS)
    return timeline.ranges()


@pytest.mark.parametrize(("deviation", "recalled"), [(60, False), (100, True)])
def test_what_the_whole_video_carries_has_a_range(deviation: float, recalled: bool) -> None:
    """Read from all frames, or only recalled: too weak for windows, until one message alone is asked for."""
    frames = noisy([ONE], deviation)
    detector = SpreadSpectrumDetector([KEY], (256, 256))
    detector.update(frames)
    verdict = detector.result(search=False, register=[ONE, TWO, THREE])
    assert (detector.result(search=False).payload is None) == recalled
    assert verdict.payload == ONE
    assert timeline_of(frames, None) == []
    (found,) = timeline_of(frames, verdict.mark)
    assert (found.start, found.end, found.video_id) == (0, 2.5, ONE.video_id)
    assert found.false_positive_rate < 1e-6


def test_a_weak_mark_has_its_parts_and_no_more() -> None:
    frames = noisy([ONE, None, ONE], 60)
    assert timeline_of(frames, None) == []
    found = timeline_of(frames, Mark(ONE, KEY, np.eye(3), 0.0))
    assert [(r.start, r.end, r.video_id) for r in found] == [(0, 2.5, ONE.video_id), (5, 7.5, ONE.video_id)]


def test_a_known_mark_leaves_others_their_place(tmp_path: Path) -> None:
    path = compile_video(tmp_path / "clip.mp4", (ONE, TWO, ONE, None))
    for known in (ONE, TWO):
        found = read_ranges(path, SpreadSpectrum(KEY), known=Mark(known, KEY, np.eye(3), 0.0))
        assert [(r.start, r.end, r.video_id[-4:]) for r in found] == [(0, 3, "9abc"), (3, 6, "5555"), (6, 9, "9abc")]


def test_verify_and_its_timeline_agree(case: Case, tmp_path: Path) -> None:
    """Of a clip coded so harshly that it is just read, or recalled, the timeline shows what the verdict names."""
    seen = set()
    for crf in (33, 39, 45):
        path = tmp_path / f"{crf}.mp4"
        transcode(case.sealed.path, path, crf=crf)
        result = verify(path, timeline=True, settings=case.settings)
        assert result.timeline is not None
        assert [r.video_id for r in result.timeline] == [result.video_id] * (result.video_id is not None)
        seen.add(result.video_id)
    assert seen == {case.sealed.video_id, None}


def test_real_clips_that_are_just_read_have_their_range(shared_data: Path, tmp_path: Path) -> None:
    """2.5 seconds of 360 lines, coded harshly."""
    for name, crf in (("real_franka_knock", 40), ("generated_gen2_1", 41), ("real_dirtydancing", 36)):
        clip = MATERIALS["360p"].shape(read(shared_data / "video" / "watermark" / f"{name}.mp4", 60))
        spec = VideoSpec(clip.width, clip.height, Fraction(24), Fraction(1, 24), crf=crf)
        with VideoWriter(tmp_path / f"{name}.mp4", spec) as writer:
            writer.write(embed(clip, ONE, KEY))
        limits, watermark = Limits.from_settings(Settings()), SpreadSpectrum(KEY)
        found = extract(tmp_path / f"{name}.mp4", watermark, limits, search=False, isolated=False)
        assert found.payload == ONE
        check(read_ranges(tmp_path / f"{name}.mp4", watermark, search=False, known=found.mark), (0, 2.5, ONE))


def spectra(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    first, second = rng.normal(size=(2, 320, 320)).astype(np.float32)
    return first, second


@pytest.mark.parametrize("still", [False, True], ids=["moving", "still"])
def test_chance_seldom_makes_a_stretch(still: bool) -> None:
    """In a still scene every window repeats what chance made of the first."""
    rng, rates = np.random.default_rng(11), []
    for _ in range(150):
        segments, scene = Segments(Mark(ONE, KEY, np.eye(3), 0.0)), spectra(rng)
        for second in range(5):
            segments.add(second, second + 1, scene if still else spectra(rng))
        rates += [found.false_positive_rate for found in segments.find()]
    assert np.mean(np.array(rates) < 0.3) <= 0.3
    assert min(rates) > 1e-4  # the threshold is 1e-6


def test_where_nothing_is_clear_one_place_is_named() -> None:
    """The likeliest, with the chance that it is nothing."""
    rng, segments = np.random.default_rng(12), Segments(Mark(ONE, KEY, np.eye(3), 0.0))
    assert segments.find() == []
    scenes = [spectra(rng) for _ in range(4)]
    for second in range(8):  # all of it twice, so that two places fit equally well
        segments.add(second, second + 1, scenes[second % 4])
    (found,) = segments.find()
    assert 0.01 < found.false_positive_rate <= 1
    assert segments.find([(0, 8)]) == []
    assert all(each.end <= 3 or each.start >= 5 for each in segments.find([(3, 5)]))


def test_of_places_that_are_not_clear_the_one_that_fits_best_is_named() -> None:
    """In a still scene every window repeats the one before, so that two may each seem worth a stretch."""
    rng, key = np.random.default_rng(14), deal(KEY)
    word = 1 - 2 * encode(ONE.to_bits()).astype(np.float32)
    segments, scenes = Segments(Mark(ONE, KEY, np.eye(3), 0.0)), [spectra(rng)[0] for _ in range(3)]
    for scene, strength in enumerate((0.045, -0.1, 0.045)):
        scenes[scene].reshape(-1)[key.both.coefficient] += strength * word * key.both.sign
    for second in range(14):
        plane = scenes[(second >= 4) + (second >= 10)]
        segments.add(second, second + 1, (plane, plane))
    (found,) = segments.find()
    assert (found.start, found.end) == (10, 14)


def test_segments_of_a_long_video_are_joined() -> None:
    """A thousand windows in the memory of 256; what is marked is found to within four of them, which were joined."""
    rng, key = np.random.default_rng(13), deal(KEY)
    word = 1 - 2 * encode(ONE.to_bits()).astype(np.float32)
    segments, noise = Segments(Mark(ONE, KEY, np.eye(3), 0.0)), [spectra(rng) for _ in range(8)]
    for index in range(1000):
        pair = tuple(plane.copy() for plane in noise[index % 8])
        if 300 <= index < 500:
            for plane in pair:
                flat = plane.reshape(-1)
                flat[key.both.coefficient] += 0.3 * word * key.both.sign
        segments.add(index / 2, (index + 1) / 2, (pair[0], pair[1]))
        assert len(pickle.dumps(segments)) < 2**22 + 2**20
    assert segments.joined
    (found,) = segments.find()
    assert (found.start, found.end) == (pytest.approx(150, abs=2), pytest.approx(250, abs=2))


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


@settings(max_examples=50)
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
@settings(max_examples=20)
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
