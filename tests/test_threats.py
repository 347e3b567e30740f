"""What no line of the product may do: run what it reads, fetch what it is told to, keep what it should not."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

import modiste

PACKAGE = Path(modiste.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
RUNS_WHAT_IT_READS = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "jsonpickle"}
FETCHES = {"urllib.request", "requests", "httpx", "aiohttp", "urllib3", "http.client", "ftplib", "smtplib", "pycurl"}


def imported(tree: ast.AST) -> set[str]:
    names = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
    return names


def calls(tree: ast.AST) -> set[str]:
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


def test_nothing_that_is_shipped_unpickles_evaluates_or_fetches() -> None:
    """Every module and every file of the package, which is what the wheel holds."""
    for module in MODULES:
        tree = ast.parse(module.read_text(encoding="utf-8"))
        names, called = imported(tree), calls(tree)
        assert not {one.split(".")[0] for one in names} & RUNS_WHAT_IT_READS, module
        assert not names & FETCHES, module
        assert not called & {"eval", "exec", "torch.load", "torch.jit.load", "yaml.load", "os.system", "np.fromfile"}, (
            module
        )
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                for keyword in node.keywords:
                    said = ast.unparse(keyword.value)
                    assert not (keyword.arg in ("allow_pickle", "trust_remote_code", "shell") and said == "True"), (
                        module
                    )
    shipped = {one.suffix for one in PACKAGE.rglob("*") if one.is_file() and "__pycache__" not in one.parts}
    assert shipped <= {".py", ".safetensors", ".json", ".md", ".html", ".js", ".css", ".svg", ".typed", ".txt"}


def test_the_check_above_would_find_something() -> None:
    tree = ast.parse("import pickle\nfrom urllib import request\ntorch.load(x)\nnp.load(x, allow_pickle=True)")
    assert "pickle" in imported(tree)
    assert "urllib.request" in imported(tree)
    assert "torch.load" in calls(tree)


def test_weights_that_are_shipped_hold_tensors_alone() -> None:
    """The header of a safetensors file names types and places, and nothing in it can be called."""
    for path in PACKAGE.rglob("*.safetensors"):
        data = path.read_bytes()
        length = int.from_bytes(data[:8], "little")
        assert length < 1_000_000
        assert re.match(rb"\s*\{", data[8 : 8 + length])


def test_a_clock_that_goes_back_changes_nothing(tmp_path: Path) -> None:
    """Everything was written tomorrow; what is written today is newer all the same, for those who read it already, too."""
    import os
    import time

    from modiste.engine.catalogue import Catalogue
    from modiste.engine.clicks import ClickBook
    from modiste.service.keys import KeyFile, KeyRing
    from modiste.types import Embeddings, EncoderId, Item

    class Ones:
        id = EncoderId("ones", "1" * 64, 4)

        def encode(self, items: list[Item]) -> Embeddings:
            return Embeddings(np.full((len(items), 4), 0.5, np.float32), self.id)

    folder = tmp_path / "shop"
    store = Catalogue.create(folder, Ones.id)
    store.ingest([Item("a", "old")], Ones())  # type: ignore[arg-type]
    book, keys = ClickBook(folder), KeyFile(folder / "keys.json")
    book.add("anna", look="l-1")
    first = keys.add("first")
    for path in folder.rglob("*"):
        os.utime(path, (time.time() + 86_400, time.time() + 86_400))
    reader, ring = Catalogue.open(folder), KeyRing(folder / "keys.json")
    assert reader.get("a").title == "old"
    Catalogue.open(folder).ingest([Item("a", "new"), Item("b", "new")], Ones())  # type: ignore[arg-type]
    second = keys.add("second")
    ring._looked -= 60
    assert reader.get("a").title == "new"
    assert len(reader) == reader.verify() == 2
    assert ring.find(first) is not None
    assert ring.find(second) is not None
    assert book.add("anna", look="l-2") > book.of("anna")[0].number
    reader.compact()
    assert reader.verify() == 2


def test_a_table_of_labels_holds_no_formula(tmp_path: Path) -> None:
    import csv

    from modiste.cli.tagging import Tagged, tag_writer
    from modiste.types import Item

    ids = ["=HYPERLINK(1)", "+1", "-2+3", "@SUM(A1)", "a=b", "plain"]
    with tag_writer(tmp_path / "tags.csv", {"colour": ("red", "blue")}, 1) as write:
        write([Tagged(Item(one, "x"), {"colour": (("red", 0.9),)}) for one in ids])
    with (tmp_path / "tags.csv").open(newline="", encoding="utf-8") as stream:
        found = [row["id"] for row in csv.DictReader(stream)]
    assert found == ["'=HYPERLINK(1)", "'+1", "'-2+3", "'@SUM(A1)", "a=b", "plain"]


@pytest.mark.parametrize("threads", [1, 2])
def test_rankings_depend_on_neither_order_nor_batch_nor_threads(tmp_path: Path, threads: int) -> None:
    """The same items, stored in another order and other batches, asked for alone and together: the same ranking and scores."""
    from threadpoolctl import threadpool_limits

    from modiste.engine.catalogue import Catalogue
    from modiste.types import Embeddings, EncoderId, Item

    class Vectors:
        id = EncoderId("numbers", "7" * 64, 32)

        def encode(self, items: list[Item]) -> Embeddings:
            rows = [np.random.default_rng(int(one.title)).normal(size=32) for one in items]
            return Embeddings(np.stack([row / np.linalg.norm(row) for row in rows]).astype(np.float32), self.id)

    encoder = Vectors()
    items = [Item(f"i-{n:03d}", str(n // 2)) for n in range(300)]  # each vector twice: ties
    queries = encoder.encode([Item("q", str(n)) for n in range(1_000, 1_008)])
    rankings = []
    for name, order, batch in (("a", items, 300), ("b", items[::-1], 17)):
        store = Catalogue.create(tmp_path / name, encoder.id)
        store.ingest(order, encoder, batch_size=batch, commit_rows=batch)  # type: ignore[arg-type]
        with threadpool_limits(threads):
            together = store.search_many(queries, 40)
            alone = [store.search(Embeddings(queries.vectors[at : at + 1], encoder.id), 40) for at in range(8)]
        for found in (together, alone):
            rankings.append([[(hit.item.id, hit.score) for hit in one] for one in found])
    assert all(one == rankings[0] for one in rankings)
    for one in rankings[0]:
        for (first, score), (second, next_score) in zip(one[::2], one[1::2], strict=True):
            assert score == next_score
            assert first < second  # of equal scores the smaller id first
