"""Watermark frames and encode them, in chunks, with an account of what was done."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import log10
from pathlib import Path

import numpy as np
from PIL import Image

from countermark.core.errors import MediaError
from countermark.core.media import Frames, StillWriter, VideoSpec, VideoWriter, names_still
from provenance.fingerprint import Sampler
from provenance.watermark import Embedder
from provenance.watermark.detector import SpreadSpectrumDetector
from provenance.watermark.sketch import FRAMES as SKETCHED_FRAMES
from provenance.watermark.sketch import Sketch

_THUMBNAIL_EDGE = 320


@dataclass
class Marked:
    """Running account of what has been watermarked and encoded."""

    spec: VideoSpec
    frames: int = 0
    first_pts: int | None = None
    last_pts: int = 0
    squared_error: float = 0.0
    samples: int = 0
    thumbnail: bytes | None = field(default=None, repr=False)
    sampler: Sampler = field(init=False)
    _sketched: SpreadSpectrumDetector = field(init=False)

    def __post_init__(self) -> None:
        self.sampler = Sampler(self.spec.time_base)
        self._sketched = SpreadSpectrumDetector((), (self.spec.height, self.spec.width))

    def add(self, before: Frames, after: Frames) -> None:
        """Count a chunk in, as it was given and as it was marked."""
        if self.frames < SKETCHED_FRAMES:
            self._sketched.update(before[: SKETCHED_FRAMES - self.frames])
        self.frames += len(after)
        self.samples += after.luma.size
        for old, new in zip(before.luma, after.luma, strict=True):  # frame by frame, to keep the difference small
            difference = new.astype(np.float32) - old
            self.squared_error += float(np.square(difference).sum())
        self.first_pts = int(after.pts[0]) if self.first_pts is None else self.first_pts
        self.last_pts = int(after.pts[-1])
        self.sampler.add(after)
        self.thumbnail = self.thumbnail or _thumbnail(after)

    @property
    def sketch(self) -> Sketch:
        """What the opening looked like before it was marked."""
        return Sketch.of(self._sketched.evidence.detail, self._sketched.aspect)

    @property
    def duration(self) -> float:
        """Seconds of video, the last frame counted with its nominal length."""
        return float((self.last_pts - (self.first_pts or 0)) * self.spec.time_base + 1 / self.spec.fps)

    @property
    def psnr(self) -> float:
        """Of R'G'B', in dB: only luma was changed, so each of R', G', B' moved by the scaled luma difference."""
        scale = 1.0 if self.spec.colour.full_range else 255 / 219
        error = self.squared_error / self.samples * scale**2
        return round(10 * log10(255**2 / max(error, 1e-6)), 2)


def encode_marked(
    frames: Iterable[Frames],
    spec: VideoSpec,
    path: Path,
    embedder: Embedder,
    *,
    audio_from: Path | None,
    tags: dict[str, str],
) -> Marked:
    """Encode the frames with their watermark to ``path``; raises `MediaError`, and whatever ``frames`` raises.

    A picture (.png, .jpg) takes one frame and no ``tags``: its labels have their own place (`labels.append_xmp`).
    """
    marked = Marked(spec)
    still = names_still(path)
    with StillWriter(path, spec) if still else VideoWriter(path, spec, audio_from=audio_from, metadata=tags) as writer:
        for chunk in frames:
            after = embedder.process(chunk)
            writer.write(after)
            marked.add(chunk, after)
        if marked.frames == 0:
            raise MediaError("There are no frames to seal.", remedy="Give at least one frame.")
    return marked


def _thumbnail(frames: Frames) -> bytes:
    first = Frames(frames.luma[:1], frames.chroma[:1], frames.pts[:1], frames.colour)
    image = Image.fromarray(first.to_rgb()[0])
    image.thumbnail((_THUMBNAIL_EDGE, _THUMBNAIL_EDGE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
