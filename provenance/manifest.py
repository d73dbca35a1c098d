"""Sign a file with a C2PA manifest: in the file, beside it, or at an address that the file names."""

from __future__ import annotations

import io
import mimetypes
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

import c2pa

from countermark.core.errors import CredentialError, ManifestError, UsageError
from provenance.credentials import C2PA_CLAIM_SIGNING, DOCUMENT_SIGNING, EMAIL_PROTECTION, Credentials
from provenance.origin import Origin
from provenance.statements import ingredient_id, relationship

Delivery = Literal["embedded", "sidecar", "remote"]
"""Where the manifest goes: into the file, into ``NAME.c2pa`` beside it, or to an address that the file's XMP names."""

SIDECAR = ".c2pa"
_EMBEDDABLE = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime"}
_PICTURES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}
_SIDECAR_ONLY = {".mkv": "video/x-matroska", ".webm": "video/webm"}
_THUMBNAIL = "thumbnail.jpg"
_COPY_BYTES = 1024**2
_ACCEPTED_EKUS = (C2PA_CLAIM_SIGNING, DOCUMENT_SIGNING, EMAIL_PROTECTION)


def media_type(path: Path, delivery: Delivery = "embedded") -> str:
    """The media type under which the SDK signs this container; raises `UsageError` where it cannot.

    Nothing can be embedded into Matroska and WebM, nor their XMP name an address: a sidecar is all they can have.
    """
    suffix = path.suffix.lower()
    if delivery == "sidecar" and suffix in _SIDECAR_ONLY:
        return _SIDECAR_ONLY[suffix]
    try:
        return (_EMBEDDABLE | _PICTURES)[suffix]
    except KeyError:
        other = "; `protect --sidecar` puts them beside a .mkv file" if suffix == ".mkv" else ""
        kind = f"a '{path.suffix}' file" if path.suffix else f"{path.name}, which names no type of file"
        raise UsageError(
            f"Content Credentials cannot be embedded in {kind}.",
            remedy=f"Use .mp4, .m4v or .mov, or .png or .jpg for one picture{other}.",
        ) from None


def sidecar_of(path: Path) -> Path:
    """Where the manifest of a file is when it is not inside: the same name, ending in ``.c2pa``."""
    return path.with_suffix(SIDECAR)


def new_context(anchor_pem: str | None) -> c2pa.Context:
    """Settings of the SDK for signing and reading: our anchor, nothing fetched from the network, every box hashed.

    Made anew for each use, because a context made before a fork is dead in the child; it costs 0.1 ms.
    """
    trust = {"trust_config": "\n".join(oid.dotted_string for oid in _ACCEPTED_EKUS)}
    if anchor_pem is not None:
        trust["user_anchors"] = anchor_pem
    return c2pa.Context.from_dict(
        {
            "version": 1,
            "trust": trust,
            "verify": {
                "verify_trust": True,
                "verify_after_reading": True,
                "verify_after_sign": True,
                # A file must not make us open connections (server-side request forgery).
                "remote_manifest_fetch": False,
                "ocsp_fetch": False,
            },
            "builder": {
                # Otherwise data can be added in free and skip boxes without breaking the hash.
                "bmff_hash_exclude_free_and_skip_boxes": False,
                "thumbnail": {"enabled": False},
            },
        }
    )


def sign(
    source: Path,
    target: Path,
    manifest: dict[str, Any],
    credentials: Credentials,
    *,
    origin: Origin,
    thumbnail: bytes | None = None,
    delivery: Delivery = "embedded",
    time_stamp_url: str | None = None,
) -> bytes:
    """Sign ``source`` into the new file ``target`` (two different paths) and return the manifest store.

    ``thumbnail`` is a JPEG; ``time_stamp_url`` an RFC 3161 authority that is asked for a time-stamp (the SDK waits 30
    seconds for it). Where the manifest is not embedded, ``target`` is a copy of ``source``, byte for byte. Raises
    `ManifestError`; a ``target`` left by a failure is not to be used.
    """
    if source.resolve() == target.resolve():
        raise ManifestError("A file cannot be signed onto itself.", remedy="Give another path for the signed file.")
    if thumbnail is not None:
        manifest = {**manifest, "thumbnail": {"format": "image/jpeg", "identifier": _THUMBNAIL}}
    with ExitStack() as stack, sdk_errors("The file could not be signed"):
        context = stack.enter_context(new_context(credentials.root_pem))
        signer = stack.enter_context(_signer(credentials, time_stamp_url))
        builder = stack.enter_context(c2pa.Builder(manifest, context))
        if thumbnail is not None:
            builder.add_resource(_THUMBNAIL, io.BytesIO(thumbnail))
        for index, path in enumerate(origin.ingredients):
            ingredient = {
                "title": path.name,
                "relationship": relationship(origin, index),
                "label": ingredient_id(index),
            }
            builder.add_ingredient(ingredient, _ingredient_type(path), stack.enter_context(path.open("rb")))
        if delivery != "embedded":
            builder.set_no_embed()
        source_file = stack.enter_context(source.open("rb"))
        target_file = stack.enter_context(target.open("x+b"))
        store = bytes(builder.sign(signer, media_type(target, delivery), source_file, target_file))
        if delivery != "embedded":
            _copy(source_file, target_file)
    if not store:
        raise ManifestError("The signer returned no manifest.", remedy="Try again; report it if it stays.")
    return store


@contextmanager
def _signer(credentials: Credentials, time_stamp_url: str | None) -> Iterator[c2pa.Signer]:
    """The SDK's signer. What goes wrong where the key is kept elsewhere is raised as it was, not as the SDK puts it."""
    algorithm, chain = c2pa.C2paSigningAlg[credentials.algorithm.upper()], credentials.chain_pem
    if credentials.sign is None:
        info = c2pa.C2paSignerInfo(algorithm, chain.encode(), credentials.key_pem.encode(), time_stamp_url)
        with c2pa.Signer.from_info(info) as signer:
            yield signer
        return
    external, failures = credentials.sign, list[CredentialError]()

    def sign(data: bytes) -> bytes:
        try:
            return external(data)
        except CredentialError as error:
            failures.append(error)
            return b""  # no signature, at which the SDK fails

    try:
        with c2pa.Signer.from_callback(sign, algorithm, chain, time_stamp_url) as signer:
            yield signer
    except (c2pa.C2paError, ManifestError):
        if failures:
            raise failures[0] from None
        raise


def _copy(source: BinaryIO, target: BinaryIO) -> None:
    """Whatever the SDK has or has not written, a file without an embedded manifest stays as it was."""
    source.seek(0)
    target.seek(0)
    target.truncate()
    shutil.copyfileobj(source, target, _COPY_BYTES)


@contextmanager
def sdk_errors(what: str) -> Iterator[None]:
    """Turn the SDK's and the file system's exceptions into `ManifestError`."""
    try:
        yield
    except c2pa.C2paError as error:
        raise ManifestError(
            f"{what}: {error}.", remedy="Check the input file and the signing keys (COUNTERMARK_HOME)."
        ) from error
    except OSError as error:
        raise ManifestError(
            f"{what}: {error.strerror or error}.", remedy="Check free space and permissions of the output folder."
        ) from error


def _ingredient_type(path: Path) -> str:
    known = (_EMBEDDABLE | _PICTURES | _SIDECAR_ONLY).get(path.suffix.lower())
    return known or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
