"""What recommenders on a graph of users, outfits and items share: propagation along its edges, and what they hand over.

Propagation is a product with a sparse matrix in torch's CSR form, whose gradient is a product with its transpose; torch's own
gradient of a sparse product is several times slower.

Shapes: U users, O outfits, I items, D width, E edges.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor, nn

from modiste.types import FloatArray

SLOPE = 0.2  # of every LeakyReLU, as in HFGN's released code


@dataclass(frozen=True, eq=False)
class Knowledge:
    """What a trained recommender knows, as `engine/tastes.py` keeps it: vectors, and how likes become a user.

    A user of these likes is start + scale * n(a(sum of their sources / number**exponent)), with n division by the length where
    `unit`, and a(x) = LeakyReLU(x weight + bias) where there is a weight, x + LeakyReLU(x weight + bias) out with an `out`.
    """

    users: Tensor  # (U, D)
    outfits: Tensor  # (O, D)
    items: Tensor  # (I, D) each as an outfit of it alone
    sources: Tensor  # (O, S)
    item_sources: Tensor  # (I, S)
    start: Tensor  # (D,)
    weight: Tensor | None = None  # (S, D), or (S, H) with `out`
    bias: Tensor | None = None  # (D,) or (H,)
    out: Tensor | None = None  # (H, S)
    exponent: float = 0.5
    unit: bool = True
    scale: float = 1.0

    def scores(self, users: NDArray[np.int64]) -> FloatArray:
        """Rows of users (B,) -> (B, O): `OutfitRecommender`."""
        found: FloatArray = (self.users[torch.from_numpy(users)] @ self.outfits.T).numpy()
        return found


@runtime_checkable
class Recommender(Protocol):
    """A model of the harness: trained by `losses`, asked by what it knows."""

    def knowledge(self) -> Knowledge:
        """Users and outfits by one pass over the full graph, in evaluation mode without gradients."""
        ...


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, vectors: Tensor, matrix: Tensor, transposed: Tensor) -> Tensor:
        ctx.transposed = transposed
        return matrix @ vectors

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return ctx.transposed @ gradients[0].contiguous(), None, None


class Edges(nn.Module):
    """A fixed sparse matrix (R, C) and its transpose. No parameter, and nothing of it is stored with weights."""

    def __init__(self, matrix: csr_array) -> None:
        super().__init__()
        _let_torch_warn_once()
        matrix = csr_array(matrix, dtype=np.float32)
        matrix.sum_duplicates()
        # the transpose's k-th entry is the matrix's order[k]-th: edges that are dropped are dropped in both
        places = csr_array((np.arange(1, matrix.nnz + 1), matrix.indices, matrix.indptr), shape=matrix.shape)
        other = places.T.tocsr()
        other.sort_indices()
        self.shape = (int(matrix.shape[0]), int(matrix.shape[1]))
        for name, array in {
            "offsets": matrix.indptr, "columns": matrix.indices, "offsets_t": other.indptr, "columns_t": other.indices,
            "order": other.data - 1,
        }.items():  # fmt: skip
            self.register_buffer(name, torch.from_numpy(array.astype(np.int64)), persistent=False)
        self.register_buffer("values", torch.from_numpy(matrix.data), persistent=False)

    offsets: Tensor
    columns: Tensor
    offsets_t: Tensor
    columns_t: Tensor
    order: Tensor
    values: Tensor

    def dropped(self, rate: float) -> Tensor:
        """(E,): the values with edges dropped at this rate in training, and the rest made larger to keep the expected sum."""
        return F.dropout(self.values, rate, self.training)

    def forward(self, vectors: Tensor, values: Tensor | None = None) -> Tensor:
        """(C, D) -> (R, D): the matrix, or one of other values on the same edges, times `vectors`."""
        return self._product(vectors, values, transposed=False)

    def back(self, vectors: Tensor, values: Tensor | None = None) -> Tensor:
        """(R, D) -> (C, D): the transpose times `vectors`."""
        return self._product(vectors, values, transposed=True)

    def _product(self, vectors: Tensor, values: Tensor | None, transposed: bool) -> Tensor:
        values = self.values if values is None else values
        rows, columns = self.shape
        with torch.sparse.check_sparse_tensor_invariants(False):
            matrix = torch.sparse_csr_tensor(self.offsets, self.columns, values, (rows, columns))
            other = torch.sparse_csr_tensor(self.offsets_t, self.columns_t, values[self.order], (columns, rows))
        if transposed:
            matrix, other = other, matrix
        with torch.autocast(vectors.device.type, enabled=False):  # torch has no sparse product in bf16
            product: Tensor = _Product.apply(vectors.float(), matrix, other)
        return product

    def sums(self, rows: Tensor, vectors: Tensor, values: Tensor | None = None) -> Tensor:
        """(B,) rows -> (B, D): those rows of the product alone, for a batch of users."""
        values = self.values if values is None else values
        edges, lengths = self.edges_of(rows)
        return F.embedding_bag(
            self.columns[edges], vectors, torch.cumsum(lengths, 0) - lengths, mode="sum",
            per_sample_weights=values[edges],
        )  # fmt: skip

    def edges_of(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The numbers of the edges of some rows, one row after the other, and how many each has (B,)."""
        begin = self.offsets[rows]
        lengths = self.offsets[rows + 1] - begin
        first = torch.cumsum(lengths, 0) - lengths
        at = torch.arange(int(lengths.sum()), device=rows.device)
        return at + torch.repeat_interleave(begin - first, lengths), lengths


def _let_torch_warn_once() -> None:
    """It calls CSR a beta once per process; what is used of it here is checked against dense matrices in the tests."""
    nothing = torch.zeros(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.sparse_csr_tensor(torch.zeros(1, dtype=torch.int64), nothing.long(), nothing, (0, 0))


def scaled(matrix: csr_array, rows: float, columns: float) -> csr_array:
    """Entry (r, c) divided by degree(r)**rows * degree(c)**columns; 0.5 and 0.5 is the symmetric normalisation."""
    by_row = np.maximum(np.asarray(matrix.sum(axis=1)).ravel(), 1.0) ** -rows
    by_column = np.maximum(np.asarray(matrix.sum(axis=0)).ravel(), 1.0) ** -columns
    found = csr_array(matrix, dtype=np.float32, copy=True)
    found.data *= (np.repeat(by_row, np.diff(found.indptr)) * by_column[found.indices]).astype(np.float32)
    return found


def share_of_outfits(outfit_items: csr_array) -> csr_array:
    """(I, O), rows sum to 1: what a model that knows no items says of one is the mean over the outfits that have it."""
    return scaled(csr_array(outfit_items.T), 1.0, 0.0)


def mean_of_layers(layers: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Of users and of outfits or items, each by itself: what LightGCN makes of its layers."""
    users, others = zip(*layers, strict=True)
    return torch.stack(users).mean(dim=0), torch.stack(others).mean(dim=0)


def degree_scale(clicks: csr_array) -> Tensor:
    """(O,): one over the square root of an outfit's clicks."""
    degree = torch.from_numpy(np.asarray(clicks.sum(axis=0), dtype=np.float32).ravel())
    return degree.clamp(min=1).rsqrt()
