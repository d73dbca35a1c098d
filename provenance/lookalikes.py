"""Sealed videos that look like a given one: the registry's fingerprints, indexed in memory.

The index is built once per process and database, and kept; fingerprints added since then are searched one by one until
they are many enough for a new index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from provenance.fingerprint import MAX_DISTANCE, Index, similarity
from provenance.registry import Registry, RegistryEntry
from provenance.tables import FingerprintRow

MIN_SIMILARITY = 50
"""Percentage of a query's hashes that must match, and at least two of them where it has two."""

_REBUILD_ABOVE = 20_000


class Lookalike(BaseModel):
    """A sealed video that resembles another: ``similarity`` is the percentage of hashes that match."""

    model_config = ConfigDict(frozen=True)

    entry: RegistryEntry
    similarity: int


@dataclass
class _Shelf:
    """The fingerprints of one database, as far as they have been read."""

    last: int = 0
    videos: list[str] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    indexed: int = 0
    index: Index | None = None
    lock: Lock = field(default_factory=Lock)

    def clear(self) -> None:
        """As if nothing had been read."""
        self.last, self.indexed, self.index = 0, 0, None
        self.videos.clear()
        self.hashes.clear()

    def near(self, query: bytes) -> set[str]:
        """Videos that have a hash near this one."""
        found = {self.videos[row] for row in self.index.near(query)} if self.index is not None else set()
        fresh = self.hashes[self.indexed :]
        if fresh:
            words = np.frombuffer(b"".join(fresh), np.uint64).reshape(-1, 4)
            distances = np.bitwise_count(words ^ np.frombuffer(query, np.uint64)).sum(axis=-1)
            found |= {self.videos[self.indexed + row] for row in np.flatnonzero(distances <= MAX_DISTANCE)}
        return found


_shelves: dict[str, _Shelf] = {}


def find_lookalikes(registry: Registry, *queries: Sequence[bytes], limit: int = 10) -> list[Lookalike]:
    """Registered videos whose opening looks like that of one of the queries, most alike first, and of those the oldest.

    Several queries are one video as it may have been before it was cropped (`provenance.fingerprint.queries`).
    """
    shelf = _shelves.setdefault(registry.place, _Shelf())
    best: dict[str, tuple[int, Sequence[bytes]]] = {}
    with shelf.lock:
        _read_new(registry, shelf)
        for query in queries:
            enough = max(min(2, len(query)), len(query) * MIN_SIMILARITY / 100)
            for video_id, count in Counter(name for digest in query for name in shelf.near(digest)).items():
                if count >= enough and count > best.get(video_id, (0, ()))[0]:
                    best[video_id] = (count, query)
    found = []
    for video_id in sorted(best, key=lambda name: -best[name][0])[:limit]:
        entry = registry.find_video(video_id)
        if entry is not None and entry.erased_at is None:
            score = similarity(best[video_id][1], registry.fingerprint(video_id))
            found.append(Lookalike(entry=entry, similarity=score))
    alike = [candidate for candidate in found if candidate.similarity >= MIN_SIMILARITY]
    return sorted(alike, key=lambda candidate: (-candidate.similarity, candidate.entry.created_at))


def _read_new(registry: Registry, shelf: _Shelf) -> None:
    with registry.session("read") as session:
        rows = select(FingerprintRow.id, FingerprintRow.video_id, FingerprintRow.digest)
        new = session.execute(rows.where(FingerprintRow.id >= shelf.last).order_by(FingerprintRow.id)).all()
        known = [(shelf.last, shelf.videos[-1], shelf.hashes[-1])] if shelf.hashes else []
        if [tuple(row) for row in new[: len(known)]] != known:
            # The newest were withdrawn, and SQLite gives the next ones their numbers.
            shelf.clear()
            known, new = [], session.execute(rows.order_by(FingerprintRow.id)).all()
    for number, video_id, digest in new[len(known) :]:
        shelf.last = number
        shelf.videos.append(video_id)
        shelf.hashes.append(digest)
    if len(shelf.hashes) - shelf.indexed > _REBUILD_ABOVE:
        shelf.index = Index(np.frombuffer(b"".join(shelf.hashes), np.uint8).reshape(-1, 32))
        shelf.indexed = len(shelf.hashes)
