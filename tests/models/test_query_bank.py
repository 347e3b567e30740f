"""Query-bank normalisation: against naive loops, in one inner product, in item vectors, saved and loaded."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

sys.path.insert(0, str(Path(__file__).parent))
from by_hand import by_hand

from modiste.data.text import train_wordpiece
from modiste.models.clip import SIZES, DualEncoder, DualEncoderTowers
from modiste.models.inference import ImageTextEncoder
from modiste.models.pretrained import PretrainedError, from_pretrained, load_model, save_pretrained
from modiste.models.query_bank import QueryBank, chosen_rows, comparable
from modiste.types import Item


def units(seed: int, count: int, width: int = 6) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def naive_bias(vector: np.ndarray, bank: np.ndarray, scale: float) -> float:
    total = sum(math.exp(scale * float(np.dot(vector.astype(float), row.astype(float)))) for row in bank)
    return math.log(total / len(bank)) / scale


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 99), st.integers(1, 40), st.floats(0.5, 60))
def test_biases_are_the_formula(seed: int, rows: int, scale: float) -> None:
    bank = QueryBank.of(units(seed, rows), units(seed + 100, rows), scale=scale)
    asked = units(seed + 200, 3)
    mean = np.mean([naive_bias(row, bank.texts, scale) for row in bank.images])
    wanted = [naive_bias(row, bank.texts, scale) - mean for row in asked]
    np.testing.assert_allclose(bank.image_bias(asked), wanted, atol=2e-5)
    mean = np.mean([naive_bias(row, bank.images, scale) for row in bank.texts])
    wanted = [naive_bias(row, bank.images, scale) - mean for row in asked]
    np.testing.assert_allclose(bank.text_bias(asked), wanted, atol=2e-5)
    assert bank.image_bias(bank.images.astype(np.float32)).mean() == pytest.approx(0, abs=1e-5)


def test_one_product_serves_both_directions() -> None:
    images, texts = units(0, 9), units(1, 7)
    bank = QueryBank.of(units(2, 50), units(3, 50))
    a, b = comparable(images, texts, bank)
    product = images @ texts.T - bank.image_bias(images)[:, None] - bank.text_bias(texts)
    np.testing.assert_allclose(a @ b.T, product, atol=1e-6)
    assert comparable(images, texts, None) == (images, texts)


def test_hubs_give_way() -> None:
    """All embeddings lie in a cone, so the photos in its middle win most queries by the cosine alone."""
    texts = units(0, 200)
    texts[:, 0] = np.abs(texts[:, 0]) + 2
    texts /= np.linalg.norm(texts, axis=1, keepdims=True)
    photos = 0.35 * texts + 0.6 * units(1, 200)
    photos /= np.linalg.norm(photos, axis=1, keepdims=True)
    a, b = comparable(photos, texts, QueryBank.of(photos, texts))
    wins = [np.bincount(scores.argmax(axis=1), minlength=200).max() for scores in (texts @ photos.T, b @ a.T)]
    assert wins[0] > 30
    assert wins[1] < 10


@pytest.fixture(scope="module")
def encoder() -> ImageTextEncoder:
    torch.manual_seed(0)
    tokenizer = train_wordpiece(["red dress", "blue jeans", "black boots"] * 3, vocab_size=200)
    towers = DualEncoderTowers(DualEncoder(SIZES["debug"]), tokenizer)
    bank = QueryBank.of(units(4, 30, 32), units(5, 30, 32))
    return ImageTextEncoder(towers, name="debug", sha256="0" * 64, bank=bank)


def photo(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (50, 40, 3), dtype=np.uint8)


def test_words_ask_for_the_bias_and_photos_do_not(encoder: ImageTextEncoder) -> None:
    assert encoder.bank
    items = [Item(f"i{n}", f"red dress {n}", photo(n)) for n in range(5)]
    found = encoder.encode(items).vectors
    assert found.shape == (5, 2 * 32 + 2) == (5, encoder.id.dim)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    images = encoder.encode_images([item.image for item in items if item.image is not None]).vectors
    texts = encoder.encode_texts([item.text for item in items]).vectors
    words, query = encoder.encode_texts(["boots"]).vectors[0], encoder.encode_query("boots").vectors[0]
    weight = encoder.fusion.words_on_image
    wanted = weight * (images @ words - encoder.bank.image_bias(images)) + (1 - weight) * (texts @ words)
    scores = found @ query
    np.testing.assert_allclose(scores - scores[0], (wanted - wanted[0]) * scores.std() / wanted.std(), atol=1e-5)
    weight = encoder.fusion.photo_on_image
    shown = encoder.encode_images([photo(9)]).vectors[0]
    wanted, scores = (
        weight * (images @ shown) + (1 - weight) * (texts @ shown),
        found @ encoder.encode_query(image=photo(9)).vectors[0],
    )
    np.testing.assert_allclose(scores - scores[0], (wanted - wanted[0]) * scores.std() / wanted.std(), atol=1e-5)


def test_an_item_of_words_alone_has_no_bias(encoder: ImageTextEncoder) -> None:
    (found,) = encoder.encode([Item("a", "red dress")]).vectors
    assert found[-2] == 0
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-6)


def test_it_travels_with_the_model(encoder: ImageTextEncoder, tmp_path: Path) -> None:
    towers = encoder.towers
    assert isinstance(towers, DualEncoderTowers)
    plain = save_pretrained(tmp_path / "plain", towers.model, towers.tokenizer, name="n")
    folder = save_pretrained(tmp_path / "bank", towers.model, towers.tokenizer, name="n", bank=encoder.bank)
    assert load_model(plain).bank is None
    assert load_model(plain).sha256 != load_model(folder).sha256
    items = [Item(f"i{n}", f"red dress {n}", photo(n)) for n in range(5)]
    np.testing.assert_allclose(
        from_pretrained(folder).encode(items).vectors, encoder.encode(items).vectors, atol=2e-3
    )  # weights are stored in fp16
    file = folder / "query_bank.safetensors"
    whole = file.read_bytes()
    file.write_bytes(whole[:-9])
    with pytest.raises(PretrainedError, match="query_bank"):
        load_model(folder)
    by_hand(folder)
    save_file({"images": np.zeros((3, 32), np.float32), "texts": np.zeros((3, 32), np.float16)}, file)
    with pytest.raises(PretrainedError, match="finite float16 rows"):
        load_model(folder)
    file.unlink()
    with pytest.raises(PretrainedError, match="is missing"):
        load_model(folder)


def test_senseless_banks_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in width"):
        QueryBank(np.zeros((2, 3), np.float16), np.zeros((2, 4), np.float16))
    with pytest.raises(ValueError, match="must be positive"):
        QueryBank(np.zeros((2, 3), np.float16), np.zeros((2, 3), np.float16), scale=0)
    with pytest.raises(ValueError, match="finite"):
        QueryBank(np.full((2, 3), np.nan, np.float16), np.zeros((2, 3), np.float16))


def test_the_bank_is_drawn_the_same_way_each_time() -> None:
    assert list(chosen_rows(5, 8)) == [0, 1, 2, 3, 4]
    drawn = chosen_rows(1000, 50)
    assert len(set(drawn)) == 50
    assert list(drawn) == sorted(drawn)
    assert drawn == chosen_rows(1000, 50)
    assert drawn != chosen_rows(1000, 50, seed=1)
