"""Faces in pictures: are there any? The cascade MTCNN, run with onnxruntime.

Three networks, each looking closer at what the one before let through: P over an image pyramid, R at 24 pixels, O at
48. Reference: K. Zhang et al., Joint Face Detection and Alignment using Multi-task Cascaded Convolutional Networks,
IEEE Signal Processing Letters 2016 (arXiv:1604.02878).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from countermark.core.settings import Settings
from countermark.core.weights import MTCNN
from policy.session import session_of

Float = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]
_STRIDE, _CELL = 2, 12  # of the first network
_PYRAMID = 0.709
_LEAST = 24  # pixels: the smallest face looked for, at a long side of _LONG
_LONG = 640
_CERTAIN = (0.6, 0.7, 0.9)  # scores from which each network lets a box through


def find_faces(picture: UInt8, settings: Settings) -> Float:
    """Boxes [K, 5] (left, top, right, bottom in pixels, score) of the faces in a R'G'B' picture uint8 [H, W, 3].

    Raises `WeightsError` when a network is missing or is not the expected file.
    """
    first, second, third = (session_of(asset, settings) for asset in MTCNN)
    image = Image.fromarray(picture)
    shrink = min(1.0, _LONG / max(image.size))
    image = image.resize((max(1, round(image.width * shrink)), max(1, round(image.height * shrink))))

    found = [np.zeros((0, 5), np.float32)]
    scale = _CELL / _LEAST
    while min(image.size) * scale >= _CELL:
        size = (int(np.ceil(image.width * scale)), int(np.ceil(image.height * scale)))
        # The networks were trained on transposed pictures: their first spatial axis is x.
        cells = _normalised(image.resize(size, Image.Resampling.BILINEAR)).transpose(1, 0, 2)[None]
        shift, score = first.run(None, {"input_1": cells})
        x, y = np.nonzero(score[0, :, :, 1] >= _CERTAIN[0])
        corner = np.stack([x, y], axis=1).astype(np.float32) * _STRIDE
        box = np.float32(1 / scale) * np.concatenate([corner, corner + np.float32(_CELL)], axis=1)
        box = np.concatenate([_shifted(box, shift[0, x, y]), score[0, x, y, 1:]], axis=1)
        found.append(_suppress(box, 0.5))
        scale *= _PYRAMID
    boxes = _suppress(np.concatenate(found), 0.7)
    for session, side, certain in ((second, 24, _CERTAIN[1]), (third, 48, _CERTAIN[2])):
        if not len(boxes):
            break
        boxes = _square(boxes)
        crops = np.stack([_crop(image, box, side) for box in boxes])
        outputs = session.run(None, {session.get_inputs()[0].name: crops})
        shift, score = outputs[0], outputs[-1][:, 1]
        keep = score >= certain
        boxes = np.concatenate([_shifted(boxes[keep, :4], shift[keep]), score[keep, None]], axis=1)
        boxes = _suppress(boxes, 0.7)
    return np.asarray(np.concatenate([boxes[:, :4] / shrink, boxes[:, 4:]], axis=1), np.float32)


def _normalised(image: Image.Image) -> Float:
    return np.asarray((np.asarray(image, np.float32) - 127.5) / 128, np.float32)


def _crop(image: Image.Image, box: Float, side: int) -> Float:
    left, top, right, bottom = (float(v) for v in box[:4])
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    cut = image.crop((round(left), round(top), round(right), round(bottom)))  # black beyond the edges
    return _normalised(cut.resize((side, side), Image.Resampling.BILINEAR)).transpose(1, 0, 2)


def _shifted(box: Float, shift: Float) -> Float:
    """Boxes [K, 4] moved by what a network asks for, in parts of their sides."""
    side = np.stack([box[:, 2] - box[:, 0], box[:, 3] - box[:, 1]] * 2, axis=1)
    return np.asarray(box + shift * side, np.float32)


def _square(box: Float) -> Float:
    side = np.maximum(box[:, 2] - box[:, 0], box[:, 3] - box[:, 1])[:, None]
    centre = (box[:, 0:2] + box[:, 2:4]) / 2
    return np.concatenate([centre - side / 2, centre + side / 2, box[:, 4:]], axis=1)


def _suppress(box: Float, overlap: float) -> Float:
    """Of boxes [K, 5] that overlap by more than ``overlap`` (intersection over union) only the best, best first."""
    # Written out: torchvision's would bring torch, over half a gigabyte, into a server that needs nothing else of it.
    corner, far = box[:, :2], box[:, 2:4]
    area = (far - corner).prod(axis=1)
    left = np.argsort(-box[:, 4], kind="stable")
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        side = np.minimum(far[best], far[left]) - np.maximum(corner[best], corner[left])
        shared = np.maximum(side, 0).prod(axis=1)
        left = left[shared <= overlap * (area[best] + area[left] - shared)]
    return box[kept]
