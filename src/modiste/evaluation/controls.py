"""What a protocol's numbers are worth: the same questions answered without looking at a picture.

Titles of product data name gender, colour and type, and so does the metadata. A model's retrieval score therefore means
little until it is set beside the *metadata control*: the image is replaced by a sentence of its metadata, the text stays,
and TF-IDF cosine ranks the very same candidates. What a model has above it, it has seen.
The *constant control* scores everything the same and must land exactly at chance.

Labels are told by titles too: beside recognition stands the *text control*, TF-IDF of the item's text and a linear
classifier, which has seen no pixel whatever the model was given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.svm import LinearSVC

from modiste.evaluation.recognition import RecognitionReport, evaluate_recognition, label_of
from modiste.evaluation.retrieval import (
    CandidateScorer,
    Direction,
    Indices,
    RetrievalReport,
    evaluate_scorers,
)
from modiste.types import FloatArray, Item

# Labels that a catalogue has without anyone looking at the picture; the category is added to them.
METADATA = ("gender", "colour", "material", "pattern", "article_type", "sub_category", "season", "usage")


def metadata_sentence(item: Item) -> str:
    """The item's metadata in words, each label once; empty when it has none."""
    labels = [str(item.attributes[name]).strip() for name in METADATA if name in item.attributes]
    return " ".join(dict.fromkeys(label for label in [*labels, item.category.strip()] if label))


def metadata_control(
    protocol: str,
    items: Sequence[Item],
    *,
    train_items: Sequence[Item] | None = None,
    seed: int = 0,
    num_queries: int | None = None,
    resamples: int = 1000,
) -> RetrievalReport:
    """Run a retrieval protocol with TF-IDF between texts and metadata sentences: queries and negatives are the model's own.

    Give the items that the model was given (`retrieval.with_image_and_text`), the seed and `num_queries` too.

    The vocabulary and its weights are those of the metadata sentences: words of a text that no label uses (brands, model
    names) do not count. Learning them from the texts instead makes the control weaker, above all in i2t, where brand names
    would dilute a title; a weak control would flatter the model.

    Parameters
    ----------
    train_items
        What the words and their weights are learned from; by default `items` themselves (their metadata, no texts). An
        item without metadata scores 0 with everything; where no item has any, the control is exactly at chance.

    Raises
    ------
    ValueError
        As `evaluate_scorers`.
    """
    vectorizer = TfidfVectorizer()
    try:
        vectorizer.fit([metadata_sentence(item) for item in (items if train_items is None else train_items)])
    except ValueError:  # not one word of metadata: nothing to go by
        return constant_control(protocol, items, seed=seed, num_queries=num_queries, resamples=resamples)
    texts = vectorizer.transform([item.text for item in items]).tocsr()
    sentences = vectorizer.transform([metadata_sentence(item) for item in items]).tocsr()
    scorers: dict[Direction, CandidateScorer] = {
        "t2i": _SparseCosine(texts, sentences),
        "i2t": _SparseCosine(sentences, texts),
    }
    return evaluate_scorers(protocol, items, scorers, seed=seed, num_queries=num_queries, resamples=resamples)


def constant_control(
    protocol: str, items: Sequence[Item], *, seed: int = 0, num_queries: int | None = None, resamples: int = 1000
) -> RetrievalReport:
    """Run a retrieval protocol with a scorer that has no opinion; its metrics equal the report's `chance`."""

    def score(queries: Indices, candidates: Indices) -> NDArray[Any]:
        return np.zeros(candidates.shape, dtype=np.float32)

    scorers: dict[Direction, CandidateScorer] = {"t2i": score, "i2t": score}
    return evaluate_scorers(protocol, items, scorers, seed=seed, num_queries=num_queries, resamples=resamples)


def add_metadata_control(
    report: RetrievalReport, items: Sequence[Item], *, train_items: Sequence[Item] | None = None
) -> RetrievalReport:
    """The report with the metadata control on the same items, queries and candidates beside its numbers.

    Items that the report left out are left out here.

    Raises
    ------
    ValueError
        If an item of the report is missing.
    """
    known = {item.id: item for item in items}
    if missing := [item_id for item_id in report.item_ids if item_id not in known]:
        raise ValueError(f"item {missing[0]!r} of the report is not among the items given")
    control = metadata_control(
        report.protocol,
        [known[item_id] for item_id in report.item_ids],
        train_items=train_items,
        seed=report.seed,
        num_queries=report.num_queries,
        resamples=report.resamples,
    )
    return replace(report, control={key: control.metrics[key] for key in report.metrics})


