"""What a probe says about a file."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from countermark.core.media.frames import Colour, UInt8


class AudioInfo(BaseModel):
    """The audio stream a player would choose."""

    model_config = ConfigDict(frozen=True)

    codec: str
    profile: str | None
    sample_rate: int
    channels: int
    layout: str
    bit_rate: int | None
    duration: float | None
    language: str | None


class MediaInfo(BaseModel):
    """A video file (or picture) as found: container, first video stream as coded (before rotation), and its audio."""

    model_config = ConfigDict(frozen=True)

    path: Path
    size_bytes: int
    format: str
    duration: float
    width: int
    height: int
    rotation: int
    """Degrees counter-clockwise by which a player turns the coded picture, 0 to 359."""
    mirrored: bool
    """The display matrix also flips the picture left to right, after turning it."""
    frame_rate: Fraction
    """Average frames per second."""
    time_base: Fraction
    """Seconds per tick of ``Frames.pts``."""
    frame_count: int | None
    """Frames the container declares; None where it declares none."""
    codec: str
    profile: str | None
    pixel_format: str
    sample_aspect_ratio: Fraction
    interlaced: bool
    bit_rate: int | None
    colour: Colour
    audio: AudioInfo | None
    metadata: dict[str, str]
    stream_metadata: dict[str, str]
    hdr: bool
    """PQ or HLG transfer (ITU-R BT.2100), or mastering-display metadata with more than 8 bits."""
    encoder: str | None
    """What the stream itself or, failing that, the container says wrote it."""

    @property
    def still(self) -> bool:
        """A picture, which counts as a video of one frame that lasts no time."""
        return self.format in ("png", "jpeg", "webp")

    @property
    def fps(self) -> Fraction:
        """Average frames per second."""
        return self.frame_rate

    @property
    def quarters(self) -> int:
        """``rotation`` in quarters of a turn, 0 to 3."""
        return round(self.rotation / 90) % 4

    def upright(self, pictures: UInt8) -> UInt8:
        """Coded pictures uint8 [..., H, W, C] as a player shows them."""
        turned = np.rot90(pictures, self.quarters, axes=(-3, -2))
        return np.ascontiguousarray(turned[..., ::-1, :] if self.mirrored else turned)
