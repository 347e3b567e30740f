"""The command line's half of a recipe, on a recipe made of this file."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from torch import nn

from modiste.recipes import registry
from modiste.recipes.registry import Recipe, RecipeError, build_run, field_docs, parse_overrides, recipe_help
from modiste.training.run import Run


@dataclass(frozen=True)
class Base:
    epochs: int = 3  # passes over the data – all of it


@dataclass(frozen=True)
class Config(Base):
    """The fields of a toy."""

    learning_rate: float = 1e-3  # peak
    name: str = "x"
    """What it is
    called."""
    widths: tuple[int, ...] = (8, 16)  # of the layers
    ema: bool = False
    folder: Path | None = None  # none: no folder
    towers: Literal["own", "clip"] = "own"
    weights: dict[str, float] | None = None
    warmup: int | float = 0

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError("epochs must be at least 1")


@dataclass(frozen=True)
class Required:
    data: Path  # the table


def build(config: Config) -> Run:
    class NoData:
        steps_per_epoch = 5

    return Run(
        name="?", model=nn.Linear(1, 1), loader=NoData(), epochs=config.epochs, learning_rate=config.learning_rate
    )


def test_words_become_typed_fields() -> None:
    words = ["epochs=5", "learning-rate=3e-4", "name=3", "widths=1,2,3", "ema=true", "folder=a/b", "towers=clip"]
    config = parse_overrides(Config, [*words, 'weights={"a_loss": 2}'])
    assert config == Config(5, 3e-4, "3", (1, 2, 3), True, Path("a/b"), "clip", {"a_loss": 2.0})


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("folder=none", None),
        ("widths=[4]", (4,)),
        ("widths=4", (4,)),
        ("warmup=0.1", 0.1),
        ("warmup=10", 10),
        ("name=a=b", "a=b"),
    ],
)
def test_spellings(word: str, expected: object) -> None:
    value = getattr(parse_overrides(Config, [word]), word.split("=")[0])
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["epoch=3"], "no field 'epoch'; did you mean epochs"),
        (["zzz=3"], "there is ema, epochs"),
        (["epochs=three"], "epochs=three is not of type int"),
        (["epochs=1.5"], "not of type int"),
        (["learning_rate=nan"], "learning_rate=nan is not of type float"),
        (["towers=siglip"], "'own' or 'clip'"),
        (["widths=1,b"], "widths=1,b"),
        (["ema=perhaps"], "not of type bool"),
        (["epochs"], "field=value"),
        (["epochs=1", "epochs=2"], "twice"),
        (["epochs=0"], "at least 1"),
    ],
)
def test_what_is_wrong_is_said(words: list[str], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parse_overrides(Config, words)


def test_a_field_without_default_must_be_given() -> None:
    with pytest.raises(RecipeError, match="data must be given"):
        parse_overrides(Required, [])
    assert parse_overrides(Required, ["data=t.csv"]).data == Path("t.csv")


def test_docs_come_from_comments_and_strings_of_all_bases() -> None:
    docs = field_docs(Config)
    assert docs["epochs"] == "passes over the data – all of it"
    assert docs["name"] == "What it is called."
    assert docs["learning_rate"] == "peak"
    assert docs["ema"] == ""


def test_help_shows_every_field(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe("a toy", f"{__name__}:Config", "nowhere:build", defaults={"epochs": 1})
    monkeypatch.setitem(registry.RECIPES, "debug", recipe)
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Config.__module__])
    text = recipe_help("debug")
    assert text.startswith("debug: a toy")
    assert "epochs: int = 1" in text  # the variant's own default
    assert "widths: tuple[int, ...] = (8, 16)" in text
    assert "of the layers" in text
    with pytest.raises(RecipeError, match="did you mean debug"):
        recipe_help("debgu")


def test_the_registry_imports_no_torch() -> None:
    code = "import sys, modiste.recipes.registry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_run_is_built_from_words_and_keeps_its_config(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = Recipe("a toy", f"{__name__}:Config", f"{__name__}:build", defaults={"epochs": 7})
    monkeypatch.setitem(registry.RECIPES, "debug", recipe)
    monkeypatch.setitem(sys.modules, __name__, sys.modules[Config.__module__])
    run = build_run("debug", ["learning_rate=0.5"])
    assert (run.name, run.total_steps, run.learning_rate) == ("debug", 35, 0.5)
    assert run.config["epochs"] == 7
    assert run.config["widths"] == (8, 16)
    assert build_run("debug", ["epochs=1"]).total_steps == 5
