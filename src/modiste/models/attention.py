"""Scaled dot-product attention, the way that is fastest where it runs.

Shapes: B batch, H heads, Q queries, K keys, D width of a head.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def attend(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
    """softmax(query keyᵀ / √D) value: (B, H, Q, D), of `query` (B, H, Q, D), `key` and `value` (B, H, K, D).

    `mask` broadcasts to (B, H, Q, K), True = attend. torch's fused kernel, but for a CPU that learns in bf16: the kernel's
    backward pass takes three to five times as long as the products written out, which are bf16's own there.
    """
    if query.requires_grad and query.device.type == "cpu" and query.dtype == torch.bfloat16:
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
        if mask is not None:
            scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)  # a row of padding alone is no nan
        return scores.softmax(dim=-1) @ value
    return F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
