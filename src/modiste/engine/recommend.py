"""Outfits for a person: among the looks that a house has stored, and made anew for her taste.

    recommender = Recommender.open("shop")
    for one in recommender.recommend(recommender.person(user="anna"), k=5).looks:
        print(one.look.id, one.reasons)

Who she is may be said in three ways, and together:

- by name. The training knew her: its vector counts. What she took since then (clicks.py) is folded in beside it.
- by likes: stored looks, items, or looks as lists of items. `Tastes.fold_in` makes a vector of them, without training.
- by photos. Each stands for the nearest item that the taste knows.

Nothing known: what everybody likes. No trained tastes (attached.py): the stored looks nearest to her likes, and every answer
says so. A look that she has taken is not shown again unless asked for.

Shapes: L stored looks, W width of the taste, D width of the catalogue's vectors, M likes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from modiste.data.outfits import Look
from modiste.engine.answers import FoundLook
from modiste.engine.attached import Attached, attached_tastes
from modiste.engine.catalogue import Catalogue
from modiste.engine.clicks import ClickBook
from modiste.engine.liking import KnownItems, Liking, NearLiking, shares_below
from modiste.engine.outfits import OutfitEngine
from modiste.engine.snapshot import Snapshot
from modiste.engine.stored_looks import FILE_NAME as LOOKS_FILE
from modiste.engine.stored_looks import StoredLooks, read_stored_looks
from modiste.types import FloatArray, Item

BETA = 0.3  # of a generated look's value, unless the request says otherwise
NEAREST = "nearest stored looks, by the cosine of mean item vectors"
_TRUST = 20  # clicks that a trained vector stands for, where it is not known how many there were
_NAMED = 2  # items by which a liked look goes that has no name
_SHARED = 3  # things named that a look and a like have in common


@dataclass(frozen=True, slots=True, eq=False)
class Like:
    """Something that a person likes: a stored look, some items, or the vector (D,) of a photo."""

    label: str  # by which reasons name it
    item_ids: tuple[str, ...] = ()
    look_id: str = ""
    photo: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a look is shown: the nearest of her likes, how near (the cosine), and what both have."""

    liked: str
    similarity: float
    shared: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"because you liked {self.liked}" + (f" (both: {', '.join(self.shared)})" if self.shared else "")

    def as_dict(self) -> dict[str, Any]:
        return {
            "liked": self.liked,
            "similarity": self.similarity,
            "shared": list(self.shared),
            "words": str(self),
        }


@dataclass(frozen=True, slots=True)
class Recommended:
    """A stored look for her. `taste`: what share of the stored looks she likes less; None without a trained taste."""

    look: Look
    taste: float | None
    similarity: float | None  # S_O with the nearest of her likes; None where none is known
    reasons: tuple[Reason, ...]

    def as_dict(self) -> dict[str, Any]:
        return {
            "id": self.look.id,
            "items": list(self.look.item_ids),
            "taste": self.taste,
            "similarity": self.similarity,
            "reasons": [one.as_dict() for one in self.reasons],
        }


@dataclass(frozen=True, slots=True)
class Recommendations:
    """Looks, best first, and in words how they were chosen. `trained`: by a trained taste, not by likeness alone."""

    looks: tuple[Recommended, ...]
    method: str
    trained: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """What is known of somebody: her likes, what she has taken, and her vector (W,) where there are trained tastes."""

    user: str
    likes: tuple[Like, ...]
    taken_looks: frozenset[str]
    taken_items: frozenset[str]
    vector: FloatArray | None
    method: str
    notes: tuple[str, ...] = ()


