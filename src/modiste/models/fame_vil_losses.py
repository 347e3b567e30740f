"""FAME-ViL's objective: a loss per task, the teachers' distributions beside it, and IMTL-G's balance as a comparison.

Han et al. 2023 (arXiv 2303.02483), sections 3.3-3.4. One step trains one task; which, the batch's type says. Teachers are
single-task models: what they know enters as the distribution each of them gives *its own* queries over *its own* gallery.
(The released code compares the teacher's queries with the student's gallery in XMR.) IMTL-G: Liu et al., "Towards Impartial
Multi-task Learning", ICLR 2021, equation 6.

Shapes: B batch, G the batch gathered over all processes, L text length, V vocabulary, M words of the batch, T tasks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from modiste.data.batches import CaptionBatch, ComposedBatch, ImageTextBatch, LabelledBatch, MatchedBatch, TaskGroup
from modiste.losses import distillation_loss, match_logits, match_targets

if TYPE_CHECKING:
    from modiste.models.fame_vil import FameVil

Taught = ImageTextBatch | TaskGroup
_NOBODY: Mapping[str, FameVil] = MappingProxyType({})


@dataclass(frozen=True)
class Objective:
    """What `FameVil.losses` computes beside the tasks' own losses."""

    teachers: Mapping[str, FameVil] = field(default_factory=lambda: _NOBODY)
    """Task -> its single-task model, in evaluation mode; empty: no distillation."""
    distil_weight: float = 1.0
    """Of the teachers' term; equal weights in the paper."""
    balance: Literal["sum", "imtl_g"] = "sum"
    """How the losses of a `TaskGroup` are weighed: all alike, or so that every task's gradient counts the same."""

    def losses(self, model: FameVil, batch: Taught) -> dict[str, Tensor]:
        """`{task}_loss` and, with a teacher, `{task}_distil_loss`; of all its tasks for a `TaskGroup`."""
        if not isinstance(batch, TaskGroup):
            return self._task_losses(model, batch)
        parts = [self._task_losses(model, cast(ImageTextBatch, one)) for one in batch.parts]
        if self.balance == "imtl_g" and torch.is_grad_enabled():
            weights = imtl_g_weights([torch.stack(list(one.values())).sum() for one in parts], shared_parameters(model))
        else:
            weights = torch.ones(len(parts))
        return {name: weight * value for weight, one in zip(weights, parts, strict=True) for name, value in one.items()}

    def _task_losses(self, model: FameVil, batch: ImageTextBatch) -> dict[str, Tensor]:
        task = task_of(batch)
        if task not in model.config.tasks:
            raise ValueError(f"a batch of {task} for a FAME-ViL of {', '.join(model.config.tasks)}")
        logits = task_logits(model, batch)
        targets = task_targets(batch)
        of_each = [F.cross_entropy(one, right, ignore_index=-100) for one, right in zip(logits, targets, strict=True)]
        losses = {f"{task}_loss": torch.stack(of_each).mean()}
        if teacher := self.teachers.get(task):
            with torch.no_grad():
                taught = task_logits(teacher, batch)
            distilled = [distillation_loss(one, told) for one, told in zip(logits, taught, strict=True)]
            losses[f"{task}_distil_loss"] = self.distil_weight * torch.stack(distilled).mean()
        return losses


@dataclass(frozen=True)
class ClipObjective(Objective):
    """The start of a backbone: CLIP's loss, and where a batch has another encoder's vectors, theirs matched too."""

    match_weight: float = 1.0

    def _task_losses(self, model: FameVil, batch: ImageTextBatch) -> dict[str, Tensor]:
        image = F.normalize(model.encode_image(batch.images).float(), dim=1)
        text = F.normalize(model.encode_text(batch.token_ids, batch.attention_mask).float(), dim=1)
        targets, scale = match_targets(batch.item_ids), model.logit_scale
        both = F.cross_entropy(match_logits(image, text, scale), targets)
        both = both + F.cross_entropy(match_logits(text, image, scale), targets)
        losses = {"itc_loss": both / 2, "logit_scale": scale.detach()}
        if isinstance(batch, MatchedBatch):
            apart = 2 - (image * batch.image_vectors).sum(dim=1) - (text * batch.text_vectors).sum(dim=1)
            losses["match_loss"] = self.match_weight * apart.mean()
        return losses


