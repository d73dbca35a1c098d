"""Demuxing and decoding with PyAV. Runs inside the decoding child process, or in-process for trusted files.

Imports only PyAV, NumPy and modules of this package that are as light.
"""

from __future__ import annotations

import math
import re
import stat
import struct
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypedDict, cast

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.sidedata.sidedata import SideData, SideDataContainer
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from countermark.core.errors import MediaError, MediaLimitError
from countermark.core.media.frames import UInt8
from countermark.core.media.limits import Limits
from countermark.core.media.planes import planes

# Containers that hold their own media. Playlists and scripts (HLS, DASH, concat, image sequences, AviSynth ...) name
# other files or hosts, which a file from a stranger must not make us open.
_DEMUXERS = "mov,matroska,avi,mpegts,mpeg,flv,ogg,gif,asf,mxf,ivf,yuv4mpegpipe,h264,hevc,obu,av1"
_OPEN_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _DEMUXERS}

# ITU-T H.273 table 4 (MatrixCoefficients) to the arithmetic that reads it. 4 (FCC) and 7 (SMPTE 240M) differ from their
# neighbours by less than one code value in typical pictures.
_MATRIX = {1: "bt709", 4: "bt601", 5: "bt601", 6: "bt601", 7: "bt709", 9: "bt2020", 10: "bt2020"}
_SWS_MATRIX = {"bt709": Colorspace.ITU709, "bt601": Colorspace.ITU601, "bt2020": Colorspace.BT2020}
_UNTAGGED = 2
_HDR_TRANSFERS = frozenset({16, 18})  # H.273 table 3: PQ and HLG

# What encoders write into the stream itself: SEI user data (x264, x265), user data (Lavc).
_ENCODER = re.compile(
    rb"x264 - core \d+(?: r\d+[ -~]{0,9}?(?= -))?|x265 \(build \d+\)[ -~]{0,30}?(?= -|:)|Lavc\d+\.\d+\.\d+"
)

_UNREADABLE = "Check that it is a complete video file in a common format such as MP4, MOV, WebM, MKV or AVI."
_DAMAGED = "Fetch the file again from where it came from; part of it is missing or damaged."


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
    """Fields of ``MediaInfo``, JSON-able, fractions as text."""

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


@dataclass(frozen=True)
class Picture:
    """One decoded frame: ``luma`` uint8 [H, W], ``chroma`` uint8 [2, ceil(H/2), ceil(W/2)]."""

    pts: int
    luma: UInt8
    chroma: UInt8


