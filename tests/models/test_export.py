"""Exports against the models they were made of, used through the front door, and refused where they are not the same."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from modiste.data.text import train_wordpiece
from modiste.models import export_check
from modiste.models.export import export_encoder
from modiste.models.export_check import GATES, Gate, check_export, drawn_items, kept_hits
from modiste.models.export_graphs import PIXELS
from modiste.models.exported import ExportedDescriber, ExportedTowers, OpenVinoRunner, load_exported
from modiste.models.fame_vil import SIZES as FAME_VIL_SIZES
from modiste.models.fame_vil import FameVil
from modiste.models.fame_vil_inference import FameVilTowers, fame_vil_encoder
from modiste.models.grnet import SIZES as GRNET_SIZES
from modiste.models.grnet import Grnet
from modiste.models.grnet_inference import GrnetScorer
from modiste.models.inference import ImageTextEncoder
from modiste.models.mvlt import SIZES as MVLT_SIZES
from modiste.models.mvlt import Mvlt
from modiste.models.mvlt_inference import MvltTowers
from modiste.models.pretrained import PretrainedError, load
from modiste.models.query_bank import QueryBank
from modiste.types import Item, ItemEncoder

pytest.importorskip("onnxruntime", reason="modiste[export] is not installed")
pytest.importorskip("onnx", reason="modiste[export] is not installed")

WORDS = ["red dress", "blue denim jacket", "black leather ankle boots", "women's shirt"]
NUM_ITEMS = 12


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return drawn_items(NUM_ITEMS, seed=3)


def tokenizer() -> Any:
    return train_wordpiece(WORDS * 3, vocab_size=300)


def awake(model: torch.nn.Module) -> Any:
    """Weights that say something: adapters and last norms are born as zeros."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            if not parameter.abs().sum():
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


@pytest.fixture(scope="module")
def mvlt() -> ImageTextEncoder:
    torch.manual_seed(0)
    towers = MvltTowers(awake(Mvlt(MVLT_SIZES["debug"])), tokenizer())
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2, 9, towers.embed_dim)).astype(np.float32)
    bank = QueryBank.of(*(rows / np.linalg.norm(rows, axis=2, keepdims=True)))
    return ImageTextEncoder(towers, name="mvlt_debug.born", sha256="1" * 64, bank=bank)


