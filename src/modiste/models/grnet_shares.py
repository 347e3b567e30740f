"""How much a GRNet's cosine, windows and graph count in its score: fitted on photos that it has not learned from.

All three learn from the same photos until they tell them apart, and what each still tells of others is not what it told of
those: trusted as they were trained, one of them may spoil the order that the others give. So a trained model's shares are
fitted anew on held-out products, as in stacked generalisation (Wolpert 1992), in two convex steps of five numbers in all: the
order by a conditional logit over each photo's shortlist (McFadden 1974), then scale and offset by a logistic regression of "the
same item or not", in which, as in the model's own loss, the right photos of a query weigh as much as its wrong ones.

Shapes: Q queries, K candidates of each, 3 terms (`Grnet.terms`).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, logsumexp

from modiste.models.grnet import Described, Grnet

SHORTLIST = 100  # candidates of a query, as in use
RIDGE = 1e-3  # pull towards equal trust: decides only where photos do not


class NothingToFit(ValueError):
    """No query has both a right and a wrong candidate in its shortlist."""


@dataclass(frozen=True, slots=True)
class Shares:
    """Factors on the terms of `Grnet.terms` as they are, and what is added to their sum."""

    cosine: float
    windows: float
    graph: float
    offset: float


def fitted_shares(terms: NDArray[np.float64], right: NDArray[np.bool_], before: Sequence[float]) -> Shares:
    """The shares with which right candidates come first: terms (Q, K, 3), right (Q, K); `before`, (3,), where to start.

    No share is negative. Queries without a right candidate, or with nothing else, say nothing and are left out.

    Raises
    ------
    NothingToFit
        If no query is left.
    ValueError
        If a number is not finite.
    """
    asked = right.any(axis=1) & ~right.all(axis=1)
    if not asked.any():
        raise NothingToFit("no query has both a right and a wrong candidate: there is nothing to fit shares on")
    terms, right, start = terms[asked], right[asked], np.asarray(before, dtype=float)
    if not np.isfinite(terms).all():
        raise ValueError("a term of the score is not finite; the model's weights are broken")

    def order(shares: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        chances = log_softmax(terms @ shares, axis=1)
        found = logsumexp(np.where(right, chances, -np.inf), axis=1)  # (Q,)
        wanted = np.where(right, np.exp(chances - found[:, None]), 0.0) - np.exp(chances)
        apart = shares - start
        gradient = -np.einsum("qk,qkt->t", wanted, terms) / len(terms) + RIDGE * apart
        return float(-found.mean() + RIDGE * (apart @ apart) / 2), gradient

    shares = minimize(order, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(start)).x
    scores = terms @ shares
    weights = np.where(right, 1 / right.sum(axis=1, keepdims=True), 1 / (~right).sum(axis=1, keepdims=True))
    weights /= weights.sum()

    def same(line: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = line[0] * scores + line[1]
        wrong_by = weights * (expit(logits) - right)
        value = (weights * np.where(right, np.logaddexp(0, -logits), np.logaddexp(0, logits))).sum()
        return float(value), np.array([(wrong_by * scores).sum(), wrong_by.sum()])

    scale, offset = minimize(
        same, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(1e-3, None), (None, None)]
    ).x
    cosine, windows, graph = (float(one) for one in scale * shares)
    return Shares(cosine, windows, graph, float(offset))


def with_shares(model: Grnet, shares: Shares) -> Grnet:
    """A copy of the model that scores by these shares: the terms' are fields of its sizes, the graph's is in the read-out."""
    made = copy.deepcopy(model)
    config = model.config
    made.config = replace(config, cosine_share=shares.cosine, window_share=shares.windows)
    with torch.no_grad():
        made.read.weight.mul_(shares.graph)
        made.read.bias.mul_(shares.graph).add_(shares.offset)
    return made


@torch.inference_mode()
def terms_of_shortlists(
    model: Grnet, queries: Described, gallery: Described, same: NDArray[np.bool_], shortlist: int = SHORTLIST
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """What `fitted_shares` takes, of the first `shortlist` shop photos by the embedding: `same` (Q, G) says what is right."""
    count = min(shortlist, len(gallery))
    terms, right = [], []
    for row in range(len(queries)):
        query = queries[row : row + 1]
        found = (gallery.embedding @ query.embedding[0]).topk(count).indices
        terms.append(model.score_terms(query, gallery[found]).double().cpu().numpy())
        right.append(same[row, found.cpu().numpy()])
    return np.stack(terms), np.stack(right)
