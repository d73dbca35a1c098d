"""The secret that decides where in the picture an issuer's watermark lies."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from countermark.core.errors import ConfigurationError

_KEY_BYTES = 32


@dataclass(frozen=True)
class WatermarkKey:
    """32 secret bytes of one issuer. Whoever has them can read, forge and remove that issuer's watermark.

    Raises :class:`ConfigurationError` unless given exactly 32 bytes.
    """

    secret: bytes = field(repr=False)
    issuer: int = 1

    def __post_init__(self) -> None:
        if len(self.secret) != _KEY_BYTES:
            raise ConfigurationError(
                f"A watermark key is {_KEY_BYTES} bytes; {len(self.secret)} were given.",
                remedy="Restore the key file from its backup, or remove it to have a new key made.",
            )

    @classmethod
    def new(cls, issuer: int = 1) -> WatermarkKey:
        """A fresh random key."""
        return cls(secrets.token_bytes(_KEY_BYTES), issuer)

    def words(self, label: str, count: int) -> npt.NDArray[np.uint64]:
        """``count`` pseudo-random 64-bit words, uint64 [count], the same for ever for the same key and label.

        SHAKE-256 keyed by HMAC, and not a numpy generator, whose streams may change between releases (NEP 19)
        and would then leave every video marked so far unreadable.
        """
        seed = hmac.digest(self.secret, label.encode(), hashlib.sha256)
        return np.frombuffer(hashlib.shake_256(seed).digest(8 * count), dtype="<u8").astype(np.uint64)


def load_or_create_key(keys_dir: Path, issuer: int) -> WatermarkKey:
    """The watermark key of ``issuer`` from ``keys_dir``; made on first use, readable by the owner only.

    Raises :class:`ConfigurationError` if the file is of the wrong size, readable by others, or out of reach.
    """
    path = keys_dir / f"watermark-{issuer:04d}.key"
    try:
        if not path.exists():
            _create(path)
    except OSError as error:
        raise ConfigurationError(
            f"The watermark key {path} cannot be made: {error.strerror}.",
            remedy="Make the folder writable, or set COUNTERMARK_HOME to one that is.",
        ) from error
    return _read(path, issuer)


def load_retired_keys(keys_dir: Path, issuer: int) -> tuple[WatermarkKey, ...]:
    """The earlier watermark keys of ``issuer``, the latest first; raises as :func:`load_or_create_key`."""
    paths = sorted(keys_dir.glob(f"watermark-{issuer:04d}.retired-*.key"), reverse=True)
    return tuple(_read(path, issuer) for path in paths)


def rotate_key(keys_dir: Path, issuer: int) -> WatermarkKey:
    """Retire the key of ``issuer`` and make a new one; videos marked so far stay readable by the retired key.

    Raises :class:`ConfigurationError` as :func:`load_or_create_key`.
    """
    load_or_create_key(keys_dir, issuer)  # there is one, and it is sound
    path = keys_dir / f"watermark-{issuer:04d}.key"
    try:
        path.rename(keys_dir / f"watermark-{issuer:04d}.retired-{time.time_ns():020d}.key")
    except OSError as error:
        raise ConfigurationError(
            f"The watermark key {path} cannot be retired: {error.strerror}.", remedy="Make its folder writable."
        ) from error
    return load_or_create_key(keys_dir, issuer)


def _read(path: Path, issuer: int) -> WatermarkKey:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise ConfigurationError(
                f"The watermark key {path} can be read by other users (mode {mode:o}).",
                remedy=f"Run `chmod 600 {path}`; if somebody may have read it, replace it.",
            )
        return WatermarkKey(path.read_bytes(), issuer)
    except OSError as error:
        raise ConfigurationError(
            f"The watermark key {path} cannot be read: {error.strerror}.",
            remedy="Make it readable for you, or set COUNTERMARK_HOME to a folder that is.",
        ) from error


def _create(path: Path) -> None:
    """Write a new key so that two processes starting together agree on one key and never see half of it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)  # mkstemp makes it 0600
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(temporary, path)  # fails if another process was first: its key is then the key
        except FileExistsError:
            return
    finally:
        temporary.unlink()
