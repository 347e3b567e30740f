"""Users of the atelier: tastes over styles and colours, and the looks they clicked.

A user u sees looks drawn uniformly and clicks look o with probability

    P(click | u, o) = sigmoid(AVERSE + TASTE * sum_s m_us z_s(o) + COLOUR * share of o's items in u's favourite colours)

where m_u is her mixture over stylists and z_s(o) is f_s(o) standardised over the looks. Clicks are divided at random into
train, valid and test. Given her training clicks, a look is a test click with a probability that rises with P(click | u, o), so
ranking the looks she has not clicked in training by P has the largest expected recall, hit rate and NDCG at every k that any
ranking can have: `AtelierUsers.probability` is the Bayes-optimal recommender.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from modiste.data.atelier.design import generator
from modiste.data.atelier.looks import AtelierOutfits, checked_split
from modiste.data.atelier.palette import COLOURS, METALS
from modiste.data.atelier.panel import Panel, sigmoid
from modiste.data.atelier.styles import STYLE_NAMES, STYLES
from modiste.data.outfits import Look
from modiste.types import FloatArray, Interaction, as_sets

AVERSE, TASTE, COLOUR = -4.0, 2.5, 3.0
CLICK_SPLITS: Mapping[str, float] = MappingProxyType({"train": 0.8, "valid": 0.1, "test": 0.1})
_FAVOURITES = 3
_STREAM = 61


@dataclass(frozen=True, slots=True)
class Taste:
    """What one user likes."""

    user_id: str
    styles: tuple[float, ...]  # mixture over STYLE_NAMES, sums to 1
    colours: tuple[str, ...]  # favourites

    @property
    def style(self) -> str:
        """The stylist she agrees with most."""
        return STYLE_NAMES[int(np.argmax(self.styles))]


@dataclass(frozen=True, eq=False)
class AtelierUsers:
    """Shapes: U users, L looks, S stylists."""

    tastes: tuple[Taste, ...]
    looks: tuple[Look, ...]  # all that could be shown and are to be ranked
    interactions: Mapping[str, tuple[Interaction, ...]]  # train, valid, test -> clicks; the target is a look's id
    standing: FloatArray  # (L, S) z_s of every look
    colours: FloatArray  # (L, palette) share of a look's items in each of COLOURS, in its order

    def probability(self, users: Sequence[int] | NDArray[np.int64]) -> FloatArray:
        """Places in `tastes` (B,) -> (B, L): P(click | user, look), the best possible scores of a recommender."""
        names = list(COLOURS)
        chosen = [self.tastes[one] for one in users]
        mixture = np.array([taste.styles for taste in chosen], dtype=np.float32).reshape(len(chosen), len(STYLES))
        likes = np.array([[name in taste.colours for name in names] for taste in chosen], dtype=np.float32)
        likes = likes.reshape(len(chosen), len(names))
        return sigmoid(AVERSE + TASTE * mixture @ self.standing.T + COLOUR * likes @ self.colours.T)


def atelier_users(
    world: AtelierOutfits, num_users: int, seed: int = 0, *, shown: int = 200, splits: Sequence[str] | None = None
) -> AtelierUsers:
    """Users who were shown `shown` looks each (all of them, if there are fewer), from `splits` of the world's looks.

    `splits`: by default all; recommendation divides the clicks, not the looks. Raises `ValueError` for a number below 1 or an
    unknown split.
    """
    if num_users < 1 or shown < 1:
        raise ValueError(f"num_users and shown must be at least 1, not {num_users} and {shown}")
    looks = tuple(look for split in (splits or world.looks) for look in world.looks[checked_split(world, split)])
    standing, colours = _measured(world, looks)
    rng = generator(world.seed, seed, _STREAM)
    tastes = drawn_tastes(rng, num_users)
    users = AtelierUsers(tastes, looks, MappingProxyType({}), standing, colours)
    clicks: dict[str, list[Interaction]] = {split: [] for split in CLICK_SPLITS}
    edges = np.cumsum(list(CLICK_SPLITS.values()))
    for number, taste in enumerate(tastes):
        seen = rng.choice(len(looks), size=min(shown, len(looks)), replace=False)
        clicked = seen[rng.random(len(seen)) < users.probability([number])[0, seen]]
        parts = np.searchsorted(edges, rng.random(len(clicked)) * edges[-1])
        for at, part in zip(clicked, parts, strict=True):
            clicks[list(CLICK_SPLITS)[int(part)]].append(Interaction(taste.user_id, looks[at].id))
    return AtelierUsers(
        tastes, looks, MappingProxyType({split: tuple(one) for split, one in clicks.items()}), standing, colours
    )


def drawn_tastes(rng: np.random.Generator, number: int) -> tuple[Taste, ...]:
    """Tastes as users are given them."""
    names = [name for name in COLOURS if name not in METALS]
    return tuple(
        Taste(
            user_id=f"user-{place:06d}",
            styles=tuple(float(share) for share in rng.dirichlet(np.full(len(STYLES), 0.35))),
            colours=tuple(sorted(str(one) for one in rng.choice(names, _FAVOURITES, replace=False))),
        )
        for place in range(number)
    )


def _measured(world: AtelierOutfits, looks: Sequence[Look]) -> tuple[FloatArray, FloatArray]:
    """(L, S) standardised opinions and (L, palette) shares of colours."""
    items = world.undrawn()
    place = {item.id: row for row, item in enumerate(items)}
    sets = as_sets([[place[one] for one in look.item_ids] for look in looks])
    opinions = Panel(items).opinions(sets).astype(np.float64)
    standing = (opinions - opinions.mean(axis=0)) / np.maximum(opinions.std(axis=0), 1e-9)
    worn = np.array([[item.attributes["colour"] == name for name in COLOURS] for item in items], dtype=np.float64)
    there = sets >= 0
    shares = (worn[sets] * there[..., None]).sum(axis=1) / there.sum(axis=1, keepdims=True)
    return standing.astype(np.float32), shares.astype(np.float32)
