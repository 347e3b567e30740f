"""GRNet against the slow obvious version of its equations, the memory that scoring takes, what must hold for any weights."""

from __future__ import annotations

import math
import weakref
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from modiste.data.shop_batches import ShopBatch
from modiste.models.grnet import EPS, SIZES, Described, Grnet, GrnetConfig, GrnetObjective
from modiste.models.grnet_inference import GrnetScorer
from modiste.models.grnet_pretrained import load_grnet, save_grnet
from modiste.models.pretrained import PretrainedError, load
from modiste.types import Item, ItemEncoder, PairScorer, PhotoComparer

DEBUG = SIZES["debug"]


def made(seed: int = 0, **changes: Any) -> Grnet:
    torch.manual_seed(seed)
    model = Grnet(replace(DEBUG, **changes)).eval()
    with torch.no_grad():
        for step in model.steps:  # edges that differ, as after training
            step.receive.weight *= 5
        if model.config.window_weights:
            model.telling.weight.normal_(std=3)
            model.telling.bias.normal_()
    return model


def described(config: GrnetConfig, count: int, seed: int = 1) -> Described:
    torch.manual_seed(seed)
    unit = torch.nn.functional.normalize
    windows = unit(torch.randn(count, config.num_windows, config.window_dim), dim=2)
    return Described(windows, unit(torch.randn(count, config.embed_dim), dim=1))


def slow_score(model: Grnet, x: Described, y: Described) -> float:
    """Specification 3.2, one node and one edge at a time, in double precision."""
    config = model.config
    weights = {name: value.double() for name, value in model.state_dict().items()}
    a, b = x.windows[0].double(), y.windows[0].double()

    def similarity(projection: str, difference: Tensor) -> Tensor:
        projected = weights[f"{projection}.weight"] @ difference.abs() ** 2
        if config.node_bias:
            projected = projected + weights[f"{projection}.bias"]
        return projected / (torch.linalg.vector_norm(projected) ** 2 + EPS**2).sqrt()

    nodes, scales, start = [], [], 0
    for number, side in enumerate(config.pyramid):
        for i, j in product(range(side**2), repeat=2):
            nodes.append(similarity("compare", a[start + i] - b[start + j]))
            scales.append(number)
        start += side**2
    whole = (lambda z: z.mean(0)) if config.global_pooling == "mean" else (lambda z: z.amax(0))
    if config.global_node == "vector":
        nodes.append(similarity("compare_global", whole(a) - whole(b)))
    else:
        cosine = whole(a) @ whole(b) / (whole(a).norm() * whole(b).norm())
        nodes.append(cosine * weights["global_direction"])
    scales.append(-1)
    for step in range(config.steps):
        out, into, update = (weights[f"steps.{step}.{name}.weight"] for name in ("receive", "send", "update"))
        new = []
        for receiver, own in zip(nodes, scales, strict=True):
            heard = [
                (source, math.exp(float((out @ receiver) @ (into @ source))))
                for source, scale in zip(nodes, scales, strict=True)
                if config.cross_scale or own == -1 or scale == own
            ]
            total = sum(edge for _, edge in heard)
            new.append(torch.relu(update @ sum(edge / total * source for source, edge in heard)))
        nodes = new
    score = float(weights["read.weight"][0] @ nodes[-1] + weights["read.bias"][0])
    if config.cosine_term:
        cosine = float(x.embedding[0].double() @ y.embedding[0].double())
        score += config.cosine_share * float(model.logit_scale.detach()) * (cosine - 1)
    if config.window_term:
        found = slow_window_term(model, x.windows[0], y.windows[0])
        score += config.window_share * float(model.logit_scale.detach()) * (found - 1)
    return score


