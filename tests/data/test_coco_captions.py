"""The reader of COCO's captions and Karpathy's splits, on small files of both layouts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modiste.data.coco_captions import ORPHAN_WARNING, CocoCaptions
from modiste.data.feed import FeedReport
from modiste.data.feed.pictures import ESCAPES
from modiste.data.images import encode_jpeg
from modiste.data.sources import default_split, has_split, load_items

JPEG = encode_jpeg(np.full((8, 6, 3), 90, np.uint8))
CAPTIONS = ["A man rides  a bike.\n", "A cyclist.", "Somebody outdoors", "A red bike.", "A street."]


def photo(folder: Path, name: str, content: bytes = JPEG) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def official(path: Path, *names: str, captions: list[str] = CAPTIONS) -> Path:
    """Photos numbered 1, 2, ... with these file names; every caption of the first comes before those of the second."""
    content = {
        "info": {"year": 2017},
        "images": [{"id": number, "file_name": name, "height": 8, "width": 6} for number, name in enumerate(names, 1)],
        "licenses": [],
        "annotations": [
            {"image_id": number, "id": 10 * number + at, "caption": text}
            for number in range(1, len(names) + 1)
            for at, text in enumerate(captions)
        ],
    }
    path.write_text(json.dumps(content))
    return path


def karpathy_entry(number: int, split: str, **changed: Any) -> dict[str, Any]:
    sentences = [{"tokens": text.lower().split(), "raw": text, "imgid": number, "sentid": 5} for text in CAPTIONS]
    entry = {
        "filepath": "val2014",
        "sentids": [5],
        "filename": f"COCO_val2014_{number:012}.jpg",
        "imgid": 7,
        "split": split,
        "sentences": sentences,
        "cocoid": number,
    }
    return {name: value for name, value in (entry | changed).items() if value is not None}


def karpathy(path: Path, *entries: object) -> Path:
    path.write_text(json.dumps({"images": list(entries), "dataset": "coco"}))
    return path


def rejects(report: FeedReport) -> list[tuple[object, object, object]]:
    return [(entry["row"], entry["field"], entry["reason"]) for entry in report.first_rejected]


def test_the_official_layout(tmp_path: Path) -> None:
    photo(tmp_path / "val2017", "1.jpg")
    data = CocoCaptions(official(tmp_path / "captions_val2017.json", "1.jpg"), tmp_path / "val2017")
    assert data.splits == ("valid",)
    assert "1 photos" in repr(data)
    (item,) = data.split("valid")
    assert (item.id, item.title, item.image, item.group) == ("1", "A man rides a bike.", JPEG, "")
    assert item.description == "A cyclist. Somebody outdoors. A red bike. A street"
    assert item.attributes == {"split": "valid"}
    assert data.captions("1") == ("A man rides a bike.", "A cyclist.", "Somebody outdoors", "A red bike.", "A street.")
    with pytest.raises(ValueError, match=r"captions_val2017\.json: no photo '2'"):
        data.captions("2")
    with pytest.raises(ValueError, match="no split 'train'; there is valid"):
        data.stream("train")  # at once, not at the first item


def test_karpathy_and_restval(tmp_path: Path) -> None:
    splits = ("train", "restval", "val", "test")
    path = karpathy(tmp_path / "d.json", *(karpathy_entry(number, split) for number, split in enumerate(splits)))
    for number in range(4):
        photo(tmp_path, f"val2014/COCO_val2014_{number:012}.jpg")
    data = CocoCaptions(path)
    assert data.splits == ("train", "valid", "test")
    found = {split: [item.id for item in data.split(split)] for split in data.splits}
    assert found == {"train": ["0", "1"], "valid": ["2"], "test": ["3"]}
    assert [item.id for item in data.stream()] == ["0", "1", "2", "3"]
    assert len(data.captions("3")) == 5


def test_flickr_has_neither_folders_nor_coco_ids(tmp_path: Path) -> None:
    photo(tmp_path, "9.jpg")
    entry = karpathy_entry(1, "test", filepath=None, cocoid=None, filename="9.jpg")
    (item,) = CocoCaptions(karpathy(tmp_path / "dataset_flickr30k.json", entry)).split("test")
    assert item.id == "7"


def test_photos_that_are_not_there(tmp_path: Path) -> None:
    photo(tmp_path, "1.jpg")
    photo(tmp_path, "3.jpg", JPEG[:-40])
    photo(tmp_path, "4.jpg", b"")
    path = official(tmp_path / "captions_train2017.json", "1.jpg", "2.jpg", "3.jpg", "4.jpg")
    data, report = CocoCaptions(path), FeedReport()
    assert [item.id for item in data.split("train", report=report)] == ["1"]
    assert rejects(report) == [
        (2, "image", "missing file: 2.jpg"),
        (3, "image", "truncated JPEG: 3.jpg"),
        (4, "image", "empty file: 4.jpg"),
    ]
    assert [item.id for item in data.stream("train", check_images=False)] == ["1", "3"]
    assert len(data.split("train")) == 1  # nobody asked for a report: skipped all the same
    with pytest.raises(ValueError, match=r"captions_train2017\.json: row 2, image: missing file: 2\.jpg"):
        data.split("train", strict=True)


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/hostname", "a/../../secret.jpg", "C:\\x.jpg", "link.jpg"])
def test_no_path_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    photo(tmp_path, "secret.jpg")
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    report = FeedReport()
    assert not list(CocoCaptions(official(tmp_path / "a.json", name), folder).stream(report=report))
    assert rejects(report) == [(1, "image", f"{ESCAPES}: {name}")]
    parent, _, last = name.rpartition("/")
    entry = karpathy_entry(1, "test", filepath=parent, filename=last)
    report = FeedReport()
    assert not list(CocoCaptions(karpathy(tmp_path / "b.json", entry), folder).stream(report=report))
    assert report.rejected == 1


def test_bad_rows(tmp_path: Path) -> None:
    photo(tmp_path, "val2014/a.jpg")
    good: dict[str, Any] = {"filename": "a.jpg"}
    path = karpathy(
        tmp_path / "d.json",
        karpathy_entry(1, "test", **good),
        karpathy_entry(1, "test", **good),
        karpathy_entry(2, "dev", **good),
        karpathy_entry(3, "test", filename=7),
        karpathy_entry(4, "test", sentences=[{"raw": " "}, {"raw": 5}, "no"], **good),
        karpathy_entry(5, "test", cocoid=True, **good),
        "no entry",
        karpathy_entry(6, "test", sentences=[{"raw": "\ud800"}, {"raw": "A hat"}], **good),
    )
    report = FeedReport()
    items = CocoCaptions(path).split("test", report=report)
    assert [(item.id, item.text) for item in items][1:] == [("6", "A hat")]
    assert rejects(report) == [
        (2, "id", "duplicate id"),
        (3, "split", "unknown split 'dev'"),
        (4, "image", "no file name"),
        (5, "captions", "no caption"),
        (6, "id", "no id"),
        (7, "id", "no id"),
    ]
    assert report.accepted == len(items) == 2


def test_captions_of_no_photo_are_counted(tmp_path: Path) -> None:
    photo(tmp_path, "1.jpg")
    path = official(tmp_path / "a.json", "1.jpg")
    content = json.loads(path.read_text())
    content["annotations"] += [{"image_id": 9, "caption": "A ghost."}, "no annotation"]
    path.write_text(json.dumps(content))
    report = FeedReport()
    assert len(list(CocoCaptions(path).stream(report=report))) == 1
    assert report.warning_counts == {ORPHAN_WARNING: 2}


def test_files_of_another_kind(tmp_path: Path) -> None:
    path = official(tmp_path / "a.json", "1.jpg")
    whole = path.read_text()
    for content, message in (
        (whole[:-30], "not JSON, or cut off"),
        ("[" * 100_000, "not JSON, or cut off"),
        ("\xff", "not JSON, or cut off"),
        ("[]", "no list `images`"),
        ('{"images": {}}', "no list `images`"),
        ('{"images": [{"id": 1}]}', "neither a list `annotations` nor `sentences`"),
    ):
        path.write_text(content, encoding="latin-1")
        with pytest.raises(ValueError, match=rf"a\.json: {message}"):
            CocoCaptions(path)
    with pytest.raises(ValueError, match="cannot be read"):
        CocoCaptions(tmp_path / "absent.json")
    with pytest.raises(ValueError, match="the folder for photos does not exist"):
        CocoCaptions(path, tmp_path / "absent")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
fields = (
    "id",
    "file_name",
    "cocoid",
    "imgid",
    "split",
    "filepath",
    "filename",
    "sentences",
    "raw",
    "image_id",
    "caption",
)
entries = st.lists(json_values | st.dictionaries(st.sampled_from(fields), json_values, max_size=6), max_size=4)


@settings(max_examples=150, deadline=None)
@given(images=entries, annotations=entries | json_values)
def test_any_json(tmp_path_factory: pytest.TempPathFactory, images: list[Any], annotations: Any) -> None:
    """Whatever stands in the lists, every image is an item or a line of the report, or the file is refused."""
    path = tmp_path_factory.mktemp("any") / "a.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations}))
    readable = isinstance(annotations, list) or any(isinstance(one, dict) and "sentences" in one for one in images)
    if not readable:
        with pytest.raises(ValueError, match="neither a list"):
            CocoCaptions(path)
        return
    data = CocoCaptions(path)
    report = FeedReport()
    items = list(data.stream(report=report))
    assert report.rows_read == len(images)
    assert report.accepted == len(items)


def test_the_front_door(tmp_path: Path) -> None:
    entries = [karpathy_entry(number, split) for number, split in enumerate(("train", "restval", "test"))]
    path = karpathy(tmp_path / "dataset_coco.json", *entries)
    folder = tmp_path / "odd:name"
    for number in range(3):
        photo(folder, f"val2014/COCO_val2014_{number:012}.jpg")
    source = f"coco:{path}:{folder}"
    assert [item.id for item in load_items(source, "train")] == ["0", "1"]
    assert [item.id for item in load_items(source)] == ["0", "1", "2"]
    assert (default_split(source), has_split(source, "train"), has_split(source, "valid")) == ("test", True, False)
    with pytest.raises(ValueError, match="no split 'valid'; there is train, test"):
        load_items(source, "valid")
    report = FeedReport()
    with pytest.raises(ValueError, match="no item in split 'train'; 2 rows read, 0 accepted, 2 rejected"):
        load_items(f"coco:{path}", "train", report=report)  # photos are not beside the file
    with pytest.raises(ValueError, match="write coco:JSON or coco:JSON:IMAGE_FOLDER"):
        load_items(f"coco:{tmp_path / 'absent.json'}")


def test_a_file_that_names_no_split_is_split_by_photo(tmp_path: Path) -> None:
    names = [f"{number}.jpg" for number in range(60)]
    for name in names:
        photo(tmp_path, name)
    source = f"coco:{official(tmp_path / 'mine.json', *names)}"
    assert default_split(source) is None
    assert has_split(source, "valid")
    parts = {split: {item.id for item in load_items(source, split)} for split in ("train", "valid", "test")}
    assert set.union(*parts.values()) == {item.id for item in load_items(source)}
    assert sum(map(len, parts.values())) == 60