def check_file(path: Path, limits: Limits) -> int:
    """Size of a regular, non-empty file in bytes.

    Raises ``MediaError`` for a missing, special or empty file, ``MediaLimitError`` for one over ``max_bytes``.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise MediaError(f"{path} does not exist.", remedy="Check the path.") from None
    except OSError as error:
        raise MediaError(
            f"{path} cannot be opened: {error.strerror}.", remedy="Check the path and its rights."
        ) from None
    if stat.S_ISDIR(status.st_mode):
        raise MediaError(f"{path} is a folder.", remedy="Give the path of a video file.")
    if not stat.S_ISREG(status.st_mode):
        raise MediaError(f"{path} is not a regular file.", remedy="Give the path of a video file.")
    if status.st_size == 0:
        raise MediaError(f"{path} is empty (0 bytes).", remedy=_UNREADABLE)
    if status.st_size > limits.max_bytes:
        raise MediaLimitError(
            f"{path} is {status.st_size} bytes, over the limit of {limits.max_bytes}.",
            remedy="Raise COUNTERMARK_MAX_BYTES or give a smaller file.",
        )
    return status.st_size


def open_container(path: Path) -> InputContainer:
    """Open ``path`` for demuxing with every other file and every network protocol out of reach.

    Raises ``MediaError`` with what is wrong with the file.
    """
    try:
        return av.open(f"file:{path}", options=_OPEN_OPTIONS, metadata_errors="replace")
    except av.error.MemoryError:
        raise MediaLimitError(f"{path} needs more memory to open than is allowed.", remedy=_UNREADABLE) from None
    except av.error.PermissionError:
        raise MediaError(f"{path} cannot be opened: permission denied.", remedy="Check its rights.") from None
    except (av.error.FFmpegError, ValueError) as error:
        with path.open("rb") as file:
            head = file.read(12)
        if head[4:8] == b"ftyp":
            cause = f"{path} is cut short or damaged: it is an MP4 or MOV file whose index (moov) cannot be read."
            raise MediaError(cause, remedy=_DAMAGED) from None
        reason = getattr(error, "strerror", None) or "unknown format"
        raise MediaError(f"{path} is not a video that can be read ({reason}).", remedy=_UNREADABLE) from None


class Source:
    """An open video file: ``facts`` from its headers and first frame, then its frames in presentation order."""

    def __init__(self, path: Path, limits: Limits) -> None:
        """Open, probe and decode the first frame; raises ``MediaError`` or ``MediaLimitError``."""
        self._path = path
        self._limits = limits
        self._size = check_file(path, limits)
        self._container = open_container(path)
        self._decoded = 0
        self._packet_head = b""
        self._stream = self._video_stream()
        context = self._stream.codec_context
        # Frame threads are the fastest; AUTO is left alone because it has deadlocked in worker processes.
        context.thread_type = "FRAME"
        context.thread_count = 2 if context.width * context.height < limits.max_pixels // 2 else 1
        self._check_header()
        self._source = self._decode()
        try:
            self._first: VideoFrame | None = next(self._source)
        except StopIteration:
            raise MediaError(
                f"{path} holds a video stream of which no frame could be decoded.", remedy=_DAMAGED
            ) from None
        self.width, self.height = self._first.width, self._first.height
        self._check_pixels(self.width, self.height)
        self._colour = self._read_colour()
        self.facts = self._read_facts()
        if self.facts["duration"] > limits.max_seconds:
            raise self._too_long(self.facts["duration"])
        self._check_index()

    def close(self) -> None:
        """Close the file."""
        self._source.close()
        self._container.close()

    def pictures(
        self, *, start: float | None, stop: float | None, max_frames: int | None, stride: int
    ) -> Iterator[Picture | None]:
        """Frames with ``start`` <= time < ``stop`` (seconds after the first frame), every ``stride``-th of them.

        Yields None for each frame decoded but not wanted, so that a watcher sees progress. ``pts`` strictly increase: a
        frame stamped no later than the one before is moved one tick after it.
        """
        if self._first is None:
            raise RuntimeError("a source is read once")
        first, self._first = self._first, None
        base = float(self._stream.time_base or 0)
        origin = self._stamp(first, None)
        frames = self._from(first, origin, start)
        last: int | None = None
        sent = taken = 0
        complete = start is None
        for frame in frames:
            pts = self._stamp(frame, last)
            last = pts
            seconds = (pts - origin) * base
            if seconds > self._limits.max_seconds:
                raise self._too_long(seconds)
            if start is not None and seconds < start - base / 2:
                yield None
                continue
            if stop is not None and seconds >= stop - base / 2:
                complete = False
                break
            taken += 1
            if (taken - 1) % stride:
                yield None
                continue
            yield self._picture(frame, pts)
            sent += 1
            if max_frames is not None and sent >= max_frames:
                complete = False
                break
        if complete:
            self._check_decoded()

    def _video_stream(self) -> VideoStream:
        streams = [s for s in self._container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            kind = "only audio" if self._container.streams.audio else "no video"
            raise MediaError(f"{self._path} holds {kind}.", remedy="Give a file with a video stream.")
        best = self._container.streams.best("video")
        stream = next((s for s in streams if best is not None and s.index == best.index), streams[0])
        # PyAV leaves the context out when FFmpeg has no decoder, which its type stubs do not say.
        if getattr(stream, "codec_context", None) is None:
            raise MediaError(
                f"{self._path} is coded in a way that no decoder here can read.",
                remedy="Convert it to H.264, HEVC, VP9 or AV1.",
            )
        return stream

    def _check_header(self) -> None:
        context = self._stream.codec_context
        self._check_pixels(context.width, context.height)
        if self._container.duration is not None and self._container.duration / 1e6 > self._limits.max_seconds:
            raise self._too_long(self._container.duration / 1e6)

    def _check_pixels(self, width: int, height: int) -> None:
        if width * height > self._limits.max_pixels:
            raise MediaLimitError(
                f"{self._path} has frames of {width}x{height}, over the limit of {self._limits.max_pixels} pixels.",
                remedy="Raise COUNTERMARK_MAX_PIXELS or give a smaller video.",
            )

    def _too_long(self, seconds: float) -> MediaLimitError:
        return MediaLimitError(
            f"{self._path} lasts {seconds:.1f} s or more, over the limit of {self._limits.max_seconds:g} s.",
            remedy="Raise COUNTERMARK_MAX_SECONDS or give a shorter video.",
        )

    def _check_index(self) -> None:
        """An MP4 index that points behind the end of the file tells of a truncation before anything is decoded."""
        if "mp4" not in self._container.format.name:
            return
        entries = list(self._stream.index_entries)
        missing = sum(entry.pos + entry.size > self._size for entry in entries)
        if missing > 1:
            raise MediaError(
                f"{self._path} is cut short: {len(entries) - missing} of {len(entries)} frames are in the file.",
                remedy=_DAMAGED,
            )

    def _check_decoded(self) -> None:
        declared = self.facts["frame_count"]
        # Decoders drop a few frames around edits and damage; a tenth is more than that.
        if declared and self._decoded < 0.9 * declared - 1:
            raise MediaError(
                f"{self._path} is cut short or damaged: {self._decoded} of {declared} frames could be read.",
                remedy=_DAMAGED,
            )

    def _decode(self) -> Generator[VideoFrame]:
        try:
            for packet in self._container.demux(self._stream):
                if not self._packet_head and packet.size:
                    self._packet_head = bytes(packet)[:65536]
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    continue  # one damaged picture; whether too many are missing is judged at the end
                for frame in frames:
                    self._decoded += 1
                    yield frame
        except av.error.MemoryError:
            raise MediaLimitError(
                f"{self._path} needs more memory to decode than is allowed.", remedy="Give a smaller video."
            ) from None
        except av.error.InvalidDataError:
            return  # the demuxer lost the thread: the frames so far are what there is
        except av.error.FFmpegError as error:
            raise MediaError(f"{self._path} cannot be decoded ({error.strerror}).", remedy=_DAMAGED) from None

    def _from(self, first: VideoFrame, origin: int, start: float | None) -> Iterator[VideoFrame]:
        base = self._stream.time_base
        if start is not None and start > 0 and base is not None:
            try:
                self._container.seek(origin + int(start / base), stream=self._stream)
            except av.error.FFmpegError:
                pass  # not seekable: read on from the beginning
            else:
                self._source = self._decode()
                yield from self._source
                return
        yield first
        yield from self._source

    def _stamp(self, frame: VideoFrame, last: int | None) -> int:
        pts = frame.pts if frame.pts is not None else frame.dts
        if last is None:
            return pts or 0
        if pts is None:
            return last + max(1, frame.duration or 1)
        return max(pts, last + 1)

    def _picture(self, frame: VideoFrame, pts: int) -> Picture:
        if (frame.width, frame.height) != (self.width, self.height):
            raise MediaError(
                f"{self._path} changes its frame size from {self.width}x{self.height} to {frame.width}x{frame.height}.",
                remedy="Convert it to one size.",
            )
        if frame.format.name not in {"yuv420p", "yuvj420p"}:
            matrix = _SWS_MATRIX[self._colour["matrix"]]
            target = ColorRange.JPEG if self._colour["full_range"] else ColorRange.MPEG
            frame = frame.reformat(
                format="yuv420p",
                src_colorspace=matrix,
                dst_colorspace=matrix,
                src_color_range=ColorRange.JPEG if frame.format.is_rgb else target,
                dst_color_range=target,
            )
        return Picture(pts, *planes(frame))

    def _read_colour(self) -> ColourFacts:
        frame = self._first
        if frame is None:
            raise RuntimeError("no frame was decoded")
        if frame.format.is_rgb:
            return {"matrix": "bt709", "full_range": False, "primaries": 2, "transfer": 2, "coefficients": 1}
        code = int(frame.colorspace)
        if code in _MATRIX:
            matrix = _MATRIX[code]
        elif code in {0, _UNTAGGED, 3}:
            # What players assume of untagged video: high definition is BT.709, the rest BT.601.
            code, matrix = _UNTAGGED, "bt709" if frame.height >= 720 or frame.width >= 1280 else "bt601"
        else:
            raise MediaError(
                f"{self._path} uses the colour matrix {code} (ITU-T H.273), which is not supported.",
                remedy="Convert it to BT.709 or BT.601.",
            )
        return {
            "matrix": matrix,
            "full_range": frame.color_range == ColorRange.JPEG or frame.format.name.startswith("yuvj"),
            "primaries": int(frame.color_primaries) or _UNTAGGED,
            "transfer": int(frame.color_trc) or _UNTAGGED,
            "coefficients": code,
        }

    def _read_facts(self) -> Facts:
        frame, stream, container = self._first, self._stream, self._container
        if frame is None:
            raise RuntimeError("no frame was decoded")
        context = stream.codec_context
        rotation, mirrored = _orientation(frame)
        side_data = {item.type for item in _side_data(frame)}
        deep = max(component.bits for component in frame.format.components) > 8
        rate = stream.average_rate or stream.guessed_rate or stream.base_rate or Fraction(25)
        duration = self._duration()
        ratio = stream.sample_aspect_ratio
        return {
            "path": str(self._path),
            "size_bytes": self._size,
            "format": container.format.name,
            "duration": duration,
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
            "colour": self._colour,
            "audio": self._audio(),
            "metadata": dict(container.metadata),
            "stream_metadata": dict(stream.metadata),
            "hdr": self._colour["transfer"] in _HDR_TRANSFERS
            or (deep and SideDataType.MASTERING_DISPLAY_METADATA in side_data),
            "encoder": self._encoder(),
        }

    def _duration(self) -> float:
        stream, container = self._stream, self._container
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        if container.duration is not None:
            return container.duration / 1e6
        return 0.0

    def _audio(self) -> AudioFacts | None:
        stream = self._container.streams.best("audio")
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

    def _encoder(self) -> str | None:
        found = _ENCODER.search((self._stream.codec_context.extradata or b"") + self._packet_head)
        if found:
            return found.group().decode("ascii").strip()
        return self._stream.metadata.get("encoder") or self._container.metadata.get("encoder")


def _side_data(frame: VideoFrame) -> list[SideData]:
    # PyAV's stubs type the container as another class, and as a mapping where it iterates over values.
    container = cast(SideDataContainer, frame.side_data)
    return [container[index] for index in range(len(container))]


def _orientation(frame: VideoFrame) -> tuple[int, bool]:
    """Rotation in degrees counter-clockwise and whether the picture is flipped left to right first."""
    matrix = next((bytes(item) for item in _side_data(frame) if item.type is SideDataType.DISPLAYMATRIX), None)
    if matrix is None or len(matrix) != 36:
        return 0, False
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
    if a * d - b * c >= 0:
        return frame.rotation % 360, False
    # Undo the flip (x -> -x) and read the turn that is left.
    return round(math.degrees(math.atan2(b, -a))) % 360, True
