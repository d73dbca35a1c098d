"""Decoding a still picture with Pillow: PNG, JPEG or WebP. Runs where `decode` runs, mostly in the confined child."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from countermark.core.errors import MediaError, MediaLimitError
from countermark.core.media.decode import Picture
from countermark.core.media.facts import Facts
from countermark.core.media.frames import Frames, UInt8
from countermark.core.media.limits import Limits
from countermark.core.media.opening import DAMAGED, check_file

_TICK = "1/1000"  # a picture has no times; its one frame is at 0


class Still:
    """A decoded picture behind the interface of `decode.Source`: upright as its EXIF orientation says, and opaque."""

    def __init__(self, path: Path, kind: str, limits: Limits) -> None:
        """Decode a picture of a format that `opening.still_format` names.

        Raises ``MediaError`` for one that is damaged, cut short or animated, and ``MediaLimitError``.
        """
        size = check_file(path, limits)
        too_large = MediaLimitError(
            f"{path} has more pixels than the limit of {limits.max_pixels}.",
            remedy="Raise COUNTERMARK_MAX_PIXELS or give a smaller picture.",
        )
        try:
            with Image.open(path, formats=[kind]) as image:
                if image.width * image.height > limits.max_pixels:
                    raise too_large
                # A JPEG with a second picture, such as a camera's gain map, is not animated.
                if kind != "jpeg" and getattr(image, "n_frames", 1) > 1:
                    raise MediaError(f"{path} is an animated picture.", remedy="Convert it to a video, such as MP4.")
                rgb = _rgb(ImageOps.exif_transpose(image))
        except Image.DecompressionBombError:
            raise too_large from None
        except (OSError, SyntaxError, ValueError, EOFError) as error:
            raise MediaError(f"{path} is not a picture that can be read ({error}).", remedy=DAMAGED) from None
        self._frame = Frames.from_rgb(rgb[None], pts=np.zeros(1, np.int64))
        colour = self._frame.colour
        self.facts: Facts = {
            "path": str(path),
            "size_bytes": size,
            "format": kind,
            "duration": 0.0,
            "width": self._frame.width,
            "height": self._frame.height,
            "rotation": 0,
            "mirrored": False,
            "frame_rate": "1",
            "time_base": _TICK,
            "frame_count": 1,
            "codec": kind,
            "profile": None,
            "pixel_format": "rgb24",
            "sample_aspect_ratio": "1",
            "interlaced": False,
            "bit_rate": None,
            "colour": {
                "matrix": colour.matrix,
                "full_range": colour.full_range,
                "primaries": colour.primaries,
                "transfer": colour.transfer,
                "coefficients": 1,
            },
            "audio": None,
            "metadata": {},
            "stream_metadata": {},
            "hdr": False,
            "encoder": None,
        }

    def close(self) -> None:
        """Nothing is open any more."""

    def pictures(
        self,
        *,
        start: float | None,
        stop: float | None,
        max_frames: int | None,  # noqa: ARG002  # at least one, which is all there is
        stride: int,  # noqa: ARG002
    ) -> Iterator[Picture | None]:
        """The picture, if time 0 is wanted."""
        if (start or 0.0) <= 0.0 and (stop is None or stop > 0.0):
            yield Picture(0, self._frame.luma[0], self._frame.chroma[0])


def _rgb(image: Image.Image) -> UInt8:
    """R'G'B' [H, W, 3] of a decoded picture."""
    if image.mode.startswith("I"):  # grey of 16 bits, of which Pillow would make white whatever is above 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return np.asarray(image.convert("RGB"))
