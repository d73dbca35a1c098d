"""What a file may cost before it is refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from countermark.core.settings import Settings


@dataclass(frozen=True)
class Limits:
    """Bounds on an untrusted video.

    ``max_pixels`` per frame, ``max_seconds`` of presentation time, ``max_bytes`` of file; the decoding process may use
    ``max_seconds_cpu`` of processor time, ``max_memory_bytes`` of address space, and stay silent for
    ``max_seconds_silent`` of wall-clock time while somebody waits for it.
    """

    max_pixels: int = 4096 * 2304
    max_seconds: float = 7200.0
    max_bytes: int = 8 * 1024**3
    max_seconds_cpu: int = 4 * 3600
    max_memory_bytes: int = 2 * 1024**3
    max_seconds_silent: float = 60.0

    @classmethod
    def from_settings(cls, settings: Settings) -> Limits:
        """The limits a deployment configured; the process limits keep their defaults."""
        return cls(max_pixels=settings.max_pixels, max_seconds=settings.max_seconds, max_bytes=settings.max_bytes)
