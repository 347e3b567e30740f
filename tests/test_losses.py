"""Losses against nested loops and closed forms; the contrastive one against itself on two processes, too."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import normalize

from modiste.losses import (
    bpr_loss,
    choice_loss,
    focal_loss,
    itc_loss,
    itm_loss,
    masked_cross_entropy,
    mir_loss,
    ranking_loss,
    set_ranking_loss,
)

WORKER = """
import sys
import torch, torch.distributed as dist
from safetensors.torch import load_file, save_file
from modiste.losses import itc_loss

folder, rank = sys.argv[1], int(sys.argv[2])
dist.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=2)
given = load_file(f"{folder}/given.safetensors")
results = {}
for kind in ("plain", "products"):
    weight = given["weight"].clone().requires_grad_()
    scale = given["scale"].clone().requires_grad_()
    mine = slice(rank * 3, rank * 3 + 3)
    unit = torch.nn.functional.normalize
    images, texts = unit(given["images"][mine] @ weight, dim=1), unit(given["texts"][mine] @ weight, dim=1)
    products = given["products"][mine] if kind == "products" else None
    loss = itc_loss(images, texts, scale.exp(), product_ids=products)
    loss.backward()
    for name, tensor in {"loss": loss.detach(), "weight": weight.grad, "scale": scale.grad}.items():
        dist.all_reduce(tensor)  # DistributedDataParallel's average
        results[f"{kind}/{name}"] = tensor / 2
