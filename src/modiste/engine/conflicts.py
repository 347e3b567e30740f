"""Is there any outfit at all, and if there is none, which rules are to blame.

`find_outfit` answers the first question exactly. It may look at very few of many items: for whether there is an outfit it
matters of an item only which category, pair rules and demands it has, what it costs, and of which product it is. Of items that
are equal in the first, the k cheapest of k different products are enough where k places are to fill, as the other places can
rule out no more than k - 1 products.

`minimal_conflict` answers the second: a smallest set of rules that cannot hold together (a minimum unsatisfiable subset), found
by leaving rules out one by one (Chinneck and Dravnieks, 1991) and then by trying every smaller set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from math import comb

import numpy as np

from modiste.engine.constraints import Constraints, Rows
from modiste.engine.rules import Rule

_MAX_NODES = 20_000
_MAX_SUBSETS = 3_000


class TooHard(Exception):
    """The search for an outfit was given up before it ended."""


class NoFeasibleOutfit(ValueError):
    """No outfit satisfies the request; `rules` is a smallest set of those that cannot hold together."""

    def __init__(self, message: str, rules: tuple[Rule, ...] = ()) -> None:
        super().__init__(message)
        self.rules = rules


def find_outfit(constraints: Constraints, have: Rows, slots: Sequence[Rows]) -> tuple[int, ...] | None:
    """One item for each slot, out of its rows, so that all rules hold for them and the items given; None if there is none.

    Raises `TooHard` when that could not be decided in some ten thousand steps.
    """
    size = len(have) + len(slots)
    if size == 0 or size > constraints.max_items or not constraints.may_be_given(have):
        return None
    domains = []
    for rows in slots:
        left = rows[constraints.open_to[rows]]
        for one in have.tolist():
            left = left[~constraints.conflict(np.array([one]), left)]
        domains.append(_representatives(constraints, left, len(slots)))
    nodes = 0

    def search(chosen: dict[int, int], domains: list[Rows], cost: float) -> dict[int, int] | None:
        nonlocal nodes
        nodes += 1
        if nodes > _MAX_NODES:
            raise TooHard
        open_slots = [place for place in range(len(domains)) if place not in chosen]
        if any(not len(domains[place]) for place in open_slots):
            return None
        cheapest = sum(float(constraints.prices[domains[place]].min()) for place in open_slots)
        if not constraints.within_budget(np.array(cost + cheapest)):
            return None
        there = np.array([*have.tolist(), *chosen.values()], dtype=np.int64)
        for demand in range(constraints.always.size):
            raised = constraints.always[demand] or constraints.triggers[there, demand].any()
            if raised and not constraints.answers[there, demand].any():
                able = [place for place in open_slots if constraints.answers[domains[place], demand].any()]
                if not able:
                    return None
                if len(able) == 1:  # this slot must answer
                    domains = list(domains)
                    domains[able[0]] = domains[able[0]][constraints.answers[domains[able[0]], demand]]
        if not open_slots:
            return chosen
        place = min(open_slots, key=lambda one: (len(domains[one]), one))
        for row in domains[place].tolist():
            narrowed = [
                rows if at in chosen or at == place else rows[~constraints.conflict(np.array([row]), rows)]
                for at, rows in enumerate(domains)
            ]
            found = search({**chosen, place: row}, narrowed, cost + float(constraints.prices[row]))
            if found is not None:
                return found
        return None

    found = search({}, domains, float(constraints.cost(have)))
    return None if found is None else tuple(found[place] for place in range(len(slots)))


def _representatives(constraints: Constraints, rows: Rows, count: int) -> Rows:
    """Of every class of equal items the cheapest `count` of different products, cheap ones first."""
    if not len(rows):
        return rows
    code = np.zeros(len(rows), dtype=np.int64)
    parts: list[Rows] = [] if constraints.category is None else [constraints.category[rows]]
    parts += [
        matrix[rows, word].view(np.int64)
        for matrix in (constraints.left, constraints.right)
        for word in range(matrix.shape[1])
    ]
    parts += [
        matrix[rows, at].astype(np.int64)
        for matrix in (constraints.triggers, constraints.answers)
        for at in range(matrix.shape[1])
    ]
    for part in parts:
        _, inverse = np.unique(part, return_inverse=True)
        _, code = np.unique(code * (int(inverse.max()) + 1) + inverse, return_inverse=True)
    prices = constraints.prices[rows]
    product = rows if constraints.product is None else constraints.product[rows]
    order = np.lexsort((rows, prices, product, code))  # first: the cheapest of each product within each class
    first = np.ones(len(order), dtype=bool)
    first[1:] = (code[order][1:] != code[order][:-1]) | (product[order][1:] != product[order][:-1])
    order = order[first]
    order = order[np.lexsort((rows[order], prices[order], code[order]))]
    classes = code[order]
    starts = np.concatenate([[0], np.flatnonzero(np.diff(classes)) + 1])
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    kept = order[rank < count]
    return rows[kept[np.lexsort((rows[kept], prices[kept]))]]


def minimal_conflict(rules: Sequence[Rule], feasible: Callable[[tuple[Rule, ...]], bool]) -> tuple[Rule, ...]:
    """A smallest subset of `rules` that is not feasible, in their order; empty if even no rule at all is.

    `feasible` must not turn true when rules are added. The set is minimal, none of its rules can be left out; that no other set
    has fewer rules is checked too, as long as that takes at most some thousand calls. Raises `ValueError` if all rules
    together are feasible.
    """
    kept = tuple(rules)
    if feasible(kept):
        raise ValueError("these rules are not in conflict")
    for rule in rules:
        without = tuple(one for one in kept if one is not rule)
        if not feasible(without):
            kept = without
    tried = 0
    for size in range(1, len(kept)):
        tried += comb(len(rules), size)
        if tried > _MAX_SUBSETS:
            break
        for some in combinations(rules, size):
            if not feasible(some):
                return some
    return kept
