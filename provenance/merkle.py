"""Merkle tree over a log that only grows. Hashing as in RFC 6962 section 2.1 (Certificate Transparency)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

EMPTY_ROOT = hashlib.sha256(b"").digest()
_SIZE = 32


def leaf_hash(data: bytes) -> bytes:
    """Hash of one entry."""
    return hashlib.sha256(b"\x00" + data).digest()


@dataclass(frozen=True)
class Tree:
    """A tree of ``size`` leaves, as the roots of its complete subtrees, largest first: all that appending needs."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    @classmethod
    def from_bytes(cls, size: int, peaks: bytes) -> Tree:
        """What `to_bytes` wrote; raises ValueError when it does not fit ``size``."""
        if len(peaks) != _SIZE * size.bit_count():
            raise ValueError(f"a tree of {size} leaves does not have {len(peaks) / _SIZE} complete subtrees")
        return cls(size, tuple(peaks[at : at + _SIZE] for at in range(0, len(peaks), _SIZE)))

    def to_bytes(self) -> bytes:
        """The peaks, 32 bytes each."""
        return b"".join(self.peaks)

    def append(self, leaf: bytes) -> Tree:
        """The tree with one more leaf hash."""
        peaks, size = list(self.peaks), self.size
        peaks.append(leaf)
        while size & 1:  # as many subtrees are complete now as the size has trailing ones
            right = peaks.pop()
            peaks[-1] = _node(peaks[-1], right)
            size >>= 1
        return Tree(self.size + 1, tuple(peaks))

    @property
    def root(self) -> bytes:
        """The tree's head."""
        if not self.peaks:
            return EMPTY_ROOT
        *others, root = self.peaks
        for peak in reversed(others):
            root = _node(peak, root)
        return root


def roots(leaves: Iterator[bytes]) -> Iterator[bytes]:
    """The head after each leaf."""
    tree = Tree()
    for leaf in leaves:
        tree = tree.append(leaf)
        yield tree.root


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
