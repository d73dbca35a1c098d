"""A folder of labelled clips, and the encoder's view of them, computed once."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from countermark.core.encoders.image import image_encoder
from countermark.core.errors import MediaError, UsageError
from countermark.core.media import Limits, probe
from countermark.core.settings import get_settings
from detector.clip import sample_frames
from detector.normalise import normalise
from detector.training.degrade import degrade
from detector.training.graphics import drawn_clips

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]

FRAMES = 4
"""Frames taken of each clip."""
VIEWS = 3
"""How often each clip is looked at: as it is, and degraded in two random ways."""
LAYERS = tuple(range(2, 9))
"""Encoder layers kept: the middle ones, see ``docs/detector.md``."""

DRAWN = "drawn"
"""Label of pictures drawn by rule."""
DRAWN_EACH = 5
"""Clips of each kind of them."""

_REAL = {"real", "real-face"}


@dataclass(frozen=True)
class Item:
    """One clip of the manifest. ``generated`` is None for clips that answer another question (manipulated faces).

    ``source`` is the generator or the collection, ``site`` the place it was published, which may hold several sources.
    """

    path: Path
    label: str
    generated: bool | None
    source: str
    site: str
    facts: tuple[float, ...]
    """What a metadata-only detector would see: width, height, frame rate, bytes per frame, bytes per pixel, frames."""


def read_manifest(folder: Path) -> list[Item]:
    """Items of ``folder/manifest.csv``: path, label, generator, source_repo, width, height, frames, fps, codec, bytes.

    Raises:
        UsageError: there is no manifest, or it lacks a column or has a malformed number.
    """
    try:
        with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
            return [_item(folder, row) for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError) as error:
        raise UsageError(
            f"{folder} is not a folder of labelled clips: {error}.", remedy="See docs/detector.md for its manifest.csv."
        ) from error


def _item(folder: Path, row: dict[str, str]) -> Item:
    width, height, frames = int(row["width"]), int(row["height"]), int(row["frames"])
    size = int(row["bytes"]) / max(frames, 1)
    label = row["label"]
    return Item(
        path=folder / row["path"],
        label=label,
        generated=True if label == "generated" else False if label in _REAL else None,
        source=row["generator"],
        site=row["source_repo"],
        facts=(width, height, float(row["fps"]), size, size / (width * height), frames),
    )


@dataclass(frozen=True)
class Views:
    """One clip as the encoder sees it: class tokens ``classes`` float32 [VIEWS, T, len(LAYERS), 768]."""

    classes: Float32


def embed(items: Sequence[Item], cache: Path) -> Iterator[tuple[Item, Views]]:
    """Look at every clip that can be decoded; what was seen is kept in ``cache`` and used again.

    Degradation is random but fixed for a file name, so that a repetition sees the same.
    """
    for item in items:
        try:
            yield (
                item,
                _kept(cache / f"{item.path.parent.name}__{item.path.name}.npz", item, partial(_decode, item.path)),
            )
        except MediaError as error:
            print(f"left out: {error}")


def embed_drawn(cache: Path) -> Iterator[tuple[Item, Views]]:
    """The same for pictures drawn by rule (:mod:`detector.training.graphics`); each kind is a source and a site."""
    for number, (kind, frames) in enumerate(drawn_clips(DRAWN_EACH, FRAMES)):
        name = f"{DRAWN}-{kind}"
        item = Item(Path(f"{name}-{number}"), DRAWN, generated=False, source=name, site=name, facts=(0.0,) * 6)
        yield item, _kept(cache / f"{item.path.name}.npz", item, partial(np.asarray, frames))


def _kept(path: Path, item: Item, frames: Callable[[], UInt8]) -> Views:
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, classes=_look(frames(), zlib.crc32(item.path.name.encode())).astype(np.float16))
    with np.load(path) as arrays:
        return Views(arrays["classes"].astype(np.float32))


def _decode(path: Path) -> UInt8:
    limits = Limits()
    info = probe(path, limits=limits)
    return np.stack([frame for _, frame in sample_frames(path, info, limits, FRAMES)])


def _look(frames: UInt8, seed: int) -> Float32:
    rng = np.random.default_rng(seed)
    views = [frames, *(degrade(frames, rng) for _ in range(VIEWS - 1))]
    images = np.stack([normalise(frame) for view in views for frame in view])
    tokens = image_encoder(get_settings()).layers(images, LAYERS)
    return tokens.classes.reshape(VIEWS, len(frames), len(LAYERS), -1)
