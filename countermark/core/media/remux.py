"""Copying coded packets from files to a new file, bit for bit. Runs inside the confined child process."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
import av.error
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
                stream = _track(target, source, video)
                stream.time_base = base
                sources = [_packets(pictures, video, {source: stream})]
                if audio is None:
                    yield from _copy(target, sources)
                else:
                    with open_container(audio) as sound:
                        tracks: _Tracks = {s: _track(target, s, audio) for s in sound.streams.audio}
                        if tracks:
                            sources.append(_packets(sound, audio, tracks))
                        yield from _copy(target, sources)
        except av.error.FFmpegError as error:
            raise MediaError(
                f"{output} could not be written ({error.strerror}).", remedy="Check the free space on the disk."
            ) from None


def _track(target: OutputContainer, source: Stream, path: Path) -> Stream:
    try:
        stream = target.add_stream_from_template(source, opaque=True)
    except ValueError:
        # PyAV leaves the context out when FFmpeg has no decoder, which its type stubs do not say.
        context = getattr(source, "codec_context", None)
        codec = "unknown codec" if context is None else context.codec.canonical_name
        raise MediaError(
            f"The {source.type} of {path} ({codec}) has no place in {target.format.name}.",
            remedy="Write a .mov or .mkv file, or convert it first.",
        ) from None
    if source.type == "audio" and source.language:
        stream.metadata["language"] = source.language
    return stream


def _packets(container: InputContainer, path: Path, tracks: _Tracks) -> Iterator[_Timed]:
    origin = timeline_origin(container)
    early: dict[int, list[Packet[Stream]]] = {source.index: [] for source in tracks}
    last: dict[int, int] = {}
    for packet in container.demux(*tracks):
        waiting = early[packet.stream.index]  # the flush packet at the end carries no index of its own
        if packet.size:
            waiting.append(packet)
        if packet.dts is None and packet.size:
            continue  # Matroska stores no decoding times: the first are unknown until the reordering delay is over
        for ready in _stamped(waiting):
            index, dts = ready.stream_index, ready.dts or 0
            if index in last and dts < last[index]:
                raise MediaError(
                    f"{path} plays parts of its media twice or out of order (an edit list), which cannot be copied.",
                    remedy="Re-encode it.",
                )
            last[index] = dts
            shift = round(origin / ready.time_base)
            ready.dts = dts - shift
            if ready.pts is not None:
                ready.pts -= shift
            ready.stream = tracks[ready.stream]
            yield ready.dts * ready.time_base, ready.stream_index, ready
        waiting.clear()


def _stamped(packets: list[Packet[Stream]]) -> list[Packet[Stream]]:
    """The packets with missing decoding times filled in, counted back from the first that is known."""
    known = next((packet.dts for packet in packets if packet.dts is not None), None)
    if known is None:
        known = min((packet.pts for packet in packets if packet.pts is not None), default=0)
    for back, packet in enumerate(reversed(packets)):
        if packet.dts is None:
            packet.dts = known - back * max(1, packet.duration or 1)
    return packets


def _copy(target: OutputContainer, sources: list[Iterator[_Timed]]) -> Iterator[None]:
    for _, _, packet in heapq.merge(*sources, key=lambda item: item[:2]):
        target.mux(packet)
        yield
