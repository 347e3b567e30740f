"""The commands of README, quick start and tutorials are run as they stand, on a small drawn shop, and print what is said.

What stands in for what: the shop of 50 items that docs/tutorials/draw_shop.py draws is README's `shop.csv`, and its catalogue
that of `make demo`; photos are drawn ones; names of items that a reader's shop would have are names of items that this one has.
What is not run is in `NOT_RUN`, with the reason; that its commands and options exist is tested in test_docs.py.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import runpy
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
CATALOGUE, OUTFITS = (ROOT / "docs" / "tutorials" / f"own-{name}.md" for name in ("catalogue", "outfits"))
QUICK, README = ROOT / "docs" / "quick-start.md", ROOT / "README.md"
PAGES = (CATALOGUE, OUTFITS, QUICK, README)  # in this order: the later ones use what the first has made

STANDS_FOR = {
    README: {"1163": "S-034", "2951": "S-029", "A-4": "S-002"},
    QUICK: {"demo/index": "shop", "atelier-000007": "S-004", "atelier-000001": "S-027"},
}
# the beginning of a line -> why it is not run here
NOT_RUN = {
    "make demo": "makes an environment; `make wheel-test` and scripts/walkthrough.py run it, and tests/cli the command",
    "make test": "this is it",
    ". .venv/bin/activate": "the tests have their environment",
    "modiste serve": "ends at Ctrl-C; tests/service starts it",
    "curl": "tests/service/test_http_docs.py asks the service",
    "modiste index my-shop/products.csv --into shop-clip": "fetches a model",
    "modiste index shop.csv --into shop --model patrickjohncyh/fashion-clip": "fetches a model",
    "modiste calibrate shop --scorer runs/mine": "is refused at this size, as the page says",
    "modiste train outfit_transformer_small": "takes minutes",
    "modiste train dual_encoder_small": "takes an hour; tests/training trains small ones",
    "modiste evaluate retrieval-1of101 --data fashion_products": "needs that data set",
    "modiste evaluate recognition --data fashion_products": "needs that data set",
}


def test_the_commands_of_the_pages_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unused = set(NOT_RUN)
    with contextlib.chdir(tmp_path):
        (tmp_path / "docs").symlink_to(ROOT / "docs")
        for page in PAGES:
            if page == README:  # as many of a reader's files as it names
                Path("shop/keys.json").unlink()
                shutil.copytree("my-shop/photos", "photos")
                shutil.copy("my-shop/products.csv", "shop.csv")
                for name in ("photo.jpg", "boots.jpg", "street.jpg"):
                    shutil.copy("my-shop/customer.jpg", name)
            if page == QUICK:
                Path("demo").mkdir()
                shutil.copy("my-shop/customer.jpg", "demo")
            printed = ""
            for language, block, follows in blocks(page):
                if language == "sh":
                    printed = "".join(ran(line, page, capsys, unused) for line in lines(block))
                elif language == "text":
                    said = printed if follows else "\n".join(map(Path.read_text, Path("my-shop").glob("*.[cj]s*")))
                    for line in block.splitlines():
                        assert line.strip() in said, (
                            f"{page.name} says that {line!r} is printed, and it is not:\n{said}"
                        )
                elif language == "python":
                    exec(compile(substituted(block, page), str(page), "exec"), {"__name__": "reader"})
    assert not unused, f"no page has {unused}"
    formats = (ROOT / "docs" / "data-formats.md").read_text(encoding="utf-8")
    for path in (tmp_path / "shop").iterdir():
        assert f"`{path.name}" in formats or path.name.startswith("."), (
            f"docs/data-formats.md does not know {path.name}"
        )


def test_a_paper_in_one_file_is_trained_measured_and_searched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The worked example of CONTRIBUTING.md, as a module from outside the source tree."""
    from modiste.recipes.registry import RECIPES, recipe_help

    monkeypatch.syspath_prepend(ROOT / "docs" / "tutorials")
    monkeypatch.chdir(tmp_path)
    example = importlib.import_module("own_paper")
    before = dict(RECIPES)
    try:
        assert example.main([]) == 0
        assert "embed_dim: int = 32" in recipe_help("colour_words")
    finally:
        RECIPES.clear()
        RECIPES.update(before)
    said = re.search(r"R@5 of a title among 24 items: (\d+) %, by chance (\d+) %", capsys.readouterr().out)
    assert said is not None
    assert int(said[1]) > int(said[2])
    for name in ("ColourBatch", "ColourWords", "ColourRecipe", "ColourTowers"):
        assert name in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
        assert hasattr(example, name)


def blocks(page: Path) -> Iterator[tuple[str, str, bool]]:
    """Language and text of a page's fenced blocks, and whether one follows at once upon the block before it."""
    end = 0
    text = page.read_text(encoding="utf-8")
    for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, flags=re.M | re.S):
        yield found[1], found[2], not text[end : found.start()].strip()
        end = found.end()


def lines(block: str) -> list[str]:
    return [line for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def substituted(text: str, page: Path) -> str:
    for theirs, ours in STANDS_FOR.get(page, {}).items():
        text = re.sub(rf"(?<![\w-]){re.escape(theirs)}(?![\w-])", ours, text)
    return text


def ran(line: str, page: Path, capsys: pytest.CaptureFixture[str], unused: set[str]) -> str:
    """What a line of a page prints."""
    if reasons := [start for start in NOT_RUN if line.startswith(start)]:
        unused.difference_update(reasons)
        return ""
    program, *arguments = shlex.split(substituted(line, page), comments=True)
    if program == "cat":
        return "".join(Path(name).read_text(encoding="utf-8") for name in arguments)
    if program == "cp":
        shutil.copy(*arguments)
        return ""
    capsys.readouterr()
    if program == "python":
        argv: list[Any] = sys.argv
        sys.argv = arguments
        try:
            runpy.run_path(arguments[0], run_name="__main__")
        finally:
            sys.argv = argv
        return capsys.readouterr().out
    assert program == "modiste", f"{page.name}: {line!r} is neither run nor in NOT_RUN"
    from modiste.cli import run

    code = run(arguments)
    printed = capsys.readouterr()
    assert code == 0, f"{page.name}: {line!r}\n{printed.err}"
    return printed.out
