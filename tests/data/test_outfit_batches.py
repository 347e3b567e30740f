"""Examples of looks: what may be drawn as a negative, what a batch says, and that it is a function of seed, epoch and look."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from outfit_toys import DIM, FAMILIES, batch, data, examples, features, items

from modiste.data.batches import OutfitBatch
from modiste.data.outfit_batches import OutfitExamples, coarse_kind, kind
from modiste.data.outfits import Look, OutfitData
from modiste.types import Item


def rows_of(made: OutfitExamples, of: OutfitBatch) -> np.ndarray:
    """(B, P): which item each place is, from the id tag."""
    return of.tags[..., 0].numpy()


def test_kinds_are_family_and_year_or_category() -> None:
    real = Item("a", category="T-Shirt", attributes={"family": "Tops", "shoot_year": "2019"})
    assert kind(real) == "top 2019"
    assert kind(Item("b", category="Polo Shirts")) == "polo shirt"
    assert coarse_kind(real) == "tops 2019"
    assert coarse_kind(Item("c", category="Sweatpants", attributes={"family": "Trousers"})) == "bottoms"
    assert coarse_kind(Item("d", category="sneakers")) == coarse_kind(Item("e", category="sandals")) == "shoes"


def test_a_batch_is_a_function_of_seed_epoch_and_look() -> None:
    made = examples(num_broken=2)
    first, again = made.collate(np.arange(8), 3), made.collate(np.arange(8), 3)
    for one in fields(OutfitBatch):
        assert torch.equal(getattr(first, one.name), getattr(again, one.name)), one.name
    alone = made.collate(np.array([5]), 3)  # whatever the looks around it
    width = alone.has_image.shape[1]
    for one in fields(OutfitBatch):
        whole = getattr(first, one.name)[5:6]
        if one.name in ("images", "has_image", "texts", "has_text", "tags"):
            whole = whole[:, :width]
        assert torch.equal(getattr(alone, one.name), whole), one.name
    assert not torch.equal(made.collate(np.arange(8), 4).images, first.images)
    assert not torch.equal(examples(num_broken=2, seed=1).collate(np.arange(8), 3).images, first.images)


def test_the_look_is_its_partial_and_its_first_candidate() -> None:
    world = data()
    made = examples(world, ("id",), max_items=4)
    of = made.collate(np.arange(len(made)), 0)
    ids = sorted(world.items)
    names = rows_of(made, of)
    for row, look in enumerate(world.looks["train"]):
        places = [int(of.candidates[row, 0]), *(int(one) for one in of.partial[row] if one >= 0)]
        assert sorted(ids[names[row, at] - 1] for at in places) == sorted(look.item_ids)
    smaller = examples(world, max_items=2).collate(np.arange(len(made)), 0)
    assert smaller.partial.shape[1] == 1


def test_negatives_are_of_the_kind_and_not_in_the_look() -> None:
    world = data()
    made = examples(world, ("id",), num_negatives=4, num_broken=3, popular_share=0.5)
    of = made.collate(np.arange(len(made)), 0)
    ids = sorted(world.items)
    names = rows_of(made, of)
    exchanged = Counter()
    for row, look in enumerate(world.looks["train"]):
        taken, *others = (ids[names[row, at] - 1] for at in of.candidates[row].tolist() if at >= 0)
        assert others
        assert len({taken, *others}) == 1 + len(others)
        assert not set(others) & set(look.item_ids)
        assert {world.items[one].category for one in others} == {world.items[taken].category}
        for one in of.sets[row]:
            broken = [ids[names[row, at] - 1] for at in one.tolist() if at >= 0]
            assert Counter(world.items[x].category for x in broken) == Counter(
                world.items[x].category for x in look.item_ids
            )
            kept = len(set(broken) & set(look.item_ids))
            assert kept < len(look.item_ids)
            exchanged[len(look.item_ids) - kept == len(look.item_ids)] += 1
    assert not of.labels.any()
    assert min(exchanged[True], exchanged[False]) > 10  # one item or all of them


def test_only_items_of_training_looks_are_negatives() -> None:
    world = data(12)
    unseen = world.items.keys() - world.seen
    assert unseen
    made = examples(world, ("id",), num_negatives=5)
    ids = sorted(world.items)
    drawn = {ids[n - 1] for epoch in range(5) for n in rows_of(made, made.collate(np.arange(12), epoch)).ravel() if n}
    assert not drawn & unseen


def test_popular_negatives_come_as_often_as_looks_have_them() -> None:
    """One shirt is in nine of ten looks: uniform negatives betray it, matched ones do not."""
    every = items(3)
    looks = [Look(str(n), (f"shirt{0 if n % 10 else 1}", f"shoes{n % 3}")) for n in range(60)]
    looks.append(Look("x", ("shirt2", "bag0")))
    world = OutfitData("popular", {one.id: one for one in every}, {"train": tuple(looks)})
    ids = sorted(world.items)
    share = {}
    for popular in (0.0, 1.0):
        made = replace(
            examples(world, ("id",)), features=features(world, ("id",)), num_negatives=1, popular_share=popular
        )
        found: Counter[str] = Counter()
        for epoch in range(30):
            of = made.collate(np.array([60]), epoch)  # the look with shirt2 and bag0
            if int(of.candidates[0, 1]) >= 0:
                found[ids[rows_of(made, of)[0, int(of.candidates[0, 1])] - 1]] += 1
        shirts = found["shirt0"] + found["shirt1"]
        assert shirts > 5
        share[popular] = found["shirt0"] / shirts
    assert share[1.0] > 0.75
    assert 0.2 < share[0.0] < 0.8


def test_coarse_negatives_may_be_of_another_fine_kind() -> None:
    every = [Item(f"{name}{n}", "x", category=name) for name in ("sneakers", "sandals", "shirt") for n in range(4)]
    looks = tuple(Look(str(n), (f"sneakers{n}", f"shirt{n}")) for n in range(4))
    looks += tuple(Look(f"s{n}", (f"sandals{n}", f"shirt{n}")) for n in range(4))
    world = OutfitData("coarse", {one.id: one for one in every}, {"train": looks})
    ids = sorted(world.items)
    kinds = {}
    for share in (0.0, 1.0):
        made = OutfitExamples(world, features(world, ("id",)), np.zeros((12, DIM), np.float32), num_negatives=3)
        pairs: set[tuple[str, str]] = set()
        for epoch in range(6):
            of = made.collate(np.arange(8), epoch, share)
            names = rows_of(made, of)
            for row in range(8):
                taken, *others = (ids[names[row, at] - 1] for at in of.candidates[row].tolist() if at >= 0)
                pairs |= {(taken[:-1], other[:-1]) for other in others}
        kinds[share] = pairs
    assert ("sneakers", "sandals") in kinds[0.0]
    assert all(a == b for a, b in kinds[1.0])
    assert not any("shirt" in pair and pair[0] != pair[1] for pair in kinds[0.0])


def test_the_wish_says_the_kind_the_words_or_nothing() -> None:
    world = data()
    made = examples(world, ("id", "category"), category_tag=1)
    number = np.arange(len(made))
    taken = made.collate(number, 0)

    def rows(of: OutfitBatch) -> np.ndarray:
        return of.tags[torch.arange(len(of)), of.candidates[:, 0], 0].numpy() - 1

    order = np.argsort(np.argsort(list(world.items)))  # ids are numbered in sorted order, features in the data's
    back = np.argsort(order)
    told = replace(made, silent_share=0.0, wish_share=0.0).collate(number, 0)
    np.testing.assert_allclose(told.wanted_text.numpy(), made.kind_texts[back[rows(told)]])
    assert told.has_wanted_text.all()
    assert (told.wanted_tags[:, 0] == 0).all()  # the id is a secret
    assert (told.wanted_tags[:, 1] > 0).all()
    wishes = replace(made, silent_share=0.0, wish_share=1.0).collate(number, 0)
    has = made.features.has_text[back[rows(wishes)]]
    np.testing.assert_allclose(wishes.wanted_text.numpy()[has], made.features.texts[back[rows(wishes)]][has])
    np.testing.assert_allclose(wishes.wanted_text.numpy()[~has], made.kind_texts[back[rows(wishes)]][~has])
    silent = replace(made, silent_share=1.0).collate(number, 0)
    assert not silent.has_wanted_text.any()
    assert not silent.wanted_tags.any()
    assert len(taken) == len(made)


def test_a_kind_without_others_has_no_negative() -> None:
    every = [
        Item("shirt", "x", category="shirt"),
        Item("shoes", "x", category="shoes"),
        Item("bag", "x", category="bag"),
    ]
    world = OutfitData("lonely", {one.id: one for one in every}, {"train": (Look("1", ("shirt", "shoes")),)})
    made = OutfitExamples(world, features(world), np.zeros((3, DIM), np.float32), num_negatives=2)
    of = made.collate(np.array([0]), 0)
    assert of.candidates.tolist() == [[0, -1, -1]]
    assert (of.sets == -1).all()
    assert (of.completions[0, 1:] == -1).all()
    sets, labels = of.judged
    assert sets.shape == (1, 4, 10)
    assert labels.tolist() == [[True, False, False, False]]


def test_bad_looks_are_left_out_and_bad_input_is_refused() -> None:
    world = data(5)
    looks = (*world.looks["train"], Look("alone", ("bag0",)), Look("bad", ("bag0", "shirt0"), label=0.0))
    made = examples(OutfitData("toy", world.items, {"train": looks}))
    assert len(made) == 5
    with pytest.raises(ValueError, match="no look of at least two items in split 'valid'"):
        examples(OutfitData("toy", world.items, {"train": looks}), split="valid")
    with pytest.raises(ValueError, match="features of 24 and texts of 3"):
        OutfitExamples(world, features(world), np.zeros((3, DIM), np.float32))
    with pytest.raises(ValueError, match="max_items"):
        examples(max_items=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": torch.zeros(8, 2, DIM)}, "images must begin"),
        ({"sets": torch.zeros(8, 1, 9, dtype=torch.int64)}, r"sets must be \(B, V, 4\)"),
        ({"candidates": torch.zeros(8, 2)}, "candidates must be int64"),
        ({"has_wanted_text": torch.zeros(8)}, "has_wanted_text must be bool"),
        ({"wanted_tags": torch.zeros(7, 0, dtype=torch.int64)}, "equally many rows"),
    ],
)
def test_a_batch_checks_its_shapes(change: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(batch(8), **change)


def test_a_batch_moves_and_splits() -> None:
    of = batch(8)
    parts = of.split(3)
    assert [len(one) for one in parts] == [2, 3, 3]
    assert torch.equal(torch.cat([one.images for one in parts]), of.images)
    assert len(FAMILIES) == 4


def test_coarsely_broken_looks_are_clothes_taken_blindly() -> None:
    kinds = ("sneakers", "sandals", "jeans", "skirt")
    every = [Item(f"{name}{n}", name, category=name) for name in kinds for n in range(4)]
    looks = [Look(str(n), (f"sneakers{n}", f"jeans{n}")) for n in range(4)]
    looks += [Look(str(4 + n), (f"sandals{n}", f"skirt{n}")) for n in range(4)]
    world = OutfitData("coarse", {one.id: one for one in every}, {"train": tuple(looks)})
    ids = sorted(world.items)
    found: dict[float, Counter[tuple[str, ...]]] = {}
    for share in (0.0, 1.0):
        texts = np.zeros((len(every), DIM), np.float32)
        made = OutfitExamples(world, features(world, ("id",)), texts, num_broken=8, coarse_broken=share)
        of, found[share] = made.collate(np.arange(8), 0), Counter()
        for row, names in enumerate(rows_of(made, of)):
            for one in of.sets[row]:
                broken = [ids[names[at] - 1] for at in one.tolist() if at >= 0]
                if share:
                    assert not set(broken) & set(looks[row].item_ids)
                found[share][tuple(sorted(world.items[x].category for x in broken))] += 1
    assert set(found[0.0]) == {("jeans", "sneakers"), ("sandals", "skirt")}
    assert set(found[1.0]) == {
        ("jeans", "sneakers"), ("sandals", "skirt"), ("jeans", "sandals"), ("skirt", "sneakers")
    }  # fmt: skip
