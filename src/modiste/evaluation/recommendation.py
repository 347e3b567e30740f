"""Personalised outfit recommendation: every outfit ranked for every user (specification 4.4).

Candidates
    All outfits of the data but those that the user is known to have clicked: in training, and, where `test` is measured, in
    validation. Negatives are never sampled, and no test click is hidden from anything: HFGN's released code draws training
    negatives around the test positives.
ndcg@K
    DCG / ideal DCG with gain 1 / log2(1 + place) for every hit of the first K; ideal are min(K, positives) hits at the top.
    `legacy` is the released code's: ideal are the hits there were, moved to the top, so that a user with one late hit of ten
    looks as good as one who had nothing else to find. It is always higher, and stands beside the standard under its own key.
recall@K, hr@K
    The share of a user's positives among the first K, and whether any is there.
All are means over the users with a click to be found, from 0 to 1. Outfits that tie have no order: each number is its expected
value over all orders, so a constant scorer lands exactly at chance (`_chance`).
cold_users_, cold_outfits_
    The same of users with few training clicks (`COLD_USER`); and of the positives with few training clicks (`COLD_OUTFIT`)
    alone, ranked among all candidates, as a mean over the users who have such.
Intervals
    95 % bootstrap over users. They speak of other users of the same shop, not of other training runs.
Do not compare with: sampled negatives, other divisions, the `legacy` ideal.

Shapes: U users, O outfits, B users of a batch, P positives, K places.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from modiste.data.interactions import Interactions
from modiste.evaluation.metrics import BestTie, Estimate, means_with_intervals, recall_from
from modiste.types import FloatArray, OutfitRecommender

KS = (10, 20, 50)
COLD_USER, COLD_OUTFIT = 5, 10  # training clicks, at most
_BATCH = 4_000_000  # scores looked at together

Counts = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the positives of the measured users stand among their candidates, (P,) each."""

    user: Counts  # place of the user among those measured
    outfit: Counts  # row
    above: Counts  # candidates that score higher
    tied: Counts  # candidates that score the same, itself included

    def of(self, chosen: NDArray[np.bool_]) -> Places:
        return Places(self.user[chosen], self.outfit[chosen], self.above[chosen], self.tied[chosen])


@dataclass(frozen=True, slots=True)
class RecommendationReport:
    """The numbers of one run, from 0 to 1."""

    split: str
    metrics: Mapping[str, Estimate]  # "ndcg@20", "cold_users_recall@50", ...
    chance: Mapping[str, float]  # the same keys: exactly what a constant scorer gets
    num_users: int  # measured
    num_positives: int
    num_candidates: float  # mean over the users
    cold_users: int
    cold_positives: int
    seed: int
    resamples: int
    seconds: float  # of scoring and counting
    controls: Mapping[str, Mapping[str, Estimate]] = field(default_factory=dict)  # name -> the same keys
    reference: Mapping[str, Estimate] = field(default_factory=dict)  # of the best possible, where it is known
    protocol: str = "recommendation"

    @property
    def ratios(self) -> dict[str, Estimate]:
        """Measured / best possible, where that is known."""
        return {key: self.metrics[key].relative_to(best) for key, best in self.reference.items() if best.mean > 0}

    def as_dict(self) -> dict[str, Any]:
        """JSON values. Keys: each metric with `_low`, `_high` and `_chance` beside it, `control_<name>_` before a control's,
        `reference_` before the best possible's and `ratio_` before the ratio to it."""
        found: dict[str, Any] = {"protocol": self.protocol, "units": "0 to 1"}
        for key, estimate in self.metrics.items():
            found |= estimate.spelled(key) | {f"{key}_chance": self.chance[key]}
        for name, estimates in self.controls.items():
            for key, estimate in estimates.items():
                found |= estimate.spelled(f"control_{name}_{key}")
        for key, estimate in self.reference.items():
            found |= estimate.spelled(f"reference_{key}")
        for key, estimate in self.ratios.items():
            found |= estimate.spelled(f"ratio_{key}")
        return found | {
            "num_users": self.num_users,
            "num_positives": self.num_positives,
            "num_candidates": self.num_candidates,
            "cold_users": self.cold_users,
            "cold_positives": self.cold_positives,
            "seed": self.seed,
            "resamples": self.resamples,
            "seconds": self.seconds,
        }

    def table(self) -> list[list[str]]:
        """Rows of words, the header first."""
        rows = [["metric", "value", "95 % interval", "chance", *self.controls]]
        rows[0] += ["best possible", "ratio"] if self.reference else []
        ratios = self.ratios
        for key, estimate in self.metrics.items():
            row = [key, f"{estimate.mean:.4f}", f"{estimate.low:.4f} to {estimate.high:.4f}", f"{self.chance[key]:.4f}"]
            row += [f"{control[key].mean:.4f}" if key in control else "–" for control in self.controls.values()]
            if self.reference:
                row += [f"{self.reference[key].mean:.4f}" if key in self.reference else "–"]
                row += [f"{ratios[key].mean:.3f}" if key in ratios else "–"]
            rows.append(row)
        return rows


