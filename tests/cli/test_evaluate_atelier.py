"""`modiste evaluate outfits` in the generated world: the best possible number beside every measured one."""

from __future__ import annotations

import pytest


def test_the_best_possible_stands_beside_what_is_measured(modiste) -> None:  # type: ignore[no-untyped-def]
    command = ["evaluate", "outfits", "--data", "atelier:1000:5", "--num-queries", 60, "--no-control"]
    done = modiste(*command, "--model", "constant", "--json")
    assert done.code == 0, done.err
    found = done.json
    assert (found["reference"], found["split"]) == ("Bayes", "test")
    for key in ("cp_auc", "cp_random_auc", "cp_declined_auc", "fitb_accuracy", "fitb_hard_accuracy", "cir_R@10"):
        assert found[key] == pytest.approx(found[f"{key}_chance"])
        assert found[f"reference_{key}_low"] <= found[f"reference_{key}"] <= found[f"reference_{key}_high"]
        assert found[f"ratio_{key}"] == pytest.approx(found[key] / found[f"reference_{key}"])
    assert found["cp_declined_auc_questions"] == 120
    assert any(key.startswith("fitb_hard_harmony") for key in found)
    assert found["reference_fitb_hard_accuracy"] > 75


def test_people_get_the_names_whole(modiste) -> None:  # type: ignore[no-untyped-def]
    command = ["evaluate", "outfits", "--data", "atelier:1000:5", "--num-queries", 20, "--no-control"]
    done = modiste(*command, "--model", "constant")
    assert done.code == 0, done.err
    for word in ("fitb_hard_accuracy", "cp_declined_auc", "cp_popularity_auc", "Bayes", "ratio"):
        assert word in done.out
