"""Where a job's files are: one folder each, named by the job's unguessable id."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from countermark.core.errors import ConfigurationError

VIDEO = "video.mp4"
THUMBNAIL = "thumbnail.webp"
SPRITESHEET = "spritesheet.jpg"
REPORT = "report.html"
UPLOAD = "upload"


class FileStore:
    """Folders of jobs below ``root``, which all machines of a deployment share."""

    def __init__(self, root: Path) -> None:
        """Make the folder. Raises `ConfigurationError` when that is not possible."""
        self.root = root
        try:
            for folder in (root / "jobs", incoming_folder(root)):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        except OSError as error:
            raise ConfigurationError(
                f"The folder {root} cannot be used: {error.strerror}.",
                remedy="Set COUNTERMARK_SERVICE_FILES to a folder that the service may write.",
            ) from error

    def folder(self, job_id: str) -> Path:
        """The folder of a job, which may not exist yet."""
        return self.root / "jobs" / job_id

    def make(self, job_id: str) -> Path:
        """The folder of a job, made when missing."""
        folder = self.folder(job_id)
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def incoming(self, name: str) -> Path:
        """A folder for an upload that is still being read; it becomes a job's by `adopt`."""
        folder = incoming_folder(self.root) / name
        folder.mkdir(mode=0o700)
        return folder

    def adopt(self, incoming: Path, job_id: str) -> None:
        """Make a finished upload's folder that of a job."""
        incoming.rename(self.folder(job_id))

    def abandoned(self, before: float) -> list[Path]:
        """Folders of uploads that were begun before this time (Unix seconds) and never became a job's."""
        return [path for path in incoming_folder(self.root).iterdir() if path.stat().st_mtime < before]

    def job_folders(self, before: float) -> dict[str, Path]:
        """Folders of jobs that were last changed before this time (Unix seconds), by the job's id."""
        return {path.name: path for path in (self.root / "jobs").iterdir() if path.stat().st_mtime < before}

    def discard(self, folder: Path) -> None:
        """Remove a folder and what is in it."""
        shutil.rmtree(folder, ignore_errors=True)

    def upload(self, job_id: str) -> Path:
        """The file that was uploaded for a job. Raises `FileNotFoundError` when it is gone."""
        return self.only_upload(self.folder(job_id))

    def only_upload(self, folder: Path) -> Path:
        """The file that was uploaded into a folder of ours. Raises `FileNotFoundError` when it is gone."""
        for path in sorted((folder / UPLOAD).iterdir()):
            return path
        raise FileNotFoundError(folder.name)

    def place_for_upload(self, job_id: str, name: str | None) -> Path:
        """Where the file of this name belongs that a job works on, when it does not come with the request."""
        folder = self.make(job_id) / UPLOAD
        folder.mkdir(exist_ok=True)
        return folder / plain_name(name)

    def drop_upload(self, job_id: str) -> None:
        """Forget what was uploaded, once it has been examined."""
        self.discard(self.folder(job_id) / UPLOAD)


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
