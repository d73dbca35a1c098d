"""The `invisible-watermark` package (dwtDct, dwtDctSvd, rivaGan) behind the interface of our own watermark.

It marks pictures, so every frame is marked alike, and a bit is the majority over frames. It has no check of its own:
every clip "contains" some bits, marked or not. Its readings therefore state a false positive rate of 1, and nothing in
this project takes one of them for a proof of origin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Literal

import numpy as np
import numpy.typing as npt

from countermark.core.errors import WatermarkError
from countermark.core.media.frames import Frames
from provenance.watermark.interface import Reading

Method = Literal["dwtDct", "dwtDctSvd", "rivaGan"]

_MIN_PIXELS = 256 * 256
_RIVAGAN_BITS = 32


@dataclass(frozen=True)
class InvisibleWatermark:
    """One method of the package, for messages of ``capacity`` bits (rivaGan: 32 only).

    Raises :class:`WatermarkError` on first use if the package, OpenCV or (for rivaGan) onnxruntime cannot be loaded.
    """

    method: Method = "dwtDct"
    capacity: int = 32

    def __post_init__(self) -> None:
        if self.method == "rivaGan" and self.capacity != _RIVAGAN_BITS:
            raise WatermarkError(
                f"rivaGan carries {_RIVAGAN_BITS} bits, not {self.capacity}.", remedy="Use capacity 32, or dwtDct."
            )

    @property
    def name(self) -> str:
        """Package and method."""
        return f"invisible-watermark/{self.method}"

    @property
    def algorithm_id(self) -> str:
        """The package registered no soft-binding name; this is the method's own."""
        return f"com.github.shieldmnt.invisible-watermark.{self.method}"

    def embedder(self, payload_bits: Sequence[int], *, width: int, height: int) -> InvisibleEmbedder:
        """An embedder for one clip; raises :class:`WatermarkError` for a wrong payload or fewer than 65,536 pixels."""
        _check_size(width, height)
        if len(payload_bits) != self.capacity:
            raise WatermarkError(
                f"The payload has {len(payload_bits)} bits.", remedy=f"{self.name} carries {self.capacity} bits here."
            )
        return InvisibleEmbedder(self, payload_bits)

    def detector(self, *, width: int, height: int) -> InvisibleDetector:
        """A detector for one clip; raises :class:`WatermarkError` for fewer than 65,536 pixels."""
        _check_size(width, height)
        return InvisibleDetector(self)


class InvisibleEmbedder:
    """Marks every frame alike."""

    def __init__(self, watermark: InvisibleWatermark, bits: Sequence[int]) -> None:
        package = _load(watermark.method)
        self._method = watermark.method
        self._encoder = package.WatermarkEncoder()
        self._encoder.set_watermark("bits", [int(bit) for bit in bits])

    def process(self, frames: Frames) -> Frames:
        """Mark a chunk, through R'G'B' and back."""
        marked = [self._encoder.encode(np.ascontiguousarray(rgb[..., ::-1]), self._method) for rgb in frames.to_rgb()]
        rgb: npt.NDArray[np.uint8] = np.stack(marked)[..., ::-1].astype(np.uint8)
        return Frames.from_rgb(rgb, pts=frames.pts, colour=frames.colour)


class InvisibleDetector:
    """Reads every frame and takes the majority for each bit."""

    def __init__(self, watermark: InvisibleWatermark) -> None:
        package = _load(watermark.method)
        self._name, self._method = watermark.algorithm_id, watermark.method
        self._decoder = package.WatermarkDecoder("bits", watermark.capacity)
        self._ones = np.zeros(watermark.capacity)
        self._frames = 0

    def update(self, frames: Frames) -> None:
        """Read a chunk."""
        for rgb in frames.to_rgb():
            bits = self._decoder.decode(np.ascontiguousarray(rgb[..., ::-1]), self._method)
            self._ones += np.asarray(bits, float)
        self._frames += len(frames)

    def result(self) -> Reading:
        """The majority bits; ``statistic`` is their mean majority, 0 (tied) to 1 (all frames agree)."""
        share = self._ones / max(self._frames, 1)
        bits = tuple(int(bit) for bit in share > 0.5)
        return Reading(
            algorithm=self._name,
            payload_bits=bits if self._frames else None,
            payload=None,
            statistic=float(np.mean(np.abs(2 * share - 1))) if self._frames else 0.0,
            frames=self._frames,
            false_positive_rate=1.0,
        )


def _load(method: Method) -> ModuleType:
    """The package, with its network loaded where the method needs one."""
    try:
        import imwatermark
    except (ImportError, OSError) as error:  # OpenCV fails with either when a system library such as libGL is missing
        raise WatermarkError(
            f"The invisible-watermark package cannot be loaded: {error}.",
            remedy="On a machine without a display, replace opencv-python by opencv-python-headless.",
        ) from error
    if method == "rivaGan":
        try:
            imwatermark.WatermarkEncoder.loadModel()
        except ImportError as error:
            raise WatermarkError(
                "rivaGan needs onnxruntime, which is not installed.", remedy="Run `pip install 'countermark[rivagan]'`."
            ) from error
    module: ModuleType = imwatermark
    return module


def _check_size(width: int, height: int) -> None:
    if width * height < _MIN_PIXELS:
        raise WatermarkError(
            f"A frame of {width}x{height} is too small for invisible-watermark.",
            remedy="Use frames of at least 65536 pixels, such as 256x256.",
        )
