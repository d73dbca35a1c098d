"""Manifests and soft bindings that others keep here, beside the videos that were sealed here.

Nothing in it is believed: whoever fetches a manifest validates it. Bindings of our own watermark come from sealing
only, so nobody can lay another manifest under a video of ours.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from countermark.core.errors import UsageError
from provenance.bmff import MalformedBoxError, active_manifest_id, only_active
from provenance.fingerprint import FINGERPRINT_ID, from_value
from provenance.log import TreeHead, append_event
from provenance.lookalikes import find_lookalikes
from provenance.registry import Registry
from provenance.tables import BindingRow, LogRow, SealRow, StoredManifestRow
from provenance.watermark import ALGORITHM_ID

Found = TypeVar("Found")
_RECEIPT = "org.c2pa.manifest-receipt"
_PROOF = "org.countermark.log.1"
_CONTEXT = {"c2pa": "https://c2pa.org/ns/", "receipt": "https://c2pa.org/ns/manifest-receipt#"}


class Match(BaseModel):
    """A manifest found through a soft binding; ``score`` is 0 to 100 for an approximate match, None for exact ones."""

    model_config = ConfigDict(frozen=True, populate_by_name=True)

    manifest_id: str = Field(serialization_alias="manifestId")
    score: int | None = Field(default=None, serialization_alias="similarityScore")


class UnknownManifestError(UsageError):
    """There is no such manifest here."""

    code = "unknown_manifest"
    http_status = 404


class Repository:
    """What the Soft Binding Resolution API (C2PA 2.4) stores and finds, in a registry's database."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def store(self, data: bytes) -> str:
        """Keep a manifest store and return its id: its active manifest's, or a new one for what is not JUMBF.

        Raises `UsageError` when another manifest has this id.
        """
        try:
            manifest_id = active_manifest_id(data)
        except MalformedBoxError:
            manifest_id = f"urn:c2pa:{uuid4()}"
        with self._registry.session("written") as session:
            known = _manifest(session, manifest_id)
            if known is not None and known != data:
                raise UsageError(f"{manifest_id} is here already, and is another manifest.", remedy="Fetch it.")
            if known is None:
                stated = {"manifest_id": manifest_id, "manifest_sha256": hashlib.sha256(data).hexdigest()}
                sequence = append_event(session, "store", "", stated)
                now = datetime.now(UTC)
                session.add(StoredManifestRow(manifest_id=manifest_id, store=data, sequence=sequence, created_at=now))
                session.commit()
        return manifest_id

    def manifest(self, manifest_id: str, *, active: bool = False) -> bytes:
        """The bytes of a manifest store, with ``active`` of one that holds its active manifest and no other.

        What is no manifest store comes as it was stored. Raises `UnknownManifestError`.
        """
        with self._registry.session("read") as session:
            store = _required(_manifest(session, manifest_id), manifest_id)
        if not active:
            return store
        try:
            return only_active(store)
        except MalformedBoxError:
            return store

    def remove(self, manifest_id: str) -> None:
        """Remove a stored manifest and its bindings.

        Raises `UnknownManifestError`, and `UsageError` for one of a video that was sealed here.
        """
        with self._registry.session("written") as session:
            if session.scalar(select(SealRow.video_id).where(SealRow.manifest_id == manifest_id)) is not None:
                raise UsageError(f"{manifest_id} was sealed here.", remedy="Erase it in the registry instead.")
            row = _required(session.get(StoredManifestRow, manifest_id), manifest_id)
            append_event(session, "remove", "", {"manifest_id": manifest_id})
            session.execute(delete(BindingRow).where(BindingRow.manifest_id == manifest_id))
            session.delete(row)
            session.commit()

    def bind(self, value: str, manifest_id: str, algorithm: str | None, *, replace: bool = False) -> None:
        """Bind a value to a manifest, or with ``replace`` lead a bound value to another manifest.

        Without ``algorithm`` the value counts for every algorithm but our own. Raises `UnknownManifestError` for an
        unknown manifest or value, `UsageError` for our own algorithm.
        """
        if algorithm in (ALGORITHM_ID, FINGERPRINT_ID):
            raise UsageError(f"Bindings of {algorithm} are made by sealing only.", remedy="Name another algorithm.")
        digest = _digest(value)
        with self._registry.session("written") as session:
            _required(_manifest(session, manifest_id), manifest_id)
            same = (BindingRow.value_sha256 == digest, BindingRow.algorithm.is_not_distinct_from(algorithm))
            if replace:
                dropped = session.execute(delete(BindingRow).where(*same))
                if not dropped.rowcount:  # type: ignore[attr-defined]  # a CursorResult, for a DELETE
                    raise UnknownManifestError("This value is not bound.", remedy="Create the binding first.")
            if session.scalar(select(BindingRow.id).where(*same, BindingRow.manifest_id == manifest_id)) is None:
                session.add(BindingRow(value_sha256=digest, algorithm=algorithm, manifest_id=manifest_id))
                session.commit()

    def find(self, algorithm: str, value: str, limit: int) -> list[Match]:
        """Manifests bound to a value under an algorithm; ``value`` is base64, as the API has it."""
        if algorithm == ALGORITHM_ID:
            match = self.find_video(_video_id(value))
            return [match] if match is not None else []
        if algorithm == FINGERPRINT_ID:
            return self.find_similar([_hashes(value)], limit)
        matching = (BindingRow.algorithm == algorithm) | BindingRow.algorithm.is_(None)
        found = select(BindingRow.manifest_id).where(BindingRow.value_sha256 == _digest(value), matching)
        each = found.group_by(BindingRow.manifest_id).order_by(func.max(BindingRow.id).desc())
        with self._registry.session("read") as session:
            return [Match(manifest_id=manifest_id) for manifest_id in session.scalars(each.limit(limit))]

    def find_video(self, video_id: str) -> Match | None:
        """The manifest of the video that carries our watermark with this payload (hex)."""
        entry = self._registry.find(ALGORITHM_ID, video_id)
        return None if entry is None else Match(manifest_id=entry.manifest_id)

    def find_similar(self, queries: Sequence[Sequence[bytes]], limit: int) -> list[Match]:
        """Manifests of sealed videos that look like the one with one of these fingerprints, most alike first."""
        alike = find_lookalikes(self._registry, *queries, limit=limit)
        return [Match(manifest_id=found.entry.manifest_id, score=found.similarity) for found in alike]

    def head(self) -> TreeHead:
        """The head of the registry's log."""
        return self._registry.head()

    def receipt(self, manifest_id: str, base_url: str) -> dict[str, Any]:
        """A receipt for a manifest kept here: its event in the log, and the log's head at that event.

        Raises `UnknownManifestError`.
        """
        with self._registry.session("read") as session:
            _required(_manifest(session, manifest_id), manifest_id)
            proof = _proof(_logged(session, manifest_id))
        return {
            "@context": _CONTEXT,
            "@type": _RECEIPT,
            "repository": {"uri": base_url, "manifestId": manifest_id},
            "anchor": {"uri": f"{base_url}/services/status", "proof": proof},
        }

    def check_receipt(self, manifest_id: str, receipt: Mapping[str, Any]) -> str | None:
        """Why a receipt (of the form that `receipt` makes) is not one for this manifest as it is kept here, if so.

        Raises `UnknownManifestError`.
        """
        with self._registry.session("read") as session:
            data = _required(_manifest(session, manifest_id), manifest_id)
            logged = _logged(session, manifest_id)
        if receipt["repository"]["manifestId"] != manifest_id:
            return "The receipt is for another manifest."
        if receipt["anchor"]["proof"] != _proof(logged):
            return "The receipt's proof is not what the log says of this manifest."
        if logged["manifestSha256"] != hashlib.sha256(data).hexdigest():
            return "The manifest that is kept here is not the one that the log says was stored."
        return None


