"""What a protocol's numbers are without looking at a single pixel: the metadata-only control.

Titles name gender, colour and type. So part of any retrieval score needs no image understanding: here the photo is replaced
by its row's attributes as words ("Women Red Tops Summer Casual"), the text stays the text, and TF-IDF compares the two
(scikit-learn's vectoriser, fitted on the evaluated items). A model's worth is what it finds beyond this.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from modiste.evaluation.retrieval import RetrievalReport, Scorer, evaluate_scorers
from modiste.types import Item

# Attributes that a catalogue keeps beside a photo; never the title's own words, brand or price.
ATTRIBUTES = ("gender", "colour", "material", "pattern", "sub_category", "article_type", "season", "usage")


def metadata_sentence(item: Item) -> str:
    """The item's attributes and category as words."""
    values = [str(item.attributes[name]) for name in ATTRIBUTES if name in item.attributes]
    return " ".join(dict.fromkeys([*values, item.category]))


def add_metadata_control(report: RetrievalReport, items: Sequence[Item]) -> RetrievalReport:
    """The report with `control`: the same protocol, queries and negatives (same seed), scored by metadata alone."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    usable = [item for item in items if item.image is not None and item.text]
    titles = [item.title or item.description for item in usable]
    vectorizer = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\b\w+\b")
    vectorizer.fit([*titles, *(metadata_sentence(item) for item in usable)])
    words = vectorizer.transform(titles)
    metadata = vectorizer.transform([metadata_sentence(item) for item in usable])
    similarity = np.asarray((words @ metadata.T).todense(), dtype=np.float32)  # (N, N): title i, metadata j

    def among(matrix: NDArray[np.float32]) -> Scorer:
        return lambda rows, candidates: matrix[rows[:, None], candidates]

    control = evaluate_scorers(
        report.protocol,
        usable,
        {"t2i": among(similarity), "i2t": among(similarity.T)},
        seed=report.seed,
        num_queries=report.num_queries,
    )
    return replace(report, control=control.metrics)
