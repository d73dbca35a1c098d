"""A perceptual fingerprint of a video: PDQ hashes of its opening, one a second.

Where a watermark is gone, a copy can still be found by its looks, approximately and with a score. Each hash is 256
bits; two frames match at a Hamming distance of at most 31, Meta's published threshold for PDQ. Method: vPDQ (Meta, "The
TMK+PDQF video-hashing algorithm and the PDQ image-hashing algorithm", 2019), here over the first eight seconds.

PDQ looks at the whole frame, so a cropped copy hashes differently. A query is therefore also hashed as if borders had
been cut off it: with the missing parts put back, of the colour of the edge. What is registered is hashed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pdqhash
from PIL import Image

from countermark.core.media import Frames, Limits, VideoReader

FINGERPRINT_ID = "org.countermark.fingerprint.1"
"""Soft-binding algorithm identifier; the value is the hashes one after another, 32 bytes each."""
MAX_DISTANCE = 31
SECONDS = 8
"""One hash a second, from the first frame on."""

_BYTES = 32
_MIN_QUALITY = 50  # below it PDQ says that a picture has too little detail to be told from others
_EDGE = 512  # PDQ works on 64x64; a first reduction makes large frames cheap
_MAX_FRAMES = 1200
_CHUNKS = 16  # of 16 bits: at distance 31 at least one of them differs in at most one bit

# Left, right, top, bottom: shares of the whole frame that may be missing. Each is good for about 2 % more or less.
_CUTS = (
    *((cut / 2, cut / 2, cut / 2, cut / 2) for cut in (0.05, 0.075, 0.1)),
    *((0.05, 0.0, 0.0, 0.0), (0.0, 0.05, 0.0, 0.0), (0.0, 0.0, 0.05, 0.0), (0.0, 0.0, 0.0, 0.05)),
    *((0.05, 0.05, 0.0, 0.0), (0.0, 0.0, 0.05, 0.05)),
    *((0.05, 0.0, 0.05, 0.0), (0.05, 0.0, 0.0, 0.05), (0.0, 0.05, 0.05, 0.0), (0.0, 0.05, 0.0, 0.05)),
)
VIEWS = 1 + len(_CUTS)
"""Queries that one video makes."""
Hashes = npt.NDArray[np.uint8]


@dataclass
class Sampler:
    """Takes its samples from chunks of frames as they pass; ``time_base`` is the unit of their ``pts``.

    With ``uncrop``, ``uncropped`` has the hashes for every cut in turn that the video may have suffered.
    """

    time_base: Fraction
    uncrop: bool = False
    hashes: list[bytes] = field(default_factory=list)
    uncropped: list[list[bytes]] = field(default_factory=lambda: [[] for _ in _CUTS])
    _first: int | None = None
    _taken: int = 0

    @property
    def complete(self) -> bool:
        """Whether further frames change nothing."""
        return self._taken >= SECONDS

    def add(self, frames: Frames) -> None:
        """Look at a chunk."""
        for index, pts in enumerate(frames.pts.tolist()):
            self._first = pts if self._first is None else self._first
            if self.complete or (pts - self._first) * self.time_base < self._taken:
                continue
            self._taken += 1
            one = slice(index, index + 1)
            picture = _small(Frames(frames.luma[one], frames.chroma[one], frames.pts[one], frames.colour))
            digest = _hash(picture)
            if digest is None:
                continue
            self.hashes.append(digest)
            if self.uncrop:
                for found, cut in zip(self.uncropped, _CUTS, strict=True):
                    found.append(_hash(_restored(picture, cut)) or digest)


def fingerprint(path: Path, limits: Limits, *, isolated: bool = True) -> tuple[bytes, ...]:
    """The hashes of a file's opening, as many as are distinctive; raises `MediaError`."""
    return tuple(_sampled(path, limits, isolated=isolated).hashes)


def queries(path: Path, limits: Limits, *, isolated: bool = True) -> tuple[tuple[bytes, ...], ...]:
    """`fingerprint`, and what it may have been before borders were cut off; empty if nothing is distinctive."""
    sampler = _sampled(path, limits, isolated=isolated, uncrop=True)
    return tuple(tuple(hashes) for hashes in (sampler.hashes, *sampler.uncropped)) if sampler.hashes else ()


