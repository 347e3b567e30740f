"""Consumer-to-shop: perfect and constant scorers, a slow obvious version, the second look, and the right kind of garment."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest

from modiste.data.consumer_to_shop import ShopPhotos
from modiste.evaluation.consumer_to_shop import (
    KS,
    METRICS,
    evaluate_consumer_to_shop,
    evaluate_photo_classes,
    evaluate_scores,
    rerank_scores,
    vector_scores,
)
from modiste.evaluation.metrics import average, mean_with_interval, precision_at_k
from modiste.types import Embeddings, EncoderId, FloatArray, ImageLike, Item, ItemEncoder

PRODUCTS, VIEWS = 30, 3


def named(text: str) -> bytes:
    """A picture that only the toys below can read: its name."""
    return text.encode()


def photos() -> ShopPhotos:
    """Thirty products; every third has two shop photos; three customers' photos each, of which the last is dark."""
    shop, customer = [], []
    for number in range(PRODUCTS):
        for copy in range(1 + (number % 3 == 0)):
            shop.append(Item(f"s{number}-{copy}", title="word", image=named(f"{number}"), group=f"g{number}"))
        for view in range(VIEWS):
            customer.append(Item(f"c{number}-{view}", image=named(f"{number}"), group=f"g{number}"))
    light = tuple("strong" if item.id.endswith("-2") else "none" for item in customer)
    return ShopPhotos(tuple(shop), tuple(customer), {"light": light})


class Toy:
    """An encoder that reads names: `knows` of them is right, the others it sees as one."""

    def __init__(self, knows: int = PRODUCTS, dim: int = PRODUCTS + 1) -> None:
        self.knows = knows
        self.id = EncoderId("toy", "ab" * 32, dim)
        self.seen: list[Item] = []

    def _vector(self, image: ImageLike | None) -> FloatArray:
        assert isinstance(image, bytes)
        number = int(image)
        vector = np.zeros(self.id.dim, np.float32)
        vector[number if number < self.knows else -1] = 1
        return vector

    def encode(self, items: Sequence[Item]) -> Embeddings:
        self.seen += items
        return Embeddings(np.stack([self._vector(item.image) for item in items]), self.id)

    def encode_query(self, text: str = "", image: ImageLike | None = None) -> Embeddings:
        return Embeddings(self._vector(image)[None], self.id)


class ManyToy(Toy):
    """The same, asked all at once."""

    def encode_queries(self, queries: Sequence[tuple[str, ImageLike | None]]) -> Embeddings:
        assert not any(text for text, _ in queries)
        return Embeddings(np.stack([self._vector(image) for _, image in queries]), self.id)


class Judge:
    """A pair scorer that is right (`sign` 1), wrong (-1), or has no opinion (0), and keeps account."""

    def __init__(self, sign: float = 1) -> None:
        self.sign = sign
        self.asked: list[tuple[str, int]] = []
        self.prepared: list[str] = []

    def prepare(self, items: Sequence[Item]) -> None:
        self.prepared += [item.id for item in items]

    def score(self, query: Item, items: Sequence[Item]) -> FloatArray:
        self.asked.append((query.id, len(items)))
        return np.array([self.sign * (item.group == query.group) for item in items], np.float32)


def slow(scores: np.ndarray, data: ShopPhotos, draws: int = 400) -> dict[str, float]:
    """Top-k and MRR with ties in a random order, many times over, one query at a time."""
    random, found = np.random.default_rng(0), dict.fromkeys(METRICS, 0.0)
    for row, query in enumerate(data.customer):
        right = np.array([item.group == query.group for item in data.shop])
        for _ in range(draws):
            shuffled = random.permutation(len(data.shop))
            order = shuffled[np.argsort(-scores[row][shuffled], kind="stable")]
            rank = 1 + int(np.argmax(right[order]))
            for k in KS:
                found[f"top-{k}"] += rank <= k
            found["MRR"] += 1 / rank
    return {key: 100 * value / draws / len(data.customer) for key, value in found.items()}


@pytest.mark.parametrize("toy", [Toy, ManyToy])
def test_a_perfect_encoder(toy: type[Toy]) -> None:
    encoder: ItemEncoder = toy()
    report = evaluate_consumer_to_shop(photos(), encoder)
    assert all(report.metrics[key].mean == 100 for key in METRICS)
    assert report.metrics["light=strong/top-1"].mean == 100
    assert (report.num_queries, report.num_products, report.gallery) == (90, 30, 40)
    assert (report.shortlist, report.distractors, report.words) == (None, 0, False)
    np.testing.assert_array_equal(report.ranks, 1)


