"""Still pictures of a finished video: a thumbnail, a sheet of frames, the frames of a screening."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from countermark.core.media import Limits, VideoReader

UInt8 = npt.NDArray[np.uint8]

_THUMBNAIL_EDGE = 640
_TILE_EDGE = 256
_TILES = 16


def write_stills(video: Path, thumbnail: Path, spritesheet: Path, limits: Limits) -> None:
    """A WebP of the middle frame, at most 640 pixels wide or high, and a JPEG sheet of 16 frames in 4 columns.

    Raises ``MediaError`` when the video cannot be read.
    """
    frames = _evenly(video, limits, _TILES)
    middle = Image.fromarray(frames[len(frames) // 2])
    middle.thumbnail((_THUMBNAIL_EDGE, _THUMBNAIL_EDGE))
    middle.save(thumbnail, "WEBP", quality=85)
    tiles = [Image.fromarray(frame) for frame in frames]
    for tile in tiles:
        tile.thumbnail((_TILE_EDGE, _TILE_EDGE))
    columns = math.ceil(math.sqrt(len(tiles)))
    width, height = tiles[0].size
    sheet = Image.new("RGB", (columns * width, math.ceil(len(tiles) / columns) * height))
    for index, tile in enumerate(tiles):
        sheet.paste(tile, (index % columns * width, index // columns * height))
    sheet.save(spritesheet, "JPEG", quality=85)


def data_uri(picture: UInt8) -> str:
    """A small picture uint8 [h, w, 3] as PNG, for where an address of a picture is wanted."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"


def write_frames(frames: Sequence[UInt8], folder: Path) -> None:
    """Frames uint8 [h, w, 3] as ``frame-NN.jpg``."""
    for index, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / frame_name(index), "JPEG", quality=82)


def frame_name(index: int) -> str:
    """File name of the frame at this place in a screening."""
    return f"frame-{index:02}.jpg"


def _evenly(video: Path, limits: Limits, count: int) -> list[UInt8]:
    with VideoReader(video, limits, chunk=1) as reader:
        total = reader.info.frame_count or round(reader.info.duration * float(reader.info.frame_rate))
    stride = max(1, total // count)
    with VideoReader(video, limits, chunk=1, stride=stride, max_frames=count) as reader:
        return [reader.info.upright(frames.to_rgb()[0]) for frames in reader]
