"""The decoding child process: limits itself, opens one file, and writes frames to a pipe.

Messages are a header ``<cqQ`` (kind, pts, payload bytes) and a payload: ``I`` facts as JSON, ``F`` one frame (luma
then chroma, raw), ``K`` still working, ``E`` an error as JSON, ``Z`` the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import struct
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

from countermark.core.errors import MediaError, MediaLimitError
from countermark.core.media.limits import Limits

HEADER = struct.Struct("<cqQ")
_HEARTBEAT = 1.0  # seconds between signs of life while skipping frames


class LimitValues(TypedDict):
    """Fields of ``Limits``."""

    max_pixels: int
    max_seconds: float
    max_bytes: int
    max_seconds_cpu: int
    max_memory_bytes: int
    max_seconds_silent: float


class Request(TypedDict):
    """What the parent asks for, as JSON in the first argument. ``start`` and ``stop`` are seconds."""

    path: str
    limits: LimitValues
    probe: bool
    start: float | None
    stop: float | None
    max_frames: int | None
    stride: int


def main(pipe: int, request: Request) -> None:
    """Serve one request on file descriptor ``pipe``, then exit."""
    limits = Limits(**request["limits"])
    _confine(limits)
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    with contextlib.suppress(BrokenPipeError):
        try:
            _serve(pipe, request, limits)
        except MediaError as error:
            _send(
                pipe, b"E", {"limit": isinstance(error, MediaLimitError), "cause": error.cause, "remedy": error.remedy}
            )
        except MemoryError:
            cause = f"{request['path']} needs more memory to decode than is allowed."
            _send(pipe, b"E", {"limit": True, "cause": cause, "remedy": "Give a smaller video."})


def _serve(pipe: int, request: Request, limits: Limits) -> None:
    from countermark.core.media.decode import Source  # after the limits are in force

    source = Source(Path(request["path"]), limits)
    _send(pipe, b"I", source.facts)
    if not request["probe"]:
        alive = time.monotonic()
        pictures = source.pictures(
            start=request["start"], stop=request["stop"], max_frames=request["max_frames"], stride=request["stride"]
        )
        for picture in pictures:
            if picture is not None:
                _write(pipe, HEADER.pack(b"F", picture.pts, picture.luma.size + picture.chroma.size))
                _write(pipe, memoryview(picture.luma.tobytes()))
                _write(pipe, memoryview(picture.chroma.tobytes()))
            elif time.monotonic() - alive > _HEARTBEAT:
                _write(pipe, HEADER.pack(b"K", 0, 0))
                alive = time.monotonic()
    _write(pipe, HEADER.pack(b"Z", 0, 0))


def _send(pipe: int, kind: bytes, message: Mapping[str, object]) -> None:
    payload = json.dumps(message).encode()
    _write(pipe, HEADER.pack(kind, 0, len(payload)))
    _write(pipe, payload)


def _write(pipe: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(pipe, view) :]


def _confine(limits: Limits) -> None:
    cpu = int(limits.max_seconds_cpu)
    for kind, value in (
        (resource.RLIMIT_AS, limits.max_memory_bytes),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),  # pipes are exempt; no file is ever written
    ):
        resource.setrlimit(kind, (value, value))


def _exit_with_parent() -> None:
    """The parent holds the other end of standard input: end of file means that it is gone."""
    while os.read(0, 1):
        pass
    os._exit(0)
