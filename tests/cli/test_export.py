"""`modiste export`, and its folder as `--model` of index and search."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("onnxruntime", reason="modiste[export] is not installed")


def test_an_export_indexes_and_searches_beside_its_model(
    modiste: Callable, shop: Path, mvlt: Path, tmp_path: Path
) -> None:
    out = tmp_path / "onnx"
    made = modiste("export", mvlt, "--out", out, "--photos", shop, "--items", 20, "--json")
    assert made.code == 0, made.err
    assert made.json["overlap"] == 1
    assert made.json["encoder"]["name"] == "mvlt_debug.born"
    store = tmp_path / "shop"
    assert modiste("index", shop, "--into", store, "--model", out).code == 0
    by_export = modiste("search", store, "red dress", "--no-rerank", "--json")
    by_model = modiste("search", store, "red dress", "--no-rerank", "--model", mvlt, "--json")
    assert by_export.code == by_model.code == 0, by_export.err + by_model.err
    assert [hit["id"] for hit in by_export.json["hits"]] == [hit["id"] for hit in by_model.json["hits"]]
    refused = modiste("export", mvlt, "--out", tmp_path / "no", "--precision", "fp8")
    assert refused.code == 1
    assert "there is no fp8" in refused.err
    assert not (tmp_path / "no").exists()
