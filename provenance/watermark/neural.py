"""What adapters of picture networks share: frames to tensors and back, and soft bits averaged over frames."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from countermark.core.errors import WatermarkError, WeightsError
from countermark.core.media.frames import Frames

_TOGETHER = 16  # frames in a batch: bounds memory


@dataclass
class SoftBits:
    """The mean of soft bits (positive means 1) over the frames seen so far."""

    total: npt.NDArray[np.float64] | None = None
    frames: int = 0

    def add(self, values: Tensor) -> None:
        """Take [frames, bits] into account."""
        sums = values.double().sum(dim=0).cpu().numpy()
        self.total = sums if self.total is None else self.total + sums
        self.frames += len(values)

    @property
    def bits(self) -> tuple[int, ...] | None:
        """The sign of each mean, or None before the first frame."""
        return None if self.total is None else tuple(int(value > 0) for value in self.total)

    @property
    def strength(self) -> float:
        """Mean absolute mean; its scale belongs to the network."""
        return 0.0 if self.total is None else float(np.abs(self.total).mean()) / self.frames


def batches(frames: Frames) -> Iterator[Tensor]:
    """R'G'B' in [0, 1], float32 [frames, 3, H, W], in batches of few frames."""
    for start in range(0, len(frames), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        chunk = Frames(frames.luma[part], frames.chroma[part], frames.pts[part], frames.colour)
        yield torch.from_numpy(chunk.to_rgb()).permute(0, 3, 1, 2).float() / 255


def mark(frames: Frames, change: Callable[[Tensor], Tensor]) -> Frames:
    """``change`` applied to batches of R'G'B' in [0, 1], and back to 8 bits of the same colour and times."""
    with torch.inference_mode():
        done = [
            change(batch).clamp(0, 1).mul(255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
            for batch in batches(frames)
        ]
    return Frames.from_rgb(np.concatenate(done), pts=frames.pts, colour=frames.colour)


def message(bits: Sequence[int], capacity: int, name: str) -> Tensor:
    """Payload bits as float32 [1, capacity]; raises :class:`WatermarkError` for another number of bits."""
    if len(bits) != capacity:
        raise WatermarkError(f"The payload has {len(bits)} bits.", remedy=f"{name} carries {capacity} bits.")
    return torch.tensor([[float(bit) for bit in bits]])


def existing(path: Path, remedy: str) -> Path:
    """``path`` if it is a file, else a :class:`WeightsError` with what to do."""
    if not path.is_file():
        raise WeightsError(f"There is no file {path}.", remedy=remedy)
    return path
