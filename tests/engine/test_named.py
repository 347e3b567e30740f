"""What a wish names and the catalogue knows to be otherwise, against a catalogue whose encoder hears badly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from engine_fakes import FakeEncoder
from hypothesis import given, settings
from hypothesis import strategies as st
from outfit_fakes import ConstantPool, TestScorer

from modiste.engine.catalogue import Catalogue
from modiste.engine.filters import column
from modiste.engine.named import CONTRADICTED, contradictions
from modiste.engine.objective import Objective
from modiste.engine.outfits import OutfitEngine
from modiste.engine.vocabulary import Knowledge
from modiste.types import Item, Slot

ROWS = [  # category, colour, material, pattern, title
    ("Shirt", "blue", "linen", "solid", "blue shirt"),
    ("Shirt", "blue", "cotton", "stripes", "blue shirt"),
    ("Shirt", "red", "cotton", "solid", "red shirt"),
    ("T-shirt", "blue", None, None, "blue tee"),
]
NAMES = ("category", "colour", "material", "pattern", "title")
KNOWLEDGE = Knowledge({name: column([row[at] for row in ROWS]) for at, name in enumerate(NAMES)}, len(ROWS))
EVERY = np.arange(len(ROWS))


@pytest.mark.parametrize(
    ("wish", "expected"),
    [
        ("blue linen shirt", [0, 1, 2, 1]),  # of the t-shirt the material is not known
        ("shirt without stripes", [0, 1, 0, 1]),
        ("shirt, not red", [0, 0, 1, 1]),
        ("something nice", [0, 0, 0, 0]),
        ("", [0, 0, 0, 0]),
    ],
)
def test_what_contradicts_is_counted(wish: str, expected: list[int]) -> None:
    assert contradictions(wish, KNOWLEDGE, EVERY).tolist() == expected


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.permutations(range(len(ROWS))))
def test_any_wish_counts_row_by_row(wish: str, order: list[int]) -> None:
    found = contradictions(wish, KNOWLEDGE, EVERY)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert np.array_equal(contradictions(wish, KNOWLEDGE, np.array(order)), found[order])


ENCODER = FakeEncoder()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """Titles say nothing of the material, so the encoder cannot hear it: only the column tells."""
    store = Catalogue.create(tmp_path_factory.mktemp("shop") / "shop", ENCODER.id)
    materials = ("leather", "canvas", "suede", "wool")
    items = [
        Item(f"bag-{at}", f"bag model{at}", None, "Handbags", attributes={"material": materials[at % 4]})
        for at in range(12)
    ]
    store.upsert([*items, Item("shirt", "white shirt", None, "Shirts")], ENCODER)
    return store


def chosen(shop: Catalogue, wish: str, wishes: str) -> tuple[str, float]:
    engine = OutfitEngine(shop, TestScorer(ConstantPool), ENCODER, objective=Objective(wishes=wishes))  # type: ignore[arg-type]
    look = engine.complete(engine.query(["shirt"], [Slot(frozenset({"bag"}), wish)])).looks[0]
    (one,) = look.chosen
    assert one.match is not None
    return str(one.item.attributes["material"]), one.match


@pytest.mark.parametrize("material", ["leather", "canvas", "suede", "wool"])
def test_the_column_decides_what_the_encoder_cannot_hear(shop: Catalogue, material: str) -> None:
    assert chosen(shop, f"{material} bag", "read")[0] == material


def test_heard_is_the_encoder_alone(shop: Catalogue) -> None:
    heard = {chosen(shop, f"{material} bag", "heard")[0] for material in ("leather", "canvas", "suede", "wool")}
    assert len(heard) < 4


def test_a_wish_that_nothing_fulfils_matches_less(shop: Catalogue) -> None:
    heard, read = chosen(shop, "silk bag", "heard")[1], chosen(shop, "silk bag", "read")[1]
    assert read == pytest.approx(heard - CONTRADICTED / 2, abs=1e-6)  # uncalibrated: (1 + cosine) / 2


def test_a_text_for_the_whole_look_is_not_read_for_each_item(shop: Catalogue) -> None:
    both = []
    for wishes in ("read", "heard"):
        engine = OutfitEngine(shop, TestScorer(ConstantPool), ENCODER, objective=Objective(wishes=wishes))  # type: ignore[arg-type]
        both.append(engine.complete(engine.query(["shirt"], [Slot(frozenset({"bag"}))], "a look in silk")).looks[0])
    assert both[0].score == both[1].score


def test_an_unknown_way_of_wishing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown wishes"):
        Objective(wishes="guessed")  # type: ignore[arg-type]