def slow_window_term(model: Grnet, x: Tensor, y: Tensor) -> float:
    """Each window looks for the most alike one of its scale, or of all, on the other photo."""
    scale = [number for number, side in enumerate(model.config.pyramid) for _ in range(side**2)]

    def weights(windows: list[Tensor]) -> list[float]:
        told = [1 / (len(model.config.pyramid) * scale.count(number)) for number in scale]
        if model.config.window_weights:
            line = model.telling.weight.detach().double(), model.telling.bias.detach().double()
            for n, one in enumerate(windows):
                told[n] *= math.exp(float(line[0][scale[n]] @ (one / one.norm()) + line[1][scale[n]]))
        return [one / sum(told) for one in told]

    def partner(window: Tensor, number: int, others: list[Tensor]) -> float:
        allowed = [n for n in range(len(others)) if model.config.window_partners == "any" or scale[n] == number]
        return max(float(window @ others[n] / (window.norm() * others[n].norm())) for n in allowed)

    a, b = list(x.double()), list(y.double())
    of_x = sum(weight * partner(one, number, b) for weight, one, number in zip(weights(a), a, scale, strict=True))
    of_y = sum(weight * partner(one, number, a) for weight, one, number in zip(weights(b), b, scale, strict=True))
    return (of_x + of_y) / 2


@pytest.mark.parametrize(
    "changes",
    [
        {}, {"steps": 0}, {"steps": 1}, {"steps": 3}, {"cross_scale": False}, {"cross_scale": False, "steps": 3},
        {"pyramid": (2,)}, {"pyramid": (1, 2, 3)}, {"global_node": "cosine"}, {"global_pooling": "max"},
        {"cosine_term": False}, {"window_term": False}, {"unit_windows": False, "pyramid": (1, 3)},
        {"window_partners": "any"}, {"window_partners": "any", "window_weights": True, "unit_windows": False},
        {"node_bias": True}, {"node_bias": True, "unit_windows": False, "steps": 1}, {"window_weights": True},
        {"cosine_share": 0.5, "window_share": 3.0, "window_weights": True, "node_bias": True},
    ],
    ids=str,
)  # fmt: skip
def test_scores_are_those_of_the_equations(changes: dict[str, Any]) -> None:
    model = made(**changes)
    x, y = described(model.config, 3), described(model.config, 3, seed=2)
    slow = [slow_score(model, x[n : n + 1], y[n : n + 1]) for n in range(3)]
    assert len({round(one, 4) for one in slow}) == 3
    assert model.score(x, y).tolist() == pytest.approx(slow, abs=1e-4)
    assert model.logits(x, y).tolist() == pytest.approx(slow, abs=1e-4)  # as in training, without the fused kernel


def test_edges_sum_to_1_over_the_sources_of_each_receiver() -> None:
    """Not over the receivers of each source: the softmax of specification 3.2 runs over l, p, q."""
    model = made()
    nodes = model.nodes(described(DEBUG, 2).windows, described(DEBUG, 2, 2).windows)
    edges = model.steps[0].edges(nodes, None)
    assert torch.allclose(edges.sum(dim=2), torch.ones(2, DEBUG.num_nodes + 1))
    assert not torch.allclose(edges.sum(dim=1), torch.ones(2, DEBUG.num_nodes + 1), atol=1e-2)


def test_there_are_as_many_nodes_as_pairs_of_windows() -> None:
    config = GrnetConfig(pyramid=(1, 2, 4))
    assert (config.num_windows, config.num_nodes) == (21, 273)  # specification 3.2: 1 + 16 + 256
    model = made(pyramid=(1, 2, 4))
    x, y = described(model.config, 1), described(model.config, 1, 2)
    nodes = model.nodes(x.windows, y.windows)
    assert nodes.shape == (1, 274, DEBUG.node_dim)
    # Node (i, j) of the last scale compares window i of the first photo with window j of the second.
    i, j = 5, 11
    difference = x.windows[0, 5 + i] - y.windows[0, 5 + j]
    alone = torch.nn.functional.normalize(model.compare(difference**2), dim=0)
    assert torch.allclose(nodes[0, 17 + 16 * i + j], alone, atol=1e-4)


@pytest.mark.parametrize("windows", ["max", "mean"])
def test_windows_are_pooled_scale_by_scale_from_the_top(windows: str) -> None:
    model = made(window_pooling=windows, pyramid=(1, 2), unit_windows=False)
    photos = torch.rand(1, 3, 40, 30)
    with torch.inference_mode():
        map_ = model.backbone(photos)[0]
        height, width = map_.shape[1:]
        pool = (lambda part: part.amax(dim=(1, 2))) if windows == "max" else (lambda part: part.mean(dim=(1, 2)))
        down, across = math.ceil(height / 2), math.ceil(width / 2)
        parts = [
            map_, map_[:, :down, :across], map_[:, :down, -across:], map_[:, -down:, :across], map_[:, -down:, -across:]
        ]  # fmt: skip
        expected = torch.stack([model.window(pool(part)) for part in parts])
        assert torch.allclose(model.describe(photos).windows[0], expected, atol=1e-5)


