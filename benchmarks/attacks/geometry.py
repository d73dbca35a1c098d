"""Geometry, on the planes of 4:2:0 themselves: chroma moves as luma does, at half the size.

Rotation and perspective follow torchvision's conventions (centre, direction, corners). Places and corners are drawn
once for a clip.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torchvision.transforms import functional as tvf

from benchmarks.attacks.scene import Plane, Scene, black, by_plane, taken
from countermark.core.media import Frames

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Flip:
    """Left to right."""

    def __call__(self, frames: Frames, _: Scene) -> Frames:
        return by_plane(frames.even(), np.fliplr, np.fliplr)


@dataclass(frozen=True)
class Turn:
    """A quarter turn counter-clockwise; sides change places."""

    def __call__(self, frames: Frames, _: Scene) -> Frames:
        return by_plane(frames.even(), np.rot90, np.rot90)


@dataclass(frozen=True)
class Resize:
    """Bilinear with antialiasing, by a factor for each side; not resized back."""

    across: float
    down: float

    def __call__(self, frames: Frames, _: Scene) -> Frames:
        return resized(frames, int(self.down * frames.height), int(self.across * frames.width))


@dataclass(frozen=True)
class Crop:
    """A window of ``share`` of each side at a random place (even, as 4:2:0 needs); not resized back."""

    share: float

    def __call__(self, frames: Frames, scene: Scene) -> Frames:
        height, width = int(self.share * frames.height), int(self.share * frames.width)
        rng = scene.rng(self)
        top, left = (int(rng.integers(0, rest // 2 + 1)) * 2 for rest in (frames.height - height, frames.width - width))
        rows, columns = slice(top // 2, (top + height + 1) // 2), slice(left // 2, (left + width + 1) // 2)
        luma = frames.luma[:, top : top + height, left : left + width]
        return Frames(luma, frames.chroma[:, :, rows, columns], frames.pts, frames.colour)


@dataclass(frozen=True)
class Rotate:
    """By ``degrees`` counter-clockwise about the centre, the frame size kept, corners black."""

    degrees: float
    nearest: bool = True

    def __call__(self, frames: Frames, _: Scene) -> Frames:
        x, y, turn = frames.width / 2, frames.height / 2, np.deg2rad(self.degrees)
        cos, sin = np.cos(turn), np.sin(turn)
        about = np.array([[cos, sin, x - cos * x - sin * y], [-sin, cos, y + sin * x - cos * y], [0, 0, 1]])
        return warped(frames, about, cv2.INTER_NEAREST if self.nearest else cv2.INTER_LINEAR)


@dataclass(frozen=True)
class Perspective:
    """Each corner moved inwards, evenly distributed up to ``distortion`` of half the side; bilinear, black outside."""

    distortion: float

    def __call__(self, frames: Frames, scene: Scene) -> Frames:
        right, below = frames.width - 1, frames.height - 1
        reach = np.array([frames.width // 2, frames.height // 2]) * self.distortion
        corners = np.array([[0, 0], [right, 0], [right, below], [0, below]], np.float32)
        inwards = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
        moved = corners + inwards * scene.rng(self).integers(0, reach.astype(int) + 1, (4, 2))
        matrix = np.asarray(cv2.getPerspectiveTransform(corners, moved.astype(np.float32)), np.float64)
        return warped(frames, matrix, cv2.INTER_LINEAR)


@dataclass(frozen=True)
class Letterbox:
    """Black bars above and below make the frame a third taller, as 16:9 in 4:3."""

    def __call__(self, frames: Frames, _: Scene) -> Frames:
        frames = frames.even()
        bar = frames.height // 12 * 2
        luma = np.pad(frames.luma, ((0, 0), (bar, bar), (0, 0)), constant_values=black(frames))
        chroma = np.pad(frames.chroma, ((0, 0), (0, 0), (bar // 2, bar // 2), (0, 0)), constant_values=128)
        return Frames(luma, chroma, frames.pts, frames.colour)


@dataclass(frozen=True)
class PictureInPicture:
    """The clip at half size (each side) at a random place of another clip, which fills the frame."""

    def __call__(self, frames: Frames, scene: Scene) -> Frames:
        if scene.backdrop is None:
            raise ValueError("a picture in a picture needs a second clip")
        frames = frames.even()
        inner = resized(frames, frames.height // 4 * 2, frames.width // 4 * 2)
        back = resized(scene.backdrop, frames.height, frames.width)
        outer = taken(back, np.arange(len(frames)) % len(back))  # copies
        rng = scene.rng(self)
        top = int(rng.integers(0, (frames.height - inner.height) // 2 + 1))
        left = int(rng.integers(0, (frames.width - inner.width) // 2 + 1))
        outer.luma[:, 2 * top : 2 * top + inner.height, 2 * left : 2 * left + inner.width] = inner.luma
        rows, columns = slice(top, top + inner.height // 2), slice(left, left + inner.width // 2)
        outer.chroma[:, :, rows, columns] = inner.chroma
        return Frames(outer.luma, outer.chroma, frames.pts, frames.colour)


def resized(frames: Frames, height: int, width: int) -> Frames:
    """Bilinear with antialiasing to [height, width] and half of that for chroma."""

    def to(rows: int, columns: int, plane: Plane) -> Plane:
        values = tvf.resize(torch.from_numpy(np.ascontiguousarray(plane, np.float32))[None], [rows, columns])
        return np.asarray(values[0].round_().clamp_(0, 255).numpy(), np.uint8)

    return by_plane(
        frames,
        lambda plane: to(height, width, plane),
        lambda plane: to((height + 1) // 2, (width + 1) // 2, plane),
    )


def warped(frames: Frames, matrix: Matrix, interpolation: int) -> Frames:
    """Move every luma point (x, y, 1), measured from the frame's corner, by ``matrix`` [3, 3]; black outside."""
    centre = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # from a sample's index to its centre
    half = np.diag([0.5, 0.5, 1])

    def by(matrix: Matrix, fill: int, plane: Plane) -> Plane:
        on_indices = np.linalg.inv(centre) @ matrix @ centre
        size = (plane.shape[1], plane.shape[0])
        return np.asarray(
            cv2.warpPerspective(np.ascontiguousarray(plane), on_indices, size, flags=interpolation, borderValue=fill)
        )

    return by_plane(
        frames,
        lambda plane: by(matrix, black(frames), plane),
        lambda plane: by(half @ matrix @ np.linalg.inv(half), 128, plane),
    )
