"""What the verbs on outfits answer: frozen, with `as_dict()` for JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from modiste.types import Item


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judged outfit. `score` is the objective's value, 0 where `problems` says what keeps the items from being an outfit."""

    items: tuple[Item, ...]
    score: float
    compatibility: float  # S as the objective takes it, valid or not
    match: float | None  # mean match with the text; None without one
    percentile: float | None  # of reference looks, what percentage has a lower S; None without reference looks
    problems: tuple[str, ...] = ()

    @property
    def valid(self) -> bool:
        return not self.problems

    def as_dict(self) -> dict[str, Any]:
        return {
            "items": [item.id for item in self.items],
            "score": self.score,
            "compatibility": self.compatibility,
            "match": self.match,
            "percentile": self.percentile,
            "valid": self.valid,
            "problems": list(self.problems),
        }


@dataclass(frozen=True, slots=True)
class Chosen:
    """The item that fills a slot, its match with the slot's wish (None: no wish), how much it is liked (None: no taste)."""

    item: Item
    slot: str
    wish: str
    match: float | None
    liked: float | None = None

    def as_dict(self) -> dict[str, Any]:
        found = {"id": self.item.id, "slot": self.slot, "wish": self.wish, "match": self.match}
        return found if self.liked is None else {**found, "liked": self.liked}


@dataclass(frozen=True, slots=True)
class FoundLook:
    """An outfit that was found: items given, items chosen, its worth, and what is proven about it."""

    given: tuple[Item, ...]
    chosen: tuple[Chosen, ...]
    score: float
    compatibility: float
    percentile: float | None
    exact: bool  # nothing better is possible in its place
    gap: float  # how much better a look in its place could be at most
    claim: str  # "exact", "within 0.031 of the best possible", "best found in 2 s (within 0.2 of the best possible)"
    template: str = ""

    @property
    def items(self) -> tuple[Item, ...]:
        return (*self.given, *(one.item for one in self.chosen))

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(item.id for item in self.items)

    @property
    def taste(self) -> float | None:
        """How much the chosen items are liked, their mean; None where no taste counted."""
        liked = [one.liked for one in self.chosen if one.liked is not None]
        return sum(liked) / len(liked) if liked else None

    def as_dict(self) -> dict[str, Any]:
        proof: dict[str, Any] = {"exact": True} if self.exact else {"gap": self.gap}
        return {
            "items": list(self.ids),
            "chosen": [one.as_dict() for one in self.chosen],
            "score": self.score,
            "compatibility": self.compatibility,
            "percentile": self.percentile,
            **({} if self.taste is None else {"taste": self.taste}),
            **proof,
            "claim": self.claim,
            "template": self.template,
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """Looks, best first, and how they were found. `notes` says what the customer should know: wishes nothing matches."""

    looks: tuple[FoundLook, ...]
    method: str
    scored: int  # sets that the scorer was asked about
    seconds: float
    notes: tuple[str, ...] = ()

    def as_dict(self, *, seconds: bool = True) -> dict[str, Any]:
        """Without `seconds` the same request always gives the same dict."""
        found = {
            "outfits": [look.as_dict() for look in self.looks],
            "method": self.method,
            "scored": self.scored,
            "notes": list(self.notes),
        }
        return {**found, "seconds": self.seconds} if seconds else found


@dataclass(frozen=True, slots=True)
class SimilarLook:
    """A look and its similarity S_O to the one asked about."""

    look: tuple[str, ...]
    similarity: float

    def as_dict(self) -> dict[str, Any]:
        return {"items": list(self.look), "similarity": self.similarity}
