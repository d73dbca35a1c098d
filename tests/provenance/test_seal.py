"""Sealing: what comes out, and that nothing comes out when anything fails."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import gethostname
from types import SimpleNamespace
from typing import Any

import c2pa
import numpy as np
import pytest
from drawn_clip import FRAMES, ORIGIN, SIDE, SPEC, Case, draw, make_settings

from countermark.core.errors import (
    CountermarkError,
    ManifestError,
    MediaError,
    PolicyRefusedError,
    RegistryError,
    UsageError,
    WatermarkError,
)
from countermark.core.media import Frames, probe
from countermark.core.settings import Settings
from provenance import seal as seal_module
from provenance import staging
from provenance.bmff import manifest_store
from provenance.credentials import load_or_create_credentials
from provenance.registry import Pending, Registry, open_registry
from provenance.seal import seal


def test_sealed_video_is_what_the_result_says(case: Case) -> None:
    sealed = case.sealed
    data = sealed.path.read_bytes()
    assert sealed.sha256 == hashlib.sha256(data).hexdigest()
    assert sealed.size_bytes == len(data)
    assert (sealed.frames, sealed.width, sealed.height) == (FRAMES, SIDE, SIDE)
    assert sealed.duration == pytest.approx(FRAMES / 24)
    assert sealed.manifest_id.startswith("urn:c2pa:")
    assert sealed.watermark.algorithm == "org.countermark.video.2"
    assert 44 < sealed.watermark.psnr < 60  # a clip whose length was not announced keeps to the budget too
    assert sealed.signer.name == "Test Studio"
    assert sealed.signer.trusted is False
    assert "this machine only" in sealed.signer.note
    assert probe(sealed.path).frame_count == FRAMES


def test_registry_entry_matches_the_file(case: Case) -> None:
    sealed = case.sealed
    with open_registry(case.settings) as registry:
        entry = registry.find("org.countermark.video.2", sealed.video_id)
        assert entry is not None
        assert registry.manifest(sealed.video_id) == manifest_store(sealed.path)
    assert entry.manifest_id == sealed.manifest_id
    assert entry.file_sha256 == sealed.sha256
    assert entry.created_at == sealed.registered_at
    assert (entry.generator, entry.generator_version, entry.title) == ("test-model", "1.2", ORIGIN.title)
    assert entry.prompt_sha256 == ORIGIN.prompt_sha256
    assert entry.policy == {"action": "allow", "policy_version": "7"}  # no words of the prompt


def test_folder_holds_nothing_else(case: Case) -> None:
    assert not [p for p in case.folder.iterdir() if p.name.startswith(".")]


def test_thumbnail_is_inside(case: Case) -> None:
    with c2pa.Reader(str(case.sealed.path)) as reader:
        manifest = reader.get_active_manifest()
    assert manifest is not None
    assert manifest["thumbnail"]["format"] == "image/jpeg"


def test_steps_are_reported_in_order(settings: Settings, tmp_path: Path) -> None:
    steps: list[str] = []
    seal(draw(), SPEC, tmp_path / "o.mp4", origin=ORIGIN, settings=settings, on_step=lambda name, _: steps.append(name))
    assert steps == ["watermark", "label", "sign", "read back", "register", "done"]


def test_frames_are_taken_chunk_by_chunk(settings: Settings, tmp_path: Path) -> None:
    """The first chunk is worked on before the last is made: memory does not grow with the clip."""
    events: list[str] = []

    def chunks() -> Iterator[Frames]:
        for number, frames in enumerate(draw(24)):
            events.append(f"made {number}")
            yield frames
            events.append(f"used {number}")

    seal(chunks(), SPEC, tmp_path / "o.mp4", origin=ORIGIN, settings=settings)
    assert events == ["made 0", "used 0", "made 1", "used 1", "made 2", "used 2"]


def assert_nothing(settings: Settings, folder: Path, output: str = "o.mp4") -> None:
    """Invariants 2 and 3: no file at the destination, no leftovers beside it, no entry and no pending row."""
    assert not (folder / output).exists()
    assert [p.name for p in folder.iterdir() if p.name != "home"] == []
    if (settings.home / "registry.db").exists():
        with open_registry(settings) as registry:
            assert registry.count() == 0
            assert registry.pending(gethostname()) == []


class DeliberateError(Exception):
    """Something nobody foresaw."""


def fail_with(error: BaseException) -> Callable[..., Any]:
    def fail(*_args: object, **_keywords: object) -> None:
        raise error

    return fail


FAULTS: dict[str, tuple[str, Callable[..., Any]]] = {
    "credentials": ("provenance.seal.load_credentials", fail_with(DeliberateError())),
    "key": ("provenance.watermark.spread.load_or_create_key", fail_with(DeliberateError())),
    "registry cannot be opened": ("provenance.seal.open_registry", fail_with(RegistryError("x", remedy="y"))),
    "registry cannot begin": ("provenance.registry.Registry.begin", fail_with(RegistryError("x", remedy="y"))),
    "embedding": ("provenance.watermark.spread.SpreadSpectrumEmbedder.process", fail_with(DeliberateError())),
    "encoding": ("countermark.core.media.writer.VideoWriter.write", fail_with(MediaError("x", remedy="y"))),
    "finishing the encoding": ("countermark.core.media.writer.VideoWriter.close", fail_with(DeliberateError())),
    "labels": ("provenance.seal.append_xmp", fail_with(OSError(28, "No space left on device"))),
    "signer": ("c2pa.Signer.from_info", fail_with(c2pa.C2paError("Signature: no"))),
    "signing": ("c2pa.Builder.sign", fail_with(c2pa.C2paError("Io: no"))),
    "empty manifest": ("c2pa.Builder.sign", lambda *_a, **_k: b""),
    "watermark does not read back": ("provenance.seal.extract", lambda *_a, **_k: SimpleNamespace(payload=None)),
    "reader": ("provenance.seal.read_report", lambda *_a, **_k: None),
    "flush": ("provenance.seal.flush_and_hash", fail_with(OSError(5, "Input/output error"))),
    "commit": ("provenance.registry.Registry.add", fail_with(RegistryError("x", remedy="y"))),
    "rename": ("provenance.staging._move_exclusively", fail_with(OSError(5, "Input/output error"))),
    "interrupt at the rename": ("provenance.staging._move_exclusively", fail_with(KeyboardInterrupt())),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_failure_of_any_step_leaves_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    target, replacement = FAULTS[fault]
    monkeypatch.setattr(target, replacement)
    with pytest.raises((CountermarkError, DeliberateError, OSError, KeyboardInterrupt)):
        seal(draw(), SPEC, tmp_path / "o.mp4", origin=ORIGIN, settings=settings)
    monkeypatch.undo()
    assert_nothing(settings, tmp_path)


def test_failing_frames_leave_nothing(settings: Settings, tmp_path: Path) -> None:
    def chunks() -> Iterator[Frames]:
        yield next(draw())
        raise DeliberateError

    with pytest.raises(DeliberateError):
        seal(chunks(), SPEC, tmp_path / "o.mp4", origin=ORIGIN, settings=settings)
    assert_nothing(settings, tmp_path)


def test_failing_listener_leaves_nothing(settings: Settings, tmp_path: Path) -> None:
    def listen(name: str, _detail: str) -> None:
        if name == "register":
            raise DeliberateError

    with pytest.raises(DeliberateError):
        seal(draw(), SPEC, tmp_path / "o.mp4", origin=ORIGIN, settings=settings, on_step=listen)
    assert_nothing(settings, tmp_path)


def test_interrupt_after_the_rename_keeps_file_and_entry_together(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = staging._move_exclusively

    def move(source: Path, output: Path) -> None:
        real(source, output)
        raise KeyboardInterrupt

    monkeypatch.setattr(staging, "_move_exclusively", move)
    with pytest.raises(KeyboardInterrupt):
        seal(draw(), SPEC, tmp_path / "o.mp4", origin=ORIGIN, settings=settings)
    with open_registry(settings) as registry:
        assert registry.count() == 1
    assert (tmp_path / "o.mp4").exists()


def test_no_frames_is_a_clear_error(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no frames"):
        seal(iter(()), SPEC, tmp_path / "o.mp4", origin=ORIGIN, settings=settings)
    assert_nothing(settings, tmp_path)


def test_frames_of_another_size_leave_nothing(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises((ValueError, WatermarkError)):
        seal(draw(side=192), SPEC, tmp_path / "o.mp4", origin=ORIGIN, settings=settings)
    assert_nothing(settings, tmp_path)


def test_video_that_cannot_carry_the_watermark_is_refused(settings: Settings, tmp_path: Path) -> None:
    black = Frames(
        np.full((2, SIDE, SIDE), 16, np.uint8), np.full((2, 2, SIDE // 2, SIDE // 2), 128, np.uint8), np.arange(2)
    )
    spec = replace(SPEC, crf=51)
    with pytest.raises(WatermarkError, match="read back"):
        seal(iter([black]), spec, tmp_path / "o.mp4", origin=ORIGIN, settings=settings)
    assert_nothing(settings, tmp_path)


@pytest.mark.parametrize("policy", [None, {}, {"action": "block"}, {"action": "review"}])
def test_generated_video_needs_an_allowing_policy(
    settings: Settings, tmp_path: Path, policy: dict[str, object] | None
) -> None:
    with pytest.raises(PolicyRefusedError):
        seal(draw(), SPEC, tmp_path / "o.mp4", origin=replace(ORIGIN, policy=policy), settings=settings)
    assert_nothing(settings, tmp_path)


def test_expired_clock_leaves_nothing(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that are not valid now: the SDK refuses, and so do we."""
    real = load_or_create_credentials

    def stale(settings: Settings) -> Any:
        return real(settings, now=datetime.now(UTC) + timedelta(days=400))

    monkeypatch.setattr(seal_module, "load_credentials", stale)
    with pytest.raises(ManifestError):
        seal(draw(), SPEC, tmp_path / "o.mp4", origin=ORIGIN, settings=settings)
    monkeypatch.undo()
    assert_nothing(settings, tmp_path)


