"""Is a face manipulated? Looks for faces, and says what this version can and cannot say about them.

The traces of a swapped or animated face are not those of a generated frame, so this is a question of its own. A head
trained on self-blended faces (:mod:`detector.training.faces`) did not tell the manipulated clips of unseen methods
from untouched ones well enough to be shipped; until one does, the signal says so instead of guessing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

from countermark.core.settings import Settings
from detector.clip import Clip
from detector.evidence import Evidence
from detector.fusion import fusion_for
from detector.wording import Said, say
from policy.faces import find_faces

NAME = "faces"
VERSION = "1"

LAYERS = (4, 6, 8)
"""Encoder layers a face head looks at."""
CROP = 240
"""Side of a face crop in pixels."""
_MARGIN = 1.6  # side of the crop in sides of the face's box: blending borders lie outside the box
_SMALLEST = 40  # pixels; a smaller face has lost the traces

UInt8 = npt.NDArray[np.uint8]


def face_crops(frames: Sequence[UInt8], settings: Settings) -> UInt8:
    """The largest face of each frame uint8 [H, W, 3] that has one of enough pixels, uint8 [n, CROP, CROP, 3].

    Raises ``WeightsError`` when the face detector's weights are missing.
    """
    crops = []
    for frame in frames:
        boxes = find_faces(frame, settings)
        if not len(boxes):
            continue
        left, top, right, bottom = boxes[np.argmax((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])), :4]
        side = max(right - left, bottom - top)
        if side < _SMALLEST:
            continue
        x, y, half = (left + right) / 2, (top + bottom) / 2, side * _MARGIN / 2
        box = (round(x - half), round(y - half), round(x + half), round(y + half))
        crops.append(np.asarray(Image.fromarray(frame).crop(box).resize((CROP, CROP), Image.Resampling.BICUBIC)))
    return np.stack(crops).astype(np.uint8) if crops else np.zeros((0, CROP, CROP, 3), np.uint8)


def applicable(clip: Clip) -> Said | None:
    """Not where nothing is known about a face head, not even that it was found useless."""
    return None if NAME in fusion_for(clip.settings).rejected else say("head.missing")


def measure(clip: Clip) -> Evidence:
    """Look for faces, and say that there are none or why they are not judged: no head was good enough for more."""
    count = len(face_crops(list(clip.samples.full), clip.settings))
    measured = fusion_for(clip.settings).rejected[NAME]
    said = say("faces.unable", count=count, measured=measured) if count else say("faces.none")
    return Evidence(signal=NAME, status="not_applicable", subject="face_manipulated", said=said, version=VERSION)
