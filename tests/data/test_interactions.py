"""`Interactions` says what is wrong with it, and ids have one order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from modiste.data.interactions import Interactions, in_id_order, load_interactions, pair_matrix


def interactions(**other: object) -> Interactions:
    fields: dict[str, object] = {
        "user_ids": ("u0", "u1"),
        "outfit_ids": ("o0", "o1", "o2"),
        "item_ids": ("a", "b"),
        "clicks": {"train": pair_matrix([0, 1], [0, 1], (2, 3)), "test": pair_matrix([0], [2], (2, 3))},
        "outfit_items": pair_matrix([0, 1, 1, 2], [0, 0, 1, 1], (3, 2)),
        "name": "toy",
    }
    return Interactions(**(fields | other))  # type: ignore[arg-type]


def test_it_counts_and_hides() -> None:
    data = interactions()
    assert (data.num_users, data.num_outfits, data.num_items) == (2, 3, 2)
    assert list(data.clicks) == ["train", "test"]
    assert list(data.only("train").clicks) == ["train"]
    assert "2 users, 3 outfits, 2 items; clicks train 2, test 1" in repr(data)
    with pytest.raises(ValueError, match="toy: no split 'valid'; there is train, test"):
        data.only("train", "valid")
    with pytest.raises(TypeError):
        data.clicks["valid"] = data.clicks["test"]  # type: ignore[index]


def test_matrices_have_one_form() -> None:
    dense = np.array([[0, 1.0, 0], [1, 0, 0]])
    clicks = interactions(clicks={"train": csr_array(dense)}).clicks["train"]
    assert clicks.dtype == np.float32
    assert clicks.has_canonical_format
    np.testing.assert_array_equal(clicks.toarray(), dense)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"user_ids": ()}, "there is no user"),
        ({"user_ids": ("u0", "u0")}, "user 'u0' is there twice"),
        ({"outfit_ids": ("o0", "", "o2")}, "an outfit's id must be|a outfit's id must be"),
        ({"item_ids": ("a", 7)}, "item's id must be a non-empty string"),
        ({"clicks": {}}, "need the split train"),
        ({"clicks": {"train": pair_matrix([0], [0], (2, 3)), "later": pair_matrix([], [], (2, 3))}}, "no others than"),
        ({"clicks": {"train": pair_matrix([], [], (2, 3))}}, "no training click"),
        ({"clicks": {"train": pair_matrix([0], [0], (2, 4))}}, r"clicks of train must be \(2, 3\), not \(2, 4\)"),
        ({"clicks": {"train": 2 * pair_matrix([0], [0], (2, 3))}}, "must be ones where there is something, not 2"),
        (
            {"clicks": {"train": pair_matrix([0, 1], [0, 1], (2, 3)), "test": pair_matrix([1], [1], (2, 3))}},
            r"1 click\(s\) are in both train and test, such as user 'u1', outfit 'o1'",
        ),
        ({"outfit_items": pair_matrix([0, 2], [0, 1], (3, 2))}, r"1 outfit\(s\) have no item, such as 'o1'"),
        ({"item_categories": np.array([0, 1])}, "but there are 0 category_names"),
        ({"item_categories": np.array([0]), "category_names": ("top",)}, r"must be \(2,\)"),
        ({"item_categories": np.array([0, -1]), "category_names": ("top",)}, r"lie in \[-1, 0\]"),
        ({"item_features": np.zeros((3, 2))}, r"item_features must be \(2, F\)"),
        ({"item_features": np.array([[0.0], [np.nan]])}, "features of item 'b' are not all finite"),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        interactions(**change)


def test_ids_in_order() -> None:
    assert in_id_order(["10", "9", "010", "9"]) == ("9", "010", "10")
    assert in_id_order(["10", "9", "x"]) == ("10", "9", "x")
    assert in_id_order(["²", "1"]) == ("1", "²")  # a digit, but no number


@given(st.lists(st.text(min_size=1, max_size=4)))
def test_the_order_does_not_depend_on_the_order(ids: list[str]) -> None:
    assert in_id_order(ids) == in_id_order(ids[::-1])
    assert set(in_id_order(ids)) == set(ids)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5)), max_size=20))
def test_pairs_named_twice_are_one(pairs: list[tuple[int, int]]) -> None:
    matrix = pair_matrix([row for row, _ in pairs], [column for _, column in pairs], (4, 6))
    assert set(zip(*(part.tolist() for part in matrix.nonzero()), strict=True)) == set(pairs)
    assert matrix.sum() == len(set(pairs))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere", "no such folder, and no known source; there is ifashion"),
        ("atelier:x", "write atelier:N"),
        ("atelier:0", "write atelier:N"),
    ],
)
def test_sources_that_are_none(source: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_interactions(source)


def test_a_folder_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="neither ifashion's nor HFGN's files, nor a table named interactions"):
        load_interactions(tmp_path)
    with pytest.raises(ValueError, match="a k-core is taken of tables of one's own"):
        load_interactions("ifashion", min_user_clicks=3)
