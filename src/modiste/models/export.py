"""`modiste export`: an encoder as a folder of ONNX or OpenVINO graphs, with everything that makes its vectors beside them.

    config.json      which graphs, how photos and texts are made ready, fusion, whose vectors these are, every file's sha256
    *.onnx           one graph for photos and one for texts (FAME-ViL: more); or *.xml and *.bin of OpenVINO
    tokenizer.json   the model's own
    query_bank.safetensors   where the model has one
    parity.json      what the check found
    README.md        the card

The folder appears only once it has been checked against the torch model (`export_check.py`); what fails is not kept.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file as save_arrays

from modiste import __version__
from modiste.data.images import decode
from modiste.files import replace_folder, sha256_of
from modiste.models.export_check import GATES, Parity, check_export, drawn_items
from modiste.models.export_graphs import PIXELS, Graph, graphs_of
from modiste.models.export_readers import Reader, reader_for
from modiste.models.exported import ARCHITECTURE, FORMATS, PRECISIONS, SAME, load_exported
from modiste.models.grnet_inference import GrnetScorer
from modiste.models.inference import ImageTextEncoder
from modiste.models.pretrained import BANK, BANK_NUMBERS, CARD, CONFIG, TOKENIZER, PretrainedError
from modiste.types import Item

PARITY = "parity.json"
OPSET = 17
_CALIBRATION = 64  # photos and texts by which int8's ranges are chosen; not among those of the check


def export_encoder(
    encoder: ImageTextEncoder | GrnetScorer,
    folder: str | Path,
    *,
    form: str = "onnx",
    precision: str = "fp32",
    opset: int = OPSET,
    items: Sequence[Item] = (),
    num_items: int = 200,
    seed: int = 0,
) -> Parity:
    """Export an encoder, check it, and write its folder; an existing one is replaced.

    `items`: photos and texts to check with and to choose int8's ranges by; drawn ones without any.

    Raises
    ------
    PretrainedError
        If the extra is not installed, the model has no graph, or the exported vectors are not those of the model: nothing is
        written then.
    """
    if form not in FORMATS or precision not in PRECISIONS:
        raise PretrainedError(f"there is no {precision} of {form}: choose of {FORMATS} and {PRECISIONS}")
    if precision == "bf16" and form == "onnx":
        raise PretrainedError("ONNX Runtime does not compute in bf16 on a processor: --format openvino does")
    _need(form)
    folder = Path(folder)
    used = list(items) or drawn_items(num_items + _CALIBRATION, seed)
    calibration, shown = used[:_CALIBRATION], used[_CALIBRATION:] if len(used) > 2 * _CALIBRATION else used
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        reader = reader_for(encoder)
        graphs = _write_graphs(graphs_of(encoder), scratch, reader, form, precision, opset, calibration)
        config = _config(encoder, reader, form, precision, opset, graphs)
        _write_companions(encoder, scratch, reader)
        _sign(scratch, config)
        exported = load_exported(scratch)
        reference = encoder.encoder if isinstance(encoder, GrnetScorer) else encoder
        parity = check_export(reference, exported, shown, seed=seed)
        if problem := parity.problem(GATES[precision]):
            raise PretrainedError(f"the {precision} export of {encoder.id.name} is not kept: {problem}")
        config["encoder"] = _identity(encoder, parity, precision, form, config)
        report = {
            "model": encoder.id.name,
            "precision": precision,
            "gate": asdict(GATES[precision]),
            **parity.as_dict(),
        }
        (scratch / PARITY).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        (scratch / CARD).write_text(_card(encoder, config, parity), encoding="utf-8")
        _sign(scratch, config)
        replace_folder(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return parity


def _need(form: str) -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise PretrainedError("exporting needs onnx and onnxruntime: pip install 'modiste[export]'") from error
    if form == "openvino":
        try:
            import openvino  # noqa: F401
        except ImportError as error:
            raise PretrainedError("this format needs OpenVINO: pip install 'modiste[export,openvino]'") from error


# --- graphs


def _write_graphs(
    graphs: Mapping[str, Graph],
    scratch: Path,
    reader: Reader,
    form: str,
    precision: str,
    opset: int,
    calibration: Sequence[Item],
) -> dict[str, str]:
    """Stem -> the file that a runtime opens."""
    found = {}
    for stem, graph in graphs.items():
        file = scratch / f"{stem}.onnx"
        file.write_bytes(recorded(graph, opset))
        if precision == "int8":
            _quantise(file, graph, reader, calibration)
        if form == "openvino":
            _to_openvino(file, precision)
            found[stem] = f"{stem}.xml"
            continue
        if precision == "fp16":
            _halve(file)
        found[stem] = file.name
    return found


def recorded(graph: Graph, opset: int = OPSET) -> bytes:
    """The graph as ONNX, recorded while it runs once; symbolically where that is not enough.

    A recording is some twenty times faster than a symbolic export, but can take a size of the example for a constant; so
    nothing here is believed before it has run on other sizes (`export_check.py`).
    """
    module, inputs, names = graph.module.eval(), tuple(graph.inputs.values()), list(graph.inputs)
    try:
        with torch.no_grad(), warnings.catch_warnings(), _quiet_exporter(), tempfile.TemporaryDirectory() as folder:
            warnings.simplefilter("ignore")
            if graph.symbolic:
                free = torch.export.Dim.DYNAMIC
                shapes = (tuple(dict.fromkeys(graph.free[name], free) for name in names),)
                made = torch.onnx.export(
                    module, inputs, dynamo=True, opset_version=max(opset, 18), input_names=names,
                    output_names=["embeddings"], dynamic_shapes=shapes, external_data=False, verbose=False,
                )  # fmt: skip
                assert made is not None
                return bytes(made.model_proto.SerializeToString())
            torch.onnx.export(
                module, inputs, Path(folder) / "graph.onnx", dynamo=False, opset_version=opset, input_names=names,
                output_names=["embeddings"], dynamic_axes={**graph.free, "embeddings": {0: "batch"}},
            )  # fmt: skip
            return (Path(folder) / "graph.onnx").read_bytes()
    except (RuntimeError, ValueError) as error:  # the exporters' own errors are of both kinds
        raise PretrainedError(f"this model has no ONNX graph: {str(error).splitlines()[0]}") from error


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Without the exporter's advice, and without torch's fused layers, which are no ONNX operators."""
    log, fused = logging.getLogger("torch.onnx"), torch.backends.mha.get_fastpath_enabled()
    level = log.level
    log.setLevel(logging.ERROR)
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        log.setLevel(level)
        torch.backends.mha.set_fastpath_enabled(fused)


