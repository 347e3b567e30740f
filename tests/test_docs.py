"""Documentation that cannot drift: tables come from result files, commands exist, links lead somewhere."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GROUPS = {"keys", "tastes"}  # commands that have commands
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_tables_are_those_of_the_result_files() -> None:
    done = subprocess.run([sys.executable, "scripts/results.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_that_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_in_the_docs_exist(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from modiste.cli import run

    helps: dict[str, str] = {}
    for line in re.findall(r"^(?:.*?&& )?modiste (.+?)(?:\s+#.*)?$", page.read_text(encoding="utf-8"), flags=re.M):
        words = line.split()
        command = " ".join(words[: 2 if words[0] in GROUPS else 1])
        if command not in helps:
            capsys.readouterr()
            assert run([*command.split(), "--help"]) == 0, line
            helps[command] = capsys.readouterr().out
        for option in re.findall(r"(?<!\S)(--[a-z-]+)", line):
            assert option in helps[command], f"{option} in {line!r}"


def test_the_tests_that_a_page_names_are_there() -> None:
    """docs/reliability.md stands on them."""
    named = re.findall(
        r"`((?:tests|bench)/[\w/]+\.py)(?:::(\w+))?", (ROOT / "docs" / "reliability.md").read_text("utf-8")
    )
    assert len(named) > 30
    for file, test in named:
        text = (ROOT / file).read_text(encoding="utf-8")
        assert not test or re.search(rf"^def {test}\(", text, flags=re.M), f"{file}::{test}"


def test_the_two_commands_of_the_readme_are_make_targets() -> None:
    readme, makefile = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "Makefile"))
    for target in re.findall(r"^make ([a-z-]+)", readme, flags=re.M):
        assert re.search(rf"^{target}:", makefile, flags=re.M)
    assert {"demo", "test"} <= set(re.findall(r"^make ([a-z-]+)", readme, flags=re.M))


def test_the_shipped_weights_are_what_the_registry_says() -> None:
    from modiste.models.pretrained import WEIGHTS, load
    from modiste.registry import DEFAULT, PRETRAINED

    encoder = load()
    assert encoder.id.sha256 == PRETRAINED[DEFAULT].sha256
    assert sum(file.stat().st_size for file in WEIGHTS.rglob("*")) <= 40_000_000  # all that ships
    result = json.loads((ROOT / "docs" / "results" / "mvlt_1of101_vectors.json").read_text(encoding="utf-8"))
    assert result["sha256"] == encoder.id.sha256  # the scores quoted are of the weights that ship
    for key, value in PRETRAINED[DEFAULT].scores.items():
        assert round(result[key.rsplit(" ", 1)[-1]], 1) == value
    for name in (
        "recognition_both",
        "recognition_image",
        "generation",
        "1of101_itm",
        "full_vectors",
        "atelier_vectors",
    ):
        other = json.loads((ROOT / "docs" / "results" / f"mvlt_{name}.json").read_text(encoding="utf-8"))
        assert other["sha256"] == encoder.id.sha256
