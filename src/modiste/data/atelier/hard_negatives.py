"""Looks with one mistake: a stylist's look in which one item was exchanged so that exactly one documented rule breaks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

import numpy as np
from numpy.typing import NDArray

from modiste.data.atelier.design import generator
from modiste.data.atelier.looks import AtelierOutfits, checked_split
from modiste.data.outfits import Look
from modiste.data.style import BREAKS, RULE_NAMES, RULES, Facts, broken_rules, rule_terms, traits
from modiste.data.style.wardrobe import slot_of

# Rules that a term can break; the others only ever speak for a pair.
BREAKABLE: tuple[str, ...] = tuple(name for name in RULE_NAMES if name != "echo")
_STREAM = 51
_TRIED = 200  # replacements looked at for one item


@dataclass(frozen=True, slots=True)
class HardNegative:
    """A look that is not one, and why."""

    look: Look  # label 0; the changed items
    rule: str  # the one rule that it breaks
    source: str  # id of the look it was, which breaks none
    removed: str  # item id
    added: str  # item id, of the same slot


def hard_negatives(
    world: AtelierOutfits, split: str, num_looks: int, seed: int = 0, *, rule: str | None = None, per_look: int = 1
) -> tuple[HardNegative, ...]:
    """Up to `num_looks` hard negatives of a split, of one rule or of all breakable ones in turn.

    From every look that breaks no rule one item is taken out and an item of the same slot and split put in its place, such
    that exactly one rule is broken and no article type repeats. `per_look`: up to so many from one look, of different rules.
    Fewer come back when the looks do not yield as many.

    Raises
    ------
    ValueError
        For an unknown split, a rule that cannot be broken, or a number below 1.
    """
    if rule is not None and rule not in BREAKABLE:
        raise ValueError(f"{rule!r} is no rule that a look can break; choose one of {', '.join(BREAKABLE)}")
    if num_looks < 1 or per_look < 1:
        raise ValueError(f"num_looks and per_look must be at least 1, not {num_looks} and {per_look}")
    pool = world.undrawn(checked_split(world, split))
    place = {item.id: row for row, item in enumerate(pool)}
    facts = Facts.of([traits(item) for item in pool])
    articles = np.array([item.category for item in pool])
    slots = np.array([slot_of(item) for item in pool])
    rng = generator(world.seed, seed, list(world.pools).index(split), _STREAM)
    wanted = [rule] if rule else list(BREAKABLE)
    found: dict[str, list[HardNegative]] = {name: [] for name in wanted}
    each = -(-num_looks // len(wanted))
    looks = world.looks[split]
    for at in rng.permutation(len(looks)):
        short = [name for name in sorted(wanted, key=lambda one: len(found[one])) if len(found[name]) < each]
        if not short:
            break
        members = np.array([place[one] for one in looks[at].item_ids])
        if broken_rules(facts[members]):
            continue
        for name, out, new in islice(_broken(facts, articles, slots, members, short, rng), per_look):
            ids = tuple(pool[new if row == out else row].id for row in members)
            look = Look(f"{looks[at].id}-{name}", ids, label=0.0)
            found[name].append(HardNegative(look, name, looks[at].id, pool[out].id, pool[new].id))
    in_turn = [one for group in zip_longest(*found.values()) for one in group if one is not None]
    return tuple(in_turn[:num_looks])


def _broken(
    facts: Facts,
    articles: NDArray[np.str_],
    slots: NDArray[np.str_],
    members: NDArray[np.int64],
    wanted: Sequence[str],
    rng: np.random.Generator,
) -> Iterator[tuple[str, int, int]]:
    """(rule, row taken out, row put in) of each wanted rule that can be broken alone, in their order."""
    edges = np.array([rule.items_to_break == 2 for rule in RULES])
    possible: dict[str, list[tuple[int, int]]] = {name: [] for name in wanted}
    for out in rng.permutation(members):
        rest = members[members != out]
        candidates = np.flatnonzero((slots == slots[out]) & ~np.isin(articles, articles[rest]))
        candidates = rng.permutation(candidates[candidates != out])[:_TRIED]
        terms = rule_terms(facts[candidates][:, None], facts[rest][None, :])  # (C, k - 1, R)
        bad = np.any(terms <= BREAKS, axis=1)
        for name in wanted:
            number = RULE_NAMES.index(name)
            others = edges & (np.arange(len(RULES)) != number)
            alone = bad[:, number] & ~np.any(bad & others, axis=1)
            possible[name] += [(int(out), int(new)) for new in candidates[alone][:4]]
    for name in wanted:
        for out, new in possible[name]:
            if broken_rules(facts[np.append(members[members != out], new)]) == (name,):
                yield name, out, new
                break
