"""The confined child process: limits itself, opens files from strangers, and writes frames to a pipe.

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
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

import numpy as np

from countermark.core.errors import MediaError, MediaLimitError
from countermark.core.media.limits import Limits

if TYPE_CHECKING:
    from countermark.core.media.decode import Picture

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
    """What the parent asks for, as JSON. ``start`` and ``stop`` are seconds.

    ``probe`` wants the facts about ``path``, ``read`` its frames too, ``remux`` a copy of its video packets, and of the
    audio packets of ``audio``, in ``output``.
    """

    task: Literal["probe", "read", "remux"]
    path: str
    limits: LimitValues
    start: NotRequired[float | None]
    stop: NotRequired[float | None]
    max_frames: NotRequired[int | None]
    stride: NotRequired[int]
    audio: NotRequired[str | None]
    output: NotRequired[str]
    metadata: NotRequired[dict[str, str]]


def main(pipe: int, request: Request) -> None:
    """Serve one request on file descriptor ``pipe``, then exit."""
    limits = Limits(**request["limits"])
    _confine(limits, writes=request["task"] == "remux")
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    with contextlib.suppress(BrokenPipeError):
        try:
            _serve(pipe, request, limits)
        except MediaError as error:
            limit = isinstance(error, MediaLimitError)
            _send(pipe, b"E", {"limit": limit, "cause": error.cause, "remedy": error.remedy})
        except MemoryError:
            cause = f"{request['path']} needs more memory than is allowed."
            _send(pipe, b"E", {"limit": True, "cause": cause, "remedy": "Give a smaller video."})


def _confine(limits: Limits, *, writes: bool) -> None:
    cpu, written = limits.max_seconds_cpu, 2 * limits.max_bytes if writes else 0
    _limit(resource.RLIMIT_AS, limits.max_memory_bytes)
    _limit(resource.RLIMIT_CPU, cpu, cpu + 5)  # SIGXCPU first: SIGKILL then means that somebody else killed the child
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, written)  # pipes are exempt, so a reader can write no file at all


def _limit(kind: int, soft: int, hard: int | None = None) -> None:
    wanted = hard or soft
    ceiling = resource.getrlimit(kind)[1]
    if ceiling != resource.RLIM_INFINITY:  # what the system forbids already stays forbidden
        soft, wanted = min(soft, ceiling), min(wanted, ceiling)
    resource.setrlimit(kind, (soft, wanted))


def _serve(pipe: int, request: Request, limits: Limits) -> None:
    # Imported after the limits are in force, for PyAV runs code of many libraries when it is loaded.
    from countermark.core.media.remux import remux
    from countermark.core.media.source import open_source

    _write(pipe, HEADER.pack(b"K", 0, 0))  # started: from here on the file is to blame for silence
    if request["task"] == "remux":
        audio = request["audio"]
        steps = remux(
            Path(request["path"]), Path(audio) if audio else None, Path(request["output"]), request["metadata"]
        )
        _work(pipe, steps)
    else:
        source = open_source(Path(request["path"]), limits)
        _send(pipe, b"I", source.facts)
        if request["task"] == "read":
            pictures = source.pictures(
                start=request["start"], stop=request["stop"], max_frames=request["max_frames"], stride=request["stride"]
            )
            _work(pipe, pictures)
    _write(pipe, HEADER.pack(b"Z", 0, 0))


def _work(pipe: int, steps: Iterator[Picture | None]) -> None:
    """Send the pictures, and a sign of life now and then between them."""
    alive = time.monotonic()
    for picture in steps:
        if picture is not None:
            _write(pipe, HEADER.pack(b"F", picture.pts, picture.luma.size + picture.chroma.size))
            for samples in (picture.luma, picture.chroma):
                _write(pipe, np.ascontiguousarray(samples).reshape(-1).data)
        elif time.monotonic() - alive > _HEARTBEAT:
            _write(pipe, HEADER.pack(b"K", 0, 0))
            alive = time.monotonic()


def _send(pipe: int, kind: bytes, message: Mapping[str, object]) -> None:
    payload = json.dumps(message).encode()
    _write(pipe, HEADER.pack(kind, 0, len(payload)))
    _write(pipe, payload)


def _write(pipe: int, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(pipe, view) :]


def _exit_with_parent() -> None:
    """The parent holds the other end of standard input: end of file means that it is gone."""
    while os.read(0, 1):
        pass
    os._exit(0)