@pytest.fixture(scope="module")
def exported_mvlt(mvlt: ImageTextEncoder, items: list[Item], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "mvlt"
    export_encoder(mvlt, folder, items=items)
    return folder


def assert_alike(encoder: Any, other: Any, items: list[Item]) -> None:
    assert isinstance(other, ItemEncoder)
    np.testing.assert_allclose(other.encode(items).vectors, encoder.encode(items).vectors, atol=1e-5)
    queries = [("red dress", None), ("", items[-1].image), ("blue jacket", items[-2].image)]
    np.testing.assert_allclose(
        other.encode_queries(queries).vectors, encoder.encode_queries(queries).vectors, atol=1e-5
    )


def test_an_export_is_the_same_encoder_by_another_runtime(
    mvlt: ImageTextEncoder, exported_mvlt: Path, items: list[Item]
) -> None:
    exported = load(exported_mvlt)
    assert isinstance(exported.towers, ExportedTowers)
    assert exported.id == mvlt.id
    exported.id.require(mvlt.id)
    assert exported.bank is not None
    assert_alike(mvlt, exported, items)
    report = json.loads((exported_mvlt / "parity.json").read_text())
    assert report["largest_difference"] <= 1e-4
    assert report["overlap"] == 1
    assert "an encoder of its own" not in (exported_mvlt / "README.md").read_text()


def test_an_export_reads_the_words_that_its_model_reads(items: list[Item], tmp_path: Path) -> None:
    towers = MvltTowers(awake(Mvlt(MVLT_SIZES["debug"])), tokenizer())
    rare = towers.tokenizer.encode("jacket", add_special_tokens=False).ids
    towers.trust[rare] = 0  # in no text of the training
    model = ImageTextEncoder(towers, name="mvlt_debug.born", sha256="1" * 64, languages=("en",))
    export_encoder(model, tmp_path / "mvlt", items=items)
    exported = load(tmp_path / "mvlt")
    assert exported.languages == ("en",)
    for text in ("red dress", "blue jacket", "красное платье", "red платье 42"):
        assert exported.reading(text) == model.reading(text)
    assert exported.reading("blue jacket").doubtful == ("jacket",)
    assert exported.reading("красное платье").nothing
    config = json.loads((tmp_path / "mvlt" / "config.json").read_text())
    _edit(tmp_path / "mvlt", reader={**config["reader"], "unseen": [10**6]})
    with pytest.raises(PretrainedError, match="does not describe an export"):
        load(tmp_path / "mvlt")


def test_fame_vil_keeps_its_three_embeddings_and_fused_queries(items: list[Item], tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = awake(FameVil(FAME_VIL_SIZES["debug"]))
    encoder = fame_vil_encoder(FameVilTowers(model, tokenizer()), name="fame_vil_debug.born", sha256="2" * 64)
    export_encoder(encoder, tmp_path / "fame_vil", items=items)
    exported = load(tmp_path / "fame_vil")
    assert exported.id == encoder.id
    assert {file.stem for file in (tmp_path / "fame_vil").glob("*.onnx")} == {
        "image", "text", "image_tgir", "text_tgir", "fused_tgir",
    }  # fmt: skip
    assert_alike(encoder, exported, items)


def test_a_grnet_describes_photos_as_before(items: list[Item], tmp_path: Path) -> None:
    torch.manual_seed(0)
    scorer = GrnetScorer(awake(Grnet(GRNET_SIZES["debug"])), name="grnet_debug.born", sha256="3" * 64)
    export_encoder(scorer, tmp_path / "grnet", items=items)
    exported = load_exported(tmp_path / "grnet")
    assert isinstance(exported, ExportedDescriber)
    assert exported.id == scorer.encoder.id
    photos = [item.image for item in items if item.image is not None]
    np.testing.assert_allclose(exported.features(photos), scorer.features(photos).astype(np.float32), atol=2e-3)
    with pytest.raises(ValueError, match="reads no words"):
        exported.encode_query("red dress")
    with pytest.raises(ValueError, match="item 'x': "):
        exported.encode([Item("x", image=b"no photo")])


def test_int8_is_an_encoder_of_its_own(mvlt: ImageTextEncoder, items: list[Item], tmp_path: Path) -> None:
    parity = export_encoder(mvlt, tmp_path / "int8", precision="int8", items=items)
    exported = load(tmp_path / "int8")
    assert parity.largest_difference > 1e-4
    assert parity.problem(GATES["int8"]) == ""
    assert exported.id.name == "mvlt_debug.born.int8"
    assert exported.id.sha256 != mvlt.id.sha256


def test_openvino_runs_the_same_graphs(mvlt: ImageTextEncoder, items: list[Item], tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="modiste[openvino] is not installed")
    export_encoder(mvlt, tmp_path / "openvino", form="openvino", items=items)
    exported = load(tmp_path / "openvino")
    assert exported.id == mvlt.id
    assert_alike(mvlt, exported, items)
    (tmp_path / "openvino" / "image.bin").write_bytes(b"other weights")
    with pytest.raises(PretrainedError, match=r"image.bin is damaged"):
        load(tmp_path / "openvino")


def test_an_openvino_input_may_go_by_several_names(tmp_path: Path) -> None:
    """OpenVINO merges an input with a cast behind it (a published CLIP's photos) and then calls it by either name."""
    openvino = pytest.importorskip("openvino", reason="modiste[openvino] is not installed")
    operators = pytest.importorskip("openvino.opset13")
    photos = operators.parameter([-1, 3], np.float32)
    names = {PIXELS, "/embeddings/Cast_output_0", "another"}
    photos.output(0).get_tensor().set_names(names)
    twice = operators.multiply(photos, np.float32(2))
    openvino.save_model(openvino.Model([twice], [photos]), str(tmp_path / "image.xml"))
    run = OpenVinoRunner(tmp_path / "image.xml", "fp32")
    for count in (1, 3):
        rows = np.arange(3 * count, dtype=np.float32).reshape(count, 3)
        np.testing.assert_array_equal(run({PIXELS: rows}), 2 * rows)


def test_fp16_is_half_the_file(mvlt: ImageTextEncoder, exported_mvlt: Path, items: list[Item], tmp_path: Path) -> None:
    parity = export_encoder(mvlt, tmp_path / "fp16", precision="fp16", items=items)
    assert parity.largest_difference < 0.01
    sizes = [
        sum(file.stat().st_size for file in folder.glob("*.onnx")) for folder in (exported_mvlt, tmp_path / "fp16")
    ]
    assert sizes[1] < 0.8 * sizes[0]


def test_an_export_that_differs_is_refused_and_leaves_nothing(
    mvlt: ImageTextEncoder, items: list[Item], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encode = mvlt.encode

    def other(some: Any) -> Any:
        found = encode(some)
        vectors = found.vectors + np.float32(0.01)
        return type(found)(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), found.encoder)

    monkeypatch.setattr(mvlt, "encode", other)
    with pytest.raises(PretrainedError, match=r"is not kept: vectors differ by up to 0\.0"):
        export_encoder(mvlt, tmp_path / "refused", items=items)
    assert list(tmp_path.iterdir()) == []


def test_a_graph_that_took_a_size_for_a_constant_is_found_out(mvlt: ImageTextEncoder, items: list[Item]) -> None:
    class OneRow:
        id = mvlt.id

        def encode(self, some: Any) -> Any:  # right for one item at a time, and wrong for more
            found = mvlt.encode(some)
            return type(found)(np.repeat(found.vectors[:1], len(found), axis=0), found.encoder)

        def encode_queries(self, queries: Any) -> Any:
            return mvlt.encode_queries(queries)

    parity = check_export(mvlt, OneRow(), items)
    assert parity.problem(GATES["fp32"])
    assert check_export(mvlt, mvlt, items).problem(Gate(1e-6, 0.999999, 1.0)) == ""


def test_hits_as_good_as_the_tenth_are_kept() -> None:
    scores = np.linspace(1, 0, 30, dtype=np.float32)[None]
    assert kept_hits(scores, scores) == 1
    assert kept_hits(scores, scores[:, ::-1]) == 0
    swapped = scores.copy()
    swapped[0, [9, 20]] = swapped[0, [20, 9]]
    assert kept_hits(scores, swapped) == pytest.approx(0.9)
    alike = scores.copy()
    alike[0, 20] = alike[0, 9]
    assert kept_hits(alike, swapped) == 1


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "image.onnx").write_bytes(b"no graph"), "image.onnx is damaged"),
        (lambda folder: (folder / "text.onnx").unlink(), r"text.onnx cannot be read"),
        (lambda folder: _edit(folder, files={"../outside": "0" * 64}), "not a file in its folder"),
        (lambda folder: _edit(folder, format="exe"), "does not describe an export"),
        (lambda folder: _edit(folder, reader={"kind": "own"}), "does not describe an export"),
    ],
)
def test_a_damaged_folder_is_named(
    exported_mvlt: Path, tmp_path: Path, damage: Callable[[Path], Any], said: str
) -> None:
    folder = tmp_path / "copy"
    folder.mkdir()
    for file in exported_mvlt.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    damage(folder)
    with pytest.raises(PretrainedError, match=said):
        load(folder)