def test_the_same_photo_twice_gives_numbers_and_gradients() -> None:
    """Equal windows have the difference 0, whose direction is not defined: without the epsilon it is 0 / 0."""
    model = made().train()
    x = described(DEBUG, 2)
    x = Described(x.windows.requires_grad_(), x.embedding)
    logits = model.logits(x, Described(x.windows, x.embedding))
    logits.sum().backward()
    assert torch.isfinite(logits).all()
    assert torch.isfinite(x.windows.grad).all()  # type: ignore[arg-type]
    assert all(torch.isfinite(one.grad).all() for one in model.parameters() if one.grad is not None)


def test_nodes_do_not_depend_on_how_strong_a_difference_is() -> None:
    model = made(unit_windows=False)
    x, y = described(DEBUG, 1), described(DEBUG, 1, 2)
    assert torch.allclose(model.nodes(3 * x.windows, 3 * y.windows), model.nodes(x.windows, y.windows), atol=1e-5)


def test_with_a_constant_a_node_says_how_much_windows_differ() -> None:
    """Length 1 keeps the direction alone: windows that are nearly equal and windows that are not had the same node."""
    near, far = (torch.full((1, DEBUG.window_dim), one) for one in (0.01, 0.4))
    plain, constant = made(), made(node_bias=True)
    assert torch.allclose(plain._similarity(plain.compare, near), plain._similarity(plain.compare, far), atol=1e-4)
    apart = constant._similarity(constant.compare, near) - constant._similarity(constant.compare, far)
    assert apart.norm() > 0.1


def test_windows_count_alike_until_training_says_otherwise() -> None:
    torch.manual_seed(0)
    model = Grnet(replace(DEBUG, window_weights=True)).eval()
    x, y = described(DEBUG, 5), described(DEBUG, 4, 2)
    assert torch.allclose(model.window_similarity(x, y), made().window_similarity(x, y), atol=1e-6)
    with torch.no_grad():
        model.telling.weight.normal_(std=3)
    assert not torch.allclose(model.window_similarity(x, y), made().window_similarity(x, y), atol=1e-3)
    assert torch.allclose(model._weights(x).sum(dim=1), torch.ones(5))


def test_without_edges_between_scales_a_scale_hears_nothing_of_the_others() -> None:
    for cross_scale in (True, False):
        model = made(cross_scale=cross_scale, pyramid=(1, 2))
        x, y = described(DEBUG, 1), described(DEBUG, 1, 2)
        nodes = model.nodes(x.windows, y.windows)
        other = nodes.clone()
        other[:, 0] += 1  # the one node of the first scale
        change = (model.steps[0](nodes, model.allowed) - model.steps[0](other, model.allowed)).abs().sum(dim=2)[0]
        assert bool((change[1:17] > 1e-6).any()) == cross_scale
        assert change[-1] > 0  # the global node hears all


def test_every_step_has_weights_of_its_own_and_the_score_is_read_from_the_global_node() -> None:
    model = made(steps=2, cosine_term=False, window_term=False)
    assert model.steps[0].update.weight.data_ptr() != model.steps[1].update.weight.data_ptr()
    x, y = described(DEBUG, 1), described(DEBUG, 1, 2)
    nodes = model.nodes(x.windows, y.windows)
    h = model.steps[1](model.steps[0](nodes, None), None)
    assert torch.allclose(model.read(h[:, -1])[:, 0], model.score(x, y), atol=1e-5)


