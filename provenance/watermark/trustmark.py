"""TrustMark (Adobe) behind the interface of our own watermark, for users who have its weights.

TrustMark marks pictures with 100 bits, of which a BCH code protects 40 to 75 (Adobe's schemas). Here every frame is
marked alike, and soft bits are averaged over frames before the code is tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from countermark.core.errors import WatermarkError
from countermark.core.media.frames import Frames
from provenance.watermark.bch import Bch
from provenance.watermark.interface import Reading
from provenance.watermark.neural import SoftBits, batches, mark, message
from provenance.watermark.trustmark_network import Decoder, Encoder, load

Variant = Literal["B", "C", "P", "Q"]
SchemaName = Literal["BCH_SUPER", "BCH_5", "BCH_4", "BCH_3"]

_VERSION_BITS = 4
_RAW_BITS = 100
_FEATHER = 0.01  # share of the shorter side over which the mark fades in


@dataclass(frozen=True)
class Schema:
    """How data bits become 100: data, parity, zeros up to a whole, and the number of the schema in four bits."""

    number: int
    code: Bch

    @property
    def data_bits(self) -> int:
        """Payload bits."""
        return _RAW_BITS - _VERSION_BITS - self.code.parity_bits

    @property
    def false_positive_rate(self) -> float:
        """The chance that 100 random bits decode: the code's own, and two bits of the schema's number."""
        return self.code.random_word_rate(self.data_bits + self.code.parity_bits) / 4

    def wrap(self, bits: Sequence[int]) -> list[int]:
        """100 bits to embed."""
        parity = self.code.encode([*bits, *self._filling])
        return [*bits, *parity, *(self.number >> place & 1 for place in reversed(range(_VERSION_BITS)))]

    def unwrap(self, raw: Sequence[int]) -> tuple[int, ...] | None:
        """The exact data bits of 100 received ones, or None."""
        if raw[-2] * 2 + raw[-1] != self.number:  # readers look at two of the four bits only
            return None
        data, parity = raw[: self.data_bits], raw[self.data_bits : -_VERSION_BITS]
        word = self.code.decode([*data, *self._filling, *parity])
        whole = self.data_bits + len(self._filling)
        if word is None or any(word[self.data_bits : whole]):
            return None
        return tuple(word[: self.data_bits])

    @property
    def _filling(self) -> list[int]:
        """Zeros that make the data whole bytes for the code; they are not embedded."""
        return [0] * (-self.data_bits % 8)


SCHEMAS: dict[SchemaName, Schema] = {
    "BCH_SUPER": Schema(0, Bch(8)),
    "BCH_5": Schema(1, Bch(5)),
    "BCH_4": Schema(2, Bch(4)),
    "BCH_3": Schema(3, Bch(3)),
}


@dataclass(frozen=True)
class TrustMark:
    """One variant of TrustMark from the files in ``folder`` (``trustmark_Q.yaml``, ``encoder_Q.ckpt``...).

    ``schema`` None carries 100 bits without a check. First use raises :class:`WeightsError` if files are missing, do
    not fit together, or hold anything but tensors.
    """

    folder: Path
    variant: Variant = "Q"
    schema: SchemaName | None = "BCH_5"

    @property
    def name(self) -> str:
        """TrustMark and its variant."""
        return f"trustmark/{self.variant}"

    @property
    def algorithm_id(self) -> str:
        """The name registered with C2PA."""
        return f"com.adobe.trustmark.{self.variant}"

    @property
    def capacity(self) -> int:
        """Number of payload bits of the schema, or of the network."""
        return SCHEMAS[self.schema].data_bits if self.schema else load(self.folder, self.variant)[2]

    def embedder(self, payload_bits: Sequence[int], *, width: int, height: int) -> TrustMarkEmbedder:  # noqa: ARG002
        """An embedder for one clip of any size; raises :class:`WatermarkError` for a wrong payload."""
        encoder, _, raw = load(self.folder, self.variant)
        message(payload_bits, self.capacity, self.name)
        bits = SCHEMAS[self.schema].wrap(payload_bits) if self.schema else payload_bits
        return TrustMarkEmbedder(encoder, message(bits, raw, self.name), self.variant)

    def detector(self, *, width: int, height: int) -> TrustMarkDetector:  # noqa: ARG002
        """A detector for one clip of any size; raises :class:`WatermarkError` if the model does not fit the schema."""
        _, decoder, raw = load(self.folder, self.variant)
        if self.schema and raw != _RAW_BITS:
            raise WatermarkError(
                f"This model carries {raw} bits; schemas need {_RAW_BITS}.", remedy="Use schema=None with it."
            )
        return TrustMarkDetector(decoder, self)


class TrustMarkEmbedder:
    """Paints the message into every frame."""

    def __init__(self, encoder: Encoder, bits: Tensor, variant: Variant) -> None:
        self._encoder, self._bits, self._variant = encoder, bits, variant
        self._strength = 1.25 if variant == "P" else 1.0  # as published

    def process(self, frames: Frames) -> Frames:
        """Mark a chunk, through R'G'B' and back."""
        return mark(frames, self._marked)

    def _marked(self, pictures: Tensor) -> Tensor:
        rows, columns = region(pictures.shape[2], pictures.shape[3], self._variant)
        inner = pictures[:, :, rows, columns]
        size = (inner.shape[2], inner.shape[3])
        small = _resized(inner, self._encoder.resolution) * 2 - 1
        change = self._encoder(small, self._bits.expand(len(small), -1)).clamp(-1, 1) - small
        change = change - change.mean(dim=(2, 3), keepdim=True)  # no shift of colour
        change = F.interpolate(change, size, mode="bilinear", align_corners=False)
        marked = pictures.clone()
        marked[:, :, rows, columns] += self._strength / 2 * change * _feather(*size)
        return marked


