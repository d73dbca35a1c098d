"""What a watermark carries: a 64-bit payload that names the issuer and one video of that issuer."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from countermark.core.errors import WatermarkError

PAYLOAD_BITS = 64
VERSION = 1
_VERSION_BITS, _ISSUER_BITS, _SERIAL_BITS = 4, 12, 48
_VIDEO_ID = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True)
class Payload:
    """Version (4 bits), issuer (12 bits) and serial (48 bits), packed in this order, most significant bit first.

    Raises :class:`WatermarkError` if a field does not fit its bits.
    """

    issuer: int
    serial: int
    version: int = VERSION

    def __post_init__(self) -> None:
        fields = (("version", _VERSION_BITS), ("issuer", _ISSUER_BITS), ("serial", _SERIAL_BITS))
        for name, bits in fields:
            value = getattr(self, name)
            if not 0 <= value < 1 << bits:
                raise WatermarkError(
                    f"The payload's {name} {value} does not fit {bits} bits.",
                    remedy=f"Use a {name} from 0 to {(1 << bits) - 1}.",
                )

    @classmethod
    def new(cls, issuer: int) -> Payload:
        """A payload of ``issuer`` with a random serial.

        48 random bits: an issuer reaches a 1 % chance of one collision after about 2.4 million videos, so the
        registry, which knows the serials in use, has the last word.
        """
        return cls(issuer=issuer, serial=secrets.randbits(_SERIAL_BITS))

    @property
    def video_id(self) -> str:
        """The 64 bits as 16 lower-case hex digits."""
        return f"{int(self):016x}"

    @classmethod
    def from_video_id(cls, video_id: str) -> Payload:
        """Inverse of :attr:`video_id`; raises :class:`WatermarkError` for anything else."""
        if not _VIDEO_ID.fullmatch(video_id):
            raise WatermarkError(
                f"{video_id[:40]!r} is not a video id.",
                remedy="A video id is 16 lower-case hexadecimal digits, as printed by `countermark verify`.",
            )
        return cls._from_int(int(video_id, 16))

    def to_bits(self) -> tuple[int, ...]:
        """The 64 bits, most significant first."""
        value = int(self)
        return tuple(value >> i & 1 for i in reversed(range(PAYLOAD_BITS)))

    @classmethod
    def from_bits(cls, bits: Sequence[int]) -> Payload:
        """Inverse of :meth:`to_bits`; raises :class:`WatermarkError` unless given 64 zeros and ones."""
        if len(bits) != PAYLOAD_BITS or any(bit not in (0, 1) for bit in bits):
            raise WatermarkError(
                f"A payload is {PAYLOAD_BITS} bits, each 0 or 1; {len(bits)} values were given.",
                remedy="Pass the bits that `to_bits` returned.",
            )
        value = 0
        for bit in bits:
            value = value << 1 | int(bit)
        return cls._from_int(value)

    @staticmethod
    def all_bits(payloads: Sequence[Payload]) -> npt.NDArray[np.uint8]:
        """What :meth:`to_bits` returns for each of many, [n, 64]."""
        values = np.array([int(payload) for payload in payloads], ">u8")
        return np.unpackbits(values.view(np.uint8).reshape(-1, PAYLOAD_BITS // 8), axis=1)

    def __int__(self) -> int:
        return (self.version << _ISSUER_BITS | self.issuer) << _SERIAL_BITS | self.serial

    @classmethod
    def _from_int(cls, value: int) -> Payload:
        return cls(
            version=value >> (_ISSUER_BITS + _SERIAL_BITS),
            issuer=value >> _SERIAL_BITS & ((1 << _ISSUER_BITS) - 1),
            serial=value & ((1 << _SERIAL_BITS) - 1),
        )