class Peak(TorchDispatchMode):
    """Bytes of all tensors that are alive at once, beside those `there` before: counted as they come and go."""

    def __init__(self, there: list[Tensor]) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._seen = {one.untyped_storage()._cdata for one in there}

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        for one in out if isinstance(out, tuple | list) else (out,):
            if isinstance(one, Tensor):
                self._count(one.untyped_storage())
        return out

    def _count(self, storage: Any) -> None:
        key = storage._cdata
        if key in self._seen:
            return
        self._seen.add(key)
        size = storage.nbytes()
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._gone, key, size)

    def _gone(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.now -= size


@pytest.mark.parametrize(
    "changes",
    [{}, {"cross_scale": False, "steps": 3}, {"steps": 0}, {"node_bias": True, "window_weights": True}],
    ids=str,
)
@pytest.mark.parametrize("max_bytes", [400_000, 3_000_000])
def test_scoring_keeps_to_the_memory_that_is_stated(changes: dict[str, Any], max_bytes: int) -> None:
    model = made(pyramid=(1, 2, 3), window_dim=24, **changes)
    x, y = described(model.config, 1), described(model.config, 300, 2)
    with torch.inference_mode():
        there = [x.windows, x.embedding, y.windows, y.embedding, *model.parameters(), *model.buffers()]
        everything = Peak(there)
        with everything:
            whole = model.score(x, y, max_bytes=10**10)
        bounded = Peak(there)
        with bounded:
            found = model.score(x, y, max_bytes=max_bytes)
    assert everything.peak > 3_000_000  # there is something to bound, and the meter sees it
    assert bounded.peak <= max_bytes
    assert torch.allclose(found, whole, atol=1e-5)
    with pytest.raises(ValueError, match="too little"):
        model.score(x, y, max_bytes=1_000)


def test_scores_do_not_depend_on_the_other_pairs() -> None:
    model = made()
    x, y = described(DEBUG, 1), described(DEBUG, 9, 2)
    together = model.score(x, y)
    alone = torch.cat([model.score(x, y[n : n + 1]) for n in range(9)])
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.allclose(model.score(x, y, max_bytes=2 * model.config.pair_bytes), together, atol=1e-5)
    with pytest.raises(ValueError, match="cannot be compared"):
        model.score(described(DEBUG, 2), y)


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 1},
        {"steps": 3},
        {"steps": 2, "cross_scale": False},
        {"steps": 0},
        {"window_term": False},
        {"window_weights": True, "window_share": 2.0, "node_bias": True},
        {"window_partners": "any", "window_weights": True, "pyramid": (1, 2, 3)},
    ],
    ids=str,
)
def test_relevance_adds_up_to_what_is_read(changes: dict[str, Any]) -> None:
    model = made(cosine_term=False, **changes)
    x, y = described(model.config, 4), described(model.config, 4, 2)
    pairs, whole = model.relevance(x, y)
    assert (pairs.shape, whole.shape) == ((4, model.config.num_windows, model.config.num_windows), (4,))
    constant = model.read.bias - (model.config.window_share * model.logit_scale if model.config.window_term else 0)
    assert torch.allclose(pairs.sum(dim=(1, 2)) + whole + constant, model.score(x, y), atol=1e-4)


# ---- training ---------------------------------------------------------------------------------------------------------


def batch(products: list[int], look_alikes: list[list[int]], photos: int = 2) -> ShopBatch:
    torch.manual_seed(3)
    tint = torch.rand(100, 3, 1, 1)

    def photo(product: int) -> Tensor:
        return (tint[product] + 0.1 * torch.rand(3, 40, 30)).clamp(0, 1)

    images = torch.stack([torch.stack([photo(one) for _ in range(photos)]) for one in products])
    others = torch.stack([torch.stack([photo(one) for one in row]) for row in look_alikes])
    return ShopBatch(images, torch.tensor(products), others, torch.tensor(look_alikes))


def test_negatives_are_the_nearest_shop_photos_of_other_products() -> None:
    model = Grnet(DEBUG, GrnetObjective(num_negatives=2))
    one = batch([0, 1, 2, 3], [[10], [11], [1], [13]], photos=3)
    embedding = torch.nn.functional.normalize(torch.randn(len(one.photos), 16), dim=1)
    found = model._hard_negatives(embedding, one.photo_products, one.shop_rows, one.customer_rows)
    assert found.shape == (8, 2)
    shops = one.shop_rows.tolist()
    assert shops == [0, 3, 6, 9, 12, 13, 14, 15]
    assert one.customer_rows.tolist() == [1, 2, 4, 5, 7, 8, 10, 11]
    for query, rows in zip(one.customer_rows.tolist(), found.tolist(), strict=True):
        others = [row for row in shops if one.photo_products[row] != one.photo_products[query]]
        nearest = sorted(others, key=lambda row: -float(embedding[query] @ embedding[row]))[:2]
        assert rows == nearest