class TrustMarkDetector:
    """Averages soft bits over frames, then tries the schema's code."""

    def __init__(self, decoder: Decoder, watermark: TrustMark) -> None:
        self._decoder, self._watermark, self._soft = decoder, watermark, SoftBits()
        self._side = 224 if watermark.variant == "P" else 245  # as published

    def update(self, frames: Frames) -> None:
        """Read a chunk."""
        rows, columns = region(frames.height, frames.width, self._watermark.variant)
        with torch.inference_mode():
            for batch in batches(frames):
                self._soft.add(self._decoder(_resized(batch[:, :, rows, columns], self._side) * 2 - 1))

    def result(self) -> Reading:
        """The exact message or None; without a schema always some bits. ``statistic``: the mean absolute soft bit."""
        raw, name = self._soft.bits, self._watermark.schema
        schema = SCHEMAS[name] if name else None
        return Reading(
            algorithm=self._watermark.algorithm_id,
            payload_bits=raw if raw is None or schema is None else schema.unwrap(raw),
            payload=None,
            statistic=self._soft.strength,
            frames=self._soft.frames,
            false_positive_rate=1.0 if schema is None else schema.false_positive_rate,
            best_bits=raw if raw is None or schema is None else raw[: schema.data_bits],
        )


def region(height: int, width: int, variant: Variant) -> tuple[slice, slice]:
    """The part of a frame that is marked: all of it, or the middle square of long frames and, in variant P, of all."""
    short, long = sorted((height, width))
    if variant != "P" and long <= 2 * short:
        return slice(0, height), slice(0, width)
    top, left = (height - short) // 2, (width - short) // 2
    return slice(top, top + short), slice(left, left + short)


def _resized(pictures: Tensor, side: int) -> Tensor:
    return F.interpolate(pictures, (side, side), mode="bilinear", align_corners=False, antialias=True)


def _feather(height: int, width: int) -> Tensor:
    """Weights [height, width] that rise from the edge to 1 within a hundredth of the shorter side."""
    reach = min(max(int(min(height, width) * _FEATHER), 1), 50)

    def ramp(length: int) -> Tensor:
        place = torch.arange(length)
        return (torch.minimum(place, length - 1 - place) + 1).div(reach).clamp(max=1)

    return ramp(height)[:, None] * ramp(width)[None, :]
