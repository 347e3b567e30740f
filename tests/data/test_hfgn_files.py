"""HFGN's files as its authors describe them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modiste.data.feed import FeedReport
from modiste.data.hfgn_files import read_hfgn, read_hfgn_questions
from modiste.data.interactions import load_interactions

FILES = {
    "train_uo.txt": "0 0 1\n1 1 2\n",
    "test_uo.txt": "0 2\n1 0\n",
    "new_fltb/fltb_train_outfit_item.txt": "0 0 1\n1 1 2 3\n2 4 0\n3 5 6\n",
    "new_fltb/fltb_item_cate2.txt": "0 7\n1 9\n2 7\n3 11\n4 9\n5 7\n6 9\n7 9\n",
    "new_fltb/fltb_test.txt": "9;2;1;0,1;0,4;0,7;0,3\n10;3;0;2,1,3,3;5,1,3,3;0,1,3,3;7,1,3,3\n",
}


def write(folder: Path, **changes: str) -> Path:
    (folder / "new_fltb").mkdir(exist_ok=True)
    for name, text in FILES.items():
        (folder / name).write_text(changes.get(Path(name).stem, text), "utf-8")
    features = np.arange(16, dtype=np.float32).reshape(8, 2)
    np.save(folder / "new_fltb" / "fltb_feat_resnet152_02.npy", features)
    return folder


def test_the_files(tmp_path: Path) -> None:
    report = FeedReport()
    data = load_interactions(write(tmp_path), report=report)
    assert (data.user_ids, data.outfit_ids) == (("0", "1"), ("0", "1", "2"))  # outfit 3: nobody's
    assert data.item_ids == tuple(str(item) for item in range(8))  # those of questions too
    np.testing.assert_array_equal(data.clicks["train"].toarray(), [[1, 1, 0], [0, 1, 1]])
    np.testing.assert_array_equal(data.clicks["test"].toarray(), [[0, 0, 1], [1, 0, 0]])
    np.testing.assert_array_equal(
        data.outfit_items.toarray()[:, :5], [[1, 1, 0, 0, 0], [0, 1, 1, 1, 0], [1, 0, 0, 0, 1]]
    )
    assert data.item_categories is not None
    assert " ".join(data.category_names[kind] for kind in data.item_categories) == "7 9 7 11 9 7 9 9"
    assert data.item_features is not None
    np.testing.assert_allclose(np.linalg.norm(data.item_features, axis=1), 1, rtol=1e-6)
    assert not report.rejected


def test_questions(tmp_path: Path) -> None:
    data = read_hfgn(write(tmp_path))
    questions = read_hfgn_questions(tmp_path, data)
    assert questions.sets.shape == (2, 4, 3)
    right = questions.sets[np.arange(2), questions.correct].tolist()
    assert right == [[0, 1, -1], [2, 1, 3]]  # what fills a line up behind its length is no item
    assert questions.negatives == "official"


def test_questions_that_are_none(tmp_path: Path) -> None:
    lines = [
        *("9;2;1;0,1;0,4;0,7;0,3", "9;2;1;0,1;0,4;0,7", "9;2;1;0,1;0,4;0,7;0,99", "9;2;2;0,1;0,4;0,7;0,3"),
        *(
            "9;2;1;0,1;5,4;0,7;0,3",
            "9;2;1;0,1;0,1;0,7;0,3",
            "x;2;1;0,1;0,4;0,7;0,3",
            "nonsense",
            "9;3;1;0,1;0,4;0,7;0,3",
        ),
    ]
    report = FeedReport()
    questions = read_hfgn_questions(tmp_path, read_hfgn(write(tmp_path, fltb_test="\n".join(lines))), report=report)
    assert len(questions) == 1
    assert [one["row"] for one in report.first_rejected] == list(range(2, 10))
    assert "unknown item '99'" in str(report.first_rejected[1]["reason"])
    (tmp_path / "new_fltb" / "fltb_test.txt").write_text("nothing\n")
    with pytest.raises(ValueError, match="no question"):
        read_hfgn_questions(tmp_path, read_hfgn(tmp_path))


def test_validation_is_sampled_from_train(tmp_path: Path) -> None:
    outfits = "".join(f"{number} 0 1\n" for number in range(40))
    train = "0 " + " ".join(map(str, range(40))) + "\n1 0 1 2\n"
    folder = write(tmp_path, train_uo=train, test_uo="", fltb_train_outfit_item=outfits)
    data = read_hfgn(folder)
    assert data.clicks["valid"].nnz == 4  # one in ten of user 0; user 1 has too few
    assert data.clicks["train"].nnz == 39
    assert not data.clicks["train"].multiply(data.clicks["valid"]).nnz
    again, other = read_hfgn(folder), read_hfgn(folder, seed=1)
    assert (again.clicks["valid"] != data.clicks["valid"]).nnz == 0
    assert (other.clicks["valid"] != data.clicks["valid"]).nnz > 0
    assert "test" not in data.clicks


def test_lines_that_are_wrong(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        train_uo="0 0 1\nx 1\n0 2\n1\n1 1 2 77\n2 -1\n",
        test_uo="0 2 1\n5 0\n1 0\n",
        fltb_item_cate2="0 7\n0 8\n1 9 9\n",
    )
    report = FeedReport()
    data = read_hfgn(folder, report=report)
    assert data.user_ids == ("0", "1")
    assert data.clicks["test"].nnz == 2  # of user 0, outfit 1 is a training click; user 5 is unknown
    assert report.rejected == 6
    assert report.warnings == 3
    assert data.category_names == ("", "7")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 2), np.float32), "item 7, but fltb_feat_resnet152_02.npy has 3 rows"),
        (np.zeros(8), r"an array \(items, width\) of floats"),
        (np.array([{}], dtype=object), "Python objects in dtype"),
    ],
)
def test_features_that_are_none(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(write(tmp_path) / "new_fltb" / "fltb_feat_resnet152_02.npy", array, allow_pickle=True)
    with pytest.raises(ValueError, match=message):
        read_hfgn(tmp_path)


def test_files_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"train_uo.txt and fltb_train_outfit_item.txt"):
        read_hfgn(tmp_path)
    data = read_hfgn(write(tmp_path))
    (tmp_path / "new_fltb" / "fltb_test.txt").unlink()
    with pytest.raises(ValueError, match=r"no fltb_test.txt"):
        read_hfgn_questions(tmp_path, data)
    with pytest.raises(ValueError, match="no click on an outfit that has items"):
        read_hfgn(write(tmp_path, train_uo="0 99\n"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(st.lists(st.binary(max_size=12), max_size=8))
def test_any_bytes_are_lines(tmp_path: Path, lines: list[bytes]) -> None:
    folder = write(tmp_path)
    for name in ("train_uo.txt", "test_uo.txt", "new_fltb/fltb_item_cate2.txt"):
        file = folder / name
        file.write_bytes(FILES[name].encode() + b"\n".join(lines))
    data = read_hfgn(folder)
    assert {"0", "1"} <= set(data.user_ids)
