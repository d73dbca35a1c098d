"""The channel code: 64 payload bits and a CRC-32 in a polar code of length 512, decoded from soft values.

Polar codes: Arikan, "Channel polarization", IEEE Trans. IT 55(7), 2009. Successive-cancellation list decoding in
the log-likelihood domain with a CRC to choose from the list: Tal and Vardy, IEEE Trans. IT 61(5), 2015;
Balatsoukas-Stimming et al., IEEE Trans. SP 63(19), 2015. The information set comes from the polarisation weight
(He et al., "Beta-expansion", GLOBECOM 2017), which needs no channel model.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from provenance.watermark.payload import PAYLOAD_BITS

Bits = npt.NDArray[np.uint8]
Soft = npt.NDArray[np.float32]
_T = TypeVar("_T", bound=np.generic)

CODE_BITS = 512
CRC_BITS = 32
LIST_SIZE = 32
_INFO_BITS = PAYLOAD_BITS + CRC_BITS

#: Chance that one decoding of noise passes the check: every path of the list is one try at a 32-bit CRC.
FALSE_POSITIVE_RATE = LIST_SIZE * 2.0**-CRC_BITS


@dataclass(frozen=True)
class Decoded:
    """One decoding. ``payload`` is None when no candidate passes the CRC.

    ``likeliest`` is the accepted, else the likeliest message, which is then not to be relied on; ``correlation`` is the
    cosine between the soft values and its code word, 0..1.
    """

    payload: tuple[int, ...] | None
    likeliest: tuple[int, ...]
    correlation: float


def encode(payload: Sequence[int] | Bits) -> Bits:
    """Code word uint8 [512] of 64 payload bits."""
    bits = np.asarray(payload, np.uint8)
    if bits.shape != (PAYLOAD_BITS,):
        raise ValueError(f"payload has shape {bits.shape}, expected ({PAYLOAD_BITS},)")
    word = np.zeros(CODE_BITS, np.uint8)
    word[_information_set()] = np.concatenate((bits, _crc(bits)))
    return _transform(word)


def encode_all(payloads: Bits) -> Bits:
    """Code words uint8 [..., 512] of payloads uint8 [..., 64]: the code is affine, so one matrix makes them all."""
    return _affine(payloads, *_generator())


def _affine(payloads: Bits, offset: Bits, rows: Bits) -> Bits:
    """payloads [..., 64] times rows [64, n] plus offset [n] over GF(2): [..., n]."""
    product = payloads.astype(np.float32) @ rows.astype(np.float32)  # sums of at most 64 ones are exact
    return np.asarray((product.astype(np.uint8) & 1) ^ offset, np.uint8)


@cache
def _generator() -> tuple[Bits, Bits]:
    """The code word of the zero payload [512], and what each payload bit changes in it [64, 512]."""
    return _matrix_of(encode)


@cache
def _crc_matrix() -> tuple[Bits, Bits]:
    """The CRC of the zero payload [32], and what each payload bit changes in it [64, 32]."""
    return _matrix_of(_crc)


def _matrix_of(map_: Callable[[Bits], Bits]) -> tuple[Bits, Bits]:
    offset = map_(np.zeros(PAYLOAD_BITS, np.uint8))
    return offset, np.stack([map_(row) ^ offset for row in np.eye(PAYLOAD_BITS, dtype=np.uint8)])


def decode(soft: Soft, known: Sequence[int] = (), list_size: int = LIST_SIZE) -> list[Decoded]:
    """Decode soft values float [B, 512] (positive means 0; any positive scale), one result a row.

    ``known`` are leading payload bits that the caller knows, such as the issuer that a key belongs to: the code then
    has fewer messages to tell apart and reads weaker marks. They are part of every result.
    """
    values = np.asarray(soft, np.float32)
    words, metrics = _list_decode(values, np.asarray(known, np.uint8), list_size)
    norm = np.linalg.norm(values, axis=-1) * np.sqrt(CODE_BITS) + 1e-30
    correlation = np.einsum("bn,bln->bl", values, 1.0 - 2.0 * words.astype(np.float32)) / norm[:, None]
    info = _transform(words)[..., _information_set()]
    valid = (_affine(info[..., :PAYLOAD_BITS], *_crc_matrix()) == info[..., PAYLOAD_BITS:]).all(axis=-1)
    best_first = np.argsort(metrics, axis=1, kind="stable")
    return [_choose(info[b, order], valid[b, order], correlation[b, order]) for b, order in enumerate(best_first)]


def _choose(info: Bits, valid: npt.NDArray[np.bool_], correlation: npt.NDArray[np.floating]) -> Decoded:
    """The likeliest candidate that passes its CRC; info [L, 96] best first."""
    chosen = int(np.argmax(valid))  # the first, or 0 if there is none
    message = tuple(info[chosen, :PAYLOAD_BITS].tolist())
    return Decoded(message if valid[chosen] else None, message, float(correlation[chosen]))


def _crc(payload: Bits) -> Bits:
    """CRC-32 (ISO 3309) of 64 bits, as 32 bits. Its preset makes the all-zero word invalid: silence never decodes."""
    value = zlib.crc32(np.packbits(payload).tobytes())
    return np.unpackbits(np.frombuffer(value.to_bytes(4, "big"), np.uint8))


@cache
def _information_set() -> npt.NDArray[np.int64]:
    """Ascending positions of the 96 most reliable bit channels by polarisation weight."""
    index = np.arange(CODE_BITS)
    stages = CODE_BITS.bit_length() - 1
    weight = sum((index >> j & 1) * 2 ** (j / 4) for j in range(stages))
    return np.sort(np.argsort(weight, kind="stable")[-_INFO_BITS:])


def _transform(words: Bits) -> Bits:
    """Multiply the last axis by the polar generator matrix over GF(2); its own inverse."""
    out = np.moveaxis(words, -1, 0).copy()  # so that each step adds long rows
    half = 1
    while half < len(out):
        pairs = out.reshape(-1, 2, half, *out.shape[1:])
        pairs[:, 0] ^= pairs[:, 1]
        half *= 2
    return np.ascontiguousarray(np.moveaxis(out, 0, -1))


def _list_decode(soft: Soft, known: Bits, list_size: int) -> tuple[Bits, Soft]:
    """Surviving code words uint8 [B, L, 512] and their path metrics [B, L] (lower is likelier)."""
    information = _information_set()
    frozen = np.ones(CODE_BITS, bool)
    frozen[information[len(known) :]] = False
    given = np.zeros(CODE_BITS, np.uint8)
    given[information[: len(known)]] = known
    offset = _transform(given)  # the code is linear: without the known part, the known bits are zero, hence frozen
    metric = np.zeros((len(soft), 1), np.float32)
    words, metric, _ = _visit((soft * (1 - 2 * offset.astype(np.float32)))[:, None, :], metric, frozen, list_size)
    return words ^ offset, metric


def _visit(
    llr: Soft, metric: Soft, frozen: npt.NDArray[np.bool_], list_size: int
) -> tuple[Bits, Soft, npt.NDArray[np.int64] | None]:
    """Decode the subtree below ``llr`` [B, L, n].

    Returns its code words [B, L', n], the path metrics [B, L'], and for each surviving path the index of the path
    it continues [B, L'] (None: unchanged), by which the caller re-orders what it holds.
    """
    if frozen.all():  # the whole subtree is known to be zero: only its cost remains
        return np.zeros(llr.shape, np.uint8), metric - np.minimum(llr, 0).sum(axis=-1), None
    n = llr.shape[-1]
    if n == 1:
        return _fork(llr[..., 0], metric, list_size)
    a, b = llr[..., : n // 2], llr[..., n // 2 :]
    minimum = np.copysign(np.minimum(np.abs(a), np.abs(b)), a) * np.copysign(np.float32(1), b)
    left, metric, parent = _visit(minimum, metric, frozen[: n // 2], list_size)
    if parent is not None:
        a, b = _reorder(a, parent), _reorder(b, parent)
    right, metric, later = _visit(b + np.where(left == 1, -a, a), metric, frozen[n // 2 :], list_size)
    if later is not None:
        left = _reorder(left, later)
        parent = later if parent is None else np.take_along_axis(parent, later, axis=1)
    return np.concatenate((left ^ right, right), axis=-1), metric, parent


def _fork(llr: Soft, metric: Soft, list_size: int) -> tuple[Bits, Soft, npt.NDArray[np.int64]]:
    """Continue each path with 0 and with 1, and keep the ``list_size`` best."""
    paths = llr.shape[1]
    cost = np.concatenate((metric - np.minimum(llr, 0), metric + np.maximum(llr, 0)), axis=1)
    if 2 * paths <= list_size:
        keep = np.broadcast_to(np.arange(2 * paths), cost.shape)
    else:
        keep = np.argpartition(cost, list_size - 1, axis=1)[:, :list_size]
    bits = (keep >= paths).astype(np.uint8)[..., None]
    return bits, np.take_along_axis(cost, keep, axis=1), keep % paths


def _reorder(values: npt.NDArray[_T], parent: npt.NDArray[np.int64]) -> npt.NDArray[_T]:
    """values [B, L, n] with its paths in the order of parent [B, L']; by whole rows `take_along_axis` is slower."""
    first = np.arange(len(values))[:, None] * values.shape[1]
    ordered: npt.NDArray[_T] = values.reshape(-1, values.shape[-1])[first + parent]
    return ordered
