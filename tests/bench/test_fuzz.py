"""The fuzzer: it finds what is planted, its cases come again, and a few of every quick target find nothing."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

QUICK = (
    *(
        "filters",
        "sentences",
        "rules",
        "manifest",
        "keys",
        "calibration",
        "feed csv",
        "feed tsv",
        "feed jsonl",
        "feed xml",
    ),
    *(
        "feed parquet",
        "pictures",
        "looks",
        "tables of clicks",
        "hfgn",
        "polyvore",
        "polyvore-t",
        "fashioniq",
        "coco captions",
    ),
    *("deepfashion", "fashion-mnist", "parquet sets", "hdf5", "tastes", "clicks"),
)
CASES = 24


@pytest.fixture(scope="module")
def fuzz(bench_module: Callable[[str], Any]) -> Any:
    return bench_module("fuzz")


@pytest.mark.parametrize("name", QUICK)
def test_a_few_cases_of_each_target_find_nothing(fuzz: Any, name: str, tmp_path: Path) -> None:
    found = fuzz.run_target(fuzz.TARGETS[name], 2, range(CASES), tmp_path)
    assert found["findings"] == []
    assert found["cases"] == CASES


def test_cases_come_again(fuzz: Any, tmp_path: Path) -> None:
    target = fuzz.TARGETS["looks"]
    (tmp_path / "one").mkdir()
    ready = target.prepare(tmp_path / "one")
    first, again = ([ready.make(fuzz.luck_of(1, "looks", number)) for number in range(30)] for _ in range(2))
    assert first == again
    assert len(set(first)) > 20
    assert first != [ready.make(fuzz.luck_of(2, "looks", number)) for number in range(30)]


def planted(fuzz: Any, read: Callable[[int], bool], growth_mb: int = 400) -> Any:
    target = bench_target(fuzz)
    return target.Target("planted", 1, lambda _: target.Ready(lambda luck: luck.randrange(10), read), growth_mb)


def bench_target(fuzz: Any) -> Any:
    import sys

    return sys.modules["fuzz_target"]


def test_what_is_planted_is_found(fuzz: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzz, "CASE_SECONDS", 0.05)
    target = bench_target(fuzz)

    def bare() -> None:
        raise ValueError("invalid literal")

    def read(number: int) -> bool:
        match number:
            case 0:
                raise KeyError("x")
            case 1:
                return bool(target.refused(("file.csv",), bare))
            case 2:
                until = time.process_time() + 5
                while time.process_time() < until:
                    pass
        return True

    found = fuzz.run_target(planted(fuzz, read), 0, range(60), tmp_path)
    assert set(found["kinds"]) == {"crash", "unnamed", "hang"}
    assert {one["kind"] for one in found["findings"]} == {"crash", "unnamed", "hang"}
    assert found["accepted"] + sum(found["kinds"].values()) == 60


def test_a_process_that_dies_is_found_and_the_rest_goes_on(fuzz: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(number: int) -> bool:
        if number == 7:
            os._exit(9)
        return True

    monkeypatch.setitem(fuzz.TARGETS, "planted", planted(fuzz, read))
    found = fuzz.fuzz_target("planted", 12, 0)
    expected = sum(fuzz.luck_of(0, "planted", number).randrange(10) == 7 for number in range(12))
    assert expected
    assert found["kinds"] == {"death": expected}
    assert found["cases"] == 12


def test_cases_are_shared_out_and_added_up(fuzz: Any) -> None:
    parts = fuzz.shares(list(fuzz.TARGETS), 100_000)
    assert sum(parts.values()) >= 100_000
    assert min(parts.values()) >= 1
    row = {"cases": 3, "accepted": 1, "kinds": {"crash": 2}, "slowest_s": 0.5, "peak_growth_mb": 1.0, "seconds": 1.0}
    told = fuzz.summary(0, [row, {**row, "kinds": {}}])
    assert (told["cases"], told["crash"], told["hang"], told["accepted"]) == (6, 2, 0, 2)


def test_changed_values_stay_json(bench_module: Callable[[str], Any]) -> None:
    inputs = bench_module("fuzz_inputs")
    value = {"a": [1, {"b": "c"}], "d": None}
    seen = set()
    for number in range(300):
        text = inputs.as_json(inputs.mutated_value(value, Random(number)))
        json.loads(text)
        seen.add(text)
    assert len(seen) > 100
    assert value == {"a": [1, {"b": "c"}], "d": None}
