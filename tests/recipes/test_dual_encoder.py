"""The dual encoder recipes: captions, data, and starting from another model's weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from modiste.data.text import train_wordpiece
from modiste.models.clip import SIZES, DualEncoder
from modiste.models.pretrained import load_model, save_pretrained
from modiste.recipes.examples import atelier_examples, attribute_caption, examples_of
from modiste.recipes.registry import build_run
from modiste.types import Item

PIXELS = np.zeros((4, 3, 3), np.uint8)


def test_attributes_become_the_words_of_a_search() -> None:
    real = Item(
        "1",
        "x",
        category="Tops",
        attributes={"usage": "Casual", "gender": "Women", "colour": "Red", "article_type": "Tops"},
    )
    assert attribute_caption(real) == "Women Red Tops Casual"
    drawn = Item("2", "x", category="dress", attributes={"colour": "red", "pattern": "polka dots", "price": 3.0})
    assert attribute_caption(drawn) == "red polka dots dress"


def test_examples_need_a_photo_and_words() -> None:
    items = [
        Item("a", "title", PIXELS),
        Item("b", "title"),
        Item("c", "", PIXELS),
        Item("d", "", PIXELS, description="words"),
    ]
    found = list(examples_of(items, 0.25))
    assert [example.item.id for example in found] == ["a", "d"]
    assert found[0].captions == (("title", 0.75),)


@pytest.fixture
def start(tmp_path: Path) -> Path:
    torch.manual_seed(3)
    return save_pretrained(
        tmp_path / "start", DualEncoder(SIZES["debug"]), train_wordpiece(["red dress", "blue jeans"] * 3), name="start"
    )


FIELDS = [
    "data=atelier:64",
    "batch_size=16",
    "group_size=4",
    "atelier=3",
    "atelier_repeats=2",
    "customer_photos=1",
    "cache=",
]


def test_a_run_starts_from_another_models_weights_and_words(start: Path) -> None:
    run = build_run("dual_encoder_debug", [*FIELDS, f"init_from={start}"])
    model = run.model()  # type: ignore[operator]
    for name, tensor in load_model(start).model.state_dict().items():
        if not name.endswith("trust.weights"):  # counted anew in the texts of this run
            torch.testing.assert_close(model.state_dict()[name], tensor)
    alone = build_run("dual_encoder_debug", [*FIELDS[:3], f"init_from={start}"])
    assert run.loader.num_items == alone.loader.num_items + 6  # type: ignore[attr-defined]
    batch = next(iter(run.loader.batches(0, 0, 0, 1)))
    assert len(batch) == 16 + 8  # extra_rows of the debug recipe
    assert batch.token_ids.max() < model.config.vocab_size


def test_an_unknown_size_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match="debug, small, fine, base"):
        build_run("dual_encoder_debug", ["size=huge"])


def test_the_same_recipe_builds_the_same_run() -> None:
    first, second = (build_run("dual_encoder_debug", FIELDS[:3]) for _ in range(2))
    one, other = (next(iter(run.loader.batches(1, 1, 0, 1))) for run in (first, second))
    torch.testing.assert_close(one.images, other.images)
    torch.testing.assert_close(one.token_ids, other.token_ids)


def test_kept_examples_need_no_drawing_library(tmp_path: Path) -> None:
    """A training machine that only has the file of drawn examples can use it."""
    assert len(list(atelier_examples(2, 1, (15, 20), cache=tmp_path))) == 2
    code = (
        "import sys; sys.modules['resvg_py'] = None\n"  # importing it raises
        "from pathlib import Path; from modiste.recipes.examples import atelier_examples\n"
        f"print(len(list(atelier_examples(2, 1, (15, 20), cache=Path({str(tmp_path)!r})))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "2", done.stderr


def test_drawn_examples_come_back_from_their_file(tmp_path: Path) -> None:
    drawn = list(atelier_examples(3, 2, (15, 20), cache=tmp_path / "cache"))
    [file] = (tmp_path / "cache").iterdir()
    written = file.stat().st_mtime_ns
    kept = list(atelier_examples(3, 2, (15, 20), cache=tmp_path / "cache"))
    assert file.stat().st_mtime_ns == written
    for one, other in zip(drawn, kept, strict=True):
        assert one.captions == other.captions
        assert one.more_photos == other.more_photos
        assert one.item.attributes == other.item.attributes
        assert (one.item.id, one.item.title, one.item.image) == (other.item.id, other.item.title, other.item.image)
