"""The house's rules, read from the import graph: arrows point one way, heavy libraries stay where they belong."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "modiste"
# A layer may import those before it, and itself.
ORDER = [
    {"taxonomy", "files"},
    {"types", "registry"},
    {"losses", "data"},
    {"models"},
    {"training", "evaluation"},
    {"recipes", "engine"},
    {"service", "own"},
    {"cli", "__main__"},
]
LAYER = {name: number for number, names in enumerate(ORDER) for name in names}
APART = [("training", "evaluation"), ("evaluation", "training"), ("engine", "recipes"), ("engine", "models")]
MODULES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "__init__.py")


def imported(path: Path) -> set[str]:
    """Every part of modiste that a file imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("modiste."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("modiste.")}
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_import_points_upwards(path: Path) -> None:
    part = path.relative_to(SOURCE).parts[0].removesuffix(".py")
    assert part in LAYER, f"{part} has no layer yet: say in ORDER where it belongs"
    for other in imported(path):
        assert LAYER[other] <= LAYER[part], f"{path.name} of {part} imports the higher layer {other}"
        assert (part, other) not in APART


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("modiste", {"torch", "transformers", "lancedb", "rich", "PIL"}),
        ("modiste.cli", {"torch", "transformers", "lancedb", "faiss", "sklearn", "pyarrow"}),
        ("modiste.engine.catalogue", {"torch", "transformers", "sklearn"}),
        ("modiste.engine.outfits", {"torch", "transformers", "sklearn"}),
        ("modiste.evaluation.retrieval", {"torch", "transformers"}),
        ("modiste.evaluation.outfits", {"torch", "transformers", "sklearn", "PIL"}),
        ("modiste.data.feed", {"torch", "transformers", "lancedb"}),
        ("modiste.recipes.registry", {"torch", "transformers"}),
        ("modiste.service.workbench", {"torch", "transformers", "lancedb", "fastapi"}),
        ("modiste.service.server", {"torch", "transformers", "lancedb", "faiss"}),  # holds workers, no model
    ],
)
def test_heavy_libraries_are_not_loaded_by(module: str, forbidden: set[str]) -> None:
    code = f"import sys, {module}; print(*(set(sys.modules) & {forbidden!r}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not loaded


def test_nothing_unpickles() -> None:
    """Specification of trust: safetensors only; no call that can run code from a file."""
    dangerous = {("torch", "load"), ("pickle", "load"), ("pickle", "loads"), ("joblib", "load"), ("torch", "save")}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert (node.value.id, node.attr) not in dangerous, f"{path.name}:{node.lineno}"
            if isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "trust_remote_code"):
                assert isinstance(node.value, ast.Constant), f"{path.name}:{node.value.lineno}"
                assert node.value.value is False, f"{path.name}:{node.value.lineno}"
