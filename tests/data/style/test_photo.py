"""Main colours of photos: the background is left out, whatever its shade."""

from __future__ import annotations

import numpy as np
import pytest

from modiste.data.atelier import Atelier
from modiste.data.images import ImageError, encode_jpeg
from modiste.data.style.colour import distance, oklab_of
from modiste.data.style.photo import dominant_colours


def _photo(ground: tuple[int, int, int], *panels: tuple[int, int, int]) -> np.ndarray:
    pixels = np.full((120, 90, 3), ground, dtype=np.uint8)
    for number, colour in enumerate(panels):
        height = 80 // len(panels)
        pixels[20 + number * height : 20 + (number + 1) * height, 20:70] = colour
    return pixels


@pytest.mark.parametrize("ground", [(255, 255, 255), (240, 230, 210), (20, 20, 20)])
def test_one_colour_on_any_ground(ground: tuple[int, int, int]) -> None:
    ((colour, share),) = dominant_colours(_photo(ground, (203, 39, 48)))
    assert colour == "#cb2730"
    assert share == 1.0


def test_two_colours_and_their_shares() -> None:
    found = dominant_colours(encode_jpeg(_photo((255, 255, 255), (31, 44, 80), (31, 44, 80), (243, 209, 63))))
    assert len(found) >= 2
    assert distance(oklab_of(found[0][0]), oklab_of("#1f2c50")) < 0.05
    assert distance(oklab_of(found[1][0]), oklab_of("#f3d13f")) < 0.06
    assert sum(share for _, share in found) == pytest.approx(1.0)


def test_what_the_outline_encloses_is_not_background() -> None:
    shirt = _photo((255, 255, 255), (40, 40, 40))
    shirt[28:92, 26:64] = 255  # a white cloth inside a dark outline, on white
    assert dominant_colours(shirt)[0][0] == "#ffffff"


def test_photo_of_nothing_but_ground_still_has_a_colour() -> None:
    assert dominant_colours(_photo((10, 120, 10)))[0][0] == "#0a780a"
    assert dominant_colours(np.zeros((1, 1, 3), dtype=np.uint8)) == (("#000000", 1.0),)


def test_the_ateliers_photos_show_the_colour_they_are_said_to_have() -> None:
    atelier = Atelier(2, image_size=(90, 120))
    near = []
    for index in range(24):
        d = atelier.design(index)
        if d.get("pattern") == "solid":
            shade = dominant_colours(atelier.render(index))[0][0]
            near.append(float(distance(oklab_of(shade), oklab_of(d.paint))))
    assert np.median(near) < 0.08  # folds and seams darken the cloth a little


def test_equal_photos_give_equal_colours_and_bad_input_says_so() -> None:
    noisy = np.random.default_rng(0).integers(0, 255, (50, 40, 3), dtype=np.uint8)
    assert dominant_colours(noisy) == dominant_colours(noisy)
    with pytest.raises(ImageError):
        dominant_colours(b"not a photo")
    with pytest.raises(ValueError, match="num_colours"):
        dominant_colours(noisy, num_colours=0)
