"""Objectives as functions of tensors. Means over the batch, computed in float32 whatever the precision around them.

Shape letters: B batch, G the batch gathered over all processes, D width.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


class _Gather(torch.autograd.Function):
    """Rows of all processes, in rank order. Backward sums over processes what each did with this process's rows."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.rows = len(rows)
        parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        gradient = gradients[0].contiguous()
        dist.all_reduce(gradient)
        first = dist.get_rank() * ctx.rows
        return gradient[first : first + ctx.rows]


def gather(rows: Tensor) -> Tensor:
    """(B, ...) → (G, ...): the rows of all processes in rank order, with gradients; the same B on every process.

    The tensor itself where only one process runs.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return rows
    gathered: Tensor = _Gather.apply(rows)
    return gathered


def itc_loss(
    image_embeddings: Tensor,
    text_embeddings: Tensor,
    logit_scale: Tensor | float,
    *,
    product_ids: Tensor | None = None,
) -> Tensor:
    """Symmetric image-text contrastive loss (InfoNCE), a scalar: the mean of both directions over the batch.

    `image_embeddings` and `text_embeddings` are (B, D), L2-normalised, row i of both the same item; `logit_scale` is
    1/temperature. `product_ids` (B,) says which rows are one product: such rows are not negatives of each other, and
    the target is uniform over them, so the smallest possible loss of a row with k of them is log k, not 0.

    Every other row of the batch is a negative, those of other processes included: the loss depends on the batch size,
    and accumulating the gradients of small batches is *not* the gradient of the large one. Under
    `DistributedDataParallel`, which averages gradients, the result is the gradient of the whole batch's loss; each
    process returns the mean over its own rows. Raises `ValueError` for shapes that do not match.
    """
    if image_embeddings.ndim != 2 or image_embeddings.shape != text_embeddings.shape:
        raise ValueError(
            f"image embeddings {tuple(image_embeddings.shape)} and text embeddings {tuple(text_embeddings.shape)} "
            "must both be (B, D)"
        )
    rows = len(image_embeddings)
    if product_ids is not None and product_ids.shape != (rows,):
        raise ValueError(f"product_ids must be ({rows},), not {tuple(product_ids.shape)}")
    with torch.autocast(image_embeddings.device.type, enabled=False):  # bf16 logits would round away small differences
        images, texts = image_embeddings.float(), text_embeddings.float()
        all_images, all_texts = gather(images), gather(texts)  # (G, D)
        image_to_text = logit_scale * images @ all_texts.T  # (B, G)
        text_to_image = logit_scale * texts @ all_images.T
        if product_ids is None:
            first = dist.get_rank() * rows if len(all_images) > rows else 0
            targets = torch.arange(first, first + rows, device=images.device)
        else:
            same = (product_ids[:, None] == gather(product_ids)[None, :]).float()
            targets = same / same.sum(dim=1, keepdim=True)
        cross_entropy = torch.nn.functional.cross_entropy
        return (cross_entropy(image_to_text, targets) + cross_entropy(text_to_image, targets)) / 2


def view_loss(embeddings: Tensor, logit_scale: Tensor | float, *, product_ids: Tensor) -> Tensor:
    """Contrastive loss between photos of the same product, a scalar (supervised contrastive loss, Khosla et al. 2020).

    `embeddings` (B, D), L2-normalised; `product_ids` (B,). A row's positives are the *other* rows of its product, every
    row of another product is a negative, and the row itself is neither. Rows without a positive are left out of the mean;
    without any the loss is 0, with a gradient of 0. Under several processes the batch is gathered as for `itc_loss`.
    """
    if product_ids.shape != embeddings.shape[:1]:
        raise ValueError(f"product_ids must be ({len(embeddings)},), not {tuple(product_ids.shape)}")
    with torch.autocast(embeddings.device.type, enabled=False):
        rows = embeddings.float()
        everything = gather(rows)  # (G, D)
        first = dist.get_rank() * len(rows) if len(everything) > len(rows) else 0
        itself = torch.arange(first, first + len(rows), device=rows.device)[:, None]  # (B, 1)
        same = (product_ids[:, None] == gather(product_ids)[None, :]).scatter(1, itself, False)  # (B, G)
        logits = (logit_scale * rows @ everything.T).scatter(1, itself, float("-inf"))
        # -inf times a target of 0 is nan; the row itself is never a target, so its log-probability may be anything
        log_probability = logits.log_softmax(dim=1).scatter(1, itself, 0.0)
        positives = same.sum(dim=1)
        per_row = -(log_probability * same).sum(dim=1) / positives.clamp(min=1)
        return (per_row * (positives > 0)).sum() / (positives > 0).sum().clamp(min=1)


def itm_loss(logits: Tensor, matches: Tensor) -> Tensor:
    """Image-text matching, a scalar: cross-entropy of (B, 2) logits (no match, match) with (B,) bool (MVLT section 3.2)."""
    if logits.shape != (len(matches), 2):
        raise ValueError(f"itm logits must be ({len(matches)}, 2), not {tuple(logits.shape)}")
    return torch.nn.functional.cross_entropy(logits.float(), matches.long())


def ranking_loss(own: Tensor, others: Tensor) -> Tensor:
    """Set-wise ranking of a pair before its negatives, a scalar: cross-entropy over 1 + K candidates.

    `own` (B, 1) and `others` (B, K) are scores of any scale, higher is better; the loss of equal scores is log(1 + K).
    """
    if own.shape != (len(others), 1):
        raise ValueError(f"own scores must be ({len(others)}, 1), not {tuple(own.shape)}")
    candidates = torch.cat([own, others], dim=1).float()
    return (candidates.logsumexp(dim=1) - candidates[:, 0]).mean()


def masked_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy, a scalar: the mean over the rows with a label (MLM's masked words, known attributes).

    `logits` (N, C), `labels` (N,) with -100 where nothing is asked. Without any label the loss is 0 with a gradient of 0,
    where a plain mean would be nan.
    """
    total = torch.nn.functional.cross_entropy(logits.float(), labels, reduction="sum")
    return total / (labels != -100).sum().clamp(min=1)


def mir_loss(reconstruction: Tensor, images: Tensor) -> Tensor:
    """Masked image reconstruction, a scalar: smooth L1 with beta = 1 over the *whole* photo, masked or not.

    Both (B, 3, H, W), `images` in [0, 1]; mean over pixels and channels (MVLT section 3.2; its condition, printed without
    bars, is |I' - I| < 1).
    """
    if reconstruction.shape != images.shape:
        raise ValueError(f"a reconstruction {tuple(reconstruction.shape)} of photos {tuple(images.shape)}")
    return torch.nn.functional.smooth_l1_loss(reconstruction.float(), images.float(), beta=1.0)
