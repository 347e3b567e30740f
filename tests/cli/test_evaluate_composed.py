"""`modiste evaluate composed` and `captioning` through the front door."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modiste.data import composed_atelier
from modiste.data.fashioniq import CATEGORIES
from modiste.data.sources import load_items
from modiste.types import Caption, ImageLike


@pytest.fixture(scope="module")
def fame(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small FAME-ViL with all four tasks and the weights that it was born with."""
    import torch

    from modiste.data.text import train_wordpiece
    from modiste.models.fame_vil import SIZES, FameVil
    from modiste.models.pretrained import save_pretrained

    torch.manual_seed(3)
    items = load_items(shop)
    classes = tuple(sorted({item.category for item in items}))
    tokenizer = train_wordpiece([item.text for item in items], vocab_size=SIZES["debug"].vocab_size)
    model = FameVil(replace(SIZES["debug"], classes=classes, vocab_size=tokenizer.get_vocab_size()))
    return save_pretrained(tmp_path_factory.mktemp("models") / "fame", model, tokenizer, name="fame_vil_debug.born")


@pytest.fixture
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(composed_atelier, "IMAGE_SIZE", (45, 60))


@pytest.mark.usefixtures("small_pictures")
def test_the_drawn_world_with_a_model_and_its_controls(modiste: Callable[..., Any], dual: Path, tmp_path: Path) -> None:
    out = tmp_path / "r.json"
    done = modiste("evaluate", "composed", "--data", "atelier:50:3", "--model", dual, "--json", "--out", out)
    assert done.code == 0, done.err
    found = done.json
    assert found == json.loads(out.read_text())
    assert (found["protocol"], found["units"], found["split"]) == ("composed", "percent", "all")
    assert found["galleries"] == {"all": 50}
    assert found["num_queries"] == 50
    for key in ("R@10", "right_R@10", "text_R@10", "image_right_R@1", "metadata_R@50", "ceiling_R@1", "gain_text_R@10"):
        assert found[f"{key}_low"] <= found[key] <= found[f"{key}_high"], key
    assert found["ceiling_right_R@1"] == 100
    assert found["R@50"] == 100
    shown = modiste("evaluate", "composed", "--data", "atelier:50:3", "--model", dual, "--no-control")
    assert shown.code == 0, shown.err
    assert "right_R@10" in shown.out


def fashioniq(root: Path) -> Path:
    for folder in ("captions", "image_splits", "images"):
        (root / folder).mkdir(parents=True)
    random = np.random.default_rng(0)
    for kind, category in enumerate(CATEGORIES):
        names = [f"B{kind}{number}" for number in range(12)]
        rows = [{"candidate": names[n], "target": names[n + 1], "captions": ["is red", "is long"]} for n in range(8)]
        (root / "captions" / f"cap.{category}.val.json").write_text(json.dumps(rows))
        (root / "image_splits" / f"split.{category}.val.json").write_text(json.dumps(names))
        for name in names:
            Image.fromarray(random.integers(0, 255, (8, 6, 3), dtype=np.uint8)).save(root / "images" / f"{name}.png")
    return root


def test_fashioniq_says_which_gallery_and_how_many_models(
    modiste: Callable[..., Any], dual: Path, tmp_path: Path
) -> None:
    root = fashioniq(tmp_path / "iq")
    common = ("evaluate", "composed", "--data", root, "--json", "--model")
    done = modiste(*common, dual)
    assert done.code == 0, done.err
    found = done.json
    assert (found["gallery"], found["models"], found["split"]) == ("original", 1, "valid")
    assert found["galleries"] == dict.fromkeys(CATEGORIES, 12)
    six = [found[f"{category}_R@{k}"] for category in CATEGORIES for k in (10, 50)]
    assert found["mean"] == pytest.approx(np.mean(six))
    assert "right_dress_R@10" not in found
    narrow = modiste(*common, dual, "--gallery", "val").json
    assert (narrow["gallery"], narrow["galleries"]["dress"]) == ("val", 9)
    three = ",".join(f"{category}={dual}" for category in CATEGORIES)
    assert modiste(*common, three).json["dress_R@10"] == found["dress_R@10"]
    assert "dress=NAME" in modiste(*common, f"dress={dual}").err
    (root / "images").rename(tmp_path / "elsewhere")
    assert "no photo" in modiste(*common, dual).err
    assert modiste(*common, dual, "--images", tmp_path / "elsewhere").json["mean"] == found["mean"]


