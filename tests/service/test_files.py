"""Two machines that share no folder, only an object store."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import fsspec
import pytest

from countermark.core.errors import ConfigurationError
from countermark.service.files import UPLOAD, VIDEO, FileStore
from countermark.service.worker import drop_copies


@pytest.fixture(params=["memory", "folder"])
def store(request, tmp_path: Path) -> Iterator[str]:
    if request.param == "folder":
        yield f"file://{tmp_path / 'bucket'}"
        return
    yield "memory://bucket/results"
    fsspec.filesystem("memory").rm("/", recursive=True)


@pytest.fixture
def machines(store: str, tmp_path: Path) -> tuple[FileStore, FileStore]:
    return FileStore(tmp_path / "server", store), FileStore(tmp_path / "worker", store)


def test_an_upload_here_and_its_result_there(machines: tuple[FileStore, FileStore]) -> None:
    server, worker = machines
    incoming = server.incoming("a")
    (incoming / UPLOAD).mkdir()
    (incoming / UPLOAD / "clip.mp4").write_bytes(b"upload")
    (incoming / UPLOAD / "mask.png").write_bytes(b"another")
    server.adopt(incoming, "seal_1")
    assert worker.upload("seal_1", "mask.png").read_bytes() == b"another"
    assert worker.upload("seal_1").read_bytes() == worker.upload("seal_1", "clip.mp4").read_bytes() == b"upload"
    with pytest.raises(FileNotFoundError):
        worker.upload("seal_1", "other.png")
    assert worker.has_upload("seal_1")
    assert not worker.find("seal_1", VIDEO).exists()
    (worker.make("seal_1") / VIDEO).write_bytes(b"sealed")
    worker.publish("seal_1")
    worker.publish("seal_1")
    worker.drop_upload("seal_1")
    assert not server.has_upload("seal_1")
    found = server.find("seal_1", VIDEO)
    assert (found.read_bytes(), found.is_relative_to(server.root)) == (b"sealed", True)
    with pytest.raises(FileNotFoundError):
        FileStore(server.root.with_name("third"), None).upload("seal_1")
    server.forget("seal_1")
    assert not worker.find("seal_2", VIDEO).exists()
    worker.discard(worker.folder("seal_1"))
    assert not worker.find("seal_1", VIDEO).exists()


class Jobs:
    """The fourth job is still being worked on, and the fifth was deleted."""

    def statuses(self, ids: Collection[str]) -> dict[str, str]:
        states = {"video_4": "in_progress"}
        return {job: states.get(job, "completed") for job in ids if job != "video_5"}


def test_old_copies_are_dropped_of_what_is_done_and_in_the_store_or_deleted(
    machines: tuple[FileStore, FileStore],
) -> None:
    server, worker = machines
    for job in ("video_1", "video_2", "video_3", "video_4", "video_5"):
        (worker.make(job) / VIDEO).write_bytes(job.encode())
    worker.make("verification_6")  # whose upload was dropped, and which has no results
    for job in ("video_1", "video_3", "video_4", "video_5"):
        worker.publish(job)
    server.forget("video_5")
    long_ago = time.time() - 7200
    for job in ("video_1", "video_2", "video_4", "video_5", "verification_6"):
        os.utime(worker.folder(job), (long_ago, long_ago))
    worker.drop_copies(Jobs())
    assert sorted(path.name for path in (worker.root / "jobs").iterdir()) == ["video_2", "video_3", "video_4"]
    assert worker.find("video_1", VIDEO).read_bytes() == b"video_1"


def test_copies_that_are_used_are_kept_and_what_the_store_kept_is_removed_later(
    machines: tuple[FileStore, FileStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, worker = machines
    long_ago = time.time() - 7200
    for job in ("video_1", "video_5"):
        (worker.make(job) / VIDEO).write_bytes(job.encode())
        worker.publish(job)
        os.utime(worker.folder(job), (long_ago, long_ago))
    assert worker.find("video_1", VIDEO).exists()

    def away(*_: str) -> None:
        raise OSError("The store is away.")

    with monkeypatch.context() as without_store:
        without_store.setattr(worker._remote, "remove", away)
        assert not worker.forget("video_5")
    assert list(worker.folder("video_5").iterdir()) == []
    assert worker._remote.has("video_5")
    os.utime(worker.folder("video_5"), (long_ago, long_ago))
    worker.drop_copies(Jobs())
    assert [path.name for path in (worker.root / "jobs").iterdir()] == ["video_1"]
    assert not worker._remote.has("video_5")


def test_a_worker_drops_copies_again_and_again_also_after_the_store_failed() -> None:
    stop, asked = threading.Event(), []

    class Files:
        def drop_copies(self, jobs: object) -> None:
            asked.append(jobs)
            if len(asked) == 3:
                stop.set()
            raise OSError("The store is away.")

    drop_copies(Files(), "jobs", stop, pause=0)
    assert asked == ["jobs"] * 3


def test_an_upload_that_took_hours_is_not_taken_for_one_of_a_deleted_job(machines: tuple[FileStore, FileStore]) -> None:
    server, _ = machines
    incoming = server.incoming("a")
    (incoming / UPLOAD).mkdir()
    (incoming / UPLOAD / "clip.mp4").write_bytes(b"upload")
    os.utime(incoming, (0, 0))
    server.adopt(incoming, "video_5")  # the table does not have it yet
    server.drop_copies(Jobs())
    assert server.upload("video_5").read_bytes() == b"upload"


def test_a_store_that_cannot_be_opened_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="COUNTERMARK_SERVICE_STORE"):
        FileStore(tmp_path, "nosuch://bucket")
