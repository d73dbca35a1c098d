"""Video Seal (Meta) behind the interface of our own watermark, from the TorchScript file that its authors publish.

The file (such as ``y_256b_img.jit``; facebookresearch/videoseal, "Using the TorchScript VideoSeal model") has methods
``embed(frames, message, is_video)`` and ``detect(frames, is_video)`` on R'G'B' in [0, 1], [F, 3, H, W]; ``detect``
gives one unused value and a soft bit for each bit of the message. Bits are averaged over frames before they are
decided, as in the paper (Fernandez et al., "Video Seal: Open and Efficient Video Watermarking", 2024).

Video Seal has no check of its own: every video "contains" some bits, so readings state a false positive rate of 1.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from countermark.core.digest import sha256_of
from countermark.core.errors import WeightsError
from countermark.core.media.frames import Frames
from provenance.watermark.interface import Reading
from provenance.watermark.neural import SoftBits, batches, existing, mark, message

_PROBE_SIDE = 256
_REMEDY = "Get the TorchScript model of Video Seal (y_256b_img.jit) from its authors, and name that file."


@dataclass(frozen=True)
class VideoSeal:
    """Video Seal with the model in the file ``model``.

    A TorchScript file is a program: use only one from a source that you trust, and state its ``sha256`` to be sure that
    it is that one. First use raises :class:`WeightsError` if the file is missing, another one, or no such model.
    """

    model: Path
    sha256: str | None = None

    name = "videoseal"
    algorithm_id = "com.github.facebookresearch.videoseal"  # its authors registered none

    @property
    def capacity(self) -> int:
        """Number of payload bits, as the model says."""
        return _load(self.model, self.sha256)[1]

    def embedder(self, payload_bits: Sequence[int], *, width: int, height: int) -> VideoSealEmbedder:  # noqa: ARG002
        """An embedder for one clip of any size; raises :class:`WatermarkError` for a wrong payload."""
        network, capacity = _load(self.model, self.sha256)
        return VideoSealEmbedder(network, message(payload_bits, capacity, self.name))

    def detector(self, *, width: int, height: int) -> VideoSealDetector:  # noqa: ARG002
        """A detector for one clip of any size."""
        return VideoSealDetector(_load(self.model, self.sha256)[0], self.algorithm_id)


class VideoSealEmbedder:
    """Marks batches of frames; within a batch the network repeats its pattern over a few frames."""

    def __init__(self, network: Any, bits: Tensor) -> None:  # noqa: ANN401  # TorchScript methods have no types
        self._network, self._bits = network, bits

    def process(self, frames: Frames) -> Frames:
        """Mark a chunk, through R'G'B' and back."""
        return mark(frames, lambda batch: self._network.embed(batch, self._bits, True))


class VideoSealDetector:
    """Averages soft bits over frames."""

    def __init__(self, network: Any, algorithm: str) -> None:  # noqa: ANN401
        self._network, self._algorithm, self._soft = network, algorithm, SoftBits()

    def update(self, frames: Frames) -> None:
        """Read a chunk."""
        with torch.inference_mode():
            for batch in batches(frames):
                self._soft.add(_bits(self._network.detect(batch, True)))

    def result(self) -> Reading:
        """The likeliest bits; ``statistic`` is the mean absolute soft bit."""
        bits = self._soft.bits
        return Reading(self._algorithm, bits, None, self._soft.strength, self._soft.frames, 1.0, best_bits=bits)


def _bits(predictions: Tensor) -> Tensor:
    """Soft bits [F, K] from [F, 1 + K] or, for models that predict for every pixel, [F, 1 + K, H, W]."""
    values = predictions[:, 1:]
    return values.flatten(2).mean(dim=2) if values.ndim > 2 else values


@lru_cache(maxsize=2)
def _load(path: Path, sha256: str | None) -> tuple[Any, int]:
    """The network and the number of its bits."""
    existing(path, _REMEDY)
    if sha256 is not None and (found := sha256_of(path)) != sha256.lower():
        raise WeightsError(f"{path} is another file: its SHA-256 is {found[:16]}….", remedy=_REMEDY)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # TorchScript is old, but it is what is published
            network = torch.jit.load(str(path), map_location="cpu").eval()
        with torch.inference_mode():
            blank = network.detect(torch.zeros(1, 3, _PROBE_SIDE, _PROBE_SIDE), True)
    except (RuntimeError, AttributeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise WeightsError(f"{path} is no TorchScript model of Video Seal: {reason}", remedy=_REMEDY) from error
    return network, _bits(blank).shape[1]
