"""Fashion captioning ("FIC" in FAME-ViL): a title written from the photo, against those that people wrote.

captioning
    Reproduces: FAME-ViL's BLEU-4, METEOR, ROUGE-L and CIDEr (specification 6.5), on whatever data is given.
    Questions: every item with a photo and a text, or `num_queries` drawn by the seed.
    References: the titles of the item's product (`Item.product`), each different one once; with `reference="text"` title and
    description together, as Fashion-Gen is captioned.
    Metrics: those of pycocoevalcap, the code that published numbers come from; its CIDEr is CIDEr-D, whose weights (idf) are
    counted over the references measured. All times 100, so a perfect CIDEr is 1000 and the others' 100. Words are lower case
    and without punctuation, by a rule of our own: the library's tokenizer needs Java, and figures must not depend on that.
    METEOR needs Java too, and is left out where there is none: `left_out` says so.
    Controls: `labels`, a sentence of the item's own labels ("men navy blue shirts"), which a catalogue has without a look;
    `constant`, the title that has most in common with the others, for every photo.
    Intervals: 95 % bootstrap over products. BLEU-4 is of the whole set, not a mean over captions, so each resample counts
    its n-grams anew; METEOR's interval is that of the mean over captions, put around the library's figure for the set.
    Do not compare with: another data set or split (idf, number of references), another tokenizer, BLEU by other code.
"""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from modiste.evaluation.controls import metadata_sentence
from modiste.evaluation.metrics import Estimate, mean_with_interval
from modiste.types import Captioner, Item

Told = Literal["title", "text"]
METRICS = ("BLEU-4", "METEOR", "ROUGE-L", "CIDEr")
PERFECT: Mapping[str, float] = {"BLEU-4": 100.0, "METEOR": 100.0, "ROUGE-L": 100.0, "CIDEr": 1000.0}
_WORD = re.compile(r"[a-z0-9]+(?:['’][a-z]+)?")
_ORDER = 4  # of BLEU
_SMALL, _TINY = 1e-9, 1e-15  # the library's smoothing of BLEU
_BATCH = 64
_CONSTANTS = 200  # texts among which the constant control is looked for


@dataclass(frozen=True, slots=True)
class CaptioningReport:
    """The numbers of one run, times 100."""

    metrics: Mapping[str, Estimate]
    controls: Mapping[str, Mapping[str, Estimate]]  # "labels", "constant" -> the same keys
    num_items: int
    num_references: int
    distinct: int  # different captions written
    mean_words: float
    reference: Told
    beams: int
    left_out: tuple[str, ...]  # metrics that need Java, where there is none
    without: int  # items without photo or text
    seed: int
    resamples: int
    captions: Mapping[str, str] = field(default_factory=dict, repr=False)  # item id -> what was written
    protocol: str = "captioning"

    def as_dict(self) -> dict[str, Any]:
        """JSON values. Keys: each metric with `_low` and `_high`; `labels_`, `constant_` before a control's."""
        found: dict[str, Any] = {"protocol": self.protocol, "units": "times 100"}
        for key, estimate in self.metrics.items():
            found |= estimate.spelled(key)
        for name, numbers in self.controls.items():
            for key, estimate in numbers.items():
                found |= estimate.spelled(f"{name}_{key}")
        return found | {
            "num_items": self.num_items,
            "num_references": self.num_references,
            "distinct_captions": self.distinct,
            "mean_words": self.mean_words,
            "reference": self.reference,
            "beams": self.beams,
            "left_out": list(self.left_out),
            "without_photo_or_text": self.without,
            "seed": self.seed,
            "resamples": self.resamples,
        }

    def table(self) -> list[list[str]]:
        """Rows of words, the header first; one decimal. A metric that was left out has a row that says why."""
        rows = [["metric", "value", "95 % interval", *self.controls]]
        for key in METRICS:
            if key in self.left_out:
                rows.append([key, "–", "needs Java", *("–" for _ in self.controls)])
                continue
            estimate = self.metrics[key]
            interval = f"{estimate.low:.1f} to {estimate.high:.1f}"
            rows.append(
                [key, f"{estimate.mean:.1f}", interval, *(f"{of[key].mean:.1f}" for of in self.controls.values())]
            )
        return rows


