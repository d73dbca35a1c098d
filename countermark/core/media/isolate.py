"""The parent's side of isolated decoding: start the child, watch it, take its frames, and put it away."""

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
_MAX_JSON = 4 * 1024**2
_PIPE_BYTES = 1024**2


class Child:
    """One decoding process. ``facts`` is what it found; ``pictures`` yields what it decodes."""

    def __init__(
        self,
        path: Path,
        limits: Limits,
        *,
        probe: bool = False,
        start: float | None = None,
        stop: float | None = None,
        max_frames: int | None = None,
        stride: int = 1,
    ) -> None:
        """Start the child and wait for the facts; raises ``MediaError`` or ``MediaLimitError``."""
        self._path = path
        self._limits = limits
        self._waited = 0.0
        request = Request(
            path=str(path.absolute()),
            limits=LimitValues(
                max_pixels=limits.max_pixels,
                max_seconds=limits.max_seconds,
                max_bytes=limits.max_bytes,
                max_seconds_cpu=limits.max_seconds_cpu,
                max_memory_bytes=limits.max_memory_bytes,
                max_seconds_silent=limits.max_seconds_silent,
            ),
            probe=probe,
            start=start,
            stop=stop,
            max_frames=max_frames,
            stride=stride,
        )
        self._pipe, theirs = os.pipe()
        try:
            with contextlib.suppress(
                OSError, AttributeError
            ):  # an unprivileged process may be refused, or not on Linux
                fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", _BOOT, str(theirs), json.dumps(sys.path), json.dumps(request)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs,),
                env=_ENVIRONMENT,
                start_new_session=True,
            )
        except BaseException:
            os.close(self._pipe)
            raise
        finally:
            os.close(theirs)
        self._poll = select.poll()
        self._poll.register(self._pipe, select.POLLIN)
        try:
            kind, _, size = self._header()
            if kind != b"I":
                raise self._broken()
            self.facts: dict[str, object] = self._json(size)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill the child if it still runs, and reap it. May be called again."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
        self._process.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def pictures(self, width: int, height: int) -> Iterator[Picture]:
        """The frames the child sends, each of ``height`` by ``width``."""
        luma_shape, chroma_shape = (height, width), (2, (height + 1) // 2, (width + 1) // 2)
        expected = height * width + 2 * chroma_shape[1] * chroma_shape[2]
        while True:
            kind, pts, size = self._header()
            if kind == b"Z":
                return
            if kind == b"K":
                continue
            if kind != b"F" or size != expected:
                raise self._broken()
            luma, chroma = np.empty(luma_shape, np.uint8), np.empty(chroma_shape, np.uint8)
            self._fill(luma)
            self._fill(chroma)
            yield Picture(pts, luma, chroma)

    def _header(self) -> tuple[bytes, int, int]:
        head = np.empty(HEADER.size, np.uint8)
        self._fill(head)
        kind, pts, size = HEADER.unpack(head.data)
        if kind == b"E":
            problem = self._json(size)
            error = MediaLimitError if problem.get("limit") else MediaError
            raise error(str(problem.get("cause")), remedy=str(problem.get("remedy")))
        return kind, pts, size

    def _json(self, size: int) -> dict[str, object]:
        if size > _MAX_JSON:
            raise self._broken()
        payload = np.empty(size, np.uint8)
        self._fill(payload)
        message = json.loads(payload.tobytes())
        if not isinstance(message, dict):
            raise self._broken()
        return message

    def _fill(self, target: UInt8) -> None:
        """Read exactly ``target.size`` bytes, or raise what became of the child."""
        view = target.reshape(-1).data
        deadline = time.monotonic() + self._limits.max_seconds_silent
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
        return MediaError(
            f"Decoding {self._path} was given up: no frame came for {self._limits.max_seconds_silent:g} s.",
            remedy="The file may be damaged or made to stall decoders; convert it with a trusted tool first.",
        )

    def _ended(self) -> MediaError:
        code = self._process.wait()
        if code in {-signal.SIGXCPU, -signal.SIGKILL}:
            return MediaLimitError(
                f"Decoding {self._path} took more than {self._limits.max_seconds_cpu} s of processor time.",
                remedy="Give a shorter or smaller video.",
            )
        how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
        return MediaError(
            f"The decoder broke down on {self._path} ({how}).",
            remedy="The file is damaged or hostile; convert it with a trusted tool first.",
        )

    def _broken(self) -> MediaError:
        self.close()
        return MediaError(
            f"The decoder sent nonsense about {self._path}.",
            remedy="The file is damaged or hostile; convert it with a trusted tool first.",
        )
