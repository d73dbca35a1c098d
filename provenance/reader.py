"""Read a C2PA manifest store and the SDK's judgement of it, as plain data.

Nothing is concluded here; `provenance.verify` does that. The SDK is the Rust implementation of the Content
Authenticity Initiative, a memory-safe parser; it is given no network, and a stream, so that no file name misleads it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import c2pa

from countermark.core.media.opening import still_format
from provenance.bmff import ASSERTION_LISTS, MalformedBoxError, SignedClaim, manifest_store, signed_claim
from provenance.manifest import new_context
from provenance.picture_files import picture_store


@dataclass(frozen=True)
class Status:
    """One validation result: the specification's status ``code`` (C2PA 2.4 section 15.2) and an explanation."""

    code: str
    explanation: str


@dataclass(frozen=True)
class Ingredient:
    """What the store says of one ingredient, at any depth: its relationship and what failed in its validation."""

    title: str
    relationship: str
    manifest_id: str | None
    failures: tuple[Status, ...]


@dataclass(frozen=True)
class ManifestReport:
    """The active manifest as the SDK reports it.

    ``embedded`` is False for one from a sidecar or the registry. ``store`` holds the raw JUMBF bytes and ``signed`` the
    claim hash and leaf certificate where the container is understood; ``signed_problem`` says why it is not.
    """

    manifest_id: str
    active: Mapping[str, Any]
    success: tuple[Status, ...]
    informational: tuple[Status, ...]
    failures: tuple[Status, ...]
    ingredients: tuple[Ingredient, ...]
    embedded: bool
    store: bytes | None
    signed: SignedClaim | None
    signed_problem: str | None

    def assertions(self, label: str) -> Iterator[Mapping[str, Any]]:
        """The data of every assertion with this label (instances ``__1`` and so on included)."""
        for assertion in self.active.get("assertions", []):
            if str(assertion.get("label", "")).split("__")[0] == label and isinstance(assertion.get("data"), Mapping):
                yield assertion["data"]

    def actions(self) -> list[Mapping[str, Any]]:
        """Every action of the active manifest, in order."""
        return [
            action
            for label in ("c2pa.actions", "c2pa.actions.v2")
            for data in self.assertions(label)
            for action in _mappings(data.get("actions"))
        ]

    def soft_bindings(self, algorithm: str) -> list[str]:
        """Values of the soft bindings under ``algorithm``, as lower-case hex.

        The specification wants a byte string and the SDK writes text, so bytes, base64 of 8 bytes and hex are read.
        """
        return [
            _hex(block["value"])
            for data in self.assertions("c2pa.soft-binding")
            if data.get("alg") == algorithm
            for block in _mappings(data.get("blocks"))
            if "value" in block
        ]

    @property
    def of_picture(self) -> bool:
        """Whether it was made for a picture, as far as the manifest shows: soft bindings over no stretch of time."""
        scopes = [
            block.get("scope")
            for data in self.assertions("c2pa.soft-binding")
            for block in _mappings(data.get("blocks"))
        ]
        return bool(scopes) and not any(isinstance(scope, Mapping) and "timespan" in scope for scope in scopes)

    def source_type(self) -> str | None:
        """IPTC digital source type of the first action that has one, among those that begin a video's history."""
        for action in self.actions():
            if action.get("action") in ("c2pa.created", "c2pa.opened") and action.get("digitalSourceType"):
                return str(action["digitalSourceType"])
        return None

    def signer(self) -> str:
        """The organisation, or else the name, that the signer's certificate states."""
        info = self.active.get("signature_info") or {}
        return str(info.get("issuer") or info.get("common_name") or "an unnamed signer")


def _mappings(listed: object) -> list[Mapping[str, Any]]:
    """The objects in what a manifest gives as a list of them, whatever it is."""
    return [each for each in listed if isinstance(each, Mapping)] if isinstance(listed, list) else []


class UnreadableManifestError(ValueError):
    """The file has something of C2PA in it that cannot be read. ``remote`` when it only points elsewhere."""

    def __init__(self, message: str, *, remote: bool = False) -> None:
        super().__init__(message)
        self.remote = remote


