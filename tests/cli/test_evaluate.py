"""`modiste evaluate` for recognition and generation, with models that are made up here."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modiste.data.sources import load_items
from modiste.types import Item

LABELS = ("article_type", "colour")


class Oracle:
    """Knows every item of the shop by its id."""

    name, sha256 = "oracle", "ab" * 32

    def __init__(self, items: Sequence[Item]) -> None:
        self._known = {item.id: (item.category, str(item.attributes["colour"])) for item in items}

    def recognise(self, items: Sequence[Item]) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
        found = {}
        for place, label in enumerate(LABELS):
            classes = tuple(sorted({answers[place] for answers in self._known.values()}))
            right = [[self._known[item.id][place] == name for name in classes] for item in items]
            found[label] = classes, np.array(right, np.float32)
        return found


class Painter:
    """Hides the left of a grey picture and paints it a little too dark."""

    name, sha256 = "painter", "cd" * 32

    def __init__(self) -> None:
        self.asked: list[tuple[float, int]] = []

    def reconstruct(self, items: list[Item], mask_ratio: float = 0.5, seed: int = 0) -> tuple[np.ndarray, ...]:
        self.asked.append((mask_ratio, seed))
        original = np.full((len(items), 12, 20, 3), 0.5)
        mask = np.broadcast_to(np.arange(20) < 20 * mask_ratio, original.shape[:3])
        return original, np.where(mask[..., None], 1e-6, original), np.where(mask[..., None], 0.4, original), mask


@pytest.fixture
def loaded(shop: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the loaders were called with, and the painter."""
    seen: dict[str, Any] = {"painter": Painter()}

    def loader(model: object) -> Callable[..., object]:
        def load(name: str | None, *, device: str = "cpu") -> object:
            seen["name"], seen["device"] = name, device
            return model

        return load

    monkeypatch.setattr(
        "modiste.models.pretrained.load_any_recogniser", loader(Oracle(load_items(shop))), raising=False
    )
    monkeypatch.setattr("modiste.models.pretrained.load_inpainter", loader(seen["painter"]), raising=False)
    return seen


def test_recognition_beside_its_control(modiste, loaded, shop: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "r.json"
    command = ["evaluate", "recognition", "--model", "x", "--device", "meta", "--data", shop, "--split", "test"]
    done = modiste(*command, "--inputs", "image", "--json", "--out", out)
    assert done.code == 0, done.err
    found = done.json
    assert found == json.loads(out.read_text())
    assert (loaded["name"], loaded["device"]) == ("x", "meta")
    assert (found["model"], found["sha256"], found["split"]) == ("oracle", "ab" * 32, "test")
    assert (found["protocol"], found["inputs"]) == ("recognition", "image")
    for key in ("scr_accuracy", "colour_accuracy"):
        assert found[key] == 100
        assert found[f"{key}_chance"] < 100
        assert found[f"control_{key}_low"] <= found[f"control_{key}"] <= found[f"control_{key}_high"]
    assert found["scr_macro_f1"] == 1
    assert not any(key.startswith("control_") for key in modiste(*command, "--no-control", "--json").json)


def test_without_a_split_to_learn_from_there_is_no_control(modiste, loaded, shop: Path) -> None:  # type: ignore[no-untyped-def]
    done = modiste("evaluate", "recognition", "--data", shop, "--num-queries", 30, "--json")
    assert (done.code, done.json["num_items"], done.json["split"]) == (0, 30, "all")
    assert not any(key.startswith("control_") for key in done.json)
    assert "no control" in done.err
    assert loaded["name"] is None


def test_people_get_a_table(modiste, loaded, shop: Path) -> None:  # type: ignore[no-untyped-def]
    done = modiste("evaluate", "recognition", "--data", shop, "--split", "test")
    for words in ("oracle", "scr_accuracy", "scr_macro_f1", "chance", "text only", "100.0", "1.000"):
        assert words in done.out
    done = modiste("evaluate", "generation", "--data", shop, "--model", "dark")
    for words in ("painter", "masked_psnr", "fill", "identity", "20.00", "100.00"):
        assert words in done.out


def test_generation_and_its_masks(modiste, loaded, shop: Path) -> None:  # type: ignore[no-untyped-def]
    command = ["evaluate", "generation", "--data", shop, "--mask-ratio", "0.25", "--seed", "3", "--json"]
    found = modiste(*command, "--num-queries", "40").json
    assert loaded["painter"].asked == [(0.25, 3)] * 2  # batches of 32
    assert found["masked_psnr"] == pytest.approx(20)
    assert found["psnr"] == pytest.approx(20 + 10 * np.log10(4))
    assert (found["control_fill_psnr"], found["control_identity_ssim"]) == (100, pytest.approx(1))
    assert (found["masked_share"], found["num_items"], found["model"], found["sha256"]) == (
        0.25, 40, "painter", "cd" * 32,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["recognise"], "no protocol 'recognise'; choose one of retrieval-1of101, retrieval-random100, retrieval-full"),
        (["recognition", "--inputs", "photo"], "unknown inputs 'photo'"),
        (["retrieval-full", "--inputs", "image"], "--inputs is an option of recognition"),
        (["recognition", "--mask-ratio", "0.2"], "--mask-ratio is an option of generation"),
        (["generation", "--mask-ratio", "1.5"], "--mask-ratio must lie between 0 and 1"),
        (["recognition", "--split", "exam"], "unknown split 'exam'"),
        (["recognition", "--num-queries", "61"], "--num-queries must lie between 1 and the 60 items, not 61"),
    ],
)
def test_what_cannot_be_measured_is_one_line(modiste, loaded, shop: Path, arguments: list[str], words: str) -> None:  # type: ignore[no-untyped-def]
    done = modiste("evaluate", *arguments, "--data", shop)
    assert done.code == 1
    assert words in done.err
    assert not done.out
