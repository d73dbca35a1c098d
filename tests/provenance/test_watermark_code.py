"""The channel code: exact or absent, with the false positive rate that is claimed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provenance.watermark import code
from provenance.watermark.code import CODE_BITS, FALSE_POSITIVE_RATE, LIST_SIZE, decode, encode
from provenance.watermark.payload import PAYLOAD_BITS

PAYLOADS = st.integers(0, 2**PAYLOAD_BITS - 1).map(lambda n: tuple(n >> i & 1 for i in range(PAYLOAD_BITS)))


def soft(payload: tuple[int, ...], deviation: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, deviation, CODE_BITS)
    return (1 - 2.0 * encode(payload) + noise).astype(np.float32)


@settings(max_examples=20)
@given(PAYLOADS, st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3))
def test_noise_below_the_signal_is_corrected_at_any_scale(payload: tuple[int, ...], seed: int, scale: float) -> None:
    found = decode((scale * soft(payload, 0.9, seed))[None].astype(np.float32))[0]
    assert found.payload == payload
    assert 0.6 < found.correlation < 0.85


@settings(max_examples=20)
@given(PAYLOADS, PAYLOADS)
def test_the_code_is_far_apart(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    distance = int((encode(one) != encode(other)).sum())
    assert distance == 0 if one == other else distance >= 32


@pytest.mark.parametrize("values", [np.zeros(CODE_BITS), np.ones(CODE_BITS), -np.ones(CODE_BITS)])
def test_a_constant_signal_is_no_message(values: np.ndarray) -> None:
    assert decode(values[None].astype(np.float32))[0].payload is None


def test_word_errors_stay_near_the_limit_of_the_code() -> None:
    rng = np.random.default_rng(3)
    payloads = [tuple(int(b) for b in row) for row in rng.integers(0, 2, (100, PAYLOAD_BITS))]
    found = decode(np.stack([soft(p, 1.5, i) for i, p in enumerate(payloads)]))  # cosine 0.555
    assert sum(f.payload == p for f, p in zip(found, payloads, strict=True)) >= 95
    assert all(f.payload in (None, p) for f, p in zip(found, payloads, strict=True))


def test_known_bits_are_part_of_the_result_and_help() -> None:
    rng = np.random.default_rng(5)
    payloads = [tuple(int(b) for b in row) for row in rng.integers(0, 2, (60, PAYLOAD_BITS))]
    known = payloads[0][:16]
    payloads = [known + payload[16:] for payload in payloads]
    values = np.stack([soft(p, 1.85, i) for i, p in enumerate(payloads)])
    with_known, without = decode(values, known), decode(values)
    assert all(found.likeliest[:16] == known for found in with_known)
    assert all(found.payload in (None, p) for found, p in zip(with_known, payloads, strict=True))
    assert sum(f.payload is not None for f in with_known) > sum(f.payload is not None for f in without)
    assert decode(values, tuple(1 - bit for bit in known))[0].payload is None


def test_noise_passes_a_shortened_check_as_often_as_the_model_says() -> None:
    """On 8 of the 32 CRC bits, noise agrees with 1 - (1 - 2^-8)^32 = 11.8 %: each path of the list is one fair try."""
    trials = 500
    noise = np.random.default_rng(4).normal(size=(trials, CODE_BITS)).astype(np.float32)
    words, _ = code._list_decode(noise, np.zeros(0, np.uint8), LIST_SIZE)
    info = code._transform(words)[..., code._information_set()]
    check = np.array([[code._crc(candidate[:PAYLOAD_BITS]) for candidate in row] for row in info])
    agree = (check[..., :8] == info[..., PAYLOAD_BITS : PAYLOAD_BITS + 8]).all(axis=-1)
    passed, expected = agree.any(axis=-1).mean(), 1 - (1 - 2.0**-8) ** LIST_SIZE
    assert abs(passed - expected) < 4 * np.sqrt(expected * (1 - expected) / trials)
    assert pytest.approx(LIST_SIZE / 2**32) == FALSE_POSITIVE_RATE
