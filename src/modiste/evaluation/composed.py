"""Text-guided image retrieval (TGIR, "composed image retrieval"): a photo and a sentence that changes it find a photo.

composed
    Reproduces: FAME-ViL (Han et al. 2023) Table 2 on FashionIQ (specification 6.5); on other data the same questions from
    labels (`modiste.data.composed`), which no paper reports.
    Queries: every question of the split, or `num_queries` drawn by the seed: the reference's photo and the sentence.
    Gallery: photos alone, without title, category or attributes. FashionIQ: per category, `original` or `val`, never mixed;
    the reference stays in. Other data: every photo of the split; the reference's product is taken out of its own query's
    candidates, since a shopper who asks for a change has it already.
    R@k: the target, or another photo of its product, is among the first k. Ties at chance (metrics.py).
    right_R@k: so is any item with all wanted attributes (`ComposedExample.is_answered_by`). Of several such items only one is
    the target, so this is what the sentence asked for; R@k is comparable with what others report.
    Mean: of FashionIQ the mean over its categories of R@10 and R@50, six numbers in all.
    Controls, on the same candidates: `text` and `image`, the model with one half of the query left out; `metadata`, TF-IDF of
    the reference's labels and the sentence against the candidates' labels; `ceiling`, who knows every label and nothing else
    (where items share all labels, no one can do better by labels). A model has understood both halves as far as it is ahead
    of `text` and `image`: `gain_text`, `gain_image`, with intervals of the paired difference.
    Do not compare with: a gallery of another size or split, `original` with `val`, FashionIQ by three models (one a
    category) with one model for all (`models` says which), right_R@k with R@k.

95 % bootstrap intervals; questions of one family (reference product) are drawn together. Reports are in percent.

Shapes: Q queries, B queries of a chunk, G gallery size, D embedding width.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from modiste.data.composed import ANY, ComposedData, ComposedExample, attributes_of
from modiste.evaluation.controls import metadata_sentence
from modiste.evaluation.metrics import BestTie, Estimate, average, best_tie, mean_with_interval, recall_from
from modiste.types import Embeddings, FloatArray, ImageLike, Item

KS = (1, 10, 50)
MEAN_KS = (10, 50)  # of the mean over FashionIQ's categories
GAIN_KS = (1, 10)
CONTROLS = ("text", "image", "metadata", "ceiling")
# Questions (B,) and their part's gallery (G,), photos alone -> scores (B, G), higher is better.
ComposedScorer = Callable[[Sequence[ComposedExample], Sequence[Item]], NDArray[Any]]

_CHUNK = 1 << 22  # scores of one chunk of queries
_MIN_SHOWN = 20  # questions of one kind of change, below which its numbers are left out
Values = NDArray[np.float64]


@runtime_checkable
class QueryEncoder(Protocol):
    """An encoder whose queries may be photo and words together; one call for many."""

    def encode(self, items: Sequence[Item]) -> Embeddings: ...

    def encode_queries(self, queries: Sequence[tuple[str, ImageLike | None]]) -> Embeddings:
        """(words, photo) pairs, one of them perhaps missing ("", None) -> (Q, D)."""
        ...


@dataclass(frozen=True, slots=True)
class ComposedReport:
    """The numbers of one run, in percent."""

    metrics: Mapping[str, Estimate]  # "R@10", "right_R@10"; with several galleries "dress_R@10", ..., "mean"
    chance: Mapping[str, float]
    controls: Mapping[str, Mapping[str, Estimate]]  # "text" -> the same keys
    gains: Mapping[str, Estimate]  # "text_R@10": the model minus the control, question by question
    by_change: Mapping[str, Estimate]  # "colour_R@10", "not_pattern_right_R@10", ...
    num_queries: int
    galleries: Mapping[str, int]  # part -> photos in it
    gallery: str  # the gallery protocol's name, where the data has several
    models: int  # 1: one model for all galleries
    without_photo: int
    missing_photos: int
    seed: int
    resamples: int
    protocol: str = field(default="composed")

    def as_dict(self) -> dict[str, Any]:
        """JSON values. Keys: each metric with `_low`, `_high`, `_chance`; `text_`, `image_`, ... before a control's."""
        found: dict[str, Any] = {"protocol": self.protocol, "units": "percent"}
        for key, estimate in self.metrics.items():
            found |= estimate.spelled(key) | {f"{key}_chance": self.chance[key]}
        for name, numbers in self.controls.items():
            for key, estimate in numbers.items():
                found |= estimate.spelled(f"{name}_{key}")
        for key, estimate in self.gains.items():
            found |= estimate.spelled(f"gain_{key}")
        changes = {key: {**one.spelled("value"), "queries": one.count} for key, one in self.by_change.items()}
        return found | {
            "by_change": changes,
            "num_queries": self.num_queries,
            "galleries": {part or "all": size for part, size in self.galleries.items()},
            **({"gallery": self.gallery, "models": self.models} if self.gallery else {}),
            "without_photo": self.without_photo,
            "missing_photos": self.missing_photos,
            "seed": self.seed,
            "resamples": self.resamples,
        }

    def table(self) -> list[list[str]]:
        """Rows of words, the header first; percent with one decimal."""
        rows = [["metric", "value", "95 % interval", "chance", *self.controls]]
        for key, estimate in self.metrics.items():
            interval = f"{estimate.low:.1f} to {estimate.high:.1f}"
            others = [f"{numbers[key].mean:.1f}" for numbers in self.controls.values()]
            rows.append([key, f"{estimate.mean:.1f}", interval, f"{self.chance[key]:.1f}", *others])
        return rows