def _halve(file: Path) -> None:
    """Matrices stored in fp16 and computed with in fp32: half the file, and our own weights are fp16 already."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(file))
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or len(tensor.dims) < 2:
            continue
        name, values = tensor.name, numpy_helper.to_array(tensor)
        if np.abs(values).max(initial=0) > np.finfo(np.float16).max:
            continue
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.fp16"))
        casts.append(onnx.helper.make_node("Cast", [f"{name}.fp16"], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    file.write_bytes(model.SerializeToString())


class _Calibration:
    """What quantisation asks for: the inputs of a graph, a few rows at a time, until there are none."""

    def __init__(self, file: Path, graph: Graph, reader: Reader, items: Sequence[Item]) -> None:
        import onnx

        names = {one.name for one in onnx.load(str(file), load_external_data=False).graph.input}
        rows = _inputs(graph, reader, items)
        self._rows = iter([{name: one for name, one in inputs.items() if name in names} for inputs in rows])

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self._rows, None)


def _inputs(graph: Graph, reader: Reader, items: Sequence[Item], rows: int = 8) -> list[dict[str, NDArray[Any]]]:
    shown = [item for item in items if item.image is not None and item.text]
    if not shown:
        raise PretrainedError("int8's ranges are chosen by items with photo and words, and none was given")
    found = []
    for start in range(0, len(shown), rows):
        some, inputs = shown[start : start + rows], {}
        if PIXELS in graph.inputs:
            photos = [reader.prepare_image(decode(item.image, draft_to=reader.draft_size)) for item in some]  # type: ignore[arg-type]
            inputs[PIXELS] = torch.stack(photos).numpy()
        if len(graph.inputs) > (PIXELS in graph.inputs):
            inputs |= reader.tokens([item.text for item in some])
        found.append(inputs)
    return found


def _quantise(file: Path, graph: Graph, reader: Reader, items: Sequence[Item]) -> None:
    """Convolutions and matrix products in int8, weights by channel, activations by what the given items show."""
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    folded, made = file.with_suffix(".folded"), file.with_suffix(".int8")
    quant_pre_process(str(file), str(folded), skip_symbolic_shape=True)
    quantize_static(
        str(folded), str(made), _Calibration(file, graph, reader, items), quant_format=QuantFormat.QDQ, per_channel=True,
        op_types_to_quantize=["Conv", "MatMul", "Gemm"], activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax, extra_options={"MatMulConstBOnly": True},
    )  # fmt: skip
    made.replace(file)
    folded.unlink()


def _to_openvino(file: Path, precision: str) -> None:
    import openvino

    model = openvino.convert_model(str(file))
    openvino.save_model(model, str(file.with_suffix(".xml")), compress_to_fp16=precision == "fp16")
    file.unlink()


# --- what lies beside them


def _config(
    encoder: ImageTextEncoder | GrnetScorer,
    reader: Reader,
    form: str,
    precision: str,
    opset: int,
    graphs: Mapping[str, str],
) -> dict[str, Any]:
    config: dict[str, Any] = {
        "architecture": ARCHITECTURE, "name": encoder.id.name, "modiste_version": __version__, "format": form,
        "precision": precision, "opset": opset, "graphs": dict(graphs), "reader": reader.describe(),
        "encoder": {"name": encoder.id.name, "sha256": encoder.id.sha256},
    }  # fmt: skip
    if isinstance(encoder, GrnetScorer):
        return config | {"embed_dim": encoder.model.config.embed_dim}
    config |= {"embed_dim": encoder.towers.embed_dim, "fusion": asdict(encoder.fusion)}
    if tasks := getattr(encoder.towers, "tasks", ()):
        config["tasks"] = [task for task in tasks if task in ("xmr", "tgir")]
    if encoder.languages:
        config["languages"] = list(encoder.languages)
    if encoder.bank:
        config["query_bank"] = {name: getattr(encoder.bank, name) for name in BANK_NUMBERS}
    return config


def _write_companions(encoder: ImageTextEncoder | GrnetScorer, scratch: Path, reader: Reader) -> None:
    tokenizer = getattr(reader, "tokenizer", None)
    if tokenizer is not None:
        tokenizer.save(str(scratch / TOKENIZER))
    if not isinstance(encoder, GrnetScorer) and encoder.bank:
        save_arrays({"images": encoder.bank.images, "texts": encoder.bank.texts}, scratch / BANK)


def _sign(scratch: Path, config: dict[str, Any]) -> None:
    """The sha256 of every file but the configuration itself, the report and the card, in the configuration."""
    unsigned = {CONFIG, PARITY, CARD}
    config["files"] = {file.name: sha256_of(file) for file in sorted(scratch.iterdir()) if file.name not in unsigned}
    (scratch / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _identity(
    encoder: ImageTextEncoder | GrnetScorer, parity: Parity, precision: str, form: str, config: Mapping[str, Any]
) -> dict[str, str]:
    """The model's own where the vectors are the same within `SAME`; else a name and sha256 of the export's own."""
    if parity.largest_difference <= SAME:
        return {"name": encoder.id.name, "sha256": encoder.id.sha256}
    digest = hashlib.sha256(json.dumps([encoder.id.sha256, precision, form, config["files"]], sort_keys=True).encode())
    return {"name": f"{encoder.id.name}.{precision}", "sha256": digest.hexdigest()}


def _card(encoder: ImageTextEncoder | GrnetScorer, config: Mapping[str, Any], parity: Parity) -> str:
    same = config["encoder"]["sha256"] == encoder.id.sha256
    lives = (
        "Its vectors carry the model's identity: a collection may hold vectors of both."
        if same
        else "Its vectors differ from the model's: it is an encoder of its own, and a collection is indexed with one of them."
    )
    return (
        f"---\nlibrary_name: modiste\ntags: [fashion, {config['format']}]\n---\n# {encoder.id.name}, {config['format']} "
        f"{config['precision']}\n\nExported by `modiste export`, sha256 of the model {encoder.id.sha256}.\n\n{lives}\n\n"
        f"Checked against the torch model on {parity.num_items} items and {parity.num_queries} queries: the largest "
        f"difference of any number is {parity.largest_difference:.2g}, the cosine at least {parity.worst_cosine:.5f}, and of "
        f"the first ten hits {100 * parity.overlap:.1f} % are the same.\n\n"
        "Graphs begin at prepared photos and token ids (`reader` in config.json says how they are made) and end at unit "
        "rows; `modiste.load(FOLDER)` makes item and query vectors of them.\n"
    )
