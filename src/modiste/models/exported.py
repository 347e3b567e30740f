"""An exported encoder in use: graphs run by ONNX Runtime or OpenVINO, no torch model built.

A folder that `modiste export` wrote is an encoder like any other: `modiste index --model FOLDER`, `modiste.load(FOLDER)`. Its
vectors carry the identity of the model that was exported where the check found them to agree within `SAME`, so one collection
may hold vectors of both; an int8 or bf16 export, whose vectors differ by more, is an encoder of its own.

The folder is data: graphs are read whole from their own files, whose sha256 stand in `config.json`; a graph that asks for
weights in another file is refused.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from modiste.data.images import decode
from modiste.files import sha256_of
from modiste.models import pretrained
from modiste.models.export_graphs import PIXELS
from modiste.models.export_readers import Reader, reader_of
from modiste.models.fame_vil_inference import fame_vil_encoder
from modiste.models.grnet_inference import PhotoEncoder
from modiste.models.inference import Fusion, ImageTextEncoder, photo_at, unit_rows
from modiste.models.pretrained import CONFIG, TOKENIZER, PretrainedError
from modiste.types import EncoderId, FloatArray, ImageLike, Reading

ARCHITECTURE = "exported"
FORMATS = ("onnx", "openvino")
PRECISIONS = ("fp32", "fp16", "bf16", "int8")
SAME = 1e-4
"""Vectors that differ by no more in any number may live in one collection."""


class Runner(Protocol):
    """One graph, ready to run; threads may share it."""

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> FloatArray: ...


class OnnxRunner:
    """A graph by ONNX Runtime, on as many threads as torch uses here."""

    def __init__(self, file: Path) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise PretrainedError(f"{file} is run by ONNX Runtime: pip install 'modiste[export]'") from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = torch.get_num_threads(), 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads starve others
        self._session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        self._names = {one.name for one in self._session.get_inputs()}

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> FloatArray:
        found: FloatArray = self._session.run(None, _asked(inputs, self._names))[0]
        return found


class OpenVinoRunner:
    """A graph by OpenVINO on the processor."""

    def __init__(self, file: Path, precision: str) -> None:
        try:
            import openvino
        except ImportError as error:
            raise PretrainedError(f"{file} is run by OpenVINO: pip install 'modiste[openvino]'") from error
        settings = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "NUM_STREAMS": 1,
        }
        self._compiled = openvino.Core().compile_model(str(file), "CPU", settings)
        # An input that OpenVINO merged with what follows it goes by either name.
        self._names = {name for one in self._compiled.inputs for name in one.names}
        self._local = threading.local()

    def __call__(self, inputs: Mapping[str, NDArray[Any]]) -> FloatArray:
        if not hasattr(self._local, "request"):  # a request is for one thread at a time
            self._local.request = self._compiled.create_infer_request()
        return np.array(self._local.request.infer(_asked(inputs, self._names))[self._compiled.output(0)], np.float32)


def _asked(inputs: Mapping[str, NDArray[Any]], names: set[str]) -> dict[str, NDArray[Any]]:
    """Those inputs that a graph has: a bag of words needs no mask, so its graph was left without one."""
    return {name: values for name, values in inputs.items() if name in names}


class ExportedTowers:
    """Graphs and a reader as `modiste.models.inference.Towers`; those of a FAME-ViL also as `TaskTowers`."""

    def __init__(self, graphs: Mapping[str, Runner], reader: Reader, embed_dim: int, tasks: Sequence[str] = ()) -> None:
        self.graphs, self.reader, self.embed_dim, self.tasks = dict(graphs), reader, embed_dim, tuple(tasks)
        self.draft_size: tuple[int, int] | None = reader.draft_size

    def prepare_image(self, pixels: NDArray[np.uint8]) -> Tensor:
        return self.reader.prepare_image(pixels)

    def embed_images(self, prepared: Sequence[Tensor]) -> Tensor:
        return self._run("image", {PIXELS: torch.stack(list(prepared)).numpy()})

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        return self._run("text", self.reader.tokens(texts))

    def reading(self, text: str, languages: Sequence[str]) -> Reading:
        return self.reader.reading(text, languages)

    def embed_for(self, images: Tensor, task: str) -> Tensor:
        return self._run(_named("image", task), {PIXELS: images.numpy()})

    def embed_words(self, texts: Sequence[str], task: str) -> Tensor:
        return self._run(_named("text", task), self.reader.tokens(texts))

    def embed_fused(self, images: Tensor, texts: Sequence[str], task: str) -> Tensor:
        return self._run(f"fused_{task}", {PIXELS: images.numpy(), **self.reader.tokens(texts)})

    def _run(self, graph: str, inputs: Mapping[str, NDArray[Any]]) -> Tensor:
        return torch.from_numpy(self.graphs[graph](inputs))


def _named(graph: str, task: str) -> str:
    return graph if task == "xmr" else f"{graph}_{task}"


class ExportedDescriber(PhotoEncoder):
    """An exported GRNet: its global embedding as `modiste.types.ItemEncoder` of photos, and what describes a photo."""

    def __init__(
        self, graph: Runner, reader: Reader, *, name: str, sha256: str, embed_dim: int, batch_size: int = 64
    ) -> None:
        self._graph, self._reader = graph, reader
        self.batch_size = batch_size
        self.id = EncoderId(name, sha256, embed_dim)

    def features(self, photos: Sequence[ImageLike]) -> FloatArray:
        """Photos -> (N, F), windows and embedding. Raises `ImageError` naming a photo by its position."""
        parts = []
        for start in range(0, len(photos), self.batch_size):
            prepared = []
            for position, photo in enumerate(photos[start : start + self.batch_size], start):
                with photo_at(position):
                    prepared.append(self._reader.prepare_image(decode(photo, draft_to=self._reader.draft_size)))
            parts.append(self._graph({PIXELS: torch.stack(prepared).numpy()}))
        return np.concatenate(parts) if parts else np.zeros((0, self.id.dim), np.float32)

    def embeddings(self, photos: Sequence[ImageLike]) -> FloatArray:
        """Photos -> (N, E) unit vectors."""
        return unit_rows(torch.from_numpy(self.features(photos)[:, -self.id.dim :]))


def load_exported(folder: str | Path) -> ImageTextEncoder | ExportedDescriber:
    """The encoder of a folder that `modiste export` wrote.

    Raises
    ------
    PretrainedError
        Naming the file that is missing, damaged or does not fit the others; or the extra that is not installed.
    """
    folder = Path(folder)
    config = pretrained.stored_config(folder)
    try:
        form, precision, files = str(config["format"]), str(config["precision"]), dict(config["files"])
        name, sha256 = str(config["encoder"]["name"]), str(config["encoder"]["sha256"])
        embed_dim, tasks = int(config["embed_dim"]), tuple(config.get("tasks", ()))
        graph_files = {stem: str(file) for stem, file in config["graphs"].items()}
        if form not in FORMATS or precision not in PRECISIONS:
            raise ValueError(f"format {form!r}, precision {precision!r}")
        tokenizer = pretrained.read_tokenizer(folder / TOKENIZER) if TOKENIZER in files else None
        reader = reader_of(config["reader"], tokenizer)
        fusion = Fusion(**config.get("fusion", {}))
        languages = tuple(map(str, config.get("languages", ())))
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        if isinstance(error, PretrainedError):
            raise
        raise PretrainedError(f"{folder / CONFIG} does not describe an export: {error!r}") from error
    for file, digest in files.items():
        check_file(folder, file, str(digest))
    runners = {stem: _runner(folder, file, form, precision, files) for stem, file in graph_files.items()}
    if "describe" in runners:
        return ExportedDescriber(runners["describe"], reader, name=name, sha256=sha256, embed_dim=embed_dim)
    towers = ExportedTowers(runners, reader, embed_dim, tasks)
    make = fame_vil_encoder if tasks else ImageTextEncoder
    return make(
        towers, name=name, sha256=sha256, fusion=fusion, bank=pretrained.load_bank(folder, config), languages=languages
    )


def check_file(folder: Path, file: str, sha256: str) -> None:
    """Raise `PretrainedError` unless the file lies in the folder and is what its `config.json` says."""
    if Path(file).name != file:
        raise PretrainedError(f"{folder / CONFIG} names {file!r}, which is not a file in its folder")
    try:
        found = sha256_of(folder / file)
    except OSError as error:
        raise PretrainedError(f"{folder / file} cannot be read: {error.strerror}") from error
    if found != sha256:
        raise PretrainedError(f"{folder / file} is damaged: its sha256 is not the one in {CONFIG}")


def _runner(folder: Path, file: str, form: str, precision: str, files: Mapping[str, str]) -> Runner:
    if file not in files:
        raise PretrainedError(f"{folder / CONFIG}: no sha256 of the graph {file!r}")
    try:
        if form == "openvino":
            return OpenVinoRunner(folder / file, precision)
        _refuse_outside_data(folder / file)
        return OnnxRunner(folder / file)
    except PretrainedError:
        raise
    except Exception as error:  # both runtimes raise exceptions of their own for a broken graph
        raise PretrainedError(f"{folder / file} is no graph that can be run: {error}") from error


def _refuse_outside_data(file: Path) -> None:
    """A graph may keep its weights in any file it names; ours are whole, and nothing else is read for them."""
    try:
        import onnx
    except ImportError as error:
        raise PretrainedError(f"{file} is checked by onnx: pip install 'modiste[export]'") from error
    model = onnx.load(str(file), load_external_data=False)
    if any(one.data_location == onnx.TensorProto.EXTERNAL for one in model.graph.initializer):
        raise PretrainedError(f"{file} asks for weights in another file, which is refused: export it again")