def test_losses_have_names_and_the_baseline_has_no_graph() -> None:
    one = batch([0, 1, 2, 3], [[10], [11], [12], [13]])
    model = Grnet(DEBUG)
    losses = model.losses(one)
    assert {key for key in losses if key.endswith("_loss")} == {
        "embedding_loss",
        "pair_loss",
        "rank_loss",
        "window_loss",
    }
    sum(value for key, value in losses.items() if key.endswith("_loss")).backward()  # type: ignore[union-attr]
    silent = {name for name, one in model.named_parameters() if one.grad is None or not one.grad.abs().sum()}
    assert not any(name.startswith(("compare", "steps", "read", "window", "embed")) for name in silent)
    alone = Grnet(DEBUG, GrnetObjective(graph=False)).losses(one)
    assert {key for key in alone if key.endswith("_loss")} == {"embedding_loss"}
    with pytest.raises(ValueError, match="two products"):
        Grnet(DEBUG).losses(batch([5], [[5]]))


def test_the_window_loss_is_a_contrast_of_customers_and_shop_photos() -> None:
    one = batch([0, 1, 2], [[1], [11], [12]], photos=3)  # product 1 has a second shop photo: both are right
    model = Grnet(DEBUG)
    with torch.no_grad():
        loss, found = float(model.losses(one)["window_loss"]), model.describe(one.photos)
        scale = float(model.logit_scale)
    shops, customers, shows = one.shop_rows.tolist(), one.customer_rows.tolist(), one.photo_products.tolist()
    logits = {
        (c, s): scale * slow_window_term(model, found.windows[c], found.windows[s]) for c in customers for s in shops
    }

    def asked(row: int, others: list[int], flipped: bool) -> float | None:
        values = [logits[(other, row) if flipped else (row, other)] for other in others]
        right = [v for v, other in zip(values, others, strict=True) if shows[other] == shows[row]]
        total = math.log(sum(math.exp(v) for v in values))
        return sum(total - v for v in right) / len(right) if right else None

    ways = [
        [value for value in (asked(row, others, flipped) for row in rows) if value is not None]
        for rows, others, flipped in ((customers, shops, False), (shops, customers, True))
    ]
    assert [len(way) for way in ways] == [6, 4]
    assert loss == pytest.approx(sum(sum(way) / len(way) for way in ways) / 2, abs=1e-4)


def test_it_learns_to_tell_plain_colours_apart() -> None:
    torch.manual_seed(0)
    model = Grnet(DEBUG)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(40):
        losses = model.losses(batch(list(range(8)), [[20 + n] for n in range(8)]))
        optimizer.zero_grad()
        sum(value for key, value in losses.items() if key.endswith("_loss")).backward()  # type: ignore[union-attr]
        optimizer.step()
    assert float(losses["pair_accuracy"]) == 1
    assert float(losses["pair_loss"].detach()) < 0.3  # log 2 = 0.69 for one that knows nothing


# ---- in use -----------------------------------------------------------------------------------------------------------


