"""Retrieval protocols: who may be a candidate, what is counted, and the whole against a slow obvious version."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

import numpy as np
import pytest

from modiste.evaluation import retrieval
from modiste.evaluation.protocols import PROTOCOLS
from modiste.evaluation.retrieval import (
    DIRECTIONS,
    KS,
    METRICS,
    ImageTextEncoder,
    RetrievalReport,
    evaluate_encoder,
    evaluate_retrieval,
    evaluate_scorers,
    ranking_task,
)
from modiste.taxonomy import super_category
from modiste.types import FloatArray, Item

BOTH = [protocol.name for protocol in PROTOCOLS.values() if protocol.kind == "retrieval"]


def catalogue(count: int = 320, seed: int = 0) -> list[Item]:
    """A long type (more than 100 other products), two short ones of a shared sub-category, one short one without; groups."""
    random = np.random.default_rng(seed)
    items = []
    for number in range(count):
        category = ("Tshirts", "Tshirts", "Heels", "Flats", "Belts")[number % 5]
        attributes = {"sub_category": "Shoes"} if category in ("Heels", "Flats") else {}
        items.append(
            Item(
                id=f"id{random.integers(10**9):09d}-{number}",
                title=f"{category} number {number // 3 if number < 30 else number}",
                category=category,
                attributes=attributes,
                image=b"photo %d" % number,
                group=f"g{number % 7}{category}" if number < 60 else "",
            )
        )
    return items


def unit(random: np.random.Generator, count: int, dim: int = 8) -> FloatArray:
    vectors = random.normal(size=(count, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def one_hot(items: Sequence[Item]) -> FloatArray:
    """Perfect vectors: one axis per product."""
    products = sorted({item.product for item in items})
    return np.eye(len(products), dtype=np.float32)[[products.index(item.product) for item in items]]


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return catalogue()


def test_candidates_of_1of101_are_who_they_should_be(items: list[Item]) -> None:
    sizes = {category: sum(item.category == category for item in items) for category in ("Tshirts", "Heels", "Belts")}
    assert sizes["Tshirts"] > 110
    assert sizes["Heels"] < 100
    tasks = [ranking_task("retrieval-1of101", items, direction) for direction in DIRECTIONS]
    for task in tasks:
        assert [items[query].id for query in task.queries] == sorted(item.id for item in items)
        for query, candidates, filled in zip(task.queries, task.candidates, task.filled, strict=True):
            positive = items[query]
            assert len(candidates) == len(set(candidates.tolist())) == 101
            assert [items[at].id for at in candidates] == sorted(items[at].id for at in candidates)
            negatives = [items[at] for at in candidates if at != query]
            assert len(negatives) == 100
            assert all(negative.product != positive.product for negative in negatives)
            others = [item for item in items if item.product != positive.product]
            same_type = [item for item in others if item.category == positive.category]
            strangers = [negative for negative in negatives if negative.category != positive.category]
            assert len(strangers) == filled == max(0, 100 - len(same_type))
            if strangers and "sub_category" in positive.attributes:  # Heels and Flats fill each other: 128 shoes
                assert {item.attributes.get("sub_category") for item in strangers} == {"Shoes"}
                assert set(same_type) <= set(negatives)
            elif strangers:  # belts have no kin: from anything
                assert {super_category(item.category) for item in strangers} >= {"tops", "shoes"}
    assert any(
        set(a) != set(b) for a, b in zip(tasks[0].candidates.tolist(), tasks[1].candidates.tolist(), strict=True)
    )
    assert (tasks[0].filled == tasks[1].filled).all()


def test_the_super_category_fills_where_there_is_no_sub_category() -> None:
    names = ["Heels"] * 60 + ["Flats"] * 80 + ["Watches"] * 100
    items = [Item(id=f"{number:03d}", category=name) for number, name in enumerate(names)]
    task = ranking_task("retrieval-1of101", items, "t2i")
    for query, candidates in zip(task.queries, task.candidates, strict=True):
        if items[query].category == "Heels":
            found = [items[at].category for at in candidates if at != query]
            assert (found.count("Heels"), found.count("Flats")) == (59, 41)


def test_case_and_number_of_a_category_do_not_split_its_pool() -> None:
    items = [Item(id=f"{number:03d}", category=("T-Shirt", "t-shirts")[number % 2]) for number in range(120)]
    assert not ranking_task("retrieval-1of101", items, "t2i").filled.any()


def test_draws_depend_on_seed_direction_and_id_only(items: list[Item]) -> None:
    def drawn(given: list[Item], **options: int) -> dict[str, list[str]]:
        task = ranking_task("retrieval-1of101", given, "i2t", **options)
        ids = [[given[at].id for at in row] for row in task.candidates]
        return dict(zip([given[query].id for query in task.queries], ids, strict=True))

    everything = drawn(items)
    shuffled = [items[at] for at in np.random.default_rng(1).permutation(len(items))]
    assert drawn(shuffled) == everything
    some = drawn(items, num_queries=40)
    assert len(some) == 40
    assert all(everything[query] == candidates for query, candidates in some.items())
    assert list(drawn(shuffled, num_queries=40)) == list(some)
    assert set(drawn(items, num_queries=40, seed=1)) != set(some)
    assert drawn(items, seed=1) != everything


@pytest.mark.parametrize("protocol", BOTH)
def test_a_constant_scorer_is_exactly_at_chance(protocol: str, items: list[Item]) -> None:
    vectors = np.tile(unit(np.random.default_rng(0), 1), (len(items), 1))
    report = evaluate_retrieval(protocol, items, vectors, vectors, resamples=50)
    for key, estimate in report.metrics.items():
        assert estimate.mean == pytest.approx(report.chance[key], abs=1e-9)
    if protocol == "retrieval-1of101":
        for k in KS:
            assert report.chance[f"t2i_R@{k}"] == pytest.approx(100 * k / 101)


@pytest.mark.parametrize("protocol", BOTH)
def test_a_perfect_encoder_gets_everything(protocol: str, items: list[Item]) -> None:
    report = evaluate_retrieval(protocol, items, one_hot(items), one_hot(items), resamples=50)
    assert list(report.metrics) == [f"{direction}_{name}" for direction in DIRECTIONS for name in METRICS]
    for estimate in report.metrics.values():
        assert (estimate.mean, estimate.low, estimate.high) == (100, 100, 100)


@pytest.mark.parametrize("protocol", BOTH)
def test_the_order_of_items_does_not_matter(protocol: str, items: list[Item]) -> None:
    random = np.random.default_rng(2)
    images, texts = unit(random, len(items)), unit(random, len(items))
    texts[:40] = texts[0]  # ties too
    order = random.permutation(len(items))
    one = evaluate_retrieval(protocol, items, images, texts, seed=3, num_queries=200, resamples=50)
    other = evaluate_retrieval(
        protocol, [items[at] for at in order], images[order], texts[order], seed=3, num_queries=200, resamples=50
    )
    assert one == other
    assert one.as_dict() == other.as_dict()


def slow_negatives(items: list[Item], query: Item, stream: int, seed: int) -> list[Item]:
    """The documented draw, spelled out."""
    digest = int.from_bytes(hashlib.sha256(query.id.encode()).digest()[:8], "big")
    random = np.random.default_rng([seed, stream, digest])
    others = [item for item in sorted(items, key=lambda item: item.id) if item.product != query.product]

    def kind(item: Item) -> tuple[bool, object]:
        own = item.attributes.get("sub_category")
        return (True, own) if own is not None else (False, super_category(item.category))

    chosen: list[Item] = []
    for accept in (
        lambda item: item.category == query.category,
        lambda item: kind(item) == kind(query),
        lambda item: True,
    ):
        taken = {item.id for item in chosen}
        pool = [item for item in others if accept(item) and item.id not in taken]
        take = min(100 - len(chosen), len(pool))
        chosen += [pool[at] for at in random.choice(len(pool), take, replace=False)]
    return chosen


def test_1of101_is_the_slow_obvious_version(items: list[Item]) -> None:
    random = np.random.default_rng(4)
    # Whole numbers: sums are exact, so the loops below tie exactly where the matrix product does.
    images = random.integers(-2, 3, (len(items), 4)).astype(np.float32)
    texts = random.integers(-2, 3, (len(items), 4)).astype(np.float32)
    report = evaluate_retrieval("retrieval-1of101", items, images, texts, seed=5, resamples=0)
    row = {item.id: number for number, item in enumerate(items)}
    for stream, (direction, asked, gallery) in enumerate([("t2i", texts, images), ("i2t", images, texts)]):
        hits: dict[int, list[float]] = {k: [] for k in KS}
        reciprocal, filled, duplicates = [], 0, 0
        for query in items:
            negatives = slow_negatives(items, query, stream, seed=5)
            own = float(asked[row[query.id]] @ gallery[row[query.id]])
            scores = [float(asked[row[query.id]] @ gallery[row[negative.id]]) for negative in negatives]
            above, level = sum(score > own for score in scores), sum(score == own for score in scores)
            ranks = [above + 1 + place for place in range(level + 1)]  # equally likely
            for k in KS:
                hits[k].append(float(np.mean([rank <= k for rank in ranks])))
            reciprocal.append(float(np.mean([1 / rank for rank in ranks])))
            filled += sum(negative.category != query.category for negative in negatives)
            duplicates += sum(negative.title == query.title for negative in negatives)
        for k in KS:
            assert report.metrics[f"{direction}_R@{k}"].mean == pytest.approx(100 * np.mean(hits[k]))
        assert report.metrics[f"{direction}_MRR"].mean == pytest.approx(100 * np.mean(reciprocal))
        assert report.filled_negatives == filled > 0
        assert report.duplicate_negatives[direction] == duplicates > 0


def test_random100_is_five_draws_of_1of101_with_each_text_once(items: list[Item]) -> None:
    random = np.random.default_rng(2)
    images, texts = unit(random, len(items)), unit(random, len(items))
    report = evaluate_retrieval("retrieval-random100", items, images, texts, seed=5, num_queries=80, resamples=0)
    runs = [
        evaluate_retrieval("retrieval-1of101", items, images, texts, seed=5 + run, num_queries=80, resamples=0)
        for run in range(5)
    ]
    for key in ("t2i_R@1", "t2i_R@10", "t2i_MRR"):
        assert report.metrics[key].mean == pytest.approx(np.mean([run.metrics[key].mean for run in runs]))
    assert (report.repeats, report.seed, report.num_queries) == (5, 5, 80)
    assert report.as_dict()["repeats"] == 5
    assert "repeats" not in runs[0].as_dict()
    for seed in range(5, 10):
        task = ranking_task("retrieval-random100", items, "i2t", seed=seed, num_queries=80)
        for query, candidates in zip(task.queries, task.candidates, strict=True):
            assert query in candidates
            products = [items[at].product for at in candidates]
            assert len(set(products)) == len(products) == 101


def test_random100_asks_so_many_at_most_and_counts_what_it_filled(
    items: list[Item], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert retrieval.REPEATED_QUERIES == 1000
    same = one_hot(items)
    report = evaluate_retrieval("retrieval-random100", items, same, same, resamples=0)
    once = evaluate_retrieval("retrieval-1of101", items, same, same, resamples=0)
    assert report.num_queries == len(items)
    assert report.filled_queries > once.filled_queries > 0
    monkeypatch.setattr(retrieval, "REPEATED_QUERIES", 50)
    assert evaluate_retrieval("retrieval-random100", items, same, same, resamples=0).num_queries == 50


def test_the_full_gallery_is_the_slow_obvious_version(items: list[Item]) -> None:
    random = np.random.default_rng(6)
    images, texts = unit(random, len(items)), unit(random, len(items))
    report = evaluate_retrieval("retrieval-full", items, images, texts, seed=1, num_queries=100, resamples=0)
    queries = [items[at].id for at in ranking_task("retrieval-full", items, "t2i", seed=1, num_queries=100).queries]
    assert (report.gallery, report.num_queries, report.num_items) == (len(items), 100, len(items))
    for direction, asked, gallery in [("t2i", texts, images), ("i2t", images, texts)]:
        ranks = []
        for number, query in enumerate(items):
            if query.id in queries:
                order = sorted(range(len(items)), key=lambda at: -float(asked[number] @ gallery[at]))
                ranks.append(1 + [items[at].product == query.product for at in order].index(True))
        for k in KS:
            assert report.metrics[f"{direction}_R@{k}"].mean == pytest.approx(100 * np.mean(np.array(ranks) <= k))
        assert report.metrics[f"{direction}_MRR"].mean == pytest.approx(100 * np.mean(1 / np.array(ranks)))


@pytest.mark.parametrize("protocol", BOTH)
def test_chunks_do_not_show(protocol: str, items: list[Item], monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(7)
    images, texts = unit(random, len(items)), unit(random, len(items))
    whole = evaluate_retrieval(protocol, items, images, texts, resamples=50)
    monkeypatch.setattr("modiste.evaluation.retrieval._CHUNK", 1000)
    monkeypatch.setattr("modiste.evaluation.retrieval._GATHER", 2000)
    assert evaluate_retrieval(protocol, items, images, texts, resamples=50) == whole


@pytest.mark.parametrize("protocol", BOTH)
def test_equal_vectors_tie(protocol: str, items: list[Item]) -> None:
    """A matrix product may sum equal rows differently at the edges of its blocks; that must not rank them."""
    random = np.random.default_rng(8)
    asked = unit(random, len(items), 67)
    same = np.tile(unit(random, 1, 67), (len(items), 1))
    report = evaluate_retrieval(protocol, items, same, asked, resamples=0)
    for name in METRICS:
        assert report.metrics[f"t2i_{name}"].mean == pytest.approx(report.chance[f"t2i_{name}"], abs=1e-9)


def test_pair_scorers_run_the_same_protocol(items: list[Item]) -> None:
    random = np.random.default_rng(9)
    images, texts = unit(random, len(items)), unit(random, len(items))
    table = (texts.astype(np.float64) @ images.T.astype(np.float64)).astype(np.float32)
    seen = []

    def score(queries: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        seen.append(len(queries))
        return table[queries[:, None], candidates]

    for protocol in BOTH:
        vectors = evaluate_retrieval(protocol, items, images, texts, resamples=50)
        pairs = evaluate_scorers(protocol, items, {"t2i": score}, resamples=50)
        assert sum(seen) == len(items) * pairs.repeats
        seen.clear()
        assert set(pairs.metrics) == {f"t2i_{name}" for name in METRICS}
        assert all(pairs.metrics[key] == vectors.metrics[key] for key in pairs.metrics)


def test_intervals_are_wider_when_queries_share_a_product() -> None:
    random = np.random.default_rng(10)
    alone = [Item(id=f"{number:04d}", category="Tops") for number in range(400)]
    grouped = [Item(id=item.id, category="Tops", group=str(number // 40)) for number, item in enumerate(alone)]
    good = one_hot(alone)
    half = np.where(np.arange(400)[:, None] < 200, good, unit(random, 400, 400))
    widths = []
    for items in (alone, grouped):
        estimate = evaluate_retrieval("retrieval-1of101", items, half, good).metrics["t2i_R@1"]
        widths.append(estimate.high - estimate.low)
    assert widths[1] > 2 * widths[0]


def test_the_report_is_json_and_a_table(items: list[Item]) -> None:
    random = np.random.default_rng(11)
    report = evaluate_retrieval(
        "retrieval-1of101",
        items,
        unit(random, len(items)),
        unit(random, len(items)),
        seed=4,
        num_queries=99,
        resamples=20,
    )
    found = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert found == report.as_dict()
    for key in report.metrics:
        assert 0 <= found[f"{key}_low"] <= found[key] <= found[f"{key}_high"] <= 100
        assert 0 < found[f"{key}_chance"] < 100
    assert found["units"] == "percent"
    assert (found["protocol"], found["seed"], found["num_queries"], found["gallery"]) == (
        "retrieval-1of101",
        4,
        99,
        101,
    )
    assert found["num_items"] == len(items)
    assert 0 < found["filled_queries"] <= 99
    assert found["filled_negatives"] >= found["filled_queries"]
    assert found["duplicate_negatives"] == found["t2i_duplicate_negatives"] + found["i2t_duplicate_negatives"]
    table = report.table()
    assert [row[0] for row in table] == ["metric", *report.metrics]
    assert {len(row) for row in table} == {4}
    assert table[1][1] == f"{report.metrics['t2i_R@1'].mean:.1f}"


class FakeEncoder:
    """Reads the number out of `photo 12` and looks texts up: a perfect dual encoder."""

    def __init__(self, items: Sequence[Item]) -> None:
        self._vectors = one_hot(items)
        self._images = {item.image: row for row, item in enumerate(items)}
        self._texts = {item.text: row for row, item in enumerate(items)}

    def encode_pairs(self, items: Sequence[Item]) -> tuple[np.ndarray, np.ndarray]:
        images, texts = ([self._images[item.image] for item in items], [self._texts[item.text] for item in items])
        return self._vectors[images], self._vectors[texts]


def numbered(count: int = 150) -> list[Item]:
    return [
        Item(id=f"{n:03d}", title=f"Shirt {n}", description="Blue", category="Shirts", image=b"%d" % n)
        for n in range(count)
    ]


def test_an_encoder_is_asked_for_items_that_have_both_halves() -> None:
    items = numbered()
    lacking = [Item(id="x", title="No photo"), Item(id="y", image=b"no words"), Item(id="z", title=" ", image=b"blank")]
    encoder = FakeEncoder(items)
    assert isinstance(encoder, ImageTextEncoder)
    for protocol in BOTH:
        report = evaluate_encoder(protocol, [*lacking, *items], encoder, resamples=10)
        assert report.metrics["i2t_R@1"].mean == 100
        assert (report.left_out, report.num_items) == (3, 150)
        assert report.as_dict()["left_out"] == 3
    with pytest.raises(ValueError, match="none of the 3 items has both"):
        evaluate_encoder("retrieval-full", lacking, encoder)


def run(items: Sequence[Item], protocol: str = "retrieval-full", **options: int) -> RetrievalReport:
    vectors = unit(np.random.default_rng(0), len(items))
    return evaluate_retrieval(protocol, items, vectors, vectors, resamples=0, **options)


def test_items_without_words_are_no_duplicates_of_each_other() -> None:
    assert sum(run([Item(id=str(n), image=b"x") for n in range(5)]).duplicate_negatives.values()) == 0
    same = run([Item(id="a", title="Red  Shirt"), Item(id="b", title="red shirt"), Item(id="c", title="red shirts")])
    assert same.duplicate_negatives == {"t2i": 2, "i2t": 2}


def test_errors_say_what_is_wrong() -> None:
    items = numbered(102)
    with pytest.raises(
        ValueError,
        match=r"no retrieval protocol 'retrieval-1000'; choose one of retrieval-1of101, .*-random100, retrieval-full$",
    ):
        run(items, "retrieval-1000")
    with pytest.raises(ValueError, match="no retrieval protocol 'recognition'"):
        run(items, "recognition")
    with pytest.raises(ValueError, match="item '000', found 99; give more items, or use retrieval-full"):
        run(items[:100], "retrieval-1of101")
    assert run(items[:101], "retrieval-1of101").num_queries == 101
    with pytest.raises(ValueError, match="no items"):
        evaluate_retrieval("retrieval-full", [], np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32))
    with pytest.raises(ValueError, match="two items have the id '003'"):
        run([*items, items[3]])
    with pytest.raises(ValueError, match="num_queries must lie between 1 and the 102 items, not 103"):
        run(items, num_queries=103)
    with pytest.raises(ValueError, match="seed must not be negative"):
        run(items, seed=-1)
    vectors = unit(np.random.default_rng(0), 102)
    with pytest.raises(ValueError, match=r"image vectors of shape \(101, 8\) for 102 items"):
        evaluate_retrieval("retrieval-full", items, vectors[:101], vectors)
    with pytest.raises(ValueError, match="differ in width"):
        evaluate_retrieval("retrieval-full", items, vectors[:, :4], vectors)
    bad = vectors.copy()
    bad[7, 1] = np.nan
    with pytest.raises(ValueError, match="item '007': its text vector is not finite"):
        evaluate_retrieval("retrieval-full", items, vectors, bad)

    def nan_for_nine(queries: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        return np.where(queries[:, None] == 9, np.nan, np.zeros(candidates.shape))

    with pytest.raises(ValueError, match="i2t: query '009' has a score that is NaN"):
        evaluate_scorers("retrieval-full", items, {"i2t": nan_for_nine})
    with pytest.raises(ValueError, match="the scorer returned"):
        evaluate_scorers("retrieval-full", items, {"t2i": lambda queries, candidates: np.zeros(len(queries))})
    with pytest.raises(ValueError, match="not none"):
        evaluate_scorers("retrieval-full", items, {})
    with pytest.raises(ValueError, match="unknown direction 'up'"):
        ranking_task("retrieval-full", items, "up")  # type: ignore[arg-type]
