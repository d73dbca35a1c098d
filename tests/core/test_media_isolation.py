"""The child process: confined, watched, and always put away."""

from __future__ import annotations

import gc
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from media_clips import clip, spec, write

from countermark.core.errors import MediaError, MediaLimitError
from countermark.core.media import Frames, Limits, VideoReader, VideoWriter, isolate, probe
from countermark.core.media.isolate import Child


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("video") / "clip.mp4", clip(120, 320, 240))


def child_of(reader: VideoReader) -> Child:
    child = reader._source
    assert isinstance(child, Child)
    return child


def gone(pid: int) -> bool:
    """No process, not even a zombie."""
    return not Path(f"/proc/{pid}").exists()


def test_the_child_is_confined(video: Path) -> None:
    limits = Limits(max_seconds_cpu=77)
    with VideoReader(video, limits, chunk=1) as reader:
        pid = child_of(reader).pid
        assert resource.prlimit(pid, resource.RLIMIT_AS)[0] == limits.max_memory_bytes
        assert resource.prlimit(pid, resource.RLIMIT_CPU)[0] == 77
        assert resource.prlimit(pid, resource.RLIMIT_FSIZE) == (0, 0)
        assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"COUNTERMARK" not in environment
        assert b"PATH=" not in environment.replace(b"LD_LIBRARY_PATH=", b"")
        open_files = {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
        assert {name for name in open_files if name.startswith("/")} <= {"/dev/null", str(video)}


def test_the_child_imports_no_more_than_it_needs(video: Path) -> None:
    code = (
        "import sys; import countermark.core.media.worker, countermark.core.media.decode, countermark.core.media.remux;"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"av", "numpy", "countermark"} <= set(run.stdout.split())
    assert not {"pydantic", "torch", "c2pa", "sqlalchemy"} & set(run.stdout.split())


def test_the_child_is_gone_after_use(video: Path) -> None:
    with VideoReader(video) as reader:
        pid = child_of(reader).pid
        for _ in reader:
            pass
        assert gone(pid)  # at the end of the frames already
    with VideoReader(video, chunk=1) as reader:
        pid = child_of(reader).pid
        next(iter(reader))
    assert gone(pid)
    forgotten = VideoReader(video)
    pid = child_of(forgotten).pid
    frames = iter(forgotten)
    next(frames)
    del forgotten, frames
    gc.collect()
    assert gone(pid)


def test_the_child_dies_with_its_parent(video: Path) -> None:
    code = (
        "import sys, time; from countermark.core.media import VideoReader;"
        "reader = VideoReader(sys.argv[1], chunk=1); next(iter(reader));"
        "print(reader._source.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(video)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert not gone(pid)
        parent.kill()
    for _ in range(100):
        # Where nobody reaps orphans, a dead one stays as a zombie.
        if gone(pid) or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return
        time.sleep(0.05)
    pytest.fail("the child outlived its parent")


def test_a_slow_consumer_holds_the_child_back(video: Path) -> None:
    with VideoReader(video, Limits(max_seconds_silent=0.5), chunk=4) as reader:
        chunks = iter(reader)
        next(chunks)
        time.sleep(1.0)  # longer than the watchdog allows the child: time nobody waits does not count
        assert sum(len(frames) for frames in chunks) == 116


def test_too_little_memory_is_a_limit(video: Path, tmp_path: Path) -> None:
    with VideoReader(video, chunk=1) as reader:
        next(iter(reader))
        status = Path(f"/proc/{child_of(reader).pid}/status").read_text()
    enough_for_small = int(status.split("VmPeak:")[1].split()[0]) * 1024
    limits = Limits(max_memory_bytes=enough_for_small + 16 * 1024**2)
    assert probe(video, limits=limits).width == 320
    luma, chroma = np.full((4, 2304, 4096), 90, np.uint8), np.full((4, 2, 1152, 2048), 128, np.uint8)
    large = write(tmp_path / "large.mp4", Frames(luma, chroma, np.arange(4)))
    with pytest.raises(MediaLimitError, match="more memory"), VideoReader(large, limits) as reader:
        list(reader)


def test_processor_time_is_a_limit(video: Path) -> None:
    with VideoReader(video, Limits(max_seconds_cpu=7), chunk=1) as reader:
        os.kill(child_of(reader).pid, signal.SIGXCPU)  # what the kernel sends at the limit
        with pytest.raises(MediaLimitError, match="7 s of processor time"):
            list(reader)


def test_a_decoder_that_crashes_is_an_error(video: Path) -> None:
    with VideoReader(video, chunk=1) as reader:
        os.kill(child_of(reader).pid, signal.SIGSEGV)
        with pytest.raises(MediaError, match="SIGSEGV"):
            list(reader)


def test_a_decoder_that_stalls_is_given_up(video: Path) -> None:
    with VideoReader(video, Limits(max_seconds_silent=0.3), chunk=1) as reader:
        pid = child_of(reader).pid
        os.kill(pid, signal.SIGSTOP)
        started = time.monotonic()
        with pytest.raises(MediaError, match=r"given up: nothing came for 0\.3 s"):
            list(reader)
        assert time.monotonic() - started < 5
    assert gone(pid)


@pytest.mark.parametrize(
    "answer",
    [
        "os.write(pipe, b'x' * 17)",
        "os.write(pipe, struct.pack('<cqQ', b'I', 0, 1 << 40))",
        "os.write(pipe, struct.pack('<cqQ', b'I', 0, 4) + b'nope')",
        "os.write(pipe, struct.pack('<cqQ', b'I', 0, 2) + b'[]')",
        "os.close(pipe); import time; time.sleep(60)",
    ],
)
def test_a_child_that_lies_is_not_believed(video: Path, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    boot = f"import os, struct, sys; pipe = int(sys.argv[1]); {answer}"
    started: list[int] = []

    class Recorded(subprocess.Popen[bytes]):
        def __init__(self, *args: object, **options: object) -> None:
            super().__init__(*args, **options)  # type: ignore[call-overload]
            started.append(self.pid)

    monkeypatch.setattr(isolate, "_BOOT", boot)
    monkeypatch.setattr(isolate.subprocess, "Popen", Recorded)
    with pytest.raises(MediaError, match="nonsense"):
        probe(video)
    assert [gone(pid) for pid in started] == [True]


def test_frames_of_another_size_are_not_believed(video: Path) -> None:
    with VideoReader(video) as reader, pytest.raises(MediaError, match="nonsense"):
        next(child_of(reader).pictures(322, 240))


def test_memory_does_not_grow_with_length(tmp_path: Path) -> None:
    one = clip(1, 640, 360)
    path = tmp_path / "clip.mp4"
    with VideoWriter(path, spec(640, 360)) as writer:
        for index in range(240):
            writer.write(Frames(one.luma, one.chroma, np.array([index])))
    with VideoReader(path, chunk=8) as reader:
        pid, sizes = child_of(reader).pid, []
        for frames in reader:
            assert len(frames) == 8
            if not gone(pid):
                sizes.append(resident(pid))
    assert len(sizes) > 10
    assert max(sizes[5:]) - sizes[5] < 60 * 640 * 360 * 3 // 2  # a quarter of the decoded video


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
