"""Items in the order of their ids, ready to be combined: vectors, columns for rules and filters, and the scorer's pool.

A catalogue's snapshot becomes one world, made once and kept: its vectors and columns are used as they are, no item is encoded
again and no picture is read. An outfit with things that are not in the catalogue gets a small world of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from typing import overload

import numpy as np
from numpy.typing import NDArray

from modiste.engine.changes import Heads, rows_of
from modiste.engine.constraints import Constraints, Rows, columns_of, compile_rules, kind_mask
from modiste.engine.filters import BoolArray, Column, TextColumn
from modiste.engine.index import products_with
from modiste.engine.rules import Rule
from modiste.engine.snapshot import Snapshot
from modiste.taxonomy import normalise, set_apart
from modiste.types import FloatArray, Item, JoinablePool, OutfitPool, OutfitScorer

_KEPT = 16  # compiled rules and masks of kinds remembered
_EXACT_TOP = 2_048  # rows whose similarity is summed in the order that search sums in


class SnapshotItems(Sequence[Item]):
    """The items of a snapshot, made when they are looked at."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def __len__(self) -> int:
        return len(self._snapshot)

    @overload
    def __getitem__(self, row: int) -> Item: ...
    @overload
    def __getitem__(self, row: slice) -> Sequence[Item]: ...
    def __getitem__(self, row: int | slice) -> Item | Sequence[Item]:
        if isinstance(row, slice):
            return [self._snapshot.item(one) for one in range(*row.indices(len(self)))]
        if not -len(self) <= row < len(self):
            raise IndexError(row)
        return self._snapshot.item(row % len(self))

    def __iter__(self) -> Iterator[Item]:
        return (self._snapshot.item(row) for row in range(len(self)))


class World:
    """N items: `items`, `vectors` (N, D), `columns`, and what the scorer made of them (`pool`, at first use).

    `heads` tells a catalogue's rows apart; `earlier` is a pool of the same scorer with the heads of its rows, of which what is
    still there is taken over.
    """

    def __init__(
        self,
        items: Sequence[Item],
        vectors: FloatArray,
        columns: Mapping[str, Column],
        scorer: OutfitScorer,
        heads: Heads | None = None,
        earlier: tuple[JoinablePool, Heads] | None = None,
    ) -> None:
        self.items, self.vectors, self.columns, self.scorer = items, vectors, columns, scorer
        self._heads, self._earlier = heads, earlier
        self._compiled: dict[tuple[Rule, ...], Constraints] = {}
        self._kinds: dict[str, BoolArray] = {}

    @classmethod
    def of_snapshot(cls, snapshot: Snapshot, scorer: OutfitScorer, before: World | None = None) -> World:
        """`before`: the world of an earlier version, whose pool is used for the rows that are in this one, too."""
        earlier = before._kept if before is not None and before.scorer is scorer else None
        return cls(SnapshotItems(snapshot), snapshot.vectors, snapshot.columns, scorer, snapshot.heads, earlier)

    @classmethod
    def of_items(cls, items: Sequence[Item], vectors: FloatArray, scorer: OutfitScorer) -> World:
        """`vectors` (N, D) belong to `items`, which must be in the order of their ids."""
        return cls(items, vectors, columns_of(items), scorer)

    def __len__(self) -> int:
        return len(self.vectors)

    @cached_property
    def pool(self) -> OutfitPool:
        earlier, self._earlier = self._earlier, None  # which held an earlier version in memory
        if earlier is None or self._heads is None:
            return self.scorer.pool(self.items, self.vectors)
        pool, heads = earlier
        rows = rows_of(self._heads, heads)
        fresh = np.flatnonzero(rows < 0)
        rows[fresh] = len(heads) + np.arange(len(fresh))
        made = (
            self.scorer.pool([self.items[row] for row in fresh.tolist()], self.vectors[fresh]) if len(fresh) else None
        )
        return pool.joined(made, rows)

    @property
    def _kept(self) -> tuple[JoinablePool, Heads] | None:
        """What the next version may take over: this one's pool, or where none was asked for, what this one would have."""
        made = self.__dict__.get("pool")
        if made is None:
            return self._earlier
        return (made, self._heads) if self._heads is not None and isinstance(made, JoinablePool) else None

    @cached_property
    def centre(self) -> FloatArray:
        """(D,) the mean vector: what all items have in common, and two looks are not alike for."""
        return np.asarray(self.vectors.mean(axis=0, dtype=np.float64), dtype=np.float32)

    def constraints(self, rules: Sequence[Rule]) -> Constraints:
        """The rules compiled for these items; remembered for some sets of rules."""
        key = tuple(rules)
        found = self._compiled.get(key)
        if found is None:
            found = compile_rules(key, self.columns, len(self))
            if len(self._compiled) >= _KEPT:
                self._compiled.clear()
            self._compiled[key] = found
        return found

    def kind(self, label: str) -> BoolArray:
        """(N,) the items of a kind: a category, super-category or slot."""
        found = self._kinds.get(label)
        if found is None:
            found = kind_mask(label, self.columns)
            if len(self._kinds) >= 4 * _KEPT:
                self._kinds.clear()
            self._kinds[label] = found
        return found

    @cached_property
    def set_apart(self) -> BoolArray:
        """(N,) swimwear, nightwear, underwear, wallets and the like, which answer only when they are meant."""
        return self._of_categories(lambda one: bool(set_apart(one)))

    def apart_but_meant(self, names: Set[str]) -> BoolArray:
        """(N,) those of them whose category, or the word that makes it such, is among these names (normalised)."""
        return self._of_categories(
            lambda one: not (set_apart(one) and {normalise(one), *set_apart(one)}).isdisjoint(names)
        )

    def _of_categories(self, chosen: Callable[[str], bool]) -> BoolArray:
        category = self.columns["category"]
        assert isinstance(category, TextColumn)
        found: BoolArray = np.array([chosen(one) for one in (*category.vocabulary, "")], dtype=bool)[category.codes]
        return found

    def similarities(self, query: FloatArray, rows: Rows) -> NDArray[np.float64]:
        """(D,) -> (n,) inner products with some rows, as float32 holds them.

        The best of them are summed in the order in which search sums them, so that both rank alike to the last bit.
        """
        if len(rows) > len(self) // 4:
            found = (self.vectors @ query)[rows]
        else:
            found = products_with(query[None].astype(np.float32), self.vectors, rows)[0]
        best = np.arange(len(found))
        if len(found) > _EXACT_TOP:
            best = np.argpartition(-found, _EXACT_TOP)[:_EXACT_TOP]
        found[best] = (self.vectors[rows[best]] * query.astype(np.float64)).sum(axis=1)
        return found.astype(np.float64)

    def rows(self, mask: BoolArray) -> Rows:
        return np.flatnonzero(mask).astype(np.int64)
