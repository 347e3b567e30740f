"""Photos under known conditions: what is asked for is what happens, and nothing else."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from modiste.data.conditions import CONDITIONS, LEVELS, Conditions, draw_conditions, slices_of
from modiste.data.images import decode
from modiste.data.snapshots import COVERED, LOST, snapshot

GROUND = np.full((160, 120, 3), (60, 120, 60), np.uint8)
COVER = np.full((160, 120, 3), (20, 20, 220), np.uint8)


def garment() -> np.ndarray:
    """A red T with a white spot on its left: (h, w, 4)."""
    made = np.zeros((100, 80, 4), np.uint8)
    made[:30], made[:, 25:55] = (200, 30, 30, 255), (200, 30, 30, 255)
    made[8:20, 5:17, :3] = 255
    return made


def take(seed: int = 0, **levels: str):  # type: ignore[no-untyped-def]
    taken = snapshot(garment(), GROUND, COVER, Conditions(**levels), np.random.default_rng(seed))  # type: ignore[arg-type]
    return taken, decode(taken.image).astype(int)


def red(pixels: np.ndarray) -> int:
    """How many pixels look like the garment."""
    return int(np.count_nonzero((pixels[..., 0] > 1.8 * pixels[..., 1]) & (pixels[..., 0] > 1.8 * pixels[..., 2])))


def test_nothing_wrong_shows_the_whole_garment_in_its_colours() -> None:
    for seed in range(8):
        taken, pixels = take(seed)
        assert pixels.shape == (160, 120, 3)
        assert (taken.lost, taken.covered, taken.seen) == (0, 0, 1)
        inside = pixels[(pixels[..., 0] > 120) & (pixels[..., 1] < 80)]
        assert np.abs(np.median(inside, axis=0) - (200, 30, 30)).max() < 16
        bright = np.argwhere(pixels.min(axis=2) > 200)  # the spot is still on the left and above the middle
        assert (bright.mean(axis=0) < (80, 60)).all()


@pytest.mark.parametrize(
    ("condition", "measured", "bounds"), [("cropping", "lost", LOST), ("occlusion", "covered", COVERED)]
)
def test_what_is_lost_and_covered_is_what_was_asked_and_what_is_seen(condition, measured, bounds) -> None:  # type: ignore[no-untyped-def]
    for level in ("some", "strong"):
        shares = []
        for seed in range(25):
            taken, pixels = take(seed, **{condition: level})
            shares.append(getattr(taken, measured))
            other = "covered" if measured == "lost" else "lost"
            assert getattr(taken, other) == 0
            if measured == "covered":  # an independent count: the garment's own pixels that are left
                whole = red(take(seed)[1])
                assert red(pixels) / whole == pytest.approx(1 - taken.covered, abs=0.12)
        low, high = bounds[level]
        assert low - 0.05 <= min(shares)
        assert max(shares) <= high + 0.06
        assert np.std(shares) > 0.01


def test_light_leaves_the_place_and_view_leaves_the_light() -> None:
    plain = take(3)[1]
    lit = take(3, light="strong")[1]
    # With the other draws alike, the garment is where it was: bright against dark, the two pictures agree in form.
    assert np.corrcoef(plain[..., 0].ravel(), lit[..., 0].ravel())[0, 1] > 0.7
    assert np.abs(lit - plain).mean() > 15
    darker = [take(seed, light="strong")[1].mean() / take(seed)[1].mean() for seed in range(12)]
    assert max(abs(np.log(darker))) > 0.3
    turned = [take(seed, view="strong")[1] for seed in range(12)]
    assert np.std([one.mean() for one in turned]) < 8
    assert np.mean([np.abs(one - take(seed)[1]).mean() for seed, one in enumerate(turned)]) > 12


def test_quality_costs_bytes_and_detail() -> None:
    sizes = {level: np.mean([len(take(seed, quality=level)[0].image) for seed in range(6)]) for level in LEVELS}
    assert sizes["strong"] < sizes["none"]
    edge = {
        level: np.mean([np.abs(np.diff(take(s, quality=level)[1][..., 0], axis=1)).max() for s in range(6)])
        for level in LEVELS
    }
    assert edge["strong"] < edge["none"]


def test_the_same_draw_is_the_same_photo() -> None:
    levels = dict.fromkeys(CONDITIONS, "some")
    assert take(5, **levels)[0] == take(5, **levels)[0]
    assert take(5, **levels)[0].image != take(6, **levels)[0].image


@pytest.mark.parametrize(
    ("made", "ground", "cover", "words"),
    [
        (np.zeros((9, 9, 3), np.uint8), GROUND, COVER, "a garment is"),
        (np.zeros((9, 9, 4), np.uint8), GROUND, COVER, "nowhere opaque"),
        (garment(), GROUND, COVER[:50], "must have the ground's shape"),
    ],
)
def test_what_is_no_garment_or_ground_is_refused(made, ground, cover, words) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=words):
        snapshot(made, ground, cover, Conditions(), np.random.default_rng(0))


def test_conditions_are_drawn_independently_as_often_as_said() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw_conditions(rng, (0.5, 0.3, 0.2)) for _ in range(4000)]
    for name in CONDITIONS:
        shares = Counter(getattr(one, name) for one in drawn)
        assert [shares[level] / 4000 for level in LEVELS] == pytest.approx([0.5, 0.3, 0.2], abs=0.03)
    both = sum(one.view == one.light == "strong" for one in drawn) / 4000
    assert both == pytest.approx(0.04, abs=0.012)
    assert {draw_conditions(rng, (0, 0, 1)) for _ in range(5)} == {Conditions(*["strong"] * 6)}
    assert {draw_conditions(rng, (1, 0, 0)) for _ in range(5)} == {Conditions()}


def test_slices_and_bad_levels() -> None:
    taken = [Conditions(), replace(Conditions(), view="strong", light="some"), Conditions(*["strong"] * 6)]
    found = slices_of(taken)
    assert found["view"] == ("none", "strong", "strong")
    assert found["light"] == ("none", "some", "strong")
    assert found["strong"] == ("0", "1", "2 or more")
    assert set(found) == {*CONDITIONS, "strong"}
    with pytest.raises(ValueError, match="light is none, some or strong, not 'dim'"):
        Conditions(light="dim")  # type: ignore[arg-type]
