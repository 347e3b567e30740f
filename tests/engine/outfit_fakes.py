"""Test scorers of different character over item vectors, and small problems for them. None of them is a trained model."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np

from modiste.engine.constraints import Constraints
from modiste.engine.objective import Objective
from modiste.engine.problem import OpenSlot, Problem
from modiste.types import FloatArray, Item, OutfitPool, OutfitScorer, Slot


def logistic(values: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-values))


class PairTestPool:
    """S = logistic(scale · mean over pairs of xᵢ·M·xⱼ): a `PairwisePool`."""

    def __init__(self, vectors: np.ndarray, seed: int = 0, scale: float = 4.0) -> None:
        width = vectors.shape[1]
        matrix = np.random.default_rng(seed).normal(size=(width, width)) / np.sqrt(width)
        self.vectors = vectors.astype(np.float64)
        self.matrix, self.scale = (matrix + matrix.T) / 2, scale
        self.projected = (self.vectors @ self.matrix).astype(np.float32)
        self.own = (self.projected * self.vectors).sum(axis=1)
        self.vectors = self.vectors.astype(np.float32)

    def pairs(self, rows: np.ndarray, columns: np.ndarray) -> FloatArray:
        return (self.projected[rows] @ self.vectors[columns].T).astype(np.float32)

    def link(self, mean: FloatArray) -> FloatArray:
        return logistic(self.scale * np.asarray(mean, np.float64)).astype(np.float32)

    def score(self, sets: np.ndarray) -> FloatArray:
        there = sets >= 0
        total = (self.vectors[sets] * there[..., None]).sum(axis=1)  # (B, D)
        every = ((self.projected[sets] * there[..., None]).sum(axis=1) * total).sum(axis=1, dtype=np.float64)
        own = (self.own[sets] * there).sum(axis=1)
        count = there.sum(axis=1)
        mean = np.where(count > 1, (every - own) / np.maximum(1, count * (count - 1)), 0.0)
        return self.link(mean)


class NetworkTestPool:
    """A small random network over the set (mean and maximum of hidden units): stands in for a trained transformer."""

    def __init__(self, vectors: np.ndarray, seed: int = 0, hidden: int = 24, scale: float = 3.0) -> None:
        rng, width = np.random.default_rng(seed), vectors.shape[1]
        self.hidden = np.tanh(vectors @ (2 * rng.normal(size=(width, hidden)) / np.sqrt(width))).astype(np.float32)
        self.inner = (rng.normal(size=(2 * hidden, hidden)) * np.sqrt(2 / hidden)).astype(np.float32)
        self.outer = (rng.normal(size=hidden) * scale / np.sqrt(hidden)).astype(np.float32)

    def score(self, sets: np.ndarray) -> FloatArray:
        if len(sets) == 0:
            return np.zeros(0, np.float32)
        total = np.zeros((len(sets), self.hidden.shape[1]), np.float32)
        most = np.full_like(total, -1)
        for place in range(sets.shape[1]):
            there = (sets[:, place] >= 0)[:, None]
            units = self.hidden[sets[:, place]]
            total += np.where(there, units, 0)
            most = np.maximum(most, np.where(there, units, -1))
        count = (sets >= 0).sum(axis=1, keepdims=True)
        both = np.concatenate([total / np.sqrt(count), most], axis=1).astype(np.float32)
        return logistic(np.tanh(both @ self.inner) @ self.outer).astype(np.float32)


class SaturatedTestPool(NetworkTestPool):
    """Nearly every S is close to 1, as that of a classifier that is too sure of itself."""

    def score(self, sets: np.ndarray) -> FloatArray:
        return (1 - 0.02 * (1 - super().score(sets)) ** 2).astype(np.float32)


class ConstantPool:
    def score(self, sets: np.ndarray) -> FloatArray:
        return np.full(len(sets), 0.7, np.float32)


class ComplementTestPool(NetworkTestPool):
    """A network that also proposes: what is near to the mean of the partial outfit's vectors."""

    def __init__(self, vectors: np.ndarray, seed: int = 0) -> None:
        super().__init__(vectors, seed)
        self.candidates = vectors.astype(np.float32)

    def queries(self, sets: np.ndarray, slots: Sequence[Slot]) -> FloatArray:
        assert len(sets) == len(slots)
        there = sets >= 0
        found = (self.candidates[sets] * there[..., None]).sum(axis=1) / there.sum(axis=1, keepdims=True)
        return found.astype(np.float32)