def photos(count: int, seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [random.integers(0, 255, (50 + n, 40, 3), dtype=np.uint8) for n in range(count)]


def test_stored_features_score_as_photos_do() -> None:
    scorer = GrnetScorer(made(), name="toy", batch_size=3)
    assert isinstance(scorer, PairScorer)
    assert isinstance(scorer, PhotoComparer)
    assert isinstance(scorer.encoder, ItemEncoder)
    items = [Item(f"i{n}", image=photo) for n, photo in enumerate(photos(7))]
    query = Item("q", image=photos(1, seed=9)[0])
    direct = scorer.score(query, items)
    features = scorer.features([item.image for item in items])  # type: ignore[misc]
    assert features.dtype == np.float16
    assert features.shape == (7, scorer.id.dim)
    assert np.allclose(scorer.compare(scorer.features([query.image])[0], features), direct, atol=1e-5)
    assert np.allclose(direct, scorer.model.score(
        scorer._restored(scorer.features([query.image])), scorer._restored(features)).numpy(), atol=1e-5)  # fmt: skip
    scorer.prepare(items)
    blind = [Item(item.id) for item in items]  # their photos are not looked at again
    assert np.allclose(scorer.score(query, blind), direct, atol=1e-5)
    assert np.isnan(scorer.score(query, [Item("unknown")])).all()
    with pytest.raises(ValueError, match="query has none"):
        scorer.score(Item("q", "words"), items)
    with pytest.raises(ValueError, match="photo 1"):
        scorer.features([photos(1)[0], b"no photo"])
    with pytest.raises(ValueError, match="features of shape"):
        scorer.compare(features[0], features[:, :-1])


def test_the_embedding_is_an_encoder_of_photos_alone() -> None:
    encoder = GrnetScorer(made(), name="toy").encoder
    vectors = encoder.encode([Item(f"i{n}", "words are ignored", photo) for n, photo in enumerate(photos(3))]).vectors
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(encoder.encode_query(image=photos(3)[1]).vectors[0], vectors[1], atol=1e-5)
    assert np.allclose(encoder.encode_queries([("", photos(3)[2])]).vectors[0], vectors[2], atol=1e-5)
    for wrong in (lambda: encoder.encode_query("red"), lambda: encoder.encode_queries([("red", photos(1)[0])])):
        with pytest.raises(ValueError, match="reads no words"):
            wrong()
    with pytest.raises(ValueError, match="'x' has no photo"):
        encoder.encode([Item("x", "words")])
    with pytest.raises(ValueError, match="item 'x': "):
        encoder.encode([Item("w", image=photos(1)[0]), Item("x", image=b"no photo")])


def test_regions_are_the_strongest_pairs_and_no_window_comes_twice() -> None:
    scorer = GrnetScorer(made(pyramid=(1, 2, 3)))
    query, item = scorer.features(photos(2))
    found = scorer.regions(query, item, count=5)
    assert list(found) == sorted(found, key=lambda one: -one.relevance)
    assert all(one.relevance > 0 for one in found)
    for boxes in ([one.query for one in found], [one.item for one in found]):
        assert len(set(boxes)) == len(boxes)
        assert all(0 <= left < right <= 1 and 0 <= top < bottom <= 1 for left, top, right, bottom in boxes)
    for one in found:  # two windows of one scale
        assert one.query[2] - one.query[0] == pytest.approx(one.item[2] - one.item[0])
    for heat in scorer.heat(query, item):
        assert heat.shape == (8, 8)
        assert 0 <= heat.min() <= heat.max() <= 1


def test_a_folder_holds_a_model_and_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    model = made()
    folder = save_grnet(tmp_path / "grnet", model, name="grnet_debug.toy")
    assert sorted(file.name for file in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    found = load_grnet(folder)
    assert found.name == "grnet_debug.toy"
    assert found.model.config == model.config
    a, b = photos(2)
    stored = load_grnet(folder)
    assert stored.id == found.id
    assert np.array_equal(stored.features([a, b]), found.features([a, b]))
    other = save_grnet(tmp_path / "other", made(seed=5), name="grnet_debug.toy")
    assert load_grnet(other).id != found.id
    with pytest.raises(PretrainedError, match="no GRNet"):
        load_grnet(tmp_path / "nowhere")
    (folder / "config.json").write_text('{"architecture": "mvlt"}')
    with pytest.raises(PretrainedError, match="is no GRNet"):
        load_grnet(folder)
    (folder / "config.json").write_text('{"architecture": "grnet", "model": {"pyramid": [0]}}')
    with pytest.raises(PretrainedError, match="does not describe"):
        load_grnet(folder)
    (other / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(PretrainedError, match="damaged"):
        load_grnet(other)
    (other / "model.safetensors").unlink()
    with pytest.raises(PretrainedError, match="is missing"):
        load_grnet(other)


def test_a_grnet_is_no_encoder_of_catalogues(tmp_path: Path) -> None:
    folder = save_grnet(tmp_path / "grnet", made(), name="toy")
    with pytest.raises(PretrainedError, match="GRNet"):
        load(folder)


@pytest.mark.parametrize("wrong", [{"pyramid": ()}, {"pyramid": (2, 2)}, {"steps": -1}], ids=str)
def test_sizes_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        replace(DEBUG, **wrong)