def test_a_constant_encoder_is_at_chance() -> None:
    report = evaluate_consumer_to_shop(photos(), Toy(knows=0))
    for key, chance in report.chance.items():
        assert report.metrics[key].mean == pytest.approx(chance)
    assert report.chance["top-1"] == pytest.approx(100 * (20 * 1 + 10 * 2) / 30 / 40)
    assert report.chance["top-50"] == 100  # of 40


def test_against_the_slow_version_with_ties_and_slices() -> None:
    data, random = photos(), np.random.default_rng(1)
    scores = random.integers(0, 4, (90, 40)).astype(np.float32)
    report = evaluate_scores(data, scores, resamples=0)
    expected = slow(scores, data)
    for key in METRICS:
        assert report.metrics[key].mean == pytest.approx(expected[key], abs=1.5)
    dark = [row for row, value in enumerate(data.slices["light"]) if value == "strong"]
    part = ShopPhotos(data.shop, tuple(data.customer[row] for row in dark))
    alone = evaluate_scores(part, scores[dark], resamples=0)
    for key in METRICS:
        assert report.metrics[f"light=strong/{key}"].mean == pytest.approx(alone.metrics[key].mean)
        assert report.metrics[f"light=strong/{key}"].count == 30
    total = (report.metrics["light=none/top-1"].mean * 60 + report.metrics["light=strong/top-1"].mean * 30) / 90
    assert report.metrics["top-1"].mean == pytest.approx(total)


def test_intervals_draw_products_not_photos() -> None:
    """Three photos of a product that fare alike tell no more than one."""
    data = photos()
    right = np.array([[item.group == query.group for item in data.shop] for query in data.customer], dtype=np.float32)
    good = np.array([int(query.group[1:]) % 2 for query in data.customer], dtype=bool)
    scores = np.where(good[:, None], right, -right)
    report = evaluate_scores(data, scores, seed=4)
    values = np.array([1.0 if number % 2 else 0.0 for number in range(PRODUCTS)])
    products = mean_with_interval(values, seed=4)
    photos_alone = mean_with_interval(np.repeat(values, VIEWS), seed=4)
    width = report.metrics["top-1"].high - report.metrics["top-1"].low
    assert width == pytest.approx(100 * (products.high - products.low), rel=0.25)
    assert width > 1.4 * 100 * (photos_alone.high - photos_alone.low)


def test_a_second_look_changes_the_order_of_the_shortlist_only() -> None:
    data, judge = photos(), Judge()
    report = evaluate_consumer_to_shop(data, Toy(knows=0), judge, shortlist=10, seed=3)
    # Everything ties by vectors, so 10 of 40 get in by lot; a perfect judge finds what got in.
    assert report.metrics["first/top-1"].mean == pytest.approx(report.chance["top-1"])
    counts = np.array([1 + (int(query.group[1:]) % 3 == 0) for query in data.customer])
    within = np.where(counts == 1, 10 / 40, 1 - (30 * 29) / (40 * 39))
    assert report.metrics["top-1"].mean == pytest.approx(100 * within.mean(), abs=9)
    assert report.metrics["gain/top-1"].mean == pytest.approx(
        report.metrics["top-1"].mean - report.metrics["first/top-1"].mean
    )
    assert {number for _, number in judge.asked} == {10}
    assert judge.prepared == [item.id for item in data.shop]  # once, before any pair
    assert report.shortlist == 10


@pytest.mark.parametrize(("sign", "top"), [(1, 100), (-1, 0)])
def test_good_and_bad_judges(sign: float, top: float) -> None:
    data = photos()
    report = evaluate_consumer_to_shop(data, Toy(), Judge(sign), shortlist=100)
    assert report.metrics["top-1"].mean == top
    assert report.metrics["first/top-1"].mean == 100
    assert report.metrics["gain/light=strong/top-1"].mean == top - 100
    assert report.shortlist == 40  # there are no more
    blind = evaluate_consumer_to_shop(data, Toy(), Judge(0), shortlist=20)
    assert blind.metrics["top-20"].mean == 100  # still in the shortlist
    assert blind.metrics["top-1"].mean == pytest.approx(100 * np.mean([1 / 20] * 20 + [2 / 20] * 10), abs=0.01)


def test_the_order_behind_the_shortlist_stays() -> None:
    scores = np.array([[0.1, 0.9, 0.5, 0.3, 0.3]], np.float32)
    items = [Item(f"{n}", image=named("0"), group=f"{n}") for n in range(5)]

    class Backwards:
        def score(self, query: Item, some: Sequence[Item]) -> FloatArray:
            return np.array([-scores[0][int(item.id)] for item in some], np.float32)

    found = rerank_scores(scores, Backwards(), [Item("q", image=named("0"))], items, shortlist=2)
    assert np.argsort(-found[0]).tolist()[:3] == [2, 1, 3] or np.argsort(-found[0]).tolist()[:3] == [2, 1, 4]
    assert found[0][3] == found[0][4] > found[0][0]  # what tied still ties


