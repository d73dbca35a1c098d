"""Pictures of a report, as text that fits into a page: thumbnails, heat maps, the chart along the clip."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
import numpy.typing as npt
from PIL import Image

from detector.evidence import HeatMap, Segment

UInt8 = npt.NDArray[np.uint8]

RED, BLUE = (193, 62, 42), (38, 110, 150)
_FULL = 4.0  # ratio at which a colour is full and a bar has its whole length
_HEIGHT = 120


def figure(image: UInt8, caption: str) -> str:
    """An image uint8 [h, w, 3] with a caption."""
    return f'<figure><img alt="" src="{_data_uri(image)}"><figcaption>{escape(caption)}</figcaption></figure>'


def overlay(image: UInt8, heat: HeatMap) -> UInt8:
    """The image with what speaks for "generated" in red and the rest greyed, and a frame around what was looked at."""
    height, width, _ = image.shape
    left, right = round(heat.left * width), round(heat.right * width)
    top, bottom = round(heat.top * height), round(heat.bottom * height)
    values = np.asarray(heat.llrs, np.float32)
    size = (max(right - left, 1), max(bottom - top, 1))
    smooth = np.asarray(Image.fromarray(np.clip(values / _FULL, -1, 1)).resize(size, Image.Resampling.BICUBIC))
    grey = image.mean(axis=-1, keepdims=True).repeat(3, axis=-1) * 0.75 + 40
    strength = np.zeros((height, width, 1), np.float32)
    strength[top : top + size[1], left : left + size[0], 0] = np.clip(smooth, 0, 1) * 0.8
    out = grey * (1 - strength) + np.array(RED) * strength
    out[[top, min(top + size[1], height) - 1], left : left + size[0]] = 235
    out[top : top + size[1], [left, min(left + size[0], width) - 1]] = 235
    drawn: UInt8 = np.clip(out, 0, 255).astype(np.uint8)
    return drawn


def timeline(segments: Sequence[Segment], threshold: float | None, absent: float | None) -> str:
    """Bars of the ratios of segments as inline SVG, one unit wide each, with the abstain band and the threshold."""
    middle, unit = _HEIGHT / 2, _HEIGHT / 2 / _FULL

    def y(llr: float) -> float:
        return middle - unit * min(max(llr, -_FULL), _FULL)

    parts = [f'<svg class="chart" viewBox="0 0 {100 * len(segments)} {_HEIGHT}" preserveAspectRatio="none" role="img">']
    wide = 100 * len(segments)
    if threshold is not None and absent is not None:
        parts.append(
            f'<rect class="band" x="0" y="{y(threshold):.1f}" width="{wide}" height="{y(absent) - y(threshold):.1f}"/>'
        )
        parts.append(f'<path class="threshold" d="M0 {y(threshold):.1f}H{wide}"/>')
    for index, segment in enumerate(segments):
        red, green, blue = RED if segment.llr > 0 else BLUE
        top, bottom = sorted((middle, y(segment.llr)))
        strength = 0.35 + 0.65 * min(abs(segment.llr) / _FULL, 1)
        parts.append(
            f'<rect x="{100 * index + 15}" y="{top:.1f}" width="70" height="{max(bottom - top, 1):.1f}" '
            f'fill="rgb({red},{green},{blue})" fill-opacity="{strength:.2f}"><title>{segment.start:.1f}–'
            f"{segment.end:.1f} s: {segment.llr:+.2f}</title></rect>"
        )
    return "".join([*parts, f'<path class="zero" d="M0 {middle}H{wide}"/></svg>'])


def _data_uri(image: UInt8) -> str:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