class TestScorer(OutfitScorer):
    """A scorer that makes pools of one of the classes above."""

    __test__ = False

    def __init__(self, kind: type = PairTestPool, **settings: float) -> None:
        self.kind, self.settings, self.num_pools = kind, settings, 0

    def pool(self, items: Sequence[Item], vectors: FloatArray | None = None) -> OutfitPool:
        assert vectors is not None
        assert len(items) == len(vectors)
        self.num_pools += 1
        return self.kind(vectors, **self.settings) if self.kind is not ConstantPool else ConstantPool()


POOLS = {"pairs": PairTestPool, "network": NetworkTestPool, "saturated": SaturatedTestPool}


def unit(rng: np.random.Generator, count: int, width: int = 12) -> np.ndarray:
    found = rng.normal(size=(count, width))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def no_rules(count: int) -> Constraints:
    nothing = np.zeros((count, 0))
    return Constraints(
        np.ones(count, bool), np.zeros(count, bool), None, None, nothing.astype(np.uint64), nothing.astype(np.uint64),
        nothing.astype(bool), nothing.astype(bool), np.zeros(0, bool), np.zeros(count),
    )  # fmt: skip


def random_problem(
    seed: int,
    kind: str = "pairs",
    *,
    sizes: Sequence[int] = (6, 5, 7),
    given: int = 1,
    alpha: float = 0.5,
    wishes: int | None = None,
    shortlist: int = 64,
    rules: bool = False,
    outside: float = -np.inf,
    beta: float = 0.0,
) -> Problem:
    """Slots of `sizes` candidates, the first `wishes` of them with a text term; with rules: conflicts and a budget.

    With beta somebody likes each item more or less.
    """
    rng = np.random.default_rng(seed)
    count = given + sum(sizes)
    vectors = unit(rng, count)
    constraints = no_rules(count)
    if rules:
        from dataclasses import replace

        prices = rng.integers(1, 20, count).astype(float)
        constraints = replace(
            constraints,
            product=np.concatenate([np.arange(given) + 1000, rng.integers(0, 6, count - given)]),
            left=rng.integers(0, 4, (count, 1)).astype(np.uint64) & rng.integers(0, 4, (count, 1)).astype(np.uint64),
            right=np.uint64(4) >> rng.integers(0, 4, (count, 1)).astype(np.uint64),
            prices=prices,
            budget=float(prices.mean() * (given + len(sizes))),
        )
    objective = Objective(alpha=alpha, beta=beta)
    likings = np.random.default_rng(seed + 1).uniform(size=count) if beta else None
    wished = len(sizes) if wishes is None else wishes
    weight, of_match = objective.weights(wished)
    slots, start = [], given
    for at, size in enumerate(sizes):
        rows = np.arange(start, start + size)
        for one in range(given):
            rows = rows[~constraints.conflict(np.array([one]), rows)]
        similarity = rng.uniform(-0.2, 0.6, len(rows)) if at < wished else np.zeros(len(rows))
        text = of_match * objective.match(similarity) if at < wished else np.zeros(len(rows))
        places = (
            np.unique(np.linspace(0, len(rows) - 1, min(len(rows), shortlist)).astype(np.int64)) if len(rows) else rows
        )
        liked = None if likings is None else likings[rows]
        if liked is not None:
            text = text + objective.taste_weight(len(sizes)) * liked
        slots.append(OpenSlot(Slot(), rows, text, similarity, places, outside, liked=liked))
        start += size
    return Problem(POOLS[kind](vectors, seed=seed), np.arange(given), tuple(slots), objective, weight, constraints)


def brute_force(problem: Problem) -> tuple[float, tuple[int, ...] | None]:
    """The best value over all choices, every one of them scored."""
    choices = list(product(*(range(len(slot)) for slot in problem.slots)))
    if not choices:
        return -np.inf, None
    rows = [[slot.rows[at] for slot, at in zip(problem.slots, choice, strict=True)] for choice in choices]
    sets = np.array([[*problem.have, *row] for row in rows])
    values = np.array(
        [sum(slot.text[at] for slot, at in zip(problem.slots, choice, strict=True)) for choice in choices]
    )
    s = problem.objective.compatibility(problem.pool.score(sets)) if sets.shape[1] > 1 else np.full(len(sets), 0.5)
    values = np.where(problem.constraints.valid(sets), values + problem.weight * s, -np.inf)
    best = int(values.argmax())
    return (float(values[best]), choices[best]) if np.isfinite(values[best]) else (-np.inf, None)