def test_words_and_distractors() -> None:
    data, encoder = photos(), Toy(knows=5)
    extra = [Item(f"d{n}", image=named(f"{n}"), group=f"other{n}") for n in range(25, 30)]
    report = evaluate_consumer_to_shop(data, encoder, distractors=extra)
    assert (report.gallery, report.distractors) == (45, 5)
    assert not any(item.text for item in encoder.seen)
    plain = evaluate_consumer_to_shop(data, Toy(knows=5))
    assert report.metrics["MRR"].mean < plain.metrics["MRR"].mean
    told = Toy()
    assert evaluate_consumer_to_shop(data, told, words=True).words
    assert all(item.text for item in told.seen)
    for bad, words in (
        (Item("d", image=named("0"), group="g3"), "is of a product, or has the id"),
        (Item("s0-0", image=named("0"), group="x"), "is of a product, or has the id"),
        (Item("d", title="t", group="x"), "distractor 'd' has no image"),
    ):
        with pytest.raises(ValueError, match=words):
            evaluate_consumer_to_shop(data, encoder, distractors=[bad])


def test_some_queries_drawn_by_the_seed() -> None:
    data = photos()
    one, same, other = (evaluate_consumer_to_shop(data, Toy(), num_queries=20, seed=seed) for seed in (1, 1, 2))
    assert one.query_ids == same.query_ids != other.query_ids
    assert (one.num_queries, len(one.ranks)) == (20, 20)
    assert one.metrics["light=none/top-1"].count + one.metrics["light=strong/top-1"].count == 20
    with pytest.raises(ValueError, match="between 1 and the 90 customers' photos, not 91"):
        evaluate_consumer_to_shop(data, Toy(), num_queries=91)


def test_the_report_in_json_and_as_a_table() -> None:
    report = evaluate_consumer_to_shop(photos(), Toy(knows=20), Judge(), shortlist=5)
    found = json.loads(json.dumps(report.as_dict()))
    for key in ("top-1", "first/top-1", "gain/top-1", "light=strong/top-1", "gain/light=strong/MRR"):
        assert found[f"{key}_low"] <= found[key] <= found[f"{key}_high"]
    assert found["light=strong/top-1_count"] == 30
    assert (found["protocol"], found["shortlist"], found["gallery"]) == ("consumer-to-shop", 5, 40)
    rows = report.table()
    assert [row[0] for row in rows] == ["metric", *METRICS, "light=none/top-1", "light=strong/top-1"]
    assert {len(row) for row in rows} == {7}
    assert rows[0][-2:] == ["before", "gain"]
    assert {len(row) for row in evaluate_consumer_to_shop(photos(), Toy()).table()} == {5}


def test_scores_that_cannot_be_used_are_refused() -> None:
    data = photos()
    with pytest.raises(ValueError, match=r"scores of shape \(3, 40\) for 90 queries and 40"):
        evaluate_scores(data, np.zeros((3, 40), np.float32))
    broken = np.zeros((90, 40), np.float32)
    broken[7, 2] = np.nan
    with pytest.raises(ValueError, match="row 7: a score is NaN"):
        evaluate_scores(data, broken)
    with pytest.raises(ValueError, match="at least 1 candidate, not 0"):
        evaluate_consumer_to_shop(data, Toy(), Judge(), shortlist=0)

    class Broken(Judge):
        def score(self, query: Item, items: Sequence[Item]) -> FloatArray:
            return np.full(len(items), np.nan, np.float32)

    with pytest.raises(ValueError, match="query 'c0-0': the re-ranker gave"):
        evaluate_consumer_to_shop(data, Toy(), Broken())


