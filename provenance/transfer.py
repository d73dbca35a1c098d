"""Carry a registry to another database: one JSON object a line, checked against its own log on the way in.

The first line is the head, then come the log's events in order, then the entries with their manifests.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.orm import Session

from countermark.core.errors import UsageError
from provenance.log import TreeHead, append, compare
from provenance.merkle import Tree, leaf_hash
from provenance.registry import Registry
from provenance.tables import FingerprintRow, LogRow, SealRow, SketchRow
from provenance.watermark.sketch import Sketch

_FORMAT = {"format": "countermark-registry", "version": 1}
_BYTES = ("manifest", "salt")
_TIMES = ("created_at", "erased_at")


class Transfer(BaseModel):
    """What was carried: ``head`` of the log it came from, videos carried, and videos that were there already."""

    model_config = ConfigDict(frozen=True)

    path: Path
    head: TreeHead
    videos: int
    present: int = 0


def export_registry(registry: Registry, path: Path) -> Transfer:
    """Write everything to the new file ``path``, which appears complete or not at all.

    The file holds manifests and personal data as the registry does, and is readable by its owner only. Raises
    `UsageError` when it exists or cannot be written, and `RegistryError`.
    """
    if path.exists():
        raise UsageError(f"{path} exists already.", remedy="Choose another path.")
    partial = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    videos = 0
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            with registry.session("read") as session:
                logged = session.scalars(select(LogRow).order_by(LogRow.sequence)).all()
                tree = Tree()
                for event in logged:
                    tree = tree.append(leaf_hash(event.record.encode()))
                head = TreeHead(size=tree.size, root=tree.root.hex())
                _write(file, _FORMAT | head.model_dump())
                for event in logged:
                    _write(file, {"log": event.record})
                seals = select(SealRow).order_by(SealRow.created_at).execution_options(yield_per=100)
                for row in session.scalars(seals):
                    videos += 1
                    _write(file, {"seal": _plain(row)} | _looks(session, row.video_id))
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", remedy="Choose another path.") from error
    finally:
        partial.unlink(missing_ok=True)
    return Transfer(path=path, head=head, videos=videos)


def import_registry(registry: Registry, path: Path) -> Transfer:
    """Add the entries of an exported file; each becomes an event in this registry's log.

    Entries that are here already are passed over. Raises `UsageError` for a file that is damaged, was changed, or
    contradicts this registry; then nothing is added.
    """
    reading = _Reading(path)
    try:
        with path.open(encoding="utf-8") as file, registry.session("written") as session:
            for line in file:
                item = json.loads(line)
                row = reading.take(item)
                if row is not None and _add(session, row, reading):
                    session.add_all(_look_rows(item, row.video_id))
            reading.finish()
            session.commit()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.", remedy="Give an exported registry.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, f"it cannot be understood ({error})") from error
    assert reading.head is not None  # finished
    return Transfer(path=path, head=reading.head, videos=reading.videos, present=reading.present)


@dataclass
class _Reading:
    """How far an exported file has been read, and what its log says of the videos that are to come."""

    path: Path
    head: TreeHead | None = None
    tree: Tree = field(default_factory=Tree)
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    videos: int = 0
    present: int = 0

    def take(self, item: dict[str, Any]) -> SealRow | None:
        """Check one line; the entry, if it is one."""
        if self.head is None:
            if {key: item.get(key) for key in _FORMAT} != _FORMAT:
                raise _damaged(self.path, "it is no exported registry of a version known here")
            self.head = TreeHead(size=item["size"], root=item["root"])
        elif "log" in item:
            self.tree = self.tree.append(leaf_hash(item["log"].encode()))
            _follow(self.records, json.loads(item["log"]))
        else:
            row = _row(item["seal"])
            record = self.records.pop(row.video_id, None)
            problems = list(compare(row, record and record["stated"], erased=bool(record and record["erased"])))
            if problems:
                raise _damaged(self.path, problems[0].rstrip("."))
            return row
        return None

    def finish(self) -> None:
        """At the end everything that the log promised must have come."""
        if self.head != TreeHead(size=self.tree.size, root=self.tree.root.hex()) or self.records:
            raise _damaged(self.path, "parts of it are missing or were changed")


def _add(session: Session, row: SealRow, reading: _Reading) -> bool:
    """Add an entry, unless it is here; whether it was added."""
    existing = session.get(SealRow, row.video_id)
    if existing is None:
        append(session, "import", row)
        if row.erased_at is not None:
            append(session, "erase", row)
        session.add(row)
        reading.videos += 1
    elif existing.claim_sha256 == row.claim_sha256:
        reading.present += 1
    else:
        raise _damaged(reading.path, f"video {row.video_id} is in this registry with another manifest")
    return existing is None


def _follow(records: dict[str, dict[str, Any]], record: Mapping[str, Any]) -> None:
    """Keep what the log says of each video that is still there."""
    video_id = record.get("video_id")
    if video_id is None:  # about a manifest that somebody else keeps; these are not carried
        return
    if record["event"] == "withdraw":
        records.pop(video_id, None)
    elif record["event"] == "erase":
        records[video_id]["erased"] = True
    else:
        records[video_id] = {"stated": record, "erased": False}


def _plain(row: SealRow) -> dict[str, Any]:
    fields: dict[str, Any] = {column.name: getattr(row, column.name) for column in SealRow.__table__.columns}
    for name in _BYTES:
        fields[name] = None if fields[name] is None else base64.b64encode(fields[name]).decode()
    for name in _TIMES:
        fields[name] = None if fields[name] is None else fields[name].isoformat()
    return fields


def _looks(session: Session, video_id: str) -> dict[str, Any]:
    """Fingerprint and sketch of an entry, which no event of the log vouches for: they only say where to look."""
    hashes = select(FingerprintRow.digest).where(FingerprintRow.video_id == video_id).order_by(FingerprintRow.id)
    sketch = session.get(SketchRow, video_id)
    return {
        "fingerprint": [base64.b64encode(digest).decode() for digest in session.scalars(hashes)],
        "sketch": None if sketch is None else base64.b64encode(sketch.data).decode(),
    }


def _look_rows(item: Mapping[str, Any], video_id: str) -> Iterator[FingerprintRow | SketchRow]:
    """The same as rows; exports of earlier versions have none. Raises ValueError for what is none."""
    for text in item.get("fingerprint", ()):
        digest = base64.b64decode(text, validate=True)
        if len(digest) != 32:
            raise ValueError("a fingerprint has hashes of 32 bytes")
        yield FingerprintRow(video_id=video_id, digest=digest)
    if item.get("sketch") is not None:
        data = base64.b64decode(item["sketch"], validate=True)
        Sketch.from_bytes(data)
        yield SketchRow(video_id=video_id, data=data)


def _row(fields: dict[str, Any]) -> SealRow:
    for name in _BYTES:
        fields[name] = None if fields[name] is None else base64.b64decode(fields[name], validate=True)
    for name in _TIMES:
        fields[name] = None if fields[name] is None else datetime.fromisoformat(fields[name])
    return SealRow(**fields)


def _write(file: TextIO, item: Mapping[str, Any]) -> None:
    file.write(json.dumps(item, ensure_ascii=False) + "\n")


def _damaged(path: Path, reason: str) -> UsageError:
    return UsageError(f"{path} was not imported: {reason}.", remedy="Export the registry again.")