def to_value(hashes: Sequence[bytes]) -> str:
    """The soft binding's value, in hex."""
    return b"".join(hashes).hex()


def from_value(value: str | bytes) -> tuple[bytes, ...]:
    """Hashes of a soft binding's value (hex, or bytes); raises ValueError."""
    data = bytes.fromhex(value) if isinstance(value, str) else value
    if not data or len(data) % _BYTES:
        raise ValueError(f"a fingerprint of {len(data)} bytes is not made of hashes")
    return tuple(data[at : at + _BYTES] for at in range(0, len(data), _BYTES))


def similarity(query: Sequence[bytes], other: Sequence[bytes]) -> int:
    """Percentage of the query's hashes that match one of the other's."""
    if not query or not other:
        return 0
    left, right = (_words(np.frombuffer(b"".join(h), np.uint8).reshape(-1, _BYTES)) for h in (query, other))
    distances = np.bitwise_count(left[:, None] ^ right[None]).sum(axis=-1, dtype=np.uint32)
    return round(100 * float((distances.min(axis=1) <= MAX_DISTANCE).mean()))


class Index:
    """Finds hashes near a query among millions: multi-index hashing (Norouzi, Punjani and Fleet, CVPR 2012).

    ``hashes`` is uint8 [N, 32]; answers are row numbers. Memory: 96 bytes a hash.
    """

    def __init__(self, hashes: Hashes) -> None:
        self._words = _words(hashes)
        chunks = hashes.reshape(-1, _BYTES).view(np.uint16)
        self._rows, self._starts = [], []
        for chunk in range(_CHUNKS):
            rows = np.argsort(chunks[:, chunk], kind="stable").astype(np.uint32)
            self._rows.append(rows)
            self._starts.append(np.searchsorted(chunks[rows, chunk], np.arange(2**16 + 1)))

    def near(self, query: bytes) -> npt.NDArray[np.intp]:
        """Rows at a Hamming distance of at most `MAX_DISTANCE`."""
        if not len(self._words):
            return np.empty(0, np.intp)
        found = []
        for chunk, key in enumerate(np.frombuffer(query, np.uint16)):
            starts, rows = self._starts[chunk], self._rows[chunk]
            for neighbour in (int(key), *(int(key) ^ 1 << bit for bit in range(16))):
                found.append(rows[starts[neighbour] : starts[neighbour + 1]])
        candidates = np.concatenate(found)
        distances = np.bitwise_count(self._words[candidates] ^ np.frombuffer(query, np.uint64)).sum(axis=-1)
        near: npt.NDArray[np.intp] = np.unique(candidates[distances <= MAX_DISTANCE]).astype(np.intp)
        return near


def _words(hashes: Hashes) -> npt.NDArray[np.uint64]:
    return np.ascontiguousarray(hashes).reshape(-1, _BYTES).view(np.uint64)


def _sampled(path: Path, limits: Limits, *, isolated: bool, uncrop: bool = False) -> Sampler:
    with VideoReader(path, limits, isolated=isolated, max_frames=_MAX_FRAMES) as reader:
        sampler = Sampler(reader.info.time_base, uncrop)
        for frames in reader:
            sampler.add(frames)
            if sampler.complete:
                break
    return sampler


def _small(frame: Frames) -> Hashes:
    """The one frame as R'G'B' uint8 [height, width, 3] of at most `_EDGE` pixels a side."""
    picture = Image.fromarray(frame.to_rgb()[0])
    picture.thumbnail((_EDGE, _EDGE), Image.Resampling.BOX)
    return np.asarray(picture)


def _restored(picture: Hashes, cut: tuple[float, float, float, float]) -> Hashes:
    """``picture`` with the shares of the whole that ``cut`` says put back around it."""
    left, right, top, bottom = cut
    height, width = picture.shape[:2]
    x, y = width / (1 - left - right), height / (1 - top - bottom)
    return np.pad(
        picture, ((round(top * y), round(bottom * y)), (round(left * x), round(right * x)), (0, 0)), mode="edge"
    )


def _hash(picture: Hashes) -> bytes | None:
    bits, quality = pdqhash.compute(np.ascontiguousarray(picture))
    return np.packbits(bits.astype(np.uint8)).tobytes() if quality >= _MIN_QUALITY else None
