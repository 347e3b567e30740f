"""The benches of known tastes and of blanks, at toy size: from training to a table that can be read again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "bench"))
import fltb
import recommendation_atelier


def test_shares_lie_between_anyone_and_the_best(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "found.json"
    fields = ["data=atelier:400:0:120:150", "epochs=1", "batch_size=32"]
    recommendation_atelier.main([
        "--fields", *fields, "--seeds", "0", "--users", "10", "--draws", "2000",
        "--runs", str(tmp_path / "runs"), "--out", str(out),
    ])  # fmt: skip
    printed = capsys.readouterr().out
    found = json.loads(out.read_text())
    for rows in (found["ndcg@20"], found["clicks@20"], *found["cold"].values()):
        assert (rows["anyone"]["share"], rows["best"]["share"]) == (0.0, 1.0)
    for rows in (found["clicks@20"], *found["cold"].values()):
        assert max(one["value"] for one in rows.values()) == rows["best"]["value"]  # no ranking has more
        assert 0 < rows["best"]["value"] <= 20
    assert found["cold"]["3"]["guess"]["share"] > 0
    recommendation_atelier.main(["--table", str(out)])
    assert capsys.readouterr().out == printed


def test_blanks_are_asked_of_outfits_that_are_held_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "found.json"
    fltb.main(["--asked", "atelier:800:0:800:30 category", "--epochs", "1", "--out", str(out)])
    printed = capsys.readouterr().out
    [one] = json.loads(out.read_text())["cells"]
    assert one["questions"] > 50
    for name in ("hfgn", "hfgn_legacy_mean", "popularity"):
        assert one[name]["low"] <= one[name]["mean"] <= one[name]["high"]
    fltb.main(["--table", str(out)])
    assert capsys.readouterr().out == printed
