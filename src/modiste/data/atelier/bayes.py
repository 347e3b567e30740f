"""The best possible scorer of the atelier's looks: what a trained model is measured against.

Why no scorer can do better on average. Let P(O) = P(compatible | O), q(O | shape) the proposals of `looks.py`, and Z_shape
the share of a shape's proposals that is accepted. A look is a draw from share(shape) q(O | shape) P(O) / Z_shape.

- *Compatibility, declined proposals of the same shapes as negatives* (`labelled_looks`): negatives are draws from
  share(shape) q(O | shape) (1 - P(O)) / (1 - Z_shape). Ranking by the likelihood ratio P / Z : (1 - P) / (1 - Z) has the
  largest expected area under the curve of all functions of O (Neyman-Pearson at every threshold). `against="declined"`
  returns the posterior of a balanced question, which rises with that ratio.
- *Compatibility, random items of the same slots as negatives*: negatives are draws from share(shape) q(O | shape), the ratio is
  P / Z. `against="slot"` returns P / (P + Z). *Of the same article types*: `against="category"`, with Z of the set's article
  types.
- *Compatibility, any items as negatives*, as many as the look has: negatives are draws from share(size) u(O | size) with u
  uniform over sets of that size. `against="random"` returns the posterior for the ratio share(shape) q P / Z : share(size) u,
  which is 0 for sets that no shape proposes. Z is estimated by drawing sets, so all four are optimal up to the noise of that
  estimate.
- *Fill in the blank, complementary retrieval*: one item of a look is taken out, and candidates are drawn uniformly from a class
  that the answer's slot or article type determines (the whole class, in retrieval). Given the rest R, the candidate c is the
  true one with probability proportional to q(R + c) P(R + c); q is uniform within a class, so ranking by P(R + c) makes the
  fewest errors and has the largest recall at every k. Z does not change within a question (of one slot, for "category" of one
  article type), so ranking by the posterior is the same. Candidates that repeat an article type of R never are the answer;
  `styles.NEVER` sees to that. Candidates drawn by popularity or filtered by a model are another question: there the value is
  a lower bound of the best, as popularity itself tells something.
- `against=None` is P itself, calibrated to the stream of proposals: what completion and generation should maximise.

`bayes_scorer(world, style=...)` is one stylist's own P: pairwise, so that exact search can bound it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from math import factorial, prod
from typing import Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from modiste.data.atelier.design import generator
from modiste.data.atelier.looks import AtelierOutfits, Proposer
from modiste.data.atelier.panel import Panel, sigmoid
from modiste.data.atelier.shapes import Shape
from modiste.data.atelier.styles import GAIN, style_named
from modiste.data.style.scoring import checked_sets
from modiste.data.style.wardrobe import slot_of
from modiste.types import FloatArray, Item, OutfitPool, OutfitScorer, PairwisePool

Against = Literal["declined", "slot", "category", "random"]
AGAINST: tuple[Against, ...] = ("declined", "slot", "category", "random")
_SMALLEST = 1e-30  # scores lie in (0, 1]
_STREAM = 41


class MixturePool(OutfitPool):
    """P(compatible | set), all stylists together."""

    def __init__(self, items: Sequence[Item]) -> None:
        self.panel = Panel(items)

    def score(self, sets: NDArray[np.int64]) -> FloatArray:
        result: FloatArray = np.maximum(self.panel.probability(checked_sets(sets, len(self.panel))), _SMALLEST)
        return result


class StylePool(PairwisePool):
    """P(one stylist accepts the set): the mean over pairs, through `link`."""

    def __init__(self, items: Sequence[Item], style: str) -> None:
        self.panel = Panel(items, [style_named(style)])

    def score(self, sets: NDArray[np.int64]) -> FloatArray:
        opinions = self.panel.opinions(checked_sets(sets, len(self.panel)))[:, 0]
        return self.link((opinions / GAIN).astype(np.float32))

    def pairs(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> FloatArray:
        return self.panel.pairs(rows, columns)[..., 0]

    def link(self, mean: FloatArray) -> FloatArray:
        result: FloatArray = np.maximum(sigmoid(GAIN * np.asarray(mean, dtype=np.float64)), _SMALLEST)
        return result


class PosteriorPool(OutfitPool):
    """P(look | set) where half of the sets are looks and the other half are negatives of the same classes."""

    def __init__(self, items: Sequence[Item], scorer: BayesScorer) -> None:
        self._mixture = MixturePool(items)
        self._classes = [scorer.class_of(item) for item in items]
        self._scorer = scorer

    def score(self, sets: NDArray[np.int64]) -> FloatArray:
        chance = self._mixture.score(sets).astype(np.float64)
        classes = [tuple(sorted(self._classes[one] for one in row if one >= 0)) for row in sets]
        share = np.array([self._scorer.share(one) for one in classes])
        look, other = chance / share, np.ones_like(chance)
        if self._scorer.against == "declined":
            other = (1 - chance) / np.maximum(1 - share, _SMALLEST)
        elif self._scorer.against == "random":
            empty = -1 - np.arange(sets.shape[1])  # equals nothing
            articles = np.sort(np.where(sets >= 0, self._mixture.panel.articles[sets], empty), axis=1)
            proposed = (articles[:, 1:] != articles[:, :-1]).all(axis=1)
            look = look * np.array([self._scorer.odds(one) for one in classes]) * proposed
        result: FloatArray = np.maximum(look / (look + other), _SMALLEST).astype(np.float32)
        return result


class BayesScorer(OutfitScorer):
    """See the module's docstring. Made by `bayes_scorer`."""

    def __init__(
        self, items: Sequence[Item], *, style: str | None, against: Against | None, draws: int, seed: int
    ) -> None:
        self._style, self.against, self._draws = style, against, draws
        self._seed = seed
        self._shares: dict[tuple[str, ...], float] = {}
        self._odds: dict[Shape, float] = {}
        if against is not None:
            self._proposer = Proposer(items)
            self._shape_shares = dict(zip(self._proposer.shapes, self._proposer.shares.tolist(), strict=True))
            self._distinct: dict[tuple[str, ...], float] = {}  # share of drawn sets that repeat no article type
            classes = [self.class_of(item) for item in items]
            self._rows = {name: np.flatnonzero([one == name for one in classes]) for name in sorted(set(classes))}

    def class_of(self, item: Item) -> str:
        return item.category if self.against == "category" else slot_of(item)

    def share(self, classes: tuple[str, ...]) -> float:
        """Z: the mean of P over random sets of these classes; 1 for a class that the split does not have."""
        if classes not in self._shares:
            rows = [self._rows.get(name, np.empty(0, dtype=np.int64)) for name in classes]
            total, count = 0.0, 0
            if all(len(one) for one in rows):
                rng = generator(self._seed, crc32("+".join(classes).encode()), _STREAM)
                sets = np.stack([one[rng.integers(len(one), size=self._draws)] for one in rows], axis=1)
                sets = self._proposer.distinct(sets)
                total, count = float(self._proposer.probability(sets).sum(dtype=np.float64)), len(sets)
            self._distinct[classes] = count / self._draws
            self._shares[classes] = max(total / count, _SMALLEST) if count else 1.0
        return self._shares[classes]

    def odds(self, shape: Shape) -> float:
        """How much oftener stylists are shown a set of this shape than it is drawn from all items of the split: share(shape) q
        to share(size) u; 0 for a shape that is not proposed."""
        if shape not in self._odds:
            self._odds[shape] = self._reckoned_odds(shape)
        return self._odds[shape]

    def _reckoned_odds(self, shape: Shape) -> float:
        self.share(shape)
        if not (shown := self._shape_shares.get(shape, 0.0)) or not self._distinct[shape]:
            return 0.0
        of_size = sum(share for one, share in self._shape_shares.items() if len(one) == len(shape))
        same = prod(factorial(count) for count in Counter(shape).values())  # orders that give one set
        drawn = factorial(len(shape)) * prod(len(self._rows[slot]) / len(self._proposer.panel) for slot in shape)
        return shown / of_size * same / self._distinct[shape] / drawn

    def pool(self, items: Sequence[Item], vectors: FloatArray | None = None) -> OutfitPool:
        """Items of any atelier, drawn or not: what is scored is their attributes. `vectors` are not needed."""
        if self._style is not None:
            return StylePool(items, self._style)
        return MixturePool(items) if self.against is None else PosteriorPool(items, self)


