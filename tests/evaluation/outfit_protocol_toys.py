"""A small world of outfits for the protocols' tests, and scorers whose right numbers are known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from modiste.data.outfits import Look, OutfitData
from modiste.types import FloatArray, Item, OutfitScorer, Slot

FAMILIES = ("Tops", "Trousers", "Shoes", "Bags")
COLOURS = ("red", "green", "blue")


def toy_data(num_test: int = 60, seed: int = 0) -> OutfitData:
    """Four families of two shoot years with 24 items each, two colourways a product; the last six products never in training.

    Test looks 0 and 1, 2 and 3... up to 19 are near-identical: they share a group.
    """
    random = np.random.default_rng(seed)
    items = {}
    shelves: dict[tuple[str, int], list[str]] = {}
    for family in FAMILIES:
        for year in (2019, 2023):
            for number in range(24):
                item_id = f"{random.integers(10**6):06d}-{family}-{year}-{number:02d}"
                attributes = {"family": family, "shoot_year": year, "colour": COLOURS[number % 3]}
                group = f"{family}-{year}-{number // 2}"
                fine = f"{family} kind {number % 2}"
                items[item_id] = Item(item_id, f"{family} {number}", category=fine, attributes=attributes, group=group)
                shelves.setdefault((family, year), []).append(item_id)

    def looks(split: str, count: int, share: int) -> tuple[Look, ...]:
        found = []
        for number in range(count):
            year = (2019, 2023)[number % 2]
            size = int(random.integers(2, 5))
            kinds = random.choice(len(FAMILIES), size, replace=False)
            # The square makes small numbers popular.
            ids = [shelves[FAMILIES[kind], year][int(share * random.random() ** 2)] for kind in kinds]
            found.append(
                Look(f"{split}{number:03d}", tuple(ids), group=f"{split}-{number // 2}" if number < 20 else "")
            )
        return tuple(found)

    return OutfitData("toys", items, {"train": looks("train", 120, 12), "test": looks("test", num_test, 24)})


class ByIds(OutfitScorer):
    """A scorer that is a function of the ids of a set."""

    def __init__(self, score: object) -> None:
        self._score = score

    def pool(self, items: Sequence[Item], vectors: FloatArray | None = None) -> ByIdsPool:
        return ByIdsPool([item.id for item in items], self._score)


class ByIdsPool:
    def __init__(self, ids: list[str], score: object) -> None:
        self._ids, self._score = ids, score

    def score(self, sets: np.ndarray) -> FloatArray:
        return np.array([self._score(frozenset(self._ids[at] for at in row if at >= 0)) for row in sets], np.float32)


def knows(data: OutfitData) -> ByIds:
    """The perfect scorer: has seen every look."""
    looks = {frozenset(look.item_ids) for some in data.looks.values() for look in some}
    return ByIds(lambda ids: 1.0 if ids in looks else 0.1)


def coarse(ids: Iterable[str]) -> float:
    """An arbitrary opinion of five steps, so that it ties often."""
    import hashlib

    return (hashlib.sha256("|".join(sorted(ids)).encode()).digest()[0] % 5 + 1) / 8


class Proposer(OutfitScorer):
    """Answers by CIR with vectors made from ids; keeps what it was asked."""

    def __init__(self, data: OutfitData, *, constant: bool = False) -> None:
        self.asked: list[tuple[tuple[str, ...], Slot]] = []
        self._wanted: dict[frozenset[str], set[str]] = {}
        self._constant = constant
        for look in data.looks["test"]:
            for one in look.item_ids:
                self._wanted.setdefault(frozenset(look.item_ids) - {one}, set()).add(one)

    def pool(self, items: Sequence[Item], vectors: FloatArray | None = None) -> ProposerPool:
        return ProposerPool(self, [item.id for item in items])


class ProposerPool:
    """Item i is the i-th axis; the query of a partial look points to what the looks have beside it."""

    def __init__(self, of: Proposer, ids: list[str]) -> None:
        self._of, self._ids = of, ids
        self.candidates = np.eye(len(ids), dtype=np.float32)

    def score(self, sets: np.ndarray) -> FloatArray:
        return np.full(len(sets), 0.5, np.float32)

    def queries(self, sets: np.ndarray, slots: Sequence[Slot]) -> FloatArray:
        found = np.ones((len(sets), len(self._ids)), np.float32)
        for row, (places, slot) in enumerate(zip(sets, slots, strict=True)):
            partial = tuple(self._ids[at] for at in places if at >= 0)
            self._of.asked.append((partial, slot))
            if not self._of._constant:
                wanted = self._of._wanted[frozenset(partial)]
                found[row] = [one in wanted for one in self._ids]
        return found
