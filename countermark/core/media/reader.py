"""Probe a file and read its frames, chunk by chunk, decoded in a confined child process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from countermark.core.errors import MediaError
from countermark.core.media.decode import Picture, Source
from countermark.core.media.frames import Frames
from countermark.core.media.info import MediaInfo
from countermark.core.media.isolate import Child, start_probe, start_reading
from countermark.core.media.limits import Limits
from countermark.core.media.opening import check_file
from countermark.core.media.source import open_source
from countermark.core.settings import get_settings

if TYPE_CHECKING:
    from countermark.core.media.still import Still

_END = object()


def probe(path: Path | str, *, limits: Limits | None = None) -> MediaInfo:
    """What the file is, from its headers and first frame, found out in a confined child process.

    Raises ``MediaError`` for a file that is missing, empty, unreadable, cut short, without video or of an unsupported
    codec, and ``MediaLimitError`` for one over ``limits`` (default: from the settings).
    """
    path, limits = Path(path), limits or Limits.from_settings(get_settings())
    check_file(path, limits)
    with start_probe(path, limits) as child:
        return MediaInfo.model_validate(child.facts())


class VideoReader:
    """Frames of a video in presentation order, as chunks of at most ``chunk`` frames. Read once; a context manager.

    A PNG, JPEG or WebP picture is a video of one frame (``info.still``), turned upright.

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
        self._source: Source | Still | Child
        self._pictures: Iterator[Picture | None]
        if isolated:
            child = start_reading(path, limits, start=start, stop=stop, max_frames=max_frames, stride=stride)
            self._source, self.info = child, MediaInfo.model_validate(child.facts())
            self._pictures = child.pictures(self.info.width, self.info.height)
        else:
            source = open_source(path, limits)
            self._source, self.info = source, MediaInfo.model_validate(source.facts)
            self._pictures = source.pictures(start=start, stop=stop, max_frames=max_frames, stride=stride)

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Frames]:
        height, width = self.info.height, self.info.width
        ended = False
        while not ended:
            luma = np.empty((self._chunk, height, width), np.uint8)
            chroma = np.empty((self._chunk, 2, (height + 1) // 2, (width + 1) // 2), np.uint8)
            pts = np.empty(self._chunk, np.int64)
            count, problem = 0, None
            while count < self._chunk and not ended:
                try:
                    picture = next(self._pictures, _END)
                except MediaError as error:
                    picture, problem = _END, error
                if isinstance(picture, Picture):
                    luma[count], chroma[count], pts[count] = picture.luma, picture.chroma, picture.pts
                    count += 1
                ended = picture is _END
            if count:
                yield Frames(luma[:count], chroma[:count], pts[:count], self.info.colour)
            if problem is not None:
                raise problem

    def close(self) -> None:
        """Close the file; a child process is killed and reaped. May be called again."""
        self._source.close()
