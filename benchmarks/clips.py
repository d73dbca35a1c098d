"""Clips for measuring, made from a folder that the user has, a few seconds each and in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.attacks.geometry import resized
from benchmarks.attacks.scene import taken
from countermark.core.errors import MediaError
from countermark.core.media import Frames, MediaInfo, VideoReader, probe
from tests.provenance.graphic_clip import graphic_clip

_SUFFIXES = {".mp4", ".mov", ".mkv", ".webm"}
_HD_SIDE = 480
_TALL = 600  # narrower portraits cut from a landscape would have to be enlarged much


@dataclass(frozen=True)
class Clip:
    """Frames and a name for them."""

    name: str
    frames: Frames


@dataclass(frozen=True)
class Material:
    """``fits`` says which files serve, ``shape`` makes them what they should be; ``about`` is for people."""

    about: str
    fits: Callable[[MediaInfo], bool] = lambda _: True
    shape: Callable[[Frames], Frames] = lambda frames: frames


def _portrait_width(info: MediaInfo) -> int:
    return min(info.width, info.height * 9 // 16)


def _upright(frames: Frames) -> Frames:
    width = min(frames.width, frames.height * 9 // 16 // 2 * 2)
    return resized(_centre(frames, width, min(frames.height, width * 16 // 9 // 2 * 2)), 1280, 720)


def _square(frames: Frames) -> Frames:
    side = min(frames.width, frames.height) // 2 * 2
    return resized(_centre(frames, side, side), 256, 256)


def _lines(frames: Frames) -> Frames:
    return resized(frames, 360, round(frames.width * 180 / frames.height) * 2)


def _middle(frames: Frames) -> Frames:
    return taken(frames, [len(frames) // 2])


MATERIALS = {
    "hd": Material(
        "clips as they are, short side at least 480", lambda info: min(info.width, info.height) >= _HD_SIDE, Frames.even
    ),
    "360p": Material("landscape clips scaled to 360 lines", lambda info: info.width >= info.height >= 360, _lines),
    "portrait": Material(
        "clips cut to 9:16 and scaled to 720x1280", lambda info: _portrait_width(info) >= _TALL, _upright
    ),
    "256": Material("the middle square of each clip, scaled to 256x256", shape=_square),
    "drawn": Material("drawn graphic clips of 256x256: flat areas, gradients, hard edges"),
    "single": Material(
        "one frame from the middle of each hd clip",
        lambda info: min(info.width, info.height) >= _HD_SIDE,
        lambda frames: _middle(frames.even()),
    ),
}


def clips(material: str, folder: Path, *, count: int, length: int) -> Iterator[Clip]:
    """At most ``count`` clips of at most ``length`` frames, evenly taken from the files that fit, one at a time.

    Files are those in ``folder``, or, where it holds only folders, those below it. Files that cannot be read are left
    out with a word on the console.
    """
    kind = MATERIALS[material]
    if material == "drawn":
        yield from (Clip(f"drawn {seed}", graphic_clip(seed, min(17 + seed % 3 * 8, length))) for seed in range(count))
        return
    files = [path for path in files_of(folder) if (info := _info(path)) and kind.fits(info)]
    for index in np.unique(np.linspace(0, len(files) - 1, min(count, len(files))).round().astype(int)):
        path = files[index]
        yield Clip(str(path.relative_to(folder)), kind.shape(read(path, length)))


def files_of(folder: Path) -> list[Path]:
    """The clips in ``folder``, or, where there are none, all those below it, by name."""
    direct = [path for path in folder.iterdir() if path.suffix in _SUFFIXES]
    return sorted(direct or (path for path in folder.rglob("*") if path.suffix in _SUFFIXES))


def read(path: Path, limit: int | None = None) -> Frames:
    """The first ``limit`` frames of a file; ``pts`` count them."""
    with VideoReader(path, max_frames=limit) as reader:
        frames = Frames.joined(reader)
    return Frames(frames.luma, frames.chroma, np.arange(len(frames)), frames.colour)


@cache
def _info(path: Path) -> MediaInfo | None:
    try:
        return probe(path)
    except MediaError as error:
        print(f"left out {path.name}: {error}", flush=True)
        return None


def _centre(frames: Frames, width: int, height: int) -> Frames:
    top, left = (frames.height - height) // 4, (frames.width - width) // 4
    luma = frames.luma[:, 2 * top : 2 * top + height, 2 * left : 2 * left + width]
    chroma = frames.chroma[:, :, top : top + height // 2, left : left + width // 2]
    return Frames(luma, chroma, frames.pts, frames.colour)
