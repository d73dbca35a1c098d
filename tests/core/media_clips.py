"""Synthetic clips and raw PyAV helpers for the tests of core.media."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from countermark.core.media import Colour, Frames, VideoSpec, VideoWriter


def clip(count: int, width: int, height: int, *, pts: list[int] | None = None, colour: Colour | None = None) -> Frames:
    """A smooth gradient that moves to the right, with flat colour: easy for any codec."""
    x = np.arange(width)[None, None] - 3 * np.arange(count)[:, None, None]
    y = np.arange(height)[None, :, None]
    luma = (128 + 60 * np.sin(x / 9) * np.cos(y / 13)).astype(np.uint8)
    chroma = np.empty((count, 2, (height + 1) // 2, (width + 1) // 2), np.uint8)
    chroma[:, 0], chroma[:, 1] = 100, 150
    stamps = np.arange(count) if pts is None else np.array(pts)
    return Frames(luma, chroma, stamps.astype(np.int64), colour or Colour())


def spec(width: int, height: int, **changes: object) -> VideoSpec:
    values = {"fps": Fraction(25), "time_base": Fraction(1, 25), "preset": "ultrafast"} | changes
    return VideoSpec(width=width, height=height, **values)  # type: ignore[arg-type]


def write(path: Path, frames: Frames, **changes: object) -> Path:
    with VideoWriter(path, spec(frames.width, frames.height, colour=frames.colour, **changes)) as writer:
        writer.write(frames)
    return path


def tones(path: Path, codec: str, *tracks: tuple[str, float]) -> Path:
    """A file of audio tracks (language, seconds) of noise, so that no two packets are the same."""
    rng = np.random.default_rng(1)
    with av.open(f"file:{path}", "w") as container:
        streams = [container.add_stream(codec, rate=44100, layout="mono") for _ in tracks]
        for stream, (language, _) in zip(streams, tracks, strict=True):
            stream.metadata["language"] = language
        for stream, (_, seconds) in zip(streams, tracks, strict=True):
            for index in range(int(seconds * 44100 / 1024)):
                samples = rng.normal(0, 0.1, (1, 1024)).astype(np.float32)
                frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
                frame.sample_rate, frame.pts, frame.time_base = 44100, index * 1024, Fraction(1, 44100)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    return path


def encode(path: Path, frames: Frames, codec: str, pixel_format: str, **context: object) -> Path:
    """Encode with PyAV directly: formats and tags that VideoWriter does not write."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = frames.width, frames.height, pixel_format
        for name, value in context.items():
            setattr(stream.codec_context, name, value)
        for index, rgb in enumerate(frames.to_rgb()):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format=pixel_format)
            frame.pts, frame.time_base = index, Fraction(1, 25)
            for name, value in context.items():
                if hasattr(frame, name):
                    setattr(frame, name, value)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def packets(path: Path, kind: str) -> list[tuple[int, bytes, Fraction | None, Fraction, Fraction]]:
    """(track, bytes, presentation time, decoding time, duration) of every packet of a kind, times in seconds."""
    with av.open(str(path)) as container:
        streams = [stream for stream in container.streams if stream.type == kind]
        if not streams:
            return []
        return [
            (
                packet.stream_index,
                bytes(packet),
                None if packet.pts is None else packet.pts * packet.time_base,
                packet.dts * packet.time_base,
                (packet.duration or 0) * packet.time_base,
            )
            for packet in container.demux(*streams)
            if packet.dts is not None
        ]
