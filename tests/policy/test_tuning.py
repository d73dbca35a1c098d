"""The tuned encoder: the forward pass in torch is that in numpy, and what is stored is what was tuned."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from countermark.core.encoders.text import DIMENSION, ENCODER_NAME, load_text_encoder
from countermark.core.errors import WeightsError
from policy import tuning
from policy.classifier import Network
from policy.tuning import Tunable, _batches, _padded, tune

ENCODER = load_text_encoder()
TEXTS = ["a red balloon rising over the sea", "一只红色气球在海面上升起", "x", "a knife on a kitchen board"]


@settings(max_examples=15)
@given(st.lists(st.text(max_size=60), min_size=1, max_size=6))
@torch.inference_mode()
def test_the_forward_pass_is_the_encoders(texts: list[str]) -> None:
    ids = [np.array(ENCODER.token_ids(text)) for text in texts]
    embedding = Tunable(ENCODER)(*_padded(ENCODER, ids)).numpy() / np.sqrt(DIMENSION)
    assert np.abs(embedding - ENCODER.encode(texts)).max() < 1e-4


@given(st.lists(st.integers(1, 200), min_size=1, max_size=500))
def test_every_row_is_in_one_batch(lengths: list[int]) -> None:
    batches = list(_batches(lengths, np.random.default_rng(0)))
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))


def network(lists: int) -> Network:
    rng = np.random.default_rng(1)
    sizes = ((8, DIMENSION + lists), (8,), (2, 8), (2,))
    return Network(*(rng.normal(0, 0.2, size).astype(np.float32) for size in sizes))


def loss(encoder, heads: Network, lists: np.ndarray, label: np.ndarray) -> float:
    features = np.concatenate([encoder.encode(TEXTS) * np.sqrt(DIMENSION), lists], axis=1)
    odds = heads.log_odds(features.astype(np.float32))
    return float(np.logaddexp(0, np.where(label > 0, -odds, odds)).mean())


def test_tuning_learns_and_the_same_data_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "ROUNDS", 30)
    monkeypatch.setattr(tuning, "AVERAGED", 0.5)
    lists = np.zeros((4, 3), np.float32)
    label = np.array([[0, 1], [0, 0], [1, 0], [1, 1]], np.float32)
    start = network(3)
    encoder, heads = tune(ENCODER, start, TEXTS, lists, label, np.ones_like(label), 7)
    assert loss(encoder, heads, lists, label) < 0.8 * loss(ENCODER, start, lists, label)
    again, same = tune(ENCODER, start, TEXTS, lists, label, np.ones_like(label), 7)
    assert np.array_equal(heads.hidden, same.hidden)
    assert encoder.to_bytes() == again.to_bytes()
    assert np.array_equal(encoder.weights["scale"], ENCODER.weights["scale"])
    assert not np.array_equal(encoder.weights["w1_2"], ENCODER.weights["w1_2"])


def test_tuned_weights_are_stored_and_named() -> None:
    same = ENCODER.tuned(ENCODER.to_bytes())
    assert same.name.startswith(f"{ENCODER_NAME}+")
    assert np.abs(same.encode(TEXTS) - ENCODER.encode(TEXTS)).max() < 1e-2  # half precision
    changed = load(ENCODER.to_bytes())
    changed["d0"] = -changed["d0"]
    other = ENCODER.tuned(save(changed))
    assert other.name != same.name
    assert np.abs(other.encode(TEXTS) - ENCODER.encode(TEXTS)).max() > 0.01


def test_other_files_are_an_error_with_a_remedy() -> None:
    whole = load(ENCODER.to_bytes())
    broken = {**whole, "d0": np.full_like(whole["d0"], np.inf)}
    missing = {name: values for name, values in whole.items() if name != "d0"}
    for data in (b"", b"\x00" * 64, save(broken), save(missing), ENCODER.to_bytes()[:-1]):
        with pytest.raises(WeightsError) as refused:
            ENCODER.tuned(data)
        assert "policy.training" in refused.value.remedy
