"""A folder of labelled clips, and the encoder's view of them, computed once."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from countermark.core.encoders.image import image_encoder
from countermark.core.errors import MediaError, UsageError
from countermark.core.media import Limits, probe
from countermark.core.settings import get_settings
from detector.clip import burst_frames, centre, sample_frames
from detector.normalise import normalise
from detector.quality import detail
from detector.residual import CROPS
from detector.tokens import see
from detector.training.degrade import LOSSES, RENDITIONS, degrade, draw_chain
from detector.training.graphics import drawn_clips
from detector.training.pairs import Reconstruct, autoencoder, reconstruct

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]

FRAMES = 4
"""Frames taken of each clip for one look at single frames."""

KINDS: tuple[str, ...] = ("native", "degraded", "moving", *RENDITIONS)
"""How a clip is looked at: a burst as published; frames far apart, degraded; a burst, degraded; frames of a burst as
platforms would show it.
"""

DRAWN = "drawn"
"""Label of pictures drawn by rule."""
DRAWN_EACH = 5
"""Clips of each kind of them."""

PAIRED = "paired"
"""Label of real frames that went through an autoencoder."""

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
class Look:
    """T frames of a clip as the encoder sees them; ``moving`` frames are a burst, others far apart.

    ``classes`` float32 [T, L, 768] are the class tokens of ``LAYERS``; ``grid`` float32 [196, 768] the patch tokens of
    layer ``GRID_LAYER`` of the middle frame; ``crops`` uint8 [<=CROPS, <=SIDE, <=SIDE, 3] the centre of the first
    frames, not rescaled; ``detail`` is :func:`detector.quality.detail`, ``short_side`` in pixels.
    """

    classes: Float32
    grid: Float32
    crops: UInt8
    detail: float
    short_side: int
    moving: bool


Looks = dict[str, Look]


@dataclass(frozen=True)
class Job:
    """A clip to look at: its item, and how to get its frames, far apart or (``moving``) a burst."""

    item: Item
    frames: Callable[[bool], UInt8]
    moves: bool = True


def clips(items: Sequence[Item]) -> Iterator[Job]:
    """The clips of a manifest."""
    for item in items:
        yield Job(item, partial(_decode, item.path))


def drawings() -> Iterator[Job]:
    """Pictures drawn by rule (:mod:`detector.training.graphics`); each kind is a source and a site."""
    for number, (kind, frames) in enumerate(drawn_clips(DRAWN_EACH, FRAMES)):
        name = f"{DRAWN}-{kind}"
        item = Item(Path(f"{name}-{number}"), DRAWN, generated=False, source=name, site=name, facts=(0.0,) * 6)
        yield Job(item, partial(_still, frames), moves=False)


def pairs(items: Sequence[Item], autoencoders: Sequence[str]) -> Iterator[Job]:
    """Every real clip through one of the autoencoders in turn (:mod:`detector.training.pairs`), as generated.

    Its site is that of the original, so that neither is judged by a head that saw the other.
    """
    loaded = [autoencoder(name) for name in autoencoders]
    real = [item for item in items if item.generated is False]
    for number, item in enumerate(real):
        name = Path(autoencoders[number % len(loaded)]).name.partition(":")[0]
        paired = replace(
            item,
            path=item.path.with_name(f"{name}__{item.path.name}"),
            label=PAIRED,
            generated=True,
            source=f"{PAIRED}-{name}",
        )
        yield Job(paired, partial(_reconstruct, item.path, loaded[number % len(loaded)]), moves=False)


def look(jobs: Iterable[Job], cache: Path, kinds: Sequence[str] = KINDS) -> Iterator[tuple[Item, Looks]]:
    """Look at every clip that can be decoded; what was seen is kept in ``cache`` and used again.

    Degradation is random but fixed for a file name, so that a repetition sees the same.
    """
    cache.mkdir(parents=True, exist_ok=True)
    for job in jobs:
        try:
            yield job.item, {kind: _kept(job, kind, cache) for kind in kinds if job.moves or kind != "moving"}
        except MediaError as error:
            print(f"left out: {error}")


def cached(items: Iterable[Item], cache: Path) -> Iterator[tuple[Item, Looks]]:
    """Of these clips what :func:`look` has kept, nothing new."""
    for item in items:
        paths = {kind: _place(item, kind, cache) for kind in KINDS}
        if paths["native"].is_file():
            moves = item.label not in (DRAWN, PAIRED)
            yield item, {kind: _load(path, _is_burst(kind, moves)) for kind, path in paths.items() if path.is_file()}


def _place(item: Item, kind: str, cache: Path) -> Path:
    return cache / f"{item.path.parent.name}__{item.path.name}.{kind}.npz"


def _kept(job: Job, kind: str, cache: Path) -> Look:
    path, moving = _place(job.item, kind, cache), _is_burst(kind, job.moves)
    if not path.is_file():
        frames = job.frames(job.moves and kind != "degraded")
        if kind in RENDITIONS:
            frames = RENDITIONS[kind](frames)
            frames = frames[:: max(1, len(frames) // FRAMES)]  # coded in succession, looked at one by one
        elif kind != "native":
            frames = degrade(frames, _chance(job.item, kind), moving=moving)
        unfinished = path.with_suffix(".partial.npz")
        np.savez(unfinished, allow_pickle=False, **_see(frames))
        unfinished.replace(path)
    return _load(path, moving)


def _chance(item: Item, kind: str) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(f"{item.path.name} {kind}".encode()))


def losses_of(item: Item, kind: str, look: Look) -> frozenset[str]:
    """What had been done to a clip before this look, by the names of ``RENDITIONS`` and ``LOSSES``.

    A chain is drawn again, since chance is fixed for a file name. Empty if nothing had been done, or if the size that
    the manifest gives is not the one that was looked at.
    """
    width, height = int(item.facts[0]), int(item.facts[1])
    if kind in RENDITIONS:
        return frozenset({kind})
    if kind == "native" or not width or item.label == PAIRED:
        return frozenset()
    chain = draw_chain((len(look.classes), height, width), _chance(item, kind))
    same = min(chain.size) == look.short_side
    return frozenset(name for name, holds in LOSSES.items() if same and holds(chain))


def _is_burst(kind: str, moves: bool) -> bool:
    return moves and kind in {"native", "moving"}


def _load(path: Path, moving: bool) -> Look:
    with np.load(path) as arrays:
        seen = {name: arrays[name].astype(np.float32) for name in ("classes", "grid")}
        return Look(
            **seen,
            crops=arrays["crops"],
            detail=float(arrays["detail"]),
            short_side=int(arrays["short_side"]),
            moving=moving,
        )


def _decode(path: Path, moving: bool) -> UInt8:
    limits = Limits()
    info = probe(path, limits=limits)
    frames = burst_frames(path, info, limits) if moving else sample_frames(path, info, limits, FRAMES)
    return np.stack([frame for _, frame in frames])


def _still(frames: UInt8, moving: bool) -> UInt8:  # noqa: ARG001 - drawings are not made densely
    return frames


def _reconstruct(path: Path, through: Reconstruct, moving: bool) -> UInt8:
    return reconstruct(_decode(path, moving), through, np.random.default_rng(zlib.crc32(path.name.encode())))


def _see(frames: UInt8) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a :class:`Look`, tokens in half precision."""
    images = np.stack([normalise(frame) for frame in frames])
    tokens = see(images, image_encoder(get_settings()))
    return {
        "classes": tokens.classes.astype(np.float16),
        "grid": tokens.grids[len(frames) // 2].astype(np.float16),
        "detail": np.array(detail(images)),
        "short_side": np.array(min(frames.shape[1:3])),
        "crops": np.stack([centre(frame) for frame in frames[:CROPS]]),
    }
