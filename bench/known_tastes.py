"""What the benchmarks among users whose tastes are known share: what is looked at, and the trained tastes that are asked."""

from __future__ import annotations

import argparse

import numpy as np

from modiste.engine.tastes import Tastes, load_tastes
from modiste.recipes.registry import build_run
from modiste.training.loop import train

LIKES = (1, 3, 5, 10)
PLACES = 20


def first_shown(scores: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """(20,) rows of the outfits put first, of one user's scores (O,) and rows that are not to be shown."""
    scores = np.array(scores, dtype=np.float64)
    scores[hidden] = -np.inf
    return np.argsort(-scores, kind="stable")[:PLACES]


def expected_clicks(scores: np.ndarray, hidden: np.ndarray, truth: np.ndarray) -> float:
    """clicks@20 of one user: scores (O,), rows that are not to be shown, her probabilities (O,)."""
    return float(truth[first_shown(scores, hidden)].sum())


def trained_tastes(options: argparse.Namespace, seed: int) -> Tastes:
    """Of --recipe with --fields and this seed; a training that has ended in --runs is not done again."""
    folder = options.runs / f"{options.recipe}-{seed}"
    train(build_run(options.recipe, [*options.fields, f"seed={seed}"]), folder, device="cpu", progress=False)
    return load_tastes(folder)
