"""Copying coded packets from files to a new file, bit for bit. Runs inside the confined child process."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream

from countermark.core.errors import MediaError
from countermark.core.media.opening import open_container, timeline_origin, video_stream
from countermark.core.media.partial import MUXERS

_Timed: TypeAlias = "tuple[Fraction, int, Packet[Stream]]"  # quoted: PyAV's Packet is generic in its stubs only
_Tracks: TypeAlias = dict[Stream, Stream]


def muxer_options(path: Path, time_base: Fraction) -> dict[str, str]:
    """Options under which the muxer for ``path``'s suffix keeps free tags and exact times in ``time_base``."""
    if MUXERS[path.suffix.lower()] not in {"mp4", "mov"}:
        return {}
    scale = str(time_base.denominator)
    return {
        "movflags": "use_metadata_tags+faststart",
        "video_track_timescale": scale,
        # Edit lists count in the movie's time scale: with the default of 1/1000 s a first pts above zero is rounded.
        "movie_timescale": scale,
    }


def remux(video: Path, audio: Path | None, output: Path, metadata: dict[str, str]) -> Iterator[None]:
    """Copy the video packets of ``video`` and all audio packets of ``audio`` to ``output``, in step, with their timing.

    No metadata is carried over but the audio tracks' languages; ``metadata`` become the container's tags. Yields
    after each packet. Raises ``MediaError`` for unreadable files and for audio that the container cannot hold.
    """
    with open_container(video) as pictures:
        source = video_stream(pictures, video)
        base = source.time_base or Fraction(1, 1000)
        name = MUXERS[output.suffix.lower()]
        try:
            with av.open(f"file:{output}", "w", format=name, container_options=muxer_options(output, base)) as target:
                target.metadata.update(metadata)
                stream = target.add_stream_from_template(source, opaque=True)
                stream.time_base = base
                sources = [_packets(pictures, {source: stream})]
                if audio is None:
                    yield from _copy(target, sources)
                else:
                    with open_container(audio) as sound:
                        tracks: _Tracks = {s: _audio_track(target, s, audio) for s in sound.streams.audio}
                        if tracks:
                            sources.append(_packets(sound, tracks))
                        yield from _copy(target, sources)
        except av.error.FFmpegError as error:
            raise MediaError(
                f"{output} could not be written ({error.strerror}).", remedy="Check the free space on the disk."
            ) from None


def _audio_track(target: OutputContainer, source: AudioStream, path: Path) -> AudioStream:
    try:
        stream = target.add_stream_from_template(source, opaque=True)
    except ValueError:
        raise MediaError(
            f"The audio of {path} ({_codec_name(source)}) has no place in {target.format.name}.",
            remedy="Write a .mov or .mkv file, or convert the audio to AAC.",
        ) from None
    if source.language:
        stream.metadata["language"] = source.language
    return stream


def _codec_name(stream: AudioStream) -> str:
    # PyAV leaves the context out when FFmpeg has no decoder, which its type stubs do not say.
    context = getattr(stream, "codec_context", None)
    return "unknown codec" if context is None else str(context.codec.canonical_name)


def _packets(container: InputContainer, tracks: _Tracks) -> Iterator[_Timed]:
    origin = timeline_origin(container)
    for packet in container.demux(*tracks):
        if packet.dts is None:  # the flush packet at the end
            continue
        shift = round(origin / packet.time_base)
        packet.dts -= shift
        if packet.pts is not None:
            packet.pts -= shift
        packet.stream = tracks[packet.stream]
        yield packet.dts * packet.time_base, packet.stream_index, packet


def _copy(target: OutputContainer, sources: list[Iterator[_Timed]]) -> Iterator[None]:
    for _, _, packet in heapq.merge(*sources, key=lambda item: item[:2]):
        target.mux(packet)
        yield