def _manifest(session: Session, manifest_id: str) -> bytes | None:
    sealed = session.scalar(select(SealRow.manifest).where(SealRow.manifest_id == manifest_id))
    if sealed is not None:
        return sealed or None  # empty: erased
    return session.scalar(select(StoredManifestRow.store).where(StoredManifestRow.manifest_id == manifest_id))


def _proof(logged: Mapping[str, Any]) -> dict[str, str]:
    value = base64.b64encode(json.dumps(logged, sort_keys=True).encode()).decode()
    return {"alg": _PROOF, "value": value}


def _logged(session: Session, manifest_id: str) -> dict[str, Any]:
    """What the log says of a manifest that is kept here, and its head at that event."""
    stored = session.get(StoredManifestRow, manifest_id)
    if stored is not None:
        event = session.get_one(LogRow, stored.sequence)
    else:
        seal = session.scalars(select(SealRow).where(SealRow.manifest_id == manifest_id)).one()
        kinds = or_(*(LogRow.record.contains(f'"event":"{kind}"') for kind in ("seal", "adopt", "import")))
        events = select(LogRow).where(LogRow.video_id == seal.video_id, kinds)
        event = session.scalars(events.order_by(LogRow.sequence.desc()).limit(1)).one()
    return {
        "sequence": event.sequence,
        "size": event.sequence + 1,
        "root": event.root,
        "manifestSha256": json.loads(event.record)["manifest_sha256"],
    }


def _required(found: Found | None, manifest_id: str) -> Found:
    if found is None:
        raise UnknownManifestError(f"There is no manifest {manifest_id[:200]} here.", remedy="Check the id.")
    return found


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _hashes(value: str) -> tuple[bytes, ...]:
    """A fingerprint: its hashes in base64 as the API wants it, or the hex digits that manifests state."""
    try:
        return from_value(value)
    except ValueError:
        pass
    try:
        return from_value(base64.b64decode(value, validate=True))
    except ValueError as error:
        raise UsageError(f"The value is no fingerprint: {error}.", remedy="Send its hashes, 32 bytes each.") from error


def _video_id(value: str) -> str:
    """Our watermark's value: 8 bytes in base64 as the API wants it, or the 16 hex digits that manifests state."""
    try:
        decoded = base64.b64decode(value, validate=True)
    except ValueError:
        decoded = b""
    if len(decoded) == 12:  # base64 of the hex digits' text is 16 bytes; 16 hex digits themselves decode to 12
        return value.lower()
    return decoded.hex() if len(decoded) == 8 else decoded.decode("ascii", "replace").lower()
