"""`modiste evaluate outfits`, on a small world and with made-up trained models."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from modiste.data.outfits import Look, OutfitData
from modiste.models.outfit_statistics import Constant
from modiste.types import FloatArray, Item, Slot


def world() -> OutfitData:
    """Tops and shoes by number, in one world of ten colours: of one colour they go together."""
    items = {}
    for family in ("Tops", "Shoes"):
        for number in range(40):
            colour = f"colour{number % 10}"
            items[f"{family}{number}"] = Item(
                f"{family}{number}", f"{colour} {family} {number}", category=family, attributes={"colour": colour}
            )
    looks = [Look(f"l{n}-{m}", (f"Tops{n}", f"Shoes{m}")) for n in range(40) for m in range(n % 10, 40, 10)]
    return OutfitData("world", items, {"train": tuple(looks[::2]), "valid": (), "test": tuple(looks[1::4])})


class Trained(Constant):
    """Proposes the colour it is asked for in words, else nothing in particular."""

    name, sha256 = "trained.tag", "ab" * 32

    def pool(self, items: Sequence[Item], vectors: FloatArray | None = None):  # type: ignore[no-untyped-def]
        return TrainedPool(items)


class TrainedPool:
    def __init__(self, items: Sequence[Item]) -> None:
        self._titles = [item.title for item in items]
        self.candidates = np.eye(len(items), dtype=np.float32)

    def score(self, sets: np.ndarray) -> FloatArray:
        return np.full(len(sets), 0.5, np.float32)

    def queries(self, sets: np.ndarray, slots: Sequence[Slot]) -> FloatArray:
        return np.array([[title == slot.wish for title in self._titles] for slot in slots], np.float32)


@pytest.fixture(autouse=True)
def loaders(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Readers and trained models that are made here."""
    seen: dict[str, object] = {}

    def module(name: str, **names: object) -> None:
        made = ModuleType(name)
        made.__dict__.update(names)
        monkeypatch.setitem(sys.modules, name, made)

    def load_outfits(source: str) -> OutfitData:
        if source != "world":
            raise ValueError(f"{source}: no such folder")
        return world()

    def load_outfit_scorer(name: str, *, encoder: object = None, device: str = "cpu") -> Trained:
        seen["name"], seen["device"] = name, device
        if name == "nobody":
            raise ValueError("no model folder nobody")
        return Trained()

    module("modiste.data.outfit_sources", load_outfits=load_outfits)
    module("modiste.models.outfit_pretrained", load_outfit_scorer=load_outfit_scorer)
    module("modiste.models.stylist", Stylist=Trained)
    return seen


