"""Decoding one file with PyAV. Runs inside the decoding child process, or in-process for trusted files."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av.error
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

from countermark.core.errors import MediaError, MediaLimitError
from countermark.core.media.extent import declared_size
from countermark.core.media.facts import read_facts
from countermark.core.media.frames import UInt8
from countermark.core.media.limits import Limits
from countermark.core.media.opening import DAMAGED, check_file, open_container, timeline_origin, video_stream
from countermark.core.media.planes import planes

_SWS_MATRIX = {"bt709": Colorspace.ITU709, "bt601": Colorspace.ITU601, "bt2020": Colorspace.BT2020}
_PACKET_HEAD = 65536  # bytes of the first packet kept to find the encoder's name
_SEEK_BACK = (1.0, 10.0)  # seconds before the wanted time at which to look for a key frame
_MAX_RATE = 1000  # frames per second of the longest video allowed; more is a way to waste our time


@dataclass(frozen=True)
class Picture:
    """One decoded frame: ``luma`` uint8 [H, W], ``chroma`` uint8 [2, ceil(H/2), ceil(W/2)]."""

    pts: int
    luma: UInt8
    chroma: UInt8


class Source:
    """An open video file: ``facts`` from its headers and first frame, then its frames in presentation order."""

    def __init__(self, path: Path, limits: Limits) -> None:
        """Open, probe and decode the first frame; raises ``MediaError`` or ``MediaLimitError``."""
        self._path, self._limits = path, limits
        size = check_file(path, limits)
        self._open()
        self._base = self._stream.time_base or Fraction(1, 1000)
        self._origin = round(timeline_origin(self._container) / self._base)
        self._declared = 0  # frames that an MP4 index promises; other containers count loosely, or not at all
        self._decoded = 0
        self._packet_head = b""
        self._check_header()
        self._check_complete(size)
        first = next(self._frames, None)
        if first is None:
            cause = f"{path} holds a video stream of which no frame could be decoded."
            raise MediaError(cause, remedy=DAMAGED)
        self._first = first
        self._check_pixels(first.width, first.height)
        self.facts = read_facts(
            path, self._container, self._stream, size=size, frame=first, packet_head=self._packet_head
        )
        self.facts["frame_count"] = self._declared or self._stream.frames or None
        if self.facts["duration"] > limits.max_seconds:
            raise self._too_long(self.facts["duration"])

    def close(self) -> None:
        """Close the file."""
        self._frames.close()
        self._container.close()

    def pictures(
        self, *, start: float | None, stop: float | None, max_frames: int | None, stride: int
    ) -> Iterator[Picture | None]:
        """Frames with ``start`` <= time < ``stop`` (seconds after the first frame), every ``stride``-th of them.

        Yields None for each frame decoded but not wanted, so that a watcher sees progress. ``pts`` strictly increase: a
        frame stamped no later than the one before is moved one tick after it. To be called once.
        """
        origin = self._stamp(self._first, None)
        tolerance = float(self._base) / 2
        last: int | None = None
        sent = wanted = 0
        for frame in self._from(origin, start):
            last = self._stamp(frame, last)
            seconds = float((last - origin) * self._base)
            if seconds > self._limits.max_seconds or self._decoded > self._limits.max_seconds * _MAX_RATE:
                raise self._too_long(seconds)
            if stop is not None and seconds >= stop - tolerance:
                return
            if start is not None and seconds < start - tolerance:
                yield None
                continue
            wanted += 1
            if (wanted - 1) % stride:
                yield None
                continue
            yield self._picture(frame, last)
            sent += 1
            if sent == max_frames:
                return
        if start is None:
            self._check_decoded()

    def _open(self) -> None:
        self._container = open_container(self._path)
        self._stream = video_stream(self._container, self._path)
        context = self._stream.codec_context
        # PyAV's AUTO has deadlocked in worker processes; frame threads are the faster half of it.
        context.thread_type, context.thread_count = "FRAME", 2
        self._frames = self._decode()

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

    def _check_complete(self, size: int) -> None:
        """A file shorter than its own structure says is refused before anything is decoded."""
        name = self._container.format.name
        if "mp4" in name and self._stream.frames:
            entries = list(self._stream.index_entries)
            present = sum(entry.pos + entry.size <= size for entry in entries)
            if present < len(entries):
                raise self._short(f"{present} of {len(entries)} frames are in the file")
            # Edit lists cut frames away that the sample table still counts.
            self._declared = sum(not entry.is_discard for entry in entries)
            return
        declared = declared_size(self._path, name)
        if declared is not None and declared > size:
            raise self._short(f"{size} of {declared} bytes are there")

    def _check_decoded(self) -> None:
        # Decoders drop a few frames around edits and damage; a tenth is more than that.
        if self._decoded < 0.9 * self._declared - 1:
            raise self._short(f"{self._decoded} of {self._declared} frames could be read")

    def _short(self, how: str) -> MediaError:
        return MediaError(f"{self._path} is cut short or damaged: {how}.", remedy=DAMAGED)

    def _decode(self) -> Generator[VideoFrame]:
        try:
            for packet in self._container.demux(self._stream):
                if not self._packet_head and packet.size:
                    self._packet_head = bytes(packet)[:_PACKET_HEAD]
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    continue  # one damaged picture; whether too many are missing is judged at the end
                for frame in frames:
                    self._decoded += 1
                    yield frame
        except av.error.MemoryError:
            cause = f"{self._path} needs more memory to decode than is allowed."
            raise MediaLimitError(cause, remedy="Give a smaller video.") from None
        except av.error.InvalidDataError:
            return  # the demuxer lost its way: what came so far is judged at the end
        except av.error.FFmpegError as error:
            raise MediaError(f"{self._path} cannot be decoded ({error.strerror}).", remedy=DAMAGED) from None

    def _from(self, origin: int, start: float | None) -> Iterator[VideoFrame]:
        """Frames from a little before ``start`` on; where the container seeks badly, from the beginning."""
        moved = False
        for back in _SEEK_BACK:
            target = (start or 0.0) - back
            if target <= 0:
                break
            ticks = origin + round(target / self._base)
            moved = True
            self._frames.close()
            try:
                self._container.seek(ticks + self._origin, stream=self._stream)
            except av.error.FFmpegError:
                break
            self._frames = self._decode()
            found = next(self._frames, None)
            # Some demuxers land on the key frame after the target.
            if found is not None and self._stamp(found, None) <= ticks + back / self._base:
                yield found
                yield from self._frames
                return
        if moved:
            self.close()
            self._open()
        else:
            yield self._first
        yield from self._frames

    def _stamp(self, frame: VideoFrame, last: int | None) -> int:
        pts = frame.pts if frame.pts is not None else frame.dts
        if pts is not None:
            pts -= self._origin
        if last is None:
            return pts or 0
        if pts is None:
            return last + max(1, frame.duration or 1)
        return max(pts, last + 1)

    def _picture(self, frame: VideoFrame, pts: int) -> Picture:
        width, height, colour = self.facts["width"], self.facts["height"], self.facts["colour"]
        if (frame.width, frame.height) != (width, height):
            raise MediaError(
                f"{self._path} changes its frame size from {width}x{height} to {frame.width}x{frame.height}.",
                remedy="Convert it to one size.",
            )
        if frame.format.name not in {"yuv420p", "yuvj420p"}:
            matrix = _SWS_MATRIX[colour["matrix"]]
            span = ColorRange.JPEG if colour["full_range"] else ColorRange.MPEG
            frame = frame.reformat(
                format="yuv420p",
                src_colorspace=matrix,
                dst_colorspace=matrix,
                src_color_range=ColorRange.JPEG if frame.format.is_rgb else span,
                dst_color_range=span,
            )
        return Picture(pts, *planes(frame))