def evaluate_captioning(
    items: Sequence[Item],
    captioner: Captioner,
    *,
    beams: int = 1,
    reference: Told = "title",
    seed: int = 0,
    num_queries: int | None = None,
    resamples: int = 1000,
    controls: bool = True,
) -> CaptioningReport:
    """Run the protocol; the order of the items does not change the result.

    Raises
    ------
    ValueError
        If fewer than two items have a photo and a text, an option is out of range, or the captioner answers with another
        number of captions.
    ImportError
        If pycocoevalcap is not installed.
    """
    if reference not in get_args(Told):
        raise ValueError(f"unknown reference {reference!r}; choose one of {', '.join(get_args(Told))}")
    usable = sorted((one for one in items if one.image is not None and _told(one, reference)), key=lambda one: one.id)
    if len(usable) < 2:
        raise ValueError(f"captioning needs at least two items with a photo and a text, not {len(usable)}")
    by_product = references(usable, reference)
    asked = usable
    if num_queries is not None:
        if not 2 <= num_queries <= len(usable):
            raise ValueError(f"num_queries must lie between 2 and the {len(usable)} items, not {num_queries}")
        chosen = np.random.default_rng(seed).choice(len(usable), num_queries, replace=False)
        asked = [usable[number] for number in sorted(chosen)]
    told = [by_product[item.product] for item in asked]
    products = [item.product for item in asked]
    written: list[str] = []
    for start in range(0, len(asked), _BATCH):
        images = [item.image for item in asked[start : start + _BATCH] if item.image is not None]
        answers = captioner.caption(images, beams=beams)
        if len(answers) != len(images):
            raise ValueError(f"the captioner wrote {len(answers)} captions for {len(images)} photos")
        written += [one.text for one in answers]
    metrics = score_captions(written, told, clusters=products, seed=seed, resamples=resamples)
    beside: dict[str, Mapping[str, Estimate]] = {}
    if controls:
        constant = most_typical([one[0] for one in told], seed=seed)
        for name, others in (
            ("labels", [metadata_sentence(item) for item in asked]),
            ("constant", [constant] * len(asked)),
        ):
            beside[name] = score_captions(others, told, clusters=products, seed=seed, resamples=resamples)
    return CaptioningReport(
        metrics=metrics,
        controls=beside,
        num_items=len(asked),
        num_references=sum(map(len, told)),
        distinct=len(set(written)),
        mean_words=float(np.mean([len(words(one)) for one in written])),
        reference=reference,
        beams=beams,
        left_out=tuple(key for key in METRICS if key not in metrics),
        without=len(items) - len(usable),
        seed=seed,
        resamples=resamples,
        captions={item.id: one for item, one in zip(asked, written, strict=True)},
    )


def words(text: str) -> list[str]:
    """Lower-case words without punctuation: "Navy-Blue T-Shirt!" has navy, blue, t, shirt."""
    return _WORD.findall(text.lower())


def references(items: Sequence[Item], reference: Told = "title") -> dict[str, list[str]]:
    """Product -> its texts, each different one once, in the order of the items."""
    found: dict[str, dict[str, None]] = defaultdict(dict)
    for item in items:
        if text := " ".join(words(_told(item, reference))):
            found[item.product][text] = None
    return {product: list(texts) for product, texts in found.items()}


def most_typical(texts: Sequence[str], *, seed: int = 0) -> str:
    """The text whose words agree best with the others' (mean F1 of sets of words): about the best to be said without a look.

    Looked for among 200 drawn by the seed, where there are more.
    """
    different = sorted(set(texts))
    if len(different) > _CONSTANTS:
        drawn = np.random.default_rng(seed).choice(len(different), _CONSTANTS, replace=False)
        different = [different[number] for number in sorted(drawn)]
    sets = [set(words(text)) for text in texts]

    def agreement(text: str) -> float:
        said = set(words(text))
        return sum(2 * len(said & one) / max(1, len(said) + len(one)) for one in sets)

    return max(different, key=agreement)


