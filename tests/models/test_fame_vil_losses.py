"""The objective against plain versions: who teaches whom with what, what is padding, and what IMTL-G balances."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from modiste.data.batches import CaptionBatch, ComposedBatch, ImageTextBatch, LabelledBatch, MatchedBatch, TaskGroup
from modiste.losses import distillation_loss, match_targets
from modiste.models.fame_vil import SIZES, FameVil, single_task
from modiste.models.fame_vil_losses import ClipObjective, Objective, balanced, shared_parameters, task_logits, task_of

TOY = replace(SIZES["debug"], classes=("bag", "dress", "shoe"), vocab_size=40, image_size=(16, 16), context_length=10)
LENGTHS = torch.tensor([7, 4, 2, 5])


def model_of(seed: int, objective: Objective | None = None, task: str | None = None) -> FameVil:
    torch.manual_seed(seed)
    model = FameVil(single_task(TOY, task) if task else TOY, objective)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def batch_of(task: str, seed: int = 1) -> ImageTextBatch:
    torch.manual_seed(seed)
    ids = torch.randint(5, 40, (4, 7))
    mask = torch.arange(7)[None] < LENGTHS[:, None]
    ids[:, 0] = 2
    ids[torch.arange(4), LENGTHS - 1] = 3
    own = (torch.rand(4, 3, 16, 16), torch.where(mask, ids, 0), mask, torch.tensor([0, 1, 2, 1]))
    if task == "scr":
        return LabelledBatch(*own, torch.tensor([[0], [2], [1], [2]]))
    if task == "tgir":
        return ComposedBatch(*own, torch.rand(4, 3, 16, 16), torch.tensor([5, 6, 6, 7]))
    return CaptionBatch(*own) if task == "fic" else ImageTextBatch(*own)


def unit(x: Tensor) -> Tensor:
    return F.normalize(x, dim=1)


def soft_cross_entropy(logits: Tensor, right: list[list[int]]) -> Tensor:
    """Mean over rows of the mean over each row's right answers."""
    rows = [
        -torch.stack([row.log_softmax(dim=0)[at] for at in of]).mean() for row, of in zip(logits, right, strict=True)
    ]
    return torch.stack(rows).mean()


def test_each_task_against_its_definition() -> None:
    model = model_of(0)
    scale = model.scale**2
    with torch.no_grad():
        xmr, tgir, scr, fic = (batch_of(task) for task in ("xmr", "tgir", "scr", "fic"))
        image, text = (
            unit(model.encode_image(xmr.images, "xmr")),
            unit(model.encode_text(xmr.token_ids, xmr.attention_mask, "xmr")),
        )
        products = [[0], [1, 3], [2], [1, 3]]  # rows of one product are not each other's negatives
        expected = soft_cross_entropy(scale * image @ text.T, products) + soft_cross_entropy(
            scale * text @ image.T, products
        )
        assert torch.allclose(model.losses(xmr)["xmr_loss"], expected / 2, atol=1e-5)
        assert isinstance(tgir, ComposedBatch)
        assert isinstance(scr, LabelledBatch)
        query = unit(model.fuse(tgir.images, tgir.token_ids, tgir.attention_mask, "tgir"))
        target = unit(model.encode_image(tgir.target_images, "tgir"))  # by the TGIR adapters, contrastive
        expected = soft_cross_entropy(scale * query @ target.T, [[0], [1, 2], [1, 2], [3]])
        assert torch.allclose(model.losses(tgir)["tgir_loss"], expected, atol=1e-5)
        logits = model.classify(model.fuse(scr.images, scr.token_ids, scr.attention_mask, "scr"))
        assert torch.allclose(model.losses(scr)["scr_loss"], F.cross_entropy(logits, scr.labels[:, 0]), atol=1e-5)
        logits = model.decode(fic.token_ids, model.read_memories(model.memories(fic.images, "fic")))
        steps = []
        for n, length in enumerate(LENGTHS.tolist()):
            for at in range(length - 1):  # the first end token is the last thing asked; padding is never asked
                steps.append(-logits[n, at].log_softmax(dim=0)[fic.token_ids[n, at + 1]])
        assert torch.allclose(model.losses(fic)["fic_loss"], torch.stack(steps).mean(), atol=1e-5)
        assert sum(fic.token_ids[n, length - 1] == 3 for n, length in enumerate(LENGTHS)) == 4


@pytest.mark.parametrize("task", ["xmr", "tgir", "scr", "fic"])
def test_a_student_like_its_teacher_has_nothing_to_learn_from_it(task: str) -> None:
    teacher = model_of(3, task=task)
    student = model_of(4, Objective(teachers={task: teacher}))
    batch = batch_of(task)
    apart = student.losses(batch)
    assert float(apart[f"{task}_distil_loss"].detach()) > 1e-4
    same = model_of(4, Objective(teachers={task: student})).losses(batch)
    assert float(same[f"{task}_distil_loss"].detach()) == pytest.approx(0, abs=1e-6)
    apart[f"{task}_distil_loss"].backward()
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_a_teacher_compares_its_own_queries_with_its_own_gallery() -> None:
    """The released code gathers the student's gallery for the teacher's queries."""
    teacher = model_of(3, task="xmr")
    student = model_of(4, Objective(teachers={"xmr": teacher}, distil_weight=2.0))
    batch = batch_of("xmr")

    def embedded(model: FameVil) -> tuple[Tensor, Tensor]:
        return (
            unit(model.encode_image(batch.images, "xmr")),
            unit(model.encode_text(batch.token_ids, batch.attention_mask, "xmr")),
        )

    def divergence(right: Tensor, told: Tensor) -> Tensor:
        p = right.softmax(dim=1)
        return (p * (right.log_softmax(dim=1) - told.log_softmax(dim=1))).sum(dim=1).mean()

    with torch.no_grad():
        (image, text), (of_image, of_text) = embedded(student), embedded(teacher)
        s, t = student.scale**2, teacher.scale**2
        own = divergence(t * of_image @ of_text.T, s * image @ text.T) + divergence(
            t * of_text @ of_image.T, s * text @ image.T
        )
        mixed = divergence(t * of_image @ text.T, s * image @ text.T) + divergence(
            t * of_text @ image.T, s * text @ image.T
        )
        found = student.losses(batch)["xmr_distil_loss"]
    assert torch.allclose(found, 2.0 * own / 2, atol=1e-5)
    assert not torch.allclose(found, 2.0 * mixed / 2, atol=1e-2)


