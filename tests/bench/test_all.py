"""One command for all figures: its table is right about the scripts, fresh figures are skipped, failures are told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def every(bench_module: Callable[[str], Any]) -> Any:
    return bench_module("all")


def test_every_bench_has_its_script_and_page(every: Any) -> None:
    for one in every.BENCHES.values():
        assert (every.HERE / one.script).is_file(), one.name
        assert (DOCS / one.quoted).is_file(), one.name
        text = (every.HERE / one.script).read_text(encoding="utf-8")
        options = [part for part in (*one.arguments, *one.quick) if part.startswith("--")]
        if one.runs:
            options.append("--out" if one.result == "out" and "kept_table" not in text else "--seed")
        for option in options if one.runs else []:
            assert option in text or option == "--seed", f"{one.script} has no {option}"


def test_a_figure_is_made_once_and_again_when_its_script_changes(
    every: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scripts, results = tmp_path / "bench", tmp_path / "results"
    scripts.mkdir(), results.mkdir()  # type: ignore[func-returns-value]
    monkeypatch.setattr(every, "HERE", scripts)
    monkeypatch.setattr(every, "BENCHES", {
        "printed": every.Bench("printed", "printed.py", "a number", "speed.md", ("--rows", "7"), ("--rows", "1")),
        "kept": every.Bench("kept", "kept.py", "another", "speed.md", result="out"),
    })  # fmt: skip
    (scripts / "printed.py").write_text("import json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    (scripts / "kept.py").write_text("import sys, pathlib\npathlib.Path(sys.argv[2]).write_text('{}')\n")
    assert every.main(["--results", str(results)]) == 0
    assert json.loads((results / "bench_printed.json").read_text()) == ["--rows", "7", "--json"]
    assert (results / "kept.json").read_text() == "{}"
    capsys.readouterr()
    assert every.main(["--results", str(results)]) == 0
    assert capsys.readouterr().out == "printed: fresh\nkept: fresh\n"
    (scripts / "kept.py").write_text("raise SystemExit(3)\n")
    assert every.main(["--results", str(results)]) == 1
    said = capsys.readouterr()
    assert "printed: fresh" in said.out
    assert "failed: kept (exit code 3)" in said.err
    before = (results / "bench_printed.json").read_text()
    assert every.main(["printed", "--quick", "--results", str(results)]) == 0
    assert (results / "bench_printed.json").read_text() == before
    every.main(["--list", "--results", str(results)])
    assert "| `kept` | another | docs/speed.md | 1 | to be made" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        every.main(["unknown", "--results", str(results)])
