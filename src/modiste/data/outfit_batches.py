"""From looks to training batches: one item is taken out, others that might stand in its place are drawn, looks are broken.

A negative is an item of the same kind as the one it replaces, so that a model cannot win by kinds alone; of the same shoot
where items say so, since a photo's background tells the year; and optionally one as popular as real ones are, so that it
cannot win by popularity either. Only items of the split's own looks are drawn: an item that no training look has would be
learned as a wrong answer.

Everything drawn for a look is a function of (seed, epoch, number of the look), whatever the batch around it.
Shapes as in `OutfitBatch`: B looks, P items at hand, O places, C = 1 + N candidates, V sets, K kinds of tags.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from modiste.data.batches import OutfitBatch
from modiste.data.outfit_features import ItemFeatures
from modiste.data.outfits import OutfitData
from modiste.taxonomy import normalise, super_category
from modiste.types import FloatArray, Item, as_sets

Rows = NDArray[np.int64]


def kind(item: Item) -> str:
    """What an item may be exchanged for: the same family (else category) of the same shoot year."""
    family = item.attributes.get("family")
    return f"{normalise(str(family or item.category))} {item.attributes.get('shoot_year', '')}".strip()


def coarse_kind(item: Item) -> str:
    """The same at the granularity of super-categories: tops, shoes, bags."""
    family = item.attributes.get("family")
    found = super_category(item.category)
    if found == "other" and family:
        found = super_category(str(family))
    return f"{found} {item.attributes.get('shoot_year', '')}".strip()


@dataclass(frozen=True, eq=False)
class OutfitExamples:
    """The looks of one split as examples; `collate` makes a batch of them."""

    data: OutfitData
    features: ItemFeatures  # of `data.items`, in their order
    kind_texts: FloatArray  # (N, Dt): what is said of each item when only its kind is wanted
    split: str = "train"
    num_negatives: int = 10  # N, as in the paper
    num_broken: int = 1  # V: copies of the look with several items exchanged
    coarse_broken: float = (
        0.0  # share of the copies whose items are exchanged for any of their coarse kind, all of them
    )
    max_items: int = 10  # O + 1: larger looks lose random items
    popular_share: float = 0.5  # negatives drawn as often as looks have them; the rest uniformly
    wish_share: float = 0.0  # looks whose wanted item is described by its own text, as a shopper's wish would
    silent_share: float = 0.1  # looks of which nothing is said about the item wanted
    category_tag: int | None = None  # column of `features.tags` that the wish may show, as it is no secret
    seed: int = 0
    _items: tuple[Item, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        items = tuple(self.data.items.values())
        if len(self.features) != len(items) or len(self.kind_texts) != len(items):
            raise ValueError(
                f"{len(items)} items, but features of {len(self.features)} and texts of {len(self.kind_texts)}"
            )
        if self.max_items < 2:
            raise ValueError(f"max_items must be at least 2, not {self.max_items}")
        object.__setattr__(self, "_items", items)
        if not self.looks:
            raise ValueError(f"{self.data.name}: no look of at least two items in split {self.split!r}")

    def __len__(self) -> int:
        return len(self.looks)

    @cached_property
    def looks(self) -> tuple[Rows, ...]:
        """Item rows of each look that is compatible and has at least two different items."""
        place = {one: row for row, one in enumerate(self.data.items)}
        rows = (
            np.unique(np.array([place[one] for one in look.item_ids], dtype=np.int64))
            for look in self.data.looks.get(self.split, ())
            if look.label is None or look.label > 0.5
        )
        return tuple(one for one in rows if len(one) > 1)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(N,): in how many of the looks each item is."""
        return np.bincount(np.concatenate(self.looks), minlength=len(self._items)).astype(np.int64)

    def collate(self, indices: Rows, epoch: int, fine_share: float = 1.0) -> OutfitBatch:
        """The batch of these looks. `fine_share`: of the negatives, those of the fine kind; the rest are of the coarse."""
        drawn = [self._draw(int(number), epoch, fine_share) for number in indices]
        rows = as_sets([one.rows for one in drawn])  # (B, P) rows of items, -1 none
        at = rows.clip(min=0)
        there = rows >= 0
        features = self.features
        taken = np.array([one.rows[one.candidates[0]] for one in drawn])
        own = np.array([one.says == "wish" for one in drawn])
        silent = np.array([one.says == "nothing" for one in drawn])
        wanted = np.where(
            own[:, None] & features.has_text[taken][:, None], features.texts[taken], self.kind_texts[taken]
        )
        tags = np.zeros_like(features.tags[taken])
        if self.category_tag is not None:
            tags[:, self.category_tag] = np.where(silent, 0, features.tags[taken, self.category_tag])
        return OutfitBatch(
            images=torch.from_numpy(features.images[at]),
            has_image=torch.from_numpy(features.has_image[at] & there),
            texts=torch.from_numpy(features.texts[at]),
            has_text=torch.from_numpy(features.has_text[at] & there),
            tags=torch.from_numpy(np.where(there[:, :, None], features.tags[at], 0)),
            partial=torch.from_numpy(as_sets([one.partial for one in drawn], self.max_items - 1)),
            candidates=torch.from_numpy(as_sets([one.candidates for one in drawn], 1 + self.num_negatives)),
            wanted_text=torch.from_numpy(wanted.astype(np.float32)),
            has_wanted_text=torch.from_numpy(~silent),
            wanted_tags=torch.from_numpy(tags),
            sets=torch.from_numpy(np.stack([as_sets(one.broken, self.max_items) for one in drawn])),
            labels=torch.zeros(len(drawn), self.num_broken, dtype=torch.bool),
        )

    def _draw(self, number: int, epoch: int, fine_share: float) -> _Drawn:
        random = np.random.default_rng([self.seed, epoch, number])
        look = random.permutation(self.looks[number])[: self.max_items]
        taken, rest = look[0], look[1:]
        negatives = self._negatives(taken, look, self.num_negatives, random, fine_share)
        rows = [*look, *negatives]
        broken = []
        for _ in range(self.num_broken):
            # 1..all items are exchanged, each for one of its own kind; or all of them, for any top, any shoes and so on.
            coarse = bool(self.coarse_broken) and random.random() < self.coarse_broken
            exchanged = random.permutation(len(look))[: len(look) if coarse else random.integers(1, len(look) + 1)]
            places = list(range(len(look)))
            changed = False
            for place in exchanged:
                in_use = np.array([rows[one] for one in places] + list(look))
                for new in self._negatives(look[place], in_use, 1, random, 0.0 if coarse else 1.0):
                    places[place] = len(rows)
                    rows.append(new)
                    changed = True
            broken.append(np.array(places if changed else [], dtype=np.int64))
        chance = random.random()
        says = "wish" if chance < self.wish_share else "nothing" if chance > 1 - self.silent_share else "kind"
        return _Drawn(
            rows=np.array(rows, dtype=np.int64),
            partial=np.arange(1, 1 + len(rest)),
            candidates=np.array([0, *range(len(look), len(look) + len(negatives))], dtype=np.int64),
            broken=broken,
            says=says,
        )

    def _negatives(
        self, row: int, in_use: Rows, count: int, random: np.random.Generator, fine_share: float
    ) -> list[int]:
        """Up to `count` different items that might stand in for `row`, none of them `in_use`."""
        found: list[int] = []
        taken = set(in_use.tolist())
        fine = random.random(count) < fine_share
        popular = random.random(count) < self.popular_share
        for one, common in zip(fine, popular, strict=True):
            pool, weights = (self._fine if one else self._coarse)[row]
            if len(pool) <= len(taken) and not set(pool.tolist()) - taken:
                continue
            for _ in range(20):  # all but a few draws succeed at once
                at = weights.searchsorted(random.random(), "right") if common else random.integers(len(pool))
                new = int(pool[min(int(at), len(pool) - 1)])
                if new not in taken:
                    taken.add(new)
                    found.append(new)
                    break
        return found

    @cached_property
    def _fine(self) -> Sequence[tuple[Rows, FloatArray]]:
        return self._pools([kind(item) for item in self._items])

    @cached_property
    def _coarse(self) -> Sequence[tuple[Rows, FloatArray]]:
        return self._pools([coarse_kind(item) for item in self._items])

    def _pools(self, kinds: Sequence[str]) -> list[tuple[Rows, FloatArray]]:
        """For each item the seen ones of its kind, and the cumulative share of each among the looks."""
        members: dict[str, list[int]] = defaultdict(list)
        for row in np.flatnonzero(self.counts).tolist():
            members[kinds[row]].append(row)
        pools = {}
        for name in Counter(kinds):
            rows = np.array(members[name], dtype=np.int64)
            share = self.counts[rows].cumsum() / max(1, self.counts[rows].sum())
            pools[name] = (rows, share)
        return [pools[name] for name in kinds]


@dataclass(frozen=True, eq=False)
class _Drawn:
    """One example: rows of the items at hand, and positions among them."""

    rows: Rows  # (P,)
    partial: Rows  # (O,)
    candidates: Rows  # (1 + N,)
    broken: list[Rows]  # V sets
    says: str  # of the item wanted: "wish", "kind" or "nothing"
