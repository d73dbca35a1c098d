"""Metadata of PNG and JPEG files: the C2PA manifest store and the XMP packet.

Sources: PNG third edition sections 5.3 (chunks) and 11.3.3.4 (iTXt), ITU-T T.81 annex B (JPEG segments), XMP
specification part 3 sections 1.1.3 (JPEG) and 1.1.5 (PNG), C2PA 2.4 section A.3 (``caBX`` chunk, APP11 segments),
ISO/IEC 19566-5 annex D (JUMBF boxes split over APP11 segments).
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from countermark.core.errors import ManifestError
from countermark.core.media.opening import still_format
from provenance.bmff import MAX_STORE, MalformedBoxError

_PNG = b"\x89PNG\r\n\x1a\n"
_IHDR_END = len(_PNG) + 25
_XMP_KEYWORD = b"XML:com.adobe.xmp"
_XMP_JPEG = b"http://ns.adobe.com/xap/1.0/\0"
_C2PA_TYPE = bytes.fromhex("6332706100110010800000aa00389b71")  # JUMBF content type of a manifest store
_APP0, _APP1, _APP11 = 0xE0, 0xE1, 0xEB
_SCAN, _END = 0xDA, 0xD9
_MAX_PARTS = 100_000
_MAX_XMP = 4 * 1024**2


@dataclass(frozen=True)
class _Part:
    """A PNG chunk or JPEG segment: what it is, where its content begins, and how long that is."""

    kind: bytes | int
    offset: int
    size: int


def picture_store(path: Path) -> bytes | None:
    """The JUMBF bytes of the manifest store of a PNG or JPEG file; None when there is none, or in another format.

    Raises `MalformedBoxError` for broken chunks or segments, and OSError.
    """
    with path.open("rb") as file:
        match still_format(path):
            case "png":
                return next((_content(file, part, MAX_STORE) for part in _chunks(file) if part.kind == b"caBX"), None)
            case "jpeg":
                return _joined_store(file)
    return None


def picture_xmp(path: Path) -> bytes | None:
    """The XMP packet of a PNG or JPEG file; None when there is none. Raises as `picture_store`."""
    with path.open("rb") as file:
        match still_format(path):
            case "png":
                for part in _chunks(file):
                    if part.kind == b"iTXt" and (packet := _plain_xmp(_content(file, part, _MAX_XMP))) is not None:
                        return packet
            case "jpeg":
                for part in _segments(file):
                    if part.kind == _APP1 and (content := _content(file, part, _MAX_XMP)).startswith(_XMP_JPEG):
                        return content[len(_XMP_JPEG) :]
    return None


def insert_xmp(path: Path, packet: bytes) -> None:
    """Put an XMP packet into a PNG or JPEG file that this program has just written and that has none.

    Raises `ManifestError` when it is too long for a JPEG segment.
    """
    data = path.read_bytes()
    if data.startswith(_PNG):
        body = b"iTXt" + _XMP_KEYWORD + bytes(5) + packet  # not compressed, no language, no translation
        part, place = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)), _IHDR_END
    else:
        body = _XMP_JPEG + packet
        if len(body) + 2 > 0xFFFF:
            raise ManifestError("The labels are too long for a JPEG file.", remedy="Use a shorter title.")
        part = struct.pack(">BBH", 0xFF, _APP1, len(body) + 2) + body
        # JFIF wants its own segment right behind the start.
        first = next(_segments(io.BytesIO(data)), None)
        place = first.offset + first.size if first is not None and first.kind == _APP0 else 2
    path.write_bytes(data[:place] + part + data[place:])


def _chunks(file: BinaryIO) -> Iterator[_Part]:
    end, offset = file.seek(0, io.SEEK_END), len(_PNG)
    for _ in range(_MAX_PARTS):
        file.seek(offset)
        head = file.read(8)
        if len(head) < 8:
            return
        size, kind = struct.unpack(">I4s", head)
        if offset + 12 + size > end:
            raise MalformedBoxError(f"chunk {kind!r} at byte {offset} has size {size}, beyond the file's {end} bytes")
        yield _Part(kind, offset + 8, size)
        offset += 12 + size
    raise MalformedBoxError(f"more than {_MAX_PARTS} chunks")


def _segments(file: BinaryIO) -> Iterator[_Part]:
    """The marker segments before the first scan."""
    end, offset = file.seek(0, io.SEEK_END), 2
    for _ in range(_MAX_PARTS):
        file.seek(offset)
        head = file.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            return
        if head[1] == 0xFF:  # a fill byte
            offset += 1
            continue
        if head[1] in (_SCAN, _END):
            return
        (size,) = struct.unpack(">H", head[2:])
        if size < 2 or offset + 2 + size > end:
            raise MalformedBoxError(f"the segment at byte {offset} has size {size}, beyond the file's {end} bytes")
        yield _Part(head[1], offset + 4, size - 2)
        offset += 2 + size
    raise MalformedBoxError(f"more than {_MAX_PARTS} segments")


def _content(file: BinaryIO, part: _Part, limit: int) -> bytes:
    if part.size > limit:
        raise MalformedBoxError(f"the part at byte {part.offset} holds {part.size} bytes, more than {limit}")
    file.seek(part.offset)
    return file.read(part.size)


def _joined_store(file: BinaryIO) -> bytes | None:
    """The manifest store out of its APP11 segments: each repeats the box's header, which the box has once."""
    boxes: dict[int, bytearray] = {}
    total = 0
    for part in _segments(file):
        content = _content(file, part, MAX_STORE) if part.kind == _APP11 else b""
        if len(content) < 16 or content[:2] != b"JP":
            continue
        (number,) = struct.unpack_from(">H", content, 2)
        size, kind = struct.unpack_from(">I4s", content, 8)
        header = 16 if size == 1 else 8
        if kind != b"jumb":
            continue
        total += len(content)
        if total > MAX_STORE:
            raise MalformedBoxError(f"the APP11 segments hold more than {MAX_STORE} bytes")
        boxes.setdefault(number, bytearray(content[8 : 8 + header])).extend(content[8 + header :])
    stores = (bytes(box) for box in boxes.values() if box[16:32] == _C2PA_TYPE)
    return next(stores, None)


def _plain_xmp(text: bytes) -> bytes | None:
    """The packet in an iTXt chunk that holds XMP, which the specification wants uncompressed."""
    keyword, _, rest = text.partition(b"\0")
    if keyword != _XMP_KEYWORD or rest[:1] != b"\0":
        return None
    parts = rest[2:].split(b"\0", 2)
    return parts[2] if len(parts) == 3 else None
