"""Outfit protocols: compatibility prediction (CP), fill in the blank (FITB), complementary item retrieval (CIR).

All are asked of the looks of one split; `outfit_questions.py` says how questions are drawn and who may be a candidate.

cp_auc
    Reproduces: the compatibility AUC of Polyvore Outfits (specification 5.5) where the data set has questions of its own
    (`OutfitData.cp`), else the like of it: each look, and beside it one in which every item is replaced.
    cp_auc replaces within family and shoot year (`same_family`), cp_popularity_auc matches the number of training looks as
    well, cp_random_auc takes any item (easy). Where the data set's own questions have the plain key, the first of these is
    cp_same_family_auc.
    The area under the ROC curve in [0, 1], ties counting one half. Always by S.

fitb_accuracy
    Reproduces: FITB of Polyvore Outfits where there are questions of its own (`OutfitData.fitb`), else the like: one item of
    each look (`per_look`) is to be told from three others. Keys as above: fitb_accuracy within family and shoot year,
    fitb_popularity_accuracy, fitb_unseen_accuracy (neither the right item nor the wrong ones in any training look), and
    fitb_<kind>_accuracy, cp_<kind>_auc for the data set's own questions under the key "<split>/<kind>", such as "test/hard"
    for wrong ones that break exactly one rule.
    Percent of questions whose best candidate is the right one; of candidates that tie for the best each is as good a guess.

cir_R@10, cir_R@30, cir_R@50
    One item of each look is ranked among all of its family and shoot year that are not of the look. Percent of questions
    where it is among the first k, an expectation over the orders of ties.
    cir_csa_R@k: CSA-Net's galleries (specification 5.5), where some category has 3,000 items: 3,000 candidates of the right
    item's category, the mean over categories. The categories are the data set's, whose published selection was never given.

By. FITB and CIR are answered by S, the score of the completed outfit, or with a `ComplementPool` by "cir", the inner product
    with the query of the partial outfit. The two are different numbers of one model; reports say which (`by`).
Wish. A query may carry a wish, and the target's own description is one (`wish="description"`): published numbers with it are
    higher and answer another question. By default there is none. The slot's categories are those of all candidates, so
    that they say nothing of the right one. S is never told anything of the target but the target.
Controls. Beside every number what counting gets on the very same questions, always by S: popularity, co-occurrence of items,
    category, colour with family, and co-occurrence with colour and family (`models.outfit_statistics`).
Order. Items go to a scorer in the order of their ids, candidates and looks in an order drawn by hash: none has anything to
    do with what is right.
Reference. A scorer that knows what there is to know, where there is one (`outfit_bayes.py`: the generated world), asked the
    same questions; and the ratio to it, its interval from resamples of the same questions.
Intervals. 95 % bootstrap over groups of near-identical looks (`Look.group`).
Do not compare with: other kinds of negatives, other data sets, numbers by another `by` or `wish`.

Shapes: B sets, O places in a set, Q questions, C candidates, E width of a query.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast, get_args

import numpy as np
from numpy.typing import NDArray

from modiste.data.outfits import OutfitData
from modiste.evaluation.metrics import BestTie, Estimate, auc_with_interval, mean_with_interval, recall_from
from modiste.evaluation.outfit_files import QuestionFile
from modiste.evaluation.outfit_questions import (
    Choice,
    Choices,
    Judgement,
    Judgements,
    Negatives,
    QuestionDraw,
    hashes_of,
    lots_of,
    own_blanks,
    own_judgements,
)
from modiste.models.outfit_statistics import fit_statistic
from modiste.types import ComplementPool, FloatArray, Item, OutfitPool, OutfitScorer, Slot, as_sets

By = Literal["s", "cir"]
BYS: tuple[By, ...] = get_args(By)
Wish = Literal["none", "description"]
WISHES: tuple[Wish, ...] = get_args(Wish)
Task = Literal["cp", "fitb", "cir"]
TASKS: tuple[Task, ...] = get_args(Task)
Indices = NDArray[np.int64]
QuestionT = TypeVar("QuestionT")
# Items -> (N, D) vectors in their order: what `OutfitScorer.pool` takes, from wherever they are kept.
VectorsOf = Callable[[Sequence[Item]], FloatArray]

KS = (10, 30, 50)
CONTROLS = ("popularity", "co-occurrence", "category", "colour-family", "mixture")
_SETS = 1 << 16  # sets scored at once


@dataclass(frozen=True, slots=True)
class Reference:
    """Whose numbers are put beside the measured ones. The best scorer may be another one for other negatives."""

    name: str  # above its column
    of: Callable[
        [str], OutfitScorer | None
    ]  # protocol ("cp", "fitb", "cp_popularity"...) -> its scorer, None where it has none


@dataclass(frozen=True, slots=True)
class OutfitReport:
    """The numbers of one run: AUCs from 0 to 1, all else in percent."""

    by: By
    wish: Wish
    split: str
    metrics: Mapping[str, Estimate]  # "cp_auc", "fitb_accuracy", "cir_R@10", ...
    chance: Mapping[str, float]  # the same keys: exactly what a constant scorer gets
    negatives: Mapping[str, str]  # the same keys: where the wrong answers come from
    questions: Mapping[str, int]  # the same keys
    left_out: Mapping[str, int]  # the same keys: looks or questions that could not be asked
    universe: str  # who may be a candidate, in words; empty for questions from a file
    num_items: int  # that the questions are about
    per_look: int
    num_looks: int
    seed: int
    resamples: int
    controls: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)  # name -> the same keys
    reference: Mapping[str, Estimate] = field(default_factory=dict)  # of the scorer it is measured by; not of every key
    reference_name: str = ""
    protocol: str = "outfits"

    @property
    def ratios(self) -> dict[str, Estimate]:
        """Measured / reference, where there is one above 0."""
        return {
            key: self.metrics[key].relative_to(estimate)
            for key, estimate in self.reference.items()
            if estimate.mean > 0
        }

    def as_dict(self) -> dict[str, Any]:
        """JSON values. Keys: each metric with `_low`, `_high`, `_chance`, `_questions`, `_left_out` and `_negatives` beside
        it, `control_<name>_` before a control's, `reference_` before the reference's and `ratio_` before the ratio to it."""
        found: dict[str, Any] = {
            "protocol": self.protocol,
            "units": {"auc": "0 to 1", "accuracy": "percent", "R@k": "percent"},
            "by": self.by,
            "wish": self.wish,
        }
        for key, estimate in self.metrics.items():
            found |= estimate.spelled(key) | {
                f"{key}_chance": self.chance[key],
                f"{key}_questions": self.questions[key],
                f"{key}_left_out": self.left_out[key],
                f"{key}_negatives": self.negatives[key],
            }
        for name, estimates in self.controls.items():
            for key, estimate in estimates.items():
                found |= estimate.spelled(f"control_{name.replace('-', '_')}_{key}")
        if self.reference:
            found["reference"] = self.reference_name
        for key, estimate in self.reference.items():
            found |= estimate.spelled(f"reference_{key}")
        for key, estimate in self.ratios.items():
            found |= estimate.spelled(f"ratio_{key}")
        return found | {
            "universe": self.universe,
            "num_items": self.num_items,
            "num_looks": self.num_looks,
            "per_look": self.per_look,
            "seed": self.seed,
            "resamples": self.resamples,
        }

    def table(self) -> list[list[str]]:
        """Rows of words, the header first; AUCs with three decimals, percent with one. Of the controls the best is shown."""
        rows = [["metric", "value", "95 % interval", "chance"]]
        rows[0] += ["best control"] if self.controls else []
        rows[0] += [self.reference_name, "ratio (95 % interval)"] if self.reference else []
        ratios = self.ratios
        for key, estimate in self.metrics.items():
            places = 3 if key.endswith("auc") else 1
            row = [key, f"{estimate.mean:.{places}f}", f"{estimate.low:.{places}f} to {estimate.high:.{places}f}"]
            row.append(f"{self.chance[key]:.{places}f}")
            if self.controls:
                best = max(self.controls, key=lambda name: self.controls[name][key].mean)
                row.append(f"{best} {self.controls[best][key].mean:.{places}f}")
            if self.reference:
                row.append(f"{self.reference[key].mean:.{places}f}" if key in self.reference else "–")
                ratio = ratios.get(key)
                row.append(f"{ratio.mean:.3f} ({ratio.low:.3f} to {ratio.high:.3f})" if ratio else "–")
            rows.append(row)
        return rows


def evaluate_outfits(
    data: OutfitData,
    scorer: OutfitScorer,
    *,
    split: str = "test",
    by: By = "s",
    wish: Wish = "none",
    tasks: Sequence[Task] = TASKS,
    seed: int = 0,
    per_look: int = 1,
    num_looks: int = 0,
    questions: QuestionFile | None = None,
    vectors: VectorsOf | None = None,
    controls: bool = True,
    reference: OutfitScorer | Reference | None = None,
    resamples: int = 1000,
) -> OutfitReport:
    """Run the protocols; the order of looks and items does not change the result.

    Parameters
    ----------
    split
        Whose looks are asked about. Not "train": statistics and popularity are counted there.
    by, wish
        See above. `wish` needs `by="cir"`: S has no place for one.
    tasks
        Which are asked: a gallery of thousands by S costs as much as all else together.
    per_look
        Blanks per look, drawn; 0: each of its items in turn.
    num_looks
        Only so many looks, drawn by the seed; 0 for all.
    questions
        Ask these instead of drawing any.
    vectors
        Gives the scorer the items' embeddings; by default it makes its own.
    controls
        Also ask `CONTROLS`, fitted on the training looks; there are none where there is no training look.
    reference
        A scorer whose numbers are put beside the others, or one for each protocol: in a generated world those that know how
        looks came about. It is given items without photos, and answers by S.

    Raises
    ------
    ValueError
        For options out of range, data without looks to ask about, a scorer that cannot answer by "cir", or an answer with a
        wrong shape or NaN (the question is named).
    """
    if by not in BYS:
        raise ValueError(f"unknown by {by!r}; choose one of {', '.join(BYS)}")
    if wish not in WISHES:
        raise ValueError(f"unknown wish {wish!r}; choose one of {', '.join(WISHES)}")
    if not tasks or (unknown := sorted(set(tasks) - set(TASKS))):
        raise ValueError(f"tasks are {', '.join(TASKS)}, at least one; not {', '.join(unknown) if tasks else 'none'}")
    if wish != "none" and by == "s":
        raise ValueError("a wish is part of a query: give by='cir' with it")
    if split == "train":
        raise ValueError(
            "training looks are what popularity and the statistics are counted on; ask about another split"
        )
    universe = ""
    if questions is None:
        draw = QuestionDraw(data, split, seed=seed, num_looks=num_looks)
        sections, universe = _drawn(draw, per_look, tasks), draw.universe
    else:
        sections = [section for section in _given(questions) if section.task in tasks]
    sections = [section for section in sections if section.asked.questions]
    if not sections:
        raise ValueError(
            f"{data.name}: no question could be drawn from split {split!r}: no item has others of its kind"
        )
    ids = sorted({one for section in sections for one in section.ids})
    items, bare = [data.items[one] for one in ids], [data.bare[one] for one in ids]
    exam = _Exam(bare, sections, seed=seed, resamples=resamples)
    pool = scorer.pool(items, vectors(items) if vectors else None)
    if by == "cir" and not isinstance(pool, ComplementPool):
        raise ValueError(f"{type(scorer).__name__} only scores whole outfits and proposes none; use by='s'")
    beside: dict[str, Mapping[str, Estimate]] = {}
    if controls and any(look.label is None or look.label >= 0.5 for look in data.looks.get("train", ())):
        beside = {name: exam.take(fit_statistic(name, data).pool(bare)) for name in CONTROLS}
    if isinstance(reference, OutfitScorer):
        only = reference
        reference = Reference("reference", lambda _: only)
    return OutfitReport(
        by=by,
        wish=wish,
        split=split,
        metrics=exam.take(pool, by, wish),
        chance=exam.chance,
        negatives={key: section.asked.negatives for section in sections for key in section.keys},
        questions={key: len(section.asked.questions) for section in sections for key in section.keys},
        left_out={key: section.asked.left_out for section in sections for key in section.keys},
        universe=universe,
        num_items=len(items),
        per_look=per_look,
        num_looks=num_looks,
        seed=seed,
        resamples=resamples,
        controls=beside,
        reference=_referred(exam, reference, bare) if reference else {},
        reference_name=reference.name if reference else "",
    )


@dataclass(frozen=True, slots=True)
class _Section:
    """The questions of one protocol and the keys of its numbers: one, or one for each of `KS`."""

    name: str  # "cp", "fitb_popularity", "cir"...
    asked: Judgements | Choices

    @property
    def task(self) -> str:
        return self.name.split("_")[0]

    @property
    def keys(self) -> tuple[str, ...]:
        if isinstance(self.asked, Judgements):
            return (f"{self.name}_auc",)
        return tuple(f"{self.name}_R@{k}" for k in KS) if self.name.startswith("cir") else (f"{self.name}_accuracy",)

    @property
    def ids(self) -> set[str]:
        found: set[str] = set()
        galleries = {}  # by identity: many questions may share one
        for question in self.asked.questions:
            if isinstance(question, Judgement):
                found.update(question.item_ids)
            else:
                found.update(question.partial)
                galleries[id(question.candidates)] = question.candidates
        return found.union(*galleries.values())


def _drawn(draw: QuestionDraw, per_look: int, tasks: Sequence[Task]) -> list[_Section]:
    """All that can be asked of a split in these tasks; popularity and what was seen mean nothing without training looks."""
    data, split = draw.data, draw.split
    kinds: list[tuple[str, Negatives]] = [("same_family", "same_family")]
    if draw.popularity:
        kinds.append(("popularity", "popularity"))
    found: list[_Section] = []
    if "cp" in tasks:
        cp = {name: own_judgements(data, some) for name, some in _own(data.cp, split, "cp").items()}
        extra: list[tuple[str, Negatives]] = [("random", "random")]
        for kind, negatives in kinds + extra:
            cp.setdefault(_free(kind, "cp", cp), draw.compatibility(negatives))
        found += [_Section(name, asked) for name, asked in cp.items()]
    if "fitb" in tasks:
        fitb = {name: own_blanks(data, some) for name, some in _own(data.fitb, split, "fitb").items()}
        if draw.popularity:
            kinds.append(("unseen", "unseen"))
        for kind, negatives in kinds:
            fitb.setdefault(_free(kind, "fitb", fitb), draw.blanks(negatives, per_look))
        found += [_Section(name, asked) for name, asked in fitb.items()]
    if "cir" in tasks:
        found += [_Section("cir", draw.galleries()), _Section("cir_csa", draw.csa_galleries())]
    return found


def _given(questions: QuestionFile) -> list[_Section]:
    return [
        _Section(f"{task}_{kind}" if kind else task, asked)
        for task, by_kind in (("cp", questions.cp), ("fitb", questions.fitb), ("cir", questions.cir))
        for kind, asked in cast("Mapping[str, Judgements | Choices]", by_kind).items()
    ]


def _own(given: Mapping[str, Sequence[QuestionT]], split: str, task: str) -> dict[str, Sequence[QuestionT]]:
    """The data set's own questions of a split by section: those under "test" and those under "test/<kind>"."""
    names = {key: key.removeprefix(split).replace("/", "_") for key in given if key.split("/")[0] == split}
    return {f"{task}{kind}": given[key] for key, kind in sorted(names.items()) if given[key]}


