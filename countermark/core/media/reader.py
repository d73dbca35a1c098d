"""Probe a file and read its frames, chunk by chunk, decoded in a confined child process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np

from countermark.core.media.decode import Picture, Source, check_file
from countermark.core.media.frames import Frames
from countermark.core.media.info import MediaInfo
from countermark.core.media.isolate import Child
from countermark.core.media.limits import Limits
from countermark.core.settings import get_settings


def probe(path: Path | str, *, limits: Limits | None = None) -> MediaInfo:
    """What the file is, from its headers and first frame, found out in a confined child process.

    Raises ``MediaError`` for a file that is missing, empty, unreadable, cut short, without video or of an unsupported
    codec, and ``MediaLimitError`` for one over ``limits`` (default: from the settings).
    """
    path, limits = Path(path), limits or Limits.from_settings(get_settings())
    check_file(path, limits)
    with Child(path, limits, probe=True) as child:
        return _info(child.facts, path)


class VideoReader:
    """Frames of a video in presentation order, as chunks of at most ``chunk`` frames. Read once; a context manager.

    ``start`` and ``stop`` are seconds after the first frame (``start`` <= t < ``stop``); of those every ``stride``-th
    frame is given, at most ``max_frames``. Frames come as coded: ``info.rotation`` is not applied. Formats other than
    8-bit 4:2:0 are converted to it in the same colour matrix and range.

    With ``isolated`` the file is opened and decoded in a child process under the limits; without, in this process,
    which is only for files this program has written itself.

    Raises ``MediaError`` or ``MediaLimitError`` when made and while read: a file that ends early raises after its last
    readable frame.
    """

    def __init__(
        self,
        path: Path | str,
        limits: Limits | None = None,
        *,
        chunk: int = 16,
        isolated: bool = True,
        start: float | None = None,
        stop: float | None = None,
        max_frames: int | None = None,
        stride: int = 1,
    ) -> None:
        if chunk < 1 or stride < 1 or (max_frames is not None and max_frames < 1):
            raise ValueError("chunk, stride and max_frames are at least 1")
        path, limits = Path(path), limits or Limits.from_settings(get_settings())
        check_file(path, limits)
        self._chunk = chunk
        self._source: Source | Child
        if isolated:
            child = Child(path, limits, start=start, stop=stop, max_frames=max_frames, stride=stride)
            self._source, self.info = child, _info(child.facts, path)
            self._pictures: Iterator[Picture | None] = child.pictures(self.info.width, self.info.height)
        else:
            source = Source(path, limits)
            self._source, self.info = source, _info(source.facts, path)
            self._pictures = source.pictures(start=start, stop=stop, max_frames=max_frames, stride=stride)

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frames]:
        pending: list[Picture] = []
        for picture in self._pictures:
            if picture is not None:
                pending.append(picture)
            if len(pending) == self._chunk:
                yield self._frames(pending)
                pending = []
        if pending:
            yield self._frames(pending)

    def close(self) -> None:
        """Close the file; a child process is killed and reaped. May be called again."""
        self._source.close()

    def _frames(self, pictures: list[Picture]) -> Frames:
        return Frames(
            np.stack([p.luma for p in pictures]),
            np.stack([p.chroma for p in pictures]),
            np.array([p.pts for p in pictures], np.int64),
            self.info.colour,
        )


def _info(facts: object, path: Path) -> MediaInfo:
    return MediaInfo.model_validate(facts).model_copy(update={"path": path})
