"""Item vectors taken apart, and tags."""

from __future__ import annotations

import numpy as np
import pytest

from modiste.data.outfit_features import features_of, known_tags, tag_numbers
from modiste.types import Item

E = 3


def joint(image: list[float], text: list[float]) -> np.ndarray:
    return (np.array([*image, *text]) / np.sqrt(2)).astype(np.float32)


IMAGE, TEXT = [1.0, 0.0, 0.0], [0.0, 0.6, 0.8]
PIXELS = np.zeros((2, 2, 3), np.uint8)


def test_the_halves_are_photo_and_words_and_a_repeated_half_is_a_missing_one() -> None:
    items = [
        Item("both", "words", PIXELS),
        Item("words", "words"),
        Item("photo", image=PIXELS),
        Item("stored without its photo", "words"),
        Item("nothing"),
    ]
    vectors = np.stack(
        [joint(IMAGE, TEXT), joint(TEXT, TEXT), joint(IMAGE, IMAGE), joint(IMAGE, TEXT), np.zeros(2 * E)]
    )
    found = features_of(items, vectors.astype(np.float32), {})
    assert found.has_image.tolist() == [True, False, True, True, False]
    assert found.has_text.tolist() == [True, True, False, True, False]
    np.testing.assert_allclose(found.images[[0, 2, 3]], [IMAGE] * 3, atol=1e-6)
    np.testing.assert_allclose(found.texts[[0, 1, 3]], [TEXT] * 3, atol=1e-6)
    assert not found.images[[1, 4]].any()
    assert not found.texts[[2, 4]].any()
    assert found.tags.shape == (5, 0)
    assert len(found) == 5


@pytest.mark.parametrize("banked", [False, True])
def test_they_are_what_the_encoder_made_of_each(banked: bool) -> None:
    """The convention is `ImageTextEncoder.encode`'s: taken apart, its vectors are those of photo and words alone."""
    import torch

    from modiste.data.text import train_wordpiece
    from modiste.models.clip import SIZES, DualEncoder, DualEncoderTowers
    from modiste.models.inference import ImageTextEncoder
    from modiste.models.query_bank import QueryBank

    torch.manual_seed(0)
    towers = DualEncoderTowers(DualEncoder(SIZES["debug"]), train_wordpiece(["red dress", "blue jeans"] * 3))
    rows = np.random.default_rng(1).normal(size=(9, towers.embed_dim)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    encoder = ImageTextEncoder(towers, name="toy", sha256="0", bank=QueryBank.of(rows, rows) if banked else None)
    photo = np.random.default_rng(0).integers(0, 255, (40, 30, 3), dtype=np.uint8)
    items = [Item("a", "red dress", photo), Item("b", "blue jeans"), Item("c", image=photo)]
    found = features_of(items, encoder.encode(items).vectors, {}, encoder.tower_id.dim)
    assert found.has_image.tolist() == [True, False, True]
    assert found.has_text.tolist() == [True, True, False]
    np.testing.assert_allclose(found.images[[0, 2]], encoder.encode_images([photo] * 2).vectors, atol=1e-5)
    np.testing.assert_allclose(found.texts[:2], encoder.encode_texts(["red dress", "blue jeans"]).vectors, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 6), (2, 5), (2, 3, 2)])
def test_vectors_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="2 items need vectors"):
        features_of([Item("a", "x"), Item("b", "y")], np.zeros(shape, np.float32), {})


def test_tags_are_numbered_from_one_and_unknown_is_nought() -> None:
    items = [
        Item("a", category="Shirts", attributes={"colour": "red"}, group="g"),
        Item("b", category="shirt", attributes={"colour": "blue", "size": 3}),
        Item("c", category="Bags"),
    ]
    tags = known_tags(items[:2], ("category", "colour", "id", "product"))
    assert tags == {"category": ("shirt",), "colour": ("blue", "red"), "id": ("a", "b"), "product": ("b", "g")}
    assert tag_numbers(items, tags).tolist() == [[1, 2, 1, 2], [1, 1, 2, 1], [0, 0, 0, 0]]
    assert tag_numbers(items, {}).shape == (3, 0)
    assert known_tags(items, ("size",)) == {"size": ("3",)}
    coded = [Item("4312-x"), Item("4399-y"), Item("5")]
    assert known_tags(coded, ("id:2",)) == {"id:2": ("43", "5")}
    assert tag_numbers([Item("4300"), Item("44")], known_tags(coded, ("id:2",))).tolist() == [[1], [0]]
