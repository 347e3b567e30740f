"""Every dialect, every kind of bad row, and text that nobody planned for."""

from __future__ import annotations

import csv
import io
import json
import os
import tracemalloc
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from modiste.data.feed import FeedError, FeedReport, count_rows, detect, find_table, read_feed, read_rows
from modiste.data.feed import tables as tables_module
from modiste.data.feed.pictures import ESCAPES, inside
from modiste.data.feed.text import category_of_path, plain_text, price, snake_case
from modiste.data.images import ImageError, encode_jpeg
from modiste.types import Item

JPEG = encode_jpeg(np.full((8, 6, 3), 90, np.uint8))


def write_csv(path: Path, rows: Iterable[Iterable[object]], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    with path.open("w", encoding=encoding, newline="") as stream:
        csv.writer(stream, delimiter=delimiter).writerows(rows)
    return path


def write_lines(path: Path, rows: Iterable[object]) -> Path:
    path.write_text(
        "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows), encoding="utf-8"
    )
    return path


def read(path: Path, **options: object) -> tuple[list[Item], FeedReport]:
    report = FeedReport()
    items = list(read_feed(path, report=report, **options))  # type: ignore[arg-type]
    assert report.rows_read == report.accepted + report.rejected + report.folded
    return items, report


def rejects(report: FeedReport) -> list[tuple[object, object, object]]:
    return [(entry["row"], entry["field"], entry["reason"]) for entry in report.first_rejected]


# --- dialects ----------------------------------------------------------------------------------------------------------

GOOGLE_HEADER = [
    *(
        "id",
        "title",
        "description",
        "link",
        "image_link",
        "additional_image_link",
        "price",
        "sale_price",
        "availability",
    ),
    *("brand", "google_product_category", "product_type", "color", "material", "gender", "item_group_id", "size"),
]
GOOGLE_ROW = [
    *("D-1", "Linen &amp; silk dress", "<p>Airy.</p><script>x()</script>", "https://shop.example/d1"),
    *("https://cdn.example/a/d1.jpg?w=9", "", "1 299,50 CZK", "", "in stock", "Atelier Nord", "2271"),
    *("Women > Clothing > Dresses, Sale > All", "Navy/White", "linen", "female", "D", "M"),
]


def test_google(tmp_path: Path) -> None:
    items, report = read(write_csv(tmp_path / "feed.tsv", [GOOGLE_HEADER, GOOGLE_ROW], "\t"))
    (item,) = items
    assert (item.id, item.title, item.description, item.category, item.group) == (
        *("D-1", "Linen & silk dress", "Airy.", "Dresses", "D"),
    )
    assert item.image is None
    assert dict(item.attributes) == {
        "link": "https://shop.example/d1",
        "price": 1299.5,
        "currency": "CZK",
        "availability": "in_stock",
        "brand": "Atelier Nord",
        "google_product_category": "2271",
        "product_type": "Women > Clothing > Dresses, Sale > All",
        "colour": "Navy/White",
        "material": "linen",
        "gender": "female",
        "size": "M",
        "image_link": "https://cdn.example/a/d1.jpg?w=9",
    }
    assert report.warning_counts == {"picture is a web address and is not fetched; indexed without it": 1}
    assert "warning: picture is a web address" in str(report)


def test_google_finds_a_picture_already_downloaded(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "d1.jpg").write_bytes(JPEG)
    path = write_csv(tmp_path / "feed.csv", [GOOGLE_HEADER, GOOGLE_ROW])
    items, report = read(path, image_folder=tmp_path / "images")
    assert items[0].image == JPEG
    assert report.warnings == 0
    further = [*GOOGLE_ROW]
    further[4], further[5] = "", "images/d1.jpg,images/absent.jpg"
    items, _ = read(write_csv(tmp_path / "feed.csv", [GOOGLE_HEADER, further]))
    assert items[0].image == JPEG
    escaping = [*GOOGLE_ROW]
    escaping[4] = "https://cdn.example/%2e%2e%2f%2e%2e%2fetc%2fpasswd/%2e%2e"
    folder_only = [*GOOGLE_ROW]
    folder_only[0], folder_only[4] = "D-2", "https://cdn.example/"
    unknown = [*GOOGLE_ROW]
    unknown[0], unknown[4] = "D-3", "https://cdn.example/nowhere.jpg"
    path = write_csv(tmp_path / "feed.csv", [GOOGLE_HEADER, escaping, folder_only, unknown])
    items, report = read(path, image_folder=tmp_path / "images")
    assert [item.id for item in items] == ["D-2", "D-3"]
    assert rejects(report) == [(1, "image_link", ESCAPES)]
    assert report.warnings == 2


XML = """<?xml version="1.0"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>
<item><g:id>X1</g:id><title><![CDATA[Wool <b>coat</b>]]></title><g:price>99.00 EUR</g:price><g:color>Camel</g:color>
<g:additional_image_link>a.jpg</g:additional_image_link><g:additional_image_link>b.jpg</g:additional_image_link>
<g:shipping><g:country>CZ</g:country></g:shipping></item>
<item><g:id>X2</g:id><g:product_type>Shoes &gt; Boots</g:product_type></item>
<item><g:id>X3</g:id><title>Boots</title><link href="https://shop.example/x3"/></item>
</channel></rss>"""


def test_google_xml(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(JPEG)
    path = tmp_path / "feed.xml"
    path.write_text(XML)
    items, report = read(path)
    assert [item.id for item in items] == ["X1", "X3"]
    assert items[0].title == "Wool coat"
    assert items[0].image == JPEG
    assert items[0].attributes["price"] == 99.0
    assert items[1].attributes["link"] == "https://shop.example/x3"
    assert rejects(report) == [(2, "title", "empty title")]
    assert count_rows(path) == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('<!DOCTYPE a [<!ENTITY x "ha">]><rss><item><g:id>&x;</g:id></item></rss>', "document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><rss/>', "document type"),
        (XML[:-30], "not well-formed"),
        ("<a>" * 40, "nested more than 32"),
        ("<rss><item><g:id>" + "x" * 1_100_000 + "</g:id></item></rss>", "item of more than"),
        ("<rss></rss>", "no columns"),
    ],
)
def test_hostile_xml(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "feed.xml"
    path.write_text(text)
    with pytest.raises(FeedError, match=message):
        list(read_feed(path))


SHOPIFY_HEADER = [
    *("Handle", "Title", "Body (HTML)", "Vendor", "Product Category", "Type", "Tags", "Published"),
    *("Option1 Name", "Option1 Value", "Option2 Name", "Option2 Value", "Variant SKU", "Variant Inventory Qty"),
    *(
        "Variant Price",
        "Image Src",
        "Image Position",
        "Variant Image",
        "Status",
        "Fabric (product.metafields.shopify.fabric)",
    ),
]


def shopify(*rows: dict[str, str]) -> list[list[str]]:
    return [SHOPIFY_HEADER, *([row.get(name, "") for name in SHOPIFY_HEADER] for row in rows)]


SHIRT = {
    "Handle": "oxford-shirt",
    "Title": "Oxford Shirt",
    "Body (HTML)": "<ul><li>Crisp</li><li>Cotton</li></ul>",
    "Vendor": "Nord",
    "Type": "Shirts",
    "Tags": "office, linen",
    "Published": "TRUE",
    "Status": "active",
    "Option1 Name": "Size",
    "Option2 Name": "Color",
    "Fabric (product.metafields.shopify.fabric)": "cotton",
}


def test_shopify_is_read_at_the_colour_and_never_at_the_size(tmp_path: Path) -> None:
    for name in ("front.jpg", "blue.jpg"):
        (tmp_path / name).write_bytes(JPEG)
    path = write_csv(
        tmp_path / "products.csv",
        shopify(
            SHIRT
            | {"Option1 Value": "S", "Option2 Value": "White", "Variant Price": "49.00", "Variant SKU": "W-S"}
            | {"Image Src": "back.jpg", "Image Position": "2", "Variant Inventory Qty": "0"},
            {"Handle": "oxford-shirt", "Option1 Value": "M", "Option2 Value": "White", "Variant Price": "45.00"}
            | {"Variant Inventory Qty": "3"},
            {"Handle": "oxford-shirt", "Option1 Value": "S", "Option2 Value": "Sky Blue", "Variant Price": "49.00"}
            | {"Variant Image": "blue.jpg", "Variant Inventory Qty": "-2"},
            {"Handle": "oxford-shirt", "Image Src": "front.jpg", "Image Position": "1"},
            {
                "Handle": "belt",
                "Title": "Belt",
                "Variant Price": "9",
                "Option1 Name": "Title",
                "Option1 Value": "Default Title",
            },
            {"Handle": "secret", "Title": "Next season", "Status": "draft", "Variant Price": "9"},
            {"Handle": "gift", "Title": "Gift card", "Published": "false"},
            {"Title": "No handle"},
            {"Handle": "belt", "Title": "Belt again"},
        ),
    )
    items, report = read(path)
    assert [item.id for item in items] == ["oxford-shirt:white", "oxford-shirt:sky-blue", "belt"]
    white, blue, belt = items
    assert white.image == blue.image == JPEG
    assert {item.group for item in (white, blue)} == {"oxford-shirt"}
    assert blue.title == "Oxford Shirt"
    assert white.description == "Crisp Cotton"
    assert white.category == "Shirts"
    assert dict(white.attributes) == {
        "colour": "White",
        "size": "S, M",
        "price": 45.0,
        "sku": "W-S",
        "availability": "in_stock",
        "brand": "Nord",
        "product_type": "Shirts",
        "tags": "office, linen",
        "status": "active",
        "material": "cotton",
    }
    assert blue.attributes["availability"] == "out_of_stock"
    assert "title" not in belt.attributes
    assert rejects(report) == [(8, "Handle", "empty id"), (9, "Handle", "duplicate id")]
    assert (report.rows_read, report.accepted, report.rejected, report.folded) == (9, 3, 2, 4)
    assert "folded" in str(report)


def test_shopify_bad_rows_do_not_spoil_their_product(tmp_path: Path) -> None:
    text = io.StringIO()
    csv.writer(text).writerows(shopify(SHIRT | {"Option2 Value": "White", "Variant Price": "à la carte, très cher"}))
    path = tmp_path / "products.csv"
    path.write_bytes(text.getvalue().encode() + b"oxford-shirt,too,few\n" + b"oxford-shirt,\xff" + b"," * 18 + b"\n")
    items, report = read(path)
    assert [item.id for item in items] == ["oxford-shirt:white"]
    assert [field for _, field, _ in rejects(report)] == ["row", "Title"]
    assert report.warning_counts["price not understood, left out"] == 1
    with pytest.raises(FeedError, match="needs no mapping"):
        read_feed(path, dialect="shopify", mapping={"title": "Title"})
    with pytest.raises(FeedError, match="column Handle; found: 'a'"):
        read_feed(write_csv(tmp_path / "a.csv", [["a"], ["1"]]), dialect="shopify")
    mapped, _ = read(path, mapping={"id": "Handle", "title": "Title"})  # by hand: a plain table
    assert [item.id for item in mapped] == ["oxford-shirt"]


def test_shopify_first_row_may_be_bad_json(tmp_path: Path) -> None:
    rows = [{"Handle": 7, "Title": "Seven", "Variant Price": 3.5, "Image Src": None}, {"Handle": ["x"]}]
    items, report = read(write_lines(tmp_path / "p.jsonl", rows), dialect="shopify")
    assert [(item.id, item.attributes["price"]) for item in items] == [("7", 3.5)]
    assert rejects(report) == [(2, "Handle", "wrong type: text is needed, not list")]


def test_plain_synonyms_and_attributes(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(JPEG)
    header = [
        "article_id",
        "productDisplayName",
        "filename",
        "category",
        "articleType",
        "baseColour",
        "Price",
        "year",
        "note",
    ]
    path = write_csv(
        tmp_path / "t.csv", [header, ["1", "Blue shirt", "1.jpg", "Apparel", "Shirts", "Blue", "$9", "2012", ""]]
    )
    (item,), report = read(path)
    assert (item.id, item.title, item.category, item.image) == ("1", "Blue shirt", "Shirts", JPEG)
    assert dict(item.attributes) == {
        "category": "Apparel",
        "article_type": "Shirts",
        "colour": "Blue",
        "price": 9.0,
        "year": "2012",
    }
    assert report.accepted == 1


def test_mapping(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "t.csv", [["nr", "bezeichnung", "farbton", "art"], ["7", "Rock", "rot", "skirt"]], ";")
    with pytest.raises(FeedError, match=r"no column for an item's id; found: 'nr', 'bezeichnung'.*mapping such as"):
        read_feed(path)
    with pytest.raises(FeedError, match="no column for a title or a picture"):
        read_feed(path, mapping={"id": "nr"})
    with pytest.raises(FeedError, match="mapping 'title': there is no column 'name'"):
        read_feed(path, mapping={"id": "nr", "title": "name"})
    mapping = {"id": "nr", "title": "Bezeichnung", "colour": "farbton", "category": "art"}
    (item,), _ = read(path, mapping=mapping)
    assert (item.id, item.title, item.category) == ("7", "Rock", "skirt")
    assert dict(item.attributes) == {"colour": "rot", "art": "skirt"}


def test_imagefolder_convention(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.jpg").write_bytes(JPEG)
    (tmp_path / "other.csv").write_text("x\n")
    write_csv(tmp_path / "metadata.csv", [["file_name", "text"], ["train\\a.jpg", "A shirt"]])
    (item,), _ = read(tmp_path)
    assert (item.id, item.title, item.image) == ("train\\a.jpg", "A shirt", JPEG)


@pytest.mark.parametrize(
    ("columns", "dialect"),
    [
        ("id,title,image_link,price", "google"),
        ("g:id,g:title", "google"),
        ("ID,Title,Link,Item Group ID", "google"),
        ("Handle,Title,Body (HTML),Vendor", "shopify"),
        ("handle,title,image_src", "shopify"),
        ("id,title,image", "plain"),
        ("sku,name", "plain"),
        ("", "plain"),
    ],
)
def test_detect(columns: str, dialect: str) -> None:
    assert detect(columns.split(",")) == dialect


# --- bad rows ----------------------------------------------------------------------------------------------------------


def bad_rows_csv(folder: Path) -> Path:
    (folder / "good.jpg").write_bytes(JPEG)
    (folder / "cut.jpg").write_bytes(JPEG[: len(JPEG) // 2])
    (folder / "page.jpg").write_text("<html>")
    (folder / "none.jpg").write_bytes(b"")
    with (folder / "big.jpg").open("wb") as stream:
        stream.truncate(16_000_001)
    bomb = Image.new("1", (9_000, 9_000))
    bomb.save(folder / "bomb.png")
    lines = [
        b"id,title,image",
        b"1,Shirt,good.jpg",
        b"2,Shirt,absent.jpg",
        b"3,Shirt,cut.jpg",
        b"4,Shirt,bomb.png",
        b"5,Shirt,../good.jpg",
        b"1,Shirt again,good.jpg",
        b"7,,good.jpg",
        b"8,,",
        b"9,Shirt,good.jpg,surplus",
        b"10,Shirt",
        b"11,Caf\xc3\xa9,good.jpg",
        b"12,Caf\xff,good.jpg",
        b",No id,good.jpg",
        b"x" * 201 + b",Long id,good.jpg",
        b"a\tb,Tab in the id,good.jpg",
        b"17,Page,page.jpg",
        b"18,None,none.jpg",
        b"19,Big,big.jpg",
        b"20,Folder,.",
        b"",
        b",,",
        b'21,"Two\r\nlines",good.jpg',
    ]
    path = folder / "feed.csv"
    path.write_bytes(b"\xef\xbb\xbf" + b"\r\n".join(lines))
    return path


BAD_ROWS = [
    (2, 3, "2", "image", "missing file"),
    (3, 4, "3", "image", "truncated JPEG"),
    (4, 5, "4", "image", "9000 x 9000 pixels, the limit is 64,000,000 in all (decompression bomb?)"),
    (5, 6, "5", "image", "path escapes the folder"),
    (6, 7, "1", "id", "duplicate id"),
    (7, 8, "7", "title", "empty title"),
    (8, 9, "8", "title", "empty title"),
    (9, 10, "9", "row", "4 fields where the header has 3"),
    (10, 11, "10", "row", "2 fields where the header has 3"),
    (12, 13, "12", "title", "bytes or escapes that are no valid text"),
    (13, 14, "", "id", "empty id"),
    (14, 15, "x" * 200, "id", "id of 201 characters, the limit is 200"),
    (15, 16, "a\tb", "id", "control character in the id"),
    (16, 17, "17", "image", "not a picture in JPEG, PNG, WEBP, GIF, BMP, TIFF"),
    (17, 18, "18", "image", "empty file"),
    (18, 19, "19", "image", "file of more than 16,000,000 bytes"),
    (19, 20, "20", "image", "missing file"),
]


def test_bad_rows_are_skipped_and_reported(tmp_path: Path) -> None:
    path = bad_rows_csv(tmp_path)
    report_file = tmp_path / "out" / "rejected.jsonl"
    with FeedReport(report_file) as report:
        items = list(read_feed(path, report=report))
        assert not report_file.exists()  # it appears complete, or not at all
    assert [item.id for item in items] == ["1", "11", "21"]
    assert items[2].title == "Two lines"
    entries = [json.loads(line) for line in report_file.read_text().splitlines()]
    assert [(e["row"], e["line"], e["id"], e["field"], e["reason"]) for e in entries] == BAD_ROWS
    assert (report.rows_read, report.accepted, report.rejected, report.folded) == (20, 3, 17, 0)
    assert [file.name for file in report_file.parent.iterdir()] == ["rejected.jsonl"]
    assert len(report.first_rejected) == 10
    assert str(report).startswith("20 rows read, 3 accepted, 17 rejected\n  rejected for image: 8\n")
    report.close()  # again: harmless


def test_strict_stops_at_the_first_bad_row(tmp_path: Path) -> None:
    path = bad_rows_csv(tmp_path)
    with pytest.raises(FeedError, match=r"feed\.csv: row 2 \(line 3\), field 'image': missing file"):
        list(read_feed(path, strict=True))


def test_rows_for_a_caller_that_decodes_later(tmp_path: Path) -> None:
    path = bad_rows_csv(tmp_path)
    report = FeedReport()
    found = {}
    for row, item in read_rows(path, report=report, check_images=False, require_title=False):
        found[row] = item.id
        if item.id == "3":
            report.reject(row, item.id, "image", "truncated JPEG")
    assert found == {1: "1", 3: "3", 4: "4", 7: "7", 11: "11", 16: "17", 20: "21"}
    assert report.accepted == len(found) - 1
    assert (8, "title", "neither title nor picture") in rejects(report)


def test_report_survives_an_error_of_its_user(tmp_path: Path) -> None:
    path = bad_rows_csv(tmp_path)

    def index() -> None:
        with FeedReport(tmp_path / "r.jsonl") as report:
            for item in read_feed(path, report=report):
                if item.id == "11":
                    raise RuntimeError

    with pytest.raises(RuntimeError):
        index()
    assert len((tmp_path / "r.jsonl").read_text().splitlines()) == 9


def test_bad_json_lines(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(JPEG)
    rows = [
        {
            "id": "a",
            "title": "Shirt",
            "image": {"bytes": None, "path": "a.jpg"},
            "tags": ["x", "y"],
            "price": 5,
            "w": {"a": 1},
        },
        {"id": 2, "title": "Shirt", "image": ["a.jpg", "b.jpg"], "ok": True, "n": 3, "sale_price": -1.0},
        '{"id": "3", "title": NaN}',
        '{"id": "4", "title": "Shirt", "weight": Infinity, "height": 1e999, "huge": ' + "9" * 40 + "}",
        '{"id": "5", "title": ',
        "[1, 2]",
        '{"id": "7", "title": ["a"]}',
        '{"id": true, "title": "Bool"}',
        '{"id": "9", "title": "\\ud800"}',
        '{"id": "10", "title": "Shirt", "image": 3}',
        "[" * 100_000,
        '{"id": ' + "9" * 5_000 + "}",
        '{"id": "13", "title": "Shirt", "image": {}, "color": "\\udfff"}',
        "",
        '{"id": ' + "9" * 60 + ', "title": "x"}',
        {"id": 1.0, "title": "Float", "image": [], "group": 3.5},
        {"id": 8.0, "title": "Float", "image": [], "group": 4.0},
    ]
    items, report = read(write_lines(tmp_path / "feed.jsonl", rows))
    assert [item.id for item in items] == ["a", "2", "4", "8"]
    assert dict(items[0].attributes) == {"tags": "x, y", "price": 5.0}
    assert dict(items[1].attributes) == {"ok": True, "n": 3}
    assert dict(items[2].attributes) == {}
    assert items[0].image == items[1].image == JPEG
    assert items[3].group == "4"
    assert [entry["row"] for entry in report.first_rejected] == [3, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    assert report.rejected == 12
    reasons = [entry["reason"] for entry in report.first_rejected]
    assert reasons[:3] == ["empty title", "not JSON: Expecting value", "a JSON object is needed, not list"]
    assert reasons[3] == "wrong type: text is needed, not list"
    assert reasons[6] == "wrong type: bytes or a path is needed, not int"


def test_a_json_list_is_explained(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="one object per line"):
        read_feed(write_lines(tmp_path / "feed.json", ['[{"id": 1}]']))


def test_long_text_is_cut_and_counted(tmp_path: Path) -> None:
    row = {"id": "1", "title": "t" * 2_000, "description": "d" * 30_000, "note": "n" * 9_000}
    row |= {f"a{number}": number for number in range(150)}  # type: ignore[assignment]
    (item,), report = read(write_lines(tmp_path / "f.jsonl", [row, {"id": "2", "title": "x", "group": "g" * 201}]))
    assert (len(item.title), len(item.description), len(item.attributes["note"])) == (1_000, 20_000, 2_000)
    assert len(item.attributes) == 100
    assert set(report.warning_counts) == {"very long text cut", "more attributes than fit, the last left out"}
    assert rejects(report) == [(2, "group", "group of 201 characters, the limit is 200")]


# --- parquet -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["bytes", "struct", "path", "list"])
def test_parquet_pictures(tmp_path: Path, shape: str) -> None:
    (tmp_path / "a.jpg").write_bytes(JPEG)
    cell = {
        "bytes": JPEG,
        "struct": {"bytes": JPEG, "path": None},
        "path": "a.jpg",
        "list": [{"bytes": JPEG, "path": "z"}],
    }[shape]
    table = pa.table(
        {
            "id": [1.0, 2.0, 3.0],
            "title": pa.array(["A", "B", None]).dictionary_encode(),
            "image": [cell, None, cell],
            "vector": [[0.1, 0.2]] * 3,
            "price": [Decimal("9.90"), None, None],
            "since": [date(2026, 1, 2), None, None],
            "weight": [float("nan"), 2.5, None],
        }
    )
    pq.write_table(table, tmp_path / "t.parquet")
    items, report = read(tmp_path / "t.parquet")
    assert [item.id for item in items] == ["1", "2"]
    assert items[0].image == JPEG
    assert items[1].image is None
    assert dict(items[0].attributes) == {"price": 9.9, "since": "2026-01-02"}
    assert dict(items[1].attributes) == {"weight": 2.5}
    assert rejects(report) == [(3, "title", "empty title")]
    assert count_rows(tmp_path / "t.parquet") == 3


def test_parquet_bad_text_and_large_pictures_are_bad_rows(tmp_path: Path) -> None:
    raw = pa.array([b"Shirt", b"Caf\xff", b"Skirt"], pa.binary())
    title = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    pq.write_table(
        pa.table({"id": ["1", "2", "3"], "title": title, "image": [b"", None, bytes(16_000_001)]}), tmp_path / "t.pq"
    )
    items, report = read(tmp_path / "t.pq", check_images=False)
    assert [(item.id, item.image) for item in items] == [("1", None)]
    assert rejects(report) == [
        (2, "title", "bytes that are not valid for the column's type"),
        (3, "image", "file of 16,000,001 bytes, the limit is 16,000,000"),
    ]


def test_strict_names_the_row_of_a_file_without_lines(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": ["1", "1"], "title": ["A", "B"]}), tmp_path / "t.parquet")
    with pytest.raises(FeedError, match=r"t\.parquet: row 2, field 'id': duplicate id"):
        list(read_feed(tmp_path / "t.parquet", strict=True))


def test_damaged_parquet(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(b"PAR1 no")
    with pytest.raises(FeedError, match="not a readable Parquet file"):
        read_feed(path)
    rng = np.random.default_rng(0)
    texts = [rng.bytes(300).hex() for _ in range(2_000)]
    pq.write_table(
        pa.table({"id": texts, "title": texts}), path, row_group_size=200, compression="zstd", use_dictionary=False
    )
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 5_000] = bytes(5_000)
    path.write_bytes(data)
    with pytest.raises(FeedError, match=r"damaged after row \d+"):
        list(read_feed(path))


# --- files, encodings, delimiters ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encodings_and_delimiters(tmp_path: Path, encoding: str, delimiter: str) -> None:
    rows = [["id", "title", "product_type"], ["1", "Crêpe, soft; blue | new", "Women > Dresses"], ["2", "Été\nné", "x"]]
    items, report = read(write_csv(tmp_path / "feed.txt", rows, delimiter, encoding))
    assert [item.title for item in items] == ["Crêpe, soft; blue | new", "Été né"]
    assert items[0].category == "Dresses"
    assert report.warning_counts == ({"not UTF-8, read as Windows-1252": 1} if encoding == "cp1252" else {})
    assert count_rows(tmp_path / "feed.txt") == 3 if encoding != "utf-16-be" else True


def test_bad_utf16_is_a_bad_row(tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_bytes("id,title\n1,A\n2,".encode("utf-16") + b"\x00\xd8" + "\n3,C\n".encode("utf-16-le"))
    items, report = read(tmp_path / "f.csv")
    assert [item.id for item in items] == ["1", "3"]
    assert rejects(report) == [(2, "row", "bytes that are not UTF-16")]


def test_one_bad_byte_late_in_a_large_file_is_one_bad_row(tmp_path: Path) -> None:
    rows = b"".join(b"%d,%s\n" % (number, "Robe d’été".encode()) for number in range(60_000))
    (tmp_path / "f.csv").write_bytes(b"id,title\n" + rows + b"last,caf\xe9\n")
    report = FeedReport()
    titles = {item.title for item in read_feed(tmp_path / "f.csv", report=report)}
    assert titles == {"Robe d’été"}
    assert rejects(report) == [(60_001, "title", "bytes or escapes that are no valid text")]
    assert count_rows(tmp_path / "f.csv") == 60_001


def test_repeated_and_nameless_columns(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "f.csv", [["id", "title", "note", "note", ""], ["1", "A", "", "second", "lost"]])
    (item,), _ = read(path)
    assert dict(item.attributes) == {"note": "second"}


def test_lines_and_cells_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables_module, "MAX_LINE", 10_000)
    lines = ["id,title", "1,A", '2,"' + "x" * 50_000, "3,C", '4,"open', *(f"{n},D" for n in range(5, 40_000))]
    (tmp_path / "f.csv").write_text("\n".join(lines) + "\n")
    items, report = read(tmp_path / "f.csv")
    assert [item.id for item in items][:2] == ["1", "3"]
    assert rejects(report)[0] == (2, "row", "a line of more than 10,000 characters")
    assert "not CSV from line" in str(rejects(report)[1][2])
    assert len(items) > 10_000  # the open quote cost some rows, not the rest of the file
    write_lines(
        tmp_path / "f.jsonl", [{"id": "1", "title": "A"}, {"id": "2", "title": "x" * 50_000}, {"id": "3", "title": "C"}]
    )
    items, report = read(tmp_path / "f.jsonl")
    assert [item.id for item in items] == ["1", "3"]
    assert rejects(report) == [(2, "row", "a line of more than 10,000 characters")]


def test_find_table(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="no such file"):
        read_feed(tmp_path / "absent.csv")
    with pytest.raises(FeedError, match="no table in this folder"):
        find_table(tmp_path)
    (tmp_path / "feed.xlsx").write_bytes(b"PK")
    with pytest.raises(FeedError, match=r"unknown kind of table '\.xlsx'; one of \.csv"):
        read_feed(tmp_path / "feed.xlsx")
    (tmp_path / "a.csv").write_text("id,title\n1,A\n")
    assert find_table(tmp_path).name == "a.csv"
    (tmp_path / "b.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(FeedError, match=r"which of these tables\? a\.csv, b\.jsonl"):
        find_table(tmp_path)
    (tmp_path / "catalogue.csv").write_text("id,title\n1,A\n")
    assert find_table(tmp_path).name == "catalogue.csv"


def test_options_are_checked(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", [["id", "title"], ["1", "A"]])
    with pytest.raises(FeedError, match="unknown dialect 'amazon'; choose one of auto, google"):
        read_feed(path, dialect="amazon")  # type: ignore[arg-type]
    with pytest.raises(FeedError, match="folder for pictures does not exist"):
        read_feed(path, image_folder=tmp_path / "absent")
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(FeedError, match="no columns found"):
        read_feed(tmp_path / "empty.csv")
    assert read(write_csv(tmp_path / "head.csv", [["id", "title"]]))[0] == []


# --- paths ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/etc/passwd",
            "//etc/passwd",
            "\\\\server\\share\\a.jpg",
            "\\etc\\passwd",
            "../secret.jpg",
            "..\\secret.jpg",
        ),
        *(
            "images/../../secret.jpg",
            "images\\..\\..\\secret.jpg",
            "./../secret.jpg",
            "images/../a.jpg",
            ".. /secret.jpg",
        ),
        *("..", "C:\\Windows\\win.ini", "c:/a.jpg", "C:a.jpg", "file:///etc/passwd", "FILE:/etc/passwd", "file:a.jpg"),
        *("ftp://host/a.jpg", "data:image/png;base64,AAAA", "a.jpg\0.png", "\0", "link.jpg", "linked/secret.jpg"),
        *("images/..\\../secret.jpg", "a.jpg:stream", "php://filter/a.jpg"),
    ],
)
def test_no_path_leads_out_of_the_folder(tmp_path: Path, path: str) -> None:
    feed = tmp_path / "feed"
    (feed / "images").mkdir(parents=True)
    (tmp_path / "secret.jpg").write_bytes(JPEG)
    (feed / "a.jpg").write_bytes(JPEG)
    (feed / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (feed / "linked").symlink_to(tmp_path)
    with pytest.raises(ImageError, match=ESCAPES):
        inside(feed, path)
    items, report = read(write_lines(feed / "f.jsonl", [{"id": "1", "title": "A", "image": path}]))
    assert items == []
    assert rejects(report) == [(1, "image", ESCAPES)]


def test_paths_that_stay_inside(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a..b.jpg").write_bytes(JPEG)
    (tmp_path / "good.jpg").symlink_to(tmp_path / "images" / "a..b.jpg")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    expected = (tmp_path / "images" / "a..b.jpg").resolve()
    for path in ("images/a..b.jpg", "./images//a..b.jpg", "images\\a..b.jpg", "good.jpg"):
        assert inside(tmp_path, path) == expected
    for path in (
        "loop.jpg",
        "pipe.jpg",
        "images",
        "~/a.jpg",
        "%2e%2e/a.jpg",
        "x" * 5_000,
        "images/a..b.jpg/c",
        "\ud800.jpg",
    ):
        with pytest.raises(ImageError, match="missing file"):
            inside(tmp_path, path)


def test_unreadable_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.jpg").write_bytes(JPEG)
    path = write_lines(tmp_path / "f.jsonl", [{"id": "1", "title": "A", "image": "a.jpg"}])
    rows = read_feed(path, report=(report := FeedReport()))
    real_open = Path.open

    def refuse(self: Path, *arguments: object, **options: object) -> object:
        if self.name == "a.jpg":
            raise PermissionError(13, "Permission denied")
        return real_open(self, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(Path, "open", refuse)
    assert list(rows) == []
    assert rejects(report) == [(1, "image", "unreadable file (Permission denied)")]


# --- any text ------------------------------------------------------------------------------------------------------------

cells = st.text(max_size=30) | st.sampled_from(
    ["", '"', "a\nb", "1.jpg", "../x", "=cmd()", "<b>", "&#0;", "\0", "99 CZK", "A > B"]
)
HEADERS = [
    ["id", "title", "image", "price", "note"],
    ["id", "title", "image_link", "product_type", "availability"],
    ["Handle", "Title", "Variant Price", "Option1 Name", "Option1 Value"],
]


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(HEADERS), st.lists(st.lists(cells, min_size=4, max_size=6), max_size=6))
def test_any_cells_are_accepted_or_rejected(tmp_path: Path, header: list[str], rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    path = tmp_path / "any.csv"
    path.write_bytes(text.getvalue().encode("utf-8", "surrogatepass"))
    items, report = read(path)
    assert len(items) == report.accepted
    assert len({item.id for item in items}) == len(items)
    for item in items:
        json.dumps([item.id, item.title, dict(item.attributes)], ensure_ascii=False).encode()


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from([".csv", ".tsv", ".jsonl", ".xml", ".parquet"]))
def test_any_bytes_are_read_or_explained(tmp_path: Path, data: bytes, suffix: str) -> None:
    path = tmp_path / f"any{suffix}"
    path.write_bytes((b"id,title\n" if suffix == ".csv" else b"") + data)
    try:
        items, report = read(path)
    except FeedError as error:
        message = str(error)
    else:
        message = ""
        assert len(items) == report.accepted
    assert not message or path.name in message


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="<>!-/&;#ab \"'=x3script", max_size=80))
def test_plain_text_of_any_markup(text: str) -> None:
    assert "\n" not in plain_text(text)


def test_markup_costs_no_more_than_its_length() -> None:
    for piece in ("<", "<a ", "<!--", "<script>", "&#", "</", "<!"):
        assert len(plain_text(piece * 40_000)) <= 400_000


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>Soft <b>wool</b><br/>Warm</p>", "Soft wool Warm"),
        ("a < b &amp; c > d", "a < b & c > d"),
        ("x<!-- <b>hidden</b> -->y", "x y"),
        ("x<!-- never closed", "x"),
        ("<style>p{}</style><SCRIPT src=x>alert(1)</SCRIPT >ok", "ok"),
        ("&lt;b&gt;", "<b>"),
        ("tab\tand\x00nul\x1f", "tab and nul"),
    ],
)
def test_plain_text(markup: str, text: str) -> None:
    assert plain_text(markup) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("299.00 CZK", (299.0, "CZK")),
        ("CZK 299", (299.0, "CZK")),
        ("1.299,50 €", (1299.5, "EUR")),
        ("1,299.50 USD", (1299.5, "USD")),
        ("1,299", (1299.0, "")),
        ("12,99", (12.99, "")),
        ("1.299.000 VND", (1299000.0, "VND")),
        ("1 299,50 Kč", (1299.5, "CZK")),
        ("1\u00a0299 kr", (1299.0, "")),
        ("1'299.00 chf", (1299.0, "CHF")),
        ("$19.99", (19.99, "")),
        ("0", (0.0, "")),
    ],
)
def test_price(text: str, expected: tuple[float, str]) -> None:
    assert price(text) == expected


@pytest.mark.parametrize("text", ["", "free", "-5.00 EUR", "10-20 EUR", "9" * 400, "1.2.3,4,5"])
def test_not_a_price(text: str) -> None:
    with pytest.raises(ValueError, match=r"price|float"):
        price(text)


@pytest.mark.parametrize(
    ("paths", "category"),
    [
        (["Apparel & Accessories > Clothing > Dresses"], "Dresses"),
        (["Women > Dresses > Maxi"], "Dresses"),
        (["Clothing, Shoes & Jewelry > Women > Skirts"], "Skirts"),
        (["Home > Women > Dresses, Home > Sale"], "Dresses"),
        (["New in > Sale", "Clothing > Coats"], "Coats"),
        (["2271", "Zzz > Yyy"], "Yyy"),
        (["", "123"], ""),
    ],
)
def test_category_of_path(paths: list[str], category: str) -> None:
    assert category_of_path(*paths) == category


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("productDisplayName", "product_display_name"),
        ("g:image_link", "image_link"),
        ("Body (HTML)", "body_html"),
        ("Color (product.metafields.shopify.color-pattern)", "color"),
        (" Größe  (EU) ", "größe_eu"),
        ("!!!", ""),
    ],
)
def test_snake_case(name: str, expected: str) -> None:
    assert snake_case(name) == expected


# --- memory --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, kind: str) -> None:
    path, filler = tmp_path / f"f.{kind}", "x" * 4_000
    if kind == "parquet":
        schema = pa.schema([("id", pa.string()), ("title", pa.string()), ("image", pa.binary())])
        with pq.ParquetWriter(path, schema, compression="none", use_dictionary=False) as writer:
            for start in range(0, 4_000, 1_000):
                ids = [str(number) for number in range(start, start + 1_000)]
                writer.write_table(pa.table({"id": ids, "title": ids, "image": [filler.encode()] * 1_000}, schema))
    elif kind == "csv":
        write_csv(path, [["id", "title", "description"], *([number, "A", filler] for number in range(4_000))])
    else:
        write_lines(path, [{"id": str(number), "title": "A", "description": filler} for number in range(4_000)])
    arrow_before = pa.total_allocated_bytes()
    tracemalloc.start()
    count, arrow_peak = 0, 0
    for _ in read_feed(path, check_images=False):
        count += 1
        arrow_peak = max(arrow_peak, pa.total_allocated_bytes() - arrow_before)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 4_000
    assert path.stat().st_size > 15_000_000
    assert peak < 7_000_000
    assert arrow_peak < 12_000_000
