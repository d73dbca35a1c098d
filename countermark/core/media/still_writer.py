"""Write one frame as a PNG or JPEG picture."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from PIL import Image

from countermark.core.errors import MediaError, UsageError
from countermark.core.media.frames import Frames
from countermark.core.media.partial import create_partial
from countermark.core.media.writer import VideoSpec

_WRITTEN = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg"}
_JPEG_QUALITY = 95


def names_still(path: Path) -> bool:
    """Whether a file of this name is written as a picture: .png, .jpg or .jpeg."""
    return path.suffix.lower() in _WRITTEN


class StillWriter:
    """Writes one frame of ``spec``'s size to ``path`` (.png, or .jpg at quality 95), in the way of ``VideoWriter``.

    The file appears when the ``with`` block ends; a failure leaves what was there before. Raises ``UsageError`` for
    another suffix or a second frame, ``MediaError`` if the disk fails or there is no frame.
    """

    def __init__(self, path: Path, spec: VideoSpec) -> None:
        if not names_still(path):
            raise UsageError(f"{path.suffix or path.name} is no picture here.", remedy="Use .png, .jpg or .jpeg.")
        self.path, self.spec = path, spec
        self.frames_written = 0
        self._partial: Path | None = None

    def __enter__(self) -> StillWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None and self._partial is None:
            raise MediaError(f"No frames were written to {self.path}.", remedy="Give one frame.")
        if self._partial is None:
            return
        try:
            if kind is None:
                self._partial.replace(self.path)
        except OSError as failure:
            raise self._unwritable(failure) from failure
        finally:
            self._partial.unlink(missing_ok=True)

    def write(self, frames: Frames) -> None:
        """Write the frame; raises ``ValueError`` for one of another size."""
        if (frames.width, frames.height) != (self.spec.width, self.spec.height):
            size, wanted = f"{frames.width}x{frames.height}", f"{self.spec.width}x{self.spec.height}"
            raise ValueError(f"frames are {size}, the writer was opened for {wanted}")
        self.frames_written += len(frames)
        if self.frames_written > 1:
            raise UsageError("A picture holds one frame.", remedy="Write a video (.mp4), or give one frame.")
        kind = _WRITTEN[self.path.suffix.lower()]
        options = {"quality": _JPEG_QUALITY, "subsampling": "4:4:4"} if kind == "jpeg" else {}
        self._partial = create_partial(self.path)
        try:
            Image.fromarray(frames.to_rgb()[0]).save(self._partial, kind, **options)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> MediaError:
        why = error.strerror or error
        return MediaError(f"{self.path} could not be written ({why}).", remedy="Check the path and the free space.")
