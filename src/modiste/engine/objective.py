"""The objective, the one definition of "best" that search, completion, generation, swaps and explanations share.

    value(O) = alpha · S(O) + (1 - alpha) · match(O)        for a valid O, and 0 for any other        (specification 1.3, 1.4)

For a person whose taste is known (`OutfitEngine.with_taste`) it has one more term:

    value(O) = (1 - beta) · [alpha · S(O) + (1 - alpha) · match(O)] + beta · taste(O)

taste(O) is the mean over the chosen items of how much she likes each, in [0, 1] (`liking.py`); beta = 0 leaves it out. Like the
match it is a sum over slots, so the solver's bounds and its exactness hold with it as they do without.

Readings of what the specification leaves open (its table 1.7):

- `mode` (row 8). "cross", the default: the cosine of item and wish. "text_swap", the literal one: the cosine of the item with
  itself after its text was replaced by the wish.
- `reduction` (row 9). "mean", the default: match is the mean over the slots that have a wish; where none has, the value is S
  alone. "sum", the literal one: a sum, which rewards large outfits.
- `calibration`. With a `Calibration`, S and the cosines become probabilities, and match counts as much as the best that the
  slot has to offer (`fulfilment`). With "none", S is taken as it is, and a cosine
  s as (1 + s) / 2 under "mean" and as it is under "sum": `Objective(reduction="sum", calibration="none")` is the literal
  formula. The taste is a mean under either.
- `wishes`. "read", the default: an item that the catalogue knows to be otherwise than a slot's wish names it is less like the
  wish (named.py). "heard", the literal one: the encoder's cosine alone.
- k = 1 (row 12). The S of a single item says nothing, and models are not trained to say it, so it is neutral: 0.5. With K = 1
  generation therefore ranks exactly as search does.

Shapes: B outfits, k open slots.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modiste.engine.calibration import Calibration

Mode = Literal["cross", "text_swap"]
Reduction = Literal["mean", "sum"]
Wishes = Literal["read", "heard"]
MODES: tuple[Mode, ...] = ("cross", "text_swap")
REDUCTIONS: tuple[Reduction, ...] = ("mean", "sum")
WISHES: tuple[Wishes, ...] = ("read", "heard")
Values = NDArray[np.float64]

NEUTRAL = 0.5  # S of a single item


@dataclass(frozen=True, slots=True)
class Objective:
    """How S and text match become one value; see the module's head for what the fields mean."""

    alpha: float = 0.5
    mode: Mode = "cross"
    reduction: Reduction = "mean"
    calibration: Calibration | Literal["none"] = "none"
    beta: float = 0.0
    wishes: Wishes = "read"

    def __post_init__(self) -> None:
        if not 0.0 <= self.alpha <= 1.0:
            raise ValueError(f"alpha must lie in [0, 1], not {self.alpha}")
        if not 0.0 <= self.beta <= 1.0:
            raise ValueError(f"beta must lie in [0, 1], not {self.beta}")
        if self.mode not in MODES:
            raise ValueError(f"unknown mode {self.mode!r}; choose one of {', '.join(MODES)}")
        if self.reduction not in REDUCTIONS:
            raise ValueError(f"unknown reduction {self.reduction!r}; choose one of {', '.join(REDUCTIONS)}")
        if self.wishes not in WISHES:
            raise ValueError(f"unknown wishes {self.wishes!r}; choose one of {', '.join(WISHES)}")
        if not isinstance(self.calibration, Calibration) and self.calibration != "none":
            raise ValueError(f"calibration must be a Calibration or 'none', not {self.calibration!r}")

    def compatibility(self, scores: ArrayLike) -> Values:
        """S of sets of two items and more as the objective takes it, in [0, 1]; never falls when a score rises."""
        values = np.asarray(scores, dtype=np.float64)
        if isinstance(self.calibration, Calibration) and self.calibration.compatibility is not None:
            return self.calibration.compatibility(values)
        return values

    def match(self, similarities: ArrayLike) -> Values:
        """The match of items with a wish from their cosines, in [0, 1] (literal sum: [-1, 1]); never falls either."""
        values = np.asarray(similarities, dtype=np.float64)
        if isinstance(self.calibration, Calibration) and self.calibration.match is not None:
            return self.calibration.match(values)
        return values if self.reduction == "sum" else (1 + values) / 2

    def fulfilment(self, similarities: ArrayLike, nearest: ArrayLike) -> Values:
        """What items count for in the value by their cosines with a wish, in [0, 1]; never falls when a cosine rises.

        With a calibrated nearness it is how likely an item is to be what the wish says, beside the `nearest` cosine that an
        item of its slot has, which counts 1: a wish weighs the same whether its words are easy or hard. Else it is the match.
        """
        if self.mode == "cross" and isinstance(self.calibration, Calibration) and self.calibration.nearness is not None:
            curve = self.calibration.nearness
            below = np.asarray(similarities, dtype=np.float64) - np.asarray(nearest, dtype=np.float64)
            return np.minimum(1.0, curve(below) / curve(0.0))
        return self.match(similarities)

    @property
    def best_match(self) -> float:
        """An upper bound of `fulfilment`, whichever item is the nearest."""
        return float(self.fulfilment(1.0, 1.0))

    def weights(self, num_wishes: int) -> tuple[float, float]:
        """Of S, and of the match of each slot that has a wish: value = first · S + second · (sum of the matches)."""
        rest = 1 - self.beta
        if self.reduction == "sum":
            return rest * self.alpha, rest * (1 - self.alpha)
        if num_wishes == 0:
            return rest, 0.0
        return rest * self.alpha, rest * ((1 - self.alpha) / num_wishes)

    def taste_weight(self, num_chosen: int) -> float:
        """Of how much each chosen item is liked: what the value adds to those of `weights`."""
        return self.beta / num_chosen if num_chosen else 0.0

    def value(
        self,
        compatibility: ArrayLike,
        matches: ArrayLike,
        valid: ArrayLike = True,
        tastes: ArrayLike | None = None,
    ) -> Values:
        """The value of B outfits from `compatibility()` (B,) and the `fulfilment()` of their wishes (B, W); 0 if not valid.

        `tastes` (B, k): how much the chosen items are liked. Raises `ValueError` if beta asks for them and they are not given.
        """
        found = np.asarray(matches, dtype=np.float64)
        of_compatibility, of_match = self.weights(found.shape[-1])
        total = of_compatibility * np.asarray(compatibility, dtype=np.float64) + of_match * found.sum(axis=-1)
        if self.beta > 0:
            if tastes is None:
                raise ValueError(f"beta is {self.beta}, but nothing says how much the items are liked")
            liked = np.asarray(tastes, dtype=np.float64)
            total = total + self.taste_weight(liked.shape[-1]) * liked.sum(axis=-1)
        return np.where(valid, total, 0.0)

    @property
    def match_threshold(self) -> float | None:
        """The match under which a wish counts as not fulfilled; None without calibration, where a match means nothing."""
        if isinstance(self.calibration, Calibration) and self.calibration.match is not None:
            return self.calibration.match_threshold
        return None
