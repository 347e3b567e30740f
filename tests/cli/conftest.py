"""A small shop and a small encoder, made once: every command is tried through the front door."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def modiste(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run the command line in this process: `modiste("search", folder, "red dress")`."""
    from modiste.cli import run

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The table of a drawn catalogue of 60 items."""
    from modiste.data.atelier import Atelier, write_catalogue

    return write_catalogue(Atelier(seed=4, image_size=(60, 80)), 60, tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="session")
def indexed(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop, indexed with the shipped encoder."""
    from modiste.cli import run

    folder = tmp_path_factory.mktemp("index") / "shop"
    assert run(["index", str(shop), "--into", str(folder)]) == 0
    return folder


@pytest.fixture(scope="session")
def mvlt(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small MVLT with all of its heads and the weights that it was born with, too sure of its matches."""
    import torch

    from modiste.data.sources import load_items
    from modiste.data.text import train_wordpiece
    from modiste.models.mvlt import SIZES, Mvlt
    from modiste.models.pretrained import save_pretrained

    torch.manual_seed(1)
    labels = {
        "article_type": tuple("ABCDEFG"), "sub_category": ("Topwear", "Shoes & [more]"), "colour": ("red", "green", "blue"),
    }  # fmt: skip
    model = Mvlt(SIZES["debug"], labels=labels).eval()
    with torch.no_grad():
        model.itm_classify.weight *= 300  # so that its word weighs beside the first score
    tokenizer = train_wordpiece([item.text for item in load_items(shop)], vocab_size=400)
    folder = tmp_path_factory.mktemp("models") / "mvlt"
    return save_pretrained(folder, model, tokenizer, name="mvlt_debug.born")


@pytest.fixture(scope="session")
def dual(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small dual encoder with the weights that it was born with: it encodes, and nothing else."""
    import torch

    from modiste.data.sources import load_items
    from modiste.data.text import train_wordpiece
    from modiste.models.clip import SIZES, DualEncoder
    from modiste.models.pretrained import save_pretrained

    torch.manual_seed(2)
    tokenizer = train_wordpiece([item.text for item in load_items(shop)], vocab_size=400)
    folder = tmp_path_factory.mktemp("models") / "dual"
    return save_pretrained(folder, DualEncoder(SIZES["debug"]), tokenizer, name="dual_encoder_debug.born")


@pytest.fixture(scope="session")
def fame(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the smallest FAME-ViL with the weights that it was born with: it writes, if not well."""
    import torch

    from modiste.data.sources import load_items
    from modiste.data.text import train_wordpiece
    from modiste.models.fame_vil import SIZES, FameVil
    from modiste.models.pretrained import save_pretrained

    torch.manual_seed(3)
    tokenizer = train_wordpiece([item.text for item in load_items(shop)], vocab_size=400)
    folder = tmp_path_factory.mktemp("models") / "fame"
    return save_pretrained(folder, FameVil(SIZES["debug"]), tokenizer, name="fame_vil_debug.born")


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A customer's photo in a file."""
    from modiste.data.atelier import Atelier

    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    path.write_bytes(Atelier(seed=4, image_size=(60, 80)).customer_photo(3))
    return path
