"""Masked image generation: PSNR and SSIM against loops, controls against what they claim to be."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable

import numpy as np
import pytest

from modiste.evaluation.generation import (
    METRICS,
    Masks,
    Pictures,
    Reconstruct,
    evaluate_generation,
    fill_with_mean,
    psnr,
    ssim,
)
from modiste.types import Item

SIZE = (16, 20)
Paint = Callable[[Pictures, Masks], Pictures]


def pair(seed: int = 0, shape: tuple[int, ...] = (2, 16, 20, 3)) -> tuple[Pictures, Pictures]:
    random = np.random.default_rng(seed)
    a = random.random(shape)
    return a, np.clip(a + random.normal(size=shape) / 10, 0, 1)


def some_items(count: int = 50) -> list[Item]:
    return [Item(f"{number:03d}", image=b"photo", group=f"g{number // 2}") for number in range(count)]


def painter(paint: Paint) -> Reconstruct:
    """Random photos of a plain ground with a block, half of them hidden in blocks of 4: all a function of the id."""

    def reconstruct(batch: list[Item]) -> tuple[Pictures, Pictures, Pictures, Masks]:
        originals, masks = [], []
        for item in batch:
            random = np.random.default_rng(int(item.id))
            original = np.full((*SIZE, 3), random.random(3))
            original[4:12, 5:14] = random.random(3)
            originals.append(original + random.random((*SIZE, 3)) * (1 - original) / 4)
            units = random.permutation(20).reshape(4, 5) < 10
            masks.append(units.repeat(4, axis=0).repeat(4, axis=1))
        original, mask = np.stack(originals).astype(np.float32), np.stack(masks)
        return original, np.where(mask[..., None], np.float32(1e-6), original), paint(original, mask), mask

    return reconstruct


def test_psnr_is_the_textbooks_and_its_peak_is_one() -> None:
    a, b = pair()
    errors = [np.mean([(x - y) ** 2 for x, y in zip(p.flat, q.flat, strict=True)]) for p, q in zip(a, b, strict=True)]
    assert psnr(a, b) == pytest.approx([10 * np.log10(1 / error) for error in errors])
    assert psnr(a[0], b[0]) == pytest.approx(psnr(a, b)[0])
    released = np.array([20 * np.log10(255) - 10 * np.log10(error) for error in errors])  # peak 255 on [0, 1]
    assert released - psnr(a, b) == pytest.approx(48.13, abs=0.005)


def test_psnr_of_masked_pixels_looks_at_no_other() -> None:
    a, b = pair()
    mask = np.random.default_rng(1).random((2, 16, 20)) < 0.3
    expected = [-10 * np.log10(np.mean((p[m] - q[m]) ** 2)) for p, q, m in zip(a, b, mask, strict=True)]
    assert psnr(a, b, mask) == pytest.approx(expected)
    changed = np.where(mask[..., None], b, 0.5)
    assert psnr(a, changed, mask) == pytest.approx(expected)
    assert psnr(a, b, np.ones_like(mask)) == pytest.approx(psnr(a, b))
    with pytest.raises(ValueError, match="at least one pixel"):
        psnr(a, b, np.zeros_like(mask))


def test_perfect_and_opposite_pictures() -> None:
    a, _ = pair()
    assert psnr(a, a).tolist() == [100, 100]
    assert ssim(a, a) == pytest.approx([1, 1])
    assert psnr(np.zeros((3, 3, 3)), np.ones((3, 3, 3))) == 0
    assert ssim(np.zeros((11, 11, 3)), np.ones((11, 11, 3))) == pytest.approx(1e-4, rel=1e-3)  # c1 / (1 + c1)


def slow_ssim(a: Pictures, b: Pictures) -> float:
    """Every window, every pixel of it, every channel."""
    weights = np.array([[np.exp(-(i**2 + j**2) / 4.5) for j in range(-5, 6)] for i in range(-5, 6)])
    weights /= weights.sum()
    values = []
    for row in range(a.shape[0] - 10):
        for column in range(a.shape[1] - 10):
            for channel in range(a.shape[2]):
                x, y = (one[row : row + 11, column : column + 11, channel] for one in (a, b))
                mx, my = (weights * x).sum(), (weights * y).sum()
                vx, vy = (weights * (x - mx) ** 2).sum(), (weights * (y - my) ** 2).sum()
                cov = (weights * (x - mx) * (y - my)).sum()
                up = (2 * mx * my + 0.0001) * (2 * cov + 0.0009)
                values.append(up / ((mx**2 + my**2 + 0.0001) * (vx + vy + 0.0009)))
    return float(np.mean(values))


def test_ssim_is_the_slow_obvious_version() -> None:
    a, b = pair()
    assert ssim(a, b) == pytest.approx([slow_ssim(p, q) for p, q in zip(a, b, strict=True)])
    assert ssim(a[0], b[0]) == pytest.approx(ssim(a, b)[0])
    assert ssim(a.astype(np.float32), b.astype(np.float32)) == pytest.approx(ssim(a, b), abs=1e-5)
    with pytest.raises(ValueError, match="at least 11 x 11"):
        ssim(a[:, :10], b[:, :10])
    with pytest.raises(ValueError, match="one shape"):
        ssim(a, b[:1])


@pytest.mark.skipif(importlib.util.find_spec("skimage") is None, reason="scikit-image is no dependency")
def test_ssim_is_scikit_images() -> None:
    from skimage.metrics import structural_similarity

    a, b = pair(3)
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
    expected = [structural_similarity(p, q, channel_axis=-1, **options) for p, q in zip(a, b, strict=True)]
    assert ssim(a, b) == pytest.approx(expected)


def test_fill_is_the_mean_of_what_is_visible() -> None:
    a, _ = pair()
    mask = np.random.default_rng(2).random((2, 16, 20)) < 0.5
    mask[1] = True
    filled = fill_with_mean(a, mask)
    assert (filled[0][~mask[0]] == a[0][~mask[0]]).all()
    assert filled[0][mask[0]] == pytest.approx(np.tile(a[0][~mask[0]].mean(axis=0), (mask[0].sum(), 1)))
    assert (filled[1] == 0.5).all()


def test_a_perfect_painter_gets_the_identity_and_a_blind_one_the_fill() -> None:
    items = some_items()
    best = evaluate_generation(items, painter(lambda original, mask: original), resamples=30)
    assert [best.metrics[key].mean for key in METRICS] == pytest.approx([100, 1, 100])
    assert best.metrics == best.controls["identity"]
    blind = evaluate_generation(items, painter(fill_with_mean), resamples=30)
    assert blind.metrics == blind.controls["fill"] == best.controls["fill"]
    assert all(blind.metrics[key].high < best.metrics[key].low for key in METRICS)
    # Half of the pixels are hidden and the others are as they were: half the squared error over the whole.
    difference = blind.metrics["psnr"].mean - blind.metrics["masked_psnr"].mean
    assert difference == pytest.approx(10 * np.log10(2), abs=1e-6)
    assert best.masked_share == 0.5


def test_what_is_seen_and_spoilt_costs_the_whole_but_not_the_masked_psnr() -> None:
    items = some_items()

    def spoil(original: Pictures, mask: Masks) -> Pictures:
        return np.where(mask[..., None], fill_with_mean(original, mask), 1 - original)

    report = evaluate_generation(items, painter(spoil), resamples=0)
    assert report.metrics["masked_psnr"].mean == pytest.approx(report.controls["fill"]["masked_psnr"].mean)
    assert report.metrics["psnr"].mean < report.controls["fill"]["psnr"].mean


def test_a_reconstruction_is_clipped_as_when_it_is_shown() -> None:
    def stretch(original: Pictures, mask: Masks) -> Pictures:
        return np.where(original > 0.5, original + 3, original - 3)

    def clipped(original: Pictures, mask: Masks) -> Pictures:
        return (original > 0.5).astype(np.float32)

    one, other = (evaluate_generation(some_items(8), painter(paint), resamples=0) for paint in (stretch, clipped))
    assert one.metrics == other.metrics


def test_batches_and_order_do_not_show() -> None:
    items = [*some_items(), Item("no photo", "words")]
    noisy = painter(lambda original, mask: original * 0.9)
    whole = evaluate_generation(items, noisy, seed=2, resamples=30)
    again = evaluate_generation(items[::-1], noisy, batch_size=7, seed=2, resamples=30)
    assert whole == again
    assert (whole.num_items, whole.left_out) == (50, 1)


def test_the_report_is_json_and_a_table() -> None:
    report = evaluate_generation(some_items(), painter(lambda original, mask: original * 0.9), seed=2, resamples=30)
    found = json.loads(json.dumps(report.as_dict(), allow_nan=False))
    assert found == report.as_dict()
    for key in METRICS:
        for name in (key, f"control_fill_{key}", f"control_identity_{key}"):
            assert found[f"{name}_low"] <= found[name] <= found[f"{name}_high"]
    assert (found["protocol"], found["max_db"], found["masked_share"]) == ("generation", 100, 0.5)
    assert set(found["units"]) == set(METRICS)
    assert [row[0] for row in report.table()] == ["metric", *METRICS]
    assert {len(row) for row in report.table()} == {5}


def test_errors_say_what_is_wrong() -> None:
    items = some_items(6)
    base = painter(lambda original, mask: original)

    def broken(**changes: Callable[[np.ndarray], np.ndarray]) -> None:
        def reconstruct(batch: list[Item]) -> tuple[Pictures, Pictures, Pictures, Masks]:
            parts = dict(zip(("original", "seen", "painted", "mask"), base(batch), strict=True))
            parts |= {name: change(parts[name].copy()) for name, change in changes.items()}
            return parts["original"], parts["seen"], parts["painted"], parts["mask"]

        evaluate_generation(items, reconstruct, resamples=0)

    def at_three(value: float) -> Callable[[np.ndarray], np.ndarray]:
        def change(array: np.ndarray) -> np.ndarray:
            array[3] = value
            return array

        return change

    with pytest.raises(ValueError, match="none of the 1 items has an image"):
        evaluate_generation([Item("a", "words")], base)
    with pytest.raises(ValueError, match="item '003': its reconstruction is not finite"):
        broken(painted=at_three(np.nan))
    with pytest.raises(ValueError, match=r"item '003': its original is not in \[0, 1\]"):
        broken(original=at_three(200.0))
    with pytest.raises(ValueError, match="item '003': nothing of it is masked"):
        broken(mask=at_three(False))
    with pytest.raises(ValueError, match="item '000': the model's input differs from the original where it is not"):
        broken(mask=np.logical_not)
    with pytest.raises(ValueError, match="the model's input shows what the mask should hide"):
        broken(seen=lambda seen: base(items)[0])
    with pytest.raises(ValueError, match=r"the reconstruction is \(6, 8, 20, 3\), not \(6, 16, 20, 3\)"):
        broken(painted=lambda painted: painted[:, :8])
    with pytest.raises(ValueError, match="the mask must be bool"):
        broken(mask=lambda mask: mask.astype(np.float32))
