"""Controls: what can be had without looking, and exactly nothing."""

from __future__ import annotations

import json
from collections import Counter
from math import log, sqrt
from pathlib import Path

import numpy as np
import pytest

from modiste.evaluation.controls import (
    METADATA,
    add_metadata_control,
    constant_control,
    metadata_control,
    metadata_sentence,
)
from modiste.evaluation.protocols import PROTOCOLS
from modiste.evaluation.retrieval import evaluate_retrieval
from modiste.types import Item

BOTH = [protocol.name for protocol in PROTOCOLS.values() if protocol.kind == "retrieval"]
COLOURS = [f"colour{number}" for number in range(30)]


def told(count: int = 240) -> list[Item]:
    """Titles that name the colour; eight items of each colour, all of one type."""
    return [
        Item(
            id=f"{number:03d}",
            title=f"Brand{number} {COLOURS[number % 30]} shirt",
            category="Shirts",
            attributes={"colour": COLOURS[number % 30], "gender": "Men", "price": 12.5},
        )
        for number in range(count)
    ]


def test_the_sentence_has_each_label_once_and_nothing_else() -> None:
    item = Item(
        id="1",
        title="Nike red shoe",
        category="Heels",
        attributes={"gender": "Women", "colour": "Navy Blue", "article_type": "Heels", "brand": "Nike", "season": " "},
    )
    assert metadata_sentence(item) == "Women Navy Blue Heels"
    assert metadata_sentence(Item(id="2")) == ""
    assert "brand" not in METADATA


@pytest.mark.parametrize("protocol", BOTH)
def test_a_constant_control_is_at_chance(protocol: str) -> None:
    report = constant_control(protocol, told(), num_queries=50, resamples=20)
    for key, estimate in report.metrics.items():
        assert estimate.mean == pytest.approx(report.chance[key], abs=1e-9)


@pytest.mark.parametrize("protocol", BOTH)
@pytest.mark.parametrize("title", ["Red shirt {}", "!"])
def test_without_metadata_the_control_is_at_chance(protocol: str, title: str) -> None:
    items = [Item(id=f"{number:03d}", title=title.format(number)) for number in range(120)]
    report = metadata_control(protocol, items, resamples=20)
    for key, estimate in report.metrics.items():
        assert estimate.mean == pytest.approx(report.chance[key], abs=1e-9)


def test_the_control_finds_what_the_metadata_tells_and_no_more() -> None:
    """In the full gallery the eight items of a colour tie before all others: 1 in 8 at the first place."""
    report = metadata_control("retrieval-full", told(), resamples=20)
    for direction in ("t2i", "i2t"):
        assert report.metrics[f"{direction}_R@1"].mean == pytest.approx(100 / 8)
        assert report.metrics[f"{direction}_R@5"].mean == pytest.approx(500 / 8)
        assert report.metrics[f"{direction}_R@10"].mean == pytest.approx(100)


def test_tfidf_is_the_textbooks() -> None:
    """Against cosines computed word by word, with weights learned from other items."""
    random = np.random.default_rng(0)
    words = [f"word{number}" for number in range(12)]

    def some(count: int, prefix: str) -> list[Item]:
        return [
            Item(
                id=f"{prefix}{number:03d}",
                title=" ".join([*random.choice(words, 4), "unseen"]),
                category="Shirts",
                attributes={"colour": " ".join(random.choice(words, 2)), "usage": str(random.choice(words))},
            )
            for number in range(count)
        ]

    items, train = some(40, "a"), some(60, "b")
    documents = [metadata_sentence(item).lower().split() for item in train]
    weight = {
        word: log((1 + len(documents)) / (1 + sum(word in document for document in documents))) + 1
        for word in {word for document in documents for word in document}
    }

    def vector(text: str) -> dict[str, float]:
        counts = Counter(word for word in text.lower().split() if word in weight)
        raw = {word: count * weight[word] for word, count in counts.items()}
        length = sqrt(sum(value**2 for value in raw.values())) or 1.0
        return {word: value / length for word, value in raw.items()}

    hits = []
    for query in items:
        asked = vector(query.title)
        scores = []
        for item in items:
            other = vector(metadata_sentence(item))
            scores.append(round(sum(asked[word] * other.get(word, 0.0) for word in asked), 6))
        own = scores[items.index(query)]
        above, level = sum(score > own for score in scores), scores.count(own)
        hits.append(np.clip((5 - above) / level, 0, 1))
    report = metadata_control("retrieval-full", items, train_items=train, resamples=0)
    assert report.metrics["t2i_R@5"].mean == pytest.approx(100 * np.mean(hits))


@pytest.mark.parametrize("protocol", BOTH)
def test_the_control_stands_beside_the_models_numbers(protocol: str) -> None:
    items = told()
    vectors = np.eye(len(items), dtype=np.float32)
    report = evaluate_retrieval(protocol, items, vectors, vectors, seed=3, num_queries=60, resamples=20)
    both = add_metadata_control(report, [*items, Item(id="left out")])
    alone = metadata_control(protocol, items, seed=3, num_queries=60, resamples=20)
    assert both.metrics == report.metrics
    assert both.control == alone.metrics
    found = json.loads(json.dumps(both.as_dict()))
    assert found["control_t2i_R@1"] == alone.metrics["t2i_R@1"].mean
    assert found["control_t2i_R@1_low"] <= found["control_t2i_R@1"] <= found["control_t2i_R@1_high"]
    assert found["t2i_R@1"] == 100
    assert both.table()[0][-1] == "metadata only"
    assert {len(row) for row in both.table()} == {5}
    with pytest.raises(ValueError, match="item '239' of the report is not among the items given"):
        add_metadata_control(report, items[:-1])


@pytest.mark.data
@pytest.mark.parametrize("protocol", BOTH)
def test_the_control_on_real_titles(protocol: str, real_data: Path) -> None:
    """Real titles give much away: far above chance, far below a solved task; groups and fills are counted."""
    import pyarrow.parquet as pq

    file = real_data / "fashion_products" / "test.parquet"
    if not file.is_file():
        pytest.skip("no fashion_products here")
    labels = ["gender", "sub_category", "article_type", "colour", "season", "usage"]
    items = [
        Item(
            id=row["id"],
            title=row["title"],
            category=row["article_type"],
            group=row["group"],
            attributes={label: row[label] for label in labels if row[label]},
        )
        for row in pq.read_table(file, columns=["id", "title", "group", *labels]).to_pylist()
    ]
    report = metadata_control(protocol, items, num_queries=500, resamples=100)
    assert report.num_items == 2723
    for key, estimate in report.metrics.items():
        assert 5 * report.chance[key] < estimate.high < 95
    if protocol == "retrieval-1of101":
        assert 0 < report.filled_queries < 500
