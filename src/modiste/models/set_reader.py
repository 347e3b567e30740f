"""Many sets of stored items through a set encoder: the same numbers as `SetEncoder`, with less work.

A search asks for thousands of sets that are made of a few hundred items. So what the first block computes of an item alone, its
query, key and value, is computed once per item instead of once per set; and of the last block only the token is followed, since
nothing else is read. On small models that halves the arithmetic.

Shapes: N stored items, B sets, O places, D width, H heads.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from modiste.models.outfit_transformer import Block, SetEncoder


def read_sets(sets: SetEncoder, token: Tensor, items: Tensor, rows: Tensor) -> Tensor:
    """`token` (D,), `items` (N, D), `rows` (B, O) with -1 for no item -> what the token has become: (B, D).

    For inference: dropout is never applied.
    """
    if not len(rows):
        return items.new_zeros((0, items.shape[1]))
    there = rows >= 0
    distinct, place = torch.unique(rows.clamp(min=0), return_inverse=True)
    known = torch.cat([token[None], items[distinct]])  # (1 + distinct, D), the token first
    place = F.pad(place + 1, (1, 0))  # (B, 1 + O)
    mask = None if bool(there.all()) else F.pad(there, (1, 0), value=True)[:, None, None]
    x, last = known[place], len(sets.blocks) - 1
    for number, block in enumerate(sets.blocks):
        assert isinstance(block, Block)
        followed = 1 if number == last else x.shape[1]
        if number == 0:
            query_key_value = block.query_key_value(block.norm1(known))[place]
            query, key, value = query_key_value.chunk(3, dim=-1)
            query = query[:, :followed]
        else:
            query, key, value = _projected(block, block.norm1(x), followed)
        query, key, value = (rearrange(one, "b o (h d) -> b h o d", h=block.num_heads) for one in (query, key, value))
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)  # (B, H, followed, D / H)
        x = x[:, :followed] + block.project(rearrange(mixed, "b h o d -> b o (h d)"))
        x = x + block.contract(F.gelu(block.expand(block.norm2(x))))
    read: Tensor = sets.norm(x[:, 0])
    return read


def _projected(block: Block, x: Tensor, followed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries of the first places that are `followed`, keys and values of all: x (B, 1 + O, D)."""
    layer = block.query_key_value
    if followed == x.shape[1]:
        query, key, value = layer(x).chunk(3, dim=-1)
        return query, key, value
    width = x.shape[-1]
    query = F.linear(x[:, :followed], layer.weight[:width], layer.bias[:width])
    key, value = F.linear(x, layer.weight[width:], layer.bias[width:]).chunk(2, dim=-1)
    return query, key, value
