"""Masked image generation ("MIG" in MVLT, specification 2.5): how well the hidden part of a photo is painted in.

generation
    Reproduces: the task of MVLT (Ji et al. 2023), which shows pictures and gives no numbers. The released code's PSNR takes
    255 for the peak of pictures in [0, 1], which adds 20·log10(255) = 48.13 dB; here the peak is 1.
    PSNR (dB): of the whole picture, and of masked pixels only (`masked_psnr`); the mean over pictures, not of their errors.
    A perfect picture would be infinitely good and make every mean infinite: above 100 dB all count as 100.
    SSIM: Wang et al. 2004, Gaussian window of 11 pixels and sigma 1.5, constants 0.01 and 0.03, windows that lie inside the
    picture only, the mean of the three channels.
    A reconstruction is clipped to [0, 1] first, as it is when shown.
    Controls, on the same masks: `fill` paints every hidden pixel in the mean colour of the visible ones, and leaves these as
    they are; `identity` is the original itself and gets 100 dB and 1. A model that also repaints what it sees can be worse
    than `fill` over the whole picture and still paint better: compare `masked_psnr`.
    Intervals: 95 % bootstrap over products.
    Do not compare with: other sizes, mask ratios or mask shapes; the published code's PSNR.

Shapes: B pictures of a batch, H height, W width, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from modiste.evaluation.metrics import Estimate, Values, mean_with_interval
from modiste.types import Item

Pictures = NDArray[np.floating[Any]]  # (..., H, W, C) in [0, 1]
Masks = NDArray[np.bool_]  # (..., H, W), True where the picture was hidden
# Items -> original, what the model saw, what it painted (B, H, W, 3 each, in [0, 1]), and the mask (B, H, W). The mask should
# depend on the item and a seed, not on the batch, so that results do not depend on batching.
Reconstruct = Callable[[list[Item]], tuple[Pictures, Pictures, Pictures, Masks]]

MAX_DB = 100.0
METRICS = ("psnr", "ssim", "masked_psnr")
UNITS = {"psnr": "dB", "ssim": "-1 to 1", "masked_psnr": "dB"}
CONTROLS = ("fill", "identity")
WINDOW, SIGMA = 11, 1.5
_SAME = 0.02  # how far apart values may be that ought to be equal: half precision, and what was clipped


@dataclass(frozen=True, slots=True)
class GenerationReport:
    """The numbers of one run: PSNR in dB with peak 1, SSIM."""

    metrics: Mapping[str, Estimate]  # "psnr", "ssim", "masked_psnr"
    controls: Mapping[str, Mapping[str, Estimate]]  # "fill", "identity" -> the same keys
    masked_share: float  # the mean share of pixels that were hidden
    num_items: int
    left_out: int  # items without a photo
    seed: int
    resamples: int
    item_ids: tuple[str, ...] = field(default=(), repr=False)  # sorted: what the numbers are of
    protocol: str = "generation"

    def as_dict(self) -> dict[str, Any]:
        """JSON values. Keys: each metric with `_low` and `_high`, and the same with `control_fill_` or `control_identity_`."""
        found: dict[str, Any] = {"protocol": self.protocol, "units": UNITS, "max_db": MAX_DB}
        for key, estimate in self.metrics.items():
            found |= estimate.spelled(key)
        for name, metrics in self.controls.items():
            for key, estimate in metrics.items():
                found |= estimate.spelled(f"control_{name}_{key}")
        return found | {
            "masked_share": self.masked_share,
            "num_items": self.num_items,
            "left_out": self.left_out,
            "seed": self.seed,
            "resamples": self.resamples,
        }

    def table(self) -> list[list[str]]:
        """Rows of words, the header first; dB with two decimals, SSIM with three."""
        rows = [["metric", "value", "95 % interval", *self.controls]]
        for key, estimate in self.metrics.items():
            places = 3 if key == "ssim" else 2
            interval = f"{estimate.low:.{places}f} to {estimate.high:.{places}f}"
            controls = (f"{metrics[key].mean:.{places}f}" for metrics in self.controls.values())
            rows.append([key, f"{estimate.mean:.{places}f}", interval, *controls])
        return rows


def psnr(a: Pictures, b: Pictures, mask: Masks | None = None) -> Values:
    """Peak signal-to-noise ratio of pictures in [0, 1], peak 1, at most 100 dB: (..., H, W, C) twice -> (...).

    Parameters
    ----------
    mask
        (..., H, W): only the pixels where it is True count; None: all.

    Raises
    ------
    ValueError
        If the shapes differ, or a mask lets no pixel through.
    """
    _check_shapes(a, b)
    squares = np.mean((np.asarray(a, np.float64) - b) ** 2, axis=-1)  # (..., H, W)
    if mask is None:
        error = squares.mean(axis=(-2, -1))
    else:
        count = np.count_nonzero(mask, axis=(-2, -1))
        if mask.shape != squares.shape or not np.all(count):
            raise ValueError(f"a mask of shape {squares.shape} with at least one pixel is needed, not {mask.shape}")
        error = np.sum(squares, axis=(-2, -1), where=mask) / count
    return cast(Values, -10 * np.log10(np.maximum(error, 10 ** (-MAX_DB / 10))))


def ssim(a: Pictures, b: Pictures) -> Values:
    """Structural similarity (Wang et al. 2004) of pictures in [0, 1], the mean over channels: (..., H, W, C) twice -> (...).

    Raises
    ------
    ValueError
        If the shapes differ, or a side is shorter than the window of 11.
    """
    _check_shapes(a, b)
    if min(a.shape[-3:-1]) < WINDOW:
        raise ValueError(f"SSIM needs pictures of at least {WINDOW} x {WINDOW} pixels, not {a.shape[-3:-1]}")
    half = WINDOW // 2
    window = np.exp(-(np.arange(-half, half + 1) ** 2) / (2 * SIGMA**2))
    window /= window.sum()

    def local_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        smooth = correlate1d(correlate1d(values, window, axis=-3), window, axis=-2)
        return cast(NDArray[np.float64], smooth[..., half:-half, half:-half, :])

    x, y = np.asarray(a, np.float64), np.asarray(b, np.float64)
    mean_x, mean_y = local_mean(x), local_mean(y)
    both = mean_x * mean_y
    squares = mean_x**2 + mean_y**2
    covariance = local_mean(x * y) - both
    variances = local_mean(x * x + y * y) - squares
    c1, c2 = 0.01**2, 0.03**2  # (K L)^2 with L = 1
    similar = (2 * both + c1) * (2 * covariance + c2) / ((squares + c1) * (variances + c2))
    return cast(Values, similar.mean(axis=(-3, -2, -1)))


def fill_with_mean(original: Pictures, mask: Masks) -> Pictures:
    """The hidden pixels of (B, H, W, C) in the mean colour of their picture's visible ones, mid-grey where none is."""
    visible = ~mask[..., None]
    count = np.count_nonzero(visible, axis=(-3, -2), keepdims=True)
    total = np.sum(original, axis=(-3, -2), where=visible, keepdims=True)
    colour = np.where(count > 0, total / np.maximum(count, 1), 0.5)
    return np.where(visible, original, colour)


