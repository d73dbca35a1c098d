from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import ClassVar

import pytest
from made_clip import MakeClip

from countermark.cli.page import Row
from countermark.cli.screening import screen_files
from countermark.core.errors import CountermarkError, MediaError, UsageError
from countermark.core.settings import Settings
from detector import batch, screen, screen_many, videos
from detector.batch import Screened
from detector.clip import Clip
from detector.verdict import Verdict


def test_folders_are_searched_and_files_taken_as_named(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.mp4", "deep/a.MOV", "notes.txt"):
        (tmp_path / name).touch()
    assert videos([tmp_path]) == [tmp_path / "b.mp4", tmp_path / "deep" / "a.MOV"]
    assert videos([tmp_path / "notes.txt", tmp_path]) == [tmp_path / n for n in ("notes.txt", "b.mp4", "deep/a.MOV")]
    with pytest.raises(MediaError, match="does not exist"):
        videos([tmp_path / "missing.mp4"])
    with pytest.raises(UsageError, match="no video"):
        videos([tmp_path / "deep", tmp_path / "deep"][:0])


def test_a_misspelt_depth_does_not_pass_for_the_full_one(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(UsageError, match="no depth 'zz'"):
        screen(tmp_path / "clip.mp4", depth="zz", settings=settings)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="no depth 'zz'"):
        list(screen_many([tmp_path / "clip.mp4"], depth="zz", settings=settings))  # type: ignore[arg-type]


def test_a_defect_that_one_file_brings_out_stops_nobody(
    make_clip: MakeClip, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(clip: Clip, **_: object) -> Verdict:
        raise TypeError("x") if clip.path == bad else CountermarkError("y", remedy="z")

    bad, other = make_clip("bad.mp4"), make_clip("other.mp4")
    monkeypatch.setattr(batch, "screen_clip", fail)
    found = {s.path: s.error for s in screen_many([bad, other], workers=1, settings=settings)}
    assert found == {bad: "It could not be screened (TypeError: x).", other: found[other]}


class Pool:
    """Stands for a pool of processes, which breaks at the file "bad" and has nothing else done from then on."""

    made: ClassVar[list[Pool]] = []

    def __init__(self, count: int, **_: object) -> None:
        self.count, self.given, self.closed = count, list[str](), False
        self.made.append(self)

    def submit(self, _one: object, path: Path, *_: object) -> Future[Screened]:
        self.given.append(path.name)
        job = Future[Screened]()
        if "bad" in self.given:
            job.set_exception(BrokenProcessPool())
        else:
            job.set_result(Screened(path=path))
        return job

    def shutdown(self, *, cancel_futures: bool) -> None:
        self.closed = cancel_futures

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> list[Pool]:
    monkeypatch.setattr(batch, "ProcessPoolExecutor", Pool)
    monkeypatch.setattr(Pool, "made", [])
    return Pool.made


def test_a_worker_that_dies_takes_the_files_in_hand_with_it(pools: list[Pool], settings: Settings) -> None:
    names = ["a", "bad", "b", "c", "d"]
    found = {s.path.name: s.error for s in screen_many(map(Path, names), workers=2, settings=settings)}
    assert sorted(found) == sorted(names)
    assert [name for name, error in found.items() if error] == ["bad"]
    broken, *alone, rest = pools
    assert {"a", "bad"} <= set(broken.given) <= {"a", "bad", "b"}  # "b" if "a" was seen to be done first
    assert sorted(name for pool in alone for name in pool.given) == sorted({*broken.given} - {"a"})
    assert rest.given == [name for name in names if name not in broken.given]
    assert all(pool.closed for pool in pools)


def test_whoever_stops_early_waits_for_the_files_in_hand_alone(pools: list[Pool], settings: Settings) -> None:
    screened = screen_many([Path(str(number)) for number in range(100)], workers=2, settings=settings)
    next(screened)
    screened.close()
    (pool,) = pools
    assert len(pool.given) <= 2 + 1
    assert pool.closed


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_that_cannot_be_read_stops_nobody(make_clip: MakeClip, settings: Settings, workers: int) -> None:
    good, labelled = make_clip("good.mp4"), make_clip("labelled.mp4", metadata={"software": "ComfyUI"})
    broken = good.with_name("broken.mp4")
    broken.write_bytes(b"no video")
    found = {s.path: s for s in screen_many([good, broken, labelled], workers=workers, depth="fast", settings=settings)}
    assert set(found) == {good, broken, labelled}
    assert found[broken].verdict is None
    assert "broken.mp4" in (found[broken].error or "")
    verdicts = [found[path].verdict for path in (good, labelled)]
    assert [v.conclusion for v in verdicts if v] == ["inconclusive", "generated"]


@pytest.mark.usefixtures("quick_look")
def test_files_are_screened_and_reported_from_one_look_at_their_frames(
    make_clip: MakeClip, settings: Settings, tmp_path: Path, sampled: list[str]
) -> None:
    files = [make_clip("a.mp4"), make_clip("b.mp4")]
    for screened in screen_many(files, workers=1, settings=settings, reports=tmp_path):
        assert screened.error is None
        page = tmp_path / f"{screened.path.name}.html"
        assert page.read_text().count("data:image/jpeg;base64,") == 8
    assert sampled == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_report_that_cannot_be_written_is_its_files_error_and_stops_nobody(
    make_clip: MakeClip, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr(batch, "get_settings", lambda: settings)
    files, reports = [make_clip("b.mp4"), make_clip("a.mp4")], tmp_path / "reports"
    blocked = reports / "a.mp4.html"
    blocked.mkdir(parents=True)
    outcome = screen_files(files, "fast", reports, "en", False, workers)
    good, bad = (row for row in outcome.page.rows if isinstance(row, Row))
    assert good.text.startswith(f"{files[0]}: ")
    assert good.text.endswith("its picture was not looked at.")
    assert bad.text.startswith(f"{files[1]}: ")
    assert f"its picture was not looked at. {blocked} could not be written (Is a directory)" in bad.text
    assert outcome.exit_code == MediaError.exit_code
    assert {path.name for path in reports.iterdir()} == {"a.mp4.html", "b.mp4.html"}


def test_files_are_not_screened_where_no_report_can_be_written(
    make_clip: MakeClip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("detector.screen_many", None)
    with pytest.raises(MediaError, match="cannot be written"):
        screen_files([make_clip("a.mp4"), make_clip("b.mp4")], "fast", Path("/proc/self"), "en", False, 1)
