"""Few rows of a small model take one thread, and only there and then."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import nn

from modiste.models.one_thread import LIMIT, threads_for, weight_of
from modiste.models.pretrained import load


@pytest.fixture(autouse=True)
def two_threads():  # type: ignore[no-untyped-def]
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_few_rows_take_one_thread_and_the_others_are_left_alone() -> None:
    seen: list[int] = []
    with threads_for(2, LIMIT // 2):
        assert torch.get_num_threads() == 1
        other = threading.Thread(target=lambda: seen.append((torch.ones(2) + 1, torch.get_num_threads())[1]))
        other.start()
        other.join()
    assert seen == [2]
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize(("rows", "weight"), [(3, LIMIT // 2), (0, 10), (10**6, 0)])
def test_much_work_nothing_and_models_of_unknown_weight_take_all(rows: int, weight: int) -> None:
    with threads_for(rows, weight):
        assert torch.get_num_threads() == 2


def test_threads_come_back_after_an_error() -> None:
    with pytest.raises(ValueError, match="x"), threads_for(1, 1):
        raise ValueError("x")
    assert torch.get_num_threads() == 2


def test_weight_is_the_number_of_parameters() -> None:
    assert weight_of(nn.Linear(3, 4)) == 16
    assert weight_of(object()) == weight_of(None) == 0


def test_a_query_has_the_vector_that_it_has_in_a_large_batch() -> None:
    encoder = load()
    texts = ["red dress", *(f"blue shirt {number}" for number in range(40))]
    assert 0 < encoder._weight <= LIMIT < len(texts) * encoder._weight
    many, one = encoder.encode_texts(texts).vectors[0], encoder.encode_texts(texts[:1]).vectors[0]
    assert np.allclose(many, one, atol=1e-6)
