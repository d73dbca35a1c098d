"""Video in and out: probing, reading and writing through PyAV, in chunks.

Names are imported on first use (PEP 562): the decoding child process needs only a few of these modules.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from countermark.core.media.frames import Colour, Frames
    from countermark.core.media.info import AudioInfo, MediaInfo
    from countermark.core.media.limits import Limits
    from countermark.core.media.reader import VideoReader, probe
    from countermark.core.media.still_writer import StillWriter, names_still
    from countermark.core.media.transcoding import remux_without_metadata, transcode
    from countermark.core.media.writer import VideoSpec, VideoWriter

__all__ = [
    "AudioInfo",
    "Colour",
    "Frames",
    "Limits",
    "MediaInfo",
    "StillWriter",
    "VideoReader",
    "VideoSpec",
    "VideoWriter",
    "names_still",
    "probe",
    "remux_without_metadata",
    "transcode",
]

_HOME = {
    "AudioInfo": "info",
    "Colour": "frames",
    "Frames": "frames",
    "Limits": "limits",
    "MediaInfo": "info",
    "StillWriter": "still_writer",
    "VideoReader": "reader",
    "VideoSpec": "writer",
    "VideoWriter": "writer",
    "names_still": "still_writer",
    "probe": "reader",
    "remux_without_metadata": "transcoding",
    "transcode": "transcoding",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
