"""The reader of Fashion-Gen, on small files of the official layout written here: the set itself may not be passed on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modiste.data.fashiongen import FILES, FashionGen
from modiste.data.feed import FeedReport
from modiste.data.images import decode
from modiste.data.sources import default_split, has_split, load_items
from modiste.types import Item

h5py = pytest.importorskip("h5py")


def photos(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, 6, 4, 3), dtype=np.uint8)


def columns(count: int = 3, **changed: Any) -> dict[str, Any]:
    """Everything an official file holds; None takes a data set away."""
    texts = {
        "input_brand": "Acne Studios",
        "input_category": "SWEATERS",
        "input_composition": "100% cotton.",
        "input_concat_description": "all of it again",
        "input_department": "CLOTHING",
        "input_description": "Long sleeve hoodie in grey.<br>Ribbed  cuffs.<br/>Tonal stitching.",
        "input_gender": "Men",
        "input_name": "Grey Hoodie",
        "input_season": "SS2017",
        "input_subcategory": "CREWNECKS",
    }
    found: dict[str, Any] = {name: np.array([[text.encode()]] * count) for name, text in texts.items()}
    found["input_pose"] = np.array([[b"id_gridfs_%d" % (number + 1)] for number in range(count)])
    found["input_productID"] = np.full((count, 1), 80_627, np.int32)
    found["input_msrpUSD"] = np.full((count, 1), 310, np.float32)
    found["input_image"] = photos(count)
    found["index"] = np.arange(count)[:, None]
    found |= {f"input_{name}": value for name, value in changed.items()}
    return {name: value for name, value in found.items() if value is not None}


def written(folder: Path, split: str = "valid", count: int = 3, **changed: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(folder / FILES[split], "w") as file:
        for name, value in columns(count, **changed).items():
            file[name] = value
    return folder


def texts(*values: str | bytes) -> np.ndarray:
    return np.array([[value if isinstance(value, bytes) else value.encode("latin-1")] for value in values])


def everything(item: Item) -> tuple[object, ...]:
    return item.id, item.title, item.category, item.description, dict(item.attributes), item.group


def test_a_row_becomes_an_item(tmp_path: Path) -> None:
    data = FashionGen(written(tmp_path / "fashiongen").parent)  # the folder of all data sets
    assert data.splits == ("valid",)
    assert "valid" in repr(data)
    items = list(data.stream("valid"))
    assert everything(items[1]) == (
        *("80627_id_gridfs_2", "Grey Hoodie", "CREWNECKS"),
        "Long sleeve hoodie in grey. Ribbed cuffs. Tonal stitching.",
        {
            "category": "SWEATERS",
            "sub_category": "SWEATERS",
            "article_type": "CREWNECKS",
            "gender": "Men",
            "season": "SS2017",
            "brand": "Acne Studios",
            "composition": "100% cotton.",
            "department": "CLOTHING",
            "pose": "id_gridfs_2",
            "price": 310.0,
            "currency": "USD",
        },
        "80627",
    )
    for item, pixels in zip(items, photos(3), strict=True):
        assert isinstance(item.image, np.ndarray)
        np.testing.assert_array_equal(item.image, pixels)
        assert item.image.base is None  # a view would keep its whole block in memory


def test_encoded_photos_lose_nothing_and_none_reads_none(tmp_path: Path) -> None:
    data = FashionGen(written(tmp_path))
    for item, pixels in zip(data.split("valid"), photos(3), strict=True):
        assert isinstance(item.image, bytes)
        np.testing.assert_array_equal(decode(item.image), pixels)
    assert [item.image for item in data.stream("valid", pictures="none")] == [None] * 3
    with pytest.raises(ValueError, match="unknown pictures 'jpeg'; choose one of pixels, encoded, none"):
        next(data.stream("valid", pictures="jpeg"))  # type: ignore[arg-type]


def test_photos_by_row(tmp_path: Path) -> None:
    data = FashionGen(written(tmp_path, count=5))
    assert [row for row, _ in data.rows("valid")] == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal(data.pixels("valid", [5, 1, 1, 3]), photos(5)[[4, 0, 0, 2]])
    assert data.pixels("valid", []).shape == (0, 6, 4, 3)
    for wrong in ([0], [6], [-1, 2]):
        with pytest.raises(ValueError, match="rows are numbered 1 to 5"):
            data.pixels("valid", wrong)


def test_blocks_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = FashionGen(written(tmp_path, count=7))
    whole = [(everything(item), item.image.tobytes()) for item in data.stream("valid")]  # type: ignore[union-attr]
    monkeypatch.setattr("modiste.data.fashiongen._BLOCK", 3)
    assert whole == [(everything(item), item.image.tobytes()) for item in data.stream("valid")]  # type: ignore[union-attr]


def test_views_of_one_pose_are_all_kept(tmp_path: Path) -> None:
    same = written(tmp_path / "same", pose=texts("id_gridfs_1", "id_gridfs_1", ""))
    items = FashionGen(same).split("valid")
    assert [item.id for item in items] == ["80627_id_gridfs_1", "80627_id_gridfs_1_2", "80627_3"]
    assert {item.group for item in items} == {"80627"}
    poseless = FashionGen(written(tmp_path / "poseless", pose=None, season=None, msrpUSD=None)).split("valid")
    assert [item.id for item in poseless] == ["80627_1", "80627_2", "80627_3"]
    assert not {"pose", "season", "price"} & set(poseless[0].attributes)


def test_text_is_latin_1(tmp_path: Path) -> None:
    data = FashionGen(written(tmp_path, name=texts("Écharpe gris-foncé", "Sarouel", "½ zip &amp; pull")))
    assert [item.title for item in data.stream("valid")] == ["Écharpe gris-foncé", "Sarouel", "½ zip & pull"]


def test_flat_columns_and_declared_utf_8_are_read_too(tmp_path: Path) -> None:
    """What a tool that rewrites the files makes of them: strings of any length, without the second axis."""
    brands = np.array(["Maison Kitsuné", "Ø", b"caf\xe9"], object)
    path = written(tmp_path, productID=np.array([1, 1, 2], np.int64), brand=None)
    with h5py.File(path / FILES["valid"], "a") as file:
        file.create_dataset("input_brand", data=brands, dtype=h5py.string_dtype("utf-8"))
    items = FashionGen(path).split("valid")
    assert [item.attributes["brand"] for item in items] == ["Maison Kitsuné", "Ø", "café"]
    assert [item.group for item in items] == ["1", "1", "2"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"image": None, "name": None}, r"no data set input_image, input_name; found index, input_brand"),
        (
            {"image": photos(3).astype(np.float32)},
            r"input_image must be uint8 \(N, H, W, 3\), not float32 \(3, 6, 4, 3\)",
        ),
        ({"image": photos(3)[..., 0]}, r"input_image must be uint8 \(N, H, W, 3\), not uint8 \(3, 6, 4\)"),
        ({"name": np.arange(3)}, r"input_name must be byte strings \(N, 1\), not int64 \(3,\)"),
        ({"name": np.array([[b"a", b"b"]] * 3)}, r"input_name must be byte strings \(N, 1\), not \|S1 \(3, 2\)"),
        ({"gender": np.float64(1)}, r"input_gender must be byte strings"),
        ({"productID": np.ones((3, 1))}, r"input_productID must be integers \(N, 1\), not float64"),
        ({"msrpUSD": texts("1", "2", "3")}, r"input_msrpUSD must be numbers"),
        ({"name": texts("a", "b")}, r"differ in length: .*input_image 3, input_name 2"),
    ],
)
def test_files_of_another_kind(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    data = FashionGen(written(tmp_path, **changed))
    with pytest.raises(ValueError, match=message) as error:
        data.split("valid")
    assert FILES["valid"] in str(error.value)
    with pytest.raises(ValueError, match=message):
        data.split("valid", report=FeedReport())  # no row is to blame


def test_a_group_is_no_data_set(tmp_path: Path) -> None:
    path = written(tmp_path, name=None, image=None)
    with h5py.File(path / FILES["valid"], "a") as file:
        file.create_group("input_name")
        file["input_image"] = photos(3)
    with pytest.raises(ValueError, match=r"input_name must be byte strings .*, not a group"):
        FashionGen(path).split("valid")


def test_truncated_and_foreign_files(tmp_path: Path) -> None:
    path = written(tmp_path, count=50) / FILES["valid"]
    path.write_bytes(path.read_bytes()[:-1_000])
    with pytest.raises(ValueError, match=r"validation\.h5: not a readable HDF5 file \(.*truncated"):
        FashionGen(tmp_path).split("valid")
    path.write_bytes(b"PK\3\4")
    with pytest.raises(ValueError, match="not a readable HDF5 file"):
        FashionGen(tmp_path).pixels("valid", [1])


def test_damage_costs_only_its_rows(tmp_path: Path) -> None:
    path = written(tmp_path, count=5, image=None) / FILES["valid"]
    with h5py.File(path, "a") as file:
        stored = file.create_dataset("input_image", data=photos(5), chunks=(1, 6, 4, 3), compression="gzip")
        place = stored.id.get_chunk_info(2)
    content = bytearray(path.read_bytes())
    content[place.byte_offset : place.byte_offset + place.size] = bytes(place.size)
    path.write_bytes(content)
    data, report = FashionGen(tmp_path), FeedReport()
    items = data.split("valid", report=report)
    assert [item.attributes["pose"] for item in items] == [f"id_gridfs_{number}" for number in (1, 2, 4, 5)]
    assert report.first_rejected == [
        {"row": 3, "id": "80627", "field": "input_image", "reason": "damaged, cannot be read"}
    ]
    with pytest.raises(ValueError, match=r"validation\.h5: row 3, input_image: damaged"):
        data.split("valid")
    with pytest.raises(ValueError, match=r"validation\.h5: damaged photos"):
        data.pixels("valid", [1, 3])
    assert len(list(data.stream("valid", pictures="none"))) == 5


def test_bad_rows(tmp_path: Path) -> None:
    data = FashionGen(
        written(
            tmp_path,
            name=texts("", "Hoodie", ""),
            description=texts("<br>", "", "Grey."),
            productID=texts("1", "", "3"),
            msrpUSD=np.array([[np.nan], [1], [0]], np.float32),
        )
    )
    with pytest.raises(ValueError, match=r"validation\.h5: row 1, input_name: neither name nor description"):
        list(data.stream("valid"))
    report = FeedReport()
    (item,) = data.stream("valid", report=report)
    assert (item.id, item.text, "price" in item.attributes) == ("3_id_gridfs_3", "Grey.", False)
    assert (report.rows_read, report.accepted) == (3, 1)
    assert [(entry["row"], entry["field"]) for entry in report.first_rejected] == [
        *((1, "input_name"), (2, "input_productID")),
    ]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(-(2**31), 2**31 - 1), st.binary(max_size=12), st.binary(max_size=12), st.binary(max_size=4)
        ),
        min_size=1,
        max_size=8,
    )
)
def test_any_bytes(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, bytes, bytes, bytes]]) -> None:
    """Every row becomes an item or a line of the report; ids differ; what is kept can be written down."""
    ids, names, descriptions, poses = zip(*rows, strict=True)
    folder = written(
        tmp_path_factory.mktemp("any"),
        count=len(rows),
        productID=np.array(ids, np.int32)[:, None],
        name=texts(*names),
        description=texts(*descriptions),
        pose=texts(*poses),
    )
    report = FeedReport()
    items = FashionGen(folder).split("valid", report=report)
    assert report.rows_read == len(rows)
    assert report.accepted == len(items) == len({item.id for item in items})
    for item in items:
        assert item.text == " ".join(item.text.split())
        assert item.text.encode()


def test_overlap(tmp_path: Path) -> None:
    written(tmp_path, "train", productID=np.array([[1], [2], [3]]))
    assert FashionGen(tmp_path).overlap() == set()
    written(tmp_path, productID=np.array([[3], [4], [4]]))
    assert FashionGen(tmp_path).overlap() == {"3"}


def test_the_front_door(tmp_path: Path) -> None:
    written(tmp_path, "train", count=2, productID=np.array([[1], [2]]))
    written(tmp_path)
    source = f"fashiongen:{tmp_path}"
    assert [item.group for item in load_items(source, "train")] == ["1", "2"]
    assert [item.group for item in load_items(source)] == ["1", "2", "80627", "80627", "80627"]
    assert (default_split(source), has_split(source, "valid"), has_split(source, "test")) == ("valid", True, False)
    with pytest.raises(ValueError, match="no split 'test'; there is train, valid"):
        load_items(source, "test")
    with pytest.raises(ValueError, match="write fashiongen:FOLDER"):
        load_items("fashiongen:")
    with pytest.raises(ValueError, match=r"none of fashiongen_256_256_train\.h5, .*get Fashion-Gen"):
        load_items(f"fashiongen:{tmp_path / 'absent'}")
    report = FeedReport()
    written(tmp_path, name=texts("a", "", "c"), description=texts("", "", ""))
    assert len(load_items(source, "valid", report=report)) == 2
    assert report.rejected == 1


def test_default_folder_and_absence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODISTE_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="get Fashion-Gen"):
        FashionGen()
    written(tmp_path / "fashiongen")
    assert len(FashionGen().split("valid")) == 3
    monkeypatch.setenv("MODISTE_DATA", str(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError, match="which is no folder; get Fashion-Gen"):
        FashionGen()


def test_without_h5py(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = FashionGen(written(tmp_path))
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ValueError, match=r"^HDF5 files need h5py: pip install 'modiste\[datasets\]'$"):
        data.split("valid")