def bayes_scorer(
    world: AtelierOutfits,
    *,
    style: str | None = None,
    against: Against | None = "declined",
    split: str = "test",
    among: Container[str] | None = None,
    draws: int = 2_000,
    seed: int = 0,
) -> BayesScorer:
    """The scorer whose value under a protocol is the best that any scorer can expect there.

    Parameters
    ----------
    style
        One of `STYLE_NAMES`: that stylist alone (its pool is a `PairwisePool`); by default all of them, as looks are made.
    against
        What the negatives of a compatibility question are: "declined" proposals (`labelled_looks`), or random items of the
        same "slot" or "category" (article type), or any items ("random"); None: P itself. Makes no difference to fill in the
        blank and retrieval.
    split
        Where random negatives come from; `draws` random sets estimate how often such a set is accepted.
    among
        Ids of the items that random negatives are drawn from; by default all of the split.

    Raises
    ------
    ValueError
        For an unknown style, kind of negatives or split.
    """
    if against is not None and against not in AGAINST:
        raise ValueError(f"unknown kind of negatives {against!r}; choose one of {', '.join(AGAINST)}")
    if style is not None:
        style_named(style)
        against = None  # her own opinion
    if draws < 1:
        raise ValueError(f"draws must be at least 1, not {draws}")
    items = [item for item in world.undrawn(split) if among is None or item.id in among]
    return BayesScorer(items, style=style, against=against, draws=draws, seed=seed)
