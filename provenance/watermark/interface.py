"""What every watermarking algorithm offers, whoever wrote it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from countermark.core.errors import WatermarkError
from countermark.core.media.frames import Frames
from provenance.watermark.geometry import Homography
from provenance.watermark.keys import WatermarkKey
from provenance.watermark.payload import Payload


@dataclass(frozen=True)
class Mark:
    """A message of ours that was found: the key it was written with, how the picture lay in the marked one, and the
    chance of a false reading.
    """

    payload: Payload
    key: WatermarkKey
    geometry: Homography
    false_positive_rate: float


@dataclass(frozen=True)
class Reading:
    """What a detector found in the frames it was given.

    ``payload_bits`` is the exact message or None; ``payload`` its meaning where the message is ours.
    ``statistic`` grows with the strength of the mark; its scale belongs to the algorithm. ``false_positive_rate`` is
    the chance that unmarked material would have given a message, for all the attempts that led to this reading.
    ``best_bits`` is the likeliest message even where its check fails: for comparing bit accuracies, and for no
    conclusion about a video. ``mark`` says with which key and how a message of ours was found.
    """

    algorithm: str
    payload_bits: tuple[int, ...] | None
    payload: Payload | None
    statistic: float
    frames: int
    false_positive_rate: float
    best_bits: tuple[int, ...] | None = None
    mark: Mark | None = field(default=None, compare=False)


class Embedder(Protocol):
    """Marks one clip, chunk after chunk."""

    def process(self, frames: Frames) -> Frames:
        """The same chunk with the mark in it; raises :class:`WatermarkError` for frames of another size."""
        ...


class Detector(Protocol):
    """Reads one clip, chunk after chunk, in memory that does not grow with the clip."""

    def update(self, frames: Frames) -> None:
        """Take the next chunk into account; raises :class:`WatermarkError` for frames of another size."""
        ...

    def result(self) -> Reading:
        """What can be read from the frames seen so far. May be called at any time, and again later."""
        ...


class Watermark(Protocol):
    """An algorithm with its key and settings. ``algorithm_id`` is its C2PA soft-binding algorithm name."""

    @property
    def name(self) -> str:
        """Short name for people."""
        ...

    @property
    def algorithm_id(self) -> str:
        """Name under which a C2PA soft binding cites the algorithm."""
        ...

    @property
    def capacity(self) -> int:
        """Number of payload bits."""
        ...

    def embedder(self, payload_bits: Sequence[int], *, width: int, height: int) -> Embedder:
        """An embedder of ``payload_bits`` for one clip of the given size in pixels."""
        ...

    def detector(self, *, width: int, height: int) -> Detector:
        """A detector for one clip of the given size in pixels."""
        ...


def check_frames(frames: Frames, size: tuple[int, int]) -> None:
    """Raise :class:`WatermarkError` for frames of another (height, width) than the clip's."""
    if (frames.height, frames.width) != size:
        raise WatermarkError(
            f"A frame of {frames.width}x{frames.height} came in a clip of {size[1]}x{size[0]}.",
            remedy="Start a new embedder or detector where the frame size changes.",
        )
