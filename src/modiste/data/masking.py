"""What a masked model does not see: pixels in units of a grid, strokes or a square; words as BERT hides them.

MVLT (Ji et al. 2023, arXiv 2210.15110), section 3.2: mask units of (alpha P)^2 pixels, a share r_v of them chosen uniformly
without replacement, their pixels set to 1e-6; the styles of its Table 3. Devlin et al. 2019 (arXiv 1810.04805) for words.

All randomness comes from torch's global generators, which the training loop seeds before every step.
Shapes: B batch, H height, W width, L text length.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

MaskStyle = Literal["random_grid", "grid", "stroke", "center"]
MASK_STYLES: tuple[str, ...] = get_args(MaskStyle)
FILL = 1e-6
"""Value of a hidden pixel: "not exactly zero" in the released code (specification 2.3), kept for comparability."""
IGNORED = -100
"""Label of a word that the MLM loss does not ask for: PyTorch's own, where the released code has -1."""


def pixel_mask(
    batch: int,
    height: int,
    width: int,
    *,
    style: MaskStyle = "random_grid",
    ratio: float = 0.5,
    unit: int = 16,
    device: torch.device | str = "cpu",
) -> Tensor:
    """(B, H, W) bool, True = hidden.

    "random_grid": `ratio` of the units of `unit` x `unit` pixels, each photo its own, exactly round(ratio * units) of them
    (units at the right and lower border may be cut). "grid": the same share of units at regular places, every photo the
    same. "center": one square whose area is `ratio` of the photo, at a random place, as in the released code. "stroke":
    polylines drawn until about `ratio` is hidden or 13 lines are drawn, brush 5 to H/25 pixels or at least 2.

    Raises `ValueError` for a ratio outside [0, 1], a unit below 1 and an unknown style.
    """
    if not 0 <= ratio <= 1:
        raise ValueError(f"the mask ratio must lie in [0, 1], not {ratio}")
    if unit < 1:
        raise ValueError(f"a mask unit must have at least 1 pixel, not {unit}")
    if style == "center":
        return _square(batch, height, width, ratio, device)
    if style == "stroke":
        return _strokes(batch, height, width, ratio, device)
    down, across = math.ceil(height / unit), math.ceil(width / unit)
    num_units = down * across
    if style == "random_grid":
        ranks = torch.rand(batch, num_units, device=device).argsort(dim=1).argsort(dim=1)
        hidden = ranks < round(ratio * num_units)
    elif style == "grid":
        # The k-th unit is hidden where floor(k * ratio) steps up: evenly spread, and as many as random_grid hides.
        rounded_up = max(round(ratio * num_units) - ratio * num_units, 0.0)
        numbers = torch.arange(num_units + 1, device=device, dtype=torch.float64)
        steps = torch.floor(numbers * ratio + rounded_up + 1e-9)
        checkered = (steps[1:] > steps[:-1]).view(down, across)
        # Every other row runs the other way, so that one half gives a chequerboard and not columns.
        checkered[1::2] = checkered[1::2].flip(1)
        hidden = checkered.reshape(1, num_units).expand(batch, num_units)
    else:
        raise ValueError(f"unknown mask style {style!r}; choose one of {', '.join(MASK_STYLES)}")
    units = hidden.view(batch, down, across)
    return units.repeat_interleave(unit, 1).repeat_interleave(unit, 2)[:, :height, :width]


def hide_pixels(images: Tensor, hidden: Tensor) -> Tensor:
    """Photos (B, 3, H, W) in [0, 1] with the pixels of `hidden` (B, H, W) set to `FILL`."""
    return images.masked_fill(hidden[:, None], FILL)


def hide_words(
    token_ids: Tensor, attention_mask: Tensor, *, rate: float, mask_id: int, vocab_size: int, num_special: int
) -> tuple[Tensor, Tensor]:
    """BERT's corruption: token ids (B, L) -> (corrupted (B, L), labels (B, L), `IGNORED` where nothing is asked).

    Of each position but the first ([CLS]), the padding and other special tokens, `rate` is asked for: 80 % of those become
    `mask_id`, 10 % a random word (ids from `num_special` up), 10 % stay. `attention_mask` (B, L): True = a word. A word that
    augmentation made [UNK] is thus never the answer.
    """
    draw = torch.rand(token_ids.shape, device=token_ids.device)
    asked = (draw < rate) & attention_mask & (token_ids >= num_special)
    asked[:, 0] = False
    labels = torch.where(asked, token_ids, IGNORED)
    fate = torch.rand(token_ids.shape, device=token_ids.device)
    random_words = torch.randint(num_special, vocab_size, token_ids.shape, device=token_ids.device)
    corrupted = torch.where(asked & (fate < 0.8), mask_id, token_ids)
    return torch.where(asked & (fate >= 0.9), random_words, corrupted), labels


def _square(batch: int, height: int, width: int, ratio: float, device: torch.device | str) -> Tensor:
    side_h, side_w = round(height * math.sqrt(ratio)), round(width * math.sqrt(ratio))
    top = (torch.rand(batch, 1, 1, device=device) * (height - side_h + 1)).floor()
    left = (torch.rand(batch, 1, 1, device=device) * (width - side_w + 1)).floor()
    rows = torch.arange(height, device=device)[None, :, None]
    columns = torch.arange(width, device=device)[None, None, :]
    return (rows >= top) & (rows < top + side_h) & (columns >= left) & (columns < left + side_w)


def _strokes(batch: int, height: int, width: int, ratio: float, device: torch.device | str) -> Tensor:
    """Line segments as distance fields, one polyline of 4 segments at a time, for the whole batch at once."""
    size = torch.tensor([height, width], device=device, dtype=torch.float32)
    rows = torch.arange(height, device=device, dtype=torch.float32)
    columns = torch.arange(width, device=device, dtype=torch.float32)
    pixels = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1)  # (H, W, 2)
    hidden = torch.zeros(batch, height, width, dtype=torch.bool, device=device)
    thickest = max(5.0, height / 25)
    for _ in range(13):
        growing = hidden.float().mean(dim=(1, 2)) < ratio
        radius = (torch.rand(batch, device=device) * (thickest - 2) + 2) / 2
        point = torch.rand(batch, 2, device=device) * size
        for _ in range(4):
            step = (torch.rand(batch, 2, device=device) - 0.5) * size
            end = (point + step).clamp(min=0).minimum(size - 1)
            along = end - point  # (B, 2)
            offset = pixels[None] - point[:, None, None]  # (B, H, W, 2)
            share = (offset * along[:, None, None]).sum(-1) / along.square().sum(-1).clamp(min=1e-6)[:, None, None]
            distance = (offset - share.clamp(0, 1)[..., None] * along[:, None, None]).norm(dim=-1)
            hidden |= (distance <= radius[:, None, None]) & growing[:, None, None]
            point = end
    return hidden
