from __future__ import annotations

from pathlib import Path

import pytest
from made_clip import MakeClip

from countermark.core.errors import CountermarkError, UsageError
from countermark.core.settings import Settings
from detector import batch, screen_many, videos
from detector.verdict import Verdict


def test_folders_are_searched_and_files_taken_as_named(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    for name in ("b.mp4", "deep/a.MOV", "notes.txt"):
        (tmp_path / name).touch()
    assert videos([tmp_path]) == [tmp_path / "b.mp4", tmp_path / "deep" / "a.MOV"]
    assert videos([tmp_path / "notes.txt", tmp_path]) == [tmp_path / n for n in ("notes.txt", "b.mp4", "deep/a.MOV")]
    with pytest.raises(UsageError, match="does not exist"):
        videos([tmp_path / "missing.mp4"])
    with pytest.raises(UsageError, match="no video"):
        videos([tmp_path / "deep", tmp_path / "deep"][:0])


def test_a_defect_that_one_file_brings_out_stops_nobody(
    make_clip: MakeClip, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, **_: object) -> Verdict:
        raise TypeError("x") if path == bad else CountermarkError("y", remedy="z")

    bad, other = make_clip("bad.mp4"), make_clip("other.mp4")
    monkeypatch.setattr(batch, "screen", fail)
    found = {s.path: s.error for s in screen_many([bad, other], workers=1, settings=settings)}
    assert found == {bad: "It could not be screened (TypeError: x).", other: found[other]}


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
