"""Encode frames to a file, keeping timing, geometry, colour description and audio."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import av
import av.error
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from countermark.core.errors import MediaError, UsageError
from countermark.core.media.frames import Colour, Frames, UInt8
from countermark.core.media.info import MediaInfo
from countermark.core.media.isolate import remux_isolated
from countermark.core.media.limits import Limits
from countermark.core.media.opening import check_file
from countermark.core.media.partial import create_partial, muxer
from countermark.core.media.planes import video_frame
from countermark.core.media.remux import muxer_options
from countermark.core.media.scheduling import usual_scheduling
from countermark.core.settings import get_settings

Codec = Literal["libx264", "libx265", "libvpx-vp9", "libsvtav1"]

_EVEN_ONLY = frozenset({"libx264", "libx265"})
_MAX_THREADS = 16  # each keeps pictures of its own
_MATRIX_CODE = {"bt709": 1, "bt601": 6, "bt2020": 9}  # ITU-T H.273 table 4
_PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")


@dataclass(frozen=True)
class VideoSpec:
    """How to encode. ``fps`` is the nominal rate, ``time_base`` the unit of the ``pts`` written.

    ``rotation`` is in degrees counter-clockwise, as in ``MediaInfo``; frames are given unrotated. ``preset`` is x264's
    and x265's; for VP9 and AV1 the nearest speed is taken. ``crf`` is in the codec's own scale.
    """

    width: int
    height: int
    fps: Fraction
    time_base: Fraction
    colour: Colour = field(default_factory=Colour)
    rotation: int = 0
    mirrored: bool = False
    sample_aspect_ratio: Fraction = Fraction(1)
    crf: int = 18
    preset: str = "medium"
    codec: Codec = "libx264"

    @classmethod
    def like(cls, info: MediaInfo, **changes: Any) -> VideoSpec:  # noqa: ANN401  # as dataclasses.replace
        """The spec that keeps what ``info`` says, with ``changes`` to any field."""
        spec = cls(
            width=info.width,
            height=info.height,
            fps=info.frame_rate,
            time_base=info.time_base,
            colour=info.colour,
            rotation=info.rotation,
            mirrored=info.mirrored,
            sample_aspect_ratio=info.sample_aspect_ratio,
        )
        return replace(spec, **changes)


class VideoWriter:
    """Writes chunks of frames to ``path``, which appears, complete, when the ``with`` block ends without an exception.

    ``audio_from`` names a file whose audio packets are copied bit for bit, all of them, with their timing, by a
    confined child process under ``limits`` (default: from the settings). ``metadata`` are container tags; free keys are
    allowed. An odd width or height is made even by repeating the last column or row for codecs that need it (H.264,
    HEVC).

    Raises ``UsageError`` for a suffix that is no video container here, ``MediaError`` if the encoder refuses.
    """

    def __init__(
        self,
        path: Path | str,
        spec: VideoSpec,
        *,
        audio_from: Path | str | None = None,
        metadata: dict[str, str] | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.path, self.spec = Path(path), spec
        self.frames_written = 0
        self._muxer = muxer(self.path)
        self._audio, self._metadata = Path(audio_from) if audio_from is not None else None, metadata or {}
        self._limits = limits or Limits.from_settings(get_settings())
        if self._audio is not None:
            check_file(self._audio, self._limits)
        self._last_pts: int | None = None
        self._partial = create_partial(self.path)
        try:
            with self._explained():
                self._container = self._open()
                self._stream = self._add_video()
        except BaseException:
            self._partial.unlink(missing_ok=True)
            raise

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._discard()
            return
        self.close()

    def write(self, frames: Frames) -> None:
        """Encode a chunk of the spec's size; ``pts`` must increase from frame to frame and chunk to chunk.

        Raises ``ValueError`` for frames that do not fit, ``MediaError`` if the encoder or the disk fails.
        """
        if (frames.width, frames.height) != (self.spec.width, self.spec.height):
            size, wanted = f"{frames.width}x{frames.height}", f"{self.spec.width}x{self.spec.height}"
            raise ValueError(f"frames are {size}, the writer was opened for {wanted}")
        if self.spec.codec in _EVEN_ONLY:
            frames = frames.even()
        with self._explained():
            for luma, chroma, pts in zip(frames.luma, frames.chroma, frames.pts.tolist(), strict=True):
                if self._last_pts is not None and pts <= self._last_pts:
                    raise ValueError(f"pts {pts} does not come after {self._last_pts}")
                self._last_pts = pts
                with contextlib.nullcontext() if self.frames_written else usual_scheduling():
                    packets = self._stream.encode(self._frame(luma, chroma, pts))
                self._container.mux(packets)
                self.frames_written += 1

    def close(self) -> None:
        """Flush the encoder, add the audio, and move the file into place; on failure nothing is left."""
        try:
            with self._explained():
                if not self.frames_written:
                    raise MediaError(f"No frames were written to {self.path}.", remedy="Give at least one frame.")
                self._container.mux(self._stream.encode(None))
                self._container.close()
            if self._audio is not None:
                self._add_audio(self._audio)
            self._partial.replace(self.path)
        except BaseException:
            self._discard()
            raise

    def _open(self) -> OutputContainer:
        options = muxer_options(self.path, self.spec.time_base)
        if self._audio is not None:
            options.pop("movflags", None)  # an intermediate file needs neither tags nor its index in front
        container = av.open(f"file:{self._partial}", "w", format=self._muxer, container_options=options)
        if self._audio is None:
            container.metadata.update(self._metadata)
        return container

    def _add_audio(self, audio: Path) -> None:
        silent = self._partial
        self._partial = create_partial(self.path)
        try:
            remux_isolated(silent, self._partial, audio=audio, metadata=self._metadata, limits=self._limits)
        finally:
            silent.unlink(missing_ok=True)

    def _add_video(self) -> VideoStream:
        spec = self.spec
        pad = spec.codec in _EVEN_ONLY
        options = _codec_options(spec)
        try:
            stream = self._container.add_stream(spec.codec, rate=spec.fps, options=options)
        except ValueError:
            cause = f"{self.path.suffix} files cannot hold {spec.codec}."
            raise UsageError(cause, remedy="Use libvpx-vp9 or libsvtav1 for .webm, and .mp4 for the others.") from None
        stream.width = spec.width + (spec.width % 2 if pad else 0)
        stream.height = spec.height + (spec.height % 2 if pad else 0)
        stream.pix_fmt = "yuv420p"
        stream.time_base = spec.time_base
        context = stream.codec_context
        # PyAV's default, slice threads, makes x264 cut each picture into slices, which costs bits.
        context.thread_type = "FRAME"
        context.thread_count = min(_MAX_THREADS, os.cpu_count() or 1)
        context.time_base = spec.time_base
        context.sample_aspect_ratio = spec.sample_aspect_ratio
        context.color_range = ColorRange.JPEG if spec.colour.full_range else ColorRange.MPEG
        context.color_primaries = spec.colour.primaries
        context.color_trc = spec.colour.transfer
        context.colorspace = _matrix_code(spec.colour)
        if spec.rotation or spec.mirrored:
            stream.set_display_rotation(spec.rotation, hflip=spec.mirrored)
        return stream

    def _frame(self, luma: UInt8, chroma: UInt8, pts: int) -> VideoFrame:
        frame = video_frame(luma, chroma)
        frame.pts, frame.time_base = pts, self.spec.time_base
        context = self._stream.codec_context
        frame.color_range, frame.colorspace = context.color_range, context.colorspace
        frame.color_primaries, frame.color_trc = context.color_primaries, context.color_trc
        return frame

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except av.error.FFmpegError as error:
            raise MediaError(
                f"{self.path} could not be written ({error.strerror}).",
                remedy="Check the free space and the size and rate of the video.",
            ) from error

    def _discard(self) -> None:
        self._partial.unlink(missing_ok=True)  # before closing, which would move a long file's index to its front
        with contextlib.suppress(av.error.FFmpegError):
            self._container.close()


def _codec_options(spec: VideoSpec) -> dict[str, str]:
    if spec.preset not in _PRESETS:
        raise UsageError(f"There is no preset {spec.preset!r}.", remedy=f"Use one of {', '.join(_PRESETS)}.")
    crf, step = str(spec.crf), _PRESETS.index(spec.preset)
    match spec.codec:
        case "libx264":
            return {"crf": crf, "preset": spec.preset}
        case "libx265":
            return {"crf": crf, "preset": spec.preset, "x265-params": "log-level=error"}
        case "libvpx-vp9":
            speed = (5, 5, 5, 4, 4, 3, 2, 1, 0)[step]
            return {"crf": crf, "b": "0", "deadline": "good", "cpu-used": str(speed), "row-mt": "1"}
        case "libsvtav1":
            os.environ.setdefault("SVT_LOG", "1")  # errors only; the library knows no other way to be quiet
            return {"crf": crf, "preset": str((12, 11, 10, 9, 9, 8, 6, 5, 4)[step])}


def _matrix_code(colour: Colour) -> int:
    if colour.coefficients is not None:
        return colour.coefficients
    # BT.470BG and SMPTE 170M share a matrix under two codes; keep company with the primaries.
    return 5 if colour.matrix == "bt601" and colour.primaries == 5 else _MATRIX_CODE[colour.matrix]
