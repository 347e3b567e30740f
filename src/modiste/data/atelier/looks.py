"""The atelier's looks: sets of generated items that stylists with known rules accepted.

How a look comes about, so that its right answer is known:

1. A shape is drawn as real looks have them (`shapes.py`).
2. For each of its slots an item is drawn uniformly from the split's items for that slot; sets that repeat an article type are
   thrown away. Call the distribution of such proposals q(set | shape).
3. A stylist s is drawn with her share, and accepts the set with probability sigmoid(f_s(set)) (`styles.py`), or back to 2.

So P(compatible | set) = sum_s share_s sigmoid(f_s(set)) exactly, and a look of a split is a draw from
share(shape) q(set | shape) P(compatible | set) / Z_shape. `bayes.py` derives from this what the best possible scorer is.
Looks of a split differ (drawing one again is so rare in a world of some size that it does not change the distribution).

Items are divided by product, so colourways stay together, and no item or look is in two splits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from modiste.data.atelier.catalogue import Atelier
from modiste.data.atelier.descriptions import describe
from modiste.data.atelier.design import generator, root_of
from modiste.data.atelier.panel import Panel, sigmoid
from modiste.data.atelier.shapes import SHAPES, Shape
from modiste.data.atelier.styles import GAIN, STYLES
from modiste.data.outfits import Look, OutfitData
from modiste.data.style import traits
from modiste.data.style.colour import Array
from modiste.data.style.scoring import places
from modiste.data.style.wardrobe import slot_of
from modiste.types import Item

SPLITS: Mapping[str, float] = MappingProxyType({"train": 0.7, "valid": 0.1, "test": 0.2})  # of items and of looks
_SPLIT, _LOOKS, _LABELLED, _WORDS = 31, 32, 33, 34  # random streams, beside those of catalogue.py
_BATCH = 8_192  # proposals at a time
_MOST_PROPOSALS = (
    100_000  # per look wanted: one in fifty is accepted of small sets, one in some thousands of large ones
)
_PROPOSALS_OF_EACH = 200  # ... and per set that there can be, in worlds that have few
_TABLE_UP_TO = 4_096  # items of a split whose pair terms are kept: 340 MB at most
_DRAWN = 256  # photos kept: a batch and its neighbours, 20 kB each


class AtelierItems(Mapping[str, Item]):
    """Items by id. With `photos` an item is drawn when it is asked for (20 ms), and the last few are kept."""

    def __init__(self, atelier: Atelier, num_items: int, *, photos: bool = False) -> None:
        self._items = list(atelier.items(num_items, image=False))
        self._place = {item.id: index for index, item in enumerate(self._items)}
        self._drawn = lru_cache(maxsize=_DRAWN)(atelier.item) if photos else None

    def __getitem__(self, item_id: str) -> Item:
        index = self._place[item_id]
        return self._drawn(index) if self._drawn else self._items[index]

    def __iter__(self) -> Iterator[str]:
        return iter(self._place)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, item_id: object) -> bool:
        return item_id in self._place

    @property
    def undrawn(self) -> Sequence[Item]:
        """All items in their order, without photos."""
        return self._items


@dataclass(frozen=True, eq=False)
class AtelierOutfits(OutfitData):
    """The generated data set, and what is known of how it came about."""

    seed: int = 0
    pools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # split -> ids of all its items, in looks or not
    styles: Mapping[str, str] = field(default_factory=dict)  # look id -> the stylist who accepted it

    def undrawn(self, split: str | None = None) -> list[Item]:
        """The items of a split (by default of all) without photos. Raises `ValueError` for an unknown split."""
        everything = self.items.undrawn if isinstance(self.items, AtelierItems) else list(self.items.values())
        if split is None:
            return list(everything)
        wanted = set(self.pools[checked_split(self, split)])
        return [item for item in everything if item.id in wanted]


def checked_split(world: AtelierOutfits, split: str) -> str:
    if split not in world.pools:
        raise ValueError(f"the atelier has no split {split!r}; choose one of {', '.join(world.pools)}")
    return split


class Proposer:
    """Draws sets from q: a shape that these items can fill, an item for each slot, no article type twice."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.panel = Panel(items)
        rows: dict[str, list[int]] = {}
        for row, item in enumerate(items):
            rows.setdefault(slot_of(item), []).append(row)
        self._rows = {slot: np.array(members, dtype=np.int64) for slot, members in rows.items()}
        kinds = {slot: len(set(self.panel.articles[members])) for slot, members in self._rows.items()}
        self.shapes = [s for s in SHAPES if all(kinds.get(slot, 0) >= s.count(slot) for slot in s)]
        if not self.shapes:
            raise ValueError(
                f"{len(items)} items cannot fill any shape of a look: {dict(sorted(kinds.items()))} article types by slot; "
                "make the world larger"
            )
        shares = np.array([SHAPES[shape] for shape in self.shapes])
        self.shares = shares / shares.sum()
        self._table: Array | None = None

    def _pair_table(self) -> Array | None:
        """(S, N, N) terms of all pairs, made once; None for a world whose table would not fit in memory."""
        if self._table is None and len(self.panel) <= _TABLE_UP_TO:
            rows = np.arange(len(self.panel))
            self._table = np.ascontiguousarray(self.panel.pairs(rows, rows).transpose(2, 0, 1))
        return self._table

    def of_shape(self, shape: Shape, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
        """Up to `count` sets (B, O) of one shape; those that repeat an article type are left out."""
        columns = [self._rows[slot][rng.integers(len(self._rows[slot]), size=count)] for slot in shape]
        return self.distinct(np.stack(columns, axis=1))

    def distinct(self, sets: NDArray[np.int64]) -> NDArray[np.int64]:
        """The sets (without -1) that repeat no article type."""
        articles = np.sort(self.panel.articles[sets], axis=1)
        return sets[(articles[:, 1:] != articles[:, :-1]).all(axis=1)]

    def judged(
        self, shape: Shape, count: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
        """Up to `count` sets of a shape (B, O), the stylist asked about each (B,), and whether she accepted it (B,)."""
        sets = self.of_shape(shape, count, rng)
        asked = rng.choice(len(STYLES), size=len(sets), p=self.panel.shares / self.panel.shares.sum())
        if (table := self._pair_table()) is None:
            opinions = self.panel.opinions(sets)[np.arange(len(sets)), asked]
        else:
            first, second = places(len(shape))
            opinions = GAIN * table[asked[:, None], sets[:, first], sets[:, second]].mean(axis=1)
        return sets, asked, rng.random(len(sets)) < sigmoid(opinions)

    def probability(self, sets: NDArray[np.int64]) -> Array:
        """(B, O) without -1 -> (B,): P(compatible | set), from the pair terms where they are kept."""
        if (table := self._pair_table()) is None:
            return self.panel.probability(sets)
        first, second = places(sets.shape[1])
        opinions = GAIN * table[:, sets[:, first], sets[:, second]].mean(axis=2)  # (S, B)
        result: Array = (self.panel.shares / self.panel.shares.sum()) @ sigmoid(opinions)
        return result

    def until(
        self, shape: Shape, wanted: Mapping[bool, int], rng: np.random.Generator
    ) -> dict[bool, list[tuple[tuple[int, ...], int]]]:
        """Different sets of a shape that were accepted (True) and declined (False), as many as wanted of each, and by whom.

        Fewer come back when, after many proposals for each set that there can be, there still are not enough.
        """
        found: dict[bool, dict[tuple[int, ...], int]] = {kind: {} for kind in wanted}
        possible = math.prod(len(self._rows[slot]) for slot in shape)
        most = min(_MOST_PROPOSALS * (20 + max(wanted.values())), _PROPOSALS_OF_EACH * possible)
        proposed = 0
        while missing := [kind for kind, number in wanted.items() if len(found[kind]) < number]:
            if proposed > most:
                break
            sets, asked, accepted = self.judged(shape, _BATCH, rng)
            proposed += _BATCH
            for kind in missing:
                for row in np.flatnonzero(accepted == kind)[: wanted[kind]]:
                    if len(found[kind]) < wanted[kind]:
                        found[kind].setdefault(tuple(sorted(sets[row].tolist())), int(asked[row]))
        return {kind: list(sets.items()) for kind, sets in found.items()}

    def of_all_shapes(
        self, count: int, kinds: Sequence[bool], rng: np.random.Generator
    ) -> list[dict[bool, list[tuple[tuple[int, ...], int]]]]:
        """`count` different sets of each kind, divided among the shapes by their shares: as `until` returns them, by shape.

        What a shape cannot give in a small world the others do; it does not change how one of their sets comes about. Raises
        `ValueError` when no shape has any more to give.
        """
        numbers = rng.multinomial(count, self.shares)
        found = [
            self.until(shape, dict.fromkeys(kinds, int(number)), rng)
            for shape, number in zip(self.shapes, numbers, strict=True)
        ]
        rich = np.ones(len(self.shapes), dtype=bool)
        while True:
            given = np.array([min(map(len, one.values())) for one in found])
            if not (short := count - int(given.sum())):
                break
            rich &= given == numbers
            if not rich.any():
                raise ValueError(
                    f"only {count - short} of {count} looks found among {len(self.panel)} items; ask for more items or "
                    "fewer looks"
                )
            shares = self.shares * rich
            numbers = np.where(rich, numbers, given) + rng.multinomial(short, shares / shares.sum())
            for at in np.flatnonzero(numbers > given):
                found[at] = self.until(self.shapes[at], dict.fromkeys(kinds, int(numbers[at])), rng)
        return [
            {kind: sets[:number] for kind, sets in one.items()}
            for one, number in zip(found, given.tolist(), strict=True)
        ]


def atelier_outfits(
    num_items: int, seed: int = 0, *, num_looks: int | None = None, photos: bool = False
) -> AtelierOutfits:
    """A generated data set of outfits: train, valid and test with no item in common.

    Parameters
    ----------
    num_items
        Items in all: 70 % train, 10 % valid, 20 % test, divided by product.
    seed
        Of the items (`Atelier(seed)`) and of the looks. Equal arguments give equal data, everywhere.
    num_looks
        Looks in all, divided as the items are; by default two for each item.
    photos
        Draw an item's photo when it is looked up in `items`; else items have none.

    Raises
    ------
    ValueError
        If a number is not positive, or the items are too few for so many looks.
    """
    if num_items < 1:
        raise ValueError(f"a world needs at least one item, not {num_items}")
    num_looks = 2 * num_items if num_looks is None else num_looks
    if num_looks < len(SPLITS):
        raise ValueError(f"{len(SPLITS)} splits need at least a look each, not {num_looks} in all")
    items = AtelierItems(Atelier(seed), num_items, photos=photos)
    members = _divide(items.undrawn, seed)
    looks: dict[str, tuple[Look, ...]] = {}
    styles: dict[str, str] = {}
    left = num_looks
    for number, (split, share) in enumerate(SPLITS.items()):
        wanted = left if number == len(SPLITS) - 1 else min(left, max(1, round(share * num_looks)))
        left -= wanted
        looks[split], chosen = _accepted(split, members[split], wanted, generator(seed, number, _LOOKS))
        styles |= chosen
    return AtelierOutfits(
        name="atelier",
        items=items,
        looks=MappingProxyType(looks),
        seed=seed,
        pools=MappingProxyType({split: tuple(item.id for item in pool) for split, pool in members.items()}),
        styles=MappingProxyType(styles),
    )


def _divide(items: Sequence[Item], seed: int) -> dict[str, list[Item]]:
    """Items by split; a product's place depends on the seed and itself alone, so a larger world keeps it."""
    edges = np.cumsum(list(SPLITS.values()))
    members: dict[str, list[Item]] = {split: [] for split in SPLITS}
    for index, item in enumerate(items):
        place = int(np.searchsorted(edges, generator(seed, root_of(seed, index), _SPLIT).random() * edges[-1]))
        members[list(SPLITS)[place]].append(item)
    return members


def _accepted(
    split: str, pool: Sequence[Item], wanted: int, rng: np.random.Generator
) -> tuple[tuple[Look, ...], dict[str, str]]:
    """`wanted` different looks of a split in random order, and who accepted each."""
    try:
        drawn = Proposer(pool).of_all_shapes(wanted, (True,), rng)
    except ValueError as error:
        raise ValueError(f"split {split!r}: {error}") from None
    found = [one for of_shape in drawn for one in of_shape[True]]
    known = [traits(item) for item in pool]
    looks, styles = [], {}
    for number, at in enumerate(rng.permutation(len(found))):
        members, style = found[at]
        look_id = f"{split}-{number:06d}"
        words = describe([known[one] for one in members], rng)
        looks.append(Look(look_id, tuple(pool[one].id for one in members), text=words))
        styles[look_id] = STYLES[style].name
    return tuple(looks), styles


def labelled_looks(world: AtelierOutfits, split: str, num_looks: int, seed: int = 0) -> tuple[Look, ...]:
    """Fresh questions of compatibility: accepted sets (label 1) and as many declined ones of the same shapes (label 0).

    In random order. These are the questions for which `bayes_scorer(world)` has the best possible area under the curve.
    Raises `ValueError` for an unknown split or an odd or too small number.
    """
    if num_looks < 2 or num_looks % 2:
        raise ValueError(f"half of the looks are accepted and half declined: ask for an even number, not {num_looks}")
    pool = world.undrawn(checked_split(world, split))
    proposer, rng = Proposer(pool), generator(world.seed, seed, list(world.pools).index(split), _LABELLED)
    questions: list[tuple[tuple[int, ...], float]] = []
    for found in proposer.of_all_shapes(num_looks // 2, (True, False), rng):
        questions += [(members, float(label)) for label, sets in found.items() for members, _ in sets]
    order = rng.permutation(len(questions))
    return tuple(
        Look(f"{split}-question-{number:06d}", tuple(pool[one].id for one in questions[at][0]), label=questions[at][1])
        for number, at in enumerate(order)
    )
