"""The recipe through the front door: trained, joined, indexed, asked in Russian; and the tower that ships."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from modiste.cli import run
from modiste.data.atelier.parallel import is_held_out, some_attributes
from modiste.data.atelier.translations import sentence
from modiste.models.pretrained import CARD, PretrainedError, load
from modiste.registry import DEFAULT, TEXT_TOWERS, TOWER

BOTH = f"{DEFAULT}+{TOWER}"


def test_the_recipe_trains_and_its_tower_joins(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    assert run(["train", "multilingual_text_debug", "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert f"--model {DEFAULT}+{out}" in shown
    card = (out / "model" / CARD).read_text(encoding="utf-8")
    assert "modiste train multilingual_text_debug" in card
    joined = load(f"{DEFAULT}+{out}")
    assert set(joined.languages) == {"en", "ru", "zh"}
    assert run(["train", "multilingual_text_debug", "languages=xx"]) == 1
    assert run(["train", "multilingual_text_debug", "data=fashion_products"]) == 1


def test_more_training_draws_the_student_to_its_teacher() -> None:
    """On one batch, by the recipe's own loss."""
    from modiste.recipes.registry import build_run

    run_of = build_run("multilingual_text_debug", ["sentences=40", "drop_token_rate=0"])
    torch.manual_seed(0)
    model = run_of.model() if callable(run_of.model) else run_of.model
    batch = next(iter(run_of.loader.batches(0, 0, 0, 1)))
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for _ in range(15):
        optimiser.zero_grad()
        loss = model.losses(batch)["teacher_loss"]  # type: ignore[operator]
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_the_tower_that_ships_gives_the_teachers_vectors_of_what_it_was_not_trained_on() -> None:
    from modiste.data.atelier.design import design

    base, both = load(), load(BOTH)
    rng = np.random.default_rng(77)
    wishes = [one for index in range(300) if is_held_out(one := some_attributes(design(77, index), rng))][:40]
    english = base.encode_texts([sentence(wish, "en") for wish in wishes]).vectors
    assert np.array_equal(both.encode_texts([sentence(wish, "en") for wish in wishes]).vectors, english)
    for language in ("ru", "zh"):
        said = [sentence(wish, language) for wish in wishes]  # type: ignore[arg-type]
        assert not any(both.reading(text).unread for text in said)
        assert (both.encode_texts(said).vectors * english).sum(axis=1).mean() > 0.97


def test_russian_and_chinese_are_answered_where_the_tower_is_plugged_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from modiste.data.atelier import Atelier, write_catalogue

    table = write_catalogue(Atelier(seed=4, image_size=(60, 80)), 40, tmp_path / "shop")
    index = tmp_path / "index"
    assert run(["index", str(table), "--into", str(index), "--model", BOTH]) == 0
    capsys.readouterr()

    def hits(words: str) -> list[str]:
        assert run(["search", str(index), words, "--json", "-k", "5"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["warnings"] == []
        return [hit["id"] for hit in found["hits"]]

    english = hits("black ankle boots")
    assert len(set(english) & set(hits("чёрные ботильоны"))) >= 4
    assert len(set(english) & set(hits("黑色短靴"))) >= 4
    assert run(["search", str(index), "ワンピース"]) == 1, "what neither reads is refused here, too"


def test_the_tower_is_listed_and_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    from modiste.models import pretrained

    changed = {TOWER: replace(TEXT_TOWERS[TOWER], sha256="0" * 64)}
    monkeypatch.setattr(pretrained, "TEXT_TOWERS", changed)
    with pytest.raises(PretrainedError, match="not the registered"):
        load(BOTH)
