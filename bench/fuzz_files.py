"""Readers of files that shops and data sets bring: feeds, pictures, tables of clicks, looks, and published sets."""

from __future__ import annotations

import csv
import gzip
import io
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from fuzz_inputs import Mutate, as_json, by_json, by_json_lines, by_lines, mutated, mutated_lines
from fuzz_target import Target, bytes_target, folder_target, refused

GOOGLE = (
    "id,title,description,link,image_link,price,availability,brand,product_type,color,gender,item_group_id\n"
    'D-1,Linen &amp; silk dress,"<p>Airy, <b>light</b></p>",https://shop.example/d1,d1.jpg,"1 299,50 CZK",in stock,Nord,'
    "Women > Dresses,Navy/White,female,D\n"
    "D-2,Wool coat,,https://shop.example/d2,https://cdn.example/d2.jpg,99.00 EUR,out of stock,Nord,Coats,Camel,male,\n"
)
SHOPIFY = (
    "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant SKU,"
    "Variant Price,Variant Inventory Qty,Image Src,Image Position,Variant Image,Status\n"
    "boot,Ankle boot,<p>Leather</p>,Acme,Boots,new;sale,true,Color,Black,Size,38,B-38,89.90,3,boot.jpg,1,,active\n"
    "boot,,,,,,,,Black,,39,B-39,89.90,0,boot2.jpg,2,,\n"
    "boot,,,,,,,,Brown,,38,B-38b,89.90,1,,,brown.jpg,\n"
    "scarf,Scarf,,Acme,Scarves,,true,Title,Default Title,,,S-1,19.00,5,,,,draft\n"
)
PLAIN = "sku;name;photo;category;colour;price;season\nA-1;Red shirt;a.jpg;Shirts;Red;19,90;Summer\nA-2;Jeans;;Jeans;Blue;49;\n"
XML = """<?xml version="1.0"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>
<item><g:id>X1</g:id><title><![CDATA[Wool <b>coat</b>]]></title><g:price>99.00 EUR</g:price><g:color>Camel</g:color>
<g:image_link>a.jpg</g:image_link><g:shipping><g:country>CZ</g:country></g:shipping></item>
<item><g:id>X2</g:id><title>Boots</title><link href="https://shop.example/x3"/></item>
</channel></rss>"""
_XML_WORDS = (
    *(
        b"<",
        b">",
        b"</item>",
        b"<item>",
        b"<entry>",
        b"&amp;",
        b"&#0;",
        b"&x;",
        b"<![CDATA[",
        b"]]>",
        b"<!--",
        b"<d>" * 40,
    ),
    *(
        b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd">',
    ),
    *(b'<?xml version="1.0" encoding="utf-16"?>', b'encoding="latin-1"', b'encoding="cp437"', b"xmlns:g=", b"&#xD800;"),
)
_CSV_WORDS = (
    *(
        b",",
        b";",
        b"\t",
        b'"',
        b'""',
        b"\r\n",
        b"\r",
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"<script>",
        b"<!--",
        b"&#55296;",
        b"<a " * 50,
    ),
    *(
        b"=1+1",
        b"../../x.jpg",
        b"file:///etc/passwd",
        b"https://[",
        b"a.jpg\0.png",
        b"1e999 EUR",
        b"9" * 400,
        b"%2e%2e%2f",
        b"~",
        b"//host/x",
    ),
)


# --- feeds -------------------------------------------------------------------------------------------------------------


def _feed(suffix: str) -> Callable[[Path], Callable[[bytes], bool]]:
    def reader(folder: Path) -> Callable[[bytes], bool]:
        from modiste.data.feed import FeedReport, count_rows, read_feed
        from modiste.data.images import encode_jpeg

        (folder / "a.jpg").write_bytes(encode_jpeg(np.full((8, 6, 3), 90, np.uint8)))
        path = folder / f"feed{suffix}"

        def read(data: bytes) -> bool:
            path.write_bytes(data)

            def one() -> None:
                report = FeedReport()
                try:
                    for item in read_feed(path, report=report, image_folder=folder):
                        assert item.id
                        assert item.title or item.image
                finally:
                    str(report)
                assert report.rows_read == report.accepted + report.rejected + report.folded
                assert report.accepted >= 0
                count_rows(path)

            return refused((str(path),), one)

        return read

    return reader


