"""Items and queries as vectors: order, batching, missing halves, bad photos."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from modiste.data.images import ImageError, encode_jpeg
from modiste.data.text import train_wordpiece
from modiste.models.clip import SIZES, DualEncoder, DualEncoderTowers
from modiste.models.inference import Fusion, ImageTextEncoder
from modiste.types import Item, ItemEncoder


@pytest.fixture(scope="module")
def encoder() -> ImageTextEncoder:
    torch.manual_seed(0)
    tokenizer = train_wordpiece(["red dress", "blue jeans", "black boots"] * 3, vocab_size=200)
    return ImageTextEncoder(
        DualEncoderTowers(DualEncoder(SIZES["debug"]), tokenizer), name="debug", sha256="0" * 64, batch_size=4
    )


def photo(seed: int, height: int = 50, width: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def items(count: int = 11) -> list[Item]:
    return [Item(f"i{n}", f"red dress {n}", photo(n)) for n in range(count)]


def test_it_is_an_item_encoder(encoder: ImageTextEncoder) -> None:
    assert isinstance(encoder, ItemEncoder)


def test_vectors_are_units_in_input_order_whatever_the_batch(encoder: ImageTextEncoder) -> None:
    together = encoder.encode(items()).vectors
    assert together.shape == (11, encoder.id.dim)
    assert together.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for n, item in enumerate(items()):
        np.testing.assert_allclose(encoder.encode([item]).vectors[0], together[n], atol=1e-5)
    np.testing.assert_allclose(encoder.encode(items()[::-1]).vectors, together[::-1], atol=1e-5)


def test_a_missing_half_is_filled_with_the_other(encoder: ImageTextEncoder) -> None:
    both = Item("a", "red dress", photo(0))
    image, text = encoder.encode_images([photo(0)]).vectors[0], encoder.encode_texts(["red dress"]).vectors[0]
    for item, halves in (
        (both, (image, text)),
        (Item("a", "red dress"), (text, text)),
        (Item("a", image=photo(0)), (image, image)),
    ):
        np.testing.assert_allclose(encoder.encode([item]).vectors[0], np.concatenate(halves) / np.sqrt(2), atol=1e-5)


def test_an_empty_item_and_an_empty_query_are_refused(encoder: ImageTextEncoder) -> None:
    with pytest.raises(ValueError, match="'nothing' has neither"):
        encoder.encode([*items(2), Item("nothing")])
    with pytest.raises(ValueError, match="empty query"):
        encoder.encode_query("   ")


def test_the_item_with_a_broken_photo_is_named(encoder: ImageTextEncoder) -> None:
    broken = Item("torn", "boots", encode_jpeg(photo(1))[:60])
    with pytest.raises(ImageError, match="torn"):
        encoder.encode([*items(5), broken])


def test_query_weights_decide_which_half_is_asked(encoder: ImageTextEncoder) -> None:
    image, text = encoder.encode_images([photo(0)]).vectors[0], encoder.encode_texts(["red dress"]).vectors[0]
    for weight in (0.0, 0.3, 1.0):
        encoder.fusion = Fusion(words_on_image=weight, photo_on_image=weight)
        for query, embedding in (
            (encoder.encode_query("red dress"), text),
            (encoder.encode_query(image=photo(0)), image),
        ):
            expected = np.concatenate([weight * embedding, (1 - weight) * embedding])
            np.testing.assert_allclose(query.vectors[0], expected / np.linalg.norm(expected), atol=1e-5)
    encoder.fusion = Fusion()


def test_photo_and_words_lie_between_photo_and_words(encoder: ImageTextEncoder) -> None:
    words, seen, mixed = (
        encoder.encode_query(*query) for query in (("red dress",), ("", photo(0)), ("red dress", photo(0)))
    )
    apart = words.similarity(seen)[0, 0]
    assert mixed.similarity(words)[0, 0] > apart
    assert mixed.similarity(seen)[0, 0] > apart


def test_nothing_to_encode_is_no_vectors(encoder: ImageTextEncoder) -> None:
    assert encoder.encode([]).vectors.shape == (0, encoder.id.dim)
    assert encoder.encode_images([]).vectors.shape == (0, encoder.tower_id.dim)


def test_a_vector_that_is_not_finite_never_leaves(encoder: ImageTextEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        encoder.towers, "embed_texts", lambda texts: torch.full((len(texts), encoder.tower_id.dim), torch.nan)
    )
    with pytest.raises(ValueError, match="not finite"):
        encoder.encode_texts(["red dress"])


def test_fusion_weights_are_shares() -> None:
    with pytest.raises(ValueError, match="photo_on_image"):
        Fusion(photo_on_image=1.5)


def test_texts_of_about_one_length_share_a_batch(encoder: ImageTextEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["red " * (1 + n * 7 % 10) for n in range(10)]
    expected = np.concatenate([encoder.encode_texts([text]).vectors for text in texts])
    seen: list[list[int]] = []
    embed = encoder.towers.embed_texts
    monkeypatch.setattr(
        encoder.towers, "embed_texts", lambda some: (seen.append([len(text) for text in some]), embed(some))[1]
    )
    counted: list[int] = []
    np.testing.assert_allclose(encoder.encode_texts(texts, progress=counted.append).vectors, expected, atol=1e-5)
    assert seen == [[4, 8, 12, 16], [20, 24, 28, 32], [36, 40]]
    assert counted == [4, 4, 2]
    assert encoder.encode_texts([]).vectors.shape == (0, encoder.tower_id.dim)
