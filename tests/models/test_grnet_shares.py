"""Shares of a GRNet's terms: recovered from choices that were drawn by known ones, and what a score by them is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import expit

from modiste.models.grnet import SIZES, Described, Grnet
from modiste.models.grnet_shares import Shares, fitted_shares, terms_of_shortlists, with_shares

Terms = NDArray[np.float64]
Right = NDArray[np.bool_]


def choices(shares: tuple[float, float, float], queries: int = 3_000, candidates: int = 8) -> tuple[Terms, Right]:
    """Right candidates drawn by the very model that is fitted: one of each query, with the softmax of its score."""
    random = np.random.default_rng(0)
    terms = random.normal(size=(queries, candidates, 3))
    scores = terms @ np.array(shares) + random.gumbel(size=(queries, candidates))
    return terms, scores == scores.max(axis=1, keepdims=True)


def test_shares_by_which_choices_were_made_are_found_up_to_their_scale() -> None:
    terms, right = choices((2.0, 1.0, 0.5))
    found = fitted_shares(terms, right, (1.0, 1.0, 1.0))
    assert found.windows / found.cosine == pytest.approx(0.5, abs=0.05)
    assert found.graph / found.cosine == pytest.approx(0.25, abs=0.05)


def test_a_term_that_spoils_the_order_counts_for_nothing() -> None:
    terms, right = choices((2.0, 1.0, -1.0))
    found = fitted_shares(terms, right, (1.0, 1.0, 1.0))
    assert found.graph == 0.0
    assert found.cosine > found.windows > 0


def test_what_photos_say_nothing_of_stays_as_it_was() -> None:
    terms, right = choices((2.0, 1.0, 0.0))
    terms[:, :, 2] = 0.0  # a model without that term
    found = fitted_shares(terms, right, (1.0, 1.0, 1.0))
    assert found.graph / found.cosine == pytest.approx(1 / 2, rel=0.1)  # 1 as it was; the cosine's is 2


def test_the_sum_is_the_log_odds_of_the_same_item() -> None:
    """Right and wrong candidates weigh alike: among them, what is called 70 % likely is right seven times of ten."""
    terms, right = choices((2.0, 1.0, 0.5), queries=6_000)
    found = fitted_shares(terms, right, (1.0, 1.0, 1.0))
    logits = terms @ np.array([found.cosine, found.windows, found.graph]) + found.offset
    weights = np.where(right, 1.0, 1 / 7)
    likely = expit(logits)
    assert (weights * likely).sum() / weights.sum() == pytest.approx(0.5, abs=0.005)
    for low, high in ((0.2, 0.4), (0.4, 0.6), (0.6, 0.8)):
        inside = (likely >= low) & (likely < high)
        truth = (weights * right)[inside].sum() / weights[inside].sum()
        assert truth == pytest.approx((weights * likely)[inside].sum() / weights[inside].sum(), abs=0.04)


def test_queries_that_cannot_be_answered_say_nothing() -> None:
    terms, right = choices((2.0, 1.0, 0.5), queries=200)
    more = np.concatenate([terms, terms[:5]]), np.concatenate([right, np.zeros((5, 8), bool)])
    assert fitted_shares(*more, (1.0, 1.0, 1.0)) == fitted_shares(terms, right, (1.0, 1.0, 1.0))
    with pytest.raises(ValueError, match="nothing to fit"):
        fitted_shares(terms, np.zeros_like(right), (1.0, 1.0, 1.0))
    terms[3, 2, 1] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        fitted_shares(terms, right, (1.0, 1.0, 1.0))


def _photos(model: Grnet, count: int, seed: int) -> Described:
    torch.manual_seed(seed)
    unit = torch.nn.functional.normalize
    windows = unit(torch.randn(count, model.config.num_windows, model.config.window_dim), dim=2)
    return Described(windows, unit(torch.randn(count, model.config.embed_dim), dim=1))


def test_a_model_scores_by_its_shares() -> None:
    torch.manual_seed(0)
    model = Grnet(replace(SIZES["debug"], node_bias=True, window_weights=True)).eval()
    x, y = _photos(model, 4, 1), _photos(model, 4, 2)
    changed = with_shares(model, Shares(0.5, 3.0, 0.25, -1.5))
    terms = model.score_terms(x, y)
    expected = terms @ torch.tensor([0.5, 3.0, 0.25]) - 1.5
    assert torch.allclose(changed.score(x, y), expected, atol=1e-4)
    assert torch.allclose(model.score(x, y), terms.sum(dim=1), atol=1e-5), "the model itself stays as it was"
    assert (changed.config.cosine_share, changed.config.window_share) == (0.5, 3.0)


def test_shortlists_are_the_embeddings() -> None:
    torch.manual_seed(0)
    model = Grnet(SIZES["debug"]).eval()
    queries, gallery = _photos(model, 3, 1), _photos(model, 9, 2)
    same = np.zeros((3, 9), bool)
    same[[0, 1, 2], [4, 0, 8]] = True
    terms, right = terms_of_shortlists(model, queries, gallery, same, shortlist=5)
    assert (terms.shape, right.shape) == ((3, 5, 3), (3, 5))
    for row in range(3):
        first = (queries.embedding[row] @ gallery.embedding.T).argsort(descending=True)[:5].tolist()
        assert right[row].tolist() == same[row, first].tolist()
        alone = [model.score_terms(queries[row : row + 1], gallery[one : one + 1])[0] for one in first]
        assert np.allclose(terms[row], torch.stack(alone).numpy(), atol=1e-5)
    assert terms_of_shortlists(model, queries, gallery, same)[0].shape == (3, 9, 3), "no more than there are"
