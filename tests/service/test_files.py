"""Two machines that share no folder, only an object store."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import fsspec
import pytest

from countermark.core.errors import ConfigurationError
from countermark.service.files import UPLOAD, VIDEO, FileStore


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
    server.adopt(incoming, "seal_1")
    assert worker.upload("seal_1").read_bytes() == b"upload"
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
    """The fourth job is still being worked on."""

    def many(self, ids: list[str]) -> list[SimpleNamespace]:
        return [SimpleNamespace(id=job, finished=job != "video_4") for job in ids]


def test_old_copies_are_dropped_only_of_what_is_done_and_in_the_store(machines: tuple[FileStore, FileStore]) -> None:
    server, _ = machines
    for job in ("video_1", "video_2", "video_3", "video_4"):
        (server.make(job) / VIDEO).write_bytes(job.encode())
    server.publish("video_1")
    server.publish("video_3")
    server.publish("video_4")
    long_ago = time.time() - 7200
    for job in ("video_1", "video_2", "video_4"):
        os.utime(server.folder(job), (long_ago, long_ago))
    server.drop_copies(Jobs())
    assert sorted(path.name for path in (server.root / "jobs").iterdir()) == ["video_2", "video_3", "video_4"]
    assert server.find("video_1", VIDEO).read_bytes() == b"video_1"


def test_a_store_that_cannot_be_opened_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="COUNTERMARK_SERVICE_STORE"):
        FileStore(tmp_path, "nosuch://bucket")
