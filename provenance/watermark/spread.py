"""Informed spread spectrum on luma, the same pattern in every frame of a short group of frames.

The chain, shared by embedder and detector (after Cox et al., "Secure spread spectrum watermarking for multimedia", IEEE
Trans. Image Processing 6(12), 1997)::

    mean luma of a few frames -> 320 x 320 grid -> high-pass -> over the perceptual mask -> soft limiter
        -> DCT -> keyed coefficients, rings weighted by their noise -> one projection for each of the 512 code bits
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from countermark.core.errors import WatermarkError
from countermark.core.media.frames import Frames
from countermark.core.settings import Settings
from provenance.watermark.arrays import place_named
from provenance.watermark.carriers import deal
from provenance.watermark.closed_loop import ClosedLoopEmbedder, stretches
from provenance.watermark.code import encode
from provenance.watermark.detector import ALGORITHM_ID, SpreadSpectrumDetector, known_bits
from provenance.watermark.embedder import SpreadSpectrumEmbedder
from provenance.watermark.interface import Reading
from provenance.watermark.keys import WatermarkKey, load_or_create_key, load_retired_keys
from provenance.watermark.payload import PAYLOAD_BITS, VERSION, Payload

DEFAULT_PSNR = 44.2
MIN_SIDE = 128  # pixels of what is marked
MIN_COPY_SIDE = 48  # of what may be a copy of it: crops of the smallest that are still looked at


@dataclass(frozen=True)
class SpreadSpectrum:
    """Countermark's own video watermark.

    ``psnr`` (dB, on R'G'B') is the most distortion spent on average over a scene; flat pictures get less. ``retired``
    are earlier keys of the issuer, which are read but no longer written with. The pixel work runs on ``device``
    ("cuda", "cpu") by torch, or by numpy if there is none. With ``closed_loop_crf`` embedding tries out what H.264 at
    that rate factor leaves of the mark, and spends no more than it takes (`closed_loop`), in a multiple of the time.
    """

    key: WatermarkKey
    psnr: float = DEFAULT_PSNR
    retired: tuple[WatermarkKey, ...] = ()
    device: str | None = None
    closed_loop_crf: int | None = None

    @classmethod
    def load(cls, settings: Settings) -> SpreadSpectrum:
        """With this machine's keys, present and retired; raises :class:`ConfigurationError` if they are unusable."""
        return cls(
            key=load_or_create_key(settings.keys_dir, settings.issuer),
            retired=load_retired_keys(settings.keys_dir, settings.issuer),
            device=settings.watermark_device,
            closed_loop_crf=settings.closed_loop_crf,
        )

    name = "countermark"
    algorithm_id = ALGORITHM_ID
    capacity = PAYLOAD_BITS

    def embedder(
        self, payload_bits: Sequence[int], *, width: int, height: int, length: int | None = None
    ) -> SpreadSpectrumEmbedder | ClosedLoopEmbedder:
        """An embedder for one clip, of ``length`` frames if that is known.

        A clip of less than 72 frames that is not announced exceeds the distortion: 17 frames by 3 dB, one by 10. Raises
        :class:`WatermarkError` for a side under 128 pixels, or a payload that is not 64 bits of this version and of the
        key's issuer.
        """
        _check_size(width, height)
        if len(payload_bits) != PAYLOAD_BITS:
            raise WatermarkError(
                f"The payload has {len(payload_bits)} bits.", remedy=f"This watermark carries {PAYLOAD_BITS} bits."
            )
        known = known_bits(self.key)
        if tuple(payload_bits[: len(known)]) != known:
            raise WatermarkError(
                f"The payload is not one of issuer {self.key.issuer}, version {VERSION}.",
                remedy="Make it with `Payload.new(key.issuer)`: a key marks for its own issuer only.",
            )
        dealt = deal(self.key)
        choices = dealt.for_size(width, height)
        word, size = encode(payload_bits), (height, width)
        embedder = SpreadSpectrumEmbedder(choices, dealt.sync, word, self.psnr, size, length, place_named(self.device))
        if self.closed_loop_crf is None:
            return embedder
        detector = partial(self.detector, width=width + width % 2, height=height + height % 2)  # codecs want even sides
        return ClosedLoopEmbedder(embedder, detector, dealt, choices, word, crf=self.closed_loop_crf)

    def chunks(self, frames: Iterable[Frames]) -> Iterable[Frames]:
        """A clip's frames in the portions that its embedder wants; any others work too."""
        return frames if self.closed_loop_crf is None else stretches(frames)

    def detector(self, *, width: int, height: int) -> SpreadSpectrumDetector:
        """A detector for one clip, which may be smaller than what is marked: raises :class:`WatermarkError` for a side
        under 48 pixels.
        """
        _check_size(width, height, MIN_COPY_SIDE)
        return SpreadSpectrumDetector((self.key, *self.retired), (height, width), place_named(self.device))


def embed(frames: Frames, payload: Payload, key: WatermarkKey) -> Frames:
    """Mark a whole clip that is in memory."""
    size = {"width": frames.width, "height": frames.height, "length": len(frames)}
    embedder = SpreadSpectrum(key).embedder(payload.to_bits(), **size)
    return embedder.process(frames)


def detect(frames: Frames, key: WatermarkKey, *, search: bool = True) -> Reading:
    """Read a whole clip that is in memory; ``search`` as in :meth:`SpreadSpectrumDetector.result`."""
    detector = SpreadSpectrum(key).detector(width=frames.width, height=frames.height)
    detector.update(frames)
    return detector.result(search=search)


def _check_size(width: int, height: int, least: int = MIN_SIDE) -> None:
    if min(width, height) < least:
        raise WatermarkError(
            f"A frame of {width}x{height} is too small for the watermark.",
            remedy=f"Use frames of at least {least}x{least} pixels.",
        )