def test_weights_in_another_file_are_refused(exported_mvlt: Path, tmp_path: Path) -> None:
    import onnx

    from modiste.models.exported import _refuse_outside_data

    model = onnx.load(str(exported_mvlt / "image.onnx"))
    onnx.save_model(
        model, str(tmp_path / "image.onnx"), save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    with pytest.raises(PretrainedError, match="another file"):
        _refuse_outside_data(tmp_path / "image.onnx")


def _edit(folder: Path, **changes: Any) -> None:
    file = folder / "config.json"
    values = json.loads(file.read_text())
    for key, value in changes.items():
        values[key] = {**values[key], **value} if key == "files" else value
    file.write_text(json.dumps(values))


def test_what_is_missing_is_named(
    mvlt: ImageTextEncoder, exported_mvlt: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PretrainedError, match="bf16 on a processor"):
        export_encoder(mvlt, tmp_path / "x", precision="bf16")
    with pytest.raises(PretrainedError, match="there is no fp8"):
        export_encoder(mvlt, tmp_path / "x", precision="fp8")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(PretrainedError, match=r"pip install 'modiste\[export\]'"):
        export_encoder(mvlt, tmp_path / "x")
    with pytest.raises(PretrainedError, match=r"pip install 'modiste\[export\]'"):
        load(exported_mvlt)
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, "onnxruntime")
    with pytest.raises(PretrainedError, match=r"modiste\[export,openvino\]"):
        export_encoder(mvlt, tmp_path / "x", form="openvino")


def test_the_check_needs_more_than_ten_items(mvlt: ImageTextEncoder) -> None:
    with pytest.raises(ValueError, match="more than 10 items"):
        check_export(mvlt, mvlt, [Item("a", "red dress")])
    assert export_check.TOP == 10
