"""A program of somebody who uses Modiste: mypy checks it strictly (`make lint`), and against the installed wheel, too."""

# mypy: disallow-any-generics, disallow-untyped-calls, disallow-any-unimported, warn-return-any, strict-equality

from __future__ import annotations

from pathlib import Path

import modiste


def cheapest_dresses(folder: Path, words: str, k: int = 5) -> list[tuple[str, float]]:
    encoder = modiste.load()
    catalogue = modiste.Catalogue.open(folder)
    found = catalogue.search(encoder.encode_query(words), k=k, filters=["price<80"])
    return [(hit.item.id, hit.score) for hit in found.hits]


def best_shoes(folder: Path, shirt: str) -> tuple[str, ...]:
    engine = modiste.OutfitEngine(modiste.Catalogue.open(folder), modiste.Stylist(), modiste.load())
    mine: modiste.Item = modiste.own_item(shirt, "shirt")
    query = engine.query([mine], [modiste.Slot(frozenset({"shoes"}), "white sneakers")])
    return engine.complete(query, n=1).looks[0].ids


def judged(photos: list[str]) -> float:
    return modiste.score(photos).score


def for_her(folder: Path, user: str) -> list[str]:
    recommender = modiste.Recommender.open(folder)
    return [one.look.id for one in recommender.recommend(recommender.person(user=user), k=3).looks]