def test_wrong_requests_are_refused_before_any_work(settings: Settings, tmp_path: Path, plain: Path) -> None:
    def run(output: Path, **changes: Any) -> None:
        seal(iter(()), SPEC, output, origin=replace(ORIGIN, **changes), settings=settings)

    (tmp_path / "there.mp4").write_bytes(b"precious")
    with pytest.raises(UsageError, match="exists already"):
        run(tmp_path / "there.mp4")
    with pytest.raises(UsageError, match="does not exist"):
        run(tmp_path / "nowhere" / "o.mp4")
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        run(tmp_path / "folder.mp4")
    with pytest.raises(UsageError, match="cannot be embedded"):
        run(tmp_path / "o.mkv")
    with pytest.raises(UsageError, match="exactly one parent"):
        run(tmp_path / "o.mp4", kind="protected")
    with pytest.raises(UsageError, match="not a file"):
        run(tmp_path / "o.mp4", ingredients=(tmp_path / "missing.png",))
    with pytest.raises(UsageError, match="also an input"):
        seal(
            iter(()),
            SPEC,
            plain,
            origin=replace(ORIGIN, kind="protected", ingredients=(plain,)),
            settings=settings,
            overwrite=True,
        )
    assert (tmp_path / "there.mp4").read_bytes() == b"precious"
    assert not settings.home.exists()