def _feed_lines() -> list[bytes]:
    rows = [
        {
            "id": "A-1",
            "title": "Red shirt",
            "image": "a.jpg",
            "category": "Shirts",
            "price": 19.9,
            "tags": ["a", "b"],
            "new": True,
        },
        {"id": 2, "title": "Jeans", "colour": "Blue", "stock": None, "more": {"a": 1}},
    ]
    google, shopify = (list(csv.DictReader(io.StringIO(text))) for text in (GOOGLE, SHOPIFY))
    return [b"".join(as_json(row) + b"\n" for row in some) for some in (rows, google, shopify)]


def _feed_tables() -> list[bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    plain = pa.table(
        {
            "id": ["A-1", "A-2", None],
            "title": ["Red shirt", "Jeans", "x"],
            "price": [19.9, None, float("nan")],
            "count": pa.array([1, 2, 3], pa.int8()),
            "when": pa.array([0, 1, 2], pa.timestamp("us", "UTC")),
            "image": [{"bytes": b"\xff\xd8\xff", "path": "a.jpg"}, None, {"bytes": None, "path": "b.jpg"}],
            "tags": [["a"], [], None],
            "kind": pa.array(["x", "y", "x"]).dictionary_encode(),
        }
    )
    google = pa.table(
        {"id": ["1", "2"], "title": ["a", "b"], "image_link": ["a.jpg", "b.jpg"], "price": ["9 EUR", "x"]}
    )
    found = []
    for table, options in (
        (plain, {"compression": "none"}),
        (plain, {"compression": "snappy"}),
        (google, {"compression": "zstd"}),
    ):
        stream = io.BytesIO()
        pq.write_table(table, stream, **options)
        found.append(stream.getvalue())
    return found


def _by_parquet(data: bytes, luck: Random) -> bytes:
    """Changes anywhere, in the footer more often, where the schema is."""
    if luck.random() < 0.5:
        return mutated(data, luck)
    footer = int.from_bytes(data[-8:-4], "little")
    at = len(data) - 8 - footer
    return data[:at] + mutated(data[at:-8], luck) + data[-8:]


# --- pictures ------------------------------------------------------------------------------------------------------------


def pictures() -> list[bytes]:
    """Small pictures of each format that can be uploaded, in several of its ways."""
    from PIL import Image

    rng = np.random.default_rng(0)
    rgb = Image.fromarray(np.kron(rng.integers(0, 255, (6, 4, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8)))
    exif = Image.Exif()
    exif[0x0112] = 6
    found = []
    for image, kind, options in (
        (rgb, "JPEG", {"exif": exif}),
        (rgb, "JPEG", {"progressive": True, "quality": 30}),
        (rgb.convert("CMYK"), "JPEG", {}),
        (rgb.convert("L"), "JPEG", {"restart_marker_blocks": 1}),
        (rgb, "PNG", {}),
        (rgb.convert("P"), "PNG", {"transparency": 0}),
        (rgb.convert("RGBA"), "PNG", {"exif": exif}),
        (Image.fromarray(rng.integers(0, 65535, (9, 7), dtype=np.uint16)), "PNG", {}),
        (rgb, "WEBP", {}),
        (rgb.convert("RGBA"), "WEBP", {"lossless": True, "exif": exif}),
        (rgb, "GIF", {}),
        (rgb, "BMP", {}),
        (rgb, "TIFF", {"compression": "tiff_lzw"}),
    ):
        stream = io.BytesIO()
        image.save(stream, kind, **options)
        found.append(stream.getvalue())
    stream = io.BytesIO()
    rgb.save(stream, "WEBP", save_all=True, append_images=[rgb.rotate(9)] * 2)
    found.append(stream.getvalue())
    return found


def picture(data: bytes, luck: Random) -> bytes:
    """A picture changed by its structure: false sizes with a true checksum, chunks moved, markers doubled; or any bytes."""
    kind = luck.randrange(3)
    if kind == 0:
        return mutated(data, luck)
    side = luck.choice((0, 1, 65_535, 40_000, 2**31 - 1, 16_384, 100_000))
    if data.startswith(b"\x89PNG"):
        chunks = _png_chunks(data)
        at = luck.randrange(len(chunks))
        match luck.randrange(5):
            case 0:  # a bomb: much is announced
                chunks[0] = (b"IHDR", struct.pack(">II", side, luck.choice((side, 1, 48))) + chunks[0][1][8:])
            case 1:
                chunks[0] = (
                    b"IHDR",
                    chunks[0][1][:8]
                    + bytes(
                        (luck.choice((1, 2, 4, 8, 16, 3)), luck.randrange(8), luck.randrange(2), 0, luck.randrange(3))
                    ),
                )
            case 2:
                chunks.insert(at, luck.choice(chunks))
            case 3:  # a chunk of text that unpacks to much
                packed = zlib.compress(b"\0" * luck.choice((10, 100_000, 3_000_000)))
                chunks.insert(
                    1,
                    luck.choice(
                        (
                            (b"zTXt", b"a\0\0" + packed),
                            (b"iCCP", b"a\0\0" + packed),
                            (b"iTXt", b"a\0\1\0\0\0" + packed),
                            (b"IDAT", packed),
                        )
                    ),
                )
            case _:
                name, body = chunks[at]
                chunks[at] = (name, mutated(body, luck))
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
            for name, body in chunks
        )
    if data.startswith(b"\xff\xd8"):
        marks = [at for at in range(len(data) - 1) if data[at] == 0xFF and data[at + 1] not in (0, 0xFF)]
        at = luck.choice(marks)
        match luck.randrange(4):
            case 0:
                frame = next((mark for mark in marks if data[mark + 1] in (0xC0, 0xC2)), 2)
                return (
                    data[: frame + 5]
                    + struct.pack(">HH", side & 0xFFFF, luck.choice((1, 48, 65_500)))
                    + data[frame + 9 :]
                )
            case 1:
                return data[:at] + data[at : at + luck.randrange(2, 300)] * luck.choice((2, 30)) + data[at:]
            case 2:
                return data[: at + 1] + bytes((luck.randrange(0xC0, 0x100),)) + data[at + 2 :]
            case _:
                return data[: at + 2] + luck.randbytes(2) + data[at + 4 :]
    if data[:4] == b"RIFF":
        at = luck.choice((4, 12, 16, 20, 24, 26, 28, 30))
        return data[:at] + luck.choice((luck.randbytes(4), struct.pack("<I", side & 0xFFFFFFFF))) + data[at + 4 :]
    at = luck.randrange(min(60, len(data)))
    return data[:at] + struct.pack("<I", side & 0xFFFFFFFF) + data[at + 4 :]


def _png_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def _picture_reader(_: Path) -> Callable[[bytes], bool]:
    from modiste.data.images import UPLOAD_FORMATS, ImageError, decode, thumbnail
    from modiste.service.limits import MAX_IMAGE_BYTES, MAX_OTHER_PIXELS

    def read(data: bytes) -> bool:
        def one() -> None:
            pixels = decode(data, max_bytes=MAX_IMAGE_BYTES, max_pixels=MAX_OTHER_PIXELS, formats=UPLOAD_FORMATS)
            assert pixels.dtype == np.uint8
            assert pixels.shape[2] == 3

        accepted = refused(("",), one, (ImageError,))
        refused(("",), lambda: thumbnail(data) if len(data) < 20_000 else None, (ImageError,))
        return accepted

    return read


# --- looks and clicks ------------------------------------------------------------------------------------------------------

LOOKS = (
    {
        "outfit_id": "l-1",
        "items": [{"item_id": "a-7", "slot": "top"}, {"item_id": "a-9"}],
        "label": 1,
        "user": "u-3",
        "split": "train",
    },
    {
        "outfit_id": "l-2",
        "items": [{"item_id": "a-1"}, {"item_id": 12}],
        "group": "g-1",
        "text": "smart casual",
        "label": 0.25,
    },
    {"outfit_id": 3, "items": [{"item_id": "a-2"}]},
)


def _looks_reader(folder: Path) -> Callable[[bytes], bool]:
    from modiste.data.feed import FeedReport
    from modiste.data.outfit_table import read_looks, write_looks
    from modiste.engine.stored_looks import read_stored_looks

    path, again = folder / "looks.jsonl", folder / "again.jsonl"

    def read(data: bytes) -> bool:
        path.write_bytes(data)

        def one() -> None:
            report = FeedReport()
            looks = read_looks(path, report=report)
            assert report.rows_read == sum(map(len, looks.values())) + report.rejected
            write_looks(again, looks)
            assert read_looks(again) == looks
            read_stored_looks(path)

        return refused((str(path),), one)

    return read


def _tables(folder: Path) -> Mapping[str, Mutate]:
    (folder / "outfits.csv").write_text(
        "outfit_id,item_id,category\n" + "".join(f"o{n},i{n},c\no{n},i{n + 1},d\n" for n in range(6))
    )
    rows = "".join(f"u{n % 4},o{n % 6},1.0,2026-11-{n + 1:02}\n" for n in range(20))
    (folder / "interactions.csv").write_text("user_id,outfit_id,weight,time\n" + rows)
    return dict.fromkeys(
        ("outfits.csv", "interactions.csv"),
        by_lines(*_CSV_WORDS, b"nan", b"1e999", b"-1", b"train", b"valid", b"test", b"9999-99-99", b"1e18"),
    )


def _read_tables(folder: Path) -> None:
    from modiste.data.interaction_tables import read_tables
    from modiste.data.interactions import load_interactions

    read_tables(folder)
    load_interactions(str(folder))


def _hfgn(folder: Path) -> Mapping[str, Mutate]:
    files = {
        "train_uo.txt": "0 0 1\n1 1 2\n2 0 1 2 3\n",
        "test_uo.txt": "0 2\n1 0\n",
        "fltb_train_outfit_item.txt": "0 0 1\n1 1 2 3\n2 4 0\n3 5 6\n",
        "fltb_item_cate2.txt": "0 7\n1 9\n2 7\n3 11\n4 9\n5 7\n6 9\n7 9\n",
        "fltb_test.txt": "9;2;1;0,1;0,4;0,7;0,3\n10;3;0;2,1,3,3;5,1,3,3;0,1,3,3;7,1,3,3\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    np.save(folder / "fltb_feat_resnet152_02.npy", np.arange(16, dtype=np.float32).reshape(8, 2))
    words = (b" ", b";", b",", b"0", b"-1", b"999999999", b"1" * 20, "٣".encode(), b"\xff", b"\t", "²".encode())
    return {**dict.fromkeys(files, by_lines(*words)), "fltb_feat_resnet152_02.npy": _by_array}


def _by_array(data: bytes, luck: Random) -> bytes:
    """A .npy file: its header's Python literal, or any bytes."""
    return mutated(
        data,
        luck,
        (
            b"'|O'",
            b"'<f8'",
            b"'<c8'",
            b"(8, 2)",
            b"(2147483647, 2147483647)",
            b"True",
            b"'<U9'",
            b"'<M8[s]'",
            b"(-1,)",
            b"()",
            b"[[[[",
        ),
    )


def _read_hfgn(folder: Path) -> None:
    from modiste.data.hfgn_files import read_hfgn, read_hfgn_questions

    read_hfgn_questions(folder, read_hfgn(folder))


# --- published sets ------------------------------------------------------------------------------------------------------


def _polyvore(folder: Path) -> Mapping[str, Mutate]:
    looks = [
        {"set_id": str(n), "items": [{"item_id": f"{n}{k}", "index": k} for k in range(1, 4)]} for n in range(1, 6)
    ]
    (folder / "nondisjoint").mkdir()
    (folder / "images").mkdir()
    questions = [{"question": ["1_1", "1_2"], "answers": ["1_3", "2_1", "3_1", "4_1"], "blank_position": 3}]
    metadata = {
        one["item_id"]: {
            "title": "Red dress",
            "category_id": "3",
            "semantic_category": "all-body",
            "url_name": "x",
            "description": "<p>",
        }
        for look in looks
        for one in look["items"]
    }
    files = {
        "nondisjoint/test.json": as_json(looks),
        "nondisjoint/fill_in_blank_test.json": as_json(questions),
        "polyvore_item_metadata.json": as_json(metadata),
        "nondisjoint/compatibility_test.txt": b"1 1_1 1_2 1_3\n0 1_1 2_2 3_3\n",
        "categories.csv": b"3,day dress,all-body\n4,boots,shoes\n",
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return {
        name: by_json
        if name.endswith(".json")
        else by_lines(b",", b'"', b"1_1", b"_", b"0", b"\r", b"\xff", b"9" * 200)
        for name in files
    }


def _read_polyvore(folder: Path) -> None:
    from modiste.data.polyvore import read_polyvore

    dict(read_polyvore(folder).items)


def _polyvore_t(folder: Path) -> Mapping[str, Mutate]:
    line = {
        "set_id": "1",
        "items": [{"item": "1_1", "slot": "upper", "name": "silk shirt"}, {"item": "1_2", "slot": "shoe", "name": ""}],
    }
    (folder / "polyvore_t_test.jsonl.gz").write_bytes(gzip.compress(as_json(line) + b"\n"))

    def change(data: bytes, luck: Random) -> bytes:
        return (
            mutated(data, luck) if luck.random() < 0.3 else gzip.compress(by_json_lines(gzip.decompress(data), luck), 1)
        )

    return {"polyvore_t_test.jsonl.gz": change}


def _read_polyvore_t(folder: Path) -> None:
    from modiste.data.polyvore_t import read_polyvore_t

    read_polyvore_t(folder)


def _fashioniq(folder: Path) -> Mapping[str, Mutate]:
    from modiste.data.images import encode_jpeg

    for name in ("captions", "image_splits", "images"):
        (folder / name).mkdir()
    for name in ("A1", "A2", "A3"):
        (folder / "images" / f"{name}.jpg").write_bytes(encode_jpeg(np.full((8, 6, 3), 90, np.uint8)))
    triplets = [
        {"candidate": "A1", "target": "A2", "captions": ["is red", "has sleeves"]},
        {"candidate": "A2", "target": "A3", "captions": ["longer"]},
    ]
    (folder / "captions" / "cap.dress.val.json").write_bytes(as_json(triplets))
    (folder / "image_splits" / "split.dress.val.json").write_bytes(as_json(["A1", "A2", "A3"]))
    return dict.fromkeys(("captions/cap.dress.val.json", "image_splits/split.dress.val.json"), by_json)


def _read_fashioniq(folder: Path) -> None:
    from modiste.data.fashioniq import GALLERIES, FashionIq

    found = FashionIq(folder)
    found.composed("valid")
    for gallery in GALLERIES:
        found.composed("valid", gallery=gallery, photos=False)


def _coco(folder: Path) -> Mapping[str, Mutate]:
    from modiste.data.images import encode_jpeg

    (folder / "1.jpg").write_bytes(encode_jpeg(np.full((8, 6, 3), 90, np.uint8)))
    official = {
        "images": [{"id": 1, "file_name": "1.jpg"}, {"id": 2, "file_name": "2.jpg"}],
        "annotations": [{"image_id": n, "id": n, "caption": "a red bike"} for n in (1, 1, 2)],
    }
    entry = {
        "filepath": ".",
        "filename": "1.jpg",
        "imgid": 7,
        "split": "val",
        "sentences": [{"raw": "a bike"}],
        "cocoid": 1,
    }
    (folder / "captions_val2014.json").write_bytes(as_json(official))
    (folder / "dataset_coco.json").write_bytes(as_json({"images": [entry, {**entry, "cocoid": 2, "split": "restval"}]}))
    return dict.fromkeys(("captions_val2014.json", "dataset_coco.json"), by_json)


def _read_coco(folder: Path) -> None:
    from modiste.data.coco_captions import CocoCaptions

    for name in ("captions_val2014.json", "dataset_coco.json"):
        list(CocoCaptions(folder / name, folder).stream())


def _deepfashion(folder: Path) -> Mapping[str, Mutate]:
    from modiste.data.images import encode_jpeg

    def listed(name: str, columns: str, rows: list[str]) -> str:
        head = [str(len(rows))] + ([columns] if columns else [])
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("\n".join([*head, *rows]) + "\n")
        return name

    photos = [f"img/DRESSES/Skirt/id_0000000{n}/{what}_01.jpg" for n in (1, 2) for what in ("shop", "comsumer")]
    for photo in photos:
        (folder / "Img" / photo).parent.mkdir(parents=True, exist_ok=True)
        (folder / "Img" / photo).write_bytes(encode_jpeg(np.full((40, 30, 3), 90, np.uint8)))
    pairs = [f"{photos[2 * n + 1]} {photos[2 * n]} id_0000000{n + 1} {('train', 'test')[n]}" for n in range(2)]
    files = [
        listed("Eval/list_eval_partition.txt", "image_pair_name_1 image_pair_name_2 item_id evaluation_status", pairs),
        listed(
            "Anno/list_bbox_consumer2shop.txt",
            "image_name clothes_type source_type x_1 y_1 x_2 y_2",
            [f"{photo} 1 1 2 2 20 30" for photo in photos],
        ),
        listed("Anno/list_item_consumer2shop.txt", "", ["id_00000001", "id_00000002"]),
        listed(
            "Anno/list_landmarks_consumer2shop.txt",
            "image_name clothes_type variation_type",
            [f"{photo} 1 1 0 3 4 1 5 6" for photo in photos],
        ),
        listed("Anno/list_attr_cloth.txt", "attribute_name attribute_type", ["lapel 1", "long sleeve 2"]),
        listed("Anno/list_attr_items.txt", "item_id attribute_labels", ["id_00000001 1 -1", "id_00000002 1 0"]),
    ]
    return dict.fromkeys(
        files,
        by_lines(
            b" ",
            b"-1",
            b"9" * 5_000,
            b"../../../etc/passwd",
            b"0",
            b"val",
            b"\xff",
            "²".encode(),
            b"99999999999999999999",
        ),
    )


def _read_deepfashion(folder: Path) -> None:
    from modiste.data.deepfashion import DeepFashion

    found = DeepFashion(folder)
    repr(found)
    for split in found.splits:
        found.photos(split)


def _fashion_mnist(folder: Path) -> Mapping[str, Mutate]:
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 255, (4, 28, 28), dtype=np.uint8), np.arange(4, dtype=np.uint8)
    (folder / "packed").mkdir()
    np.savez(
        folder / "packed" / "fashion_mnist.npz",
        **{f"{s}_{w}": v for s in ("train", "test") for w, v in (("images", images), ("labels", labels))},
    )
    (folder / "raw").mkdir()
    for stem in ("train", "t10k"):
        heads = {
            "images-idx3": struct.pack(">4BIII", 0, 0, 8, 3, *images.shape) + images.tobytes(),
            "labels-idx1": struct.pack(">4BI", 0, 0, 8, 1, 4) + labels.tobytes(),
        }
        for what, data in heads.items():
            (folder / "raw" / f"{stem}-{what}-ubyte.gz").write_bytes(gzip.compress(data, 1))

    def change(data: bytes, luck: Random) -> bytes:
        return mutated(data, luck) if luck.random() < 0.4 else gzip.compress(mutated(gzip.decompress(data), luck), 1)

    return {
        "packed/fashion_mnist.npz": _by_array,
        "raw/t10k-images-idx3-ubyte.gz": change,
        "raw/t10k-labels-idx1-ubyte.gz": change,
    }


def _read_fashion_mnist(folder: Path) -> None:
    from modiste.data.fashion_mnist import FashionMnist

    for place in ("packed", "raw"):
        found = FashionMnist(folder / place)
        found.split("test")


def _parquet_sets(folder: Path) -> Mapping[str, Mutate]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    def written(name: str, **columns: Any) -> str:
        (folder / name).parent.mkdir(exist_ok=True)
        pq.write_table(pa.table(columns), folder / name, compression="none")
        return name

    from modiste.data.fashion_products import LABELS, REQUIRED
    from modiste.data.mango import COLUMNS

    ids = ["1", "2", "3"]
    files = [
        written("ifashion/outfit_items.parquet", outfit=[0, 0, 1], item=[3, 4, 5]),
        written("ifashion/user_outfit_train.parquet", user=[0, 0, 1], outfit=[0, 1, 1]),
        written(
            "polyvore_outfits_ids/nondisjoint_test_pos.parquet",
            item_ids=[["1", "2"], ["3", "4"]],
            categories=[["a", "b"], ["a", "b"]],
        ),
        written(
            "polyvore_outfits_ids/nondisjoint_test_neg.parquet",
            item_ids=[["1", "4"], ["3", "2"]],
            categories=[["a", "b"], ["a", "b"]],
        ),
        written(
            "fashion_products/test.parquet",
            **{name: [b"\xff\xd8"] * 3 if name == "image" else ids for name in dict.fromkeys((*REQUIRED, *LABELS))},
        ),
        written(
            "mango_outfits/items.parquet", **{name: [b"\xff\xd8"] * 3 if name == "image" else ids for name in COLUMNS}
        ),
        written("mango_outfits/outfits_test.parquet", outfit=["a", "b"], item_ids=[["1", "2"], ["3"]], group=["g", ""]),
    ]
    return dict.fromkeys(files, _by_parquet)


def _read_parquet_sets(folder: Path) -> None:
    from modiste.data.fashion_products import FashionProducts
    from modiste.data.ifashion import read_ifashion
    from modiste.data.mango import read_mango
    from modiste.data.polyvore_ids import read_polyvore_ids

    read_ifashion(folder)
    read_polyvore_ids("nondisjoint", folder)
    FashionProducts(folder).split("test")
    read_mango(folder)


def _hdf5(folder: Path) -> Mapping[str, Mutate]:
    import h5py

    from modiste.data.fashiongen import FILES

    with h5py.File(folder / FILES["valid"], "w") as file:
        for name in (
            "brand",
            "category",
            "composition",
            "concat_description",
            "department",
            "description",
            "gender",
            "name",
            "season",
            "subcategory",
            "pose",
        ):
            file[f"input_{name}"] = np.array([[f"{name} {row}".encode()] for row in range(3)])
        file["input_productID"] = np.full((3, 1), 80_627, np.int32)
        file["input_msrpUSD"] = np.full((3, 1), 310, np.float32)
        file["input_image"] = np.zeros((3, 6, 4, 3), np.uint8)
        file["index"] = np.arange(3)[:, None]
    return {FILES["valid"]: mutated}


def _read_hdf5(folder: Path) -> None:
    from modiste.data.fashiongen import FashionGen
    from modiste.data.feed import FeedReport

    list(FashionGen(folder).stream("valid", report=FeedReport()))


FILES: tuple[Target, ...] = (
    bytes_target(
        "feed csv",
        500,
        lambda: [
            GOOGLE.encode(),
            SHOPIFY.encode(),
            PLAIN.encode(),
            GOOGLE.encode("utf-16"),
            "sku;name\n1;Grün\n".encode("cp1252"),
        ],
        by_lines(*_CSV_WORDS),
        _feed(".csv"),
    ),
    bytes_target(
        "feed tsv",
        100,
        lambda: [one.replace(",", "\t").encode() for one in (GOOGLE, SHOPIFY)],
        by_lines(*_CSV_WORDS),
        _feed(".tsv"),
    ),
    bytes_target("feed jsonl", 300, _feed_lines, by_json_lines, _feed(".jsonl")),
    bytes_target(
        "feed xml", 500, lambda: [XML.encode()], lambda data, luck: mutated_lines(data, luck, _XML_WORDS), _feed(".xml")
    ),
    bytes_target("feed parquet", 60, _feed_tables, _by_parquet, _feed(".parquet")),
    bytes_target("pictures", 150, pictures, picture, _picture_reader),
    bytes_target(
        "looks", 200, lambda: [b"".join(as_json(look) + b"\n" for look in LOOKS)], by_json_lines, _looks_reader
    ),
    folder_target("tables of clicks", 40, _tables, _read_tables),
    folder_target("hfgn", 40, _hfgn, _read_hfgn),
    folder_target("polyvore", 60, _polyvore, _read_polyvore),
    folder_target("polyvore-t", 40, _polyvore_t, _read_polyvore_t),
    folder_target("fashioniq", 40, _fashioniq, _read_fashioniq),
    folder_target("coco captions", 30, _coco, _read_coco),
    folder_target("deepfashion", 25, _deepfashion, _read_deepfashion),
    folder_target("fashion-mnist", 20, _fashion_mnist, _read_fashion_mnist),
    folder_target("parquet sets", 20, _parquet_sets, _read_parquet_sets),
    folder_target("hdf5", 20, _hdf5, _read_hdf5),
)
