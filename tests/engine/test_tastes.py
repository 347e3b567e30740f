"""Tastes: what is asked of them, how likes become a user, and folders that are damaged."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from modiste.engine.tastes import FoldIn, TasteRecommender, Tastes, TastesError, is_tastes, load_tastes, save_tastes


def tastes(dense: bool = False, seed: int = 0) -> Tastes:
    """3 users, 5 outfits, 7 items; D = 4, of sums of width 4, or 6 before a dense layer."""
    rng = np.random.default_rng(seed)

    def some(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    width = 6 if dense else 4
    fold = FoldIn(
        some(5, width), some(7, width), some(4), some(6, 4) if dense else None, some(4) if dense else None,
        exponent=0.5, unit=True, scale=3.0,
    )  # fmt: skip
    ids = {"user_ids": tuple("xyz"), "outfit_ids": tuple("ABCDE"), "item_ids": tuple("abcdefg")}
    return Tastes(**ids, users=some(3, 4), outfits=some(5, 4), items=some(7, 4), fold=fold, name="toy")


@pytest.mark.parametrize("dense", [False, True])
def test_likes_become_a_user_as_written(dense: bool) -> None:
    one = tastes(dense)
    fold = one.fold
    total = np.zeros(fold.sources.shape[1])
    for row in (4, 1):
        total += fold.sources[row]
    total += fold.item_sources[6]
    total /= np.sqrt(3)
    if fold.weight is not None and fold.bias is not None:
        total = np.array([total @ fold.weight[:, column] + fold.bias[column] for column in range(4)])
        total = np.array([x if x > 0 else 0.2 * x for x in total])
    expected = fold.start + 3.0 * total / np.sqrt((total**2).sum())
    np.testing.assert_allclose(one.fold_in([1, 4], [6]), expected, rtol=1e-5)
    np.testing.assert_array_equal(one.fold_in([4, 1], [6]), one.fold_in(np.array([4, 1]), (6,)))
    np.testing.assert_array_equal(one.fold_in([]), fold.start)


def test_an_unseen_outfit_is_wanted_as_much_as_its_items_on_average() -> None:
    one = tastes()
    user = one.user("y")
    np.testing.assert_array_equal(user, one.users[1])
    np.testing.assert_allclose(one.scores(user), [user @ row for row in one.outfits], rtol=1e-6)
    unseen = one.outfit_vector([0, 3, 5])
    np.testing.assert_allclose(user @ unseen, one.item_scores(user)[[0, 3, 5]].mean(), rtol=1e-5)
    with pytest.raises(ValueError, match="at least one item"):
        one.outfit_vector([])
    with pytest.raises(KeyError, match="no user 'w'"):
        one.user("w")


def test_the_protocol_gets_its_own_order() -> None:
    one = tastes()
    recommender = TasteRecommender(one, ("z", "x"), ("E", "A", "C"))
    found = recommender.scores(np.array([1, 0]))
    for row, user in enumerate(("x", "z")):
        np.testing.assert_allclose(found[row], one.scores(one.user(user))[[4, 0, 2]], rtol=1e-5)
    with pytest.raises(ValueError, match="places from 0 to 1"):
        recommender.scores(np.array([-1]))
    with pytest.raises(ValueError, match="outfit 'Z' was not there in training"):
        TasteRecommender(one, ("x",), ("A", "Z"))


@pytest.mark.parametrize("dense", [False, True])
def test_a_folder_gives_back_what_was_saved(dense: bool, tmp_path: Path) -> None:
    one = tastes(dense)
    save_tastes(tmp_path / "run" / "model", one)
    assert is_tastes(tmp_path / "run")
    assert not is_tastes(tmp_path)
    for folder in (tmp_path / "run" / "model", tmp_path / "run"):
        back = load_tastes(folder)
        assert (back.user_ids, back.outfit_ids, back.item_ids, back.name) == (
            one.user_ids, one.outfit_ids, one.item_ids, "toy",
        )  # fmt: skip
        np.testing.assert_array_equal(back.fold_in([2, 3], [1]), one.fold_in([2, 3], [1]))
        np.testing.assert_array_equal(back.items, one.items)
    save_tastes(tmp_path / "run" / "best" / "model", tastes(dense, seed=1))  # chosen on valid: goes first
    assert not np.array_equal(load_tastes(tmp_path / "run").items, one.items)


def test_damaged_folders_are_refused_by_name(tmp_path: Path) -> None:
    folder = save_tastes(tmp_path / "it", tastes())
    with pytest.raises(TastesError, match=r"tastes.json is missing"):
        load_tastes(tmp_path / "other")
    config = json.loads((folder / "tastes.json").read_text())
    for change, message in (
        ({"format": 9}, "format 9"),
        ({"user_ids": ["x", "x", "z"]}, "users must be different"),
        ({"user_ids": ["x", "y"]}, r"users must be float32 of shape \(2, 4\)"),
        ({"fold_in": {}}, "cannot be read"),
        ({"item_ids": 3}, "cannot be read"),
    ):
        (folder / "tastes.json").write_text(json.dumps(config | change))
        with pytest.raises(TastesError, match=message):
            load_tastes(folder)
    arrays = load_file(folder / "tastes.safetensors")

    def store(changed: dict[str, np.ndarray]) -> None:
        save_file(changed, folder / "tastes.safetensors")
        digest = hashlib.sha256((folder / "tastes.safetensors").read_bytes()).hexdigest()
        (folder / "tastes.json").write_text(json.dumps(config | {"sha256": digest}))

    for change, message in (
        ({"items": arrays["items"] * np.nan}, "items must be finite"),
        ({"extra": arrays["items"]}, "no part of tastes"),
        ({"sources": arrays["sources"][:, :2]}, "as wide as users|sources must be"),
    ):
        store(arrays | change)
        with pytest.raises(TastesError, match=message):
            load_tastes(folder)
    store({name: array for name, array in arrays.items() if name != "start"})
    with pytest.raises(TastesError, match="has no start"):
        load_tastes(folder)
    (folder / "tastes.safetensors").write_bytes(b"cut")
    with pytest.raises(TastesError, match="is not the file that"):
        load_tastes(folder)
    (folder / "tastes.safetensors").unlink()
    with pytest.raises(TastesError, match="cannot be read"):
        load_tastes(folder)
    assert issubclass(TastesError, ValueError)  # shown as a message by the command line


def test_shapes_belong_together() -> None:
    one = tastes()
    with pytest.raises(TastesError, match=r"start must be float32 of shape \(4,\)"):
        replace(one, fold=replace(one.fold, start=np.zeros(3, np.float32)))
    with pytest.raises(TastesError, match="float64"):
        replace(one, users=one.users.astype(np.float64))
