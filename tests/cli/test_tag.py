"""`modiste tag` as a user types it, with an MVLT whose weights are random: what it says is noise, how it says it is not."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from modiste.data.atelier import Atelier
from modiste.data.sources import load_items
from modiste.models.pretrained import load_recogniser
from modiste.types import Item


def picture(path: Path, pixels: np.ndarray, **options: object) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


def test_a_photo_is_told_as_the_recogniser_tells_it(modiste, mvlt: Path, photo: Path) -> None:  # type: ignore[no-untyped-def]
    found = modiste("tag", photo, "--model", mvlt, "--text", "red dress", "--top", 2, "--json").json
    direct = load_recogniser(mvlt).recognise([Item("x", "red dress", photo.read_bytes())])
    (one,) = found["photos"]
    assert (found["model"], len(found["sha256"]), one["photo"]) == ("mvlt_debug.born", 64, str(photo))
    assert list(one["labels"]) == ["sub_category", "article_type", "colour"]  # attribute names, the coarse one first
    for name, guesses in one["labels"].items():
        classes, probabilities = direct[name]
        order = sorted(range(len(classes)), key=lambda at: -probabilities[0, at])[:2]
        assert [guess["value"] for guess in guesses] == [classes[at] for at in order]
        assert [guess["probability"] for guess in guesses] == pytest.approx(list(probabilities[0, order]), abs=1e-4)


def test_people_get_friendly_names(modiste, mvlt: Path, photo: Path) -> None:  # type: ignore[no-untyped-def]
    done = modiste("tag", photo, photo, "--model", mvlt)
    assert (done.code, done.err) == (0, "")
    for words in ("category", "sub-category", "colour", "runners-up", "Shoes & [more]", "%"):
        assert words in done.out
    assert done.out.replace("\n", "").count("photo.jpg") == 2
    assert "article_type" not in done.out


def test_several_photos_and_their_words_change_the_answer(modiste, mvlt: Path, photo: Path, shop: Path) -> None:  # type: ignore[no-untyped-def]
    other = sorted((shop.parent / "images").iterdir())[0]
    together = modiste("tag", photo, other, "--model", mvlt, "--json").json["photos"]
    alone = modiste("tag", other, "--model", mvlt, "--json").json["photos"]
    assert [one["photo"] for one in together] == [str(photo), str(other)]
    for name, guesses in alone[0]["labels"].items():
        assert [one["probability"] for one in guesses] == pytest.approx(
            [one["probability"] for one in together[1]["labels"][name]], abs=2e-4
        )
    assert modiste("tag", other, "--model", mvlt, "--text", "x", "--json").json["photos"] != alone
    assert modiste("tag", other, "--model", mvlt, "--text", "  ", "--json").json["photos"] == alone


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_a_table_is_written_in_its_order(modiste, mvlt: Path, shop: Path, tmp_path: Path, suffix: str) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "deep" / f"tags.{suffix}"
    done = modiste("tag", shop.parent if suffix == "csv" else shop, "--model", mvlt, "--out", out, "--json").json
    assert (done["tagged"], done["rejected"], done["out"]) == (60, 0, str(out))
    items = load_items(shop)
    direct = load_recogniser(mvlt).recognise(items)
    if suffix == "jsonl":
        lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        rows = [
            {"id": line["id"]}
            | {name: guesses[0]["value"] for name, guesses in line["labels"].items()}
            | {f"{name}_3": guesses[2]["value"] for name, guesses in line["labels"].items() if len(guesses) > 2}
            for line in lines
        ]
    elif suffix == "csv":
        rows = list(csv.DictReader(out.open(encoding="utf-8", newline="")))
    else:
        rows = pq.read_table(out).to_pylist()
    assert [row["id"] for row in rows] == [item.id for item in items]
    for name, (classes, probabilities) in direct.items():
        assert [row[name] for row in rows] == [classes[at] for at in probabilities.argmax(axis=1)]
        assert sum(done["labels"][name]["values"].values()) == 60
    assert "colour_3" in rows[0]
    assert "sub_category_3" not in rows[0]  # it has two classes
    if suffix != "jsonl":
        assert list(rows[0])[:3] == ["id", "sub_category", "sub_category_probability"]
        best = [float(row["colour_probability"]) for row in rows]
        assert best == pytest.approx(list(direct["colour"][1].max(axis=1)), abs=1e-3)
    assert sorted(one.name for one in out.parent.iterdir()) == [out.name, f"{out.name}.rejected.jsonl"]


def test_bad_rows_are_listed_and_rows_without_a_title_are_tagged(
    modiste, mvlt: Path, shop: Path, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "bad"
    shutil.copytree(shop.parent, folder)
    table = folder / shop.name
    rows = list(csv.DictReader(table.open(encoding="utf-8")))[:12]
    photo = folder / rows[1]["image"]
    photo.write_bytes(photo.read_bytes()[:200])
    rows[2]["image"] = "images/not-there.jpg"
    rows[4]["title"] = ""
    rows[6]["image"] = ""
    rows[8]["id"] = rows[7]["id"]
    rows[9]["title"] = rows[9]["image"] = ""
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    out, report = tmp_path / "tags.jsonl", tmp_path / "report.jsonl"
    done = modiste("tag", table, "--model", mvlt, "--out", out, "--report", report)
    assert done.code == 0
    assert "8 items tagged by mvlt_debug.born" in done.out
    assert "4 bad rows are listed in" in done.out
    lines = [json.loads(line) for line in report.read_text().splitlines()]
    assert sorted(line["row"] for line in lines) == [2, 3, 9, 10]
    assert {line["row"]: line["reason"] for line in lines}[2] == "truncated JPEG"
    told = [json.loads(line)["id"] for line in out.read_text().splitlines()]
    assert told == [rows[number]["id"] for number in (0, 3, 4, 5, 6, 7, 10, 11)]
    assert "--report FILE" in modiste("tag", table, "--model", mvlt).out


def test_a_source_that_is_no_file(modiste, mvlt: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "t.csv"
    done = modiste("tag", "atelier:70:5", "--model", mvlt, "--top", 1, "--out", out, "--json").json  # two batches
    assert (done["tagged"], done["table"]) == (70, "atelier:70:5")
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert [row["id"] for row in rows] == [item.id for item in Atelier(seed=5).items(70)]
    assert len(rows[0]) == 1 + 2 * 3


def test_a_table_whose_columns_must_be_named(modiste, mvlt: Path, shop: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    table = tmp_path / "t.csv"
    table.write_text("nr,wording,shot\n1,red dress,\n2,blue coat,\n")
    done = modiste("tag", table, "--model", mvlt, "--map", "id=nr", "--map", "title=wording", "--json").json
    assert done["tagged"] == 2


def test_the_page_is_self_contained_and_escaped(modiste, mvlt: Path, photo: Path, shop: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    page, probe = tmp_path / "tags.html", "<script>alert(1)</script>"
    assert modiste("tag", photo, "--model", mvlt, "--text", probe, "--html", page).code == 0
    text = page.read_text(encoding="utf-8")
    assert probe not in text
    assert "&lt;script&gt;" in text
    assert "Shoes &amp; [more]" in text
    assert (text.count("data:image/jpeg;base64,"), text.count('<li class="card">')) == (1, 1)
    assert modiste("tag", shop, "--model", mvlt, "--html", page).code == 0
    assert page.read_text(encoding="utf-8").count('<li class="card">') == 60


def test_pages_of_long_tables_stop_somewhere(  # type: ignore[no-untyped-def]
    modiste, mvlt: Path, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setattr(sys.modules["modiste.cli.tag"], "MAX_CARDS", 7)
    page = tmp_path / "tags.html"
    assert modiste("tag", shop, "--model", mvlt, "--html", page).code == 0
    text = page.read_text(encoding="utf-8")
    assert text.count('<li class="card">') == 7
    assert "the first 7 of 60 items" in text


def test_photos_of_any_kind(modiste, mvlt: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """Grey, transparent, turned by EXIF, one pixel, 64 megapixels: all are photos."""
    colours = np.zeros((40, 30, 3), np.uint8)
    colours[:20] = (200, 30, 30)
    rgba = np.dstack([colours, np.full((40, 30), 255, np.uint8)])
    upright = picture(tmp_path / "upright.png", colours)
    turned = Image.Exif()
    turned[0x0112] = 8  # shown after a quarter turn to the left
    photos = [
        upright,
        picture(tmp_path / "alpha.png", rgba),
        picture(tmp_path / "turned.png", np.rot90(colours, -1), exif=turned),
        picture(tmp_path / "grey.jpg", colours[..., 0]),
        picture(tmp_path / "dot.png", colours[:1, :1]),
        picture(tmp_path / "huge.jpg", np.full((8000, 8000), 200, np.uint8)),
    ]
    done = modiste("tag", *photos, "--model", mvlt, "--json")
    assert done.code == 0, done.err
    told = [one["labels"] for one in done.json["photos"]]
    assert len(told) == 6
    assert told[0] == told[1] == told[2] != told[3]


def test_a_text_longer_than_the_model_reads_is_cut_and_said(modiste, mvlt: Path, photo: Path) -> None:  # type: ignore[no-untyped-def]
    done = modiste("tag", photo, "--model", mvlt, "--text", "red dress " * 4000, "--json")
    assert done.code == 0
    assert "only its first 15 pieces count" in done.err.replace("\n", " ")
    assert len(done.json["photos"]) == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["{nowhere}.jpg"], "no such file"),
        (["atelier"], "atelier:SIZE"),
        (["{torn}"], "torn.jpg: truncated JPEG"),
        (["{photo}", "{torn}"], "torn.jpg: truncated JPEG"),
        (["{empty}"], "empty.jpg: empty file"),
        (["{words}"], "words.pdf: not a picture in JPEG"),
        (["{folder}"], "no table in this folder"),
        (["{photo}", "{shop}"], "is no photo: give photos, or a single table"),
        (["{shop}", "{shop}"], "is no photo: give photos, or a single table"),
        (["{shop}", "--text", "red"], "--text is for photos"),
        (["{photo}", "--map", "a=b"], "these are photos"),
        (["{shop}", "--map", "title"], "FIELD=COLUMN"),
        (["{photo}", "--out", "tags.xlsx"], "must be one of .jsonl, .csv, .parquet"),
        (["{photo}", "--model", "{dual}"], "only encodes; give an MVLT model"),
        (["{photo}", "--model", "fashion_clip.vit_b32"], "only encodes"),
        (["{photo}", "--model", "{nowhere}"], "no model folder"),
    ],
)
def test_errors_are_one_line_that_says_what_to_do(  # type: ignore[no-untyped-def]
    modiste, mvlt: Path, dual: Path, photo: Path, shop: Path, tmp_path: Path, arguments: list[str], expected: str
) -> None:
    places = {name: tmp_path / name for name in ("nowhere", "folder")} | {"photo": photo, "shop": shop, "dual": dual}
    places["folder"].mkdir()
    for name, content in (("torn.jpg", photo.read_bytes()[:300]), ("empty.jpg", b""), ("words.pdf", b"%PDF-1.7")):
        places[name.split(".")[0]] = tmp_path / name
        (tmp_path / name).write_bytes(content)
    given = [] if "--model" in arguments else ["--model", mvlt]
    done = modiste("tag", *(argument.format(**places) for argument in arguments), *given)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error:")
    assert done.err.count("\n") == 1
    assert expected in done.err


def test_a_model_without_label_heads_cannot_tag(modiste, photo: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    from modiste.data.text import train_wordpiece
    from modiste.models.mvlt import SIZES, Mvlt
    from modiste.models.pretrained import save_pretrained

    folder = save_pretrained(tmp_path / "m", Mvlt(SIZES["debug"]), train_wordpiece(["red dress"] * 3), name="bare")
    done = modiste("tag", photo, "--model", folder)
    assert done.code == 1
    assert "no label heads" in done.err


def test_a_run_that_breaks_off_leaves_no_result(modiste, mvlt: Path, shop: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    from modiste.cli.tagging import tag_items, tag_writer

    recogniser = load_recogniser(mvlt)
    items = list(enumerate(load_items(shop), 1))
    for suffix in (".jsonl", ".csv", ".parquet"):
        out = tmp_path / f"tags{suffix}"
        with pytest.raises(KeyboardInterrupt), tag_writer(out, recogniser.labels, 3) as write:  # noqa: PT012
            for batch in tag_items(items, recogniser, top=3, refuse=lambda *_: None, batch_size=16):
                write(batch)
                raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_table(mvlt: Path) -> None:
    """Items are read a batch ahead at most: the generator knows how many are out."""
    from modiste.cli.tagging import tag_items

    recogniser, read = load_recogniser(mvlt), 0
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")

    def endless():  # type: ignore[no-untyped-def]
        nonlocal read
        while True:
            read += 1
            yield read, Item(f"i{read}", "red", buffer.getvalue())

    batches = tag_items(endless(), recogniser, top=1, refuse=lambda *_: None, batch_size=4)
    for number in range(1, 4):
        assert [one.item.id for one in next(batches)] == [f"i{n}" for n in range(4 * number - 3, 4 * number + 1)]
        assert read == 4 * number
