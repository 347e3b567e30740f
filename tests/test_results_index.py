"""Every result is quoted, every results page says how its numbers came about, and the index says it of each of them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
INDEX = RESULTS / "README.md"
FILES = sorted(file.stem for file in RESULTS.glob("*.json"))
# A page without a table has no numbers yet.
PAGES = sorted(page for page in RESULTS.glob("*.md") if page != INDEX and "|---" in page.read_text(encoding="utf-8"))


def test_the_index_is_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "scripts/results_index.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_result_is_in_the_index_and_quoted_by_a_page() -> None:
    rows = dict(re.findall(r"^\| \[`(\w+)`\]\(\w+\.json\) (.*)$", INDEX.read_text(encoding="utf-8"), flags=re.M))
    assert sorted(rows) == FILES
    assert [name for name, row in rows.items() if "**none**" in row] == []


def test_a_result_that_no_page_quotes_is_seen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sys.path.insert(0, str(ROOT / "scripts"))
    import results_index

    monkeypatch.setattr(results_index, "quoting_pages", lambda: {name: set() for name in FILES})
    assert results_index.index().count("**none**") == len(FILES)
    assert results_index.moved({"a": 1, "b": [0.5, "x", True]}) == {"a": 2, "b": [0.46, "x", True]}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_results_page_names_its_commands_and_its_seeds(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.search(
        r"\b(python (bench|scripts)/\w+\.py|modiste (evaluate|train|generate|calibrate)|torchrun|make bench)", text
    )
    assert re.search(r"\bseeds?\b", text), "which seeds its numbers are of"
    assert re.search(r"\d{4}-\d\d-\d\d", text), "when they were measured"


def test_orderings_of_papers_point_to_pages_that_speak_of_them() -> None:
    rows = re.findall(
        r"^\| (\w[\w-]*): .+ \| .+ \| \[\w+\]\((\w+\.md)\) \|$", INDEX.read_text(encoding="utf-8"), flags=re.M
    )
    assert len(rows) >= 6
    for paper, page in rows:
        assert paper in (RESULTS / page).read_text(encoding="utf-8")
