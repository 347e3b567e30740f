"""The reader of Fashion-MNIST: both kinds of files written here, and the set itself where it is."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modiste.data.fashion_mnist import CLASSES, FashionMnist

RANDOM = np.random.default_rng(5)
IMAGES = RANDOM.integers(0, 256, (12, 28, 28), dtype=np.uint8)
LABELS = RANDOM.integers(0, 10, 12, dtype=np.uint8)


def npz(folder: Path, **changed: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    arrays = {"train_images": IMAGES, "train_labels": LABELS, "test_images": IMAGES[:4], "test_labels": LABELS[:4]}
    np.savez_compressed(folder / "fashion_mnist.npz", **(arrays | changed))  # type: ignore[arg-type]
    return folder


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def official(folder: Path, packed: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for stem, count in (("train", 12), ("t10k", 4)):
        for name, array in (("images-idx3-ubyte", IMAGES[:count]), ("labels-idx1-ubyte", LABELS[:count])):
            content = idx(array)
            path = folder / f"{stem}-{name}{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(content) if packed else content)
    return folder


@pytest.mark.parametrize("kind", ["npz", "packed", "plain"])
def test_every_kind_of_files_at_every_level(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "fashion_mnist"
    if kind == "npz":
        npz(folder)
    else:
        official(folder, packed=kind == "packed")
    for root in (tmp_path, folder, *([folder / "fashion_mnist.npz"] if kind == "npz" else [])):
        data = FashionMnist(root)
        assert data.splits == ("train", "test")
        assert "train, test" in repr(data)
        for split, count in (("train", 12), ("test", 4)):
            images, labels = data.split(split)
            np.testing.assert_array_equal(images, IMAGES[:count])
            np.testing.assert_array_equal(labels, LABELS[:count])
            assert (images.dtype, labels.dtype) == (np.uint8, np.int64)
            images[0] = 0  # writable, and nobody else's
    assert len(CLASSES) == 10


def test_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODISTE_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"no fashion_mnist\.npz and no official files there; get the four"):
        FashionMnist()
    npz(tmp_path / "fashion_mnist")
    assert len(FashionMnist().split("test")[0]) == 4
    monkeypatch.setenv("MODISTE_DATA", str(tmp_path / "absent"))
    with pytest.raises(FileNotFoundError, match="which is no folder; get the four"):
        FashionMnist()


def test_one_split_of_the_official_files(tmp_path: Path) -> None:
    official(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").unlink()
    data = FashionMnist(tmp_path)
    assert data.splits == ("test",)
    with pytest.raises(ValueError, match="no split 'train'; there is test"):
        data.split("train")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"test_images": IMAGES[:4].astype(float)}, r"images must be uint8 \(N, 28, 28\), not float64 \(4, 28, 28\)"),
        ({"test_images": IMAGES[:4, 1:]}, r"not uint8 \(4, 27, 28\)"),
        ({"test_labels": LABELS}, r"labels must be integers \(4,\), not uint8 \(12,\)"),
        ({"test_labels": np.ones(4)}, r"labels must be integers \(4,\), not float64"),
        ({"test_labels": np.array([0, 3, 10, 1])}, r"labels lie in \[0, 10\], not in \[0, 9\]"),
        ({"test_labels": np.array([0, None, {}, "x"], object)}, "allow_pickle=False"),
    ],
)
def test_arrays_of_another_kind(tmp_path: Path, changed: dict[str, np.ndarray], message: str) -> None:
    data = FashionMnist(npz(tmp_path, **changed))
    with pytest.raises(ValueError, match=message) as error:
        data.split("test")
    assert str(tmp_path) in str(error.value)
    data.split("train")


def test_damaged_npz(tmp_path: Path) -> None:
    path = npz(tmp_path) / "fashion_mnist.npz"
    whole = path.read_bytes()
    for content in (whole[:-200], whole[:100], b"", b"no archive", whole[:300] + bytes(200) + whole[500:]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"fashion_mnist\.npz: "):
            FashionMnist(tmp_path).split("train")
    np.savez(path, other=IMAGES)
    with pytest.raises(ValueError, match="no array train_images; found other"):
        FashionMnist(tmp_path).split("train")
    with path.open("wb") as stream:
        np.save(stream, IMAGES)
    with pytest.raises(ValueError, match=r"one array; a \.npz file of four"):
        FashionMnist(tmp_path).split("train")


def test_damaged_idx(tmp_path: Path) -> None:
    path = official(tmp_path) / "t10k-images-idx3-ubyte.gz"
    whole = idx(IMAGES[:4])
    for content, message in (
        (gzip.compress(whole)[:-50], "end-of-stream"),
        (b"no gzip", "Not a gzipped file"),
        (gzip.compress(whole[:-1]), r"3,136 values announced, only 3,135 there"),
        (gzip.compress(whole + b"\0"), "3,136 values announced, more there"),
        (gzip.compress(whole[:9]), "broken header"),
        (gzip.compress(b"\0\0\x08\x03" + b"\xff" * 12), "broken header"),
        (gzip.compress(b"\0\0\x0d" + whole[3:]), "not an IDX file of bytes"),
        (gzip.compress(b""), "not an IDX file of bytes"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message) as error:
            FashionMnist(tmp_path).split("test")
        assert path.name in str(error.value)


@settings(max_examples=100, deadline=None)
@given(head=st.binary(max_size=20), tail=st.binary(max_size=30))
def test_any_bytes_are_refused_by_name(tmp_path_factory: pytest.TempPathFactory, head: bytes, tail: bytes) -> None:
    folder = official(tmp_path_factory.mktemp("any"), packed=False)
    path = folder / "t10k-images-idx3-ubyte"
    path.write_bytes(head + idx(IMAGES[:4])[len(head) : 200] + tail)
    with pytest.raises(ValueError, match=r"t10k-images-idx3-ubyte|test images"):
        FashionMnist(folder).split("test")


@pytest.mark.data
def test_the_real_set(real_data: Path) -> None:
    data = FashionMnist(real_data)
    for split, count in (("train", 60_000), ("test", 10_000)):
        images, labels = data.split(split)
        assert images.shape == (count, 28, 28)
        assert np.bincount(labels).tolist() == [count // 10] * 10
    means = [images[labels == label].mean() for label in range(10)]
    assert int(np.argmin(means)) == CLASSES.index("Sandal")  # the least of them is garment
