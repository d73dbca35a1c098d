"""What the headers and the first frame of an open file say, as plain data that crosses to the parent as JSON."""

from __future__ import annotations

import math
import re
import struct
from fractions import Fraction
from pathlib import Path
from typing import TypedDict, cast

from av.audio.stream import AudioStream
from av.container import InputContainer
from av.sidedata.sidedata import SideData, SideDataContainer
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from countermark.core.errors import MediaError
from countermark.core.media.opening import open_container

# ITU-T H.273 table 4 (MatrixCoefficients) to the arithmetic that reads it. 4 (FCC) and 7 (SMPTE 240M) differ from their
# neighbours by less than a code value or two in typical pictures.
_MATRIX = {1: "bt709", 4: "bt601", 5: "bt601", 6: "bt601", 7: "bt709", 9: "bt2020", 10: "bt2020"}
_UNTAGGED = 2
_UNTAGGED_CODES = frozenset({0, 2, 3})  # 0 is RGB, which a Y'CbCr picture cannot mean; 3 is reserved
_HDR_TRANSFERS = frozenset({16, 18})  # H.273 table 3: PQ and HLG

# What encoders write into the stream itself: SEI user data (x264, x265), user data (MPEG-4).
_ENCODER = re.compile(rb"x264 - core \d+(?: r\d+\w* \w+)?|x265 \(build \d+\)|Lavc\d+\.\d+\.\d+")


class ColourFacts(TypedDict):
    """Fields of ``Colour``."""

    matrix: str
    full_range: bool
    primaries: int
    transfer: int
    coefficients: int


class AudioFacts(TypedDict):
    """Fields of ``AudioInfo``."""

    codec: str
    profile: str | None
    sample_rate: int
    channels: int
    layout: str
    bit_rate: int | None
    duration: float | None
    language: str | None


class Facts(TypedDict):
    """Fields of ``MediaInfo``; fractions as text."""

    path: str
    size_bytes: int
    format: str
    duration: float
    width: int
    height: int
    rotation: int
    mirrored: bool
    frame_rate: str
    time_base: str
    frame_count: int | None
    codec: str
    profile: str | None
    pixel_format: str
    sample_aspect_ratio: str
    interlaced: bool
    bit_rate: int | None
    colour: ColourFacts
    audio: AudioFacts | None
    metadata: dict[str, str]
    stream_metadata: dict[str, str]
    hdr: bool
    encoder: str | None


def read_facts(
    path: Path, container: InputContainer, stream: VideoStream, *, size: int, frame: VideoFrame, packet_head: bytes
) -> Facts:
    """All facts about an open file, from its headers, its first ``frame`` and the head of its first packet.

    Raises ``MediaError`` for a colour matrix outside Y'CbCr (YCgCo and the like).
    """
    context = stream.codec_context
    rotation, mirrored = _orientation(frame)
    colour = _colour(frame, path)
    deep = max(component.bits for component in frame.format.components) > 8
    mastered = any(item.type is SideDataType.MASTERING_DISPLAY_METADATA for item in _side_data(frame))
    rate = stream.average_rate or stream.guessed_rate or stream.base_rate or Fraction(25)
    ratio = stream.sample_aspect_ratio
    return {
        "path": str(path),
        "size_bytes": size,
        "format": container.format.name,
        "duration": _duration(path, container, stream),
        "width": frame.width,
        "height": frame.height,
        "rotation": rotation,
        "mirrored": mirrored,
        "frame_rate": str(rate),
        "time_base": str(stream.time_base),
        "frame_count": stream.frames or None,
        "codec": context.codec.canonical_name,
        "profile": context.profile,
        "pixel_format": frame.format.name,
        "sample_aspect_ratio": str(ratio) if ratio else "1",
        "interlaced": frame.interlaced_frame,
        "bit_rate": context.bit_rate or container.bit_rate or None,
        "colour": colour,
        "audio": _audio(container),
        "metadata": dict(container.metadata),
        "stream_metadata": dict(stream.metadata),
        "hdr": colour["transfer"] in _HDR_TRANSFERS or (deep and mastered),
        "encoder": _encoder(container, stream, packet_head),
    }


def _colour(frame: VideoFrame, path: Path) -> ColourFacts:
    if frame.format.is_rgb:  # converted to limited-range BT.709 when read
        return {"matrix": "bt709", "full_range": False, "primaries": 2, "transfer": 2, "coefficients": 1}
    code = int(frame.colorspace)
    if code in _UNTAGGED_CODES:
        # What players assume of untagged video: high definition is BT.709, the rest BT.601.
        code, matrix = _UNTAGGED, "bt709" if frame.height >= 720 or frame.width >= 1280 else "bt601"
    elif code in _MATRIX:
        matrix = _MATRIX[code]
    else:
        raise MediaError(
            f"{path} uses the colour matrix {code} (ITU-T H.273), which is not supported.",
            remedy="Convert it to BT.709 or BT.601.",
        )
    return {
        "matrix": matrix,
        "full_range": frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj"),
        "primaries": int(frame.color_primaries) or _UNTAGGED,
        "transfer": int(frame.color_trc) or _UNTAGGED,
        "coefficients": code,
    }


def _duration(path: Path, container: InputContainer, stream: VideoStream) -> float:
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    if container.duration is not None:
        return container.duration / 1e6
    # A live recording states no duration: walk the packets once, without decoding.
    first = last = None
    with open_container(path) as again:
        for packet in again.demux(again.streams[stream.index]):
            if packet.pts is not None:
                first = packet.pts if first is None else min(first, packet.pts)
                last = max(last or 0, packet.pts + (packet.duration or 0))
    if first is None or last is None or stream.time_base is None:
        return 0.0
    return float((last - first) * stream.time_base)


def _audio(container: InputContainer) -> AudioFacts | None:
    stream = container.streams.best("audio")
    if not isinstance(stream, AudioStream) or getattr(stream, "codec_context", None) is None:
        return None
    context = stream.codec_context
    lasts = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else None
    return {
        "codec": context.codec.canonical_name,
        "profile": context.profile,
        "sample_rate": context.sample_rate,
        "channels": context.channels,
        "layout": context.layout.name,
        "bit_rate": context.bit_rate or None,
        "duration": lasts,
        "language": stream.language,
    }


def _encoder(container: InputContainer, stream: VideoStream, packet_head: bytes) -> str | None:
    found = _ENCODER.search((stream.codec_context.extradata or b"") + packet_head)
    if found:
        return found.group().decode("ascii")
    for tags in (stream.metadata, container.metadata):
        for key, value in tags.items():
            if key.lower() == "encoder" and value.strip():
                return value.strip()
    return None


def _side_data(frame: VideoFrame) -> list[SideData]:
    # PyAV's stubs type the container as another class, and as a mapping where it iterates over values.
    container = cast(SideDataContainer, frame.side_data)
    return [container[index] for index in range(len(container))]


def _orientation(frame: VideoFrame) -> tuple[int, bool]:
    """Degrees counter-clockwise by which the display matrix turns the picture, and whether it then flips it."""
    matrix = next((bytes(item) for item in _side_data(frame) if item.type is SideDataType.DISPLAYMATRIX), None)
    if matrix is None or len(matrix) != 36:
        return 0, False
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
    mirrored = a * d - b * c < 0
    return round(-math.degrees(math.atan2(b, -a if mirrored else a))) % 360, mirrored