def test_distillation_is_a_divergence() -> None:
    logits, teacher = torch.randn(5, 7, requires_grad=True), torch.randn(5, 7, requires_grad=True)
    p = teacher.softmax(dim=1)
    expected = (p * (p.log() - logits.log_softmax(dim=1))).sum(dim=1).mean()
    assert torch.allclose(distillation_loss(logits, teacher), expected, atol=1e-6)
    distillation_loss(logits, teacher).backward()
    assert teacher.grad is None
    assert torch.allclose(logits.grad * 5, logits.softmax(dim=1) - p, atol=1e-6)
    with pytest.raises(ValueError, match="alike"):
        distillation_loss(logits, teacher[:3])
    assert match_targets(torch.tensor([4, 9, 4])).tolist() == [[0.5, 0, 0.5], [0, 1, 0], [0.5, 0, 0.5]]


def test_imtl_g_projects_equally_on_every_task() -> None:
    torch.manual_seed(0)
    gradients = torch.randn(4, 30) * torch.tensor([[1.0], [10.0], [0.1], [3.0]])
    weights = balanced(gradients)
    assert float(weights.sum()) == pytest.approx(1)
    projections = F.normalize(gradients, dim=1) @ (weights @ gradients)
    assert torch.allclose(projections, projections[:1].expand(4), rtol=1e-3)
    assert torch.isfinite(balanced(gradients[:1].repeat(3, 1))).all()  # one direction three times


def test_a_group_of_tasks_is_weighed_by_their_gradients() -> None:
    group = TaskGroup(tuple(batch_of(task) for task in ("xmr", "tgir", "scr", "fic")))
    plain, balanced_model = model_of(0), model_of(0, Objective(balance="imtl_g"))
    summed, weighed = plain.losses(group), balanced_model.losses(group)
    assert list(summed) == [f"{task}_loss" for task in ("xmr", "tgir", "scr", "fic")]
    weights = torch.stack([(weighed[name] / summed[name]).detach() for name in summed])
    assert float(weights.sum()) == pytest.approx(1, abs=1e-3)
    shared = shared_parameters(balanced_model)

    def gradient(loss: Tensor, parameters: list[Tensor]) -> Tensor:
        found = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
        return torch.cat(
            [(torch.zeros_like(p) if g is None else g).reshape(-1) for g, p in zip(found, parameters, strict=True)]
        )

    whole = gradient(torch.stack(list(weighed.values())).sum(), shared)
    directions = torch.stack([F.normalize(gradient(loss, shared_parameters(plain)), dim=0) for loss in summed.values()])
    projections = directions @ whole
    assert torch.allclose(projections, projections.mean().expand(4), rtol=2e-2)
    assert len(group) == 16
    assert [len(part) for part in group.split(2)] == [8, 8]
    with pytest.raises(ValueError, match="equally many"):
        TaskGroup((batch_of("xmr"), batch_of("scr").rows(slice(0, 2))))


def test_the_start_of_a_backbone_follows_another_encoder() -> None:
    config = replace(TOY, tasks=("xmr",), tsa=False, xaa=False)
    torch.manual_seed(0)
    model = FameVil(config, ClipObjective(match_weight=3.0)).eval()
    plain = batch_of("xmr")
    with torch.no_grad():
        image, text = (
            unit(model.encode_image(plain.images)),
            unit(model.encode_text(plain.token_ids, plain.attention_mask)),
        )
        own = MatchedBatch(plain.images, plain.token_ids, plain.attention_mask, plain.item_ids, image, text)
        assert float(model.losses(own)["match_loss"]) == pytest.approx(0, abs=1e-5)
        away = replace(own, text_vectors=-text)
        assert float(model.losses(away)["match_loss"]) == pytest.approx(6, abs=1e-4)
    assert "match_loss" not in model.losses(plain)
    assert torch.allclose(model.losses(plain)["itc_loss"], model_like(model).losses(plain)["xmr_loss"], atol=1e-6)


def model_like(model: FameVil) -> FameVil:
    other = FameVil(model.config).eval()
    other.load_state_dict(model.state_dict())
    return other


def test_a_batch_says_its_task_and_a_model_refuses_others() -> None:
    assert [task_of(batch_of(task)) for task in ("xmr", "tgir", "scr", "fic")] == ["xmr", "tgir", "scr", "fic"]
    with pytest.raises(ValueError, match="a batch of scr for a FAME-ViL of xmr"):
        model_of(0, task="xmr").losses(batch_of("scr"))
    nameless = FameVil(replace(TOY, classes=()))
    with pytest.raises(ValueError, match="no classes"):
        task_logits(nameless, batch_of("scr"))
    with pytest.raises(ValueError, match="target_images"):
        replace(batch_of("tgir"), target_images=torch.rand(4, 3, 8, 8))
