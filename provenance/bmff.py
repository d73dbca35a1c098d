"""Top-level boxes of MP4 and MOV files, and the C2PA manifest store among them.

The SDK judges a manifest but does not hand out its raw bytes or the signer's certificate. Both are needed here:
the registry keys on the claim's hash, and the leaf's extended key usage is checked again after the SDK.

Sources: ISO/IEC 14496-12 section 4.2 (box), ISO/IEC 19566-5 Annex A (JUMBF), C2PA 2.4 sections 11.1 (JUMBF use) and A.5
(embedding in BMFF), RFC 9052 section 4.2 (COSE_Sign1), RFC 9360 (x5chain).
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import cbor2
from cryptography import x509

C2PA_UUID = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
_KNOWN_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"moof", b"sidx", b"mfra"})
_MAX_BOXES = 100_000
MAX_STORE = 256 * 1024**2
_MAX_JUMBF_DEPTH = 8
_MAX_CERTIFICATES = 16
_X5CHAIN = 33
ASSERTION_LISTS = ("created_assertions", "gathered_assertions", "assertions")  # the last in claims v1
# What indexing into hostile CBOR can raise.
_PARSE_ERRORS = (
    cbor2.CBORDecodeError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    AttributeError,
    RecursionError,
)


class MalformedBoxError(ValueError):
    """The bytes are not a well-formed sequence of boxes, JUMBF or COSE."""


@dataclass(frozen=True)
class Box:
    """One top-level box: four-character ``kind``, byte ``offset`` and ``size`` in the file, length of its header."""

    kind: bytes
    offset: int
    size: int
    header: int


def top_level_boxes(file: BinaryIO) -> Iterator[Box]:
    """The top-level boxes in order; raises `MalformedBoxError` when a size makes no sense."""
    end = file.seek(0, io.SEEK_END)
    offset = 0
    for _ in range(_MAX_BOXES):
        if offset == end:
            return
        file.seek(offset)
        head = file.read(16)
        if len(head) < 8:
            raise MalformedBoxError(f"a box header is cut off at byte {offset}")
        size, kind = struct.unpack(">I4s", head[:8])
        header = 8
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack(">Q", head[8:])
            header = 16
        elif size == 0:
            size = end - offset
        if size < header or offset + size > end:
            raise MalformedBoxError(f"box {kind!r} at byte {offset} has size {size}, beyond the file's {end} bytes")
        yield Box(kind, offset, size, header)
        offset += size
    raise MalformedBoxError(f"more than {_MAX_BOXES} boxes")


def is_cut_short(path: Path) -> bool:
    """Whether an MP4 or MOV file ends inside one of its boxes; False for other containers. Raises OSError."""
    with path.open("rb") as file:
        end = file.seek(0, io.SEEK_END)
        offset, number = 0, 0
        while offset + 8 <= end and number < _MAX_BOXES:
            file.seek(offset)
            head = file.read(16)
            size, kind = struct.unpack(">I4s", head[:8])
            if kind not in _KNOWN_BOXES or size == 0:  # another container, junk after the last box, or up to the end
                return False
            if size == 1 and len(head) == 16:
                (size,) = struct.unpack(">Q", head[8:])
            if size < 8:
                return False
            offset, number = offset + size, number + 1
    return offset > end


def uuid_payload(file: BinaryIO, box: Box, uuid: bytes, limit: int) -> bytes | None:
    """The content after the 16-byte type of a ``uuid`` box of that type; None for any other box."""
    if box.kind != b"uuid" or box.size < box.header + 16:
        return None
    file.seek(box.offset + box.header)
    if file.read(16) != uuid:
        return None
    length = box.size - box.header - 16
    if length > limit:
        raise MalformedBoxError(f"a uuid box holds {length} bytes, more than {limit}")
    return file.read(length)


def manifest_store(path: Path) -> bytes | None:
    """The JUMBF bytes of the C2PA manifest store of an MP4 or MOV file; None when there is none.

    Raises `MalformedBoxError` for broken boxes and OSError when the file cannot be read.
    """
    with path.open("rb") as file:
        for box in top_level_boxes(file):
            payload = uuid_payload(file, box, C2PA_UUID, MAX_STORE)
            # FullBox version and flags, then the purpose, zero-terminated; a "merkle" box is not the store.
            if payload is None or not payload[4:].startswith(b"manifest\0"):
                continue
            return payload[4 + len(b"manifest\0") + 8 :]
    return None


@dataclass(frozen=True)
class SignedClaim:
    """The parts of one manifest that identify it: SHA-256 (hex) of its claim box, and the signer's certificate chain.

    ``assertions`` are what the claim refers to: address and hash of each. ``time_stamps`` are DER tokens or responses
    of RFC 3161, as the signature carries them.
    """

    claim_sha256: str
    assertions: frozenset[tuple[str, bytes]]
    chain: tuple[x509.Certificate, ...]
    time_stamps: tuple[bytes, ...] = ()

    @property
    def leaf(self) -> x509.Certificate:
        """The signer's own certificate."""
        return self.chain[0]


