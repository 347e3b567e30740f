"""Questions of text-guided retrieval: what they promise holds, in the drawn world, on labels, and in their sentences."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modiste.data import composed_atelier
from modiste.data.atelier.design import design
from modiste.data.atelier.variants import CHANGED, VISIBLE, family, visible
from modiste.data.composed import ANY, ComposedData, ComposedExample, attributes_of, composed_examples, load_composed
from modiste.data.composed_products import LABELS, paired, with_title_attributes
from modiste.data.composed_wording import modification
from modiste.types import Item

COLOURS = ("Red", "Blue", "Green", "Black")


def labelled(count: int = 96) -> list[Item]:
    """Shirts and tops for women and men in four colours; every second pair of rows is one product."""
    return [
        Item(
            id=f"{number:03d}",
            title=f"Brand{number % 5} {'Striped' if number % 6 == 0 else ''} thing",
            image=b"x",
            category=("Shirts", "Tops")[number // 4 % 2],
            attributes={
                "colour": COLOURS[number % 4],
                "gender": ("Women", "Men")[number // 8 % 2],
                "usage": "Casual",
                "sub_category": "Topwear",
            },
            group=f"g{number - number % 2}" if number < 8 else "",
        )
        for number in range(count)
    ]


@pytest.fixture(scope="module")
def world() -> Iterator[ComposedData]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(composed_atelier, "IMAGE_SIZE", (45, 60))
        yield load_composed("atelier:75:3", per_reference=2)


@pytest.fixture(scope="module")
def drawn(world: ComposedData) -> tuple[ComposedExample, ...]:
    return world.examples


def test_a_pair_from_labels_differs_in_one_and_agrees_in_the_rest() -> None:
    data = paired(labelled(), seed=1, per_reference=2)
    assert len(data.examples) > 100
    for one in data.examples:
        before, after = attributes_of(one.reference), attributes_of(one.target)
        ((name, (old, new)),) = one.changed.items()
        assert (before[name], after[name]) == (old, new)
        assert old != new
        assert all(before[other] == after[other] for other in LABELS if other != name)
        assert {other: before[other] for other in LABELS if other != name}.items() <= one.kept.items()
        assert one.reference.product != one.target.product
        assert one.is_answered_by(one.target)
        assert not one.is_answered_by(one.reference)
    assert {name for one in data.examples for name in one.changed} == {"colour", "article_type", "gender"}


def test_the_draw_is_repeatable_and_does_not_depend_on_the_order_of_items() -> None:
    def told(items: list[Item], seed: int) -> list[tuple[str, str, str]]:
        return [(one.reference.id, one.target.id, one.text) for one in paired(items, seed).examples]

    items = labelled()
    assert told(items, 0) == told(items[::-1], 0)
    assert told(items, 0) != told(items, 1)


def test_new_values_are_drawn_evenly_though_one_is_ten_times_as_frequent() -> None:
    items = []
    for number in range(600):
        colour = "Black" if number % 12 < 10 else ("Red", "Blue")[number % 2]
        labels = {"colour": colour, "gender": "Men", "usage": "Casual"}
        items.append(Item(id=f"{number:03d}", title="x", image=b"x", category="Shirts", attributes=labels))
    asked = Counter(new for one in paired(items).examples for _, new in one.changed.values())
    black = [one for one in paired(items).examples if one.changed["colour"][0] == "Black"]
    assert len(black) == 500
    assert abs(Counter(one.changed["colour"][1] for one in black)["Red"] / 500 - 0.5) < 0.1
    assert asked["Black"] < 100


def test_rare_values_are_not_asked_for_since_words_alone_would_find_them() -> None:
    items = labelled(240)
    rare = [
        Item(id=f"rare{n}", title="x", image=b"x", category="Shirts",
             attributes={**labelled(1)[0].attributes, "colour": "Teal"}) for n in range(2)
    ]  # fmt: skip
    asked = {new for one in paired([*items, *rare]).examples for _, new in one.changed.values()}
    assert "Red" in asked
    assert "Teal" not in asked


def test_what_titles_say_is_known_unless_they_say_two_things() -> None:
    def pattern(title: str) -> str | None:
        return attributes_of(with_title_attributes(Item(id="1", title=title))).get("pattern")

    assert pattern("Turtle Check Men Black Shirt") == "checks"
    assert pattern("Mark Taylor Men Striped Blue Shirt") == "stripes"
    assert pattern("Nike Men Striped Check Shirt") is None
    assert pattern("Checkmate Men Shirt") is None
    assert attributes_of(with_title_attributes(Item(id="1", title="Full Sleeves Tee")))["sleeve_length"] == "long"


def test_a_family_is_one_garment_in_versions_that_differ_in_what_one_sees() -> None:
    base = design(0, 7)
    members = family(base, 20)
    assert members[0] is base
    signatures = {tuple(visible(one.attributes).items()) for one in members}
    assert len(signatures) == len(members) == 20
    assert len({one.shape_seed for one in members}) == 1
    for name in base.attributes.keys() - set(VISIBLE):
        assert {one.attributes[name] for one in members} == {base.attributes[name]}
    for one in members[1:]:  # each is one change from an earlier one
        nearest = min(
            sum(one.get(name) != other.get(name) for name in CHANGED) for other in members if other is not one
        )
        assert nearest == 1


def test_drawn_questions_have_the_answers_they_promise(drawn: tuple[ComposedExample, ...]) -> None:
    kinds = Counter()
    for one in drawn:
        assert one.is_answered_by(one.target)
        assert one.reference.id != one.target.id
        for name, (old, new) in one.changed.items():
            assert visible(one.reference.attributes)[name] == old
            assert visible(one.target.attributes)[name] == new or (new == ANY and old != one.target.attributes[name])
        kinds[len(one.changed), any(new == ANY for _, new in one.changed.values())] += 1
    assert kinds[1, False] > 20
    assert kinds[2, False] > 20
    assert kinds[1, True] > 3


def test_right_answers_are_those_that_equal_the_reference_but_for_the_change(world: ComposedData) -> None:
    gallery = world.galleries[""]
    for one in world.examples[:60]:
        free = {*one.changed, *(["secondary_colour"] if "pattern" in one.changed else [])}
        for item in gallery:
            before, after = visible(one.reference.attributes), visible(item.attributes)
            same = item.category == one.reference.category and all(
                before.get(name) == after.get(name) for name in VISIBLE if name not in free
            )
            new = all(
                after[name] != old if to == ANY else after[name] == to
                for name, (old, to) in one.changed.items()
                if same
            )
            assert one.is_answered_by(item) == (same and new), (one.text, item.title)


def test_pictures_show_the_change_and_splits_share_no_garment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composed_atelier, "IMAGE_SIZE", (90, 120))
    parts = {split: load_composed("atelier:750:1", split) for split in ("valid", "test")}
    roots = {split: {item.id.rsplit("-", 1)[0] for item in data.galleries[""]} for split, data in parts.items()}
    assert roots["valid"]
    assert roots["test"]
    assert not roots["valid"] & roots["test"]

    def pixels(item: Item) -> np.ndarray:
        assert isinstance(item.image, bytes)
        return np.asarray(Image.open(io.BytesIO(item.image)), dtype=np.int16)

    for one in parts["test"].examples[:12]:
        assert np.abs(pixels(one.reference) - pixels(one.target)).mean() > 0.15, one.text


def test_sentences_name_what_is_wanted_and_never_the_garment() -> None:
    for seed in range(60):
        rng = np.random.default_rng(seed)
        red = modification({"colour": ("navy", "red")}, rng)
        assert "red" in red or "scarlet" in red
        assert "navy" not in red.replace("navy blue", "navy") or any(word in red for word in ("instead", "not"))
        two = modification({"sleeve_length": ("long", "sleeveless"), "pattern": ("solid", "stripes")}, rng)
        assert "sleeve" in two
        assert "strip" in two
        no = modification({"pattern": ("stripes", ANY)}, rng)
        assert "stripes" in no
        assert "without" in no or "no " in no
    assert len({modification({"colour": ("black", "red")}, np.random.default_rng(n)) for n in range(200)}) >= 12
    with pytest.raises(ValueError, match="one or two"):
        modification({}, np.random.default_rng(0))


def test_no_sentence_of_drawn_questions_names_the_article(drawn: tuple[ComposedExample, ...]) -> None:
    for one in drawn:
        assert one.reference.category not in one.text.split()


def test_a_source_without_questions_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="atelier:SIZE"):
        composed_examples("atelier:x")
    with pytest.raises(ValueError, match="at least 1"):
        load_composed("atelier:10", per_reference=0)
    table = tmp_path / "shop.csv"
    table.write_text("id,title,category\n1,Red shirt,Shirts\n2,Blue shirt,Shirts\n")
    with pytest.raises(ValueError, match="no question"):
        load_composed(table)


@pytest.mark.data
def test_the_real_products(real_data: Path) -> None:
    if not (real_data / "fashion_products" / "test.parquet").is_file():
        pytest.skip("no fashion_products")
    data = load_composed(real_data, "test")
    assert len(data.examples) > 2400
    assert len(data.galleries[""]) == 2723
    holders = Counter(label for item in data.galleries[""] for label in attributes_of(item).items())
    for one in data.examples:
        ((name, (old, new)),) = one.changed.items()
        assert old != new
        assert holders[name, new] >= 28
        assert one.is_answered_by(one.target)
