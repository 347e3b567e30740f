"""Training-time changes to a batch of photos and to token ids, on whatever device the batch is.

All randomness comes from torch's global generators, which the training loop seeds before every step: the same step gives
the same batch. Shapes: B batch, H height, W width, L text length.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def augment_photos(images: Tensor, *, strength: float = 1.0) -> Tensor:
    """Mirror, shift, zoom, slightly turn and relight photos: (B, 3, H, W) uint8 -> float32 in [0, 1], same size.

    Colour stays what it is (brightness and contrast only, no hue): "the same, but red" must remain a different item.
    The area outside the photo repeats its border, which for shop photos is the background.
    """
    batch, device = len(images), images.device

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(batch, device=device) * (high - low) + low

    zoom = 1 + strength * uniform(-0.12, 0.12)
    angle = strength * uniform(-0.10, 0.10)  # radians
    mirror = torch.where(torch.rand(batch, device=device) < 0.5, -1.0, 1.0)
    shift = strength * torch.stack([uniform(-0.10, 0.10), uniform(-0.08, 0.08)], dim=1)  # (B, 2)
    cos, sin = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    affine = torch.stack(
        [torch.stack([cos * mirror, -sin, shift[:, 0]], 1), torch.stack([sin * mirror, cos, shift[:, 1]], 1)], dim=1
    )  # (B, 2, 3)
    pixels = images.float() / 255
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    pixels = F.grid_sample(pixels, grid, mode="bilinear", padding_mode="border", align_corners=False)
    gain = (1 + strength * uniform(-0.10, 0.10))[:, None, None, None]
    offset = (strength * uniform(-0.05, 0.05))[:, None, None, None]
    return (pixels * gain + offset).clamp_(0, 1)


def as_customers(images: Tensor) -> Tensor:
    """What customers' photos go through beside `augment_photos`: (B, 3, H, W) in [0, 1] -> the same shape.

    Each is zoomed into by up to 1.8 (cropping), turned by up to 25 degrees, lit unevenly and with a cast, and partly covered
    by a patch of another photo of the batch.
    """
    batch, height, width = len(images), images.shape[2], images.shape[3]
    device = images.device

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(batch, device=device) * (high - low) + low

    scale, angle = 1 / uniform(0.9, 1.8), uniform(-0.44, 0.44)
    room = (1 - scale).clamp(min=0)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    affine = torch.stack(
        [torch.stack([cos, -sin, uniform(-1, 1) * room], 1), torch.stack([sin, cos, uniform(-1, 1) * room], 1)], dim=1
    )
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    pixels = F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
    direction, depth = uniform(0, 6.2832), uniform(0.0, 0.25)
    x, y = torch.linspace(-1, 1, width, device=device), torch.linspace(-1, 1, height, device=device)
    ramp = (torch.cos(direction)[:, None, None] * x + torch.sin(direction)[:, None, None] * y[:, None]) * depth[
        :, None, None
    ]
    cast = 1 + torch.stack([uniform(-0.07, 0.07), uniform(-0.03, 0.03), uniform(-0.07, 0.07)], dim=1)
    pixels = (pixels * (uniform(0.8, 1.1)[:, None, None] + ramp)[:, None] * cast[:, :, None, None]).clamp(0, 1)
    # A rectangle of up to half the height and width, somewhere, filled from the photo before.
    half_height, half_width = uniform(0.0, 0.25) * height, uniform(0.0, 0.25) * width
    rows, columns = torch.arange(height, device=device), torch.arange(width, device=device)
    down = (rows - (uniform(0, 1) * height)[:, None]).abs() < half_height[:, None]  # (B, H)
    across = (columns - (uniform(0, 1) * width)[:, None]).abs() < half_width[:, None]
    covered = (down[:, :, None] & across[:, None, :])[:, None]
    return torch.where(covered, images.roll(1, 0), pixels)


def drop_tokens(token_ids: Tensor, *, rate: float, replacement_id: int) -> Tensor:
    """Replace each token but the first and the padding (id 0) by `replacement_id` with probability `rate`: (B, L) -> (B, L)."""
    dropped = (torch.rand(token_ids.shape, device=token_ids.device) < rate) & (token_ids != 0)
    dropped[:, 0] = False
    return torch.where(dropped, replacement_id, token_ids)
