"""The registry's append-only log: what was registered, withdrawn and erased, under a Merkle tree head.

Whoever keeps a head (size and root) can show later that nothing before it was changed or removed. The log holds no
personal data: of title, prompt hash, policy record and owner only a hash with a random salt, which is erased with them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from provenance.merkle import Tree, leaf_hash
from provenance.tables import HeadRow, LogRow, SealRow, StoredManifestRow

_PERSONAL = ("title", "prompt_sha256", "policy", "owner")
_STATED = (
    "video_id",
    "algorithm",
    "manifest_id",
    "claim_sha256",
    "file_sha256",
    "file_bytes",
    "kind",
    "generator",
    "generator_version",
    "signer",
)


class TreeHead(BaseModel):
    """Head of the log: number of events and root hash (hex, RFC 6962)."""

    model_config = ConfigDict(frozen=True)

    size: int = Field(ge=0)
    root: str = Field(pattern="^[0-9a-f]{64}$")


class Audit(BaseModel):
    """What an audit found; ``problems`` is empty when log and registry agree with each other and with a kept head."""

    model_config = ConfigDict(frozen=True)

    head: TreeHead
    videos: int
    erased: int
    withdrawn: int
    problems: tuple[str, ...]


def append(session: Session, event: str, row: SealRow) -> None:
    """Add an event about a sealed video to the log, in the session's transaction."""
    brief = event in ("withdraw", "erase")
    stated = {"video_id": row.video_id} if brief else _stated(row) | {"personal_sha256": personal_hash(row)}
    append_event(session, event, row.video_id, stated)


def append_event(session: Session, event: str, video_id: str, stated: Mapping[str, Any]) -> int:
    """Add an event to the log, in the session's transaction; returns its number. ``stated`` holds nothing personal."""
    # The update comes before anything is read: it is what makes one writer wait for the other.
    session.execute(update(HeadRow).where(HeadRow.id == 1).values(size=HeadRow.size + 1))
    head = session.execute(select(HeadRow.size, HeadRow.peaks).where(HeadRow.id == 1)).one()
    record = _canonical({"event": event, "at": datetime.now(UTC).isoformat(timespec="seconds")} | dict(stated))
    tree = Tree.from_bytes(head.size - 1, head.peaks).append(leaf_hash(record.encode()))
    session.add(LogRow(sequence=head.size - 1, video_id=video_id, record=record, root=tree.root.hex()))
    session.execute(update(HeadRow).where(HeadRow.id == 1).values(peaks=tree.to_bytes()))
    return int(head.size) - 1


def personal_hash(row: SealRow) -> str:
    """Salted SHA-256 (hex) of a row's personal fields."""
    fields = _canonical({name: getattr(row, name) for name in _PERSONAL})
    return hashlib.sha256((row.salt or b"") + fields.encode()).hexdigest()


def audit(session: Session, kept: TreeHead | None = None) -> Audit:
    """Recompute the log from its records, and hold the registry against it and against a head that was ``kept``."""
    problems: list[str] = []
    told, tree = _Told(), Tree()
    for row in session.scalars(select(LogRow).order_by(LogRow.sequence).execution_options(yield_per=1000)):
        if row.sequence != tree.size:
            problems.append(f"The log has no event {tree.size}.")
            break
        tree = tree.append(leaf_hash(row.record.encode()))
        if tree.root.hex() != row.root:
            problems.append(f"Event {row.sequence} of the log was changed, or one before it.")
            break
        if kept is not None and tree.size == kept.size and row.root != kept.root:
            problems.append(f"The first {kept.size} events are not those of the head that was kept.")
        told.take(row.video_id, json.loads(row.record))
    if kept is not None and kept.size > tree.size:
        problems.append(f"The log ends at {tree.size} events; the head that was kept has {kept.size}.")
    head = session.get_one(HeadRow, 1)
    if (head.size, head.peaks) != (tree.size, tree.to_bytes()):
        problems.append("The recorded head is not that of the log.")
    videos = 0
    for seal in session.scalars(select(SealRow).execution_options(yield_per=100)):
        videos += 1
        problems += compare(seal, told.videos.pop(seal.video_id, None), erased=seal.video_id in told.erased)
    problems += [f"Video {video_id} is in the log and not in the registry." for video_id in told.videos]
    for manifest in session.scalars(select(StoredManifestRow).execution_options(yield_per=100)):
        if told.manifests.pop(manifest.manifest_id, None) != hashlib.sha256(manifest.store).hexdigest():
            problems.append(f"Manifest {manifest.manifest_id} is not what the log says.")
    problems += [f"Manifest {manifest_id} is in the log and not in the registry." for manifest_id in told.manifests]
    return Audit(
        head=TreeHead(size=tree.size, root=tree.root.hex()),
        videos=videos,
        erased=len(told.erased),
        withdrawn=told.withdrawn,
        problems=tuple(problems),
    )


@dataclass
class _Told:
    """What the log says should be in the registry now."""

    videos: dict[str, dict[str, Any]] = field(default_factory=dict)
    manifests: dict[str, str] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    withdrawn: int = 0

    def take(self, video_id: str, record: dict[str, Any]) -> None:
        """Follow one event."""
        match record["event"]:
            case "erase":
                self.erased.add(video_id)
            case "withdraw":
                self.videos.pop(video_id, None)
                self.withdrawn += 1
            case "store":
                self.manifests[record["manifest_id"]] = record["manifest_sha256"]
            case "remove":
                self.manifests.pop(record["manifest_id"], None)
            case _:
                self.videos[video_id] = record


def compare(seal: SealRow, record: Mapping[str, Any] | None, *, erased: bool) -> Iterator[str]:
    """What a row says otherwise than its event in the log."""
    name = f"Video {seal.video_id}"
    if record is None:
        yield f"{name} is in the registry and not in the log."
        return
    for name_of, value in _stated(seal).items():
        if record[name_of] != value and not (erased and name_of == "manifest_sha256" and not seal.manifest):
            yield f"{name}: {name_of} is not what the log says."
    if erased != (seal.erased_at is not None):
        yield f"{name}: {'is said to be erased and is not' if erased else 'was erased without a record'}."
    elif not erased and personal_hash(seal) != record["personal_sha256"]:
        yield f"{name}: title, prompt hash, policy record or owner is not what the log says."


def _stated(row: SealRow) -> dict[str, Any]:
    created = row.created_at.replace(tzinfo=row.created_at.tzinfo or UTC).astimezone(UTC)  # SQLite forgets the zone
    stated = {name: getattr(row, name) for name in _STATED}
    return stated | {
        "created_at": created.isoformat(timespec="microseconds"),
        "manifest_sha256": hashlib.sha256(row.manifest).hexdigest(),
    }


def _canonical(fields: Mapping[str, Any]) -> str:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