def test_a_statistic_beside_its_controls(modiste, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "r.json"
    done = modiste("evaluate", "outfits", "--data", "world", "--model", "colour-family", "--json", "--out", out)
    assert done.code == 0, done.err
    found = done.json
    assert found == json.loads(out.read_text())
    assert (found["model"], found["sha256"], found["data"], found["split"]) == ("colour-family", "", "world", "test")
    assert (found["protocol"], found["by"], found["wish"], found["seed"]) == ("outfits", "s", "none", 0)
    assert found["cp_auc"] > 0.8
    assert found["fitb_accuracy"] > 60 > found["control_popularity_fitb_accuracy"]
    assert found["control_colour_family_fitb_accuracy"] == found["fitb_accuracy"]
    assert (found["fitb_accuracy_chance"], found["fitb_accuracy_negatives"]) == (25, "same_family")
    assert 0 < found["cir_R@10_low"] <= found["cir_R@10"]
    bare = modiste("evaluate", "outfits", "--data", "world", "--model", "constant", "--no-control", "--json")
    assert not any(key.startswith("control_") for key in bare.json)
    assert bare.json["cp_auc"] == 0.5


def test_only_the_tasks_that_are_asked_for(modiste) -> None:  # type: ignore[no-untyped-def]
    command = ["evaluate", "outfits", "--data", "world", "--model", "colour-family", "--json"]
    every, some = modiste(*command).json, modiste(*command, "--tasks", "cp, fitb").json
    assert {key for key in every if key not in some} == {key for key in every if "cir_" in key}
    assert {key: every[key] for key in some} == some


def test_people_get_a_table(modiste) -> None:  # type: ignore[no-untyped-def]
    done = modiste("evaluate", "outfits", "--data", "world", "--model", "popularity", "--num-queries", 12)
    assert done.code == 0, done.err
    words = " ".join(done.out.split())
    for word in ("popularity", "cp_auc", "fitb_accuracy", "cir_R@10", "chance", "by s"):
        assert word in words


def test_a_trained_model_by_cir_with_and_without_a_wish(modiste, loaders) -> None:  # type: ignore[no-untyped-def]
    command = ["evaluate", "outfits", "--data", "world", "--model", "x", "--device", "meta", "--by", "cir", "--json"]
    found = modiste(*command).json
    assert (loaders["name"], loaders["device"]) == ("x", "meta")
    assert (found["model"], found["sha256"], found["by"], found["wish"]) == ("trained.tag", "ab" * 32, "cir", "none")
    assert found["fitb_accuracy"] == pytest.approx(25)  # told nothing, it knows nothing
    told = modiste(*command, "--wish", "description").json
    assert (told["fitb_accuracy"], told["wish"]) == (100, "description")
    assert modiste("evaluate", "outfits", "--data", "world", "--model", "rules", "--json").json["model"] == "rules"


def test_questions_from_a_file(modiste, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "q.jsonl"
    question = {"task": "fitb", "partial": ["Tops0"], "candidates": ["Shoes1", "Shoes10"], "correct": "Shoes10"}
    path.write_text(json.dumps({**question, "kind": "hard"}))
    done = modiste("evaluate", "outfits", "--data", "world", "--model", "colour-family", "--test", path, "--json")
    assert done.code == 0, done.err
    assert (done.json["fitb_hard_accuracy"], done.json["fitb_hard_accuracy_chance"]) == (100, 50)
    assert (done.json["test"], "cp_auc" in done.json) == (str(path), False)


def test_mean_cosine_takes_an_encoder(modiste, dual: Path) -> None:  # type: ignore[no-untyped-def]
    done = modiste(
        "evaluate", "outfits", "--data", "world", "--model", f"mean-cosine:{dual}", "--num-queries", 5, "--json"
    )
    assert done.code == 0, done.err
    assert done.json["model"] == "mean-cosine of dual_encoder_debug.born"
    assert len(done.json["sha256"]) == 64


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["outfits", "--data", "nowhere", "--model", "popularity"], "nowhere: no such folder"),
        (["outfits", "--data", "world"], "--model: a trained outfit model by name or folder, popularity"),
        (
            ["outfits", "--data", "world", "--model", "nobody"],
            "no model folder nobody (or name a statistic: popularity",
        ),
        (["outfits", "--data", "world", "--model", "popularity", "--by", "cir"], "only scores whole outfits"),
        (["outfits", "--data", "world", "--model", "popularity", "--by", "itm"], "unknown by 'itm'"),
        (["outfits", "--data", "world", "--model", "popularity", "--split", "exam"], "no looks in split 'exam'"),
        (["outfits", "--data", "world", "--model", "popularity", "--wish", "description"], "give by='cir'"),
        (["outfits", "--data", "world", "--model", "popularity", "--num-queries", "9999"], "num_looks must lie"),
        (["outfits", "--data", "world", "--model", "popularity", "--test", "no.jsonl"], "no.jsonl: No such file"),
        (["outfits", "--data", "world", "--model", "popularity", "--inputs", "image"], "--inputs is an option of"),
        (
            ["recognition", "--data", "world", "--test", "no.jsonl"],
            "--test is an option of outfits and recommendation; recognition has none",
        ),
        (["outfits", "--data", "world", "--model", "popularity", "--tasks", "cp,xyz"], "at least one; not xyz"),
        (["outfits", "--data", "world", "--model", "popularity", "--tasks", ","], "at least one; not none"),
        (["generation", "--data", "world", "--by", "s"], "--by is an option of retrieval and outfits"),
    ],
)
def test_what_cannot_be_measured_is_one_line(modiste, arguments: list[str], words: str) -> None:  # type: ignore[no-untyped-def]
    done = modiste("evaluate", *arguments)
    assert done.code == 1
    assert words in done.err
    assert not done.out
