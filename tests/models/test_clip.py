"""The dual encoder: shapes, invariances, loss against a slow version, and that it learns."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch.nn import functional as F

from modiste.data.batches import ImageTextBatch
from modiste.models.clip import SIZES, DualEncoder, ImageTower
from modiste.models.inference import photo_tensor


@pytest.fixture
def model() -> DualEncoder:
    torch.manual_seed(0)
    return DualEncoder(SIZES["debug"])


def batch(rows: int = 6, *, length: int = 7, seed: int = 0) -> ImageTextBatch:
    generator = torch.Generator().manual_seed(seed)
    width, height = SIZES["debug"].image_size
    token_ids = torch.randint(5, 512, (rows, length), generator=generator)
    token_ids[0, 3:] = 0
    return ImageTextBatch(
        images=torch.rand(rows, 3, height, width, generator=generator),
        token_ids=token_ids,
        attention_mask=token_ids != 0,
        item_ids=torch.arange(rows) // 2,
    )


def test_embeddings_are_unit_vectors_of_one_space(model: DualEncoder) -> None:
    one = batch()
    image, text = model.encode_image(one.images), model.encode_text(one.token_ids, one.attention_mask)
    assert image.shape == text.shape == (6, SIZES["debug"].embed_dim)
    for embeddings in (image, text):
        torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(6))


def test_uint8_pixels_are_the_same_photo(model: DualEncoder) -> None:
    model.eval()
    pixels = (batch().images * 255).round().to(torch.uint8)
    torch.testing.assert_close(model.encode_image(pixels), model.encode_image(pixels.float() / 255))


def test_evaluation_does_not_depend_on_the_batch_or_on_padding(model: DualEncoder) -> None:
    model.eval()
    one = batch()
    together = model.encode_image(one.images), model.encode_text(one.token_ids, one.attention_mask)
    for row in range(6):
        torch.testing.assert_close(
            model.encode_image(one.images[row : row + 1])[0], together[0][row], atol=1e-5, rtol=0
        )
        length = int(one.attention_mask[row].sum())
        alone = model.encode_text(one.token_ids[row : row + 1, :length], one.attention_mask[row : row + 1, :length])
        torch.testing.assert_close(alone[0], together[1][row], atol=1e-5, rtol=0)


def test_losses_are_named_and_equal_the_slow_version(model: DualEncoder) -> None:
    model.eval()
    one = batch()
    losses = model.losses(one)
    assert set(losses) == {"itc_loss", "view_loss", "logit_scale"}
    image, text = model.encode_image(one.images), model.encode_text(one.token_ids, one.attention_mask)
    scale, products = float(model.logit_scale.detach()), one.item_ids.tolist()
    slow_itc, slow_view = [], []
    for queries, gallery in ((image, text), (text, image)):
        for row in range(6):
            logits = torch.stack([scale * queries[row] @ gallery[other] for other in range(6)])
            same = [other for other in range(6) if products[other] == products[row]]
            slow_itc.append(-sum(F.log_softmax(logits, 0)[other] for other in same) / len(same))
    for row in range(6):
        others = [other for other in range(6) if other != row]
        logits = torch.stack([scale * image[row] @ image[other] for other in others])
        [positive] = [at for at, other in enumerate(others) if products[other] == products[row]]
        slow_view.append(-F.log_softmax(logits, 0)[positive])
    torch.testing.assert_close(losses["itc_loss"], sum(slow_itc) / 12, atol=1e-5, rtol=0)
    torch.testing.assert_close(losses["view_loss"], sum(slow_view) / 6, atol=1e-5, rtol=0)


def test_view_loss_of_a_batch_without_second_photos_is_zero(model: DualEncoder) -> None:
    one = dataclasses.replace(batch(), item_ids=torch.arange(6))
    loss = model.losses(one)["view_loss"]
    loss.backward()
    assert float(loss.detach()) == 0
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())


def test_the_temperature_is_clipped(model: DualEncoder) -> None:
    with torch.no_grad():
        model.log_logit_scale.fill_(20.0)
    assert float(model.logit_scale) == SIZES["debug"].max_logit_scale


def test_it_learns_to_pair_photos_with_texts(model: DualEncoder) -> None:
    one = dataclasses.replace(batch(8), item_ids=torch.arange(8))
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(40):
        optimizer.zero_grad()
        loss = model.losses(one)["itc_loss"]
        loss.backward()
        optimizer.step()
    model.eval()
    scores = model.encode_image(one.images) @ model.encode_text(one.token_ids, one.attention_mask).T
    assert (scores.argmax(dim=1) == torch.arange(8)).float().mean() >= 0.75


@pytest.mark.parametrize("size", ["debug", "small"])
def test_every_photo_becomes_the_models_shape(size: str) -> None:
    width, height = SIZES[size].image_size
    for shape in ((1, 1), (2000, 10), (31, 47)):
        pixels = torch.randint(0, 256, (*shape, 3), dtype=torch.uint8).numpy()
        assert photo_tensor(pixels, SIZES[size].image_size).shape == (3, height, width)


def test_the_shipped_size_fits_in_twelve_megabytes() -> None:
    parameters = sum(p.numel() for p in DualEncoder(SIZES["small"]).parameters())
    assert parameters * 2 <= 12_000_000  # fp16


def test_a_photos_embedding_is_the_mean_over_its_views(model: DualEncoder) -> None:
    from modiste.data.text import train_wordpiece
    from modiste.models.clip import DualEncoderTowers

    towers = DualEncoderTowers(model, train_wordpiece(["red dress"] * 3))
    photos = (batch().images * 255).to(torch.uint8)
    pixels = photos.float() / 255
    height, width = pixels.shape[2:]

    def seen(*views: float) -> torch.Tensor:
        model.config = dataclasses.replace(model.config, views=views)
        return towers.embed_images(list(photos))

    torch.testing.assert_close(seen(1.0), model.encode_image(pixels))
    both = F.normalize(model.encode_image(pixels) + model.encode_image(pixels.flip(3)), dim=1)
    torch.testing.assert_close(seen(1.0, -1.0), both)
    torch.testing.assert_close(towers.embed_images(list(photos.flip(3))), both)  # the mirror image is the same item
    # a zoom of 2 shows the middle: bilinear interpolation by hand
    rows = (torch.arange(height) + 0.5) / 2 + height / 4 - 0.5
    columns = (torch.arange(width) + 0.5) / 2 + width / 4 - 0.5
    top, left = rows.floor().long(), columns.floor().long()
    down, right = (rows - top)[:, None], columns - left
    near = [[pixels[:, :, top + i][:, :, :, left + j] for j in (0, 1)] for i in (0, 1)]
    middle = (near[0][0] * (1 - right) + near[0][1] * right) * (1 - down) + (
        near[1][0] * (1 - right) + near[1][1] * right
    ) * down
    torch.testing.assert_close(seen(2.0), model.encode_image(middle), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("stride", [1, 2, 4])
def test_the_stem_divides_the_photo_by_its_stride(stride: int) -> None:
    tower = ImageTower(dataclasses.replace(SIZES["debug"], stem_stride=stride))
    assert tower.stem(torch.zeros(1, 3, 40, 32)).shape[2:] == (40 // stride, 32 // stride)
    with pytest.raises(ValueError, match="must be 1, 2 or 4, not 3"):
        ImageTower(dataclasses.replace(SIZES["debug"], stem_stride=3))