def test_overwriting_happens_in_one_step_or_not_at_all(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "o.mp4"
    output.write_bytes(b"precious")
    monkeypatch.setattr(Registry, "add", fail_with(RegistryError("x", remedy="y")))
    with pytest.raises(RegistryError):
        seal(draw(), SPEC, output, origin=ORIGIN, settings=settings, overwrite=True)
    assert output.read_bytes() == b"precious"
    monkeypatch.undo()
    sealed = seal(draw(), SPEC, output, origin=ORIGIN, settings=settings, overwrite=True)
    assert hashlib.sha256(output.read_bytes()).hexdigest() == sealed.sha256


def test_file_that_appears_meanwhile_is_not_overwritten(settings: Settings, tmp_path: Path) -> None:
    output = tmp_path / "o.mp4"

    def intrude(name: str, _detail: str) -> None:
        if name == "register":
            output.write_bytes(b"precious")

    with pytest.raises(UsageError, match="appeared"):
        seal(draw(), SPEC, output, origin=ORIGIN, settings=settings, on_step=intrude)
    assert output.read_bytes() == b"precious"
    with open_registry(settings) as registry:
        assert registry.count() == 0


CRASH = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from drawn_clip import ORIGIN, SPEC, draw, make_settings
from countermark.core.media import VideoWriter
from provenance import seal as seal_module
from provenance import staging
from provenance.registry import Registry

def die(*_args, **_keywords):
    os.kill(os.getpid(), signal.SIGKILL)

def then_die(function):
    def wrapped(*args, **keywords):
        function(*args, **keywords)
        die()
    return wrapped

PLACES = {
    "after begin": (Registry, "begin"),
    "half encoded": (VideoWriter, "write"),
    "after signing": (seal_module, "sign"),
    "after commit": (Registry, "add"),
    "after the sidecar": (seal_module, "publish_sidecar"),
    "after rename": (staging, "_move_exclusively"),
    "after finish": (Registry, "finish"),
}
for moment in sys.argv[3:]:
    child = os.fork()  # what is heavy is imported once
    if child == 0:
        folder = Path(sys.argv[2]) / moment
        folder.mkdir()
        if moment in PLACES:
            owner, name = PLACES[moment]
            setattr(owner, name, then_die(getattr(owner, name)))
        delivery = "sidecar" if moment == "after the sidecar" else "embedded"
        seal_module.seal(draw(), SPEC, folder / "crashed.mp4", origin=ORIGIN, settings=make_settings(folder),
                         delivery=delivery, on_step=lambda name, _: die() if name == moment else None)
        os._exit(1)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, (moment, status)
"""
MOMENTS = ["after begin", "watermark", "half encoded", "label", "sign", "after signing", "read back", "register"]
MOMENTS += ["after commit", "after the sidecar", "after rename", "after finish"]


@pytest.fixture(scope="module")
def wreckage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each moment, in which a sealing process was killed at it."""
    folder = tmp_path_factory.mktemp("wreckage")
    command = [sys.executable, "-c", CRASH, str(Path(__file__).parent), str(folder), *MOMENTS]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("moment", MOMENTS)
def test_kill_at_any_step_is_swept_up(wreckage: Path, moment: str) -> None:
    folder = wreckage / moment
    if moment != "after finish":  # the last step of all
        assert [p for p in folder.iterdir() if p.name.startswith((".crashed", "crashed.mp4"))]
    with open_registry(make_settings(folder)) as registry:
        staging.sweep(registry)
        survived = moment in ("after rename", "after finish")
        assert (folder / "crashed.mp4").exists() == survived
        assert registry.count() == int(survived)
        assert registry.pending(gethostname()) == []
        assert registry.audit().problems == ()
    assert {p.name for p in folder.iterdir()} == {"home"} | ({"crashed.mp4"} if survived else set())


def test_sweep_leaves_living_seals_alone(settings: Settings, tmp_path: Path) -> None:
    def sweep_meanwhile(name: str, _detail: str) -> None:
        if name == "register":
            with open_registry(settings) as registry:
                staging.sweep(registry)

    sealed = seal(draw(), SPEC, tmp_path / "o.mp4", origin=ORIGIN, settings=settings, on_step=sweep_meanwhile)
    assert sealed.path.exists()


def test_sweep_decides_nothing_that_it_cannot_see(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = seal(draw(), SPEC, tmp_path / "o.mp4", origin=ORIGIN, settings=settings)
    row = Pending(
        video_id=sealed.video_id, host=gethostname(), folder=str(tmp_path / "gone.sealing"), output=str(sealed.path)
    )
    monkeypatch.setattr(staging, "_has_content", fail_with(PermissionError(13, "Permission denied")))
    with open_registry(settings) as registry:
        registry.begin(row)
        staging.sweep(registry)
        assert registry.count() == 1
        assert registry.pending(gethostname()) == [row]
        monkeypatch.undo()
        staging.sweep(registry)
        assert registry.count() == 1
        assert registry.pending(gethostname()) == []


def test_sealing_removes_nothing_but_work_folders(settings: Settings, tmp_path: Path) -> None:
    """A pending row that points at another folder must not make the sweep delete that folder."""
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("x")
    with open_registry(settings) as registry:
        registry.begin(Pending(video_id="0" * 16, host=gethostname(), folder=str(precious), output=str(tmp_path / "o")))
        staging.sweep(registry)
        assert registry.pending(gethostname()) == []
    assert (precious / "file").exists()