def evaluate_recommender(
    data: Interactions,
    recommender: OutfitRecommender,
    split: str = "test",
    ks: Sequence[int] = KS,
    *,
    legacy: bool = False,
    num_users: int = 0,
    seed: int = 0,
    resamples: int = 1000,
    controls: Mapping[str, OutfitRecommender] | None = None,
    reference: OutfitRecommender | None = None,
) -> RecommendationReport:
    """Rank all outfits for every user with a click in `split`; the module's docstring says how.

    Parameters
    ----------
    recommender
        Fitted on `data.only("train")`; nothing here hands it a click.
    split
        "valid" or "test".
    ks
        Places looked at.
    legacy
        Also report `ndcg_legacy@K`.
    num_users
        Measure only so many users, drawn by the seed; 0 for all.
    seed
        Of the bootstrap, of `num_users`, and of the order of ties where `legacy` needs one.
    controls
        Name -> a recommender asked the same.
    reference
        The best possible recommender, where the world is known.

    Raises
    ------
    ValueError
        If the split is not there or has no click, a k is below 1, or scores have the wrong shape or are not finite: the user is
        named.
    """
    if split not in ("valid", "test") or split not in data.clicks or not data.clicks[split].nnz:
        there = ", ".join(name for name, clicks in data.clicks.items() if name != "train" and clicks.nnz) or "none"
        raise ValueError(f"{data.name or 'this data'}: no click in split {split!r} to rank by; there is {there}")
    if not ks or min(ks) < 1:
        raise ValueError(f"places to look at must be at least 1, not {list(ks)}")
    known, positives = known_and_positive(data, split)
    started = time.perf_counter()
    users = np.flatnonzero(np.diff(positives.indptr))
    if num_users:
        if not 1 <= num_users <= len(users):
            raise ValueError(f"users to measure must lie between 1 and the {len(users):,} there are, not {num_users}")
        users = np.sort(np.random.default_rng(seed).choice(users, num_users, replace=False))
    places = places_of_positives(recommender, users, known, positives, data.user_ids)
    seconds = time.perf_counter() - started
    trained = data.clicks["train"]
    cold = _Cold(
        np.diff(trained.indptr)[users] <= COLD_USER,
        np.bincount(trained.indices, minlength=data.num_outfits) <= COLD_OUTFIT,
    )

    def measured(found: Places) -> dict[str, Estimate]:
        return _measured(found, len(users), ks, cold, legacy=legacy, seed=seed, resamples=resamples)

    candidates = data.num_outfits - np.diff(known.indptr)[users]
    level = Places(places.user, places.outfit, np.zeros_like(places.above), candidates[places.user])
    chance = _measured(level, len(users), ks, cold, legacy=legacy, seed=seed, resamples=0)
    beside = {
        name: measured(places_of_positives(one, users, known, positives, data.user_ids))
        for name, one in (controls or {}).items()
    }
    best: dict[str, Estimate] = {}
    if reference is not None:
        best = measured(places_of_positives(reference, users, known, positives, data.user_ids))
        # Best for all positives together, which is not best for the cold ones among them.
        best = {key: one for key, one in best.items() if not key.startswith("cold_outfits_")}
    return RecommendationReport(
        split=split,
        metrics=measured(places),
        chance={key: estimate.mean for key, estimate in chance.items()},
        num_users=len(users),
        num_positives=len(places.user),
        num_candidates=float(candidates.mean()),
        cold_users=int(cold.users.sum()),
        cold_positives=int(cold.outfits[places.outfit].sum()),
        seed=seed,
        resamples=resamples,
        seconds=seconds,
        controls=beside,
        reference=best,
    )


def known_and_positive(data: Interactions, split: str) -> tuple[csr_array, csr_array]:
    """(U, O) each: clicks that are no candidates when a split is measured, and those that are to be found."""
    known = data.clicks["train"]
    if split == "test" and "valid" in data.clicks:
        known = (known + data.clicks["valid"]).tocsr()
    known.sort_indices()
    return known, data.clicks[split]


