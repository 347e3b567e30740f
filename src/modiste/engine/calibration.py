"""From scores to probabilities, for compatibility S and for text match: without it alpha means nothing.

Cosines of image and text spread over a tenth of their range while S fills all of [0, 1], so that in alpha·S + (1-alpha)·match
the text is hardly heard at alpha = 0.5. Two calibrators put both terms on one scale: the probability that a set of items is
compatible, and the probability that an item is what a wish says. They are fitted on held data, kept as JSON beside the model,
and judged by a reliability curve and its expected calibration error (ECE).

    Platt, "Probabilistic outputs for support vector machines", 1999: a logistic curve, fitted to smoothed targets. His scores
    were distances; those of a scorer that ends in a sigmoid are squeezed into [0, 1], and become distances again as log-odds
    (Kull, Silva Filho and Flach, AISTATS 2017, with one slope for both sides).
    Zadrozny and Elkan, KDD 2002: isotonic regression.

Shapes: N scores.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from modiste.files import parse_json, require_unchanged, signed, write_atomically

Method = Literal["log-odds", "logistic", "isotonic"]
METHODS: tuple[Method, ...] = ("log-odds", "logistic", "isotonic")
Values = NDArray[np.float64]

FILE_NAME = "calibration.json"  # in a catalogue's folder, the one that counts
FORMAT = 1
MATCH_THRESHOLD = 0.5  # P(match) under which the best item for a wish is "not in this catalogue"
_MAX_STEPS = 200
_REFERENCE_POINTS = 201  # quantiles kept of the reference looks' scores: every half percent


@dataclass(frozen=True, slots=True)
class Calibrator:
    """A curve that never falls, from a score to a probability.

    Logistic: 1 / (1 + exp(-(slope·score + intercept))). Log-odds: the same of log(score / (1 - score)), for scores in [0, 1],
    what lies outside taken for the end. Isotonic: straight lines between knots, level outside of them.
    """

    method: Method
    slope: float = 1.0
    intercept: float = 0.0
    knots: tuple[float, ...] = ()  # isotonic: scores, ascending
    values: tuple[float, ...] = ()  # isotonic: their probabilities

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise ValueError(f"unknown method {self.method!r}; choose one of {', '.join(METHODS)}")
        numbers = (self.slope, self.intercept, *self.knots, *self.values)
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError("a calibrator's numbers must be finite")
        if self.method != "isotonic" and self.slope <= 0:
            raise ValueError(
                f"slope must be positive, not {self.slope}: a better score must not become a worse probability"
            )
        if self.method == "isotonic":
            if not self.knots or len(self.knots) != len(self.values):
                raise ValueError(
                    f"an isotonic curve needs as many values as knots, not {len(self.values)} and {len(self.knots)}"
                )
            if any(np.diff(self.knots) <= 0) or any(np.diff(self.values) < 0):
                raise ValueError("the knots of an isotonic curve must rise, and its values must not fall")
            if self.values[0] < 0 or self.values[-1] > 1:
                raise ValueError("the values of an isotonic curve must lie in [0, 1]")

    def __call__(self, scores: ArrayLike) -> Values:
        """Probabilities in [0, 1], of the shape of `scores`."""
        given = np.asarray(scores, dtype=np.float64)
        if self.method != "isotonic":
            given = log_odds(given) if self.method == "log-odds" else given
            return sigmoid(self.slope * given + self.intercept)
        return np.interp(given, self.knots, self.values)

    @classmethod
    def fit(cls, scores: ArrayLike, labels: ArrayLike, method: Method = "logistic") -> Calibrator:
        """The curve that fits (N,) scores and their (N,) labels, 1 or 0, best.

        Raises `ValueError` when shapes differ, a score is not finite, a label is neither 0 nor 1, only one of the labels
        occurs, or the scores do not rise with the labels (the logistic curve would turn the ranking round).
        """
        values, truth = _checked(scores, labels)
        if not 0 < truth.sum() < len(truth):
            raise ValueError(f"{len(truth)} labels that are all {int(truth[0])}: calibration needs both kinds")
        if method in ("logistic", "log-odds"):
            slope, intercept = _platt(log_odds(values) if method == "log-odds" else values, truth)
            if slope <= 0:
                raise ValueError("the scores do not rise with the labels; there is nothing to calibrate")
            return cls(method, slope, intercept)
        if method != "isotonic":
            raise ValueError(f"unknown method {method!r}; choose one of {', '.join(METHODS)}")
        from sklearn.isotonic import IsotonicRegression  # a second to import, and only fitting needs it

        curve = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(values, truth)
        knots = np.asarray(curve.X_thresholds_, dtype=np.float64)
        heights = np.maximum.accumulate(np.clip(np.asarray(curve.y_thresholds_, dtype=np.float64), 0, 1))
        return cls("isotonic", knots=tuple(knots.tolist()), values=tuple(heights.tolist()))

    def as_dict(self) -> dict[str, Any]:
        if self.method != "isotonic":
            return {"method": self.method, "slope": self.slope, "intercept": self.intercept}
        return {"method": self.method, "knots": list(self.knots), "values": list(self.values)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Calibrator:
        """Raises `ValueError` for a key that is unknown or a value that does not fit."""
        if not isinstance(values, Mapping) or "method" not in values:
            raise ValueError("a calibrator is an object with a 'method'")
        line = {"method", "slope", "intercept"}
        allowed = {"logistic": line, "log-odds": line, "isotonic": {"method", "knots", "values"}}
        if values["method"] not in METHODS:
            raise ValueError(f"unknown method {values['method']!r}; choose one of {', '.join(METHODS)}")
        if unknown := sorted(set(values) ^ allowed[values["method"]]):
            raise ValueError(
                f"a {values['method']} calibrator has {sorted(allowed[values['method']])}; look at {unknown}"
            )
        try:
            if values["method"] != "isotonic":
                return cls(values["method"], float(values["slope"]), float(values["intercept"]))
            knots, heights = (tuple(float(one) for one in values[name]) for name in ("knots", "values"))
        except TypeError as error:
            raise ValueError(f"a calibrator's numbers are numbers: {error}") from error
        return cls("isotonic", knots=knots, values=heights)


@dataclass(frozen=True, slots=True)
class Calibration:
    """What turns one scorer's S and one encoder's cosines into probabilities, and what a score is compared with.

    `match` takes the cosine of item and wish, and says whether the wish is fulfilled at all. `nearness` takes how far that
    cosine is below the best one of the item's slot: cosines of one wish lie higher than those of another, so within a slot
    it tells right from wrong far better, and it is what a search weighs candidates by (`Objective.fulfilment`).
    `reference` holds quantiles of S over real looks, ascending: the answer to "is 0.8 good?" is the share of them below.
    `scorer` and `encoder` name whose numbers these are (empty: not said); the engine refuses those of another encoder.
    """

    compatibility: Calibrator | None = None
    match: Calibrator | None = None
    reference: tuple[float, ...] = ()
    match_threshold: float = MATCH_THRESHOLD
    scorer: str = ""
    encoder: str = ""
    nearness: Calibrator | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.match_threshold <= 1:
            raise ValueError(f"match_threshold must lie in [0, 1], not {self.match_threshold}")
        if self.nearness is not None and self.nearness.method != "logistic":
            raise ValueError("nearness is a logistic curve: of an isotonic one, far candidates would all be alike")
        if any(np.diff(self.reference) < 0):
            raise ValueError("the reference scores must ascend")

    def percentile(self, score: float) -> float | None:
        """The percentage of reference looks whose S is lower than `score`, ties counted half; None without any."""
        return percentile(score, self.reference) if self.reference else None

    def as_dict(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "compatibility": self.compatibility.as_dict() if self.compatibility else None,
            "match": self.match.as_dict() if self.match else None,
            "reference": list(self.reference),
            "match_threshold": self.match_threshold,
            "scorer": self.scorer,
            "encoder": self.encoder,
            "nearness": self.nearness.as_dict() if self.nearness else None,
        }

    def save(self, path: str | Path) -> Path:
        """Write JSON, whole or not at all."""
        text = json.dumps(signed(self.as_dict()), indent=2, ensure_ascii=False, allow_nan=False)
        return write_atomically(Path(path), (text + "\n").encode("utf-8"))

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Raises `ValueError` naming the file and the field that does not fit."""
        try:
            values = parse_json(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ValueError(f"no calibration at {path}; fit one on held data, or ask for calibration='none'") from None
        except (OSError, ValueError) as error:
            raise ValueError(f"{path} cannot be read as JSON: {error}") from error
        names = set(cls().as_dict())
        if isinstance(values, dict):
            try:
                values = require_unchanged(values)
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error
        if not isinstance(values, dict) or set(values) - names or values.get("format") != FORMAT:
            raise ValueError(f"{path}: expected an object of format {FORMAT} with {', '.join(sorted(names))}")
        try:
            curves = {
                name: Calibrator.from_dict(values[name]) if values.get(name) is not None else None
                for name in ("compatibility", "match", "nearness")
            }
            return cls(
                **curves,
                reference=tuple(float(one) for one in values.get("reference", ())),
                match_threshold=float(values.get("match_threshold", MATCH_THRESHOLD)),
                scorer=str(values.get("scorer", "")),
                encoder=str(values.get("encoder", "")),
            )
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}: {error}") from error


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar of a reliability diagram: predictions in [lower, upper), what they said on average, what happened."""

    lower: float
    upper: float
    count: int
    predicted: float
    observed: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """A reliability curve (bins without predictions left out) and its expected calibration error."""

    bins: tuple[Bin, ...]
    ece: float

    def as_dict(self) -> dict[str, Any]:
        names = Bin.__dataclass_fields__
        return {"ece": self.ece, "bins": [{name: getattr(one, name) for name in names} for one in self.bins]}


NUM_BINS = 10


def reliability(probabilities: ArrayLike, labels: ArrayLike, num_bins: int = NUM_BINS) -> Reliability:
    """Compare (N,) probabilities with what happened, in bins of equal width (Guo et al., ICML 2017, section 2).

    Raises `ValueError` for shapes that differ, a label that is not 0 or 1, or a number outside [0, 1].
    """
    values, truth = _checked(probabilities, labels)
    if values.min() < 0 or values.max() > 1:
        raise ValueError("probabilities must lie in [0, 1]; these look like scores")
    if num_bins < 1:
        raise ValueError(f"num_bins must be at least 1, not {num_bins}")
    place = _bins_of(values, num_bins)
    bins = []
    for number in range(num_bins):
        inside = place == number
        if count := int(inside.sum()):
            means = float(values[inside].mean()), float(truth[inside].mean())
            bins.append(Bin(number / num_bins, (number + 1) / num_bins, count, *means))
    error = sum(one.count * abs(one.predicted - one.observed) for one in bins) / len(values)
    return Reliability(tuple(bins), float(error))


def _bins_of(values: Values, num_bins: int) -> NDArray[np.int64]:
    """(N,) probabilities -> which of so many bins of equal width each is in."""
    return np.minimum((values * num_bins).astype(np.int64), num_bins - 1)


def ece_interval(
    probabilities: ArrayLike, labels: ArrayLike, groups: Sequence[str], *, seed: int = 0, resamples: int = 500
) -> tuple[float, float]:
    """A 95 % bootstrap interval of the expected calibration error, groups resampled whole.

    The error of a sample is larger than that of what it is drawn from, and a resampled one larger still; the interval is
    therefore the mirrored one ("basic": twice the estimate less the upper and lower quantiles), cut off at 0.
    """
    values, truth = _checked(probabilities, labels)
    estimate = reliability(values, truth).ece
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    place = _bins_of(values, NUM_BINS)
    # Per group and bin: the sum of what was said less what happened; an error is the sum of their absolute sums over bins.
    table = np.zeros((len(names), NUM_BINS))
    np.add.at(table, (member, place), values - truth)
    sizes = np.bincount(member, minlength=len(names)).astype(np.float64)
    random = np.random.default_rng(seed)
    drawn = random.multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples).astype(np.float64)
    errors = np.abs(drawn @ table).sum(axis=1) / (drawn @ sizes)
    low, high = np.quantile(errors, (0.025, 0.975))
    return float(max(0.0, 2 * estimate - high)), float(max(0.0, 2 * estimate - low))


def reference_quantiles(scores: ArrayLike, num_points: int = _REFERENCE_POINTS) -> tuple[float, ...]:
    """Evenly spaced quantiles of the scores of real looks, for `Calibration.reference`; all of them when they are few."""
    values = np.sort(np.asarray(scores, dtype=np.float64).ravel())
    if not len(values) or not np.isfinite(values).all():
        raise ValueError("reference scores must be finite, and at least one")
    if len(values) > num_points:
        values = np.quantile(values, np.linspace(0, 1, num_points))
    return tuple(values.tolist())


def percentile(score: float, reference: Sequence[float]) -> float:
    """The percentage of `reference` (ascending) below `score`, those equal to it counted half."""
    if not len(reference):
        raise ValueError("a percentile needs reference scores")
    below, upto = np.searchsorted(reference, score, "left"), np.searchsorted(reference, score, "right")
    return float(50.0 * (below + upto) / len(reference))


def log_odds(scores: ArrayLike) -> Values:
    """log(s / (1 - s)); scores that float32 cannot tell from 0 or 1 are taken for the nearest that it can."""
    given = np.clip(np.asarray(scores, dtype=np.float64), 1e-12, 1 - 2.0**-24)
    return np.log(given) - np.log1p(-given)


def sigmoid(values: ArrayLike) -> Values:
    """1 / (1 + exp(-values)) without overflow."""
    given = np.asarray(values, dtype=np.float64)
    small = np.exp(-np.abs(given))
    return np.where(given >= 0, 1 / (1 + small), small / (1 + small))


def _checked(scores: ArrayLike, labels: ArrayLike) -> tuple[Values, Values]:
    values, truth = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if values.ndim != 1 or values.shape != truth.shape or not len(values):
        raise ValueError(f"scores {values.shape} and labels {truth.shape} must be flat, of one length, and not empty")
    if not np.isfinite(values).all():
        raise ValueError(f"score {int(np.flatnonzero(~np.isfinite(values))[0])} is not finite")
    if not np.isin(truth, (0, 1)).all():
        raise ValueError("labels must be 0 or 1")
    return values, truth


def _platt(values: Values, truth: Values) -> tuple[float, float]:
    """Slope and intercept by Newton's method with backtracking (Lin, Lin and Weng, 2007).

    The targets are smoothed, (N+ + 1) / (N+ + 2) for 1 and 1 / (N- + 2) for 0, so separable scores get a finite slope.
    """
    positives = truth.sum()
    targets = np.where(truth == 1, (positives + 1) / (positives + 2), 1 / (len(truth) - positives + 2))
    centre, spread = float(values.mean()), float(values.std()) or 1.0
    features = np.stack([(values - centre) / spread, np.ones_like(values)], axis=1)  # (N, 2)

    def loss(weights: Values) -> float:
        logits = features @ weights
        return float(np.sum(np.logaddexp(0, logits) - targets * logits))

    weights = np.array([0.0, math.log((positives + 1) / (len(truth) - positives + 1))])
    current = loss(weights)
    for _ in range(_MAX_STEPS):
        found = sigmoid(features @ weights)
        gradient = features.T @ (found - targets)
        curvature = (features * (found * (1 - found))[:, None]).T @ features + 1e-12 * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while size > 1e-10 and (new := loss(weights - size * step)) > current - 1e-4 * size * float(gradient @ step):
            size /= 2
        if size <= 1e-10 or current - new < 1e-12 * max(1.0, abs(current)):
            break
        weights, current = weights - size * step, new
    slope = float(weights[0]) / spread
    return slope, float(weights[1]) - slope * centre
