"""How long a file says it is, from its outermost structure, so that a truncation shows before anything is decoded."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_EBML, _SEGMENT = 0x1A45DFA3, 0x18538067
_MAX_BOXES = 100_000


def declared_size(path: Path, format_name: str) -> int | None:
    """Bytes that the top-level boxes (ISO/IEC 14496-12 section 4.2), EBML elements (RFC 8794) or RIFF chunks span.

    None for other formats, for sizes left open (live recordings) and for structures that make no sense.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        if "mp4" in format_name:
            return _boxes(file, size)
        if "matroska" in format_name:
            return _ebml(file)
        if format_name == "avi":
            return _riff(file, size)
    return None


def _boxes(file: BinaryIO, size: int) -> int | None:
    position = 0
    for _ in range(_MAX_BOXES):
        if position + 8 > size:
            return max(position, size)
        file.seek(position)
        head = file.read(16)
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length == 0:  # to the end of the file
            return size
        if length < 8:
            return None
        position += length
    return None


def _ebml(file: BinaryIO) -> int | None:
    position = 0
    for expected in (_EBML, _SEGMENT):
        file.seek(position)
        name, _ = _vint(file, keep_marker=True)
        length, open_ended = _vint(file, keep_marker=False)
        if name != expected or open_ended:
            return None
        position = file.tell() + length
    return position


def _vint(file: BinaryIO, *, keep_marker: bool) -> tuple[int, bool]:
    """An EBML variable-length integer, and whether all its bits are set, which means "unknown"."""
    first = file.read(1)
    if not first or first[0] == 0:
        return 0, True
    width = 9 - first[0].bit_length()
    value = int.from_bytes(first + file.read(width - 1), "big")
    data = value & ((1 << 7 * width) - 1)
    return value if keep_marker else data, data == (1 << 7 * width) - 1


def _riff(file: BinaryIO, size: int) -> int | None:
    position = 0
    while position + 12 <= size:  # OpenDML files are a row of RIFF chunks
        file.seek(position)
        head = file.read(8)
        length = int.from_bytes(head[4:8], "little")
        if head[:4] != b"RIFF":
            return max(position, 0) or None
        if length == 0:
            return None
        position += 8 + length + length % 2
    return position