save_file(results, f"{folder}/result_{rank}.safetensors")
dist.destroy_process_group()
"""


def slow_itc(images: Tensor, texts: Tensor, scale: float, products: list[int] | None) -> float:
    rows = len(images)
    total = 0.0
    for a, b in ((images, texts), (texts, images)):
        for i in range(rows):
            logits = [scale * float(a[i] @ b[j]) for j in range(rows)]
            log_sum = math.log(sum(math.exp(value) for value in logits))
            positives = [j for j in range(rows) if (j == i if products is None else products[j] == products[i])]
            total += sum(log_sum - logits[j] for j in positives) / len(positives)
    return total / (2 * rows)


def unit_rows(rows: int, width: int, seed: int) -> Tensor:
    return normalize(torch.randn(rows, width, generator=torch.Generator().manual_seed(seed)), dim=1)


@pytest.mark.parametrize("products", [None, [1, 2, 3, 4, 5, 6], [1, 1, 2, 3, 3, 3], [4] * 6])
def test_equals_the_nested_loops(products: list[int] | None) -> None:
    images, texts = unit_rows(6, 5, 0), unit_rows(6, 5, 1)
    ids = None if products is None else torch.tensor(products)
    fast = itc_loss(images, texts, torch.tensor(7.0), product_ids=ids)
    assert fast.item() == pytest.approx(slow_itc(images, texts, 7.0, products), rel=1e-5)


def test_closed_forms() -> None:
    same = torch.ones(4, 1)
    assert itc_loss(same, same, 3.0).item() == pytest.approx(math.log(4))  # nothing to tell apart
    apart = torch.eye(4)
    assert itc_loss(apart, apart, 1.0).item() == pytest.approx(math.log(1 + 3 * math.exp(-1)))
    assert itc_loss(apart, apart, 1000.0).item() == pytest.approx(0.0, abs=1e-6)
    two_each = torch.eye(2).repeat_interleave(2, dim=0)
    products = torch.tensor([8, 8, 9, 9])
    assert itc_loss(two_each, two_each, 1000.0, product_ids=products).item() == pytest.approx(math.log(2))


def test_distinct_products_are_the_plain_loss_and_order_does_not_matter() -> None:
    images, texts = unit_rows(8, 4, 2), unit_rows(8, 4, 3)
    plain = itc_loss(images, texts, 5.0)
    assert torch.allclose(plain, itc_loss(images, texts, 5.0, product_ids=torch.arange(8)))
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(plain, itc_loss(images[order], texts[order], 5.0))
    assert torch.allclose(plain, itc_loss(texts, images, 5.0))


def test_the_same_product_is_not_pushed_away() -> None:
    """Two rows of one product that already coincide get no gradient that separates them."""
    embeddings = normalize(torch.tensor([[1.0, 0.1], [1.0, 0.1], [0.0, 1.0]]), dim=1).requires_grad_()
    texts = embeddings.detach()
    itc_loss(embeddings, texts, 10.0, product_ids=torch.tensor([1, 1, 2])).backward()
    assert embeddings.grad is not None
    assert torch.allclose(embeddings.grad[0], embeddings.grad[1])


def test_logits_are_float32_inside_autocast() -> None:
    images, texts = unit_rows(6, 64, 4), unit_rows(6, 64, 5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = itc_loss(images, texts, 100.0)
    assert torch.equal(inside, itc_loss(images, texts, 100.0))


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"\(B, D\)"):
        itc_loss(torch.zeros(3, 2), torch.zeros(4, 2), 1.0)
    with pytest.raises(ValueError, match="product_ids"):
        itc_loss(torch.zeros(3, 2), torch.zeros(3, 2), 1.0, product_ids=torch.zeros(2))


def slow_cross_entropy(logits: list[float], target: int) -> float:
    return math.log(sum(math.exp(value) for value in logits)) - logits[target]


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_matching_is_the_cross_entropy_of_no_and_yes() -> None:
    logits, matches = 3 * random(7, 2), torch.tensor([True, False, False, True, True, False, True])
    slow = [slow_cross_entropy(row, int(match)) for row, match in zip(logits.tolist(), matches.tolist(), strict=True)]
    assert itm_loss(logits, matches).item() == pytest.approx(sum(slow) / 7, rel=1e-5)
    assert itm_loss(torch.zeros(3, 2), matches[:3]).item() == pytest.approx(math.log(2))
    sure = torch.tensor([[0.0, 50.0], [50.0, 0.0]])
    assert itm_loss(sure, torch.tensor([True, False])).item() == pytest.approx(0)
    assert itm_loss(sure, torch.tensor([False, True])).item() == pytest.approx(50)


def test_ranking_is_the_cross_entropy_of_a_pair_among_its_negatives() -> None:
    own, others = 2 * random(5, 1), 2 * random(5, 3, seed=1)
    slow = [slow_cross_entropy([a, *b], 0) for [a], b in zip(own.tolist(), others.tolist(), strict=True)]
    assert ranking_loss(own, others).item() == pytest.approx(sum(slow) / 5, rel=1e-5)
    torch.testing.assert_close(ranking_loss(own + 9, others + 9), ranking_loss(own, others))  # only differences count
    assert ranking_loss(torch.zeros(2, 1), torch.zeros(2, 3)).item() == pytest.approx(math.log(4))


def test_a_negative_of_minus_infinity_is_none() -> None:
    """Batches with too few products: no negative, no loss, no gradient, and no nan."""
    own = torch.tensor([[1.0], [2.0]], requires_grad=True)
    none = torch.full((2, 3), -math.inf)
    loss = ranking_loss(own, none)
    loss.backward()
    assert loss.item() == 0
    assert own.grad is not None
    assert own.grad.tolist() == [[0.0], [0.0]]
    one = torch.cat([torch.zeros(2, 1), none], dim=1)
    torch.testing.assert_close(ranking_loss(own, one), ranking_loss(own, torch.zeros(2, 1)))


def test_only_rows_with_a_label_are_asked() -> None:
    logits, labels = random(6, 4), torch.tensor([2, -100, 0, 3, -100, -100])
    rows = [n for n in range(6) if labels[n] >= 0]
    slow = [slow_cross_entropy(logits[n].tolist(), int(labels[n])) for n in rows]
    assert masked_cross_entropy(logits, labels).item() == pytest.approx(sum(slow) / 3, rel=1e-5)
    torch.testing.assert_close(masked_cross_entropy(logits, labels), masked_cross_entropy(logits[rows], labels[rows]))


@pytest.mark.parametrize("rows", [0, 4])
def test_no_label_is_no_loss_and_no_gradient(rows: int) -> None:
    logits = random(rows, 5).requires_grad_()
    loss = masked_cross_entropy(logits, torch.full((rows,), -100))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_reconstruction_is_smooth_l1_over_every_pixel() -> None:
    """The source's condition lacks the bars: without them every I' far below I would be squared."""
    images = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    made = images + 2 * random(2, 3, 4, 5, seed=1)
    slow = []
    for value, target in zip(made.flatten().tolist(), images.flatten().tolist(), strict=True):
        difference = abs(value - target)
        slow.append(0.5 * difference**2 if difference < 1 else difference - 0.5)
    assert mir_loss(made, images).item() == pytest.approx(sum(slow) / len(slow), rel=1e-5)
    torch.testing.assert_close(mir_loss(images - 3, images), mir_loss(images + 3, images))
    assert mir_loss(images - 3, images).item() == pytest.approx(2.5)
    assert mir_loss(images, images).item() == 0


def test_losses_are_computed_in_float32() -> None:
    logits, labels = 3 * random(6, 2), torch.tensor([0, 1, 1, 0, 1, 0])
    images = random(2, 3, 4, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = (
            itm_loss(logits.bfloat16(), labels == 1),
            ranking_loss(logits[:, :1].bfloat16(), logits[:, 1:].bfloat16()),
            masked_cross_entropy(logits.bfloat16(), labels),
            mir_loss(images.bfloat16(), images),
        )
    assert all(loss.dtype == torch.float32 for loss in inside)
    rounded = logits.bfloat16().float()
    assert torch.equal(inside[0], itm_loss(rounded, labels == 1))
    assert torch.equal(inside[1], ranking_loss(rounded[:, :1], rounded[:, 1:]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: itm_loss(torch.zeros(3, 2), torch.zeros(4, dtype=torch.bool)), r"\(4, 2\), not \(3, 2\)"),
        (lambda: itm_loss(torch.zeros(3, 1), torch.zeros(3, dtype=torch.bool)), r"\(3, 2\), not \(3, 1\)"),
        (lambda: ranking_loss(torch.zeros(3), torch.zeros(3, 2)), r"\(3, 1\), not \(3,\)"),
        (lambda: ranking_loss(torch.zeros(2, 1), torch.zeros(3, 2)), r"\(3, 1\), not \(2, 1\)"),
        (
            lambda: mir_loss(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5)),
            r"\(1, 3, 4, 4\) of photos \(1, 3, 4, 5\)",
        ),
        (lambda: masked_cross_entropy(torch.zeros(3, 2), torch.zeros(4, dtype=torch.int64)), "batch_size"),
    ],
)
def test_shapes_of_the_other_losses_are_checked(call: Callable[[], Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def slow_focal(logits: list[float], labels: list[bool], gamma: float, alpha: float) -> float:
    total = 0.0
    for logit, label in zip(logits, labels, strict=True):
        p = 1 / (1 + math.exp(-logit))
        p_t, alpha_t = (p, alpha) if label else (1 - p, 1 - alpha)
        total -= alpha_t * (1 - p_t) ** gamma * math.log(p_t)
    return total / len(logits)


@pytest.mark.parametrize(("gamma", "alpha"), [(2.0, 0.5), (0.0, 0.5), (0.5, 0.25), (3.0, 0.9)])
def test_focal_loss_is_the_papers_formula(gamma: float, alpha: float) -> None:
    logits, labels = 3 * random(9), random(9, seed=1) > 0
    slow = slow_focal(logits.tolist(), labels.tolist(), gamma, alpha)
    assert focal_loss(logits, labels, gamma=gamma, alpha=alpha).item() == pytest.approx(slow, rel=1e-5)
    if gamma == 0:
        entropy = torch.nn.functional.binary_cross_entropy_with_logits(logits, labels.float())
        torch.testing.assert_close(focal_loss(logits, labels, gamma=0), entropy / 2)


def test_focal_loss_takes_logits_not_probabilities() -> None:
    """The known bug: on sigmoid outputs nothing is surer than sigmoid(1), so a perfect model keeps a loss and a gradient."""
    labels = torch.tensor([True, False, True, False])
    perfect = torch.where(labels, 20.0, -20.0)
    assert focal_loss(perfect, labels).item() < 1e-6
    wrongly_fed = focal_loss(perfect.sigmoid(), labels)
    assert wrongly_fed.item() > 0.04
    sure_and_wrong = focal_loss(-perfect, labels)
    assert sure_and_wrong.item() == pytest.approx(10.0, rel=1e-3)  # alpha * 20: grows with the error, as log-loss does


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
def test_focal_loss_has_right_and_finite_gradients(gamma: float) -> None:
    logits = random(6).double().requires_grad_()
    labels = torch.tensor([True, False, True, True, False, False])
    step = 1e-3
    focal_loss(logits, labels, gamma=gamma).backward()
    assert logits.grad is not None
    for at in range(6):
        moved = [logits.detach().clone() for _ in range(2)]
        moved[0][at] += step
        moved[1][at] -= step
        slow = [slow_focal(one.tolist(), labels.tolist(), gamma, 0.5) for one in moved]
        assert logits.grad[at].item() == pytest.approx((slow[0] - slow[1]) / (2 * step), rel=1e-3, abs=1e-6)
    extreme = torch.tensor([100.0, -100.0, 100.0, -100.0], requires_grad=True)
    focal_loss(extreme, torch.tensor([True, True, False, False]), gamma=gamma).backward()
    assert extreme.grad is not None
    assert extreme.grad.isfinite().all()


def test_focal_loss_of_nothing_is_nothing() -> None:
    logits = torch.zeros(0, requires_grad=True)
    loss = focal_loss(logits, torch.zeros(0, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0


def slow_set_ranking(
    positive: list[float], negatives: list[list[float]], margin: float, mask: list[list[bool]], terms: tuple[str, ...]
) -> float:
    total, rows = 0.0, 0
    for near, far, there in zip(positive, negatives, mask, strict=True):
        real = [one for one, is_there in zip(far, there, strict=True) if is_there]
        if not real:
            continue
        rows += 1
        if "all" in terms:
            total += sum(max(0.0, near - one + margin) for one in real) / len(real)
        if "hard" in terms:
            total += max(0.0, near - min(real) + margin)
    return total / rows if rows else 0.0


@pytest.mark.parametrize("terms", [("all", "hard"), ("all",), ("hard",)])
def test_set_ranking_is_the_nested_loops(terms: tuple[str, ...]) -> None:
    positive, negatives = random(5).abs(), random(5, 4, seed=1).abs()
    mask = random(5, 4, seed=2) > -0.3
    mask[3] = False
    slow = slow_set_ranking(positive.tolist(), negatives.tolist(), 0.3, mask.tolist(), terms)
    fast = set_ranking_loss(positive, negatives, margin=0.3, mask=mask, terms=terms)
    assert fast.item() == pytest.approx(slow, rel=1e-5)
    everything = torch.ones_like(mask)
    slow = slow_set_ranking(positive.tolist(), negatives.tolist(), 0.3, everything.tolist(), terms)
    assert set_ranking_loss(positive, negatives, margin=0.3, terms=terms).item() == pytest.approx(slow, rel=1e-5)


def test_set_ranking_closed_forms_and_masked_negatives() -> None:
    near, far = torch.zeros(2), torch.tensor([[1.0, 5.0], [2.0, 3.0]])
    assert set_ranking_loss(near, far, margin=0.5).item() == 0  # all are beyond the margin
    assert set_ranking_loss(near, torch.zeros(2, 2), margin=0.5).item() == pytest.approx(1.0)  # all + hard
    masked = torch.full((2, 2), 1e9, requires_grad=True)
    near = torch.zeros(2, requires_grad=True)
    loss = set_ranking_loss(near, masked, margin=0.5, mask=torch.zeros(2, 2, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
    assert near.grad is not None
    assert not near.grad.any()
    # Between unit vectors the paper's margin leaves a loss even to the best there is (specification 5.2).
    assert set_ranking_loss(torch.zeros(1), torch.full((1, 3), 2.0), margin=2.5).item() > 0


def test_set_ranking_gradients() -> None:
    positive, negatives = random(4).double().requires_grad_(), random(4, 3, seed=1).double().requires_grad_()
    mask = torch.tensor([[True, True, False], [True, True, True], [False, True, False], [False] * 3])

    def loss(near: Tensor, far: Tensor) -> float:
        return slow_set_ranking(near.tolist(), far.tolist(), 0.3, mask.tolist(), ("all", "hard"))

    set_ranking_loss(positive, negatives, margin=0.3, mask=mask).backward()
    assert positive.grad is not None
    assert negatives.grad is not None
    step = 1e-4
    for row in range(4):
        shift = torch.zeros(4).double()
        shift[row] = step
        slow = (loss(positive + shift, negatives) - loss(positive - shift, negatives)) / (2 * step)
        assert positive.grad[row].item() == pytest.approx(slow, abs=1e-3)
        for column in range(3):
            moved = torch.zeros(4, 3).double()
            moved[row, column] = step
            slow = (loss(positive, negatives + moved) - loss(positive, negatives - moved)) / (2 * step)
            assert negatives.grad[row, column].item() == pytest.approx(slow, abs=1e-3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: focal_loss(torch.zeros(3), torch.zeros(3)), "bool labels"),
        (lambda: focal_loss(torch.zeros(3), torch.zeros(2, dtype=torch.bool)), r"\(3,\)"),
        (lambda: focal_loss(torch.zeros(3), torch.zeros(3, dtype=torch.bool), gamma=-1), "gamma"),
        (lambda: set_ranking_loss(torch.zeros(3), torch.zeros(2, 4), margin=1), r"\(B,\) and \(B, N\)"),
        (lambda: set_ranking_loss(torch.zeros(3), torch.zeros(3, 4), margin=1, terms=("some",)), "all and hard"),
        (
            lambda: set_ranking_loss(torch.zeros(3), torch.zeros(3, 4), margin=1, mask=torch.ones(3, dtype=torch.bool)),
            "the mask",
        ),
    ],
)
def test_shapes_of_the_outfit_losses_are_checked(call: Callable[[], Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.slow
def test_two_processes_have_the_gradient_of_the_whole_batch(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    draw = torch.Generator().manual_seed(6)
    given = {
        "images": torch.randn(6, 4, generator=draw),
        "texts": torch.randn(6, 4, generator=draw),
        "weight": torch.randn(4, 3, generator=draw),
        "scale": torch.tensor(1.5),
        "products": torch.tensor([1, 2, 3, 3, 2, 4]),  # pairs that lie on different processes
    }
    save_file(given, tmp_path / "given.safetensors")
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path), str(rank)], env=env) for rank in range(2)]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    for kind in ("plain", "products"):
        weight, scale = (given[name].clone().requires_grad_() for name in ("weight", "scale"))
        images, texts = normalize(given["images"] @ weight, dim=1), normalize(given["texts"] @ weight, dim=1)
        loss = itc_loss(images, texts, scale.exp(), product_ids=given["products"] if kind == "products" else None)
        loss.backward()
        for rank in range(2):
            found = load_file(tmp_path / f"result_{rank}.safetensors")
            assert torch.allclose(found[f"{kind}/loss"], loss, rtol=1e-5)
            assert torch.allclose(found[f"{kind}/weight"], weight.grad, rtol=1e-4, atol=1e-6)
            assert torch.allclose(found[f"{kind}/scale"], scale.grad, rtol=1e-4, atol=1e-6)


def test_bpr_is_the_mean_log_sigmoid_of_differences() -> None:
    positive, negative = torch.tensor([1.0, -2.0, 30.0]), torch.tensor([0.5, 3.0, -30.0])
    slow = sum(
        -math.log(1 / (1 + math.exp(-(p - n)))) for p, n in zip(positive.tolist(), negative.tolist(), strict=True)
    )
    assert bpr_loss(positive, negative).item() == pytest.approx(slow / 3, rel=1e-6)
    assert bpr_loss(positive, positive).item() == pytest.approx(math.log(2))
    with pytest.raises(ValueError, match="one shape"):
        bpr_loss(positive, negative[:2])


@pytest.mark.parametrize("half", [False, True])
def test_choices_share_the_probability_of_their_query(half: bool) -> None:
    torch.manual_seed(0)
    leaves = [torch.randn(shape, requires_grad=True) for shape in ((4, 6), (5, 6), (5,))]
    queries, candidates, bias = leaves
    chosen = torch.tensor([0, 0, 2, 3]), torch.tensor([2, 0, 4, 1])
    left_out = torch.tensor([0, 2, 2]), torch.tensor([4, 0, 1])
    slow = torch.zeros(())
    for query, choice in zip(*(one.tolist() for one in chosen), strict=True):
        out = [c for q, c in zip(*(one.tolist() for one in left_out), strict=True) if q == query]
        logits = [queries[query] @ candidates[c] + bias[c] for c in range(5)]
        slow = slow - logits[choice] + torch.stack([one for c, one in enumerate(logits) if c not in out]).logsumexp(0)
    slow = slow / 4
    with torch.autocast("cpu", enabled=half):
        loss = choice_loss(queries, candidates, bias, chosen, left_out)
    assert loss.item() == pytest.approx(slow.item(), rel=2e-2 if half else 1e-6)
    expected = torch.autograd.grad(3 * slow, leaves)
    for one, other in zip(torch.autograd.grad(3 * loss, leaves), expected, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one, other, atol=5e-2 if half else 1e-6, rtol=5e-2 if half else 1e-5)


def test_without_choices_nothing_is_lost() -> None:
    nothing = (torch.zeros(0, dtype=torch.int64),) * 2
    queries = torch.randn(2, 3, requires_grad=True)
    loss = choice_loss(queries, torch.randn(4, 3), torch.zeros(4), nothing, nothing)
    loss.backward()
    assert loss.item() == 0
    assert queries.grad is not None
    assert not queries.grad.any()
    with pytest.raises(ValueError, match="left_out: rows"):
        choice_loss(queries, torch.randn(4, 3), torch.zeros(4), nothing, (nothing[0], torch.zeros(1).long()))