def read_report(path: Path, anchor_pem: str | None, *, store: bytes | None = None) -> ManifestReport | None:
    """Validate the manifest store of a file, or ``store`` (a sidecar, or from the registry) against the file.

    Returns None when there is none or the container cannot carry one. Raises `UnreadableManifestError` when it is
    there but broken, and OSError.
    """
    try:
        document, judged = _documents(path, anchor_pem, store)
    except (c2pa.C2paError.ManifestNotFound, c2pa.C2paError.NotSupported):
        return None
    except c2pa.C2paError as error:
        remote = str(error).startswith("Remote:")  # this one has no class of its own
        raise UnreadableManifestError(str(error), remote=remote) from error
    except ValueError as error:  # not JSON
        raise UnreadableManifestError(str(error)) from error
    manifest_id = document.get("active_manifest")
    manifests = document.get("manifests", {})
    if manifest_id not in manifests:
        raise UnreadableManifestError("the manifest store names no active manifest")
    results = document.get("validation_results", {})
    active = results.get("activeManifest")
    if active is None:
        raise UnreadableManifestError("the manifest was not validated")
    signed, problem = None, None
    embedded = store is None
    try:
        store = store or (manifest_store(path) if still_format(path) is None else picture_store(path))
        if store is None:
            problem = "the container is not MP4, MOV, PNG or JPEG"
        else:
            found = signed_claim(store, manifest_id)
            if found.assertions == _assertions(judged, manifest_id):
                signed = found
            else:
                problem = "there is more than one manifest, and it is not clear which one counts"
    except MalformedBoxError as error:
        problem = str(error)
    return ManifestReport(
        manifest_id=manifest_id,
        active=manifests[manifest_id],
        success=_statuses(active.get("success")),
        informational=_statuses(active.get("informational")),
        failures=_statuses(active.get("failure")),
        ingredients=tuple(_ingredients(manifests, results)),
        embedded=embedded,
        store=store,
        signed=signed,
        signed_problem=problem,
    )


def _documents(path: Path, anchor_pem: str | None, store: bytes | None) -> tuple[Any, Any]:
    """The SDK's report and its detailed one, from JSON."""
    # A manifest held apart can belong to a container that the SDK does not know, then as bytes without structure.
    kinds = (None,) if store is None else (None, "application/octet-stream")
    with path.open("rb") as file, new_context(anchor_pem) as context:
        for kind in kinds:
            file.seek(0)
            try:
                with c2pa.Reader(kind, file, store, context) as reader:
                    return json.loads(reader.json()), json.loads(reader.detailed_json())
            except c2pa.C2paError.NotSupported:
                if kind is kinds[-1]:
                    raise
    raise AssertionError("the last kind returns or raises")


def _assertions(judged: Mapping[str, Any], manifest_id: str) -> frozenset[tuple[str, bytes]]:
    """Address and hash of every assertion of the claim that the SDK judged, to tell whether ours is the same one.

    The SDK and `provenance.bmff` look for the store each in their own way, and a file can be made in which they find
    different ones. Raises `MalformedBoxError` for a report of another form.
    """
    try:
        claim = judged["manifests"][manifest_id]["claim"]
        listed = [each for key in ASSERTION_LISTS for each in claim.get(key) or []]
        return frozenset((str(each["url"]), base64.b64decode(each["hash"])) for each in listed)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise MalformedBoxError(f"the claim that was judged cannot be compared: {error}") from error


def _hex(value: object) -> str:
    if isinstance(value, list) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in value):
        return bytes(value).hex()
    text = str(value)
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError:
        return text.lower()
    return decoded.hex() if len(decoded) == 8 else text.lower()


def _statuses(entries: object) -> tuple[Status, ...]:
    if not isinstance(entries, list):
        return ()
    return tuple(Status(str(e.get("code", "")), str(e.get("explanation", ""))) for e in entries)


def _ingredients(manifests: Mapping[str, Any], results: Mapping[str, Any]) -> Iterator[Ingredient]:
    """Every ingredient of every manifest in the store, with what its signer recorded and what fails today.

    A new signature over a broken parent leaves the whole "Trusted" in the SDK's eyes: the parent's failure is
    written only in the ingredient's own results, so all of them are walked.
    """
    deltas = {
        str(delta.get("ingredientAssertionURI", "")): _statuses((delta.get("validationDeltas") or {}).get("failure"))
        for delta in results.get("ingredientDeltas") or []
    }
    for manifest_id, manifest in manifests.items():
        for ingredient in manifest.get("ingredients", []):
            recorded = (ingredient.get("validation_results") or {}).get("activeManifest") or {}
            legacy = ingredient.get("validation_status")  # claims v1: one list, failures only
            uri = f"self#jumbf=/c2pa/{manifest_id}/c2pa.assertions/{ingredient.get('label', '')}"
            yield Ingredient(
                title=str(ingredient.get("title", "")),
                relationship=str(ingredient.get("relationship", "")),
                manifest_id=ingredient.get("active_manifest"),
                failures=(_statuses(recorded.get("failure")) or _statuses(legacy)) + deltas.pop(uri, ()),
            )
    for uri, failures in deltas.items():
        if failures:  # an ingredient that the SDK judged but did not list
            yield Ingredient(uri.rsplit("/", 1)[-1], "parentOf", None, failures)
