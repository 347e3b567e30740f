"""The questions of the outfit protocols: drawn from looks, or a data set's own. `outfits.py` says what they measure.

Drawing. Every choice is a lottery of hashes: the item (or look) with the smallest hash of (seed, kind of question, look,
item) wins. A question therefore depends on its seed, its look and who may be a candidate, and neither on the order of looks
and items nor on other questions; looks added to the data change none, an item added changes only those that it wins.

Who may be a candidate. Items of the *universe*: all items of the data set; or, where fewer than half of the items in the
split's looks are in a training look (splits with items of their own), the items of the split's looks. Otherwise having been
trained on would tell the wrong candidates apart.
    Pool: of these, items with the family (`outfit_statistics.family_of`) and `attributes["shoot_year"]` of the item that
    they stand in for; the year because the background of a photo tells it.
    De-duplication: never an item of the look, nor of a look of the same `Look.group`: near-identical looks, whose items would
    be as right; nor one with which the partial look is exactly another look of the data, of any split; nor another colourway
    (`Item.product`) of any of those. No two of the four candidates are of one product; a gallery holds all colourways.
    What else goes with the partial look counts as wrong, as nobody wrote it down.

Kinds of negatives.
    same_family   drawn from the pool
    popularity    drawn from the pool, matched in the number of training looks: the right item and the wrong ones are
                  neighbours in the pool ordered by popularity, and the right one's place among them is drawn, so that being
                  the most popular of them tells nothing (but at the ends of a pool, where a neighbour is on one side only)
    unseen        the right item is in no training look, and neither are the wrong ones
    random        drawn from the universe: easy, as category and shoot year give it away
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from modiste.data.outfits import CpQuestion, FitbQuestion, Look, OutfitData
from modiste.models.outfit_statistics import family_of, training_looks
from modiste.types import Item

Negatives = Literal["same_family", "popularity", "unseen", "random"]
Indices = NDArray[np.int64]

NUM_WRONG = 3  # a blank has four candidates
CSA_GALLERY = 3000  # candidates of a category in CSA-Net's protocol

_FEW = 60  # of the smallest lots, enough to find those of the look's kin among them


@dataclass(frozen=True, slots=True)
class Judgement:
    """Is this a look?"""

    item_ids: tuple[str, ...]  # sorted: their order says nothing
    right: bool
    group: str  # questions of one group are not independent


@dataclass(frozen=True, slots=True)
class Choice:
    """Which candidate completes the partial look: a blank of four, or a gallery of thousands."""

    partial: tuple[str, ...]  # sorted
    candidates: tuple[str, ...]  # sorted and different; a gallery's questions may share one tuple
    correct: str
    group: str
    barred: frozenset[str] = frozenset()  # candidates that are passed over
    field: str = ""  # the category, where the mean is taken over categories first

    @property
    def open_candidates(self) -> tuple[str, ...]:
        """The candidates without those that are barred."""
        return tuple(one for one in self.candidates if one not in self.barred) if self.barred else self.candidates


@dataclass(frozen=True, slots=True)
class Judgements:
    """The questions of one compatibility protocol."""

    questions: tuple[Judgement, ...]
    negatives: str  # how the wrong ones came about, in a word
    left_out: int = 0  # looks or lines that could not be asked


@dataclass(frozen=True, slots=True)
class Choices:
    """The questions of one protocol of filling a blank, or of complementary retrieval."""

    questions: tuple[Choice, ...]
    negatives: str
    left_out: int = 0


class QuestionDraw:
    """Draws the questions of one split.

    Parameters
    ----------
    data
        Its training looks tell popularity and what was seen.
    split
        Whose looks are asked about; those with a label of 0 and those with fewer than two items are passed over.
    num_looks
        Only so many looks, drawn by the seed; 0 for all.

    Raises
    ------
    ValueError
        For a split that is not there or has no look to ask about, looks that share an id, a look with an item that is not
        there, or numbers out of range.
    """

    def __init__(self, data: OutfitData, split: str, *, seed: int = 0, num_looks: int = 0) -> None:
        if seed < 0:
            raise ValueError(f"the seed must not be negative, not {seed}")
        if split not in data.looks:
            raise ValueError(f"{data.name}: no looks in split {split!r}; there is {', '.join(data.looks) or 'none'}")
        self.data = data
        self._items = data.bare  # photos are not needed to ask
        self.split = split
        self.seed = seed
        looks = [look for look in data.looks[split] if look.label is None or look.label >= 0.5]
        for look_id, count in Counter(look.id for look in looks).items():
            if count > 1:
                raise ValueError(f"{data.name}: {count} looks of {split} have the id {look_id!r}; ids must be unique")
        for look in looks:
            if missing := [one for one in look.item_ids if one not in self._items]:
                raise ValueError(f"{data.name}: look {look.id!r} has item {missing[0]!r}, which is not there")
        asked = [look for look in looks if len(set(look.item_ids)) > 1]
        self.too_short = len(looks) - len(asked)
        if not asked:
            raise ValueError(f"{data.name}: no look of two or more items in split {split!r}")
        if not 0 <= num_looks <= len(asked):
            raise ValueError(
                f"num_looks must lie between 1 and the {len(asked)} looks, or be 0 for all, not {num_looks}"
            )
        asked.sort(key=lambda look: look.id)
        if num_looks:
            order = np.argsort(self._lots("looks", hashes_of([look.id for look in asked])), kind="stable")
            asked = [asked[at] for at in sorted(order[:num_looks])]
        self.looks = tuple(asked)
        counted = training_looks(data) if data.looks.get("train") else []
        self.popularity = Counter(one for look in counted for one in set(look.item_ids))
        own = {one for look in looks for one in look.item_ids}
        self.from_split = sum(one in self.popularity for one in own) < len(own) / 2
        may = [self._items[one] for one in (own if self.from_split else self._items)]
        self._universe = _Universe(may, self.popularity)
        kin: dict[str, set[str]] = defaultdict(set)
        for one_split in data.looks.values():
            for look in one_split:
                if look.group and (look.label is None or look.label >= 0.5):
                    kin[look.group].update(look.item_ids)
        self._kin = kin
        self._looks = {
            frozenset(look.item_ids)
            for one_split in data.looks.values()
            for look in one_split
            if look.label is None or look.label >= 0.5
        }
        self._beside: dict[frozenset[str], set[str]] = defaultdict(set)  # partial look -> what completes it to a look
        for whole in self._looks:
            for left in whole:
                self._beside[whole - {left}].add(left)

    @property
    def universe(self) -> str:
        """In words, for reports."""
        return "items of the split's looks" if self.from_split else "all items"

    def compatibility(self, negatives: Negatives) -> Judgements:
        """Each look, and beside it a look in which every item is replaced; looks with an item that has no stand-in are left
        out."""
        questions, left_out = [], self.too_short
        for look in self.looks:
            right = tuple(sorted(set(look.item_ids)))
            barred = self._barred(look)
            wrong: list[str] = []
            for one in right:
                found = self._stand_ins(f"cp_{negatives}", look, one, negatives, 1, barred)
                if not found:
                    break
                wrong += found
                barred = barred | {self._items[found[0]].product}
            if len(wrong) < len(right) or frozenset(wrong) in self._looks:
                left_out += 1
                continue
            group = _group(look)
            questions += [Judgement(right, True, group), Judgement(tuple(sorted(wrong)), False, group)]
        return Judgements(tuple(questions), negatives, left_out)

    def blanks(self, negatives: Negatives, per_look: int = 1) -> Choices:
        """`per_look` items of each look, drawn, are to be found again among four; 0: every item that has three stand-ins.

        A look none of whose items has is left out (of `unseen`: one without an unseen item).
        """
        if per_look < 0:
            raise ValueError(f"per_look must be at least 1, or 0 for every item, not {per_look}")
        kind = f"fitb_{negatives}"
        questions, left_out = [], self.too_short
        for look in self.looks:
            found = 0
            for one in self._positions(kind, look):
                if negatives == "unseen" and one in self.popularity:
                    continue
                wrong = self._stand_ins(kind, look, one, negatives, NUM_WRONG, self._barred(look, one))
                if len(wrong) < NUM_WRONG:
                    continue
                partial = tuple(sorted(set(look.item_ids) - {one}))
                questions.append(Choice(partial, tuple(sorted([one, *wrong])), one, _group(look)))
                found += 1
                if found == per_look:
                    break
            left_out += not found
        return Choices(tuple(questions), negatives, left_out)

    def galleries(self) -> Choices:
        """One item of each look, drawn, is to be found among the whole pool; looks whose items all lack one are left out."""
        questions, left_out = [], self.too_short
        for look in self.looks:
            for one in self._positions("cir", look):
                pool = self._universe.pool(self._items[one])
                others = self._universe.ids_of(pool, self._barred(look, one))
                if others:
                    partial = tuple(sorted(set(look.item_ids) - {one}))
                    questions.append(Choice(partial, tuple(sorted([one, *others])), one, _group(look)))
                    break
            else:
                left_out += 1
        return Choices(tuple(questions), "same_family", left_out)

    def csa_galleries(self, size: int = CSA_GALLERY) -> Choices:
        """CSA-Net's galleries: `size` items of each category that has as many, the split's own first, then training items.

        One item of such a category is taken from each look; one that missed its gallery (a category with more items of the
        split than `size`) is not asked about. Items of the look itself are passed over.
        """
        own = {one for look in self.data.looks[self.split] for one in look.item_ids}
        by_category: dict[str, list[str]] = defaultdict(list)
        for one in sorted(own | set(self.popularity)):
            by_category[self._items[one].category].append(one)
        galleries: dict[str, tuple[str, ...]] = {}
        for category, ids in by_category.items():
            if category and len(ids) >= size:
                lots = self._lots(f"csa\0{category}", hashes_of(ids))
                order = sorted(range(len(ids)), key=lambda at: (ids[at] not in own, lots[at]))
                galleries[category] = tuple(sorted(ids[at] for at in order[:size]))
        members = {category: frozenset(gallery) for category, gallery in galleries.items()}
        questions, left_out = [], self.too_short
        for look in self.looks:
            for one in self._positions("csa", look):
                category = self._items[one].category
                if one in members.get(category, ()):
                    barred = frozenset(self._kin_ids(look, one)) - {one}
                    partial = tuple(sorted(set(look.item_ids) - {one}))
                    questions.append(Choice(partial, galleries[category], one, _group(look), barred, category))
                    break
            else:
                left_out += 1
        return Choices(tuple(questions), f"{len(galleries)} categories of {size}", left_out)

    def _positions(self, kind: str, look: Look) -> list[str]:
        ids = sorted(set(look.item_ids))
        return [ids[at] for at in np.argsort(self._lots(f"{kind}\0{look.id}", hashes_of(ids)), kind="stable")]

    def _kin_ids(self, look: Look, blank: str = "") -> set[str]:
        """Items of the look, of those nearly identical to it, and what else completes it when `blank` is taken out."""
        own = frozenset(look.item_ids)
        found = self._kin.get(look.group, set()) | own
        return found | self._beside[own - {blank}] if blank else found

    def _barred(self, look: Look, blank: str = "") -> frozenset[str]:
        """The products of these."""
        return frozenset(self._items[one].product for one in self._kin_ids(look, blank) if one in self._items)

    def _stand_ins(
        self, kind: str, look: Look, right: str, negatives: Negatives, count: int, barred: frozenset[str]
    ) -> list[str]:
        """`count` items in the place of `right`, of different products, or fewer where there are no more."""
        universe = self._universe
        pool = universe.everything if negatives == "random" else universe.pool(self._items[right])
        if negatives == "unseen":
            pool = pool[universe.popularity[pool] == 0]
        key = f"{kind}\0{look.id}\0{right}"
        lots = self._lots(key, universe.hashes[pool])
        if negatives != "popularity":
            return universe.first(pool, lots, barred, count)
        # Of equally popular ones the lottery decides, and the right one takes its place among them by a lot of its own.
        own = (self.popularity[right], self._lots(key, hashes_of([right]))[0])
        popular = universe.popularity[pool]
        lower = (popular < own[0]) | ((popular == own[0]) & (lots < own[1]))
        order = np.lexsort((lots, popular))
        less, more = pool[order[lower[order]]][::-1], pool[order[~lower[order]]]  # nearest first
        below = universe.different(less, barred, count)
        drawn = int(self._lots(f"place\0{key}", np.zeros(1, dtype=np.uint64))[0] % np.uint64(count + 1))
        found: list[str] = []
        for num_below in range(min(drawn, len(below)), len(below) + 1):  # more of them where there are too few above
            found = below[:num_below]
            found += universe.different(more, barred | universe.products_of(found), count - num_below)
            if len(found) == count:
                break
        return found

    def _lots(self, key: str, hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
        return lots_of(hashes ^ hashes_of([f"{self.seed}\0{key}"])[0])


class _Universe:
    """Who may be a candidate, in order of id."""

    def __init__(self, items: Iterable[Item], popularity: Mapping[str, int]) -> None:
        found = sorted(items, key=lambda item: item.id)
        self.ids = [item.id for item in found]
        self.hashes = hashes_of(self.ids)
        self.popularity: Indices = np.array([popularity.get(one, 0) for one in self.ids], dtype=np.int64)
        self.everything: Indices = np.arange(len(found), dtype=np.int64)
        self._products = [item.product for item in found]
        self._place = {one: at for at, one in enumerate(self.ids)}
        pools: dict[tuple[str, str], list[int]] = defaultdict(list)
        for at, item in enumerate(found):
            pools[_kind(item)].append(at)
        self._pools = {kind: np.array(places, dtype=np.int64) for kind, places in pools.items()}

    def pool(self, item: Item) -> Indices:
        """Positions of the items of this one's family and shoot year."""
        return self._pools.get(_kind(item), np.empty(0, dtype=np.int64))

    def ids_of(self, places: Indices, barred: frozenset[str]) -> list[str]:
        """All of them but those of barred products; of one product there may be several."""
        return [self.ids[at] for at in places if self._products[at] not in barred]

    def products_of(self, ids: Sequence[str]) -> frozenset[str]:
        return frozenset(self._products[self._place[one]] for one in ids)

    def first(self, places: Indices, lots: NDArray[np.uint64], barred: frozenset[str], count: int) -> list[str]:
        """The winners of the lottery; looks at a few of the smallest lots before it sorts them all."""
        few = _FEW + count
        if len(places) > 4 * few:
            some = np.argpartition(lots, few)[:few]
            found = self.different(places[some[np.argsort(lots[some], kind="stable")]], barred, count)
            if len(found) == count:
                return found
        return self.different(places[np.argsort(lots, kind="stable")], barred, count)

    def different(self, places: Indices, barred: frozenset[str], count: int) -> list[str]:
        """The first `count` in this order whose products are neither barred nor had before."""
        had = set(barred)
        found: list[str] = []
        for at in places:
            if len(found) == count:
                break
            if self._products[at] not in had:
                had.add(self._products[at])
                found.append(self.ids[at])
        return found