def test_equal_vectors_tie_whatever_their_place() -> None:
    random = np.random.default_rng(0)
    vectors = random.normal(size=(2, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)

    class Two(Toy):
        def _vector(self, image: ImageLike | None) -> FloatArray:
            return vectors[0 if image == b"0" else 1]

    gallery = [Item(f"{n}", image=named("1"), group=f"{n}") for n in range(501)]
    scores = vector_scores(Two(dim=64), [Item("q", image=named("0"))] * 3, gallery)
    assert len(np.unique(scores)) == 1


# ---- the right kind ---------------------------------------------------------------------------------------------------

TYPES = {"hat": ("Caps", "Hat"), "shoes": ("Heels",)}


def catalogue() -> list[Item]:
    """60 heels, 4 caps, 36 watches; the picture's name is the kind: 0 caps, 1 heels, 2 watches."""
    kinds = ["Caps"] * 4 + ["Heels"] * 60 + ["Watches"] * 36
    numbers = {"Caps": "0", "Heels": "1", "Watches": "2"}
    return [Item(f"i{n}", title="word", image=named(numbers[kind]), category=kind) for n, kind in enumerate(kinds)]


def snaps() -> list[Item]:
    return [Item(f"h{n}", image=named("0"), category="hat") for n in range(10)] + [
        Item(f"x{n}", image=named("1"), category="shoes") for n in range(30)
    ]


def test_kinds_found_by_a_perfect_encoder_and_by_chance() -> None:
    report = evaluate_photo_classes(snaps(), catalogue(), TYPES, Toy())
    found = {key.removesuffix("/precision@10"): one.mean for key, one in report.metrics.items()}
    # Four caps come first; six of the others, which tie, fill the first ten, and none is a cap.
    assert found == pytest.approx({"micro": (40 * 10 + 100 * 30) / 40, "macro": 70, "hat": 40, "shoes": 100})
    assert {key: round(value, 6) for key, value in report.best.items()} == {
        "micro/precision@10": 85, "macro/precision@10": 70, "hat/precision@10": 40, "shoes/precision@10": 100,
    }  # fmt: skip
    blind = evaluate_photo_classes(snaps(), catalogue(), TYPES, Toy(knows=0))
    for key, chance in blind.chance.items():
        assert blind.metrics[key].mean == pytest.approx(chance)
    assert blind.chance["hat/precision@10"] == pytest.approx(4)
    assert blind.chance["macro/precision@10"] == pytest.approx((4 + 60) / 2)
    assert (report.num_queries, report.gallery, report.shortlist) == (40, 100, None)


def test_kinds_with_a_second_look_and_in_json() -> None:
    class ByKind:
        def score(self, query: Item, items: Sequence[Item]) -> FloatArray:
            assert all(item.text for item in items)
            return np.array([item.image == query.image for item in items], np.float32)

    report = evaluate_photo_classes(snaps(), catalogue(), TYPES, Toy(knows=0), ByKind(), shortlist=100, words=True)
    assert report.metrics["macro/precision@10"].mean == pytest.approx(70)
    found = json.loads(json.dumps(report.as_dict()))
    assert found["hat/precision@10_best"] == pytest.approx(40)
    assert (found["micro/precision@10_count"], found["shortlist"], found["words"]) == (40, 100, True)
    assert [row[0] for row in report.table()][:3] == ["metric", "micro/precision@10", "macro/precision@10"]


@pytest.mark.parametrize(
    ("queries", "items", "words"),
    [
        ([], catalogue(), "no query"),
        ([Item("q", image=b"0", category="sock")], catalogue(), "photo 'q': no article types are known for 'sock'"),
        (snaps(), catalogue()[:9], "9 items with a photo; precision@10 needs at least as many"),
        (snaps(), [item for item in catalogue() if item.category == "Watches"], "no item of hat, shoes"),
    ],
)
def test_kinds_that_cannot_be_asked(queries: list[Item], items: list[Item], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        evaluate_photo_classes(queries, items, TYPES, Toy())


def test_precision_at_k_against_every_order_of_ties() -> None:
    random = np.random.default_rng(0)
    scores = random.integers(0, 3, (40, 12)).astype(np.float32)
    relevant = random.random((40, 12)) < 0.4
    for k in (1, 5, 12):
        drawn = np.zeros(40)
        for _ in range(3000):
            shuffled = random.permutation(12)
            order = shuffled[np.argsort(-scores[:, shuffled], axis=1, kind="stable")]
            drawn += np.take_along_axis(relevant, order[:, :k], axis=1).mean(axis=1)
        np.testing.assert_allclose(precision_at_k(scores, relevant, k), drawn / 3000, atol=0.05)
    np.testing.assert_allclose(precision_at_k(scores, relevant, 12), relevant.mean(axis=1))
    with pytest.raises(ValueError, match="k must lie between 1 and the 12 candidates, not 13"):
        precision_at_k(scores, relevant, 13)
    with pytest.raises(ValueError, match="row 2: a score is NaN"):
        precision_at_k(np.array([[0.0], [1.0], [np.nan]]), np.ones((3, 1), bool), 1)
    with pytest.raises(ValueError, match="must have one shape"):
        precision_at_k(scores, relevant[:3], 1)


def test_the_mean_of_means() -> None:
    one, other = mean_with_interval(np.array([0.0, 1, 1, 1]), seed=1), mean_with_interval(np.array([0.0, 0, 1]), seed=2)
    both = average([one, other])
    assert both.mean == pytest.approx((3 / 4 + 1 / 3) / 2)
    assert both.count == 7
    assert one.low / 2 + other.low / 2 <= both.low < both.mean < both.high
    with pytest.raises(ValueError, match="0 estimates"):
        average([])
    with pytest.raises(ValueError, match="have no mean"):
        average([one, mean_with_interval(np.array([1.0]), resamples=3)])
