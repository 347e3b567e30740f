"""DeepFashion Consumer-to-Shop: the reader on a small set of files laid out as the official ones are."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from modiste.data.consumer_to_shop import other_shop_photos, shop_photos
from modiste.data.deepfashion import DeepFashion
from modiste.data.images import decode, encode_jpeg

PLACE = "img/DRESSES/Summer_Dress"
# item -> split, customers' photos, shop photos
ITEMS = {
    "id_00000001": ("train", 2, 1),
    "id_00000002": ("train", 1, 2),
    "id_00000003": ("val", 1, 1),
    "id_00000004": ("test", 2, 1),
}
BOXES, LANDMARKS = "Anno/list_bbox_consumer2shop.txt", "Anno/list_landmarks_consumer2shop.txt"
ATTRIBUTES = "Anno/list_attr_items.txt"
LISTS = {
    "Eval/list_eval_partition.txt": "image_pair_name_1 image_pair_name_2 item_id evaluation_status",
    "Anno/list_bbox_consumer2shop.txt": "image_name clothes_type source_type x_1 y_1 x_2 y_2",
    "Anno/list_item_consumer2shop.txt": "",
    "Anno/list_landmarks_consumer2shop.txt": "image_name clothes_type variation_type landmark_visibility_1 ...",
    "Anno/list_attr_cloth.txt": "attribute_name attribute_type",
    "Anno/list_attr_items.txt": "item_id attribute_labels",
}


def names(item: str) -> tuple[list[str], list[str]]:
    _, customers, shops = ITEMS[item]
    return (
        [f"{PLACE}/{item}/comsumer_{n:02d}.jpg" for n in range(1, customers + 1)],  # the set's own spelling
        [f"{PLACE}/{item}/shop_{n:02d}.jpg" for n in range(1, shops + 1)],
    )


def write_list(root: Path, name: str, rows: list[str], count: int | None = None) -> None:
    header = [LISTS[name]] if LISTS[name] else []
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([str(len(rows) if count is None else count), *header, *rows]) + "\n", encoding="utf-8")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    pairs, boxes, landmarks = [], [], []
    for place, item in enumerate(ITEMS):
        customers, shops = names(item)
        pairs += [f"{one}    {other}    {item}    {ITEMS[item][0]}" for one in customers for other in shops]
        for photo in customers + shops:
            source = 2 if "comsumer" in photo else 1
            boxes.append(f"{photo} {1 + place % 3} {source} 010 020 030 060")
            seen = ["000", "001", "002", "002"] if photo.endswith("comsumer_02.jpg") else ["000"] * 4
            landmarks.append(f"{photo} 2 {1 + place} " + " ".join(f"{one} 012 034" for one in seen))
            file = tmp_path / "Img" / photo
            file.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.full((80, 60, 3), 250, np.uint8)
            pixels[20:60, 10:30] = (200, 20, 20)  # the box, exactly
            file.write_bytes(encode_jpeg(pixels, 95))
    write_list(tmp_path, "Eval/list_eval_partition.txt", pairs)
    write_list(tmp_path, "Anno/list_bbox_consumer2shop.txt", boxes)
    write_list(tmp_path, "Anno/list_item_consumer2shop.txt", list(ITEMS))
    write_list(tmp_path, "Anno/list_landmarks_consumer2shop.txt", landmarks)
    write_list(tmp_path, "Anno/list_attr_cloth.txt", ["翻领 lapel 1", "长袖 long sleeve 2", "圆点 dots 3"])
    write_list(tmp_path, "Anno/list_attr_items.txt", [f"{item} 1 {1 if n else -1} 0" for n, item in enumerate(ITEMS)])
    return tmp_path


def test_splits_sizes_and_the_shared_gallery(root: Path) -> None:
    data = DeepFashion(root)
    assert data.splits == ("train", "valid", "test")
    assert data.sizes() == {
        "train": {"pairs": 4, "items": 2, "customer": 3, "shop": 3, "gallery": 3},
        "valid": {"pairs": 1, "items": 1, "customer": 1, "shop": 1, "gallery": 2},
        "test": {"pairs": 2, "items": 1, "customer": 2, "shop": 1, "gallery": 2},
    }
    assert "test: 2 pairs, 1 items, 2 customers' photos, 1 shop photos" in repr(data)
    test, valid = data.photos("test"), data.photos("valid")
    assert [item.id for item in test.shop] == [item.id for item in valid.shop]  # val + test, as the benchmark has it
    assert {item.group for item in test.shop} == {"id_00000003", "id_00000004"}
    assert [item.group for item in test.customer] == ["id_00000004"] * 2
    train = data.photos("train")
    assert [item.id for item in train.customer] == names("id_00000001")[0] + names("id_00000002")[0]  # each once
    assert {item.group for item in train.shop} == {"id_00000001", "id_00000002"}


def test_photos_are_cut_to_their_boxes(root: Path) -> None:
    item = DeepFashion(root).photos("test").customer[0]
    pixels = decode(item.image).astype(int)  # type: ignore[arg-type]
    assert pixels.shape == (40, 20, 3)
    assert np.abs(pixels - (200, 20, 20)).mean() < 6
    assert decode(DeepFashion(root, crop=False).photos("test").customer[0].image).shape == (80, 60, 3)  # type: ignore[arg-type]
    assert item.category == "Summer Dress"
    assert dict(item.attributes) == {"clothes": "upper body", "attributes": "lapel, long sleeve"}


def test_slices_come_from_the_landmarks(root: Path) -> None:
    slices = DeepFashion(root).photos("test").slices
    assert dict(slices) == {
        "clothes": ("upper body", "upper body"),
        "variation": ("medium zoom", "medium zoom"),
        "occlusion": ("none", "some"),
        "cropping": ("none", "strong"),
    }
    (root / "Anno" / "list_landmarks_consumer2shop.txt").unlink()
    (root / "Anno" / "list_attr_cloth.txt").unlink()
    bare = DeepFashion(root).photos("test")
    assert set(bare.slices) == {"clothes"}
    assert "attributes" not in bare.customer[0].attributes


def test_the_front_door_and_its_distractors(root: Path) -> None:
    assert len(shop_photos(str(root), "test").customer) == 2
    others = other_shop_photos(str(root), "test", 3)
    assert {item.group for item in others} == {"id_00000001", "id_00000002"}
    with pytest.raises(ValueError, match="4 other shop photos wanted, there are 3"):
        other_shop_photos(str(root), "test", 4)  # the validation split shares the gallery


def test_lists_may_lie_in_one_folder(root: Path) -> None:
    for name in LISTS:
        (root / name).rename(root / Path(name).name)
    (root / "Img" / "img").rename(root / "img")
    (root / "Img").rmdir()
    assert len(DeepFashion(root).photos("valid").customer) == 1


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        (
            "Eval/list_eval_partition.txt",
            "id_00000003    val",
            "id_00000003",
            "list_eval_partition.txt, line 7: 3 fields, not 4",
        ),
        (
            "Eval/list_eval_partition.txt",
            "    val",
            "    validation",
            "line 7: the status is train, val or test, not 'validation'",
        ),
        (
            "Eval/list_eval_partition.txt",
            "id_00000003    val",
            "id_9    val",
            "line 7: item 'id_9' is not in list_item",
        ),
        (
            "Eval/list_eval_partition.txt",
            "id_00000003    val",
            "id_00000001    val",
            "line 7: item 'id_00000001' is of another split",
        ),
        ("Eval/list_eval_partition.txt", "7\n", "seven\n", "line 1: a count is needed"),
        ("Anno/list_bbox_consumer2shop.txt", "1 2 010 020 030 060", "4 2 010 020 030 060", "line 3: clothes type 1-3"),
        (
            "Anno/list_bbox_consumer2shop.txt",
            "1 2 010 020 030 060",
            "1 2 010 x 030 060",
            "line 3: whole numbers are needed",
        ),
        (
            "Anno/list_bbox_consumer2shop.txt",
            "1 2 010 020 030 060",
            "1 2 030 020 030 060",
            "line 3: 030 020 030 060 is no box",
        ),
    ],
)
def test_a_bad_line_is_named(root: Path, name: str, old: str, new: str, words: str) -> None:
    path = root / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        DeepFashion(root)


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        (BOXES, "id_00000004/shop_01", "id_00000004/shop_09", "shop_01.jpg is not in list_bbox"),
        (
            BOXES,
            "4/shop_01.jpg 1 1 010 020 030 060",
            "4/shop_01.jpg 1 1 70 90 99 99",
            "lies outside its 60 x 80 pixels",
        ),
        (LANDMARKS, "id_00000004/comsumer_01", "id_00000004/x", "comsumer_01.jpg is not in list_landmarks"),
        (LANDMARKS, ".jpg 2 1 ", ".jpg 2 9 ", "line 3: a variation 1-5"),
        (ATTRIBUTES, "id_00000001 1 -1 0", "id_00000001 1 -1", "line 3: 2 labels, but list_attr_cloth.txt names 3"),
    ],
)
def test_what_does_not_fit_is_named_when_it_is_needed(root: Path, name: str, old: str, new: str, words: str) -> None:
    path = root / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        DeepFashion(root).photos("test")


def test_no_path_leads_out_of_the_folder(root: Path) -> None:
    (root.parent / "secret.jpg").write_bytes(encode_jpeg(np.zeros((80, 60, 3), np.uint8)))
    for way in ("../../secret.jpg", str(root.parent / "secret.jpg")):
        for name in (
            "Eval/list_eval_partition.txt",
            "Anno/list_bbox_consumer2shop.txt",
            "Anno/list_landmarks_consumer2shop.txt",
        ):
            path = root / name
            old = f"{PLACE}/id_00000004/comsumer_01.jpg" if way.startswith("..") else "../../secret.jpg"
            path.write_text(path.read_text(encoding="utf-8").replace(old, way), encoding="utf-8")
        with pytest.raises(ValueError, match=r"line 8: .*path escapes the folder"):
            DeepFashion(root).photos("test")
    link = root / "Img" / PLACE / "id_00000003" / "shop_01.jpg"
    link.unlink()
    link.symlink_to(root.parent / "secret.jpg")
    with pytest.raises(ValueError, match="path escapes the folder"):
        DeepFashion(root).photos("valid")


def test_missing_and_broken_photos_are_named(root: Path) -> None:
    file = root / "Img" / PLACE / "id_00000004" / "comsumer_02.jpg"
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"line 9: .*comsumer_02.jpg: truncated JPEG"):
        DeepFashion(root).photos("test")
    file.unlink()
    with pytest.raises(ValueError, match=r"line 9: .*comsumer_02.jpg: missing file"):
        DeepFashion(root).photos("test")


def test_a_count_that_is_wrong_is_said(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_list(root, "Anno/list_item_consumer2shop.txt", list(ITEMS), count=33881)
    with caplog.at_level(logging.WARNING):
        DeepFashion(root)
    assert "the first line says 33881, there are 4" in caplog.text


def test_a_folder_without_lists_and_lists_that_are_no_text(tmp_path: Path, root: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match=r"no list_item_consumer2shop.txt there, nor in Eval or Anno"):
        shop_photos(str(empty), "test")
    (root / "Anno" / "list_item_consumer2shop.txt").write_bytes(b"4\n\xff\xfe\n")
    with pytest.raises(ValueError, match="not a text file"):
        DeepFashion(root)
    (root / "Anno" / "list_item_consumer2shop.txt").write_text("1\nid_00000001\n")
    write_list(root, "Eval/list_eval_partition.txt", [f"{PLACE}/a.jpg {PLACE}/b.jpg id_00000001 train"])
    with pytest.raises(ValueError, match="no split 'test'; there is train"):
        DeepFashion(root).photos("test")
