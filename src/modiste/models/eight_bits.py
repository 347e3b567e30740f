"""Weights and vectors in eight bits a number: half of what float16 takes, for what ships.

Weights have a factor for each row, since rows differ in size; the unit vectors of a query bank have one power of two, so that
float16 holds exactly what was stored and saving it again changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

FACTOR = ".factor"  # ends the name of the factors of a matrix


def in_eight_bits(stored: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Each floating-point matrix as int8 with a factor for each of its rows, `NAME.factor` in fp32; all else as it is.

    The largest value of a row is 127 of its factor, so that a weight is off by at most 1/254 of it.
    """
    found: dict[str, torch.Tensor] = {}
    for key, value in stored.items():
        if not value.is_floating_point() or value.ndim < 2:
            found[key] = value
            continue
        rows = value.float().flatten(1)
        factor = (rows.abs().amax(dim=1) / 127).clamp(min=torch.finfo(torch.float32).tiny)
        found[key] = (rows / factor[:, None]).round().to(torch.int8).view(value.shape)
        found[key + FACTOR] = factor
    return found


def from_eight_bits(stored: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What `in_eight_bits` wrote, in fp32; all else as it is. Raises `ValueError` for a factor that fits nothing."""
    found = without_factors(stored)
    for key, factor in stored.items():
        if not key.endswith(FACTOR):
            continue
        name = key.removesuffix(FACTOR)
        if name not in found or found[name].dtype != torch.int8 or factor.shape != found[name].shape[:1]:
            raise ValueError(f"{key} fits no matrix of int8 there")
        found[name] = found[name].float() * factor.view(-1, *[1] * (found[name].ndim - 1))
    return found


def without_factors(stored: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors by the names that a model gives them."""
    return {key: value for key, value in stored.items() if not key.endswith(FACTOR)}


def exponent_of(vectors: NDArray[np.floating]) -> int:
    """The finest power of two by which finite numbers fit into int8: they are stored in multiples of 2 ** -exponent."""
    largest = float(np.abs(vectors).max(initial=0.0))
    return int(np.clip(np.floor(np.log2(127 / largest)), -8, 14)) if largest else 14


def rounded(vectors: NDArray[np.floating]) -> NDArray[np.float16]:
    """The numbers as eight bits of one exponent hold them."""
    return widened(*packed(vectors))


def packed(vectors: NDArray[np.floating]) -> tuple[NDArray[np.int8], int]:
    """Numbers as int8 multiples of 2 ** -exponent, and that exponent."""
    exponent = exponent_of(vectors)
    return np.round(vectors.astype(np.float32) * np.float32(2.0**exponent)).astype(np.int8), exponent


def widened(numbers: NDArray[np.int8], exponent: int) -> NDArray[np.float16]:
    """What `packed` wrote, exactly."""
    return (numbers.astype(np.float32) * np.float32(2.0**-exponent)).astype(np.float16)
