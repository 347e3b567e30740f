"""Write the reference in docs/api.md from the source: names, signatures with their types, and first sentences.

python scripts/api_page.py            # rewrite what is between the page's markers
python scripts/api_page.py --check    # exit 1 when it differs (tests/test_api.py does this)

`STABLE` is `modiste.__all__`; `DOCUMENTED` are the names of modules that pages of the documentation use. Nothing is imported.
"""

from __future__ import annotations

import ast
import re
import sys
from functools import cache
from pathlib import Path

from kept import keep, render

ROOT = Path(__file__).parents[1]
PAGE, SOURCE = ROOT / "docs" / "api.md", ROOT / "src"

DOCUMENTED: dict[str, tuple[str, ...]] = {
    "modiste.types": ("Interaction", "EncoderId", "Embeddings", "ItemEncoder", "OutfitScorer", "PairScorer"),
    "modiste.models.pretrained": (
        *("reranker_of", "recogniser_of", "captioner_of", "load_recogniser", "load_captioner", "load_inpainter"),
        *("save_pretrained", "PretrainedError"),
    ),
    "modiste.models.grnet_pretrained": ("load_grnet",),
    "modiste.engine.catalogue": ("Hit", "SearchResult"),
    "modiste.engine.rerank": ("look_again",),
    "modiste.engine.photo_features": ("PhotoFeatures", "ExactJudge"),
    "modiste.engine.rules": ("Rules",),
    "modiste.data.feed.reader": ("read_feed",),
    "modiste.data.outfit_table": ("read_looks", "write_looks"),
    "modiste.data.interactions": ("load_interactions",),
    "modiste.recipes.registry": ("Recipe", "build_run"),
    "modiste.training.run": ("Run", "Eval"),
    "modiste.training.loop": ("train",),
    "modiste.cli.app": ("run",),
}  # fmt: skip


def homes() -> dict[str, str]:
    """Name -> module, of `modiste.__all__`."""
    tree = _module("modiste")
    found = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "_HOME"
    )
    return dict(ast.literal_eval(found))


def reference() -> dict[str, str]:
    """Marker -> Markdown: the stable names, and the documented ones."""
    stable = "\n".join(_entry("modiste", home, name) for name, home in sorted(homes().items(), key=_classes_last))
    documented = "\n".join(_entry(module, module, name) for module, names in DOCUMENTED.items() for name in names)
    return {"api-stable": stable, "api-documented": documented}


def _classes_last(pair: tuple[str, str]) -> tuple[bool, str]:
    return pair[0][0].isupper(), pair[0]


@cache
def _module(name: str) -> ast.Module:
    path = SOURCE.joinpath(*name.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def _definition(module: str, name: str) -> ast.ClassDef | ast.FunctionDef:
    for node in _module(module).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return node
    raise LookupError(f"{module} defines no {name}")


def _entry(shown: str, home: str, name: str) -> str:
    node = _definition(home, name)
    if isinstance(node, ast.FunctionDef):
        return f"### `{shown}.{name}`\n\n```python\n{_signature(node)}\n```\n\n{_first(node)}\n"
    parts = [f"### `{shown}.{name}`\n\n```python\nclass {name}{_bases(node)}"]
    if fields := [
        one for one in node.body if isinstance(one, ast.AnnAssign) and not ast.unparse(one.target).startswith("_")
    ]:
        parts += [f"    {ast.unparse(one)}" for one in fields]
    parts.append(f"```\n\n{_first(node)}\n")
    methods = [
        one
        for one in node.body
        if isinstance(one, ast.FunctionDef) and (not one.name.startswith("_") or one.name == "__init__")
    ]
    if methods:
        parts.append("| | |\n|---|---|")
        parts += [f"| `{_short(one, name)}` | {_first(one)} |" for one in methods]
        parts.append("")
    return "\n".join(parts)


def _bases(node: ast.ClassDef) -> str:
    bases = [ast.unparse(one) for one in node.bases]
    return f"({', '.join(bases)})" if bases else ""


def _signature(node: ast.FunctionDef) -> str:
    text = f"def {node.name}({ast.unparse(node.args)}) -> {ast.unparse(node.returns) if node.returns else 'None'}"
    if len(text) <= 100:
        return text
    head, _, rest = text.partition("(")
    inside, _, tail = rest.rpartition(") -> ")
    arguments = re.split(r", (?=[*\w]+(?::|=|,|$|\s))", inside)
    return f"{head}(\n    " + ",\n    ".join(arguments) + f",\n) -> {tail}"


def _short(node: ast.FunctionDef, of: str) -> str:
    """A method of a class in a line of a table: its arguments' names and types, without `self`."""
    arguments = re.sub(r"^(self|cls)(, )?", "", ast.unparse(node.args))
    name = of if node.name == "__init__" else node.name
    if any(isinstance(one, ast.Name) and one.id == "property" for one in node.decorator_list):
        return f"{name}: {ast.unparse(node.returns)}".replace("|", "\\|") if node.returns else name
    returns = f" -> {ast.unparse(node.returns)}" if node.returns and name != of else ""
    return f"{name}({arguments}){returns}".replace("|", "\\|")


def _first(node: ast.AST) -> str:
    """The first sentence of a docstring, on one line."""
    text = ast.get_docstring(node) or ""  # type: ignore[arg-type]
    sentence = " ".join(text.split("\n\n")[0].split())
    return sentence.replace("|", "\\|") if sentence else ""


def main() -> int:
    return keep({PAGE: render(PAGE.read_text(encoding="utf-8"), reference())})


if __name__ == "__main__":
    sys.exit(main())
