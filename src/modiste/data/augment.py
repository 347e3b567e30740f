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


def drop_tokens(token_ids: Tensor, *, rate: float, replacement_id: int) -> Tensor:
    """Replace each token but the first and the padding (id 0) by `replacement_id` with probability `rate`: (B, L) -> (B, L)."""
    dropped = (torch.rand(token_ids.shape, device=token_ids.device) < rate) & (token_ids != 0)
    dropped[:, 0] = False
    return torch.where(dropped, replacement_id, token_ids)