def evaluate_composed(
    data: ComposedData,
    encoder: QueryEncoder | Mapping[str, QueryEncoder],
    *,
    seed: int = 0,
    num_queries: int | None = None,
    resamples: int = 1000,
    controls: bool = True,
) -> ComposedReport:
    """Run the protocol with an encoder, or with one for each gallery of the data by its name ("dress").

    Raises
    ------
    ValueError
        As `evaluate_composed_scorer`, or if a gallery has no encoder.
    """
    encoders = dict(encoder) if isinstance(encoder, Mapping) else dict.fromkeys(data.galleries, encoder)
    if missing := [part or "all" for part in data.galleries if part not in encoders]:
        raise ValueError(f"no model for {', '.join(missing)}; give one for each, or one for all")
    vectors: dict[str, FloatArray] = {}

    def by(query: Callable[[ComposedExample], tuple[str, ImageLike | None]]) -> ComposedScorer:
        def score(examples: Sequence[ComposedExample], gallery: Sequence[Item]) -> NDArray[Any]:
            part = examples[0].part
            if part not in vectors:
                vectors[part] = encoders[part].encode(gallery).vectors
            asked = encoders[part].encode_queries([query(one) for one in examples]).vectors
            # rounded, so that equal vectors tie whatever order they were summed in
            return (asked.astype(np.float64) @ vectors[part].astype(np.float64).T).astype(np.float32)

        return score

    halves = {"text": by(lambda one: (one.text, None)), "image": by(lambda one: ("", one.reference.image))}
    report = evaluate_composed_scorer(
        data,
        by(lambda one: (one.text, one.reference.image)),
        controls={**halves, **label_controls(data)} if controls else {},
        seed=seed,
        num_queries=num_queries,
        resamples=resamples,
    )
    return replace(report, models=len({id(one) for one in encoders.values()}))


