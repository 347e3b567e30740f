"""Words that say what an item is: a hyperplane per class in the space of TF-IDF weighted WordPieces, fitted, not trained.

"Men's flip flops" need no network to be flip flops, and few of the 31,580 training titles need more than their words. One
linear support vector machine per class (scikit-learn's LinearSVC, Fan et al., JMLR 2008) over the title's pieces tells sub-
categories better than a deep head does after minutes of training, above all the rare ones; the deep head adds the photo:

    logits = slope * (margins of the words) + share * log_softmax(the deep head's logits)

`slope` and `share` are chosen on validation items, so that the softmax of the sum gives their labels the greatest likelihood.

Shapes: N items, L text length, V vocabulary, C classes of a label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from modiste.data.text import document_counts
from modiste.types import FloatArray

_NEVER = -1.5  # margin of a class that no training item has: LinearSVC's own lie about -1 for what is not the class


@dataclass(frozen=True, eq=False)
class Lines:
    """The hyperplanes of one label, and how they are mixed with the deep head's logits."""

    weights: NDArray[np.float16]  # (V, C)
    bias: FloatArray  # (C,)
    slope: float = 1.0
    share: float = 0.0

    @cached_property
    def planes(self) -> FloatArray:
        """The weights to reckon with, made from the stored ones once."""
        return self.weights.astype(np.float32)


@dataclass(frozen=True, eq=False)
class LabelLines:
    """The hyperplanes of every label, over the same weighted words."""

    idf: FloatArray  # (V,): ln((1 + items) / (1 + items with the piece)) + 1; of padding 0
    labels: Mapping[str, Lines]

    def __post_init__(self) -> None:
        for name, lines in self.labels.items():
            if lines.weights.shape != (len(self.idf), len(lines.bias)):
                raise ValueError(
                    f"the lines of {name} are {lines.weights.shape} for {len(self.idf)} words, {len(lines.bias)} classes"
                )

    def margins(self, token_ids: NDArray[np.int64]) -> dict[str, FloatArray]:
        """Token ids (N, L), 0 where there is none -> label -> (N, C), greater where a class is likelier."""
        words = word_features(token_ids, self.idf)
        return {name: np.asarray(words @ lines.planes + lines.bias, np.float32) for name, lines in self.labels.items()}

    def logits(self, token_ids: NDArray[np.int64], deep: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
        """Label -> (N, C): the words' margins and the deep heads' logits (N, C) mixed; other labels stay as they are."""
        found = dict(deep)
        for name, margins in self.margins(token_ids).items():
            lines = self.labels[name]
            found[name] = (lines.slope * margins + lines.share * log_softmax(deep[name], axis=1)).astype(np.float32)
        return found


def word_features(token_ids: NDArray[np.int64], idf: FloatArray) -> Any:
    """(N, V) sparse float32 rows of unit length: how often each piece comes, times its weight."""
    import scipy.sparse as sp

    rows, columns = np.nonzero(token_ids)
    shape = (len(token_ids), len(idf))
    counts = sp.csr_matrix((np.ones(len(rows), np.float32), (rows, token_ids[rows, columns])), shape=shape)
    weighted = counts @ sp.diags(np.asarray(idf, np.float32))
    length = np.sqrt(weighted.multiply(weighted).sum(axis=1))
    return sp.csr_matrix(weighted.multiply(1 / np.maximum(length, 1e-12)), dtype=np.float32)


def fit_lines(
    token_ids: NDArray[np.int64],
    classes: NDArray[np.int64],
    labels: Mapping[str, Sequence[str]],
    *,
    vocab_size: int,
    regularisation: float = 1.0,
    rarity: float = 0.0,
) -> LabelLines:
    """Fit the hyperplanes of every label that at least two classes of occur.

    Parameters
    ----------
    token_ids
        (N, L) of the training items' titles.
    classes
        (N, H): the class number of each item for each of `labels`, in their order; negative where it has none.
    regularisation
        LinearSVC's C: the greater, the closer the planes follow the training items.
    rarity
        For the plane of a class with n items these weigh (N / n) ** rarity each, N the most frequent class's number, and
        all other items 1: the greater, the less a rare class gives way. bench/label_lines.py compares both numbers.

    Raises
    ------
    ValueError
        If the shapes do not fit each other.
    """
    from sklearn.svm import LinearSVC

    if classes.shape != (len(token_ids), len(labels)):
        raise ValueError(f"classes of shape {classes.shape} for {len(token_ids)} items and {len(labels)} labels")
    seen = document_counts(token_ids, vocab_size)
    idf = (np.log((1 + len(token_ids)) / (1 + seen)) + 1).astype(np.float32)
    idf[0] = 0
    words = word_features(token_ids, idf)
    fitted: dict[str, Lines] = {}
    for at, (name, names) in enumerate(labels.items()):
        known = classes[:, at] >= 0
        present = np.unique(classes[known, at])
        if len(present) < 2:
            continue
        times = np.bincount(classes[known, at])
        weights_of = {number: float((times.max() / times[number]) ** rarity) for number in present}
        machine = LinearSVC(C=regularisation, class_weight=weights_of, random_state=0)
        machine.fit(words[known], classes[known, at])
        weights, bias = np.zeros((vocab_size, len(names)), np.float16), np.full(len(names), _NEVER, np.float32)
        # Of two classes LinearSVC gives one plane, the second class's side of it.
        planes, offsets = machine.coef_, machine.intercept_
        if len(present) == 2:
            planes, offsets = np.concatenate([-planes, planes]), np.concatenate([-offsets, offsets])
        weights[:, present], bias[present] = planes.T.astype(np.float16), offsets
        fitted[name] = Lines(weights, bias)
    return LabelLines(idf, fitted)


def mixed(
    lines: LabelLines,
    token_ids: NDArray[np.int64],
    deep: Mapping[str, FloatArray],
    classes: Mapping[str, NDArray[np.int64]],
) -> LabelLines:
    """The same lines with slope and share of greatest likelihood on held-out items.

    `deep`: label -> the deep head's logits (N, C); `classes`: label -> (N,), negative where an item has none.
    """
    from scipy.optimize import minimize

    chosen = dict(lines.labels)
    for name, margins in lines.margins(token_ids).items():
        known = classes[name] >= 0
        if not known.any():
            continue
        words, photo, right = margins[known], log_softmax(deep[name], axis=1)[known], classes[name][known]

        def loss(mix: NDArray[np.float64], words=words, photo=photo, right=right) -> float:  # type: ignore[no-untyped-def]
            logits = log_softmax(np.exp(mix[0]) * words + np.exp(mix[1]) * photo, axis=1)
            return -float(logits[np.arange(len(right)), right].mean())

        found = minimize(loss, np.log([4.0, 0.5]), method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-6})
        slope, share = np.exp(found.x)
        chosen[name] = Lines(lines.labels[name].weights, lines.labels[name].bias, float(slope), float(share))
    return LabelLines(lines.idf, chosen)
