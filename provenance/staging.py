"""Where a sealed file is built, how it appears, and what is swept up after a process that was killed.

The work happens in a hidden folder beside the destination, held by a lock. The registry keeps a row for it from the
start (`PendingRow`); file and entry become final together: entry committed, file renamed, row removed. A process that
dies anywhere in between leaves the row, and the next seal on this machine finishes or undoes what it finds.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from countermark.core.digest import sha256_of
from countermark.core.errors import MediaError, RegistryError, UsageError
from provenance.manifest import SIDECAR
from provenance.registry import Pending, Registry

_SUFFIX = ".sealing"
_LOCK = "lock"


@contextmanager
def workspace(output: Path, registry: Registry, video_id: str) -> Iterator[Path]:
    """A locked, registered folder beside ``output``; it and everything in it is gone afterwards.

    When the block raises, an entry already made for ``video_id`` is withdrawn unless its file is in place. Raises
    `MediaError` when the folder cannot be made.
    """
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{output.stem[:40]}.", suffix=_SUFFIX, dir=output.parent)).resolve()
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise MediaError(
            f"Nothing can be written to {output.parent}: {error.strerror}.", remedy="Choose a writable folder."
        ) from error
    host, place = socket.gethostname(), output.resolve()
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        registry.begin(Pending(video_id=video_id, host=host, folder=str(folder), output=str(place)))
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            _settle(registry, video_id, place)
            raise
        # Before the row: a process that dies in between leaves a row to sweep, and not a folder that nobody knows.
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(RegistryError):  # the seal is complete; if need be, the next sweep forgets the row
            registry.finish(video_id)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def publish(source: Path, output: Path, *, overwrite: bool) -> None:
    """Move a finished file into place in one step; over an existing one only with ``overwrite``.

    Raises `UsageError` when ``output`` has appeared meanwhile and `MediaError` when it cannot be written.
    """
    try:
        if overwrite:
            source.replace(output)
        else:
            _move_exclusively(source, output)
    except OSError as error:
        raise MediaError(
            f"{output} could not be put in place: {error.strerror or error}.",
            remedy="Check the folder's permissions and free space.",
        ) from error
    # Some file systems cannot flush a folder; the file itself is flushed, and in place.
    with suppress(OSError):
        descriptor = os.open(output.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def publish_sidecar(folder: Path, store: bytes, sidecar: Path) -> None:
    """Put a manifest beside the place of its video, before the video appears; `workspace` takes it away on failure.

    Raises `UsageError` when the file has appeared meanwhile and `MediaError` when it cannot be written.
    """
    made = folder / sidecar.name
    made.write_bytes(store)
    flush_and_hash(made)
    publish(made, sidecar, overwrite=False)


def flush_and_hash(path: Path) -> tuple[str, int]:
    """SHA-256 (hex) and size in bytes of a finished file, which is flushed to the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return sha256_of(path), path.stat().st_size


def sweep(registry: Registry) -> None:
    """Finish or undo the seals of processes on this machine that died.

    If the file is in place with the registered content, the entry stands; otherwise the entry goes. The work folder
    goes in any case. Seals of living processes hold their lock and are left alone.
    """
    for pending in registry.pending(socket.gethostname()):
        folder, output = Path(pending.folder), Path(pending.output)
        with _abandoned(folder) as abandoned:
            if not abandoned:
                continue
            if folder.name.endswith(_SUFFIX):
                shutil.rmtree(folder, ignore_errors=True)
            _settle(registry, pending.video_id, output)


def _settle(registry: Registry, video_id: str, output: Path) -> None:
    """End a seal one way or the other: the entry stays if its file is in place, and else goes."""
    expected = registry.file_sha256(video_id)
    try:
        in_place = expected is None or _has_content(output, expected)
    except OSError:  # cannot be told now, so nothing is decided; the next sweep asks again
        return
    if in_place:
        registry.finish(video_id)
        return
    if expected is not None:
        sidecar = output.with_suffix(SIDECAR)
        with suppress(OSError):  # not there, as always when the manifest is inside the video
            if sidecar.read_bytes() == registry.manifest(video_id):  # ours, and not one that somebody else put there
                sidecar.unlink()
    registry.withdraw(video_id)


@contextmanager
def _abandoned(folder: Path) -> Iterator[bool]:
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR)
    except OSError:  # already gone
        yield True
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
    else:
        yield True
    finally:
        os.close(lock)


def _has_content(path: Path, sha256: str) -> bool:
    try:
        return sha256_of(path) == sha256
    except (FileNotFoundError, NotADirectoryError):
        return False


def _move_exclusively(source: Path, output: Path) -> None:
    try:
        os.link(source, output)  # unlike rename, it fails when somebody else has made the file meanwhile
    except FileExistsError:
        raise UsageError(
            f"{output} appeared while the video was being sealed.", remedy="Choose another path."
        ) from None
    except OSError:  # a file system without hard links
        if output.exists():
            raise
        source.replace(output)