class TextRecogniser:
    """A recogniser that reads and never looks: TF-IDF of `Item.text`, one linear classifier (SVM) a label.

    Parameters
    ----------
    train_items
        What words, weights and classes are learned from.
    labels
        Names as `recognition.label_of` takes them. A label that no training item has is not offered.
    """

    def __init__(self, train_items: Sequence[Item], labels: Sequence[str], *, seed: int = 0) -> None:
        self._vectorizer = TfidfVectorizer()
        # Without one word to learn from there is nothing to tell classes by but how frequent they are.
        self._reads = any(map(self._vectorizer.build_analyzer(), (item.text for item in train_items)))
        texts = self._vectorizer.fit_transform([item.text for item in train_items]) if self._reads else None
        self._models: dict[str, tuple[tuple[str, ...], Any]] = {}  # label -> classes, classifier or frequencies
        for label in labels:
            truth = np.array([label_of(item, label) for item in train_items])
            rows = np.flatnonzero(truth != "")
            classes, sizes = np.unique(truth[rows], return_counts=True)
            if not len(rows):
                continue
            fitted: Any = sizes
            if texts is not None and len(classes) > 1:
                fitted = LinearSVC(random_state=seed).fit(texts[rows], truth[rows])
            self._models[label] = tuple(map(str, classes)), fitted

    def recognise(self, items: Sequence[Item]) -> Mapping[str, tuple[tuple[str, ...], FloatArray]]:
        """Label -> classes (C,) and distances from the classifier's planes (N, C): no probabilities, but their order."""
        texts = self._vectorizer.transform([item.text for item in items]) if self._reads else None
        found: dict[str, tuple[tuple[str, ...], FloatArray]] = {}
        for label, (classes, model) in self._models.items():
            if isinstance(model, LinearSVC):
                scores = model.decision_function(texts)
                scores = scores if scores.ndim == 2 else np.stack([-scores, scores], axis=1)  # two classes, one plane
            else:
                scores = np.tile(model, (len(items), 1))
            found[label] = classes, scores.astype(np.float32)
        return found


def add_text_control(
    report: RecognitionReport, items: Sequence[Item], train_items: Sequence[Item]
) -> RecognitionReport:
    """The report with what `TextRecogniser`, given the text whatever the model's inputs were, gets on the same items.

    Raises
    ------
    ValueError
        If an item of the report is missing, or one of them is among those that the control would learn from.
    """
    known = {item.id: item for item in items}
    if missing := [item_id for item_id in report.item_ids if item_id not in known]:
        raise ValueError(f"item {missing[0]!r} of the report is not among the items given")
    if seen := {item.id for item in train_items}.intersection(report.item_ids):
        raise ValueError(f"item {min(seen)!r} is both measured and learned from; the control needs a split of its own")
    control = evaluate_recognition(
        [known[item_id] for item_id in report.item_ids],
        TextRecogniser(train_items, report.labels, seed=report.seed),
        seed=report.seed,
        resamples=report.resamples,
    )
    return replace(report, control={key: control.metrics[key] for key in report.metrics if key in control.metrics})


class _SparseCosine:
    """Inner products of sparse unit rows, rounded to single precision so that equal rows tie."""

    def __init__(self, queries: Any, gallery: Any) -> None:
        self._queries = queries
        self._gallery = gallery

    def __call__(self, queries: Indices, candidates: Indices) -> NDArray[Any]:
        if candidates.strides[0] == 0:
            scores = (self._queries[queries] @ self._gallery[candidates[0]].T).toarray()
        else:
            asked = self._queries[np.repeat(queries, candidates.shape[1])]
            scores = np.asarray(asked.multiply(self._gallery[candidates.reshape(-1)]).sum(axis=1)).reshape(
                candidates.shape
            )
        return scores.astype(np.float32)