class Recommender:
    """Recommends looks of one version of a catalogue. Safe to share between threads; made anew for another version."""

    def __init__(
        self,
        snapshot: Snapshot,
        looks: Sequence[Look] | StoredLooks,
        attached: Attached | None = None,
        clicks: ClickBook | None = None,
    ) -> None:
        self.snapshot, self.attached, self.clicks = snapshot, attached, clicks
        self.looks = looks if isinstance(looks, StoredLooks) else StoredLooks(looks, snapshot)
        self.known = None if attached is None else KnownItems(attached.tastes, snapshot)
        self._trained = frozenset(() if attached is None else attached.tastes.user_ids)
        self._vectors, self._able = self._of_looks()
        self._sets = {frozenset(look.item_ids): look.id for look in reversed(self.looks)}

    @classmethod
    def open(cls, catalogue: Catalogue | str | Path, looks: Path | None = None) -> Recommender:
        """Over a catalogue with whatever lies in its folder: looks.jsonl, attached tastes, clicks. Raises `CatalogueError`."""
        store = catalogue if isinstance(catalogue, Catalogue) else Catalogue.open(catalogue)
        found = read_stored_looks(looks or store.folder / LOOKS_FILE)
        return cls(store.snapshot(), found, attached_tastes(store.folder), ClickBook(store.folder))

    def _of_looks(self) -> tuple[FloatArray, NDArray[np.bool_]]:
        """(L, W) the looks' vectors, those that came after the training the means of their items', and (L,) which have one."""
        if self.attached is None or self.known is None:
            return np.zeros((len(self.looks), 0), np.float32), np.zeros(len(self.looks), dtype=bool)
        tastes = self.attached.tastes
        vectors = np.zeros((len(self.looks), tastes.users.shape[1]), dtype=np.float32)
        able = np.full(len(self.looks), len(self.known.rows) > 0)
        for at, look in enumerate(self.looks):
            row = tastes.outfit_rows.get(look.id)
            if row is not None:
                vectors[at], able[at] = tastes.outfits[row], True
            elif able[at]:
                rows = [self.snapshot.row(one) for one in look.item_ids]
                vectors[at] = self.known.vectors[rows].mean(axis=0)
        return vectors, able

    # -- who she is ---------------------------------------------------------------------------------------------------

    def like(self, name: str) -> Like:
        """A like by the id of a stored look or of an item; `look:ID` and `item:ID` tell apart what goes by both names.

        Raises `UnknownItem` for what is neither, with near ids, `ValueError` for what is both.
        """
        kind, colon, rest = name.partition(":")
        named = kind in ("look", "item") and bool(colon) and self.snapshot.find(name) is None
        wanted = rest if named else name
        place = self.looks.place(wanted) if not named or kind == "look" else None
        item = self.snapshot.find(wanted) if not named or kind == "item" else None
        if place is not None and item is not None:
            raise ValueError(f"{name!r} is a look and an item: say look:{name} or item:{name}")
        if place is not None:
            return self.liked_look(wanted)
        if item is None and named and kind == "look":
            raise ValueError(f"no stored look {wanted!r} among {len(self.looks)}")
        return self.liked_items((wanted,))

    def liked_look(self, look_id: str) -> Like:
        """Raises `ValueError` for a look that is not stored, or has items that the catalogue has not."""
        place = self.looks.place(look_id)
        if place is None:
            raise ValueError(f"no stored look {look_id!r} among {len(self.looks)}")
        return Like(look_id, self.looks[place].item_ids, look_id)

    def liked_items(self, ids: Sequence[str]) -> Like:
        """An item, or a look as its items; if that is a stored one, the stored one. Raises `UnknownItem` with near ids."""
        if not ids:
            raise ValueError("a look needs at least one item")
        items = [self.snapshot.item(self.snapshot.row(one)) for one in ids]
        stored = self._sets.get(frozenset(ids)) if len(ids) > 1 else None
        names = [one.title or one.id for one in items]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return Like(stored or ", ".join(names[:_NAMED]) + more, tuple(ids), stored or "")

    def person(
        self, user: str = "", likes: Sequence[Like] = (), photos: Sequence[tuple[str, FloatArray]] = ()
    ) -> Person:
        """Somebody by name, likes and photos (a label and the catalogue's vector (D,) of each), any of which may be missing.

        Raises `CatalogueError` for clicks that cannot be read.
        """
        given = [*likes, *(Like(label, photo=vector) for label, vector in photos)]
        clicked = self.clicks.of(user) if user and self.clicks is not None else ()
        before = 0 if self.attached is None else self.attached.last_click
        known = self.attached is not None and bool(user) and user in self._trained
        new = [one for one in clicked if not known or one.number > before]
        fresh = [*self._likes_of(new), *given]
        every = [*self._likes_of(clicked), *given]
        vector, method, notes = self._vector(user if known else "", fresh, len(clicked) - len(new))
        if vector is None:
            method = NEAREST if every else "looks that most people took; nothing is known of this person"
        return Person(
            user,
            tuple(every),
            frozenset([*(one.look for one in clicked if one.look), *(one.look_id for one in given if one.look_id)]),
            frozenset(one.item for one in clicked if one.item),
            vector,
            method,
            notes,
        )

    def _likes_of(self, clicked: Sequence[Any]) -> list[Like]:
        """Clicks as likes; those on what there is no longer say nothing."""
        found = []
        for one in clicked:
            if one.look and self.looks.place(one.look) is not None:
                found.append(self.liked_look(one.look))
            elif one.item and self.snapshot.find(one.item) is not None:
                found.append(self.liked_items((one.item,)))
        return found

    def _vector(self, user: str, likes: Sequence[Like], num_old: int) -> tuple[FloatArray | None, str, tuple[str, ...]]:
        """Her vector (W,), in words how it came about, and notes. `user`: "" for who was not there in training."""
        if self.attached is None or self.known is None:
            return None, "", ()
        tastes = self.attached.tastes
        outfits, items, lost = self._rows_of(likes)
        notes = (f"the trained taste knows nothing like {', '.join(lost)}",) if lost else ()
        count = len(likes) - len(lost)
        if not count:
            if user:
                return tastes.user(user), "her trained taste", notes
            return tastes.fold_in(()), "what everybody likes; nothing is known of this person", notes
        folded = tastes.fold_in(outfits, items)
        if not user:
            return folded, f"a taste made from {count} {'like' if count == 1 else 'likes'}", notes
        trained, old = tastes.user(user), num_old or _TRUST
        length = float(np.linalg.norm(trained)) / max(float(np.linalg.norm(folded)), 1e-12)
        vector = (old * trained + count * length * folded) / (old + count)
        return (
            vector.astype(np.float32),
            f"her trained taste and {count} newer {'like' if count == 1 else 'likes'}",
            notes,
        )

    def _rows_of(self, likes: Sequence[Like]) -> tuple[list[int], list[int], list[str]]:
        """What to fold in: outfits and items of the taste, and the labels of likes that it knows nothing of."""
        assert self.attached is not None
        assert self.known is not None
        outfits: list[int] = []
        items: list[int] = []
        lost: list[str] = []
        for one in likes:
            row = self.attached.tastes.outfit_rows.get(one.look_id)
            if row is not None:
                outfits.append(row)
                continue
            if one.photo is not None:
                near = self.known.nearest(one.photo[None])
            else:
                near = self.known.nearest_of([self.snapshot.row(name) for name in one.item_ids])
            items += near.tolist()
            if not len(near):
                lost.append(one.label)
        return outfits, items, lost

    # -- what she may like --------------------------------------------------------------------------------------------

    def recommend(self, person: Person, k: int = 5, *, again: bool = False) -> Recommendations:
        """The k stored looks that she should like best, with reasons; of equal ones the smaller id first.

        `again`: also those that she has taken. Raises `ValueError` for k < 1.
        """
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}")
        near = self.looks.similarities(self._means(person.likes)) if person.likes else None  # (L, M)
        if person.vector is not None:
            scores, able = (self._vectors @ person.vector).astype(np.float64), self._able.copy()
        elif near is not None:
            scores, able = near.max(axis=1), np.ones(len(self.looks), dtype=bool)
        else:
            scores, able = self._taken_by_all()
        notes = list(person.notes)
        if person.vector is not None and not able.all():
            notes.append(f"the trained taste knows none of the items of {int((~able).sum())} stored looks")
        shares = np.full(len(scores), np.nan)
        shares[able] = shares_below(scores[able], np.zeros(int(able.sum()), dtype=np.int32))
        if not again:
            able &= ~self._taken(person)
        order = np.argsort(-np.where(able, scores, -np.inf), kind="stable")[: min(k, int(able.sum()))]
        looks = tuple(
            Recommended(
                self.looks[at],
                float(shares[at]) if person.vector is not None else None,
                None if near is None else float(near[at].max()),
                () if near is None else (self._reason(person, self.looks[at].item_ids, near[at]),),
            )
            for at in order.tolist()
        )
        return Recommendations(looks, person.method, person.vector is not None, tuple(notes))

    def _taken(self, person: Person) -> NDArray[np.bool_]:
        """(L,) looks that she has taken, or that have just the items of one that she likes."""
        sets = {frozenset(one.item_ids) for one in person.likes if one.item_ids}
        return np.array(
            [look.id in person.taken_looks or frozenset(look.item_ids) in sets for look in self.looks], dtype=bool
        )

    def _taken_by_all(self) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        scores = np.zeros(len(self.looks))
        for look, count in () if self.clicks is None else self.clicks.most_taken(len(self.looks) + 1_000):
            place = self.looks.place(look)
            if place is not None:
                scores[place] = count
        return scores, scores > 0

    def _means(self, likes: Sequence[Like]) -> FloatArray:
        """(M, D) the mean item vector of each like."""
        return np.stack([self._mean(one.item_ids) if one.photo is None else one.photo for one in likes])

    def _mean(self, item_ids: Sequence[str]) -> FloatArray:
        """(D,)"""
        rows = [self.snapshot.row(one) for one in item_ids]
        return np.asarray(self.snapshot.vectors[rows].mean(axis=0, dtype=np.float64), dtype=np.float32)

    def reasons(self, person: Person, item_ids: Sequence[str]) -> tuple[Reason, ...]:
        """Why a look of the catalogue's items is for her: the nearest of her likes; none where no like is known."""
        if not person.likes:
            return ()
        near = self.looks.similarities_of(item_ids, self._means(person.likes))
        return (self._reason(person, item_ids, near),)

    def _reason(self, person: Person, item_ids: Sequence[str], near: NDArray[np.float64]) -> Reason:
        """`near` (M,): how near the look is to each like."""
        like = person.likes[int(near.argmax())]
        return Reason(like.label, float(near.max()), self._shared(item_ids, like.item_ids))

    def _shared(self, one: Sequence[str], other: Sequence[str]) -> tuple[str, ...]:
        """Colours, then kinds, that items of both have."""
        traits = [[self._traits(self.snapshot.item(self.snapshot.row(name))) for name in ids] for ids in (one, other)]
        both: dict[str, None] = {}
        for at in range(2):
            theirs = {traits_of[at] for traits_of in traits[1]}
            both |= {traits_of[at]: None for traits_of in traits[0] if traits_of[at] and traits_of[at] in theirs}
        return tuple(both)[:_SHARED]

    @staticmethod
    def _traits(item: Item) -> tuple[str, str]:
        return str(item.attributes.get("colour", "")).lower(), item.category.lower()

    # -- made anew ----------------------------------------------------------------------------------------------------

    def engine_for(self, person: Person, engine: OutfitEngine, beta: float = BETA) -> OutfitEngine:
        """The outfit engine with her taste in its objective, by weight `beta`.

        Where there are no trained tastes, how near items are to what she likes stands for it. Raises `ValueError` where nothing
        is known of her either.
        """
        if person.vector is not None and self.known is not None:
            return engine.with_taste(Liking(person.vector, self.known), beta)
        if not person.likes:
            raise ValueError("nothing is known of this person: say what she likes, or attach trained tastes")
        return engine.with_taste(NearLiking(self._means(person.likes)), beta)

    def generate(
        self,
        person: Person,
        engine: OutfitEngine,
        n: int = 3,
        *,
        text: str = "",
        beta: float = BETA,
        again: bool = False,
        **asked: Any,
    ) -> tuple[tuple[FoundLook, tuple[Reason, ...]], ...]:
        """The n best outfits for her and a text, which may be empty, with reasons; `asked` is as of `OutfitEngine.generate`.

        `again`: also of items that she has taken.
        """
        exclude = () if again else sorted(person.taken_items)
        answer = self.engine_for(person, engine, beta).generate(text, n=n, exclude=exclude, **asked)
        return tuple((look, self.reasons(person, look.ids)) for look in answer.looks)
