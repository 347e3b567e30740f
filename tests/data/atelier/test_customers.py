"""The atelier's customers: known conditions, the same photo every time, and siblings that differ in what they should."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from modiste.data.atelier import Atelier
from modiste.data.atelier.customers import Customers, cut_out, told_apart
from modiste.data.atelier.design import ARTICLES
from modiste.data.atelier.palette import COLOURS
from modiste.data.atelier.siblings import KINDS, sibling
from modiste.data.conditions import CONDITIONS, Conditions
from modiste.data.images import decode

CUSTOMERS = Customers(Atelier(seed=7), size=(60, 80))
_PROGRAM = """
import hashlib
from modiste.data.atelier import Atelier
from modiste.data.atelier.customers import Customers
customers = Customers(Atelier(seed=7), size=(60, 80))
total = hashlib.sha256()
for index in {indices}:
    for item, conditions in customers.customer_items(index, {numbers}):
        total.update(f"{{item.id}}|{{item.group}}|{{conditions}}|{{dict(item.attributes)}}".encode() + item.image)
    for item in customers.shop_items(index):
        total.update(f"{{item.id}}|{{item.group}}|{{item.title}}|{{dict(item.attributes)}}".encode() + item.image)
print(total.hexdigest())
"""


def digest(indices: list[int], numbers: list[int]) -> str:
    total = hashlib.sha256()
    for index in indices:
        for item, conditions in CUSTOMERS.customer_items(index, numbers):
            total.update(f"{item.id}|{item.group}|{conditions}|{dict(item.attributes)}".encode() + item.image)  # type: ignore[operator]
        for item in CUSTOMERS.shop_items(index):
            total.update(f"{item.id}|{item.group}|{item.title}|{dict(item.attributes)}".encode() + item.image)  # type: ignore[operator]
    return total.hexdigest()


def test_photos_are_the_same_in_every_process() -> None:
    program = _PROGRAM.format(indices=[3, 11], numbers=[0, 2])
    environment = {**os.environ, "PYTHONHASHSEED": "5"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == digest([3, 11], [0, 2])


def test_a_photo_does_not_depend_on_what_else_is_taken() -> None:
    alone, _ = CUSTOMERS.customer_item(4, 2)
    among = CUSTOMERS.customer_items(4, [0, 1, 2])[2][0]
    assert alone.image == among.image
    assert (alone.id, alone.group) == ("atelier-000004-customer-2", "atelier-000004")
    assert not alone.text
    other = Customers(Atelier(seed=7), seed=1, size=(60, 80)).customer_item(4, 2)[0]
    assert other.image != alone.image


@pytest.mark.parametrize("condition", CONDITIONS)
def test_every_condition_changes_the_photo_and_is_set_alone(condition: str) -> None:
    for level in ("some", "strong"):
        taken, asked = CUSTOMERS.photo(5, 1, Conditions(**{condition: level}))
        plain, _ = CUSTOMERS.photo(5, 1, Conditions())
        assert getattr(asked, condition) == level
        assert taken.image != plain.image
        assert (taken.lost > 0.1) == (condition == "cropping")
        assert (taken.covered > 0.05) == (condition == "occlusion")


def test_clutter_is_in_the_ground_not_on_the_garment() -> None:
    """The busier the level, the more the border of the picture varies."""

    def busy(level: str) -> float:
        photos = [decode(CUSTOMERS.photo(index, 0, Conditions(clutter=level))[0].image) for index in range(12)]  # type: ignore[arg-type]
        return float(
            np.mean([np.concatenate([one[0], one[-1], one[:, 0], one[:, -1]]).std(axis=0).mean() for one in photos])
        )

    assert busy("none") < busy("some") < busy("strong")


def test_every_article_can_be_photographed() -> None:
    atelier, seen = CUSTOMERS.atelier, set()
    for index in range(2000):
        design = atelier.design(index)
        if design.article not in seen:
            seen.add(design.article)
            alone = cut_out(design, (60, 80))
            assert alone.shape[2] == 4
            assert 0.05 < (alone[..., 3] > 127).mean() <= 1
            assert CUSTOMERS.photo(index, 0, Conditions(*["strong"] * 6))[0].seen < 0.5
    assert seen == set(ARTICLES)


def test_siblings_differ_in_what_their_kind_says() -> None:
    found = dict.fromkeys(KINDS, 0)
    for index in range(60):
        design = CUSTOMERS.atelier.design(index)
        for kind in KINDS:
            other = sibling(design, kind)
            assert other == sibling(design, kind)  # no hidden state
            if other is None:
                continue
            found[kind] += 1
            assert other.article == design.article
            changed = {key for key in {*design.attributes, *other.attributes} if design.get(key) != other.get(key)}
            if kind == "colourway":
                assert changed == {"colour"}
                assert (other.shape_seed, other.second_paint) == (design.shape_seed, design.second_paint)
                assert other.get("colour") in COLOURS
                assert other.paint != design.paint
            elif kind == "cut":
                assert not changed
                assert other.shape_seed != design.shape_seed
            else:
                assert changed
                assert changed <= {"pattern", "secondary_colour"} or len(changed) == 1
                assert other.paint == design.paint
    assert min(found.values()) > 30
    with pytest.raises(ValueError, match="unknown kind 'twin'"):
        sibling(CUSTOMERS.atelier.design(0), "twin")


def test_the_gallery_holds_only_siblings_that_can_be_told_apart() -> None:
    for index in range(10):
        family = CUSTOMERS.shop_items(index)
        assert family[0].id == f"atelier-{index:06d}"
        assert all(item.group == item.id for item in family)
        photos = [decode(item.image) for item in family]  # type: ignore[arg-type]
        for place, one in enumerate(photos):
            assert not told_apart(one, one)
            shaded = np.clip(one.astype(int) + 6, 0, 255).astype(np.uint8)  # only a little lighter
            assert not told_apart(one, shaded)
            for other in photos[:place]:
                assert np.abs(one.astype(int) - other).max() > 20


def test_the_nearest_colour_comes_first() -> None:
    near = {"navy": {"blue", "black", "purple"}, "white": {"cream", "silver"}, "burgundy": {"red", "brown", "purple"}}
    from modiste.data.atelier.siblings import _by_distance

    for colour, allowed in near.items():
        assert _by_distance(colour)[0] in allowed
        assert len(_by_distance(colour)) == len(COLOURS) - 1
