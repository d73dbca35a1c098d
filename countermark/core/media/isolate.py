"""The parent's side of isolated work: start the child, watch it, take its frames, and put it away."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np

from countermark.core.errors import MediaError, MediaLimitError
from countermark.core.media.decode import Picture
from countermark.core.media.frames import UInt8
from countermark.core.media.limits import Limits
from countermark.core.media.worker import HEADER, LimitValues, Request

# -I: no environment variables, no user site, no current folder; the parent's own module path is handed over instead.
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); from countermark.core.media.worker import main;"
    "main(int(sys.argv[1]), json.loads(sys.argv[3]))"
)
# One thread of linear algebra and few malloc arenas: each reserves address space that the limit counts.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "LC_ALL": "C.UTF-8"}
_KEPT = ("LD_LIBRARY_PATH",)  # where an interpreter outside the system's folders may find its own libraries
_MAX_JSON = 4 * 1024**2
_START_SECONDS = 60.0  # a busy machine may take that long to start an interpreter, which is not the file's fault
_PIPE_BYTES = 1024**2
_HOSTILE = "The file is damaged or hostile; convert it with a trusted tool first."


class Child:
    """One confined process that serves one request. Kill and reap it with ``close``, or as a context manager."""

    def __init__(self, request: Request, limits: Limits) -> None:
        """Start the process; it is killed and reaped at the latest when this object is collected."""
        self._path, self._limits = request["path"], limits
        self._waited = 0.0
        self._patience = max(limits.max_seconds_silent, _START_SECONDS)
        pipe, theirs = os.pipe()
        try:
            with contextlib.suppress(OSError, AttributeError):  # not on Linux, or over an unprivileged user's quota
                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _BOOT, str(theirs), json.dumps(sys.path), json.dumps(request)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs,),
                env=_ENVIRONMENT | {name: os.environ[name] for name in _KEPT if name in os.environ},
                start_new_session=True,
            )
        except BaseException:
            os.close(pipe)
            raise
        finally:
            os.close(theirs)
        self._pipe = pipe
        self.close = weakref.finalize(self, _put_away, self._process, pipe)
        self._poll = select.poll()
        self._poll.register(pipe, select.POLLIN)

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Process number, for whoever watches the machine."""
        return self._process.pid

    def facts(self) -> dict[str, object]:
        """What the child found out about the file; raises ``MediaError`` or ``MediaLimitError``."""
        kind, _, size = self._header()
        while kind == b"K":
            kind, _, size = self._header()
        if kind != b"I":
            raise self._broken()
        return self._json(size)

    def pictures(self, width: int, height: int) -> Iterator[Picture]:
        """The frames the child sends, each of ``height`` by ``width``; the child is put away after the last."""
        luma_shape, chroma_shape = (height, width), (2, (height + 1) // 2, (width + 1) // 2)
        expected = height * width + 2 * chroma_shape[1] * chroma_shape[2]
        while True:
            kind, pts, size = self._header()
            if kind == b"Z":
                self.close()
                return
            if kind == b"K":
                continue
            if kind != b"F" or size != expected:
                raise self._broken()
            luma, chroma = np.empty(luma_shape, np.uint8), np.empty(chroma_shape, np.uint8)
            self._fill(luma)
            self._fill(chroma)
            yield Picture(pts, luma, chroma)

    def finish(self) -> None:
        """Wait for the end of work that sends no frames."""
        for _ in self.pictures(0, 0):
            raise self._broken()

    def _header(self) -> tuple[bytes, int, int]:
        head = np.empty(HEADER.size, np.uint8)
        self._fill(head)
        self._patience = self._limits.max_seconds_silent
        kind, pts, size = HEADER.unpack(head.data)
        if kind == b"E":
            problem = self._json(size)
            self.close()
            error = MediaLimitError if problem.get("limit") else MediaError
            raise error(str(problem.get("cause")), remedy=str(problem.get("remedy")))
        return kind, pts, size

    def _json(self, size: int) -> dict[str, object]:
        if size > _MAX_JSON:
            raise self._broken()
        payload = np.empty(size, np.uint8)
        self._fill(payload)
        try:
            message = json.loads(payload.tobytes())
        except ValueError:
            raise self._broken() from None
        if not isinstance(message, dict):
            raise self._broken()
        return message

    def _fill(self, target: UInt8) -> None:
        """Read exactly ``target.size`` bytes, or raise what became of the child."""
        view = target.reshape(-1).data
        deadline = time.monotonic() + self._patience
        while view:
            before = time.monotonic()
            ready = self._poll.poll(max(0.0, deadline - before) * 1000)
            self._waited += time.monotonic() - before
            if not ready or self._waited > self._limits.max_seconds_cpu:
                raise self._timeout()
            count = os.readv(self._pipe, [view])
            if count == 0:
                raise self._ended()
            view = view[count:]

    def _timeout(self) -> MediaError:
        self.close()
        total = self._limits.max_seconds_cpu
        why = f"more than {total} s in all" if self._waited > total else f"nothing came for {self._patience:g} s"
        return MediaError(
            f"Decoding {self._path} was given up: {why}.",
            remedy="The file may be damaged or made to stall decoders; convert it with a trusted tool first.",
        )

    def _ended(self) -> MediaError:
        try:
            code = self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return self._broken()
        self.close()
        if code == -signal.SIGXCPU:
            return MediaLimitError(
                f"Decoding {self._path} took more than {self._limits.max_seconds_cpu} s of processor time.",
                remedy="Give a shorter or smaller video.",
            )
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return MediaError(f"The decoder broke down on {self._path} ({how}).", remedy=_HOSTILE)

    def _broken(self) -> MediaError:
        self.close()
        return MediaError(f"The decoder sent nonsense about {self._path}.", remedy=_HOSTILE)


def start_probe(path: Path, limits: Limits) -> Child:
    """A child that finds out the facts about ``path``."""
    return Child(Request(task="probe", path=str(path), limits=_values(limits)), limits)


def start_reading(  # the arguments of VideoReader
    path: Path, limits: Limits, *, start: float | None, stop: float | None, max_frames: int | None, stride: int
) -> Child:
    """A child that decodes ``path``."""
    request = Request(
        task="read",
        path=str(path),
        limits=_values(limits),
        start=start,
        stop=stop,
        max_frames=max_frames,
        stride=stride,
    )
    return Child(request, limits)


def remux_isolated(video: Path, output: Path, *, audio: Path | None, metadata: dict[str, str], limits: Limits) -> None:
    """``remux.remux`` in a child; raises what it raises."""
    request = Request(
        task="remux",
        path=str(video),
        limits=_values(limits),
        audio=str(audio) if audio else None,
        output=str(output),
        metadata=metadata,
    )
    with Child(request, limits) as child:
        child.finish()


def _values(limits: Limits) -> LimitValues:
    return LimitValues(
        max_pixels=limits.max_pixels,
        max_seconds=limits.max_seconds,
        max_bytes=limits.max_bytes,
        max_seconds_cpu=limits.max_seconds_cpu,
        max_memory_bytes=limits.max_memory_bytes,
        max_seconds_silent=limits.max_seconds_silent,
    )


def _put_away(process: subprocess.Popen[bytes], pipe: int) -> None:
    os.close(pipe)
    process.kill()
    if process.stdin is not None:
        process.stdin.close()
    process.wait()
