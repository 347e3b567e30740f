"""Attention is the same however it is computed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from modiste.models.attention import attend

MASKS = {
    "none": None,
    "causal": torch.ones(5, 5, dtype=torch.bool).tril(),
    "padding": torch.tensor([[True, True, True, False, False], [True] * 5])[:, None, None],
}


def heads(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, 2, 5, 8).to(dtype).requires_grad_() for _ in range(3))
    return query, key, value


def obvious(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> Tensor:
    """One head and one query after the other."""
    found = torch.zeros_like(query)
    for row in range(query.shape[0]):
        for head in range(query.shape[1]):
            for at in range(query.shape[2]):
                scores = (key[row, head] @ query[row, head, at]) / query.shape[-1] ** 0.5
                if mask is not None:
                    seen = mask.expand(2, 2, 5, 5)[row, head, at]
                    scores = torch.where(seen, scores, -torch.inf)
                found[row, head, at] = scores.softmax(dim=0) @ value[row, head]
    return found


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_it_is_the_equation(mask: Tensor | None) -> None:
    with torch.no_grad():
        parts = heads(torch.float32)
        assert torch.allclose(attend(*parts, mask), obvious(*parts, mask), atol=1e-6)


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_learning_in_bf16_spells_attention_out_alike(mask: Tensor | None) -> None:
    exact, coarse = heads(torch.float32), heads(torch.bfloat16)
    for parts in (exact, coarse):
        attend(*parts, mask).square().sum().backward()
    with torch.no_grad():
        fused = attend(*coarse, mask)
    assert torch.allclose(attend(*coarse, mask).float(), fused.float(), atol=0.03)
    for mine, true in zip(coarse, exact, strict=True):
        assert torch.allclose(mine.grad.float(), true.grad, atol=0.08, rtol=0.05)  # type: ignore[union-attr]


def test_a_row_of_padding_alone_is_no_nan() -> None:
    query, key, value = heads(torch.bfloat16)
    mixed = attend(query, key, value, torch.zeros(2, 1, 1, 5, dtype=torch.bool))
    mixed.sum().backward()
    assert mixed.isfinite().all()
    assert query.grad.isfinite().all()  # type: ignore[union-attr]
