from __future__ import annotations

import numpy as np

from policy.corpus import Example
from policy.fit import HEADS, HIDDEN, MEMBERS, WITHOUT_LISTS, fit, without_lists

NAMES = ("hate.strong", "context.news")


def test_columns_of_the_lists_are_emptied_in_a_copy() -> None:
    columns = np.ones((3, 5), np.float32)
    assert without_lists(columns, NAMES).tolist() == [[1, 1, 1, 0, 0]] * 3
    assert columns.min() == 1


def test_the_last_network_reads_no_lists_and_the_same_data_give_the_same_heads() -> None:
    examples = [Example(f"{c} {i}", i > 0, c, "en", "own", f"{c}-{i}") for c in HEADS for i in range(2)]
    features = np.random.default_rng(0).standard_normal((len(examples), 6)).astype(np.float32)
    heads = fit(features, examples, NAMES, "an encoder")
    assert heads.hidden.shape == (MEMBERS * HIDDEN, 6)
    lists = heads.hidden[:, -len(NAMES) :]
    with_lists = (MEMBERS - WITHOUT_LISTS) * HIDDEN
    assert lists[:with_lists].any(axis=1).all()
    assert not lists[with_lists:].any()
    assert np.array_equal(heads.hidden, fit(features, examples, NAMES, "an encoder").hidden)
