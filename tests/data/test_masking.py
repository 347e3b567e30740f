"""What a masked model does not see: exact counts, statistics, and determinism under torch's seed."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from modiste.data.masking import FILL, IGNORED, MASK_STYLES, hide_pixels, hide_words, pixel_mask

SIZES = [(80, 64, 16), (256, 256, 16), (40, 32, 8), (37, 29, 8), (5, 3, 16), (12, 7, 1)]  # (height, width, unit)


def units_of(mask: Tensor, unit: int) -> Tensor:
    """(B, units) by a loop; fails where a unit is neither all hidden nor all shown."""
    columns = []
    for top in range(0, mask.shape[1], unit):
        for left in range(0, mask.shape[2], unit):
            one = mask[:, top : top + unit, left : left + unit].flatten(1)
            assert torch.equal(one.all(dim=1), one.any(dim=1))
            columns.append(one.all(dim=1))
    return torch.stack(columns, dim=1)


@pytest.mark.parametrize("style", ["random_grid", "grid"])
@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.3, 0.5, 0.66, 0.7, 0.9, 0.99, 1.0])
@pytest.mark.parametrize(("height", "width", "unit"), SIZES)
def test_exactly_the_share_of_units_is_hidden(height: int, width: int, unit: int, ratio: float, style: Any) -> None:
    """The released sampler misses the share. Units at the right and lower border may be cut."""
    mask = pixel_mask(4, height, width, style=style, ratio=ratio, unit=unit)
    assert mask.shape == (4, height, width)
    assert mask.dtype == torch.bool
    units = units_of(mask, unit)
    count = math.ceil(height / unit) * math.ceil(width / unit)
    assert units.shape == (4, count)
    assert units.sum(dim=1).tolist() == [round(ratio * count)] * 4


def test_every_unit_is_hidden_as_often_as_any_other_and_photos_differ() -> None:
    torch.manual_seed(0)
    units = units_of(pixel_mask(2000, 40, 32, ratio=0.3, unit=8), 8).float()
    spread = 5 * math.sqrt(0.3 * 0.7 / 2000)
    torch.testing.assert_close(units.mean(dim=0), torch.full((20,), 0.3), atol=spread, rtol=0)
    assert len({tuple(row) for row in units.tolist()}) > 1500
    together = (units[:, 0] * units[:, 1]).mean().item()  # neighbours are no likelier than chance: without replacement
    assert together == pytest.approx(6 / 20 * 5 / 19, abs=spread)


@pytest.mark.parametrize(("height", "width"), [(80, 64), (80, 80), (80, 48)])
def test_half_of_a_regular_grid_is_a_chequerboard(height: int, width: int) -> None:
    units = units_of(pixel_mask(2, height, width, style="grid", unit=16), 16)
    assert torch.equal(units[0], units[1])
    board = units[0].view(height // 16, width // 16)
    assert (board[:, 1:] != board[:, :-1]).all()
    assert (board[1:] != board[:-1]).all()


def test_a_regular_grid_is_spread_evenly() -> None:
    units = units_of(pixel_mask(1, 160, 160, style="grid", ratio=0.25, unit=16), 16)[0].view(10, 10)
    assert all(2 <= int(row.sum()) <= 3 for row in units)


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize(("height", "width"), [(80, 64), (37, 29), (1, 1)])
def test_the_square_is_one_rectangle_of_the_photos_shape_inside_it(height: int, width: int, ratio: float) -> None:
    mask = pixel_mask(50, height, width, style="center", ratio=ratio)
    down, across = round(height * math.sqrt(ratio)), round(width * math.sqrt(ratio))
    assert mask.sum(dim=(1, 2)).tolist() == [down * across] * 50
    if down * across:
        assert (mask.any(dim=2).sum(dim=1) == down).all()
        assert (mask.any(dim=1).sum(dim=1) == across).all()
    if ratio in (0.1, 0.5) and height > 1:
        assert len({tuple(one.flatten().tolist()) for one in mask}) > 20  # anywhere, as the released code has it


@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.5])
def test_strokes_hide_at_least_the_share_and_not_much_more(ratio: float) -> None:
    torch.manual_seed(0)
    shares = pixel_mask(64, 80, 64, style="stroke", ratio=ratio).float().mean(dim=(1, 2))
    assert (shares >= ratio).float().mean() > (0.9 if ratio < 0.5 else 0.3)  # 13 lines may not suffice
    assert shares.max() < ratio + 0.35
    assert shares.mean().item() == pytest.approx(ratio, abs=0.12)


def test_no_stroke_is_drawn_where_nothing_is_asked_for() -> None:
    assert not pixel_mask(3, 20, 20, style="stroke", ratio=0.0).any()
    assert pixel_mask(3, 20, 20, style="stroke", ratio=1.0).any(dim=2).any(dim=1).all()


@pytest.mark.parametrize("style", MASK_STYLES)
def test_the_seed_decides(style: Any) -> None:
    masks = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        masks.append(pixel_mask(4, 40, 32, style=style, ratio=0.3, unit=8))
    assert torch.equal(masks[0], masks[1])
    assert torch.equal(masks[0], masks[2]) == (style == "grid")
    masks[0][0] = False  # an own tensor: rows can be changed one by one
    assert masks[0][1].any()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"ratio": 1.1}, r"\[0, 1\], not 1.1"),
        ({"ratio": -0.1}, "mask ratio"),
        ({"ratio": math.nan}, "mask ratio"),
        ({"unit": 0}, "at least 1 pixel"),
        ({"style": "blocks"}, "unknown mask style 'blocks'; choose one of random_grid, grid, stroke, center"),
    ],
)
def test_senseless_masks_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pixel_mask(1, 8, 8, **fields)


def test_hidden_pixels_are_not_exactly_black() -> None:
    images = torch.rand(2, 3, 4, 4) + 0.1
    hidden = torch.zeros(2, 4, 4, dtype=torch.bool)
    hidden[0, 1, 2] = True
    before = images.clone()
    shown = hide_pixels(images, hidden)
    assert shown[0, :, 1, 2].tolist() == pytest.approx([1e-6] * 3)
    assert 0 < FILL == 1e-6
    shown[0, :, 1, 2] = images[0, :, 1, 2]
    assert torch.equal(shown, images)
    assert torch.equal(images, before)


# ---- Words ----------------------------------------------------------------------------------------------------------------

WORDS = {"mask_id": 4, "vocab_size": 100, "num_special": 5}


def texts(rows: int = 400, length: int = 24) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    token_ids = torch.randint(5, 100, (rows, length), generator=generator)
    token_ids[:, 0] = 2  # [CLS]
    token_ids[::3, 10:] = 0  # [PAD]
    token_ids[:, 5] = 1  # [UNK]
    return token_ids, token_ids != 0


def test_words_are_hidden_as_bert_hides_them() -> None:
    torch.manual_seed(0)
    token_ids, mask = texts()
    before = token_ids.clone()
    corrupted, labels = hide_words(token_ids, mask, rate=0.15, **WORDS)
    assert torch.equal(token_ids, before)
    asked = labels != IGNORED
    words = mask & (token_ids >= 5)
    num_words, num_asked = int(words.sum()), int(asked.sum())
    assert num_asked / num_words == pytest.approx(0.15, abs=5 * math.sqrt(0.15 * 0.85 / num_words))
    assert torch.equal(labels[asked], token_ids[asked])
    assert torch.equal(corrupted[~asked], token_ids[~asked])
    masked = corrupted[asked] == 4
    kept = corrupted[asked] == token_ids[asked]
    other = ~masked & ~kept
    spread = 5 * math.sqrt(0.25 / num_asked)
    assert masked.float().mean().item() == pytest.approx(0.8, abs=spread)
    assert kept.float().mean().item() == pytest.approx(0.1 + 0.1 / 95, abs=spread)  # or the same word drawn
    assert other.float().mean().item() == pytest.approx(0.1 * 94 / 95, abs=spread)


@pytest.mark.parametrize("rate", [0.15, 1.0])
def test_no_special_token_is_asked_for_and_none_but_mask_is_put(rate: float) -> None:
    """Not [CLS], not padding, and not [UNK]: what is not a word cannot be told from its surroundings."""
    torch.manual_seed(1)
    token_ids, mask = texts()
    corrupted, labels = hide_words(token_ids, mask, rate=rate, **WORDS)
    special = ~mask | (token_ids < 5)
    assert (labels[special] == IGNORED).all()
    assert torch.equal(corrupted[special], token_ids[special])
    assert (labels[labels != IGNORED] >= 5).all()
    put = corrupted[corrupted != token_ids]
    assert ((put == 4) | (put >= 5)).all()
    assert put.max() < 100
    if rate == 1:
        assert (labels[~special] != IGNORED).all()
        assert set(put.tolist()) == {4, *range(5, 100)}  # every word may be drawn, the first and the last too


def test_nothing_is_hidden_at_a_rate_of_zero_and_the_seed_decides() -> None:
    token_ids, mask = texts(8)
    corrupted, labels = hide_words(token_ids, mask, rate=0.0, **WORDS)
    assert torch.equal(corrupted, token_ids)
    assert (labels == IGNORED).all()
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        found.append(hide_words(token_ids, mask, rate=0.5, **WORDS))
    assert all(torch.equal(one, other) for one, other in zip(found[0], found[1], strict=True))
    assert not torch.equal(found[0][1], found[2][1])
