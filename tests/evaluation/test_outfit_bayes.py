"""The generated world's own questions, and the best possible numbers beside the measured ones."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from modiste.data.atelier.bayes import AGAINST, bayes_scorer
from modiste.data.atelier.hard_negatives import BREAKABLE
from modiste.data.atelier.looks import atelier_outfits
from modiste.data.atelier.questions import with_questions
from modiste.data.atelier.styles import STYLE_NAMES
from modiste.data.style import Facts, broken_rules, traits
from modiste.evaluation.outfit_bayes import bayes_reference
from modiste.evaluation.outfits import OutfitReport, evaluate_outfits
from modiste.models.outfit_statistics import Constant
from modiste.types import OutfitScorer

sys.path.insert(0, str(Path(__file__).parent))
from outfit_protocol_toys import ByIds

WORLD = with_questions(atelier_outfits(1_200, 5, num_looks=900), "test", seed=1)
REFERENCE = bayes_reference(WORLD)


def run(scorer: OutfitScorer, **options: object) -> OutfitReport:
    return evaluate_outfits(WORLD, scorer, **{"controls": False, "resamples": 50, **options})  # type: ignore[arg-type]


def test_questions_are_drawn_by_the_seed_and_break_one_rule() -> None:
    world = replace(WORLD, cp={}, fitb={})
    again, other = with_questions(world, "test", seed=1), with_questions(world, "test", num_looks=40, seed=2)
    assert (again.cp, again.fitb, again.looks) == (WORLD.cp, WORLD.fitb, WORLD.looks)
    [judged] = other.cp.values()
    assert (len(judged), sum(one.label for one in judged)) == (80, 40)
    hard = other.fitb["test/hard"]
    by_rule = {name: some for name, some in other.fitb.items() if name != "test/hard"}
    assert sorted(hard, key=repr) == sorted((one for some in by_rule.values() for one in some), key=repr)
    assert len(by_rule) > len(BREAKABLE) / 2
    looks = {frozenset(look.item_ids) for look in WORLD.looks["test"]}
    for name, some in by_rule.items():
        assert len(some) <= 40
        for question in some:
            wrong = next(one for one in question.candidates if one != question.correct)
            assert {*question.partial, question.correct} in looks
            broken = broken_rules(Facts.of([traits(WORLD.items[one]) for one in (*question.partial, wrong)]))
            assert name == f"test/hard_{broken[0]}"
            assert len(broken) == 1
    with pytest.raises(ValueError, match="no split 'exam'"):
        with_questions(world, "exam")
    with pytest.raises(ValueError, match="must not be negative"):
        with_questions(world, "test", num_looks=-1)


def test_a_constant_scorer_is_at_chance_and_a_perfect_one_at_the_top() -> None:
    right = {frozenset(one.item_ids) for one in WORLD.cp["test/declined"] if one.label}
    right |= {frozenset(look.item_ids) for look in WORLD.looks["test"]}
    blind, perfect = run(Constant()), run(ByIds(lambda ids: 1.0 if ids in right else 0.1))
    assert {"cp_declined_auc", "fitb_hard_accuracy", "fitb_hard_season_accuracy"} <= blind.metrics.keys()
    for key, estimate in blind.metrics.items():
        assert estimate.mean == pytest.approx(blind.chance[key]), key
        assert perfect.metrics[key].mean == (1 if key.endswith("auc") else 100), key
    assert blind.chance["fitb_hard_accuracy"] == 50
    assert blind.negatives["fitb_hard_accuracy"] == "the data set's own"


def test_no_scorer_beats_the_reference_of_its_protocol() -> None:
    rivals = {f"against {one}": bayes_scorer(WORLD, against=one, draws=500) for one in (None, *AGAINST)}
    rivals |= {name: bayes_scorer(WORLD, style=name) for name in STYLE_NAMES[:2]}
    reports = {name: run(scorer, reference=REFERENCE, resamples=0) for name, scorer in rivals.items()}
    best = reports["against None"].reference
    asked = set(reports["against None"].metrics)
    assert asked == set(best)  # of everything asked in this world the best is known
    for name, report in reports.items():
        for key, estimate in report.metrics.items():
            if "hard_" not in key:  # a rule alone has a handful of questions
                slack = 0.01 if key.endswith("auc") else 4
                assert estimate.mean < best[key].mean + slack, (name, key)
    for key, name in (
        ("cp_auc", "category"), ("cp_popularity_auc", "category"), ("cp_random_auc", "random"), ("cp_declined_auc", "declined")
    ):  # fmt: skip
        others = [reports[f"against {one}"].metrics[key].mean for one in (None, *AGAINST) if one != name]
        assert best[key].mean > max(others) - 0.005, key
    assert best["cp_random_auc"].mean > best["cp_auc"].mean
    assert 80 < best["fitb_hard_accuracy"].mean < 100  # stylists are forgiving: no upper bound, and documented so
    assert best["fitb_accuracy"].mean > 35


def test_the_ratio_is_one_for_the_reference_itself_and_has_an_interval() -> None:
    report = run(bayes_scorer(WORLD, against=None), reference=REFERENCE)
    for key in ("fitb_accuracy", "fitb_hard_accuracy", "cir_R@10"):
        ratio = report.ratios[key]
        assert (ratio.mean, ratio.low, ratio.high) == (1, 1, 1)
    blind = run(Constant(), reference=REFERENCE)
    found = json.loads(json.dumps(blind.as_dict(), allow_nan=False))
    assert found["reference"] == "Bayes"
    assert found["ratio_cp_auc"] == pytest.approx(0.5 / found["reference_cp_auc"])
    assert found["ratio_cp_auc_low"] < found["ratio_cp_auc"] < found["ratio_cp_auc_high"]
    table = blind.table()
    assert table[0][-2:] == ["Bayes", "ratio (95 % interval)"]
    assert table[1][-1].startswith(f"{blind.ratios[table[1][0]].mean:.3f} (")
    assert all(len(row) == len(table[0]) for row in table)


def test_what_has_no_reference() -> None:
    assert REFERENCE.of("cir_csa") is None
    assert REFERENCE.of("fitb_file") is None
    told = bayes_reference(WORLD, wish="description")
    assert told.of("fitb") is None
    assert told.of("fitb_hard_season") is None
    assert told.of("cp") is not None
    with pytest.raises(ValueError, match="no split 'exam'"):
        bayes_reference(WORLD, "exam")


def test_odds_of_a_shape_are_those_of_drawing_it() -> None:
    """Against sets counted one by one: how often random sets of a size have a shape and repeat no article type."""
    scorer = bayes_scorer(WORLD, against="random", draws=4_000)
    items = WORLD.undrawn("test")
    slots = np.array([scorer.class_of(item) for item in items])
    articles = np.array([item.category for item in items])
    drawn = np.random.default_rng(0).integers(len(items), size=(60_000, 4))
    different = np.array([len(set(row)) == 4 for row in articles[drawn]])
    shapes = np.sort(slots[drawn], axis=1)
    shape = ("bag", "bottom", "shoes", "top")
    of_random = float(((shapes == shape).all(axis=1) & different).mean())
    shares = dict(zip(scorer._proposer.shapes, scorer._proposer.shares, strict=True))
    of_looks = shares[shape] / sum(share for one, share in shares.items() if len(one) == 4)
    assert scorer.odds(shape) == pytest.approx(of_looks / of_random, rel=0.15)
    assert scorer.odds(("bag", "bag", "bag", "bag")) == 0
