"""Output files appear by rename, complete, or not at all."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from countermark.core.errors import MediaError, UsageError

MUXERS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
"""FFmpeg's muxer for each suffix we write."""


def muxer(path: Path) -> str:
    """Name of the muxer for ``path``; raises ``UsageError`` if its suffix is none of ``MUXERS`` or it is a folder."""
    if path.suffix.lower() not in MUXERS:
        known = ", ".join(MUXERS)
        raise UsageError(f"{path} has no suffix of a video container.", remedy=f"Use one of {known}.")
    if path.is_dir():
        raise UsageError(f"{path} is a folder.", remedy="Give the path of the video file to write.")
    return MUXERS[path.suffix.lower()]


def create_partial(path: Path) -> Path:
    """An empty hidden file beside ``path``, to be written and then renamed to it; raises ``MediaError``."""
    partial = path.with_name(f".{secrets.token_hex(6)}.partial{path.suffix}")
    try:
        partial.touch(exist_ok=False)
    except OSError as error:
        raise MediaError(
            f"{path} cannot be written: {error.strerror}.", remedy="Check that the folder exists and may be written to."
        ) from None
    return partial


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A partial file to write, which becomes ``path`` if nothing is raised; raises ``MediaError`` if that fails."""
    partial = create_partial(path)
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        why = error.strerror or error
        raise MediaError(
            f"{path} could not be written ({why}).", remedy="Check the path and the free space."
        ) from error
    finally:
        with suppress(OSError):  # what was raised says more
            partial.unlink(missing_ok=True)
