"""Numbers in eight bits: how far off they may be, and that storing them again changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from modiste.data.text import train_wordpiece
from modiste.models.clip import SIZES, DualEncoder
from modiste.models.eight_bits import from_eight_bits, in_eight_bits, packed, rounded, widened
from modiste.models.pretrained import BANK, CONFIG, load, load_model, save_pretrained
from modiste.models.query_bank import QueryBank


def test_a_row_of_zeros_stays_and_other_kinds_are_left_alone() -> None:
    weights = {"a": torch.tensor([[0.0, 0.0], [1.0, -0.5]]), "b": torch.tensor([1.5]), "n": torch.tensor([[1, 2]])}
    found = from_eight_bits(in_eight_bits(weights))
    assert found.keys() == weights.keys()
    torch.testing.assert_close(found["a"], weights["a"], atol=0.004, rtol=0)
    assert torch.equal(found["b"], weights["b"])
    assert torch.equal(found["n"], weights["n"])


@given(st.integers(0, 99), st.floats(-6, 6))
def test_a_weight_is_off_by_half_a_step_of_its_row_at_most(seed: int, size: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(5, 3, 2, 2, generator=generator) * 10 ** (size * torch.rand(5, 1, 1, 1, generator=generator))
    found = from_eight_bits(in_eight_bits({"w": weights}))["w"]
    steps = weights.flatten(1).abs().amax(dim=1) / 127
    assert ((found - weights).flatten(1).abs().amax(dim=1) <= 0.501 * steps).all()


@pytest.mark.parametrize("wrong", [{"x.factor": torch.ones(2)}, {"x": torch.ones(2, 2), "x.factor": torch.ones(2)}])
def test_a_factor_that_fits_no_matrix_is_refused(wrong: dict[str, torch.Tensor]) -> None:
    with pytest.raises(ValueError, match=r"x\.factor fits no matrix"):
        from_eight_bits(wrong)


@given(st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=20))
def test_what_is_rounded_is_stored_exactly(values: list[float]) -> None:
    vectors = np.array([values], np.float32)
    numbers, exponent = packed(vectors)
    assert np.abs(numbers.astype(int)).max() <= 127
    once = rounded(vectors)
    assert np.abs(once.astype(np.float32) - vectors).max() <= 0.5 * 2.0**-exponent + 1e-7
    np.testing.assert_array_equal(widened(*packed(once)), once)


def banked(folder: Path) -> Path:
    torch.manual_seed(1)
    rows = np.random.default_rng(0).normal(size=(2, 30, SIZES["debug"].embed_dim)).astype(np.float32)
    images, texts = rows / np.linalg.norm(rows, axis=2, keepdims=True)
    tokenizer = train_wordpiece(["red dress", "blue jeans"] * 3)
    return save_pretrained(folder, DualEncoder(SIZES["debug"]), tokenizer, name="t", bank=QueryBank.of(images, texts))


def test_a_query_bank_comes_back_as_it_was(tmp_path: Path) -> None:
    found = load_model(banked(tmp_path / "one"))
    again = save_pretrained(tmp_path / "two", found.model, found.tokenizer, name="t", bank=found.bank)
    assert load_file(tmp_path / "one" / BANK)["images"].dtype == np.int8
    assert load(again).id == load(tmp_path / "one").id


def test_a_query_bank_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """In float16, as it was stored before."""
    folder = banked(tmp_path / "old")
    bank = load_model(folder).bank
    assert bank is not None
    save_file({"images": bank.images, "texts": bank.texts}, folder / BANK)
    described = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    kept = {key: value for key, value in described.items() if key not in ("sum", "files")}  # as changed by hand
    (folder / CONFIG).write_text(json.dumps(kept), encoding="utf-8")
    np.testing.assert_array_equal(load_model(folder).bank.images, bank.images)  # type: ignore[union-attr]