def task_of(batch: ImageTextBatch) -> str:
    """The task that a batch teaches."""
    if isinstance(batch, ComposedBatch):
        return "tgir"
    if isinstance(batch, LabelledBatch):
        return "scr"
    return "fic" if isinstance(batch, CaptionBatch) else "xmr"


def task_logits(model: FameVil, batch: ImageTextBatch) -> tuple[Tensor, ...]:
    """What a model says of a batch, in float32: (B, G) both ways for XMR, (B, G) for TGIR, (B, C) for SCR, (M, V) for FIC."""
    task, scale = task_of(batch), model.logit_scale
    ids, mask = batch.token_ids, batch.attention_mask
    if task == "xmr":
        image = F.normalize(model.encode_image(batch.images, task).float(), dim=1)
        text = F.normalize(model.encode_text(ids, mask, task).float(), dim=1)
        return match_logits(image, text, scale), match_logits(text, image, scale)
    if task == "tgir":
        assert isinstance(batch, ComposedBatch)
        query = F.normalize(model.fuse(batch.images, ids, mask, task).float(), dim=1)
        target = F.normalize(model.encode_image(batch.target_images, task).float(), dim=1)
        return (match_logits(query, target, scale),)
    if task == "scr":
        if model.classify is None:
            raise ValueError("this FAME-ViL has no classes to tell: give its config their names")
        return (model.classify(model.fuse(batch.images, ids, mask, task)).float(),)
    photo = model.read_memories(model.memories(batch.images, task))
    return (model.decode(ids[:, :-1], photo)[mask[:, 1:]].float(),)


def task_targets(batch: ImageTextBatch) -> tuple[Tensor, ...]:
    """The right answers to `task_logits`: distributions (B, G), classes (B,), or words (M,), the end of the text among them."""
    task = task_of(batch)
    if task == "xmr":
        same = match_targets(batch.item_ids)
        return same, same
    if task == "tgir":
        assert isinstance(batch, ComposedBatch)
        return (match_targets(batch.target_ids),)
    if task == "scr":
        assert isinstance(batch, LabelledBatch)
        return (batch.labels[:, 0],)
    return (batch.token_ids[:, 1:][batch.attention_mask[:, 1:]],)


def shared_parameters(model: FameVil) -> list[Tensor]:
    """What several tasks train: the towers and the cross-attention adapters."""
    return [
        parameter for name, parameter in model.named_parameters()
        if name.startswith(("vision.", "text.")) and ".tsa." not in name and parameter.requires_grad
    ]  # fmt: skip


def imtl_g_weights(losses: Sequence[Tensor], shared: Sequence[Tensor]) -> Tensor:
    """(T,) weights, summing to 1, by which the weighted sum of gradients projects equally onto every task's direction.

    Closed form of IMTL-G: with gradients g_i and directions u_i = g_i / |g_i|, alpha_2..T = g_1 U^T (D U^T)^-1 where U has
    the rows u_1 - u_i and D the rows g_1 - g_i; alpha_1 is the rest. Weights may be negative. The graph is kept.
    """
    rows = []
    for loss in losses:
        found = torch.autograd.grad(loss, list(shared), retain_graph=True, allow_unused=True)
        flat = [torch.zeros_like(p) if g is None else g for g, p in zip(found, shared, strict=True)]
        rows.append(torch.cat([one.float().reshape(-1) for one in flat]))
    return balanced(torch.stack(rows))


def balanced(gradients: Tensor) -> Tensor:
    """IMTL-G's weights (T,) of gradients (T, P)."""
    with torch.autocast(gradients.device.type, enabled=False):
        directions = F.normalize(gradients.float(), dim=1)
        away, apart = directions[:1] - directions[1:], gradients[:1].float() - gradients[1:].float()  # (T - 1, P)
        # two tasks of one direction leave the system singular: the shortest solution then
        solved = gradients[0].float() @ away.T @ torch.linalg.pinv(apart @ away.T)
        return torch.cat([1 - solved.sum(dim=0, keepdim=True), solved]).detach()
