"""A visible label: words such as "AI生成" drawn into the picture at the start of a video.

GB 45438-2025 section 4.2.2 and TC260-PG-20257A: at the start, at least two seconds, letters at least 5 % of the
shortest side high. The label is drawn before the watermark is embedded, in the orientation in which players show it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from countermark.core.errors import ConfigurationError
from countermark.core.media import Frames, VideoSpec
from countermark.core.settings import Settings

MIN_SECONDS = 2.0
MIN_HEIGHT = 0.05
"""Of the shortest side; what is drawn is a little larger, because letters differ in height."""

_HEIGHT = 0.06
_MARGIN = 0.04
_BACKGROUND = 0.55  # opacity of the dark plate behind the letters
_MISSING = "\U0010fffe"  # no font has this character, so it shows what a missing one looks like
_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts")
_PREFERRED = (
    "NotoSansCJK-Regular*",
    "NotoSansCJK*",
    "NotoSerifCJK*",
    "wqy-*",
    "DejaVuSans.ttf",
    "LiberationSans-Regular*",
)


@dataclass(frozen=True)
class VisibleLabel:
    """``text`` for the first ``seconds`` of the video, in the font of the file ``font``."""

    text: str
    seconds: float
    font: Path

    @classmethod
    def from_settings(cls, settings: Settings) -> VisibleLabel | None:
        """The label that the settings ask for; raises `ConfigurationError` when no font can show it."""
        text = settings.visible_label
        if not text:
            return None
        chosen = settings.visible_label_font
        fonts = [chosen] if chosen is not None else list(_installed_fonts())
        for font in fonts:
            if _covers(font, text):
                return cls(text, max(settings.visible_label_seconds, MIN_SECONDS), font)
        raise ConfigurationError(
            f"No font was found that can show '{text}'.",
            remedy="Set COUNTERMARK_VISIBLE_LABEL_FONT to a font file that has these characters (Noto Sans CJK does).",
        )


def labelled(frames: Iterable[Frames], spec: VideoSpec, label: VisibleLabel) -> Iterator[Frames]:
    """The frames, with the label on those of the first seconds; sizes and timing are unchanged."""
    luma, chroma = _overlay(spec, label)
    start: int | None = None
    for chunk in frames:
        start = int(chunk.pts[0]) if start is None else start
        shown = np.asarray([float((int(pts) - start) * spec.time_base) < label.seconds for pts in chunk.pts])
        if not shown.any():
            yield chunk
            continue
        full = chunk.colour.full_range
        yield replace(
            chunk,
            luma=_blend(chunk.luma, luma, shown, black=0 if full else 16, white=255 if full else 235),
            chroma=_blend(chunk.chroma, chroma, shown, black=128, white=128),
        )


def _blend(
    plane: npt.NDArray[np.uint8], overlay: _Overlay, shown: npt.NDArray[np.bool_], *, black: int, white: int
) -> npt.NDArray[np.uint8]:
    """Plate and letters over a plane (frames, ..., H, W)."""
    result = plane.copy()
    colour = black + (white - black) * overlay.letters
    for index in np.flatnonzero(shown):
        mixed = plane[index] * (1 - overlay.opacity) + colour * overlay.opacity
        result[index] = np.rint(mixed).astype(np.uint8)
    return result


@dataclass(frozen=True)
class _Overlay:
    """``opacity`` and ``letters`` (0: plate, 1: letter), each (H, W) in 0 to 1, as the picture is coded."""

    opacity: npt.NDArray[np.float32]
    letters: npt.NDArray[np.float32]


def _overlay(spec: VideoSpec, label: VisibleLabel) -> tuple[_Overlay, _Overlay]:
    """The label for the luma plane and, at half the size, for the chroma planes."""
    turns = round(spec.rotation / 90) % 4
    width, height = (spec.height, spec.width) if turns % 2 else (spec.width, spec.height)
    shortest = min(width, height)
    font = _font_of_height(label.font, label.text, max(1, round(shortest * _HEIGHT)), width)
    left, top, right, bottom = font.getbbox(label.text)
    margin, padding = round(shortest * _MARGIN), max(1, round((bottom - top) * 0.35))
    opacity, letters = Image.new("L", (width, height)), Image.new("L", (width, height))
    plate = (margin, margin, margin + right - left + 2 * padding, margin + bottom - top + 2 * padding)
    ImageDraw.Draw(opacity).rectangle(plate, fill=round(255 * _BACKGROUND))
    place = (margin + padding - left, margin + padding - top)
    ImageDraw.Draw(letters).text(place, label.text, font=font, fill=255)
    shown = np.asarray(letters, np.float32) / 255
    cover = np.maximum(np.asarray(opacity, np.float32) / 255, shown)
    planes: list[npt.NDArray[np.float32]] = []
    for plane in (cover, shown):
        upright = np.asarray(plane, np.float32)
        mirrored = upright[:, ::-1] if spec.mirrored else upright
        planes.append(np.rot90(mirrored, -turns).astype(np.float32))  # a player turns it back, counter-clockwise
    small = [_half(plane, spec) for plane in planes]
    return _Overlay(planes[0], planes[1]), _Overlay(small[0], small[1])


def _half(plane: npt.NDArray[np.float32], spec: VideoSpec) -> npt.NDArray[np.float32]:
    size = ((spec.width + 1) // 2, (spec.height + 1) // 2)
    return np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size, Image.Resampling.BOX), np.float32)


def _font_of_height(path: Path, text: str, height: int, width: int) -> ImageFont.FreeTypeFont:
    """The font at the size at which the text is ``height`` pixels high; smaller only if it would be too wide."""
    size = height
    while True:
        font = _font(path, size)
        left, top, right, bottom = font.getbbox(text)
        if bottom - top >= height or right - left > width * 0.8:
            return font
        size += 1


@cache
def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size)


def _covers(path: Path, text: str) -> bool:
    try:
        font = _font(path, 32)
    except OSError as error:
        raise ConfigurationError(
            f"{path} is not a usable font: {error}.", remedy="Set COUNTERMARK_VISIBLE_LABEL_FONT to a font file."
        ) from error
    missing = bytes(font.getmask(_MISSING))
    return all(character.isspace() or bytes(font.getmask(character)) != missing for character in text)


def _installed_fonts() -> Iterator[Path]:
    for pattern in _PREFERRED:
        for folder in _FOLDERS:
            yield from sorted(Path(folder).rglob(pattern))[:3]
