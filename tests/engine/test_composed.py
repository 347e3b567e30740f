"""Search by a plan, against the slow obvious version: filters first, then the sum of what holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modiste.engine.catalogue import Catalogue
from modiste.engine.composed import Weights, composed_search, judged
from modiste.engine.modification import Known, Reference, modification
from modiste.engine.vocabulary import knowledge_of
from modiste.types import Embeddings, EncoderId, Item

ENCODER = EncoderId("fake", "0" * 64, 8)
COLOURS, PATTERNS, KINDS = ("red", "blue", "green"), ("solid", "stripes", "polka dots"), ("dress", "shirt", "boots")


def rows() -> list[Item]:
    rng = np.random.default_rng(0)
    found = []
    for number in range(120):
        attributes: dict[str, str | float] = {"colour": COLOURS[number % 3], "price": float(number)}
        if number % 4:  # a quarter has no pattern in its columns
            attributes["pattern"] = PATTERNS[int(rng.integers(3))]
        title = f"Striped thing {number}" if number % 8 == 0 else f"thing {number}"
        found.append(
            Item(f"i-{number:03d}", title, category=KINDS[number % 2], attributes=attributes, group=f"g-{number // 2}")
        )
    return found


class Fake:
    """Unit vectors drawn from the id, and of a phrase from its letters."""

    id = ENCODER

    def encode(self, items: list[Item]) -> Embeddings:
        return Embeddings(np.stack([self.vector(item.id) for item in items]), ENCODER)

    def vector(self, text: str) -> np.ndarray:
        found = np.random.default_rng([ord(letter) for letter in text]).normal(size=8).astype(np.float32)
        return found / np.linalg.norm(found)

    def hear(self, phrases: Any) -> np.ndarray:
        return np.stack([self.vector(one) for one in phrases])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    made = Catalogue.create(tmp_path_factory.mktemp("plan") / "shop", ENCODER)
    made.ingest(rows(), Fake())  # type: ignore[arg-type]
    return made


REFERENCE = Reference(
    "i-001", {"category": Known("shirt"), "colour": Known("blue"), "pattern": Known("stripes", 0.8)}, price=60.0
)


@pytest.mark.parametrize(
    "text", ["in red, without stripes", "cheaper, without dots", "no frills", "the same colour, not a boot"]
)
def test_the_order_is_that_of_the_slow_version(store: Catalogue, text: str) -> None:
    fake, weights = Fake(), Weights()
    snapshot = store.snapshot()
    plan = modification(text, knowledge_of(snapshot).vocabulary, REFERENCE)
    query = Embeddings(fake.vector(text)[None], ENCODER)
    found = composed_search(store, query, plan, fake.hear, k=200, exclude=["i-001"])

    def said(item: Item, attribute: str) -> str:
        own = str(item.attributes.get(attribute, "")) if attribute != "category" else item.category
        return own or ("stripes" if attribute == "pattern" and "Striped" in item.title else "")

    items = [item for item in rows() if item.id != "i-001"]
    if plan.price is not None:
        items = [item for item in items if float(item.attributes["price"]) < 60]
    for one in plan.excluded:
        items = [
            item for item in items if not one.meanings or said(item, one.meanings[0].attribute) != one.meanings[0].value
        ]
    assert sorted(found.ids) == sorted(item.id for item in items)
    assert found.total_candidates == len(items)

    vectors = np.stack([fake.vector(item.id) for item in items]).astype(np.float64)

    def z(vector: np.ndarray) -> np.ndarray:
        cosines = vectors @ vector
        result: np.ndarray = (cosines - cosines.mean()) / cosines.std()
        return result

    def likely(phrase: str) -> np.ndarray:
        result: np.ndarray = 1 / (1 + np.exp(-weights.slope * (z(fake.vector(phrase)) - weights.shift)))
        return result

    scores = z(query.vectors[0])
    for change in plan.changes:
        truth = [said(item, change.attribute) in change.values for item in items]
        scores += weights.change * np.array(truth)
    for one in plan.excluded:
        unknown = np.array([not one.meanings or not said(item, one.meanings[0].attribute) for item in items])
        scores -= weights.excluded * np.where(unknown, likely(one.name), 0)
    total = sum(one.known.confidence for one in plan.kept if not one.asked and one.attribute != "category")
    for kept in plan.kept:
        own = [said(item, kept.attribute) for item in items]
        truth_of = np.array([0.5 if not one else float(one == kept.known.value) for one in own])
        weight = weights.change if kept.asked else weights.kept / max(total, 1e-9)
        scores += truth_of * kept.known.confidence * (weights.category if kept.attribute == "category" else weight)
    place = {item.id: at for at, item in enumerate(items)}
    assert np.diff([scores[place[one]] for one in found.ids]).max() < 1e-4  # never rises


def test_what_is_excluded_never_comes_and_what_is_asked_for_comes_first(store: Catalogue) -> None:
    fake = Fake()
    plan = modification("red, not stripes", knowledge_of(store.snapshot()).vocabulary, REFERENCE)
    found = composed_search(store, Embeddings(fake.vector("x")[None], ENCODER), plan, fake.hear, k=10)
    assert all(item.attributes["colour"] == "red" for item in (hit.item for hit in found))
    assert all(item.attributes.get("pattern") != "stripes" for item in (hit.item for hit in found))
    assert all("Striped" not in hit.item.title or "pattern" in hit.item.attributes for hit in found)


def test_products_filters_pictures_and_an_empty_answer(store: Catalogue) -> None:
    fake = Fake()
    query = Embeddings(fake.vector("x")[None], ENCODER)
    plan = modification("without stripes", knowledge_of(store.snapshot()).vocabulary)
    found = composed_search(store, query, plan, fake.hear, k=50, filters=["price<40"], collapse="group", images=True)
    groups = [hit.item.group for hit in found]
    assert len(groups) == len(set(groups)) <= 20
    assert all(float(hit.item.attributes["price"]) < 40 for hit in found)
    nothing = composed_search(store, query, plan, fake.hear, k=5, filters=["price<0"])
    assert (nothing.hits, nothing.total_candidates) == ((), 0)
    with pytest.raises(ValueError, match="one query"):
        composed_search(store, query, plan, fake.hear, k=0)


def test_in_a_large_catalogue_the_nearest_are_judged(store: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    fake, snapshot = Fake(), store.snapshot()
    knowledge = knowledge_of(snapshot)
    plan = modification("without stripes", knowledge.vocabulary)
    monkeypatch.setattr("modiste.engine.composed.POOL", 7)
    mask = np.ones(len(snapshot), dtype=bool)
    few, _, cosines = judged(
        snapshot.vectors, knowledge, fake.vector("x"), plan, fake.hear, mask,
        nearest=lambda left: snapshot.index.search(fake.vector("x")[None], 7, left)[0][0],
    )  # fmt: skip
    everyone = (snapshot.vectors @ fake.vector("x"))[mask]
    assert len(few) == 7
    assert sorted(cosines, reverse=True) == pytest.approx(sorted(everyone, reverse=True)[:7])


def test_a_catalogue_that_a_plan_does_not_fit(store: Catalogue, tmp_path: Path) -> None:
    other = Catalogue.create(tmp_path / "other", EncoderId("other", "1" * 64, 8))
    plan = modification("without stripes", knowledge_of(store.snapshot()).vocabulary)
    with pytest.raises(ValueError, match="other"):
        composed_search(other, Embeddings(Fake().vector("x")[None], ENCODER), plan, Fake().hear)
