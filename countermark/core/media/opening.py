"""Opening an untrusted file: checks before FFmpeg sees it, and a container that can reach nothing else."""

from __future__ import annotations

import stat
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from countermark.core.errors import MediaError, MediaLimitError
from countermark.core.media.limits import Limits

# Containers that hold their own media. Playlists and scripts (HLS, DASH, concat, image sequences, AviSynth ...) name
# other files or hosts, which a file from a stranger must not make us open.
_DEMUXERS = "mov,matroska,avi,mpegts,mpeg,flv,ogg,gif,asf,mxf,ivf,yuv4mpegpipe,h264,hevc,obu"
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _DEMUXERS}

# Containers whose timeline starts at zero by definition; in the others (MPEG-TS ...) zero is arbitrary.
_ZERO_BASED = ("mov", "matroska", "avi", "gif")

UNREADABLE = "Check that it is a complete video file in a common format such as MP4, MOV, WebM, MKV or AVI."
DAMAGED = "Fetch the file again from where it came from; part of it is missing or damaged."


def check_file(path: Path, limits: Limits) -> int:
    """Size of a regular, non-empty file in bytes.

    Raises ``MediaError`` for a missing, special or empty file, ``MediaLimitError`` for one over ``max_bytes``.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise MediaError(f"{path} does not exist.", remedy="Check the path.") from None
    except OSError as error:
        cause = f"{path} cannot be opened: {error.strerror}."
        raise MediaError(cause, remedy="Check the path and its access rights.") from None
    if stat.S_ISDIR(status.st_mode):
        raise MediaError(f"{path} is a folder.", remedy="Give the path of a video file.")
    if not stat.S_ISREG(status.st_mode):
        raise MediaError(f"{path} is not a regular file.", remedy="Give the path of a video file.")
    if status.st_size == 0:
        raise MediaError(f"{path} is empty (0 bytes).", remedy=UNREADABLE)
    if status.st_size > limits.max_bytes:
        raise MediaLimitError(
            f"{path} is {status.st_size} bytes, over the limit of {limits.max_bytes}.",
            remedy="Raise COUNTERMARK_MAX_BYTES or give a smaller file.",
        )
    return status.st_size


def still_format(path: Path) -> str | None:
    """Which picture the file begins like ("png", "jpeg", "webp"); None for others, and where it cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return None
    if head[:4] == b"\x89PNG":
        return "png"
    if head[:3] == b"\xff\xd8\xff":
        return "jpeg"
    return "webp" if head[:4] == b"RIFF" and head[8:] == b"WEBP" else None


def open_container(path: Path) -> InputContainer:
    """Open ``path`` for demuxing with every other file and every network protocol out of reach.

    Raises ``MediaError`` with what is wrong with the file, ``MediaLimitError`` if memory runs out.
    """
    try:
        return av.open(f"file:{path}", options=_OPTIONS, metadata_errors="replace")
    except av.error.MemoryError:
        raise MediaLimitError(f"{path} needs more memory to open than is allowed.", remedy=UNREADABLE) from None
    except av.error.PermissionError:
        cause = f"{path} cannot be opened: permission denied."
        raise MediaError(cause, remedy="Check its access rights.") from None
    except (av.error.FFmpegError, ValueError) as error:
        with path.open("rb") as file:
            head = file.read(12)
        if head[4:8] == b"ftyp":
            raise _no_index(path) from None
        reason = getattr(error, "strerror", None) or "unknown format"
        raise MediaError(f"{path} is not a video that can be read ({reason}).", remedy=UNREADABLE) from None


def video_stream(container: InputContainer, path: Path) -> VideoStream:
    """The video stream a player would choose; cover pictures do not count.

    Raises ``MediaError`` if there is none or no decoder for it.
    """
    if not len(container.streams) and "mp4" in container.format.name:
        raise _no_index(path)
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        kind = "only audio" if container.streams.audio else "no video"
        raise MediaError(f"{path} holds {kind}.", remedy="Give a file with a video stream.")
    best = container.streams.best("video")
    stream = next((s for s in streams if best is not None and s.index == best.index), streams[0])
    # PyAV leaves the context out when FFmpeg has no decoder, which its type stubs do not say.
    if getattr(stream, "codec_context", None) is None:
        raise MediaError(
            f"{path} is coded in a way that no decoder here can read.",
            remedy="Convert it to H.264, HEVC, VP9 or AV1.",
        )
    return stream


def _no_index(path: Path) -> MediaError:
    cause = f"{path} is cut short or damaged: it is an MP4 or MOV file whose index (moov) cannot be read."
    return MediaError(cause, remedy=DAMAGED)


def timeline_origin(container: InputContainer) -> Fraction:
    """Time in seconds at which the container's timeline begins; subtracted from every time stamp.

    MPEG-TS and its like start anywhere, often hours from zero; MP4, Matroska and AVI start at zero.
    """
    if any(name in container.format.name for name in _ZERO_BASED):
        return Fraction(0)
    starts = [
        stream.start_time * stream.time_base
        for stream in (*container.streams.video, *container.streams.audio)
        if stream.start_time is not None and stream.time_base is not None
    ]
    return min(starts, default=Fraction(0))