def evaluate_composed_scorer(
    data: ComposedData,
    scorer: ComposedScorer,
    *,
    controls: Mapping[str, ComposedScorer] | None = None,
    seed: int = 0,
    num_queries: int | None = None,
    resamples: int = 1000,
) -> ComposedReport:
    """Run the protocol with anything that scores a gallery for questions, and its controls on the same candidates.

    Raises
    ------
    ValueError
        If there are no questions, `num_queries` is out of range, a target is not in its gallery (named), or a scorer
        answers with a wrong shape or NaN.
    """
    examples = _drawn(data.examples, num_queries, seed)
    galleries = {part: sorted(items, key=lambda item: item.id) for part, items in data.galleries.items()}
    parts = [part for part in galleries if any(one.part == part for one in examples)]
    examples = [one for part in parts for one in examples if one.part == part]
    scorers = {"": scorer, **(controls or {})}
    judged = any(one.changed for one in examples)
    found: dict[str, dict[str, list[Values]]] = {name: {} for name in ("chance", *scorers)}
    for part in parts:
        asked = [one for one in examples if one.part == part]
        judge = _Judge(galleries[part], reference_stays=data.reference_stays)
        bare = [Item(id=item.id, image=item.image) for item in galleries[part]]
        step = max(1, _CHUNK // len(bare))
        for start in range(0, len(asked), step):
            some = asked[start : start + step]
            kinds = {"": judge.targets(some), **({"right_": judge.right(some)} if judged else {})}
            barred = judge.barred(some)
            for name, one_scorer in {**scorers, "chance": _constant}.items():
                scores = np.where(barred, -np.inf, _checked(one_scorer(some, bare), some, bare, name))
                for prefix, relevant in kinds.items():
                    tie = best_tie(scores, relevant & ~barred)
                    for key, recalls in _recalls(tie, prefix).items():
                        found[name].setdefault(key, []).append(recalls)
    values = {name: {key: np.concatenate(lists) for key, lists in told.items()} for name, told in found.items()}
    measure = _Measure(examples, parts, seed, resamples)
    metrics = measure.metrics(values[""])
    gains = {
        f"{name}_{prefix}R@{k}": measure.mean(values[""][key] - values[name][key])
        for name in ("text", "image")
        if name in scorers
        for prefix in ("", "right_")
        for k in GAIN_KS
        if (key := f"{prefix}R@{k}") in values[""]
    }
    return ComposedReport(
        metrics=metrics,
        chance={key: one.mean for key, one in measure.metrics(values["chance"], resamples=0).items()},
        controls={name: measure.metrics(values[name]) for name in scorers if name},
        gains=gains,
        by_change=measure.by_change(values[""]) if judged else {},
        num_queries=len(examples),
        galleries={part: len(galleries[part]) for part in parts},
        gallery=data.name,
        models=1,
        without_photo=data.without_photo,
        missing_photos=data.missing_photos,
        seed=seed,
        resamples=resamples,
    )


def label_controls(data: ComposedData) -> dict[str, ComposedScorer]:
    """`metadata` and `ceiling`, for data whose questions come from labels; none for others."""
    if not any(one.changed for one in data.examples):
        return {}
    known = {part: {item.id: item for item in items} for part, items in data.galleries.items()}
    read: dict[str, tuple[TfidfVectorizer, Any]] = {}  # part -> what its labels say, the same for all its questions
    judges: dict[str, _Judge] = {}

    def metadata(examples: Sequence[ComposedExample], gallery: Sequence[Item]) -> NDArray[Any]:
        part = examples[0].part
        if part not in read:
            words = TfidfVectorizer()
            read[part] = words, words.fit_transform([_label_sentence(known[part][item.id]) for item in gallery])
        words, labels = read[part]
        asked = words.transform([f"{_label_sentence(one.reference)} {one.text}" for one in examples])
        scores: NDArray[Any] = (asked @ labels.T).toarray().astype(np.float32)
        return scores

    def ceiling(examples: Sequence[ComposedExample], gallery: Sequence[Item]) -> NDArray[Any]:
        part = examples[0].part
        if part not in judges:
            judges[part] = _Judge([known[part][item.id] for item in gallery], reference_stays=data.reference_stays)
        return judges[part].having_labels(examples).astype(np.float32)

    return {"metadata": metadata, "ceiling": ceiling}


def _label_sentence(item: Item) -> str:
    """All labels in words; `metadata_sentence` knows those of catalogues, the generated world has more."""
    labels = (str(value) for value in item.attributes.values() if isinstance(value, str))
    return " ".join(dict.fromkeys([metadata_sentence(item), *labels]))


class _Judge:
    """Who is right among a gallery (G,), for many questions at once."""

    def __init__(self, gallery: Sequence[Item], *, reference_stays: bool) -> None:
        self._stays = reference_stays
        self._products = np.array([item.product for item in gallery], dtype=object)
        labels = [attributes_of(item) for item in gallery]
        names = {name for one in labels for name in one}
        self._columns = {name: np.array([one.get(name) for one in labels], dtype=object) for name in names}
        self._masks: dict[tuple[str, str | None], NDArray[np.bool_]] = {}

    def targets(self, examples: Sequence[ComposedExample]) -> NDArray[np.bool_]:
        """(B, G) photos of the target's product; raises `ValueError` for a question whose target is not there."""
        found = np.stack([self._products == one.target.product for one in examples])
        if not (has := found.any(axis=1)).all():
            one = examples[int(np.argmin(has))]
            raise ValueError(f"the target {one.target.id!r} of {one.text!r} is not in its gallery")
        return found

    def barred(self, examples: Sequence[ComposedExample]) -> NDArray[np.bool_]:
        """(B, G) what is no candidate: the reference's product, where it does not stay."""
        if self._stays:
            return np.zeros((len(examples), len(self._products)), dtype=bool)
        return np.stack([self._products == one.reference.product for one in examples])

    def right(self, examples: Sequence[ComposedExample]) -> NDArray[np.bool_]:
        """(B, G) what `ComposedExample.is_answered_by` says."""
        return self.having_labels(examples) | self.targets(examples)

    def having_labels(self, examples: Sequence[ComposedExample]) -> NDArray[np.bool_]:
        """(B, G) what has every wanted attribute and is not the reference's product."""
        found = np.zeros((len(examples), len(self._products)), dtype=bool)
        for row, one in enumerate(examples):
            if not one.changed:
                continue
            having = self._products != one.reference.product
            for name, value in one.kept.items():
                having = having & self._has(name, value)
            for name, (old, new) in one.changed.items():
                if new == ANY:
                    having = having & ~self._has(name, old) & ~self._has(name, None)
                else:
                    having = having & self._has(name, new)
            found[row] = having
        return found

    def _has(self, name: str, value: str | None) -> NDArray[np.bool_]:
        """(G,) whose attribute this is; of None those that do not say."""
        if (name, value) not in self._masks:
            column = self._columns.get(name)
            absent = np.full(len(self._products), value is None)
            self._masks[name, value] = absent if column is None else np.asarray(column == value)
        return self._masks[name, value]


class _Measure:
    """Values of questions (Q,) as estimates, always by the same resamples."""

    def __init__(self, examples: Sequence[ComposedExample], parts: Sequence[str], seed: int, resamples: int) -> None:
        self._examples = examples
        self._parts = parts
        self._seed, self._resamples = seed, resamples
        self._families = np.array([f"{one.part}/{one.family or one.reference.product}" for one in examples])

    def mean(self, values: Values, rows: NDArray[np.bool_] | None = None, *, resamples: int | None = None) -> Estimate:
        families = self._families
        if rows is not None:
            values, families = values[rows], families[rows]
        times = self._resamples if resamples is None else resamples
        return mean_with_interval(values, seed=self._seed, resamples=times, clusters=families).scaled(100)

    def metrics(self, values: Mapping[str, Values], *, resamples: int | None = None) -> dict[str, Estimate]:
        if len(self._parts) == 1 and not self._parts[0]:
            return {key: self.mean(one, resamples=resamples) for key, one in values.items()}
        of_part = {part: np.array([one.part == part for one in self._examples]) for part in self._parts}
        found = {
            f"{part}_{key}": self.mean(one, rows, resamples=resamples)
            for part, rows in of_part.items()
            for key, one in values.items()
        }
        return {**found, "mean": average([found[f"{part}_R@{k}"] for part in self._parts for k in MEAN_KS])}

    def by_change(self, values: Mapping[str, Values]) -> dict[str, Estimate]:
        kinds = np.array([kind_of_change(one) for one in self._examples])
        return {
            f"{kind}_{key}": self.mean(values[key], kinds == kind)
            for kind in sorted(set(kinds))
            if np.count_nonzero(kinds == kind) >= _MIN_SHOWN
            for key in ("R@10", "right_R@10")
        }


def kind_of_change(example: ComposedExample) -> str:
    """What a question changes: "colour", "two" attributes, or "not_colour" when it says what it shall not be."""
    if len(example.changed) > 1:
        return "two"
    return "".join(f"{'not_' if new == ANY else ''}{name}" for name, (_, new) in example.changed.items())


def _constant(examples: Sequence[ComposedExample], gallery: Sequence[Item]) -> NDArray[Any]:
    return np.zeros((len(examples), len(gallery)), dtype=np.float32)


def _recalls(tie: BestTie, prefix: str) -> dict[str, Values]:
    return {f"{prefix}R@{k}": recall_from(tie, k) for k in KS}


def _checked(
    scores: NDArray[Any], examples: Sequence[ComposedExample], gallery: Sequence[Item], name: str
) -> NDArray[Any]:
    who = f"the control {name!r}" if name else "the scorer"
    if np.shape(scores) != (len(examples), len(gallery)):
        raise ValueError(f"{who} returned {np.shape(scores)} for {len(examples)} questions and {len(gallery)} photos")
    if (bad := np.isnan(scores).any(axis=1)).any():
        raise ValueError(f"{who}: the question {examples[int(np.argmax(bad))].text!r} has a score that is NaN")
    return scores


def _drawn(examples: Sequence[ComposedExample], num_queries: int | None, seed: int) -> list[ComposedExample]:
    if not examples:
        raise ValueError("there are no questions to ask")
    if num_queries is None:
        return list(examples)
    if not 1 <= num_queries <= len(examples):
        raise ValueError(f"num_queries must lie between 1 and the {len(examples)} questions, not {num_queries}")
    chosen = np.random.default_rng(seed).choice(len(examples), num_queries, replace=False)
    return [examples[number] for number in sorted(chosen)]
