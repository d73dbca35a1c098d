"""Where a job's files are: one folder each, named by its unguessable id; if wanted, in an object store as well."""

from __future__ import annotations

import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import fsspec

from countermark.core.errors import ConfigurationError
from countermark.service.jobs import ACTIVE

if TYPE_CHECKING:
    from countermark.service.jobs import JobStore

log = logging.getLogger("countermark.service")

VIDEO = "video.mp4"
THUMBNAIL = "thumbnail.webp"
SPRITESHEET = "spritesheet.jpg"
REPORT = "report.html"
UPLOAD = "upload"
_KEPT_SECONDS = 3600.0
"""How long a machine keeps its own copy of what the object store has."""


def picture_name(index: int, kind: Literal["png", "jpeg"]) -> str:
    """What the file of a job's generated picture is called."""
    return f"picture-{index}.{'png' if kind == 'png' else 'jpg'}"


class FileStore:
    """Folders of jobs below ``root``.

    Without ``store`` all machines of a deployment share that folder. With the address of an object store (fsspec) each
    has its own: uploads and results are put into the store, and fetched from there where they are missing.
    """

    def __init__(self, root: Path, store: str | None = None) -> None:
        """Make the folder and open the store. Raises `ConfigurationError` when that is not possible."""
        self.root = root
        try:
            for folder in (root / "jobs", incoming_folder(root)):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigurationError(
                f"The folder {root} cannot be used: {error.strerror}.",
                remedy="Set COUNTERMARK_SERVICE_FILES to a folder that the service may write.",
            ) from error
        self._remote = _Remote(store) if store else None

    def folder(self, job_id: str) -> Path:
        """The folder of a job, which may not exist yet."""
        return self.root / "jobs" / job_id

    def make(self, job_id: str) -> Path:
        """The folder of a job, made when missing."""
        folder = self.folder(job_id)
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def find(self, job_id: str, name: str) -> Path:
        """The file of this name of a job, which does not exist if there is none. Raises `OSError` of the store."""
        path = self.folder(job_id) / name
        if self._remote is None:
            return path
        if path.exists():
            with suppress(FileNotFoundError):  # dropped this very moment
                os.utime(path.parent)  # it is being used, so `drop_copies` shall leave it
        elif self._remote.has(job_id, name):
            self.make(job_id)
            self._remote.fetch(job_id, name, path)
        return path

    def publish(self, job_id: str) -> None:
        """Put a job's results into the store; again changes nothing. Raises `OSError` of the store."""
        if self._remote is not None:
            for path in sorted(self.folder(job_id).iterdir()):
                if path.is_file():
                    self._remote.put(path, job_id, path.name)

    def incoming(self, name: str) -> Path:
        """A folder for an upload that is still being read; it becomes a job's by `adopt`."""
        folder = incoming_folder(self.root) / name
        folder.mkdir(mode=0o700)
        return folder

    def adopt(self, incoming: Path, job_id: str) -> None:
        """Make a finished upload's folder that of a job. Raises `OSError` of the store."""
        folder = incoming.rename(self.folder(job_id))
        os.utime(folder)  # an upload may have taken hours, and old folders of unknown jobs are removed
        if self._remote is not None:
            for path in sorted((folder / UPLOAD).iterdir()):
                self._remote.put(path, job_id, UPLOAD, path.name)

    def abandoned(self, before: float) -> list[Path]:
        """Folders of uploads that were begun before this time (Unix seconds) and never became a job's."""
        return list(_unchanged(incoming_folder(self.root), before))

    def job_folders(self, before: float) -> dict[str, Path]:
        """Folders of jobs that were last changed before this time (Unix seconds), by the job's id."""
        return {path.name: path for path in _unchanged(self.root / "jobs", before)}

    def discard(self, folder: Path) -> None:
        """Remove a folder of this machine and what is in it."""
        shutil.rmtree(folder, ignore_errors=True)

    def forget(self, job_id: str) -> bool:
        """Remove a job's files, here and in the store; False when the store fails.

        An empty folder then stays, by which `drop_copies` knows to try again once the table does not have the job.
        """
        self.discard(self.folder(job_id))
        if self._remote is not None:
            folder = self.make(job_id)
            try:
                self._remote.remove(job_id)
            except Exception as error:  # noqa: BLE001 - whatever a store's driver raises
                log.warning("store", extra={"job": job_id, "problem": str(error)})
                return False
            self.discard(folder)
        return True

    def drop_copies(self, jobs: JobStore) -> None:
        """Remove what this machine has not used for an hour of jobs that ended and are in the store, or were deleted.

        Of the latter also what the store still has.
        Raises `OSError` of the store.
        """
        if self._remote is None:
            return
        old = self.job_folders(time.time() - _KEPT_SECONDS)
        statuses = jobs.statuses(old)
        for job_id, folder in old.items():
            status = statuses.get(job_id)
            if status in ACTIVE:
                continue
            if status is None:
                self.forget(job_id)
            elif self._remote.has(job_id):
                self.discard(folder)
            else:
                with suppress(OSError):  # not empty: results that did not reach the store
                    folder.rmdir()

    def upload(self, job_id: str, name: str | None = None) -> Path:
        """The file of this name that was uploaded for a job; None: the only one.

        Raises `FileNotFoundError` when it is gone, `OSError` of the store.
        """
        folder = self.folder(job_id) / UPLOAD
        there = self._remote.names(job_id, UPLOAD) if self._remote else sorted(path.name for path in folder.iterdir())
        found = next((each for each in there if name in (None, each)), None)
        if found is None:
            raise FileNotFoundError(f"{job_id}/{UPLOAD}")
        path = folder / found
        if self._remote is not None and not path.exists():
            self.make(job_id)
            folder.mkdir(exist_ok=True)
            self._remote.fetch(job_id, f"{UPLOAD}/{found}", path)
        return path

    def has_upload(self, job_id: str) -> bool:
        """Whether what was uploaded for a job is still there."""
        if self._remote is not None:
            return bool(self._remote.names(job_id, UPLOAD))
        return (self.folder(job_id) / UPLOAD).is_dir()

    def place_for_upload(self, job_id: str, name: str | None) -> Path:
        """Where the file of this name belongs that a job works on, when it does not come with the request."""
        folder = self.make(job_id) / UPLOAD
        folder.mkdir(exist_ok=True)
        return folder / plain_name(name)

    def drop_upload(self, job_id: str) -> None:
        """Forget what was uploaded, once it has been examined."""
        self.discard(self.folder(job_id) / UPLOAD)
        if self._remote is not None:
            self._remote.remove(job_id, UPLOAD)


