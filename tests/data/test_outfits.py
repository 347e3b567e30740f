"""Data sets of outfits: what breaks the rules, what splits share, and photos that stay on the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modiste.data.images import decode, encode_jpeg
from modiste.data.outfits import CpQuestion, FitbQuestion, Look, OutfitData, known, violations
from modiste.data.overlap import overlaps, purged
from modiste.data.photos import PhotoItems
from modiste.types import Item, Outfit, OutfitRules

KINDS = {"t1": "T-Shirt", "t2": "Blouse", "b1": "Jeans", "s1": "Sandals", "s2": "Sandals", "h1": "Hat"}
ITEMS = {item_id: Item(item_id, title=item_id, category=kind) for item_id, kind in KINDS.items()}


def data(**looks: list[Look]) -> OutfitData:
    return OutfitData("toy", ITEMS, {split: tuple(some) for split, some in looks.items()})


def test_violations_are_counted_at_each_granularity() -> None:
    toy = data(
        train=[
            Look("fine", ("t1", "b1", "s1")),
            Look("two tops", ("t1", "t2", "b1")),
            Look("two sandals", ("b1", "s1", "s2")),
            Look("one too many", ("t1", "b1", "s1", "h1")),
            Look("no look", ("s1", "s1"), label=0),
        ]
    )
    rules = OutfitRules(max_items=3)
    assert violations(toy, "train", rules) == {"category": 0.5, "super_category": 0.75, "slot": 0.75}
    assert violations(toy, "train") == {"category": 0.25, "super_category": 0.5, "slot": 0.5}
    with pytest.raises(ValueError, match="no look in split 'test'; there is train"):
        violations(toy, "test")


def test_known_keeps_looks_whose_items_are_all_there() -> None:
    looks = {"train": [Look("a", ("t1", "b1")), Look("b", ("t1", "gone"))], "test": [Look("c", ("h1",))]}
    kept, missing = known(looks, ITEMS)
    assert [look.id for look in kept["train"]] == ["a"]
    assert missing == {"train": 1, "test": 0}


def test_overlap_is_a_sentence() -> None:
    toy = data(
        train=[Look("a", ("t1", "b1")), Look("b", ("s1", "h1"), group="g")],
        test=[Look("c", ("b1", "t1")), Look("d", ("s1", "s2"), group="g"), Look("e", ("t2",))],
    )
    (one,) = overlaps(toy)
    assert (one.items, one.num_items, one.looks, one.num_looks, one.groups) == (3, 5, 1, 3, 1)
    assert str(one) == (
        "test shares 3 of its 5 items (60.0 %) and 1 of its 3 looks and 1 groups of near-identical looks with train"
    )


SOME_LOOKS = st.lists(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=3), max_size=6)


@settings(deadline=None, max_examples=40)
@given(train=SOME_LOOKS, test=SOME_LOOKS)
def test_overlap_and_purge_against_nested_loops(train: list[list[str]], test: list[list[str]]) -> None:
    toy = data(
        train=[Look(f"a{number}", tuple(ids)) for number, ids in enumerate(train)],
        test=[Look(f"b{number}", tuple(ids)) for number, ids in enumerate(test)],
    )
    (one,) = overlaps(toy)
    held_out = {item_id for ids in test for item_id in ids}
    assert one.items == sum(any(item_id in ids for ids in train) for item_id in held_out)
    assert one.looks == sum(any(set(ids) == set(other) for other in train) for ids in test)
    clean = purged(toy)
    assert [list(look.item_ids) for look in clean.looks["train"]] == [
        ids for ids in train if not any(item_id in held_out for item_id in ids)
    ]
    assert clean.looks["test"] == toy.looks["test"]
    assert overlaps(clean)[0].items == 0


def test_purge_takes_questions_along() -> None:
    toy = OutfitData(
        "toy",
        ITEMS,
        {"train": (Look("a", ("t1", "b1")), Look("b", ("t2", "s1"))), "test": (Look("c", ("t1", "h1")),)},
        cp={
            "train": (CpQuestion(("t1", "s2"), 0), CpQuestion(("t2", "s2"), 0)),
            "test": (CpQuestion(("t1", "h1"), 1),),
        },
        fitb={"train": (FitbQuestion(("t2",), ("s1", "h1"), "s1"), FitbQuestion(("t2",), ("s1", "s2"), "s1"))},
    )
    clean = purged(toy)
    assert [look.id for look in clean.looks["train"]] == ["b"]
    assert clean.cp == {"train": (CpQuestion(("t2", "s2"), 0),), "test": toy.cp["test"]}
    assert clean.fitb == {"train": (FitbQuestion(("t2",), ("s1", "s2"), "s1"),)}
    with pytest.raises(ValueError, match="no split 'valid'; there is train, test"):
        purged(toy, "valid")


def test_photos_are_read_when_asked_for(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    secret = tmp_path / "secret.jpg"
    picture = encode_jpeg(np.full((8, 6, 3), 200, np.uint8))
    secret.write_bytes(picture)
    for name in ("t1", "b1"):
        (folder / f"{name}.jpg").write_bytes(picture)
    (folder / "s1.jpg").write_bytes(picture[:40])
    (folder / "s2.jpg").symlink_to(secret)
    (folder / "h1.jpg").mkdir()
    bare = ITEMS | {"../secret": Item("../secret", title="x")}
    items = PhotoItems(bare, folder)
    assert items.missing == ("t2", "../secret")
    assert not items.broken
    assert "t1" in items
    assert "nobody" not in items
    assert len(items) == len(bare)
    assert list(items) == list(bare)
    assert decode(items["t1"].image).shape == (8, 6, 3)
    assert items["t1"].title == "t1"
    assert ITEMS["t1"].image is None
    (folder / "b1.jpg").unlink()  # went away after the listing
    for item_id in ("t2", "../secret", "b1", "s1", "s2", "h1"):
        assert items[item_id].image is None, item_id
    assert set(items.broken) == {"b1", "s1", "s2", "h1"}
    assert items.broken["s2"] == "path escapes the folder"
    with pytest.raises(KeyError):
        items["nobody"]
    assert "2 without photo" in repr(items)
    assert PhotoItems(ITEMS, tmp_path / "absent").missing == tuple(ITEMS)


def test_labels_are_read_without_photos(tmp_path: Path) -> None:
    """Counting broken rules of a quarter of a million items must not open their photos."""
    (tmp_path / "t1.jpg").write_bytes(b"no picture")
    toy = OutfitData("toy", PhotoItems(ITEMS, tmp_path), {"train": (Look("a", ("t1", "t2")),)})
    assert violations(toy, "train")["slot"] == 1.0
    assert toy.bare["t1"] is ITEMS["t1"]
    assert not toy.items.broken  # type: ignore[attr-defined]
    assert data().bare is ITEMS
    assert toy.outfit(toy.looks["train"][0]) == Outfit((ITEMS["t1"], ITEMS["t2"]))


def test_seen_are_items_of_training_looks() -> None:
    assert data(train=[Look("a", ("t1", "b1"))], test=[Look("b", ("h1",))]).seen == {"t1", "b1"}
    assert data(test=[Look("b", ("h1",))]).seen == frozenset()
