"""iFashion: ids as in the files, outfits that nobody clicked left out, splits as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modiste.data.ifashion import read_ifashion
from modiste.data.interactions import load_interactions

OUTFITS = {"outfit": [30, 30, 7, 7, 7, 99, 200], "item": [5, 6, 6, 8, 10, 5, 77]}  # 99 and 200: nobody clicked
CLICKS = {
    "train": {"user": [11, 2, 2], "outfit": [30, 7, 30]},
    "valid": {"user": [11], "outfit": [7]},
    "test": {"user": [], "outfit": []},
}


def write(folder: Path, outfits: object = OUTFITS, clicks: dict[str, object] = CLICKS) -> Path:  # type: ignore[assignment]
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.table(outfits), folder / "outfit_items.parquet")
    for split, rows in clicks.items():
        schema = pa.schema([("user", pa.int64()), ("outfit", pa.int64())])
        pq.write_table(pa.table(rows, schema=schema), folder / f"user_outfit_{split}.parquet")
    return folder


def test_the_files(tmp_path: Path) -> None:
    data = read_ifashion(write(tmp_path / "ifashion"))
    assert data.user_ids == ("2", "11")
    assert data.outfit_ids == ("7", "30")
    assert data.item_ids == ("5", "6", "8", "10")
    np.testing.assert_array_equal(data.clicks["train"].toarray(), [[1, 1], [0, 1]])
    np.testing.assert_array_equal(data.clicks["valid"].toarray(), [[0, 0], [1, 0]])
    assert not data.clicks["test"].nnz
    np.testing.assert_array_equal(data.outfit_items.toarray(), [[0, 1, 1, 1], [1, 1, 0, 0]])
    assert data.item_categories is None
    assert load_interactions(tmp_path / "ifashion").user_ids == data.user_ids  # a folder with these files is known
    assert load_interactions(tmp_path).user_ids == data.user_ids  # and one with such a folder
    assert read_ifashion(tmp_path).user_ids == data.user_ids


@pytest.mark.parametrize(
    ("outfits", "clicks", "message"),
    [
        ({"outfit": [30], "item": [5]}, CLICKS, r"outfit\(s\) have no item, such as '7'"),
        (OUTFITS, CLICKS | {"valid": {"user": [4], "outfit": [7]}}, r"valid: user 4 has no training click \(1 row"),
        (OUTFITS, CLICKS | {"test": {"user": [2], "outfit": [99]}}, "test: outfit 99 has no training click"),
        (OUTFITS, CLICKS | {"test": {"user": [2], "outfit": [7]}}, "in both train and test"),
        (OUTFITS, CLICKS | {"train": {"user": [2, None], "outfit": [7, 7]}}, r"1 row\(s\) have no user"),
        ({"outfit": ["x"], "item": ["y"]}, CLICKS, "no readable table of outfit and item"),
        ({"outfit": [1]}, CLICKS, "no readable table of outfit and item"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, outfits: object, clicks: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_ifashion(write(tmp_path / "ifashion", outfits, clicks))


def test_files_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="ifashion/ needs outfit_items"):
        read_ifashion(tmp_path)
    folder = write(tmp_path / "ifashion")
    (folder / "user_outfit_train.parquet").unlink()
    with pytest.raises(FileNotFoundError, match=r"user_outfit_train.parquet is missing"):
        read_ifashion(folder)
    (folder / "outfit_items.parquet").write_bytes(b"no parquet")
    (folder / "user_outfit_train.parquet").write_bytes(b"no parquet")
    with pytest.raises(ValueError, match="no readable table"):
        read_ifashion(folder)


@pytest.mark.data
def test_the_real_set(real_data: Path) -> None:
    data = read_ifashion(real_data)
    assert (data.num_users, data.num_outfits, data.num_items) == (48_238, 8_309, 18_564)
    assert {split: clicks.nnz for split, clicks in data.clicks.items()} == {
        "train": 344_260,
        "valid": 37_267,
        "test": 46_800,
    }
