"""Training batches: a function of the generator, positives stay positives."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from modiste.data.augment import augment_photos, drop_tokens
from modiste.data.examples import PhotoTextExample
from modiste.data.pairs import PairData, build_pairs, class_numbers
from modiste.data.text import train_wordpiece
from modiste.models.inference import photo_tensor
from modiste.types import Item


def solid(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((40, 30, 3), colour, np.uint8)


@pytest.fixture(scope="module")
def data() -> PairData:
    examples = [
        PhotoTextExample(
            Item(f"i{n}", f"title {n}", solid((20 * n, 100, 100)), category="ab"[n % 2], group=f"g{n // 2}"),
            ((f"title {n}", 0.5), (f"other words {n}", 0.5)) if n else (("only title", 1.0),),
            more_photos=(solid((20 * n, 200, 100)), solid((20 * n, 255, 100))) if n < 3 else (),
        )
        for n in range(8)
    ]
    texts = [text for example in examples for text, _ in example.captions]
    tokenizer = train_wordpiece(texts, vocab_size=100, min_frequency=1)
    return build_pairs(
        examples, tokenizer, partial(photo_tensor, image_size=(30, 40)), context_length=8, augmentation=0.0,
        drop_token_rate=0.0, extra_rows=4,
    )  # fmt: skip


def test_augmentation_of_strength_zero_is_only_a_mirror() -> None:
    images = torch.randint(0, 256, (5, 3, 20, 15), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    changed = augment_photos(images, strength=0.0)
    for before, after in zip(images.float() / 255, changed, strict=True):
        close = [torch.allclose(after, one, atol=1e-4) for one in (before, before.flip(2))]
        assert any(close)


def test_augmentation_keeps_range_shape_and_hue() -> None:
    images = torch.tensor([200, 30, 40], dtype=torch.uint8)[None, :, None, None].expand(8, 3, 20, 15)
    changed = augment_photos(images)
    assert changed.shape == images.shape
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert (changed[:, 0] > changed[:, 1:].amax(dim=1) + 0.3).all()  # a red item stays red


def test_dropped_tokens_are_neither_the_first_nor_padding() -> None:
    ids = torch.tensor([[2, 7, 8, 0], [2, 9, 0, 0]])
    dropped = drop_tokens(ids, rate=1.0, replacement_id=1)
    assert dropped.tolist() == [[2, 1, 1, 0], [2, 1, 0, 0]]
    assert drop_tokens(ids, rate=0.0, replacement_id=1).tolist() == ids.tolist()


def test_a_batch_is_a_function_of_the_generator(data: PairData) -> None:
    indices = np.array([4, 1, 0, 6])
    first, second = (data.collate(indices, np.random.default_rng(5)) for _ in range(2))
    for name in ("images", "token_ids", "attention_mask", "item_ids"):
        torch.testing.assert_close(getattr(first, name), getattr(second, name))


def test_augmentation_is_a_function_of_the_global_seed(data: PairData) -> None:
    batch = data.collate(np.array([4, 1, 0, 6]), np.random.default_rng(5))
    changing = replace(data, augmentation=1.0, drop_token_rate=0.5)
    changed = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        changed.append(changing.augment(batch))
    torch.testing.assert_close(changed[0].images, changed[1].images)
    torch.testing.assert_close(changed[0].token_ids, changed[1].token_ids)
    assert not torch.equal(changed[0].images, changed[2].images)


def test_labels_are_numbered_and_missing_ones_ignored() -> None:
    items = [Item("a", attributes={"colour": "red"}), Item("b", attributes={"colour": "mauve"}), Item("c")]
    assert class_numbers(items, {"colour": ("blue", "red"), "usage": ("Casual",)}).tolist() == [
        [1, -100], [-100, -100], [-100, -100],
    ]  # fmt: skip


def test_second_photos_come_as_rows_of_their_product(data: PairData) -> None:
    indices = np.array([7, 1, 0, 5, 6])
    for seed in range(10):
        batch = data.collate(indices, np.random.default_rng(seed))
        assert len(batch) == 9
        assert batch.item_ids[:5].tolist() == data.products[indices].tolist()
        extra_green = batch.images[5:, 1].float().mean(dim=(1, 2)).round().int().tolist()
        # the two items with further photos show one of them, the others their shop photo again
        assert sum(green in (200, 255) for green in extra_green) == 2
        red = (batch.images[5:, 0].float().mean(dim=(1, 2)) / 20).round().long()
        torch.testing.assert_close(batch.item_ids[5:], data.products[red])


def test_captions_are_drawn_by_their_weights(data: PairData) -> None:
    lengths = [
        int(data.collate(np.array([3, 4]), np.random.default_rng(seed)).attention_mask[0].sum()) for seed in range(60)
    ]
    assert {3, 4} == set(lengths)  # "title 3", "other words 3", with [CLS]
    assert 15 < lengths.count(3) < 45


def test_what_cannot_be_trained_on_is_named() -> None:
    tokenizer = train_wordpiece(["a b c"], min_frequency=1)
    transform = partial(photo_tensor, image_size=(30, 40))
    with pytest.raises(ValueError, match="no items"):
        build_pairs([], tokenizer, transform, context_length=8)
    with pytest.raises(ValueError, match="'x' has no photo"):
        build_pairs([PhotoTextExample(Item("x", "t"), (("t", 1.0),))], tokenizer, transform, context_length=8)
