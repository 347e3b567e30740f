"""`modiste imagine`: the grid, its numbers, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from modiste.evaluation.generation import psnr, ssim
from modiste.models.pretrained import load_inpainter
from modiste.types import Item

SCALE, WIDTH, HEIGHT = 8, 32, 40  # of the debug model's photo, enlarged to at least 240 pixels


def cell(sheet: Image.Image, row: int, column: int) -> np.ndarray:
    """A picture of the grid at the model's size, from the middles of its squares; every square must be of one colour."""
    left, top = 16 + column * (WIDTH * SCALE + 16), 42 + row * (HEIGHT * SCALE + 42)
    pixels = np.asarray(sheet)[top : top + HEIGHT * SCALE, left : left + WIDTH * SCALE]
    squares = pixels.reshape(HEIGHT, SCALE, WIDTH, SCALE, 3)
    assert (squares == squares[:, :1, :, :1]).all()
    return squares[:, 0, :, 0]


def test_the_grid_shows_what_the_model_did(modiste, mvlt: Path, photo: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "deep" / "grid.png"
    command = [
        "imagine",
        photo,
        "--model",
        mvlt,
        "--text",
        "red dress",
        "--unit",
        8,
        "-n",
        3,
        "--seed",
        5,
        "--out",
        out,
    ]
    done = modiste(*command, "--json").json
    assert (done["model"], done["size"], done["seed"], done["out"]) == ("mvlt_debug.born", [32, 40], 5, str(out))
    items = [Item(f"mask {number}", "red dress", photo.read_bytes()) for number in (1, 2, 3)]
    original, masked, painted, hidden = load_inpainter(mvlt).reconstruct(items, 0.5, unit=8, seed=5)
    filled = np.where(hidden[..., None], painted, original)
    sheet = Image.open(out)
    for row, numbers in enumerate(done["masks"]):
        for column, expected in enumerate((original, masked, painted, filled)):
            assert np.abs(cell(sheet, row, column) - 255 * expected[row]).max() <= 0.51
        assert numbers["hidden_share"] == pytest.approx(hidden[row].mean(), abs=1e-3)
        assert numbers["psnr"] == pytest.approx(psnr(original[row], painted[row]), abs=1e-3)
        assert numbers["masked_psnr"] == pytest.approx(psnr(original[row], painted[row], hidden[row]), abs=1e-3)
        assert numbers["ssim"] == pytest.approx(ssim(original[row], painted[row]), abs=1e-4)
        assert numbers["filled_psnr"] == pytest.approx(psnr(original[row], filled[row]), abs=1e-3)
        assert numbers["filled_psnr"] > numbers["psnr"]
    assert not np.array_equal(hidden[0], hidden[1])
    first = out.read_bytes()
    modiste(*command)
    assert out.read_bytes() == first  # a function of photo, text, model and seed


@pytest.mark.parametrize("style", ["random_grid", "grid", "stroke", "center"])
def test_every_style_hides_about_what_was_asked(modiste, mvlt: Path, photo: Path, tmp_path: Path, style: str) -> None:  # type: ignore[no-untyped-def]
    found = modiste(
        "imagine", photo, "--model", mvlt, "--style", style, "--unit", 4, "--mask-ratio", 0.3, "--out",
        tmp_path / "g.png", "--json",
    ).json  # fmt: skip
    assert found["masks"][0]["hidden_share"] == pytest.approx(0.3, abs=0.2 if style == "stroke" else 0.03)


def test_people_get_a_table(modiste, mvlt: Path, photo: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = modiste("imagine", photo, "--model", mvlt, "-n", 2, "--out", tmp_path / "g.png")
    assert done.code == 0
    for words in ("PSNR", "SSIM", "dB", "g.png"):
        assert words in done.out


def test_photos_of_any_kind(modiste, mvlt: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    pixels = {
        "grey.png": np.full((30, 20), 90, np.uint8),
        "alpha.png": np.full((30, 20, 4), 90, np.uint8),
        "dot.png": np.full((1, 1, 3), 90, np.uint8),
        "huge.jpg": np.full((8000, 8000), 90, np.uint8),
    }
    for name, array in pixels.items():
        Image.fromarray(array).save(tmp_path / name)
        done = modiste("imagine", tmp_path / name, "--model", mvlt, "--out", tmp_path / "g.png", "--json")
        assert done.code == 0, done.err
        assert Image.open(tmp_path / "g.png").width == 4 * (WIDTH * SCALE + 16) + 16


def test_a_long_text_is_cut_and_said(modiste, mvlt: Path, photo: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    done = modiste("imagine", photo, "--model", mvlt, "--text", "red " * 999, "--out", tmp_path / "g.png", "--json")
    assert done.code == 0
    assert "only its first 15 pieces count" in done.err.replace("\n", " ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["{photo}", "--out", "g.jpg"], "end its name in .png"),
        (["{photo}", "--mask-ratio", "0"], "must lie between 0 and 1"),
        (["{photo}", "--mask-ratio", "1.5"], "must lie between 0 and 1"),
        (["{photo}", "--mask-ratio", "0.01"], "hides nothing of this photo"),
        (["{photo}", "--style", "dots"], "choose one of random_grid, grid, stroke, center"),
        (["{photo}", "--style", "grid", "-n", "2"], "always hides the same places"),
        (["{nowhere}"], "nowhere: no such file"),
        (["{torn}"], "torn.jpg: truncated JPEG"),
        (["{folder}"], "unreadable file"),
        (["{photo}", "--model", "{dual}"], "only encodes; give an MVLT model"),
    ],
)
def test_errors_are_one_line_that_says_what_to_do(  # type: ignore[no-untyped-def]
    modiste, mvlt: Path, dual: Path, photo: Path, tmp_path: Path, arguments: list[str], expected: str
) -> None:
    torn = tmp_path / "torn.jpg"
    torn.write_bytes(photo.read_bytes()[:300])
    places = {"photo": photo, "nowhere": tmp_path / "nowhere", "torn": torn, "folder": tmp_path, "dual": dual}
    given = [] if "--model" in arguments else ["--model", mvlt]
    given += [] if "--out" in arguments else ["--out", tmp_path / "g.png"]
    done = modiste("imagine", *(argument.format(**places) for argument in arguments), *given)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error:")
    assert done.err.count("\n") == 1
    assert expected in done.err
    assert not (tmp_path / "g.png").exists()