def places_of_positives(
    recommender: OutfitRecommender,
    users: Counts,
    known: csr_array,
    positives: csr_array,
    user_ids: Sequence[str] = (),
) -> Places:
    """Count what beats and what ties with each positive of these users; nothing is sorted.

    Raises `ValueError` for scores of another shape than (B, O) or that are not finite.
    """
    num_outfits = positives.shape[1]
    step = max(1, _BATCH // max(1, num_outfits))
    parts: list[tuple[Counts, Counts, Counts, Counts]] = []
    for start in range(0, len(users), step):
        some = users[start : start + step]
        scores = _checked(recommender.scores(some), (len(some), num_outfits), some, user_ids)
        out = known[some]
        rows = np.repeat(np.arange(len(some)), np.diff(out.indptr))
        scores[rows, out.indices] = -np.inf  # no candidates: below everything
        wanted = positives[some]
        user = np.repeat(np.arange(len(some)), np.diff(wanted.indptr))
        outfit = wanted.indices.astype(np.int64)
        above, tied = np.empty(len(user), dtype=np.int64), np.empty(len(user), dtype=np.int64)
        for at, (row, column) in enumerate(zip(user.tolist(), outfit.tolist(), strict=True)):
            line = scores[row]
            above[at] = np.count_nonzero(line > line[column])
            tied[at] = np.count_nonzero(line == line[column])
        parts.append((user + start, outfit, above, tied))
    return Places(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _checked(scores: FloatArray, shape: tuple[int, int], users: Counts, user_ids: Sequence[str]) -> FloatArray:
    """The scores as an array of our own to write into."""
    found: FloatArray = np.array(scores, dtype=np.float32)
    if found.shape != shape:
        raise ValueError(f"scores of {shape[0]} users for {shape[1]} outfits must be {shape}, not {found.shape}")
    if not np.isfinite(found.sum(dtype=np.float64)) and len(bad := np.flatnonzero(~np.isfinite(found).all(axis=1))):
        row = int(users[bad[0]])
        raise ValueError(f"user {user_ids[row] if user_ids else row!r}: a score is not finite")
    return found


@dataclass(frozen=True, slots=True)
class _Cold:
    users: NDArray[np.bool_]  # of those measured
    outfits: NDArray[np.bool_]  # (O,)


def _measured(
    places: Places, num_users: int, ks: Sequence[int], cold: _Cold, *, legacy: bool, seed: int, resamples: int
) -> dict[str, Estimate]:
    """Means over all users, over cold users, and over users with cold positives, of these alone."""
    names, values = per_user(places, num_users, ks, legacy=legacy, seed=seed)
    few = places.of(cold.outfits[places.outfit])
    with_cold = np.unique(few.user)
    _, cold_values = per_user(few, num_users, ks, legacy=legacy, seed=seed)
    found: dict[str, Estimate] = {}
    for prefix, array in (("", values), ("cold_users_", values[cold.users]), ("cold_outfits_", cold_values[with_cold])):
        if len(array):
            estimates = means_with_intervals(array, seed=seed, resamples=resamples)
            found |= {f"{prefix}{name}": one for name, one in zip(names, estimates, strict=True)}
    return found


def per_user(
    places: Places, num_users: int, ks: Sequence[int], *, legacy: bool = False, seed: int = 0
) -> tuple[list[str], Values]:
    """Names of metrics, and (users, metrics) their expected values; a user without a positive has zeros."""
    positives = np.bincount(places.user, minlength=num_users)
    discount = np.concatenate([[0.0], np.cumsum(1 / np.log2(np.arange(2, max(ks) + 2)))])  # sum of the first n gains
    best = _best_tie(places, num_users)
    columns: dict[str, Values] = {}
    for k in ks:
        first, last = np.minimum(places.above, k), np.minimum(places.above + places.tied, k)
        gain = (discount[last] - discount[first]) / places.tied
        ideal = discount[np.minimum(positives, k)]
        columns[f"ndcg@{k}"] = _sum(places, gain, num_users) / np.where(ideal > 0, ideal, 1)
        inside = _sum(places, (last - first) / places.tied, num_users)
        columns[f"recall@{k}"] = inside / np.maximum(positives, 1)
        columns[f"hr@{k}"] = np.where(positives > 0, recall_from(best, k), 0)
        if legacy:
            columns[f"ndcg_legacy@{k}"] = _legacy(places, num_users, k, seed, discount)
    return list(columns), np.stack(list(columns.values()), axis=1)


def _sum(places: Places, values: Values, num_users: int) -> Values:
    return np.bincount(places.user, weights=values, minlength=num_users).astype(np.float64)


def _best_tie(places: Places, num_users: int) -> BestTie:
    """Of each user her best positive, and how many others are level with it."""
    above = np.full(num_users, np.iinfo(np.int64).max)
    np.minimum.at(above, places.user, places.above)
    level = places.above == above[places.user]
    relevant = np.bincount(places.user[level], minlength=num_users)
    tied = np.ones(num_users, dtype=np.int64)
    tied[places.user[level]] = places.tied[level]
    return BestTie(np.where(relevant > 0, above, 0), tied, np.maximum(relevant, 1))


def _legacy(places: Places, num_users: int, k: int, seed: int, discount: Values) -> Values:
    """NDCG whose ideal are the hits there were: a ratio, so ties are put in one order, drawn by the seed."""
    rng = np.random.default_rng(seed)
    # Positives of one user that tie take different places: the ranks within a random order of the tied.
    place = places.above + 1
    order = np.lexsort((rng.random(len(place)), places.above, places.user))
    groups: dict[tuple[int, int], list[int]] = {}
    for at in order.tolist():
        groups.setdefault((int(places.user[at]), int(places.above[at])), []).append(at)
    for members in groups.values():
        tied = int(places.tied[members[0]])
        if tied > 1:
            place[members] += rng.choice(tied, size=len(members), replace=False)
    hit = place <= k
    gain = _sum(places, np.where(hit, 1 / np.log2(place + 1.0), 0), num_users)
    ideal = discount[np.minimum(np.bincount(places.user[hit], minlength=num_users), k)]
    return gain / np.where(ideal > 0, ideal, 1)
