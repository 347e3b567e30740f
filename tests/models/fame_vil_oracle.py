"""FAME-ViL's equations written out: one example at a time, loops over heads, masks as conditions. Slow and obvious."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from modiste.models.fame_vil import Adapter, Attention, Block, CrossAdapter, FameVil


def layer_norm(x: Tensor, norm: torch.nn.LayerNorm) -> Tensor:
    centred = x - x.mean(dim=-1, keepdim=True)
    return centred / (centred.square().mean(dim=-1, keepdim=True) + norm.eps).sqrt() * norm.weight + norm.bias


def attention(part: Attention, x: Tensor, y: Tensor, allowed) -> Tensor:
    """x (n, D) looks at y (m, D') wherever allowed(query, key)."""
    dim = x.shape[1]
    width = dim // part.num_heads
    query = x @ part.query.weight.T + part.query.bias
    key_value = y @ part.key_value.weight.T + part.key_value.bias
    key, value = key_value[:, :dim], key_value[:, dim:]
    heads = []
    for head in range(part.num_heads):
        columns = slice(head * width, (head + 1) * width)
        rows = []
        for n in range(len(x)):
            seen = [m for m in range(len(y)) if allowed(n, m)]
            scores = torch.stack([query[n, columns] @ key[m, columns] / math.sqrt(width) for m in seen])
            weights = scores.exp() / scores.exp().sum()
            rows.append(sum(w * value[m, columns] for w, m in zip(weights, seen, strict=True)))
        heads.append(torch.stack(rows))
    found = torch.cat(heads, dim=1)
    return found @ part.out.weight.T + part.out.bias if isinstance(part.out, torch.nn.Linear) else found


def adapter(part: Adapter, x: Tensor) -> Tensor:
    hidden = (layer_norm(x, part.norm) @ part.down.weight.T + part.down.bias).clamp(min=0)
    return part.scale * (hidden @ part.up.weight.T + part.up.bias)


def cross(part: CrossAdapter, x: Tensor, y: Tensor, allowed) -> Tensor:
    found = attention(part.attention, layer_norm(x, part.norm), layer_norm(y, part.context_norm), allowed)
    return adapter(part.adapter, found)


def attend(block: Block, z: Tensor, allowed) -> Tensor:
    normed = layer_norm(z, block.norm1)
    return z + attention(block.attention, normed, normed, allowed)


def finish(block: Block, z: Tensor, task: str, tsa: bool, of_other: Tensor | float = 0.0) -> Tensor:
    hidden = layer_norm(z, block.norm2) @ block.expand.weight.T + block.expand.bias
    quick = block.quick
    hidden = hidden / (1 + (-1.702 * hidden).exp()) if quick else hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
    out = hidden @ block.contract.weight.T + block.contract.bias + z
    return out + (adapter(block.tsa[task], z) if tsa else 0.0) + of_other


def everything(n: int, m: int) -> bool:
    return True


def earlier(n: int, m: int) -> bool:
    return m <= n


def begin_photo(model: FameVil, image: Tensor) -> Tensor:
    return model.vision.begin(model._pixels(image[None]))[0]


def begin_words(model: FameVil, ids: Tensor) -> Tensor:
    return model.text.words.weight[ids] + model.text.positions[: len(ids)]


def pool_photo(model: FameVil, v: Tensor) -> Tensor:
    return model.vision.project.weight @ layer_norm(v[0], model.vision.norm_after)


def pool_words(model: FameVil, t: Tensor) -> Tensor:
    return model.text.project.weight @ layer_norm(t[-1], model.text.norm_after)


def encode_image(model: FameVil, image: Tensor, task: str) -> tuple[Tensor, list[Tensor]]:
    v, layers = begin_photo(model, image), []
    for block in model.vision.blocks:
        v = finish(block, attend(block, v, everything), task, model.config.tsa)
        layers.append(v)
    return pool_photo(model, v), layers


def encode_text(model: FameVil, ids: Tensor, task: str) -> Tensor:
    """`ids` without padding."""
    t = begin_words(model, ids)
    for block in model.text.blocks:
        t = finish(block, attend(block, t, earlier), task, model.config.tsa)
    return pool_words(model, t)


def fuse(model: FameVil, image: Tensor, ids: Tensor, task: str) -> Tensor:
    v, t = begin_photo(model, image), begin_words(model, ids)
    for vision, text in zip(model.vision.blocks, model.text.blocks, strict=True):
        v, t = attend(vision, v, everything), attend(text, t, earlier)
        of_text = cross(vision.xaa, v, t, everything) if vision.xaa else 0.0
        of_photo = cross(text.xaa, t, v, everything) if text.xaa else 0.0
        v, t = finish(vision, v, task, model.config.tsa, of_text), finish(text, t, task, model.config.tsa, of_photo)
    return pool_photo(model, v) + pool_words(model, t)


def next_words(model: FameVil, image: Tensor, ids: Tensor) -> Tensor:
    """Logits (L, V) after each word of `ids`."""
    _, layers = encode_image(model, image, "fic")
    t = begin_words(model, ids)
    for block, memory in zip(model.text.blocks, layers, strict=True):
        t = attend(block, t, earlier)
        t = finish(block, t, "fic", model.config.tsa, cross(block.xaa, t, memory, everything))
    hidden = layer_norm(t, model.text.norm_after)
    head = model.caption
    made = hidden @ head.linear.weight.T + head.linear.bias
    scale = math.sqrt(made.shape[1])
    return scale * made @ model.text.words.weight.T + head.bias if head.tied else made