def evaluate_generation(
    items: Sequence[Item],
    reconstruct: Reconstruct,
    *,
    batch_size: int = 32,
    seed: int = 0,
    resamples: int = 1000,
) -> GenerationReport:
    """Run the protocol; items without a photo are left out and counted.

    Parameters
    ----------
    reconstruct
        Called with at most `batch_size` items at a time, in order of id.
    seed
        Of the bootstrap; masks are the business of `reconstruct`.

    Raises
    ------
    ValueError
        If no item has a photo, or, naming the item, if shapes differ, values are not finite, the original is not in
        [0, 1], nothing is masked, or what the model saw is not the original where it should be, or is it everywhere.
    """
    usable = sorted((item for item in items if item.image is not None), key=lambda item: item.id)
    if not usable:
        raise ValueError(f"none of the {len(items)} items has an image, so there is nothing to paint")
    found: dict[str, dict[str, list[Values]]] = {name: {key: [] for key in METRICS} for name in ("", *CONTROLS)}
    shares = []
    for start in range(0, len(usable), batch_size):
        batch = usable[start : start + batch_size]
        original, seen, painted, mask = reconstruct(batch)
        _check_batch(batch, original, seen, painted, mask)
        shares.append(mask.mean(axis=(1, 2)))
        candidates = {"": np.clip(painted, 0, 1), "fill": fill_with_mean(original, mask), "identity": original}
        for name, candidate in candidates.items():
            found[name]["psnr"].append(psnr(original, candidate))
            found[name]["ssim"].append(ssim(original, candidate))
            found[name]["masked_psnr"].append(psnr(original, candidate, mask))
    clusters = [item.product for item in usable]
    estimates = {
        name: {
            key: mean_with_interval(np.concatenate(values), seed=seed, resamples=resamples, clusters=clusters)
            for key, values in metrics.items()
        }
        for name, metrics in found.items()
    }
    return GenerationReport(
        metrics=estimates[""],
        controls={name: estimates[name] for name in CONTROLS},
        masked_share=float(np.concatenate(shares).mean()),
        num_items=len(usable),
        left_out=len(items) - len(usable),
        seed=seed,
        resamples=resamples,
        item_ids=tuple(item.id for item in usable),
    )


def _check_shapes(a: Pictures, b: Pictures) -> None:
    if a.shape != b.shape or a.ndim < 3:
        raise ValueError(
            f"two pictures of one shape (..., height, width, channels) are needed, not {a.shape}, {b.shape}"
        )


def _check_batch(items: list[Item], original: Pictures, seen: Pictures, painted: Pictures, mask: Masks) -> None:
    if mask.dtype != np.bool_ or mask.ndim != 3 or len(mask) != len(items):
        raise ValueError(f"the mask must be bool of shape ({len(items)}, H, W), not {mask.dtype} {mask.shape}")
    for name, pictures in (("original", original), ("masked input", seen), ("reconstruction", painted)):
        if pictures.shape != (*mask.shape, 3):
            raise ValueError(f"the {name} is {pictures.shape}, not {(*mask.shape, 3)} as the mask has it")
    hidden = mask[..., None]
    apart = np.abs(seen - original)
    inside = (original >= 0) & (original <= 1)
    for wrong, what in (
        (~np.isfinite(painted), "its reconstruction is not finite"),
        (~inside, "its original is not in [0, 1]"),
        (~mask.any(axis=(1, 2), keepdims=True), "nothing of it is masked"),
        (~hidden & ~(apart <= _SAME), "the model's input differs from the original where it is not masked"),
    ):
        if (bad := np.any(wrong, axis=tuple(range(1, wrong.ndim)))).any():
            raise ValueError(f"item {items[int(np.argmax(bad))].id!r}: {what}")
    # One photo may be as dark as the mask; a whole batch that is unchanged under it was shown to the model.
    if not (hidden & ~(apart <= _SAME)).any():
        raise ValueError(f"item {items[0].id!r} and its batch: the model's input shows what the mask should hide")
