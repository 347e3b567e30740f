"""The retrieval protocols: chance, perfection, negatives, order, controls, and a slow version of the same rules."""

from __future__ import annotations

import json

import numpy as np
import pytest

from modiste.evaluation.controls import add_metadata_control, metadata_sentence
from modiste.evaluation.retrieval import draw_candidates, evaluate_encoder, evaluate_retrieval, evaluate_scorers
from modiste.types import Embeddings, EncoderId, Item

PIXELS = np.zeros((2, 2, 3), np.uint8)
PROTOCOLS = ("retrieval-1of101", "retrieval-full")


def world(count: int = 260, *, per_group: int = 2) -> list[Item]:
    """Many tops, some shoes, three hats: pools that suffice, that need one filling, and that need two."""
    types = ["Shirts"] * (count - 63) + ["Boots"] * 35 + ["Heels"] * 25 + ["Hats"] * 3
    return [
        Item(
            f"id{n:04d}", f"title {n // per_group}", PIXELS, category=types[n], group=f"g{n // per_group}",
            attributes={"colour": f"colour{n % 7}"},
        )
        for n in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_constant_scorer_is_at_chance_and_a_perfect_one_at_100(protocol: str) -> None:
    items = world()
    constant = np.ones((len(items), 4), np.float32)
    report = evaluate_retrieval(protocol, items, constant, constant, resamples=0).as_dict()
    for way in ("t2i", "i2t"):
        for metric in ("R@1", "R@5", "R@10", "MRR"):
            assert report[f"{way}_{metric}"] == pytest.approx(report[f"{way}_{metric}_chance"])
        if protocol == "retrieval-1of101":
            assert report[f"{way}_R@1"] == pytest.approx(100 / 101, abs=1e-3)
            assert report[f"{way}_R@10"] == pytest.approx(1000 / 101, abs=1e-3)
    names = np.eye(len(items), dtype=np.float32)
    report = evaluate_retrieval(protocol, items, names, names, resamples=0).as_dict()
    assert {report[f"{way}_{metric}"] for way in ("t2i", "i2t") for metric in ("R@1", "R@5", "R@10", "MRR")} == {100}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_order_of_the_items_changes_nothing(protocol: str) -> None:
    items = world()
    random = np.random.default_rng(0)
    images, texts = random.standard_normal((2, len(items), 8)).astype(np.float32)
    shuffled = random.permutation(len(items))
    one = evaluate_retrieval(protocol, items, images, texts, seed=3, resamples=50)
    other = evaluate_retrieval(
        protocol, [items[n] for n in shuffled], images[shuffled], texts[shuffled], seed=3, resamples=50
    )
    assert one.as_dict() == other.as_dict()
    assert one.as_dict() != evaluate_retrieval(protocol, items, texts, images, seed=3, resamples=50).as_dict()


def test_candidates_are_one_positive_and_a_hundred_others_of_its_type() -> None:
    items = world()
    queries = np.arange(len(items))
    candidates, filled = draw_candidates(items, queries, np.random.default_rng(0))
    assert candidates.shape == (len(items), 101)
    columns = set()
    for query in queries:
        row = candidates[query]
        assert len(set(row)) == 101
        [column] = np.flatnonzero(row == query)
        columns.add(int(column))
        others = [items[n] for n in row if n != query]
        assert all(one.product != items[query].product for one in others)
        same_type = sum(one.category == items[query].category for one in others)
        assert filled[query] == 100 - same_type
        if items[query].category == "Shirts":
            assert same_type == 100
        if items[query].category in ("Boots", "Heels"):
            # both are shoes: the other type is used up before anything else is
            pool = [one for one in items if one.product != items[query].product]
            assert same_type == sum(one.category == items[query].category for one in pool)
            kin = {"Boots": "Heels", "Heels": "Boots"}[items[query].category]
            assert sum(one.category == kin for one in others) == min(
                100 - same_type, sum(one.category == kin for one in pool)
            )
    assert len(columns) > 50  # the positive is not always first


def test_the_slow_version_of_1of101_agrees() -> None:
    items = world()
    random = np.random.default_rng(5)
    images, texts = random.standard_normal((2, len(items), 6)).round(1)
    report = evaluate_retrieval("retrieval-1of101", items, images, texts, seed=9, resamples=0)
    for number, (queries, gallery) in enumerate(((texts, images), (images, texts))):
        candidates, _ = draw_candidates(items, np.arange(len(items)), np.random.default_rng([9, number]))
        hits = {1: 0.0, 5: 0.0, 10: 0.0}
        for query in range(len(items)):
            positive = float(queries[query] @ gallery[query])
            others = [float(queries[query] @ gallery[n]) for n in candidates[query] if n != query]
            better = sum(score > positive for score in others)
            level = sum(score == positive for score in others)
            for k in hits:
                hits[k] += min(1.0, max(0.0, (k - better) / (level + 1)))
        for k, value in hits.items():
            assert report.metrics[f"{('t2i', 'i2t')[number]}_R@{k}"].mean == pytest.approx(value / len(items), abs=1e-6)


def test_the_full_gallery_counts_any_row_of_the_product() -> None:
    items = world(120, per_group=3)
    names = np.repeat(np.eye(40, dtype=np.float32), 3, axis=0)  # a scorer that knows the product, not the row
    report = evaluate_retrieval("retrieval-full", items, names, names, resamples=0)
    assert report.gallery == 120
    assert report.metrics["t2i_R@1"].mean == 1
    assert report.chance["t2i_R@1"] == pytest.approx(3 / 120)


def test_a_pair_scorer_runs_the_same_protocol() -> None:
    items = world()
    vectors = np.random.default_rng(2).standard_normal((len(items), 5))

    def score(rows: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        return np.array([[vectors[a] @ vectors[b] for b in those] for a, those in zip(rows, candidates, strict=True)])

    pairs = evaluate_scorers("retrieval-1of101", items, {"t2i": score, "i2t": score}, num_queries=20, resamples=0)
    inner = evaluate_retrieval("retrieval-1of101", items, vectors, vectors, num_queries=20, resamples=0)
    assert pairs.num_queries == 20
    for key, estimate in inner.metrics.items():
        assert pairs.metrics[key].mean == pytest.approx(estimate.mean)


class Blind:
    """Sees no difference between photos and reads nothing."""

    id = EncoderId("blind", "00", 3)

    def encode_images(self, images):  # type: ignore[no-untyped-def]
        return Embeddings(np.ones((len(images), 3), np.float32), self.id)

    encode_texts = encode_images


def test_items_without_photo_or_text_are_left_out_and_counted() -> None:
    items = [*world(), Item("x", "no photo"), Item("y", image=PIXELS)]
    report = evaluate_encoder("retrieval-1of101", items, Blind(), resamples=10)
    assert report.num_items == 260
    assert report.as_dict()["left_out"] == 2
    json.dumps(report.as_dict(), allow_nan=False)
    assert len(report.table()) == 1 + 8
    with pytest.raises(ValueError, match="nothing to retrieve"):
        evaluate_encoder("retrieval-full", [Item("x", "no photo")], Blind())


def test_too_small_a_set_and_a_wrong_name_say_so() -> None:
    few = world(100, per_group=1)
    with pytest.raises(ValueError, match="use retrieval-full"):
        evaluate_encoder("retrieval-1of101", few, Blind())
    with pytest.raises(ValueError, match="retrieval-1of101"):
        evaluate_encoder("retrieval", few, Blind())


def test_the_metadata_control_sees_attributes_and_no_pixels() -> None:
    items = [
        Item(
            f"i{n:03d}", f"{('red', 'blue', 'green')[n % 3]} shirt number{n}", PIXELS, category="Shirts",
            attributes={"colour": ("red", "blue", "green")[n % 3], "brand": f"number{n}"},
        )
        for n in range(150)
    ]  # fmt: skip
    assert metadata_sentence(items[1]) == "blue Shirts"
    report = add_metadata_control(evaluate_encoder("retrieval-1of101", items, Blind(), resamples=50), items)
    found = report.as_dict()
    assert found["t2i_R@1"] == found["t2i_R@1_chance"]
    # a third of the candidates share the colour, so knowing it is worth about a factor of three
    assert 2 < found["control_t2i_R@1"] / found["t2i_R@1_chance"] < 4
    assert len(report.table()[0]) == 5


def test_without_attributes_the_control_is_at_chance() -> None:
    items = [Item(f"i{n:03d}", f"name{n}", PIXELS, category="zzz") for n in range(120)]
    found = add_metadata_control(evaluate_encoder("retrieval-1of101", items, Blind(), resamples=10), items).as_dict()
    assert found["control_i2t_R@5"] == pytest.approx(found["i2t_R@5_chance"])


@pytest.mark.data
def test_the_control_on_real_products(real_data) -> None:  # type: ignore[no-untyped-def]
    from modiste.data.sources import load_items

    items = load_items(real_data / "fashion_products" / "valid.parquet")
    found = add_metadata_control(evaluate_encoder("retrieval-1of101", items, Blind(), resamples=10), items).as_dict()
    assert found["num_queries"] == len(items) == 2025
    assert found["t2i_R@1_chance"] < found["control_t2i_R@1"] < 40
