"""Collages: a layout that never overlaps, cut-outs that keep the garment, pages and pictures from any title."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from modiste.cli.collage import BOARD, Box, LookCard, Pair, Piece, draw_board, layout, write_collages, write_looks_page
from modiste.data.cutout import cut_out
from modiste.data.images import ImageError
from modiste.taxonomy import SLOTS
from modiste.types import Item

PHOTO = np.full((80, 60, 3), 245, np.uint8)
PHOTO[20:60, 15:45] = (200, 30, 40)


def overlap(one: Box, other: Box) -> bool:
    return (
        min(one.left + one.width, other.left + other.width) - max(one.left, other.left) > 1e-9
        and min(one.top + one.height, other.top + other.height) - max(one.top, other.top) > 1e-9
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(SLOTS), max_size=12))
def test_boxes_stay_on_the_board_and_apart(slots: list[str]) -> None:
    boxes = layout(slots)
    assert len(boxes) == len(slots)
    for box in boxes:
        assert min(box.left, box.top) >= 0
        assert min(box.width, box.height) > 0
        assert max(box.left + box.width, box.top + box.height) <= 1 + 1e-9
    assert not any(overlap(one, other) for one, other in combinations(boxes, 2))


def test_clothes_lie_as_they_are_worn_and_the_rest_beside() -> None:
    names = ["shoes", "bag", "bottom", "top", "jewellery", "outerwear"]
    where = dict(zip(names, layout(names), strict=True))
    assert where["top"].top == where["outerwear"].top < where["bottom"].top < where["shoes"].top
    worn = max(where[name].left + where[name].width for name in ("shoes", "bottom", "top", "outerwear"))
    assert all(where[name].left >= worn for name in ("bag", "jewellery"))
    assert where["jewellery"].top < where["bag"].top


def test_a_plain_ground_is_taken_away_and_nothing_of_the_garment() -> None:
    picture = cut_out(PHOTO, (400, 400))
    assert picture.mode == "RGBA"
    assert abs(picture.width - 30) <= 4
    assert abs(picture.height - 40) <= 4
    pixels = np.asarray(picture)
    assert (pixels[5:-5, 5:-5, 3] == 255).all()
    assert (pixels[pixels[..., 3] == 255][:, 0] > 150).all()


def test_a_photo_without_a_plain_ground_stays_whole() -> None:
    street = np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    pixels = np.asarray(cut_out(street, (400, 400)))
    assert pixels.shape == (50, 40, 4)
    assert (pixels[..., 3] == 255).all()
    blank = np.full((20, 20, 3), 255, np.uint8)  # nothing but ground
    assert cut_out(blank, (10, 10)).size == (10, 10)


def on_ground(height: int = 120, width: int = 90) -> np.ndarray:
    return np.full((height, width, 3), 235, np.uint8)


def test_a_shadow_apart_from_the_garment_goes_with_the_ground() -> None:
    photo = on_ground()
    photo[60:110, 40:70] = (90, 40, 20)  # a boot
    photo[20:40, 0:6] = 210  # where the ground is darker, at the photo's edge
    picture = cut_out(photo, (400, 400))
    assert abs(picture.width - 30) <= 4
    assert abs(picture.height - 50) <= 4
    photo[20:40, 0:6] = (40, 90, 20)  # the second of a pair is no shadow
    assert cut_out(photo, (400, 400)).width >= 68


def test_a_white_garment_on_white_keeps_what_its_outline_holds() -> None:
    photo = on_ground()
    photo[20:100, 20:70] = 224  # cloth, a little darker than the ground: not told from it by itself
    photo[20:100, 20:23] = photo[20:100, 67:70] = photo[20:23, 20:70] = 150
    photo[97:100, 20:43] = photo[97:100, 47:70] = 150  # the seam is open for four pixels, and the ground runs in
    alpha = np.asarray(cut_out(photo, (400, 400)))[..., 3]
    assert alpha.shape[0] < 90  # it was cut out
    assert (alpha[8:-8, 8:-8] == 255).mean() > 0.95
    ring = on_ground()
    ring[20:100, 20:70] = 120
    ring[24:96, 24:66] = ring[90:100, 43:47] = 235  # a chain that is open below: ground, as it is around
    alpha = np.asarray(cut_out(ring, (400, 400)))[..., 3]
    assert (alpha[12:-12, 12:-12] == 0).mean() > 0.95


def test_what_is_left_as_a_mere_outline_stays_in_its_photo() -> None:
    photo = on_ground()
    photo[20:100, 20:70] = 224
    photo[20:100, 20:23] = photo[20:100, 67:70] = 150  # no seam above and below
    picture = cut_out(photo, (400, 400))
    assert picture.size == (90, 120)
    assert (np.asarray(picture)[..., 3] == 255).all()


def test_what_is_drawn_is_what_was_given() -> None:
    board = np.asarray(
        draw_board([Piece(Item("a", category="shirt"), PHOTO), Piece(Item("b", "Shoes", category="boots"), None)])
    )
    assert board.shape == (BOARD[1], BOARD[0], 3)
    red = (board[..., 0] > 180) & (board[..., 1] < 60)
    assert red[: BOARD[1] // 2].sum() > 5_000
    assert not red[3 * BOARD[1] // 4 :].any()  # that is the shoes' place
    with pytest.raises(ImageError):
        draw_board([Piece(Item("a", category="shirt"), b"no picture")])


@settings(max_examples=20, deadline=None)
@given(st.text(max_size=80), st.text(max_size=40))
def test_any_words_make_a_page_and_a_picture(title: str, wish: str) -> None:
    import tempfile

    pieces = (Piece(Item("a", title, category="shirt"), None, wish=wish, match=0.5), Piece(Item("b"), None))
    card = LookCard(title, pieces, (wish,), (Pair((title, "b"), -0.25, wish),), (wish,))
    with tempfile.TemporaryDirectory() as folder:
        page = write_looks_page(Path(folder) / "p.html", title, wish, [card]).read_bytes().decode("utf-8")
        with Image.open(write_collages(Path(folder) / "p.png", title, [card])) as picture:
            assert picture.width > BOARD[0]
    assert page.count('<section class="look">') == 1
    assert page.count('<div class="piece"') == 2


def test_no_looks_still_make_a_page(tmp_path: Path) -> None:
    assert "No look" in write_looks_page(tmp_path / "p.html", "t", "", []).read_text(encoding="utf-8")
    assert write_collages(tmp_path / "p.png", "t", []).exists()
