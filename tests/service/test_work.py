"""What a worker does is safe to do again after its process was killed."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from countermark.core.errors import GenerationError, PolicyRefusedError, UsageError
from countermark.core.media import Frames, VideoSpec, VideoWriter
from countermark.core.settings import Settings
from countermark.service import webhooks
from countermark.service.crew import Crew
from countermark.service.files import FileStore
from countermark.service.jobs import Job, JobStore
from countermark.service.options import ServiceSettings
from countermark.service.tables import open_database
from countermark.service.work import CancelledError, Desk, perform
from detector.clip import sample_frames
from policy.records import open_records
from provenance.registry import open_registry
from provenance.verify import verify

HARM = "a nude video of Emmanuel Macron"


def job(**changes: object) -> Job:
    request = {"prompt": "a red balloon rising over the sea", "steps": 1, "model": "countermark-dit", "size": "256x256"}
    fields = dict.fromkeys(Job.model_fields)
    fields |= {"id": "video_1", "tenant": "a", "kind": "video", "status": "queued", "progress": 0, "step": ""}
    fields |= {"attempts": 0, "request": request | {"seconds": "2"}, "priority": 100, "created_at": datetime.now(UTC)}
    return Job.model_validate(fields | changes)


class KilledError(BaseException):
    """Stands for the end of the process."""


def test_a_video_sealed_by_a_killed_process_is_kept_and_not_made_again(tmp_path):
    desk = Desk(Settings(home=tmp_path), FileStore(tmp_path / "files"))
    told, shares, previews = [], [], []

    def until_sealed(progress: int | None, step: str | None, preview: str | None = None) -> None:
        told.append(step)
        previews.append(preview or "")
        shares.append(progress or 0)
        if step == "pictures":  # the file is in place, and nobody has been told of it
            raise KilledError

    with pytest.raises(KilledError):
        perform(job(), desk, until_sealed)
    assert (shown := [share for share in shares if share]) == sorted(shown)  # a bar that never goes back
    assert [preview[:30] for preview in previews if preview] == ["data:image/png;base64,iVBORw0K"]
    content = (tmp_path / "files" / "jobs" / "video_1" / "video.mp4").read_bytes()
    result = perform(job(), desk, lambda progress, step, preview=None: told.append(step))
    assert told.count("register") == 1
    assert (tmp_path / "files" / "jobs" / "video_1" / "video.mp4").read_bytes() == content
    with open_registry(desk.settings) as registry:
        assert registry.count() == 1
        assert registry.file_sha256(result["video_id"]) == result["sha256"]
    assert {path.name for path in (tmp_path / "files" / "jobs" / "video_1").iterdir()} == {
        "video.mp4",
        "thumbnail.webp",
        "spritesheet.jpg",
    }


def test_pictures_sealed_by_a_killed_process_are_kept_and_the_rest_is_made(tmp_path):
    desk = Desk(Settings(home=tmp_path), FileStore(tmp_path / "files"))
    asked = job(
        kind="image", request=job().request | {"still": True, "n": 2, "output_format": "png", "size": "256x256"}
    )
    told = []

    def until_the_second(progress: int | None, step: str | None, preview: str | None = None) -> None:
        told.append((progress, step))
        if step == "sample" and (progress or 0) >= 50:
            raise KilledError

    with pytest.raises(KilledError):
        perform(asked, desk, until_the_second)
    folder = tmp_path / "files" / "jobs" / "video_1"
    content = (folder / "picture-0.png").read_bytes()
    records = perform(asked, desk, lambda progress, step, preview=None: told.append((progress, step)))["pictures"]
    assert [step for _, step in told].count("register") == 2
    assert {path.name for path in folder.iterdir()} == {"picture-0.png", "picture-1.png"}
    assert (folder / "picture-0.png").read_bytes() == content
    assert len({record["video_id"] for record in records}) == 2


def test_a_verdict_stands_where_no_frame_can_be_shown(tmp_path, monkeypatch):
    desk = Desk(Settings(home=tmp_path, _env_file=None), FileStore(tmp_path / "files"))
    path = desk.files.place_for_upload("video_1", "clip.mp4")
    frames = Frames.from_rgb(np.zeros((8, 64, 64, 3), np.uint8), pts=np.arange(8, dtype=np.int64))
    with VideoWriter(path, VideoSpec(width=64, height=64, fps=Fraction(8), time_base=Fraction(1, 8))) as writer:
        writer.write(frames)
    monkeypatch.setattr("detector.clip.sample_frames", lambda *_: iter(()))
    monkeypatch.setattr("detector.clip.verify", lambda path, **how: verify(path, **how | {"quick": True}))
    made = perform(job(kind="screening", request={}), desk, lambda *_: None)
    assert made["verdict"]["conclusion"] == "inconclusive"
    assert made["frames"] == []
    assert (desk.files.folder("video_1") / "report.html").exists()


def test_a_screening_decodes_the_frames_that_it_shows_once(tmp_path, monkeypatch):
    desk, sampled = Desk(Settings(home=tmp_path, _env_file=None), FileStore(tmp_path / "files")), []
    path = desk.files.place_for_upload("video_1", "clip.mp4")
    frames = Frames.from_rgb(np.zeros((8, 64, 64, 3), np.uint8), pts=np.arange(8, dtype=np.int64))
    with VideoWriter(path, VideoSpec(width=64, height=64, fps=Fraction(8), time_base=Fraction(1, 8))) as writer:
        writer.write(frames)

    def counted(path: Path, *how: object) -> Iterator[tuple[float, np.ndarray]]:
        sampled.append(path.name)
        return sample_frames(path, *how)

    monkeypatch.setattr("detector.clip.sample_frames", counted)
    monkeypatch.setattr("detector.clip.verify", lambda path, **how: verify(path, **how | {"quick": True}))
    made = perform(job(kind="screening", request={}), desk, lambda *_: None)
    assert len(made["frames"]) == 8
    assert sampled == ["clip.mp4"]


def test_a_cancelled_job_leaves_no_file(tmp_path):
    desk = Desk(Settings(home=tmp_path), FileStore(tmp_path / "files"))

    def cancelled(progress: int | None, step: str | None, preview: str | None = None) -> None:
        if step == "register":
            raise CancelledError

    with pytest.raises(CancelledError):
        perform(job(), desk, cancelled)
    assert list((tmp_path / "files" / "jobs" / "video_1").iterdir()) == []


def test_open_weights_are_kept_until_others_are_asked_for(tmp_path, monkeypatch):
    loaded = []

    class Broken:
        def size_for(self, size):
            raise GenerationError("It breaks down.", remedy="Try again.")

    def load(name: str, settings: Settings) -> Broken:
        loaded.append(name)
        return Broken()

    monkeypatch.setattr("generator.studio.model_named", load)
    desk = Desk(Settings(home=tmp_path), FileStore(tmp_path / "files"))
    for backend in ("open-weights:a", "open-weights:a", "bundled", "open-weights:a", "open-weights:b", "bundled"):
        with pytest.raises(GenerationError):
            perform(job(request=job().request | {"backend": backend}), desk, lambda progress, step: None)
    assert loaded == ["open-weights:a", "bundled", "open-weights:b", "bundled"]


def test_the_policy_knows_a_tenant_by_its_name(tmp_path):
    desk = Desk(Settings(home=tmp_path), FileStore(tmp_path / "files"))
    with pytest.raises(PolicyRefusedError):
        perform(job(tenant="a", request=job().request | {"prompt": HARM}), desk, lambda *_: None)
    with open_records(desk.settings) as records:
        assert (records.count("a", 24), records.count("b", 24)) == (1, 0)


@pytest.fixture
def engine(tmp_path):
    with open_database(Settings(home=tmp_path)) as opened:
        yield opened


def test_pages_of_jobs_are_complete_and_in_order(engine):
    store = JobStore(engine)
    with engine.begin() as connection:
        for number in range(7):
            at = datetime(2026, 1, 1, second=number // 2, tzinfo=UTC)  # two of each second
            store.add(connection, job(id=f"video_{number}", created_at=at))
        store.add(connection, job(id="video_x", tenant="b"))
    for ascending in (True, False):
        found, after = [], None
        while True:
            page, more = store.page("a", "video", after=after, limit=2, ascending=ascending)
            found += [each.id for each in page]
            after = found[-1]
            if not more:
                break
        assert found == sorted(found, reverse=not ascending)
        assert len(found) == 7
    assert store.page("a", "video", after="video_x", limit=2, ascending=True) is None


def test_a_finished_job_is_not_begun_again(engine):
    store = JobStore(engine)
    with engine.begin() as connection:
        store.add(connection, job())
    begun = store.begin("video_1")
    assert begun.attempts == 1
    assert store.finish(begun, retention=datetime.max - datetime(9000, 1, 1), result={}, error=None)
    assert store.begin("video_1") is None
    assert not store.finish(begun, retention=datetime.max - datetime(9000, 1, 1), result=None, error={"code": "x"})
    assert store.get("video_1").status == "completed"
    assert store.get("video_1", tenant="b") is None


def test_a_try_that_goes_on_after_its_job_was_put_back_changes_nothing(engine):
    store, end = JobStore(engine), {"retention": timedelta(hours=1), "result": None, "error": {"code": "x"}}
    with engine.begin() as connection:
        store.add(connection, job())
    old = store.begin("video_1")
    assert store.report(old, progress=1)
    store.cancel("video_1", retention=timedelta(hours=1))
    with engine.begin() as connection:
        assert store.reopen(connection, "video_1")
    assert not store.finish(old, **end)
    new = store.begin("video_1")
    assert not store.report(old, progress=2)
    assert not store.finish(old, **end)
    assert store.report(new, progress=3)
    assert store.finish(new, **end)


def test_a_worker_lives_while_its_process_does(engine, monkeypatch):
    crew = Crew(engine)
    crew.join("one")
    assert crew.living() == {"one"}
    crew.leave("one")
    crew.beat("one")  # taken for dead, it says that it is not
    assert crew.living() == {"one"}
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    monkeypatch.setattr("os.getpid", lambda: ended.pid)
    crew.join("two")
    assert crew.living() == {"one"}


def test_webhooks_do_not_reach_into_private_networks():
    options = ServiceSettings(webhook_hosts=[])
    for host in ("127.0.0.1", "10.1.2.3", "169.254.169.254", "localhost", "::1"):
        with pytest.raises(UsageError, match="not a public address"):
            webhooks._addresses(host, 443, options)
    assert webhooks._addresses("127.0.0.1", 443, ServiceSettings(webhook_hosts=["127.0.0.1"])) == ["127.0.0.1"]


def test_webhooks_try_every_public_address_in_the_resolvers_order(monkeypatch):
    found = ["2606:4700::1", "10.1.2.3", "93.184.216.34", "2606:4700::1", "1.1.1.1"]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 1, 6, "", (each, 443)) for each in found])
    addresses, tried = webhooks._addresses("example.com", 443, ServiceSettings()), []
    assert addresses == ["2606:4700::1", "93.184.216.34", "1.1.1.1"]

    def connect(place: tuple[str, int], timeout: float) -> str:
        tried.append(place[0])
        if place[0] != answering:
            raise OSError("It does not answer.")
        return place[0]

    monkeypatch.setattr(socket, "create_connection", connect)
    for answering, before in (("93.184.216.34", 2), ("1.1.1.1", 3)):
        tried.clear()
        assert webhooks._connected(addresses, 443) == answering
        assert tried == addresses[:before]
    answering = "nobody"
    with pytest.raises(OSError, match="does not answer"):
        webhooks._connected(addresses, 443)


def test_a_webhook_that_answers_a_byte_at_a_time_is_cut_off(monkeypatch):
    stop = threading.Event()

    def drip(listening: socket.socket) -> None:
        with listening.accept()[0] as connection, suppress(OSError):
            while not stop.wait(0.02):
                connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=drip, args=[listening])
        thread.start()
        monkeypatch.setattr(webhooks, "_TIMEOUT", 0.3)
        begun, url = time.monotonic(), f"http://127.0.0.1:{listening.getsockname()[1]}/"
        try:
            with pytest.raises(TimeoutError, match=r"more than 0\.3 s"):
                webhooks._post(url, b"{}", {}, ServiceSettings(webhook_hosts=["127.0.0.1"]))
            assert time.monotonic() - begun < 5
        finally:
            stop.set()
            thread.join()


@pytest.mark.parametrize(
    "url",
    [
        "https://[",
        "https://example.com:99999/",
        "https://example.com:x/",
        "https://example.com:0/",
        "https://a.example/ü",
    ],
)
def test_webhooks_have_an_address_that_can_be_called(url):
    with pytest.raises(UsageError, match="not a plain https URL"):
        webhooks.check_url(url, ServiceSettings())