def _free(kind: str, task: str, taken: Mapping[str, object]) -> str:
    """The section of drawn questions: the plain name unless the data set's own questions have it."""
    return task if kind == "same_family" and task not in taken else f"{task}_{kind}"


def _referred(exam: _Exam, reference: Reference, items: Sequence[Item]) -> dict[str, Estimate]:
    pools: dict[int, OutfitPool] = {}  # by identity: many protocols may share one scorer
    found: dict[str, Estimate] = {}
    for name in exam.names:
        if (scorer := reference.of(name)) is not None:
            if id(scorer) not in pools:
                pools[id(scorer)] = scorer.pool(items)
            found |= exam.take(pools[id(scorer)], only=name)
    return found


class _Exam:
    """Questions made ready once, to be put to one scorer after the other."""

    def __init__(self, items: Sequence[Item], sections: Sequence[_Section], *, seed: int, resamples: int) -> None:
        self._items = items
        self._place = {item.id: at for at, item in enumerate(items)}
        self._hashes = hashes_of([item.id for item in items])
        self._seed, self._resamples = seed, resamples
        self._sections = sections
        self.names = [section.name for section in sections]
        self._candidates = {
            section.name: _Candidates(section.asked.questions, self._place)
            for section in sections
            if isinstance(section.asked, Choices)
        }
        self.chance = {key: value for section in sections for key, value in self._blind(section).items()}

    def take(
        self, pool: OutfitPool, by: By = "s", wish: Wish = "none", *, only: str | None = None
    ) -> dict[str, Estimate]:
        """Key -> estimate; of all protocols or of `only` that one."""
        found: dict[str, Estimate] = {}
        for section in self._sections:
            if only not in (None, section.name):
                continue
            asked = section.asked
            clusters = [question.group for question in asked.questions]
            if isinstance(asked, Judgements):
                right = np.array([question.right for question in asked.questions])
                scores = self._judged(pool, asked.questions)
                found[section.keys[0]] = auc_with_interval(
                    scores, right, seed=self._seed, resamples=self._resamples, clusters=clusters
                )
                continue
            tie = self._chosen(pool, section.name, asked.questions, by, wish)
            weights = _weights(asked.questions)
            for key, k in zip(section.keys, KS if len(section.keys) > 1 else (1,), strict=True):
                estimate = mean_with_interval(
                    recall_from(tie, k) * weights, seed=self._seed, resamples=self._resamples, clusters=clusters
                )
                found[key] = estimate.scaled(100)
        return found

    def _blind(self, section: _Section) -> dict[str, float]:
        if isinstance(section.asked, Judgements):
            return {section.keys[0]: 0.5}
        sizes = self._candidates[section.name].sizes
        tie = BestTie(np.zeros_like(sizes), sizes, np.ones_like(sizes))
        weights = _weights(section.asked.questions)
        ks = KS if len(section.keys) > 1 else (1,)
        return {
            key: 100 * float((recall_from(tie, k) * weights).mean()) for key, k in zip(section.keys, ks, strict=True)
        }

    def _judged(self, pool: OutfitPool, questions: Sequence[Judgement]) -> FloatArray:
        """(Q,) scores of S, in the order of the questions but asked in one that is drawn: looks are not all first."""
        order = np.argsort(hashes_of(["\0".join(question.item_ids) for question in questions]), kind="stable")
        sets = self._sets([questions[at].item_ids for at in order])
        scores = np.empty(len(questions), dtype=np.float32)
        for start in range(0, len(sets), _SETS):
            some = order[start : start + _SETS]
            answers = pool.score(sets[start : start + _SETS])
            scores[some] = _checked(answers, len(some), [questions[at].item_ids for at in some])
        return scores

    def _chosen(self, pool: OutfitPool, name: str, questions: Sequence[Choice], by: By, wish: Wish) -> BestTie:
        """Where the right candidate of each question stands."""
        candidates = self._candidates[name]
        found = []
        for rows in _chunks(candidates.sizes):
            some = [questions[at] for at in rows]
            keys = hashes_of(["\0".join(question.partial) for question in some])
            gathered = []
            for at, key in zip(rows, keys, strict=True):
                places = candidates[at]
                gathered.append(places[np.argsort(lots_of(self._hashes[places] ^ key), kind="stable")])
            sizes = np.array([len(one) for one in gathered])
            of = np.repeat(np.arange(len(rows)), sizes)
            flat = np.concatenate(gathered)
            partial = self._sets([question.partial for question in some])
            if by == "s":
                answers = pool.score(np.concatenate([partial[of], flat[:, None]], axis=1))
            else:
                answers = self._matched(cast(ComplementPool, pool), partial, some, of, flat, wish)
            scores = _checked(answers, len(flat), [some[at].partial for at in of])
            right = np.array([self._place[question.correct] for question in some])
            level = scores[flat == right[of]][of]
            starts = np.cumsum(sizes) - sizes
            above = np.add.reduceat((scores > level).astype(np.int64), starts)
            tied = np.add.reduceat((scores == level).astype(np.int64), starts)
            found.append(BestTie(above, tied, np.ones_like(above)))
        return BestTie.concatenate(found)

    def _matched(
        self,
        pool: ComplementPool,
        partial: Indices,
        questions: Sequence[Choice],
        of: Indices,
        flat: Indices,
        wish: Wish,
    ) -> FloatArray:
        """Inner products of each question's query with its candidates, in double so that equal vectors tie."""
        slots = []
        for number, question in enumerate(questions):
            allowed = frozenset(self._items[at].category for at in flat[of == number]) - {""}
            words = self._items[self._place[question.correct]].text if wish == "description" else ""
            slots.append(Slot(allowed, words))
        queries = np.asarray(pool.queries(partial, slots), dtype=np.float64)
        if queries.ndim != 2 or len(queries) != len(questions):
            raise ValueError(
                f"the scorer returned queries of shape {queries.shape} for {len(questions)} partial outfits"
            )
        vectors = np.asarray(pool.candidates)
        scores = np.empty(len(flat), dtype=np.float32)
        step = max(1, (1 << 22) // queries.shape[1])
        for start in range(0, len(flat), step):
            rows = slice(start, start + step)
            scores[rows] = np.einsum("be,be->b", queries[of[rows]], vectors[flat[rows]].astype(np.float64))
        return scores

    def _sets(self, looks: Sequence[Sequence[str]]) -> Indices:
        return as_sets([[self._place[one] for one in look] for look in looks])


class _Candidates:
    """The open candidates of each question as positions. A gallery is held once, however many questions share it."""

    def __init__(self, questions: Sequence[Choice], place: Mapping[str, int]) -> None:
        self._galleries: dict[int, Indices] = {}
        for question in questions:
            if id(question.candidates) not in self._galleries:
                places = sorted(place[one] for one in question.candidates)
                self._galleries[id(question.candidates)] = np.array(places, dtype=np.int64)
        self._of = [self._galleries[id(question.candidates)] for question in questions]
        barred = [[place[one] for one in question.barred if one in place] for question in questions]
        self._barred = [np.array(some, dtype=np.int64) for some in barred]
        passed = [np.count_nonzero(np.isin(some, all_)) for some, all_ in zip(self._barred, self._of, strict=True)]
        self.sizes: Indices = np.array([len(some) for some in self._of], dtype=np.int64) - np.array(passed)

    def __getitem__(self, at: int) -> Indices:
        gallery, barred = self._of[at], self._barred[at]
        return gallery[~np.isin(gallery, barred)] if len(barred) else gallery


def _checked(scores: FloatArray, size: int, asked: Sequence[Sequence[str]]) -> FloatArray:
    scores = np.asarray(scores)
    if scores.shape != (size,):
        raise ValueError(f"the scorer returned {scores.shape} for {size} sets")
    if (bad := np.isnan(scores)).any():
        raise ValueError(f"the scorer's answer is NaN for the look with {', '.join(asked[int(np.argmax(bad))])}")
    return scores


def _weights(questions: Sequence[Choice]) -> NDArray[np.float64]:
    """(Q,) whose weighted mean over questions is the mean over fields of the means within each."""
    _, place, sizes = np.unique([question.field for question in questions], return_inverse=True, return_counts=True)
    weights: NDArray[np.float64] = len(questions) / (len(sizes) * sizes[place.reshape(-1)])
    return weights


def _chunks(sizes: Indices) -> Iterator[range]:
    """Consecutive questions of not too many candidates together; at least one."""
    start, total = 0, 0
    for at, size in enumerate(sizes.tolist()):
        if at > start and total + size > _SETS:
            yield range(start, at)
            start, total = at, 0
        total += size
    if len(sizes):
        yield range(start, len(sizes))
