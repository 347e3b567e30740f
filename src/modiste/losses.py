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
    # Here already, so that the gradients of both directions are added in float32.
    images, texts = image_embeddings.float(), text_embeddings.float()
    image_to_text = match_logits(images, texts, logit_scale)  # (B, G)
    text_to_image = match_logits(texts, images, logit_scale)
    if product_ids is None:
        first = dist.get_rank() * rows if image_to_text.shape[1] > rows else 0
        targets = torch.arange(first, first + rows, device=image_to_text.device)
    else:
        targets = match_targets(product_ids)
    cross_entropy = torch.nn.functional.cross_entropy
    return (cross_entropy(image_to_text, targets) + cross_entropy(text_to_image, targets)) / 2


def match_logits(queries: Tensor, gallery: Tensor, logit_scale: Tensor | float) -> Tensor:
    """Scaled cosines (B, G) of unit queries (B, D) with the unit gallery (B, D) of all processes, in float32."""
    with torch.autocast(queries.device.type, enabled=False):  # bf16 logits would round away small differences
        return logit_scale * queries.float() @ gather(gallery.float()).T


def match_targets(product_ids: Tensor) -> Tensor:
    """(B,) -> (B, G): uniform over the gallery's rows of the same product, so they are no negatives of each other."""
    same = (product_ids[:, None] == gather(product_ids)[None, :]).float()
    return same / same.sum(dim=1, keepdim=True)


def distillation_loss(logits: Tensor, teacher_logits: Tensor) -> Tensor:
    """KL(teacher || student) of the softmax over the last dimension of (B, C), a scalar: the mean over rows.

    No gradient goes to the teacher. Raises `ValueError` for shapes that differ.
    """
    if logits.shape != teacher_logits.shape:
        raise ValueError(f"logits {tuple(logits.shape)} and a teacher's {tuple(teacher_logits.shape)} must be alike")
    told = teacher_logits.detach().float().log_softmax(dim=-1)
    return torch.nn.functional.kl_div(logits.float().log_softmax(dim=-1), told, reduction="batchmean", log_target=True)


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


def focal_loss(logits: Tensor, labels: Tensor, *, gamma: float = 2.0, alpha: float = 0.5) -> Tensor:
    """Binary focal loss, a scalar: the mean of -alpha_t (1 - p_t)^gamma log p_t (Lin et al. 2017, arXiv 1708.02002, eq. 5).

    `logits` of any shape and `labels`, bool, of the same: p_t = sigmoid(logit) where the label is True, else 1 minus it, and
    alpha_t is `alpha` there, else 1 - `alpha`. *Logits*, never probabilities: fed with sigmoid outputs (a published
    re-implementation does so) no prediction could be surer than sigmoid(1) = 0.73. gamma = 0 and alpha = 0.5 is half the
    cross-entropy. Without any row the loss is 0. Raises `ValueError` for shapes that differ or labels that are not bool.
    """
    if logits.shape != labels.shape or labels.dtype != torch.bool:
        raise ValueError(
            f"focal loss: logits {tuple(logits.shape)} need bool labels of their shape, not {tuple(labels.shape)} "
            f"{labels.dtype}"
        )
    if gamma < 0 or not 0 <= alpha <= 1:
        raise ValueError(f"gamma must not be negative and alpha must lie in [0, 1], not {gamma} and {alpha}")
    signed = logits.float() * torch.where(labels, 1.0, -1.0)  # p_t = sigmoid(signed)
    log_sigmoid = torch.nn.functional.logsigmoid
    # (1 - p_t)^gamma by its logarithm: exact far from 0, and with a finite gradient for every gamma.
    per_row = -(gamma * log_sigmoid(-signed)).exp() * log_sigmoid(signed) * torch.where(labels, alpha, 1 - alpha)
    return per_row.sum() / max(per_row.numel(), 1)


