"""Videos in object stores and folders that the operator has opened to a tenant, through fsspec."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import fsspec
from pydantic import BaseModel, ConfigDict

from countermark.core.errors import ConfigurationError, MediaError, MediaLimitError, UsageError

SUFFIXES = (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".gif", ".webp")
_PIECE = 1024**2


class SourceFile(BaseModel):
    """A video in a listing."""

    model_config = ConfigDict(frozen=True)

    url: str
    name: str
    size_bytes: int | None


def listing(url: str, allowed: Sequence[str], *, limit: int) -> list[SourceFile]:
    """The videos below ``url``, by name of file, in order.

    Raises `UsageError` unless ``url`` is below one of ``allowed``, names something, and holds at most ``limit`` videos;
    `ConfigurationError` when the store's driver is not installed.
    """
    _check(url, allowed)
    store, path = _open(url)
    try:
        found = store.find(path, detail=True)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"{url} cannot be listed: {error}.", remedy="Check the address and its permissions."
        ) from error
    files = [
        SourceFile(url=store.unstrip_protocol(name), name=PurePosixPath(name).name, size_bytes=facts.get("size"))
        for name, facts in sorted(found.items())
        if name.lower().endswith(SUFFIXES)
    ]
    if not files:
        raise UsageError(f"There are no videos at {url}.", remedy=f"Known are {', '.join(SUFFIXES)}.")
    if len(files) > limit:
        message = f"There are {len(files)} videos at {url}, more than the {limit} that fit into one batch now."
        raise UsageError(message, remedy="Give a narrower address, or wait until earlier jobs are finished.")
    return files


def fetch(url: str, target: Path, *, limit: int) -> None:
    """Copy a listed video to ``target``, a new file.

    Raises `MediaLimitError` when it is larger than ``limit`` bytes and `MediaError` when it cannot be read.
    """
    store, path = _open(url)
    partial = target.with_name(f".{target.name}")
    size = 0
    try:
        with store.open(path, "rb") as source, partial.open("wb") as copy:
            while piece := source.read(_PIECE):
                size += len(piece)
                if size > limit:
                    raise MediaLimitError(
                        f"{target.name} is larger than the limit of {limit} bytes.", remedy="Give a smaller video."
                    )
                copy.write(piece)
        partial.replace(target)
    except OSError as error:
        raise MediaError(
            f"{target.name} cannot be fetched: {error}.", remedy="Check that it is still there."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _check(url: str, allowed: Sequence[str]) -> None:
    # Chained addresses and dots could lead out of what was opened.
    plain = "::" not in url and ".." not in url.split("/") and "\0" not in url
    if not plain or not any(url == prefix or url.startswith(f"{prefix.rstrip('/')}/") for prefix in allowed):
        raise UsageError(
            f"{url} is not open to this tenant.",
            remedy="The operator opens addresses with COUNTERMARK_SERVICE_SOURCES.",
        )


def _open(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    try:
        store, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise ConfigurationError(
            f"{url} cannot be opened: {error}.", remedy="Install the store's fsspec driver, such as s3fs or gcsfs."
        ) from error
    return store, os.fspath(path)
