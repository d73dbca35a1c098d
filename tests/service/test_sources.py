"""Listings of object stores: only what was opened to a tenant, and only videos."""

from __future__ import annotations

import fsspec
import pytest

from countermark.core.errors import CountermarkError, MediaLimitError, UsageError
from countermark.service.sources import fetch, listing


@pytest.fixture
def store():
    memory = fsspec.filesystem("memory")
    for name in ("uploads/b.mp4", "uploads/deep/a.MOV", "uploads/notes.txt", "secret/c.mp4"):
        memory.pipe(f"/{name}", name.encode())
    yield "memory://"
    memory.rm("/", recursive=True)


def test_videos_are_listed_and_fetched(store, tmp_path):
    found = listing("memory://uploads", ["memory://uploads"], limit=10)
    assert [(file.name, file.size_bytes) for file in found] == [("b.mp4", 13), ("a.MOV", 18)]
    fetch(found[1].url, tmp_path / "a.mov", limit=100)
    assert (tmp_path / "a.mov").read_bytes() == b"uploads/deep/a.MOV"


@pytest.mark.parametrize(
    "url",
    [
        "memory://secret",
        "memory://uploads/../secret",
        "memory://uploads2",
        "simplecache::memory://secret",
        "memory://uploads/::memory://secret",
        "/etc",
        "nothing",
    ],
)
def test_nothing_else_is_open(store, url):
    with pytest.raises(UsageError, match="not open to this tenant"):
        listing(url, ["memory://uploads"], limit=10)


def test_limits_hold_and_leave_nothing(store, tmp_path):
    with pytest.raises(UsageError, match="more than the 1"):
        listing("memory://uploads", ["memory://uploads"], limit=1)
    with pytest.raises(MediaLimitError):
        fetch("memory://uploads/b.mp4", tmp_path / "b.mp4", limit=5)
    with pytest.raises(CountermarkError):
        fetch("memory://uploads/gone.mp4", tmp_path / "gone.mp4", limit=5)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="no videos"):
        listing("memory://uploads/empty", ["memory://uploads"], limit=10)