def set_ranking_loss(
    positive: Tensor,
    negatives: Tensor,
    *,
    margin: float,
    mask: Tensor | None = None,
    terms: tuple[str, ...] = ("all", "hard"),
) -> Tensor:
    """Set-wise outfit ranking, a scalar (Sarkar et al. 2022, arXiv 2204.04812, section 3.3): L = L_all + L_hard.

    `positive` (B,) and `negatives` (B, N) are *distances* from the query, smaller is better. L_all is the mean over the
    negatives of max(0, d+ - d- + margin), L_hard the same for the nearest negative alone; `terms` chooses. `mask` (B, N)
    bool: False where there is no negative. Rows without any are left out of the mean; without any row left the loss is 0,
    with a gradient of 0. Between unit vectors no distance exceeds 2: there the paper's margin of 2 can never be met, and
    0.2 to 0.5 is its like. Raises `ValueError` for shapes that do not match or unknown terms.
    """
    mask = torch.ones_like(negatives, dtype=torch.bool) if mask is None else mask
    if negatives.ndim != 2 or positive.shape != negatives.shape[:1] or mask.shape != negatives.shape:
        raise ValueError(
            f"set ranking: distances {tuple(positive.shape)} and {tuple(negatives.shape)} must be (B,) and (B, N), "
            f"the mask {tuple(mask.shape)} as the latter"
        )
    if not terms or set(terms) - {"all", "hard"}:
        raise ValueError(f"set ranking: terms are all and hard, not {', '.join(terms) or 'none'}")
    near, far = positive.float()[:, None], negatives.float()
    violations = (near - far + margin).clamp(min=0).masked_fill(~mask, 0.0)  # (B, N)
    count = mask.sum(dim=1)
    total = torch.zeros_like(near[:, 0])
    if "all" in terms:
        total = total + violations.sum(dim=1) / count.clamp(min=1)
    if "hard" in terms and negatives.shape[1]:
        total = total + violations.amax(dim=1)  # the nearest negative violates most; masked ones do not at all
    return total.sum() / (count > 0).sum().clamp(min=1)


def bpr_loss(positive: Tensor, negative: Tensor) -> Tensor:
    """Bayesian personalised ranking, a scalar: the mean of -log sigmoid(positive - negative) (Rendle et al. 2009).

    Scores of the same shape; equal ones lose log 2. Raises `ValueError` for shapes that differ.
    """
    if positive.shape != negative.shape:
        raise ValueError(f"bpr: scores {tuple(positive.shape)} and {tuple(negative.shape)} must be of one shape")
    return torch.nn.functional.softplus(negative.float() - positive.float()).mean()


class _Choices(torch.autograd.Function):
    """`choice_loss` with its gradient made in the same pass: one array of logits, of which nothing is kept."""

    @staticmethod
    def forward(
        ctx: Any,
        queries: Tensor,
        candidates: Tensor,
        bias: Tensor,
        chosen: tuple[Tensor, Tensor],
        left_out: tuple[Tensor, Tensor],
    ) -> Tensor:
        half = torch.is_autocast_enabled(queries.device.type)
        dtype = torch.get_autocast_dtype(queries.device.type) if half else queries.dtype
        with torch.autocast(queries.device.type, enabled=False):
            few, many = queries.to(dtype), candidates.to(dtype)
            logits = (few @ many.T).float().add_(bias)  # (B, C)
            logits[left_out] = -torch.inf
            total = logits.logsumexp(dim=1)
            number = max(len(chosen[0]), 1)
            loss = (total[chosen[0]] - logits[chosen]).sum() / number
            share = torch.bincount(chosen[0], minlength=len(queries)).float() / number
            # of the mean over choices by the logits: each row's softmax as often as it has choices, minus the choices
            slope = logits.sub_(total[:, None]).exp_().mul_(share[:, None])
            slope.index_put_(chosen, torch.full_like(loss, -1 / number), accumulate=True)
            rough = slope.to(dtype)
            ctx.save_for_backward(
                (rough @ many).to(queries.dtype), (rough.T @ few).to(candidates.dtype), slope.sum(dim=0)
            )
        return loss

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        by_query, by_candidate, by_bias = ctx.saved_tensors
        return gradients[0] * by_query, gradients[0] * by_candidate, gradients[0] * by_bias, None, None


def choice_loss(
    queries: Tensor, candidates: Tensor, bias: Tensor, chosen: tuple[Tensor, Tensor], left_out: tuple[Tensor, Tensor]
) -> Tensor:
    """Multinomial likelihood of choices, a scalar: the mean of -log softmax(queries candidates^T + bias)[query, choice].

    `queries` (B, D), `candidates` (C, D), `bias` (C,); `chosen` are pairs (N,), (N,) of a query and a candidate, a query as
    often as it has choices: then they share its probability, so the smallest possible loss of a query with k of them is log k
    (Liang et al. 2018, arXiv 1802.05814, equation 2, as a mean). `left_out` are pairs that are no candidates. Without a choice
    the loss is 0, with a gradient of 0. Under autocast the products are in its type; the softmax never is. It can be
    differentiated once. Raises `ValueError` for pairs of different lengths.
    """
    for name, (rows, columns) in (("chosen", chosen), ("left_out", left_out)):
        if rows.shape != columns.shape or rows.ndim != 1:
            raise ValueError(
                f"{name}: rows {tuple(rows.shape)} and columns {tuple(columns.shape)} must be of one length"
            )
    loss: Tensor = _Choices.apply(queries, candidates, bias, chosen, left_out)
    return loss
