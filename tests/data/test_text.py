"""Tokenizers and masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modiste.data.text import CLS, UNK, canonical_json, document_counts, tokenize, train_wordpiece

TITLES = ["Nike Men Black Sports Shoes", "Red Polka-Dot Dress", "Blue Jeans", "Crème brûlée T-shirt"] * 3
TOKENIZER = train_wordpiece(TITLES, vocab_size=300, min_frequency=1)


def test_the_same_texts_give_the_same_tokenizer() -> None:
    assert canonical_json(train_wordpiece(TITLES, vocab_size=300, min_frequency=1)) == canonical_json(TOKENIZER)
    assert canonical_json(train_wordpiece(TITLES[:1], vocab_size=300, min_frequency=1)) != canonical_json(TOKENIZER)


def test_case_and_accents_do_not_matter() -> None:
    ids, _ = tokenize(TOKENIZER, ["RED dress", "red DRESS", "creme brulee", "Crème Brûlée"], 16)
    np.testing.assert_array_equal(ids[0], ids[1])
    np.testing.assert_array_equal(ids[2], ids[3])


def test_nothing_to_learn_from_is_an_error() -> None:
    with pytest.raises(ValueError, match="none of the items has a text"):
        train_wordpiece(["", "  "])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=80), min_size=1, max_size=5), st.integers(1, 12))
def test_any_text_becomes_a_row_that_attends_to_something(texts: list[str], length: int) -> None:
    ids, mask = tokenize(TOKENIZER, texts, length)
    assert ids.shape == mask.shape == (len(texts), length)
    assert mask[:, 0].all()
    assert (ids[:, 0] == TOKENIZER.token_to_id(CLS)).all()
    assert ((ids != 0) == mask).all()
    assert (ids < TOKENIZER.get_vocab_size()).all()
    assert (np.diff(mask.astype(int), axis=1) <= 0).all()  # padding only at the end


def test_unknown_characters_are_one_token_not_a_crash() -> None:
    ids, _ = tokenize(TOKENIZER, ["赤いドレス"], 8)
    assert TOKENIZER.token_to_id(UNK) in ids[0]


def test_texts_are_counted_per_piece() -> None:
    ids = np.random.default_rng(0).integers(0, 12, (40, 2, 7))
    naive = np.zeros(15, np.int64)
    for row in ids.reshape(-1, 7):
        for piece in set(row.tolist()) - {0}:
            naive[piece] += 1
    assert document_counts(ids, 15).tolist() == naive.tolist()
    assert document_counts(np.zeros((0, 3), np.int64), 4).tolist() == [0] * 4
