"""The contrastive loss against nested loops, closed forms, and itself on two processes."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import normalize

from modiste.losses import itc_loss

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