class Writer:
    """Writes the title of the photo that it is shown."""

    name, sha256 = "writer", "ef" * 32

    def __init__(self, shop: Path) -> None:
        self.titles = {item.image: item.title for item in load_items(shop) if isinstance(item.image, bytes)}
        self.beams: set[int] = set()

    def caption(self, images: Sequence[ImageLike], *, beams: int = 1, max_words: int | None = None) -> list[Caption]:
        self.beams.add(beams)
        return [Caption(self.titles[image], 0.0) for image in images if isinstance(image, bytes)]


def test_captioning(modiste: Callable[..., Any], shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(shop)
    monkeypatch.setattr("modiste.models.pretrained.load_captioner", lambda name, device="cpu": writer)
    monkeypatch.setattr("modiste.evaluation.captioning.shutil.which", lambda name: None)
    done = modiste("evaluate", "captioning", "--data", shop, "--beams", 5, "--json")
    assert done.code == 0, done.err
    found = done.json
    assert writer.beams == {5}
    assert (found["model"], found["protocol"], found["beams"]) == ("writer", "captioning", 5)
    assert found["BLEU-4"] == pytest.approx(100, abs=0.01)
    assert found["CIDEr"] > 900
    assert 0 < found["labels_ROUGE-L"] < 100
    assert found["left_out"] == ["METEOR"]
    assert "METEOR left out: it needs Java" in done.err
    shown = modiste("evaluate", "captioning", "--data", shop, "--num-queries", 20)
    assert "needs Java" in shown.out


@pytest.mark.usefixtures("small_pictures")
def test_a_fame_vil_by_all_three_protocols(
    modiste: Callable[..., Any], fame: Path, dual: Path, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modiste.evaluation.captioning.shutil.which", lambda name: None)
    composed = modiste("evaluate", "composed", "--data", "atelier:30:3", "--model", fame, "--json")
    assert composed.code == 0, composed.err
    assert composed.json["model"] == "fame_vil_debug.born"
    assert composed.json["gain_image_right_R@10_low"] + 100 >= 0
    caption = ("evaluate", "captioning", "--data", shop, "--num-queries", 8, "--json", "--model")
    written = modiste(*caption, fame, "--beams", 2)
    assert written.code == 0, written.err
    assert (written.json["num_items"], written.json["beams"]) == (8, 2)
    assert 0 <= written.json["CIDEr"] <= 1000
    assert "describes no photos" in modiste(*caption, dual).err
    recognise = ("evaluate", "recognition", "--data", shop, "--split", "test", "--json", "--model", fame)
    found = modiste(*recognise)
    assert found.code == 0, found.err
    assert found.json["model"] == "fame_vil_debug.born"
    assert 0 <= found.json["scr_accuracy"] <= 100
    assert 0 <= found.json["scr_macro_f1"] <= 1
    assert "scr_accuracy" in modiste(*recognise, "--inputs", "image").out
    assert "has no photo" in modiste(*recognise, "--inputs", "text").err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("recognition", "--beams", 3), "--beams and --reference are options of captioning"),
        (("captioning", "--gallery", "val"), "--gallery and --images are options of composed"),
        (("captioning", "--beams", 0), "--beams must be at least 1"),
        (("composed", "--by", "s"), "--by is an option of"),
    ],
)
def test_options_of_other_protocols_are_refused(modiste: Callable[..., Any], arguments: Any, says: str) -> None:
    done = modiste("evaluate", *arguments, "--data", "atelier:10")
    assert done.code == 1
    assert says in " ".join(done.err.split())