def signed_claim(store: bytes, urn: str) -> SignedClaim:
    """What identifies manifest ``urn`` inside a manifest store; raises `MalformedBoxError`.

    Whatever is there twice is refused: another reader could take the other one.
    """
    boxes = list(_superboxes(_descend(store, ["c2pa", urn])))
    claims = [content for label, content in boxes if label in ("c2pa.claim", "c2pa.claim.v2")]
    signatures = [content for label, content in boxes if label == "c2pa.signature"]
    if len(claims) != 1 or len(signatures) != 1:
        raise MalformedBoxError(f"manifest {urn} has {len(claims)} claims and {len(signatures)} signatures")
    assertions = _assertions(_cbor_content(claims[0]))
    return SignedClaim(hashlib.sha256(claims[0]).hexdigest(), assertions, *_credentials(_cbor_content(signatures[0])))


def active_manifest_id(store: bytes) -> str:
    """The URN of the active manifest, which is the last of a store; raises `MalformedBoxError`."""
    labels = [label for label, _ in _superboxes(_descend(store, ["c2pa"]))]
    if not labels or not labels[-1]:
        raise MalformedBoxError("the manifest store holds no manifest")
    return labels[-1]


def only_active(store: bytes) -> bytes:
    """A manifest store with nothing but the active manifest of ``store``; raises `MalformedBoxError`."""
    for kind, body in _boxes(store):
        label, start = _description(body) if kind == b"jumb" else ("", 0)
        if label == "c2pa":
            manifests = [inner for kind, inner in _boxes(body[start:]) if kind == b"jumb"]
            if manifests:
                return _superbox(body[:start] + _superbox(manifests[-1]))
    raise MalformedBoxError("the manifest store holds no manifest")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    offset = 0
    while offset < len(data):
        if len(data) - offset < 8:
            raise MalformedBoxError("a JUMBF box header is cut off")
        size, kind = struct.unpack_from(">I4s", data, offset)
        if size < 8 or offset + size > len(data):
            raise MalformedBoxError(f"JUMBF box {kind!r} has size {size}")
        yield kind, data[offset + 8 : offset + size]
        offset += size


def _superboxes(content: bytes) -> Iterator[tuple[str, bytes]]:
    """Label and content (after the description box) of each superbox directly inside ``content``."""
    for kind, body in _boxes(content):
        if kind == b"jumb":
            label, start = _description(body)
            yield label, body[start:]


def _description(body: bytes) -> tuple[str, int]:
    """Label of a superbox with this body, and where its content begins in it, after the description box."""
    first = next(_boxes(body), None)
    if first is None or first[0] != b"jumd" or len(first[1]) < 17:
        raise MalformedBoxError("a JUMBF superbox lacks its description")
    label = first[1][17:].split(b"\0", 1)[0] if first[1][16] & 0x02 else b""
    return label.decode("utf-8", "replace"), 8 + len(first[1])


def _superbox(body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), b"jumb") + body


def _descend(content: bytes, labels: list[str]) -> bytes:
    if len(labels) > _MAX_JUMBF_DEPTH:
        raise MalformedBoxError("too deep")
    for wanted in labels:
        found = [inner for label, inner in _superboxes(content) if label == wanted]
        if len(found) != 1:
            raise MalformedBoxError(f"{len(found)} boxes are labelled {wanted}, expected one")
        content = found[0]
    return content


def _cbor_content(content: bytes) -> bytes:
    found = [body for kind, body in _boxes(content) if kind == b"cbor"]
    if len(found) != 1:
        raise MalformedBoxError(f"a claim or signature holds {len(found)} boxes of CBOR, expected one")
    return found[0]


def _assertions(claim: bytes) -> frozenset[tuple[str, bytes]]:
    """Address and hash of every assertion that a claim (v1 or v2) refers to."""
    try:
        content = cbor2.loads(claim)
        listed = [each for key in ASSERTION_LISTS for each in content.get(key, [])]
        return frozenset((str(each["url"]), _byte_string(each["hash"])) for each in listed)
    except _PARSE_ERRORS as error:
        raise MalformedBoxError(f"the claim cannot be parsed: {error}") from error


def _credentials(cose: bytes) -> tuple[tuple[x509.Certificate, ...], tuple[bytes, ...]]:
    """Certificates of ``x5chain`` of a COSE_Sign1, from the protected header or (claims v1) the other; time-stamps."""
    try:
        message = cbor2.loads(cose)
        parts = message.value if isinstance(message, cbor2.CBORTag) else message
        headers = (cbor2.loads(parts[0]), parts[1])
        chains = [header[label] for header in headers for label in (_X5CHAIN, "x5chain") if label in header]
        if len(chains) != 1:
            raise ValueError(f"it carries {len(chains)} certificate chains, expected one")
        listed = [chains[0]] if isinstance(chains[0], bytes) else chains[0][:_MAX_CERTIFICATES]
        certificates = tuple(x509.load_der_x509_certificate(certificate) for certificate in listed)
        return certificates, _time_stamps(parts[1])
    except _PARSE_ERRORS as error:
        raise MalformedBoxError(f"the signature cannot be parsed: {error}") from error


def _time_stamps(header: Any) -> tuple[bytes, ...]:  # noqa: ANN401  # CBOR
    containers = [header[label] for label in ("sigTst2", "sigTst") if label in header]
    return tuple(_byte_string(token["val"]) for container in containers for token in container["tstTokens"])


def _byte_string(value: object) -> bytes:
    """``value``, which is one; ``bytes`` of a number would be as many zeros."""
    if not isinstance(value, bytes):
        raise TypeError("a byte string is something else")
    return value
