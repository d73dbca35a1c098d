"""Prompts drawn into pictures, read back and judged: a part of `benchmarks.policy`."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from countermark.core.settings import get_settings
from policy import Policy, check
from policy.lettering import can_read, read_lines

HEADER = ("lettering", "harmful refused", "harmless refused", "similarity of what was read (1 = the same)")
LETTERINGS = (
    ("24 pixels, plain", 24, 0, 0),
    ("14 pixels, plain", 14, 0, 0),
    ("24 pixels, turned by 15 degrees, noisy", 24, 15, 40),
)


def rows(policy: Policy, prompts: Mapping[bool, Sequence[str]]) -> list[list[str]]:
    """A row of `HEADER` for each of `LETTERINGS`; ``prompts`` are the unsafe (True) and the harmless ones, English.

    Empty where the reading networks are not installed.
    """
    settings = get_settings()
    if not can_read(settings):
        return []
    typed = {unsafe: sum(not check(t, policy=policy).allowed for t in texts) for unsafe, texts in prompts.items()}
    out = []
    for title, size, turned, noise in LETTERINGS:
        cells, alike = [title], []
        for unsafe, texts in prompts.items():
            pictures = [drawn(t, size, turned, noise) for t in texts]
            read = ["\n".join(line.text for line in read_lines(picture, settings)) for picture in pictures]
            alike += [SequenceMatcher(None, t, r.replace("\n", " ")).ratio() for t, r in zip(texts, read, strict=True)]
            refused = [bool(r) and not check(r, policy=policy).allowed for r in read]
            cells.append(f"{sum(refused)} (typed: {typed[unsafe]}) of {len(texts)}")
        out.append([*cells, f"{np.mean(alike):.3f}"])
    return out


def drawn(text: str, size: int, turned: float, noise: float) -> npt.NDArray[np.uint8]:
    """``text`` in lines of ``size`` pixels on a grey-blue ground, R'G'B' uint8 [540, 960, 3].

    ``turned`` in degrees; ``noise`` is a standard deviation in codes.
    """
    image = Image.new("RGB", (960, 540), (60, 90, 130))
    body = "\n".join(textwrap.wrap(text, width=int(1100 / size)))
    font = ImageFont.load_default(size)
    ImageDraw.Draw(image).multiline_text((480, 270), body, font=font, fill="white", anchor="mm", spacing=size)
    picture = np.asarray(image.rotate(turned, Image.Resampling.BICUBIC, fillcolor=(60, 90, 130)), np.float32)
    picture = picture + noise * np.random.default_rng(2).standard_normal(picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)