class _Remote:
    """Jobs' files in an object store, under ``jobs/ID/NAME``."""

    def __init__(self, url: str) -> None:
        try:
            # Listings are not cached: other machines write too.
            self._store, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
        except (ImportError, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"The object store {url} cannot be used: {error}.",
                remedy="Correct COUNTERMARK_SERVICE_STORE, or install the store's fsspec driver, such as s3fs.",
            ) from error
        self._root = f"{os.fspath(path).rstrip('/')}/jobs"

    def _at(self, *parts: str) -> str:
        return "/".join((self._root, *parts))

    def has(self, *parts: str) -> bool:
        return bool(self._store.exists(self._at(*parts)))

    def names(self, *parts: str) -> list[str]:
        with suppress(FileNotFoundError):
            return sorted(name.rpartition("/")[2] for name in self._store.ls(self._at(*parts), detail=False))
        return []

    def put(self, path: Path, *parts: str) -> None:
        place = self._at(*parts)
        self._store.makedirs(place.rpartition("/")[0], exist_ok=True)
        self._store.put_file(os.fspath(path), place)

    def fetch(self, job_id: str, name: str, target: Path) -> None:
        partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            self._store.get_file(self._at(job_id, name), os.fspath(partial))
            partial.replace(target)  # whole, or not there
        finally:
            partial.unlink(missing_ok=True)

    def remove(self, *parts: str) -> None:
        with suppress(FileNotFoundError):
            self._store.rm(self._at(*parts), recursive=True)


def _unchanged(folder: Path, before: float) -> Iterator[Path]:
    for path in folder.iterdir():
        with suppress(FileNotFoundError):  # other processes of this machine clean up too
            if path.stat().st_mtime < before:
                yield path


def incoming_folder(root: Path) -> Path:
    """Where uploads are that are still being read; what is left there is removed after a day."""
    return root / ".incoming"


def plain_name(name: str | None) -> str:
    """A client's file name, harmless as one on ours; "upload.mp4" where nothing is left of it."""
    base = re.split(r"[/\\]", name or "")[-1]
    plain = re.sub(r"[^\w.\- ()]", "_", base).strip(" .")
    stem, dot, suffix = plain.rpartition(".")
    if dot and re.fullmatch(r"\w{1,8}", suffix):
        return f"{_short(stem)}.{suffix}" if stem else f"upload.{suffix}"
    return _short(plain) or "upload.mp4"


def _short(text: str) -> str:
    """At most 150 bytes of UTF-8, well below what file systems take."""
    return text.encode()[:150].decode("utf-8", "ignore")