def own_judgements(data: OutfitData, questions: Sequence[CpQuestion]) -> Judgements:
    """A data set's own compatibility questions; those that name unknown items, or fewer than two, are left out."""
    groups = _groups_of(data)
    found, left_out = [], 0
    for number, question in enumerate(questions):
        ids = tuple(sorted(set(question.item_ids)))
        if len(ids) < 2 or any(one not in data.items for one in ids):
            left_out += 1
            continue
        found.append(Judgement(ids, question.label >= 0.5, groups.get(frozenset(ids), f"question {number}")))
    return Judgements(tuple(found), "the data set's own", left_out)


def own_blanks(data: OutfitData, questions: Sequence[FitbQuestion]) -> Choices:
    """A data set's own blanks. Those that name unknown items are left out; of the candidates repeated ones and wrong ones
    that are in the partial look already are dropped, and a blank without a wrong candidate left is left out."""
    groups = _groups_of(data)
    found, left_out = [], 0
    for number, question in enumerate(questions):
        partial = tuple(sorted(set(question.partial)))
        candidates = tuple(sorted(set(question.candidates) - set(partial)))
        known = all(one in data.items for one in (*partial, *candidates))
        if not partial or not known or question.correct not in candidates or len(candidates) < 2:
            left_out += 1
            continue
        group = groups.get(frozenset((*partial, question.correct)), f"question {number}")
        found.append(Choice(partial, candidates, question.correct, group))
    return Choices(tuple(found), "the data set's own", left_out)


def _groups_of(data: OutfitData) -> Mapping[frozenset[str], str]:
    return {frozenset(look.item_ids): _group(look) for looks in data.looks.values() for look in looks}


def _group(look: Look) -> str:
    return f"group {look.group}" if look.group else f"look {look.id}"


def _kind(item: Item) -> tuple[str, str]:
    return family_of(item), str(item.attributes.get("shoot_year", ""))


def hashes_of(texts: Sequence[str]) -> NDArray[np.uint64]:
    """(N,) 64 bits of each text's SHA-256."""
    digests = [hashlib.sha256(text.encode()).digest()[:8] for text in texts]
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def lots_of(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Lots from bits of any kind by SplitMix64's finisher: what differs in one bit differs in about half of them."""
    bits = bits + np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
