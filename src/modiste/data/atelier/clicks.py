"""The atelier's users as `Interactions`: clicks of people whose tastes are known, on looks whose items are known.

Rows are in the order of `AtelierUsers`: user u is `users.tastes[u]` and outfit o is `users.looks[o]`, so
`users.probability(rows)` is the best possible recommender of the very same data.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from modiste.data.atelier.looks import AtelierOutfits, atelier_outfits
from modiste.data.atelier.users import AtelierUsers, atelier_users
from modiste.data.interactions import Interactions, pair_matrix
from modiste.data.outfit_features import known_tags, tag_numbers
from modiste.types import FloatArray, Item

_SOURCE = re.compile(r"atelier:(\d{1,9})(?::(\d{1,9})(?::(\d{1,9})(?::(\d{1,9}))?)?)?")
# What of an item is told to a recommender: what a shop knows. A stylist's opinion is made of such attributes.
FEATURES = (
    *("category", "colour", "secondary_colour", "pattern", "material"),
    *("fit", "length", "season", "formality", "gender"),
)


def atelier_source(source: str, user_seed: int = 0) -> tuple[AtelierOutfits, AtelierUsers]:
    """The world and the users that `atelier:N`, `atelier:N:SEED`, `...:LOOKS` or `...:USERS` means.

    Raises `ValueError` for another text, or as `atelier_with_users`.
    """
    match = _SOURCE.fullmatch(source)
    if match is None or not int(match[1]):
        raise ValueError(f"{source!r}: write atelier:N[:SEED[:LOOKS[:USERS]]], as atelier:2000:7:4000:500")
    looks, users = (int(match[at]) if match[at] else None for at in (3, 4))
    return atelier_with_users(int(match[1]), int(match[2] or 0), num_looks=looks, num_users=users, user_seed=user_seed)


@dataclass(frozen=True)
class BestRecommender:
    """The `OutfitRecommender` that knows every taste: no other can be expected to rank better (see `users.py`)."""

    users: AtelierUsers

    def scores(self, users: NDArray[np.int64]) -> FloatArray:
        """Rows of users (B,) -> (B, O): the probability of a click."""
        return self.users.probability(users)


def atelier_with_users(
    num_items: int, seed: int = 0, *, num_looks: int | None = None, num_users: int | None = None, user_seed: int = 0
) -> tuple[AtelierOutfits, AtelierUsers]:
    """A world and users of it, by default one for each item. Raises `ValueError` as `atelier_outfits` and `atelier_users`."""
    world = atelier_outfits(num_items, seed, num_looks=num_looks)
    return world, atelier_users(world, num_items if num_users is None else num_users, user_seed)


def atelier_interactions(world: AtelierOutfits, users: AtelierUsers) -> Interactions:
    """Users who never clicked are there too: someone has to be new.

    `item_features` are the attributes of `FEATURES`, a column for each value that occurs (`one_hot`); `item_categories` the
    article types. Items are those of the looks, in the order of the world.

    Raises
    ------
    ValueError
        If nobody clicked anything.
    """
    used = {item_id for look in users.looks for item_id in look.item_ids}
    items = [item for item in world.undrawn() if item.id in used]
    place = {item.id: row for row, item in enumerate(items)}
    user_of = {taste.user_id: row for row, taste in enumerate(users.tastes)}
    look_of = {look.id: row for row, look in enumerate(users.looks)}
    clicks = {
        split: pair_matrix(
            [user_of[one.user_id] for one in some],
            [look_of[one.target_id] for one in some],
            (len(user_of), len(look_of)),
        )
        for split, some in users.interactions.items()
    }
    contents = [(row, place[item_id]) for row, look in enumerate(users.looks) for item_id in look.item_ids]
    rows, columns = zip(*contents, strict=True)
    kinds = sorted({item.category for item in items})
    return Interactions(
        tuple(user_of),
        tuple(look_of),
        tuple(place),
        clicks,
        pair_matrix(rows, columns, (len(look_of), len(items))),
        np.array([kinds.index(item.category) for item in items], dtype=np.int64),
        tuple(kinds),
        one_hot(items),
        name="atelier",
    )


def one_hot(items: Sequence[Item], kinds: Sequence[str] = FEATURES) -> FloatArray:
    """(I, F) a one for each attribute value of an item; columns by kind and then by value, all that occur."""
    tags = known_tags(items, kinds)
    return np.concatenate(
        [
            np.eye(1 + len(values), dtype=np.float32)[numbers, 1:]  # number 0, in the column left out, is no value
            for numbers, values in zip(tag_numbers(items, tags).T, tags.values(), strict=True)
        ],
        axis=1,
    )
