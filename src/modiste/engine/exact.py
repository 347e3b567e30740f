"""Looking at every choice, or at every choice that its text allows to be the best.

The text terms are known before anything is scored, and S is at most 1. So once a choice of value v is in hand, only choices
whose text terms sum to more than  v - weight · (largest S)  can beat it. When those are few enough to be scored, all of them
are, and what is found is exact whatever the scorer is; when they are not, scoring the upper part of them still lowers the
bound to  weight · (largest S) + (the text of the best one that was not scored).

Shapes: B choices, k slots.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from modiste.engine.objective import Values
from modiste.engine.problem import Problem

Picks = NDArray[np.int64]

_BINS = 1_024
_CHUNK = 2_048


def choices_above(problem: Problem, threshold: float, limit: int) -> Picks | None:
    """(B, k) all valid choices whose text terms sum to more than `threshold`; None when they are more than `limit`.

    The limit is also that of the partial choices on the way, so that nothing large is ever built.
    """
    rules = problem.constraints
    rest_text = np.append(np.cumsum([float(slot.text.max(initial=-np.inf)) for slot in problem.slots][::-1])[::-1], 0.0)
    cheapest = [float(rules.prices[slot.rows].min(initial=np.inf)) for slot in problem.slots]
    rest_cost = np.append(np.cumsum(cheapest[::-1])[::-1], 0.0)
    picks = np.zeros((1, 0), dtype=np.int64)
    text, cost = np.zeros(1), np.array([float(rules.cost(problem.have))])
    for at, slot in enumerate(problem.slots):
        order = np.argsort(-slot.text, kind="stable")
        needed = threshold - text - rest_text[at + 1]
        counts = np.searchsorted(-slot.text[order], -needed, "left")  # candidates with a text term above what is needed
        total = int(counts.sum())
        if total > limit:
            return None
        parent = np.repeat(np.arange(len(picks)), counts)
        offset = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
        place = order[offset] if total else np.zeros(0, dtype=np.int64)
        row = slot.rows[place]
        keep = np.ones(total, dtype=bool)
        for earlier in range(at):
            keep &= ~rules.conflict(problem.slots[earlier].rows[picks[parent, earlier]], row)
        price = cost[parent] + rules.prices[row]
        keep &= rules.within_budget(price + rest_cost[at + 1])
        picks = np.concatenate([picks[parent[keep]], place[keep, None]], axis=1)
        text, cost = text[parent[keep]] + slot.text[place[keep]], price[keep]
    if rules.always.size and len(picks):
        picks = picks[~rules.unmet(problem.sets(picks)).any(axis=1)]
    return picks


def scored(problem: Problem, picks: Picks) -> Values:
    """The values of the choices in their order, of fewer when the deadline has passed."""
    values: list[Values] = []
    for start in range(0, len(picks), _CHUNK):
        if problem.needs_scorer and time.perf_counter() > problem.tally.deadline:
            problem.tally.stopped = True
            break
        values.append(problem.values(picks[start : start + _CHUNK]))
    return np.concatenate(values) if values else np.zeros(0)


def evaluate(problem: Problem, picks: Picks) -> tuple[Picks, Values]:
    """The choices and their values, those of the best text first; the rest is left out when the deadline has passed."""
    picks = picks[np.argsort(-problem.text(picks), kind="stable")]
    values = scored(problem, picks)
    return picks[: len(values)], values


def text_threshold(problem: Problem, limit: int) -> float:
    """A text sum that at most `limit` choices exceed, as low as a count in bins can tell.

    Every text term is rounded up to a bin, so choices are counted too high rather than too low.
    """
    low = [float(slot.text.min()) for slot in problem.slots]
    high = [float(slot.text.max()) for slot in problem.slots]
    width = (sum(high) - sum(low)) / _BINS
    slack = 1e-9  # sums of the same terms in another order
    if width <= 0:
        return sum(high) + slack
    counts = np.ones(1)
    for slot, least in zip(problem.slots, low, strict=True):
        place = np.ceil((slot.text - least) / width).astype(np.int64)
        counts = np.convolve(counts, np.bincount(place).astype(np.float64))
    above = np.cumsum(counts[::-1])[::-1]  # choices whose bins sum to at least this one
    few = np.flatnonzero(above <= limit)
    if not len(few):
        return sum(high) + slack
    # A sum above (bin - 1) widths needs bins that sum to at least `bin`.
    return sum(low) + (int(few[0]) - 1) * width + slack if few[0] > 0 else -np.inf


def certify(problem: Problem, best: float, limit: int) -> tuple[Picks, Values, float]:
    """Score what might beat `best`, up to `limit` choices; returns those, their values, and an upper bound of all choices.

    The bound holds for every valid choice of the plan, the candidates that were left out of its slots included.
    """
    empty = np.zeros((0, len(problem.slots)), dtype=np.int64), np.zeros(0)
    ceiling = problem.weight * problem.best_compatibility
    known = sum(float(slot.text.max(initial=-np.inf)) for slot in problem.slots)
    outside = problem.outside_bound
    if max(ceiling + known, outside) <= best:
        return *empty, max(ceiling + known, outside)
    if not all(len(slot) for slot in problem.slots) or time.perf_counter() > problem.tally.deadline:
        return *empty, problem.trivial_bound
    threshold = max(best - ceiling, text_threshold(problem, limit))
    choices = choices_above(problem, threshold, 4 * limit)
    if choices is None:  # partial choices on the way were too many
        return *empty, max(ceiling + known, outside)
    picks, values = evaluate(problem, choices)
    if len(picks) < len(choices):  # stopped: the best text that was not scored
        threshold = float(problem.text(choices).max()) if not len(picks) else float(problem.text(picks[-1:])[0])
    top = float(values.max()) if len(values) else -np.inf
    return picks, values, max(ceiling + threshold, top, outside)
