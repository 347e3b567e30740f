"""What is public: listed, typed, documented, and one version number."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import modiste

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def test_the_reference_is_that_of_the_source() -> None:
    done = subprocess.run([sys.executable, "scripts/api_page.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_public_name_is_there_and_on_the_page() -> None:
    for name in modiste.__all__:
        assert getattr(modiste, name) is not None
        assert name == "__version__" or f"### `modiste.{name}`" in PAGE, name
    assert set(modiste.__all__) == {"__version__", *modiste._HOME}


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse((ROOT / "src" / "modiste" / "__init__.py").read_text(encoding="utf-8"))
    seen = {
        alias.asname: node.module
        for one in tree.body
        if isinstance(one, ast.If)
        for node in one.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == modiste._HOME


def test_every_public_function_and_class_is_explained_and_typed() -> None:
    for section in re.split(r"^### ", PAGE, flags=re.M)[1:]:
        name, _, rest = section.partition("\n")
        words = rest.split("```")[2].strip()
        assert words.splitlines()[0].rstrip().endswith((".", ":", ")")), f"{name}: no sentence"
        signature = rest.split("```")[1]
        assert "def " not in signature or "->" in signature, name


def test_there_is_one_version_number() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "version" not in project["project"]
    assert project["project"]["dynamic"] == ["version"]
    assert (ROOT / project["tool"]["hatch"]["version"]["path"]).resolve() == Path(modiste.__file__).resolve()
    assert re.fullmatch(r"\d+\.\d+\.\d+", modiste.__version__)
    assert (ROOT / "src" / "modiste" / "py.typed").exists()


def test_the_changelog_knows_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    sections = re.findall(r"^## (.+)$", text, flags=re.M)
    released = [one for one in sections if re.match(r"\[?\d+\.\d+\.\d+\]? - \d{4}-\d{2}-\d{2}$", one)]
    assert sections[0] == "Unreleased" or sections == released
    assert modiste.__version__ in text


def test_what_would_ship_has_no_pickle_and_all_it_needs() -> None:
    """The wheel is src/modiste as git has it; `make wheel-test` builds and opens it."""
    import runpy

    contents = runpy.run_path(str(ROOT / "scripts" / "wheel_contents.py"))
    package = ROOT / "src"
    files = {
        str(path.relative_to(package)): 0
        for path in (package / "modiste").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert contents["problems"](files) == []
    assert contents["problems"]({"modiste/model.pkl": 0, "tests/test_api.py": 0})[-2:] == [
        "holds modiste/model.pkl",
        "holds tests/test_api.py",
    ]
