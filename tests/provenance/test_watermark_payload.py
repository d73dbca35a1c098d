"""Payloads and keys."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermark.core.errors import ConfigurationError, WatermarkError
from provenance.watermark import PAYLOAD_BITS, Payload, WatermarkKey, load_or_create_key, rotate_key
from provenance.watermark.keys import load_retired_keys


@given(st.integers(0, 15), st.integers(0, 2**12 - 1), st.integers(0, 2**48 - 1))
def test_bits_and_video_id_name_the_same_payload(version: int, issuer: int, serial: int) -> None:
    payload = Payload(version=version, issuer=issuer, serial=serial)
    assert Payload.from_bits(payload.to_bits()) == payload
    assert [tuple(row) for row in Payload.all_bits([payload, Payload.new(1), payload])[::2]] == [payload.to_bits()] * 2
    assert Payload.from_video_id(payload.video_id) == payload
    assert len(payload.to_bits()) == PAYLOAD_BITS
    assert len(payload.video_id) == 16


@pytest.mark.parametrize(
    "text", ["", "0123", "0123456789ABCDEF", "0123456789abcdeg", "0123456789abcdef0", "-123456789abcde"]
)
def test_other_text_is_no_video_id(text: str) -> None:
    with pytest.raises(WatermarkError):
        Payload.from_video_id(text)


@pytest.mark.parametrize("fields", [{"issuer": 4096}, {"issuer": -1}, {"serial": 2**48}, {"version": 16}])
def test_fields_that_do_not_fit_are_refused(fields: dict[str, int]) -> None:
    with pytest.raises(WatermarkError, match="does not fit"):
        Payload(**{"issuer": 1, "serial": 1, **fields})


def test_wrong_bits_are_refused() -> None:
    for bits in ([0] * 63, [0] * 63 + [2]):
        with pytest.raises(WatermarkError):
            Payload.from_bits(bits)


def test_serials_differ() -> None:
    assert len({Payload.new(7).serial for _ in range(100)}) == 100


def test_key_is_made_once_and_private(tmp_path: Path) -> None:
    folder = tmp_path / "home" / "keys"
    key = load_or_create_key(folder, 12)
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_or_create_key(folder, 12) == key
    assert load_or_create_key(folder, 13).secret != key.secret
    assert key.secret.hex() not in repr(key)
    assert str(key.secret) not in repr(key)


def test_processes_that_start_together_agree_on_the_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: load_or_create_key(tmp_path, 1).secret, range(32)))
    assert len(keys) == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_a_key_others_can_read_is_refused(tmp_path: Path) -> None:
    load_or_create_key(tmp_path, 1)
    (file,) = tmp_path.iterdir()
    file.chmod(0o644)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        load_or_create_key(tmp_path, 1)


def test_a_damaged_or_unreachable_key_is_refused(tmp_path: Path) -> None:
    load_or_create_key(tmp_path, 1)
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"short")
    with pytest.raises(ConfigurationError, match="5 were given"):
        load_or_create_key(tmp_path, 1)
    with pytest.raises(ConfigurationError, match="cannot be made"):
        load_or_create_key(Path(os.devnull) / "keys", 1)


def test_keyed_words_never_change() -> None:
    """Marks made today must be readable by every later release."""
    words = WatermarkKey(bytes(range(32))).words("spread-spectrum/1/fine", 2)
    assert [f"{int(word):016x}" for word in words] == ["d5ad39d55c75769a", "5c5dd944f60257bd"]
    assert words.dtype == np.uint64


def test_a_rotated_key_is_kept_for_reading(tmp_path: Path) -> None:
    first = load_or_create_key(tmp_path, 7)
    second = rotate_key(tmp_path, 7)
    third = rotate_key(tmp_path, 7)
    assert len({first.secret, second.secret, third.secret}) == 3
    assert load_or_create_key(tmp_path, 7) == third
    assert load_retired_keys(tmp_path, 7) == (second, first)
    assert load_retired_keys(tmp_path, 8) == ()
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())
