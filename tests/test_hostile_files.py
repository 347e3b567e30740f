"""Files that fuzzing broke readers with: each is refused by its documented error, which names the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modiste.files import parse_json

DEEP = "[" * 2_500 + "1" + "]" * 2_500
HOSTILE = {
    "nested": DEEP.encode(),
    "infinite": b'{"format": 1, "encoder": {"name": "x", "sha256": "y", "dim": 1e999}, "keys": [1e999]}',
    "digits": b'{"format": 1, "encoder": {"name": "x", "sha256": "y", "dim": 1}, "n": ' + b"9" * 400 + b"}",
    "no text": b'{"format": "\xff"}',
}


def test_numbers_that_a_float_can_hold() -> None:
    assert parse_json('{"a": [1, -2.5, 1e30, null, "x"]}') == {"a": [1, -2.5, 1e30, None, "x"]}
    assert parse_json("9" * 300) == int("9" * 300)
    for text in ("1e999", "-1e999", "NaN", "Infinity", "9" * 301, "[", "", DEEP):
        with pytest.raises(ValueError):  # noqa: PT011 (the one kind of error is the point)
            parse_json(text)


def manifest(path: Path) -> None:
    from modiste.engine.manifest import Manifest
    from modiste.engine.place import Folder

    Manifest.read(Folder(path.parent))


def keys(path: Path) -> None:
    from modiste.service.keys import KeyFile

    KeyFile(path).read()


def calibration(path: Path) -> None:
    from modiste.engine.calibration import Calibration

    Calibration.load(path)


def tastes(path: Path) -> None:
    from modiste.engine.tastes import load_tastes

    load_tastes(path.parent)


def attached(path: Path) -> None:
    from modiste.engine.attached import attached_tastes

    attached_tastes(path.parent)


def statistic(path: Path) -> None:
    from modiste.models.outfit_statistics import load_statistic

    load_statistic(path)


def model_config(path: Path) -> None:
    from modiste.models.pretrained import read_config

    read_config(path.parent)


def fashioniq(path: Path) -> None:
    from modiste.data.fashioniq import FashionIq

    FashionIq(path.parents[1]).triplets("dress", "valid")


READERS: dict[str, Callable[[Path], None]] = {
    "modiste.json": manifest,
    "keys.json": keys,
    "calibration.json": calibration,
    "tastes/tastes.json": tastes,
    "shop/tastes.json": attached,
    "statistic.json": statistic,
    "config.json": model_config,
    "captions/cap.dress.val.json": fashioniq,
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("name", READERS)
def test_json_that_python_cannot_hold(name: str, what: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(HOSTILE[what])
    with pytest.raises(ValueError, match=path.name.replace(".", r"\.")):
        READERS[name](path)


def test_a_secret_that_cannot_sign(tmp_path: Path) -> None:
    from modiste.service.keys import KeyRing

    path = tmp_path / "keys.json"
    path.write_text('{"photo_secret": "\\ud800", "keys": []}')
    with pytest.raises(ValueError, match=r"keys\.json"):
        KeyRing(path)


@pytest.mark.parametrize("text", [f"x = {DEEP}", "budget = 1e999", "x = " + "{a=" * 2_500, 'season = "\udcff"'])
def test_rules_that_python_cannot_hold(text: str, tmp_path: Path) -> None:
    from modiste.engine.rules import Rules, RulesError

    path = tmp_path / "rules.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RulesError, match=r"rules\.toml"):
        Rules.load(path)


@pytest.mark.parametrize("ids", [["ann", ["bob"]], [{}, "bob"], [1, 2], ["ann", "ann"], [None, ""]])
def test_tastes_of_nobody(ids: list[Any], tmp_path: Path) -> None:
    from modiste.engine.tastes import FoldIn, Tastes, TastesError, load_tastes, save_tastes

    rows = np.ones((2, 2), np.float32)
    fold = FoldIn(rows, rows, np.zeros(2, np.float32))
    save_tastes(tmp_path, Tastes(("ann", "bob"), ("o1", "o2"), ("a", "b"), rows, rows, rows, fold))
    path = tmp_path / "tastes.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"user_ids": ids}))
    with pytest.raises(TastesError, match="the ids of users must be different, non-empty strings"):
        load_tastes(tmp_path)


# --- data sets ---------------------------------------------------------------------------------------------------------


def products(folder: Path) -> Path:
    from modiste.data.fashion_products import LABELS, REQUIRED

    columns: dict[str, list[Any]] = {name: ["a", "b"] for name in dict.fromkeys((*REQUIRED, *LABELS))}
    columns["image"] = [b"\xff\xd8", b"\xff\xd8"]
    path = folder / "test.parquet"
    pq.write_table(pa.table(columns), path, compression="none")
    return path


@pytest.mark.parametrize(
    "damage", [lambda data: data[:200], lambda data: data[:-30] + b"\xff" * 22 + data[-8:], lambda _: b""]
)
def test_damaged_parquet_of_a_published_set(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    from modiste.data.fashion_products import FashionProducts

    path = products(tmp_path)
    assert len(FashionProducts(path).split("test")) == 2
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"test\.parquet: not a readable Parquet file"):
        FashionProducts(path).split("test")


def test_parquet_whose_text_is_none(tmp_path: Path) -> None:
    from modiste.data.fashion_products import FashionProducts

    path = products(tmp_path)
    table = pq.read_table(path)
    bad = pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xff", b"\xfe"], pa.binary()).buffers())
    place = table.schema.get_field_index("title")
    pq.write_table(table.set_column(place, "title", bad), path)
    with pytest.raises(ValueError, match=r"test\.parquet: not a readable Parquet file"):
        FashionProducts(path).split("test")


def test_a_feed_in_parquet_whose_columns_have_no_names(tmp_path: Path) -> None:
    from modiste.data.feed import FeedError, read_feed

    path = tmp_path / "feed.parquet"
    pq.write_table(pa.table({"id": ["a"], "title": ["x"]}), path, store_schema=False)
    assert len(list(read_feed(path))) == 1
    path.write_bytes(path.read_bytes().replace(b"title", b"\xff\xfe\xff\xfe\xff"))
    with pytest.raises(FeedError, match=r"feed\.parquet: not a readable Parquet file"):
        list(read_feed(path))


def test_a_broken_header_of_an_array(tmp_path: Path) -> None:
    from modiste.data.fashion_mnist import FashionMnist
    from modiste.data.hfgn_files import FEATURES, _features

    np.save(tmp_path / FEATURES, np.zeros((8, 2), np.float32))
    data = (tmp_path / FEATURES).read_bytes()
    for old, new in ((b"(8, 2)", b"(((((("), (b"'<f4'", b"'<zz'"), (b"}", b"{"), (b"False", b"9e999")):
        (tmp_path / FEATURES).write_bytes(data.replace(old, new))
        with pytest.raises(ValueError, match=FEATURES):
            _features(tmp_path / FEATURES)
    packed = tmp_path / "fashion_mnist.npz"
    names = [f"{split}_{what}" for split in ("train", "test") for what in ("images", "labels")]
    np.savez(packed, **{name: np.zeros(4, np.uint8) for name in names})
    packed.write_bytes(packed.read_bytes().replace(b"(4,)", b"((((").replace(b"{'descr", b"{{descr"))
    with pytest.raises(ValueError, match=packed.name):
        FashionMnist(tmp_path).split("test")


def test_hdf5_with_a_broken_list_of_names(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    from modiste.data.fashiongen import FILES, FashionGen

    path = tmp_path / FILES["valid"]
    with h5py.File(path, "w") as file:
        file["input_name"] = np.zeros((3, 1))
    data = path.read_bytes()
    for name in (b"HEAP", b"TREE", b"SNOD"):  # the parts of a group
        path.write_bytes(data.replace(name, b"XXXX"))
        with pytest.raises(ValueError, match=path.name):
            list(FashionGen(tmp_path).stream("valid"))


# --- models ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path: Path) -> Path:
    import torch

    from modiste.data.text import train_wordpiece
    from modiste.models.clip import SIZES, DualEncoder
    from modiste.models.pretrained import save_pretrained

    torch.manual_seed(0)
    tokenizer = train_wordpiece(["red dress", "blue jeans"] * 3, vocab_size=60)
    return save_pretrained(tmp_path / "model", DualEncoder(SIZES["debug"]), tokenizer, name="toy")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(
            ("embed_dim", 2**31),
            ("embed_dim", 8_000),
            ("text_depth", 2**31),
            ("text_depth", 4_000),
            ("depths", [2**40, 1]),
        ),
        *(
            ("channels", [2**31, 16]),
            ("vocab_size", 10**30),
            ("num_heads", 0),
            ("num_heads", -1),
            ("image_size", [2**31, 40]),
        ),
        *(("channels", []), ("depths", "x"), ("text_dim", None), ("image_size", {})),
    ],
)
def test_a_model_is_not_made_to_sizes_that_its_weights_do_not_have(model: Path, field: str, value: object) -> None:
    """These took minutes, and all memory."""
    import resource

    from modiste.models.pretrained import PretrainedError, load

    load(model)
    path = model / "config.json"
    config = json.loads(path.read_text())
    config["model"][field] = value
    path.write_text(json.dumps(config))
    before = resource.getrusage(resource.RUSAGE_SELF)
    with pytest.raises(PretrainedError, match=str(model)):
        load(model)
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert after.ru_utime - before.ru_utime < 2
    assert after.ru_maxrss - before.ru_maxrss < 100_000  # kB


def test_a_word_whose_id_is_beyond_the_model(model: Path) -> None:
    from modiste.models.pretrained import PretrainedError, load

    path = model / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["model"]["vocab"]["dress"] = 2**31  # written down as so many holes when the model is fingerprinted
    path.write_text(json.dumps(content), encoding="utf-8")
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    stated = {name: value for name, value in config.items() if name not in ("files", "sum")}
    (model / "config.json").write_text(
        json.dumps(stated), encoding="utf-8"
    )  # whoever made the one could make the other
    with pytest.raises(PretrainedError, match=r"tokenizer\.json has more words than the model's"):
        load(model)


@pytest.mark.parametrize(
    "files",
    [
        {"state.json": {"bytes": 1}},
        {"state.json": 7},
        [],
        None,
        {"../state.json": {}},
        {"state.json": {"bytes": 1, "sha256": []}},
    ],
)
def test_a_manifest_of_a_checkpoint_that_lists_no_files(files: object, tmp_path: Path) -> None:
    import torch

    from modiste.training.checkpoint import load_checkpoint, save_checkpoint

    path = save_checkpoint(tmp_path / "checkpoints", 1, {"model": {"w": torch.ones(2)}}, {"epoch": 1})
    assert load_checkpoint(path).step == 1
    (path / "manifest.json").write_text(json.dumps({"step": 1, "files": files}))
    with pytest.raises(ValueError, match="step_00000001"):
        load_checkpoint(path)
    (path / "manifest.json").write_text(DEEP)
    with pytest.raises(ValueError, match=r"manifest\.json is damaged"):
        load_checkpoint(path)


@pytest.mark.parametrize("aliases", ["true", "[1]", '{"a": []}', '{"a": "nothing"}', DEEP, "{"])
def test_other_names_of_tensors_that_are_none(aliases: str, tmp_path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    from modiste.training.checkpoint import load_tensors

    save_file({"w": torch.ones(2)}, tmp_path / "model.safetensors", metadata={"aliases": aliases})
    with pytest.raises(ValueError, match=r"model\.safetensors cannot be read"):
        load_tensors(tmp_path / "model.safetensors")


def test_a_tensor_without_values_whose_strides_no_number_holds(tmp_path: Path) -> None:
    from modiste.training.checkpoint import load_tensors

    head = json.dumps({"w": {"dtype": "F32", "shape": [0, 2] * 80, "data_offsets": [0, 0]}}).encode()
    (tmp_path / "w.safetensors").write_bytes(len(head).to_bytes(8, "little") + head)
    with pytest.raises(ValueError, match=r"w\.safetensors cannot be read"):
        load_tensors(tmp_path / "w.safetensors")
