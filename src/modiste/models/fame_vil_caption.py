"""Captions from FAME-ViL's decoder: beam search with every layer's keys and values kept; one beam is greedy search.

A caption is a start token, at most `max_words` words, and the end token, whose probability always counts: at the last place
nothing else may stand. A search that is wide enough finds the likeliest caption of all (tested on a vocabulary small enough to
try every one).

Shapes: B photos, K beams, R = B K rows, V vocabulary.
"""

from __future__ import annotations

import torch
from torch import Tensor

from modiste.models.fame_vil import FameVil


@torch.inference_mode()
def write_captions(
    model: FameVil, images: Tensor, *, beams: int = 1, max_words: int | None = None, length_penalty: float = 0.0
) -> tuple[list[list[int]], Tensor]:
    """Words of each photo (B, 3, H, W), without start and end, and the captions' log-probabilities (B,).

    Of the finished beams the one with the highest log-probability / length^`length_penalty` is taken, the end counted in
    the length. Raises `ValueError` for a model without captions, or arguments that are not positive.
    """
    limit = model.config.context_length - 2
    max_words = limit if max_words is None else min(max_words, limit)
    if beams < 1 or max_words < 1:
        raise ValueError(f"beams and max_words must be at least 1, not {beams} and {max_words}")
    rows, config = len(images), model.config
    photo = [one.repeat_interleave(beams, dim=1) for one in model.read_memories(model.memories(images))]
    banned = torch.tensor(sorted({config.bos_id, *config.banned_ids}), device=images.device)
    only_end = torch.full((config.vocab_size,), -torch.inf, device=images.device)
    only_end[config.eot_id] = 0.0

    words = torch.full((rows, beams, 1), config.bos_id, device=images.device)
    scores = torch.full((rows, beams), -torch.inf, device=images.device)
    scores[:, 0] = 0.0  # the beams are one at first
    ended = torch.zeros(rows, beams, dtype=torch.bool, device=images.device)
    lengths = torch.zeros(rows, beams, device=images.device)
    caches: list[list[Tensor]] = [[] for _ in model.text.blocks]
    for place in range(max_words + 1):
        logits = model.decode(words[:, :, -1].reshape(-1, 1), photo, caches, start=place)[:, -1].float()  # (R, V)
        logits[:, banned] = -torch.inf
        step = logits.log_softmax(dim=1)
        if place == max_words:
            step = step + only_end  # the end, at its own probability
        step = step.view(rows, beams, -1)
        step = torch.where(ended[:, :, None], only_end, step)  # what has ended goes on as it is, at no cost
        total = scores[:, :, None] + step  # (B, K, V)
        scores, chosen = total.view(rows, -1).topk(beams, dim=1)
        parent, word = chosen // step.shape[2], chosen % step.shape[2]
        ended, lengths = ended.gather(1, parent), lengths.gather(1, parent)
        lengths = torch.where(ended, lengths, lengths + 1)
        ended = ended | (word == config.eot_id)
        words = words.gather(1, parent[:, :, None].expand(-1, -1, words.shape[2]))
        words = torch.cat([words, word[:, :, None]], dim=2)
        if ended.all():
            break
        if beams > 1:
            source = (torch.arange(rows, device=images.device)[:, None] * beams + parent).view(-1)
            for cache in caches:
                cache[0] = cache[0][:, source]
    best = (scores / lengths.clamp(min=1) ** length_penalty).argmax(dim=1)
    at = torch.arange(rows, device=images.device)
    written = [row[1 : int(length)].tolist() for row, length in zip(words[at, best], lengths[at, best], strict=True)]
    return written, scores[at, best]