def score_captions(
    captions: Sequence[str],
    told: Sequence[Sequence[str]],
    *,
    clusters: Sequence[str] | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> dict[str, Estimate]:
    """Metric -> its value times 100 for captions (N,) and the references of each; METEOR only where there is Java.

    Raises
    ------
    ValueError
        If there are fewer than two captions (of one, every idf is 0), or one has no reference.
    ImportError
        If pycocoevalcap is not installed.
    """
    if len(captions) < 2 or len(captions) != len(told):
        raise ValueError(f"scores need two captions or more, with references for each: {len(captions)} and {len(told)}")
    try:
        from pycocoevalcap.bleu.bleu_scorer import BleuScorer
        from pycocoevalcap.cider.cider import Cider
        from pycocoevalcap.rouge.rouge import Rouge
    except ImportError as error:
        raise ImportError("captions are scored with pycocoevalcap: pip install 'modiste[captioning]'") from error
    truth = {number: [" ".join(words(one)) for one in texts] for number, texts in enumerate(told)}
    if empty := [number for number, texts in truth.items() if not any(texts)]:
        raise ValueError(f"caption {empty[0]} has no reference with a word in it")
    answers = {number: [" ".join(words(one))] for number, one in enumerate(captions)}
    by = {"seed": seed, "resamples": resamples, "clusters": clusters}
    bleu = BleuScorer(n=_ORDER)
    for number, (one,) in answers.items():
        bleu += (one, truth[number])
    found = {"BLEU-4": _bleu_with_interval(bleu.ctest, **by)}  # type: ignore[arg-type]
    if shutil.which("java"):
        whole, each = _meteor().compute_score(truth, answers)
        found["METEOR"] = _moved(mean_with_interval(np.array(each), **by), whole)  # type: ignore[arg-type]
    for key, scorer in (("ROUGE-L", Rouge()), ("CIDEr", Cider())):
        each = scorer.compute_score(truth, answers)[1]
        found[key] = mean_with_interval(np.array(each), **by)  # type: ignore[arg-type]
    return {key: found[key].scaled(100) for key in METRICS if key in found}


@lru_cache(maxsize=1)
def _meteor() -> Any:
    """One process for all: reading its table of paraphrases takes seconds. It ends with this one."""
    from pycocoevalcap.meteor.meteor import Meteor

    return Meteor()


def _told(item: Item, reference: Told) -> str:
    return item.title if reference == "title" else item.text


def _moved(estimate: Estimate, mean: float) -> Estimate:
    """The same interval around another value."""
    by = mean - estimate.mean
    return Estimate(mean, estimate.low + by, estimate.high + by, estimate.count)


def _bleu_with_interval(
    counted: Sequence[Mapping[str, Any]], *, seed: int, resamples: int, clusters: Sequence[str] | None
) -> Estimate:
    """Corpus BLEU-4 from what the library counted for each caption, and its interval over products drawn anew."""
    numbers = np.arange(len(counted))
    if clusters is not None:
        numbers = np.unique(np.asarray(clusters), return_inverse=True)[1].reshape(-1)
    sums = np.zeros((int(numbers.max()) + 1, 2 + 2 * _ORDER))
    for number, one in zip(numbers, counted, strict=True):
        closest = min((abs(length - one["testlen"]), length) for length in one["reflen"])[1]
        sums[number] += [one["testlen"], closest, *one["correct"], *one["guess"]]
    random = np.random.default_rng(seed)
    resampled = np.empty(resamples)
    for row in range(resamples):
        drawn = np.bincount(random.integers(len(sums), size=len(sums)), minlength=len(sums))
        resampled[row] = _bleu(drawn @ sums)
    mean = _bleu(sums.sum(axis=0))
    low, high = np.quantile(resampled, [0.025, 0.975]) if resamples else (mean, mean)
    return Estimate(mean, min(float(low), mean), max(float(high), mean), len(counted), resampled)


def _bleu(sums: NDArray[np.float64]) -> float:
    """Length, closest reference length, n-grams that are right, n-grams -> BLEU-4 as the library has it."""
    length, closest = sums[:2]
    right, all_ = sums[2 : 2 + _ORDER], sums[2 + _ORDER :]
    precision = float(np.prod((right + _TINY) / (all_ + _SMALL)) ** (1 / _ORDER))
    ratio = (length + _TINY) / (closest + _SMALL)
    return precision * (float(np.exp(1 - 1 / ratio)) if ratio < 1 else 1.0)
