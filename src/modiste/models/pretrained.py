"""`architecture.tag` -> weights, sha256, preprocessing, licence, expected scores; and any other encoder by name or folder.

A name carries everything that makes its vectors: weights, preprocessing, tokenizer, fusion and query bank travel together in
one folder (`config.json`, `model.safetensors`, `tokenizer.json`, `README.md`, `query_bank.safetensors` where there is one), so
nobody pairs weights with the wrong transform. Safetensors only: nothing here can run code from a checkpoint.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import nn

from modiste import __version__
from modiste.data.text import canonical_json
from modiste.files import parse_json, replace_folder, require_unchanged, sha256_of, signed
from modiste.models.architectures import ARCHITECTURES, OUTFIT_ARCHITECTURES, architecture_of
from modiste.models.cards import plain_card
from modiste.models.eight_bits import from_eight_bits, in_eight_bits, packed, widened, without_factors
from modiste.models.fame_vil import FameVil
from modiste.models.fame_vil_inference import FameVilCaptioner, FameVilRecogniser, FameVilTowers
from modiste.models.inference import Fusion, ImageTextEncoder
from modiste.models.label_lines import LabelLines, Lines
from modiste.models.mvlt import Mvlt
from modiste.models.mvlt_inference import Inpainter, MvltTowers, Recogniser, Reranker
from modiste.models.query_bank import QueryBank
from modiste.registry import DEFAULT, FAME_VIL, PRETRAINED, TEXT_TOWERS

WEIGHTS = Path(__file__).parent.parent / "weights"
CONFIG, MODEL, TOKENIZER, CARD = "config.json", "model.safetensors", "tokenizer.json", "README.md"
BANK, LINES = "query_bank.safetensors", "label_lines.safetensors"
_ADDED_LATER = "trust.weights"  # what models have since words are trusted by how often they came
_MAX_NUMBER = 10_000  # of a config.json, where no weight is larger
BANK_PARTS = ("images", "texts")
BANK_NUMBERS = ("scale", "image_mean", "text_mean")

JOIN = "+"  # between an encoder and a text tower that reads more languages
_A_TOWER = "sentence-transformers/clip-ViT-B-32-multilingual-v1"

UseT = TypeVar("UseT")


class PretrainedError(ValueError):
    """A model could not be found, read, or is not what its name promises."""


def load(name: str | Path | None = None, *, device: str = "cpu", revision: str | None = None) -> ImageTextEncoder:
    """An encoder by registered name, local folder, or Hugging Face hub name; the shipped default without a name.

    Raises
    ------
    PretrainedError
        If there is no such model, it is damaged, or its fingerprint is not the registered one.
    """
    name = str(name or DEFAULT)
    if known := PRETRAINED.get(name):
        if known.hub:
            return _load_published(known.hub, name=known.name, device=device, revision=revision)
        encoder = from_pretrained(WEIGHTS / name, device=device)
        check_registered(name, encoder.id.sha256)
        return encoder
    folder = model_folder(Path(name))
    if not folder.is_dir() and JOIN in name:
        return _load_joined(name, device=device, revision=revision)
    if folder.is_dir():
        if (architecture := _architecture(folder)) in ARCHITECTURES:
            return from_pretrained(folder, device=device)
        if architecture == "exported":
            from modiste.models.exported import load_exported  # reads photos and texts as every architecture does

            # A GRNet's export reads photos alone; to whoever indexes or searches it is an encoder like the others.
            return cast(ImageTextEncoder, load_exported(folder))
        if architecture in OUTFIT_ARCHITECTURES:
            raise PretrainedError(f"{folder} holds an outfit model, which gives no item vectors: it reads an encoder's")
        if architecture == "multilingual_text":
            raise PretrainedError(f"{folder} holds a text tower, which knows no photos: give ENCODER{JOIN}{folder}")
        if architecture == "grnet":
            raise PretrainedError(
                f"{folder} holds a GRNet, which judges pairs of photos: `modiste index --exact` takes it"
            )
        return _load_published(str(folder), name=folder.name, device=device, revision=None)
    hub_name = name.removeprefix("hf-hub:")
    if hub_name.count("/") == 1 and not hub_name.startswith((".", "/", "~")):
        return _load_published(hub_name, name=hub_name, device=device, revision=revision)
    raise PretrainedError(
        f"no model {name!r}: give one of {', '.join(PRETRAINED)}, a folder, or a Hugging Face name such as "
        "patrickjohncyh/fashion-clip"
    )


def save_pretrained(
    folder: str | Path,
    model: nn.Module,
    tokenizer: Tokenizer,
    *,
    name: str,
    fusion: Fusion | None = None,
    bank: QueryBank | None = None,
    lines: LabelLines | None = None,
    languages: Sequence[str] = (),
    card: str = "",
    eight_bits: bool = False,
) -> Path:
    """Write the model's folder atomically; matrices in fp16 or `eight_bits`, everything one-dimensional in fp32.

    `languages`: codes of those that the training texts were in; without any the tokenizer alone tells what can be read. The
    folder appears whole or not at all; an existing one is replaced.
    """
    architecture = architecture_of(model)
    config = {
        "architecture": architecture.name,
        "name": name,
        "modiste_version": __version__,
        "model": architecture.describe(model),
        "fusion": asdict(fusion or Fusion()),
    }
    if languages:
        config["languages"] = list(languages)
    more: dict[str, dict[str, NDArray[Any]]] = {}
    if bank:
        config["query_bank"] = {name: getattr(bank, name) for name in BANK_NUMBERS}
        more[BANK] = {}
        for part in BANK_PARTS:
            more[BANK][part], exponent = packed(getattr(bank, part))
            more[BANK][f"{part}.exponent"] = np.array([exponent], np.int8)
    if lines:
        config["label_lines"] = {name: [one.slope, one.share] for name, one in lines.labels.items()}
        more[LINES] = _arrays(lines)
    card = card or plain_card(
        name, architecture.name, sha256=fingerprint(model, tokenizer, None, bank, lines), languages=languages,
        parameters=sum(parameter.numel() for parameter in model.parameters()),
    )  # fmt: skip
    stored = to_stored(model.state_dict())
    return write_folder(folder, in_eight_bits(stored) if eight_bits else stored, config, card, tokenizer, more)


def write_folder(
    folder: str | Path,
    state: Mapping[str, torch.Tensor],
    config: Mapping[str, Any],
    card: str,
    tokenizer: Tokenizer | None = None,
    more: Mapping[str, Mapping[str, NDArray[Any]]] | None = None,
) -> Path:
    """Write a model's files; the folder appears whole or not at all, and replaces one that is there.

    `more`: file name -> arrays by name, for further safetensors files.
    """
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        save_file(dict(state), scratch / MODEL, metadata={"format": "pt"})
        for file_name, arrays in (more or {}).items():
            save_arrays(dict(arrays), scratch / file_name)
        if tokenizer is not None:
            tokenizer.save(str(scratch / TOKENIZER))
        files = {file.name: sha256_of(file) for file in sorted(scratch.iterdir())}
        text = json.dumps(signed({**config, "files": files}), indent=2) + "\n"
        (scratch / CONFIG).write_text(text, encoding="utf-8")
        (scratch / CARD).write_text(card, encoding="utf-8")
        replace_folder(scratch, folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return folder


def from_pretrained(folder: str | Path, *, device: str = "cpu") -> ImageTextEncoder:
    """An encoder from a folder that `save_pretrained` wrote.

    Raises `PretrainedError` as `load_model` does, and for a model that gives no item vectors.
    """
    found = load_model(folder)
    try:
        fusion = Fusion(**found.config.get("fusion", {}))
    except (TypeError, ValueError) as error:
        raise PretrainedError(f"{Path(folder) / CONFIG}: fusion: {error}") from error
    architecture = ARCHITECTURES[found.config["architecture"]]
    try:
        towers = architecture.towers(found.model, found.tokenizer, device=device)
        return architecture.encoder(
            towers, name=found.name, sha256=found.sha256, fusion=fusion, bank=found.bank, languages=found.languages
        )
    except ValueError as error:
        raise PretrainedError(f"{folder}: {error}") from error


def load_recogniser(name: str | Path | None = None, *, device: str = "cpu") -> Recogniser:
    """What tells an item's labels, by registered name or folder; raises `PretrainedError` for a model that cannot."""
    return _load_use(name, device, {Mvlt: Recogniser}, lambda found: {"lines": found.lines})


def load_any_recogniser(name: str | Path | None = None, *, device: str = "cpu") -> Recogniser | FameVilRecogniser:
    """`load_recogniser`, or of a FAME-ViL what tells categories: whatever the recognition protocol can measure."""
    uses: Mapping[type[nn.Module], Callable[..., Recogniser | FameVilRecogniser]] = {
        Mvlt: Recogniser,
        FameVil: FameVilRecogniser,
    }
    return _load_use(name, device, uses, lambda found: {"lines": found.lines} if isinstance(found.model, Mvlt) else {})


def load_inpainter(name: str | Path | None = None, *, device: str = "cpu") -> Inpainter:
    """What fills in hidden pixels, by registered name or folder; raises `PretrainedError` for a model that cannot."""
    return _load_use(name, device, {Mvlt: Inpainter})


def load_reranker(name: str | Path | None = None, *, device: str = "cpu") -> Reranker:
    """What scores (query, item) pairs, by registered name or folder; raises `PretrainedError` for a model that cannot."""
    return _load_use(name, device, {Mvlt: Reranker}, lambda found: {"bank": found.bank})


def load_captioner(name: str | Path | None = None, *, device: str = "cpu") -> FameVilCaptioner:
    """What describes photos, by registered name or folder; raises `PretrainedError` for a model that cannot."""
    name = str(name or FAME_VIL)
    known = PRETRAINED.get(name)
    if known and "caption" not in known.can:
        writers = ", ".join(one.name for one in PRETRAINED.values() if "caption" in one.can)
        raise PretrainedError(f"{name} describes no photos; {writers} does (`modiste models` lists what each can do)")
    return _load_use(name, device, {FameVil: FameVilCaptioner}, instead="describes no photos; give a FAME-ViL")


def captioner_of(encoder: ImageTextEncoder) -> FameVilCaptioner | None:
    """The captions of the model that the encoder is made of, sharing its weights; None for a model without any."""
    towers = encoder.towers
    if not isinstance(towers, FameVilTowers) or "fic" not in towers.model.config.tasks:
        return None
    return _sharing(encoder, towers, FameVilCaptioner)


def reranker_of(encoder: ImageTextEncoder) -> Reranker | None:
    """What takes a second look at what the encoder found: the judge registered for it, else its own model's matching head.

    None for a model without either.
    """
    towers = encoder.towers
    if not isinstance(towers, MvltTowers):
        return None
    found = _registered_judge(encoder.id.name, encoder.id.sha256, towers.model, str(towers.device))
    if found is not None:
        return found
    return _sharing(encoder, towers, Reranker, bank=encoder.bank)


def judge_of(first: Reranker, *, device: str = "cpu") -> Reranker | None:
    """The judge registered for the model that `first` is the matching head of; None where there is none."""
    return _registered_judge(first.name, first.sha256, first.pairs.model, device)


def _registered_judge(name: str, sha256: str, model: Mvlt, device: str) -> Reranker | None:
    known = PRETRAINED.get(name)
    if known is None or not known.judge or known.sha256 != sha256:
        return None
    return load_judge(known.judge, model, device=device)


def load_judge(name: str | Path, first: Mvlt, *, device: str = "cpu") -> Reranker:
    """The matching head of a registered name or folder as the judge of what the vectors of `first`, another MVLT, found.

    Raises `PretrainedError` for a model without one.
    """
    scale = float(first.logit_scale.detach())
    return _load_use(name, device, {Mvlt: Reranker}, lambda found: {"bank": found.bank, "first_scale": scale})


def recogniser_of(encoder: ImageTextEncoder) -> Recogniser | None:
    """The label heads of the model that the encoder is made of, sharing its weights; None for a model without any.

    It tells photos; the words' own say (`lines`), which only counts where there are words, is not part of an encoder.
    """
    towers = encoder.towers
    if not isinstance(towers, MvltTowers) or not towers.model.labels:
        return None
    return _sharing(encoder, towers, Recogniser)


def _sharing(
    encoder: ImageTextEncoder, towers: MvltTowers | FameVilTowers, use: Callable[..., UseT], **more: Any
) -> UseT:
    """Another use of the model that an encoder is made of, under the encoder's name."""
    made = {"name": encoder.id.name, "sha256": encoder.id.sha256, "device": towers.device}
    return use(towers.model, towers.tokenizer, **made, **more)


def _load_use(
    name: str | Path | None,
    device: str,
    uses: Mapping[type[nn.Module], Callable[..., UseT]],
    more: Callable[[LoadedModel], Mapping[str, Any]] = lambda found: {},
    instead: str = "only encodes; give an MVLT model by name (`modiste models` lists what each can do) or folder",
) -> UseT:
    """A use of a model, by the model's class; `more`: what it takes from the folder beside model, tokenizer and name.

    Raises `PretrainedError` as `load_model` does, and saying what a model of another class does `instead`.
    """
    name = str(name or DEFAULT)
    known = PRETRAINED.get(name)
    if known and not known.ships:
        raise PretrainedError(f"{name} only encodes; `modiste models` lists what each can do")
    found = load_model(WEIGHTS / name if known else name)
    if (use := uses.get(type(found.model))) is None:
        raise PretrainedError(f"{name} is a {found.config['architecture']}, which {instead}")
    check_registered(name, found.sha256)
    try:
        return use(found.model, found.tokenizer, name=found.name, sha256=found.sha256, device=device, **more(found))
    except ValueError as error:
        raise PretrainedError(f"{name}: {error}") from error


@dataclass(frozen=True)
class LoadedModel:
    """A model folder, read and checked."""

    model: Any  # one of `architectures.ARCHITECTURES`
    tokenizer: Tokenizer
    config: Mapping[str, Any]  # config.json
    sha256: str
    bank: QueryBank | None = None
    lines: LabelLines | None = None

    @property
    def name(self) -> str:
        return str(self.config.get("name", ""))

    @property
    def languages(self) -> tuple[str, ...]:
        found = self.config.get("languages")
        return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()


def load_model(folder: str | Path) -> LoadedModel:
    """The model and tokenizer of a folder that `save_pretrained` wrote, every key accounted for.

    Raises
    ------
    PretrainedError
        Naming the file that is missing, damaged or does not fit the others.
    """
    folder = model_folder(Path(folder))
    if not folder.is_dir():
        raise PretrainedError(f"no model folder {folder}")
    for file in (CONFIG, MODEL, TOKENIZER):
        if not (folder / file).is_file():
            raise PretrainedError(f"{folder / file} is missing: a model folder holds {CONFIG}, {MODEL} and {TOKENIZER}")
    config = read_config(folder)
    architecture = ARCHITECTURES.get(str(config.get("architecture")))
    if architecture is None:
        raise PretrainedError(f"{folder / CONFIG}: unknown architecture {config.get('architecture')!r}")
    model = build(folder, config, architecture.build, f"a {architecture.name}")
    read_weights(folder, model)
    try:
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    except Exception as error:  # the tokenizers library raises plain Exception
        raise PretrainedError(f"{folder / TOKENIZER} is damaged: {error}") from error
    require_room(folder / TOKENIZER, tokenizer, architecture.describe(model)["vocab_size"])
    bank = load_bank(folder, config)
    lines = _load_lines(folder, config)
    sha256 = fingerprint(model, tokenizer, config["model"], bank, lines)
    return LoadedModel(model, tokenizer, config, sha256, bank, lines)


def read_tokenizer(file: Path) -> Tokenizer:
    """Raises `PretrainedError` naming the file."""
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the tokenizers library raises plain Exception
        raise PretrainedError(f"{file} is missing or damaged: {error}") from error


def require_room(file: Path, tokenizer: Tokenizer, room: int) -> None:
    """Raises `PretrainedError` for a tokenizer that makes ids which the model does not have.

    Ids, not words, are counted: a single one of 2**31 would be written down as so many holes when it is fingerprinted.
    """
    if max(tokenizer.get_vocab().values(), default=-1) >= room:
        raise PretrainedError(f"{file} has more words than the model's {room}")


def _arrays(lines: LabelLines) -> dict[str, NDArray[Any]]:
    found: dict[str, NDArray[Any]] = {"idf": lines.idf}
    for name, one in lines.labels.items():
        found |= {f"{name}.weights": one.weights, f"{name}.bias": one.bias}
    return found


def _load_lines(folder: Path, config: Mapping[str, Any]) -> LabelLines | None:
    def made(arrays: Mapping[str, NDArray[Any]], mixes: Mapping[str, Sequence[float]]) -> LabelLines:
        labels = {
            name: Lines(arrays[f"{name}.weights"], arrays[f"{name}.bias"], float(slope), float(share))
            for name, (slope, share) in mixes.items()
        }
        return LabelLines(arrays["idf"], labels)

    return _load_part(folder, LINES, config.get("label_lines"), made)


def load_bank(folder: Path, config: Mapping[str, Any]) -> QueryBank | None:
    """A folder's query bank, None if its config names none; raises `PretrainedError` where the two do not fit."""

    def made(arrays: Mapping[str, NDArray[Any]], numbers: Mapping[str, float]) -> QueryBank:
        images, texts = (
            widened(arrays[part], int(arrays[f"{part}.exponent"][0])) if arrays[part].dtype == np.int8 else arrays[part]
            for part in BANK_PARTS  # float16 in models of earlier versions
        )
        return QueryBank(images, texts, **{name: numbers[name] for name in BANK_NUMBERS})

    return _load_part(folder, BANK, config.get("query_bank"), made)


def _load_part(folder: Path, file: str, described: Any, made: Callable[[Mapping[str, Any], Any], UseT]) -> UseT | None:
    """What a folder holds beside the model, made of a file's arrays and what config.json says of it; None if nothing."""
    if described is None:
        return None
    try:
        return made(load_arrays(folder / file), described)
    except FileNotFoundError:
        raise PretrainedError(f"{folder / file} is missing, and {CONFIG} says there is one") from None
    except (SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise PretrainedError(f"{folder / file} is damaged, or {CONFIG} does not fit it: {error}") from error


def read_config(folder: Path) -> dict[str, Any]:
    """A model folder's config.json; raises `PretrainedError` for a file of the folder that is not as it was saved."""
    config = stored_config(folder)
    files = config.pop("files", {})  # models of earlier versions, and those changed by hand, have none
    try:
        for name, sha256 in files.items():
            if Path(name).name != name:
                raise PretrainedError(f"{folder / CONFIG} names {name!r}, which is not a file in its folder")
            if not (folder / name).is_file():
                raise PretrainedError(f"{folder / name} is missing")
            if sha256_of(folder / name) != sha256:
                raise PretrainedError(
                    f"{folder / name} is damaged: it is not the file that was saved with {CONFIG}. Save or copy the model "
                    f'again; whoever changes one by hand leaves out "files" and "sum"'
                )
    except (AttributeError, TypeError) as error:
        raise PretrainedError(f"{folder / CONFIG} does not describe a model: {error}") from error
    return config


def stored_config(folder: Path) -> dict[str, Any]:
    """The same with the files that it names, which are not looked at."""
    try:
        config = parse_json((folder / CONFIG).read_bytes())
        if isinstance(config, dict):
            return require_unchanged(config)
    except (OSError, ValueError) as error:
        raise PretrainedError(f"{folder / CONFIG} does not describe a model: {error}") from error
    raise PretrainedError(f"{folder / CONFIG} does not describe a model: {type(config).__name__} instead of an object")


ModelT = TypeVar("ModelT", bound=nn.Module)


def build(folder: Path, config: Mapping[str, Any], builder: Callable[[Mapping[str, Any]], ModelT], what: str) -> ModelT:
    """The model that a folder's config.json describes under "model", made only if the weights beside it are of its shapes.

    A config.json may come from anybody and claim any sizes: nothing is allocated for them before the model has been made
    without memory and found to fit the file.

    Raises
    ------
    PretrainedError
        Naming the file that does not describe `what`, or does not fit.
    """
    shapes = stored_shapes(folder / MODEL)
    try:
        described = config["model"]
        check_numbers(described, shapes)
        with torch.device("meta"):
            state = builder(described).state_dict()
        expected = {key: value for key, value in state.items() if key in shapes or not key.endswith(_ADDED_LATER)}
        _check_keys(folder / MODEL, expected, without_factors(shapes))
        return builder(described)
    except PretrainedError:
        raise
    except Exception as error:  # what a claimed size breaks first may be anything from a division to an index
        raise PretrainedError(f"{folder / CONFIG} does not describe {what}: {error or repr(error)}") from error


def stored_shapes(file: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file by name, without their values; raises `PretrainedError` for a damaged file."""
    try:
        with safe_open(file, framework="pt") as opened:
            names = list(opened.keys())
            return {name: torch.empty(opened.get_slice(name).get_shape(), device="meta") for name in names}
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise PretrainedError(f"{file} is damaged: {error}") from error


def check_numbers(described: Any, shapes: Mapping[str, torch.Tensor], name: str = "") -> None:
    """Raises `ValueError` for a whole number that cannot be a size of a model with these weights: it would only take time."""
    if isinstance(described, Mapping):
        for key, value in described.items():
            check_numbers(value, shapes, str(key))
    elif isinstance(described, list | tuple):
        if len(described) > _MAX_NUMBER:
            raise ValueError(f"{name}: a list of {len(described):,}")
        for value in described:
            check_numbers(value, shapes, name)
    elif isinstance(described, int | float):
        largest = max((size for one in shapes.values() for size in one.shape), default=0)
        repeated = any(word in name for word in ("depth", "layer", "stage", "step", "block"))
        limit = len(shapes) if repeated else max(_MAX_NUMBER, largest)
        if not abs(described) <= limit:
            raise ValueError(
                f"{name}: {described} does not go with {len(shapes):,} tensors of at most {largest:,} a side"
            )


def read_weights(folder: Path, model: nn.Module) -> None:
    """Load a folder's weights into a model, every key accounted for; raises `PretrainedError` naming the file."""
    try:
        state = from_eight_bits(load_file(folder / MODEL))
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise PretrainedError(f"{folder / MODEL} is damaged: {error}") from error
    for key, value in model.state_dict().items():  # models saved before words were trusted by how often they came
        if key.endswith(_ADDED_LATER):
            state.setdefault(key, value)
    _check_keys(folder / MODEL, model.state_dict(), state)
    model.load_state_dict({key: value.float() if value.is_floating_point() else value for key, value in state.items()})


def push_to_hub(folder: str | Path, repo_id: str, *, private: bool = False, token: str | None = None) -> str:
    """Upload a model folder to the Hugging Face hub and return its address. Only the model's own files go up."""
    from huggingface_hub import HfApi

    folder = Path(folder)
    from_pretrained(folder)  # what does not load here must not be published
    api = HfApi(token=token)
    address = str(api.create_repo(repo_id, private=private, exist_ok=True))
    api.upload_folder(
        repo_id=repo_id, folder_path=str(folder), allow_patterns=[CONFIG, MODEL, TOKENIZER, CARD, BANK, LINES]
    )
    return address


def fingerprint(
    model: nn.Module,
    tokenizer: Tokenizer,
    described: Mapping[str, Any] | None = None,
    bank: QueryBank | None = None,
    lines: LabelLines | None = None,
) -> str:
    """sha256 of all that a model says: weights as stored, sizes and preprocessing, tokenizer, query bank, label lines.

    `described` is what a folder's config.json says of the model: a field that a later version adds, with a default that
    changes nothing, must not change the name of stored vectors.
    """
    digest = hashlib.sha256()
    digest.update(json.dumps(described or architecture_of(model).describe(model), sort_keys=True).encode())
    digest.update(canonical_json(tokenizer).encode())
    add_weights(digest, model.state_dict())
    if bank:
        digest.update(json.dumps([getattr(bank, name) for name in BANK_NUMBERS]).encode())
        digest.update(bank.images.tobytes() + bank.texts.tobytes())
    if lines:
        digest.update(json.dumps([[name, one.slope, one.share] for name, one in lines.labels.items()]).encode())
        digest.update(b"".join(array.tobytes() for array in _arrays(lines).values()))
    return digest.hexdigest()


def add_weights(digest: hashlib._Hash, state: Mapping[str, torch.Tensor]) -> None:
    """Weights, as stored, into a fingerprint."""
    for key, tensor in sorted(to_stored(state).items()):
        digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())


def to_stored(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights as folders hold them: matrices in fp16, everything one-dimensional in fp32, on the CPU."""
    return {
        key: (value.half() if value.is_floating_point() and value.ndim > 1 else value)
        .detach()
        .cpu()
        .contiguous(memory_format=torch.contiguous_format)
        for key, value in state.items()
    }


def _check_keys(file: Path, expected: Mapping[str, torch.Tensor], found: Mapping[str, torch.Tensor]) -> None:
    """Every key accounted for, every shape equal: a half-loaded model answers happily and wrongly."""
    problems = [f"missing {key}" for key in expected.keys() - found.keys()]
    problems += [f"unexpected {key}" for key in found.keys() - expected.keys()]
    problems += [
        f"{key} has shape {tuple(found[key].shape)}, not {tuple(expected[key].shape)}"
        for key in expected.keys() & found.keys()
        if expected[key].shape != found[key].shape
    ]
    if problems:
        raise PretrainedError(f"{file} does not fit its {CONFIG}: {'; '.join(sorted(problems)[:5])}")


def model_folder(folder: Path) -> Path:
    """The folder itself, or the exported model in it where it is a training run's."""
    exported = folder / "model"
    return exported if not (folder / CONFIG).exists() and (exported / CONFIG).exists() else folder


def check_registered(name: str, sha256: str) -> None:
    known = (PRETRAINED | TEXT_TOWERS).get(name)
    if known and known.sha256 and sha256 != known.sha256:
        raise PretrainedError(f"{name}: the weights' sha256 is {sha256}, not the registered {known.sha256}")


def _architecture(folder: Path) -> str:
    """What a folder of ours says it holds; empty for any other folder."""
    try:
        config: Any = parse_json((folder / CONFIG).read_bytes())
    except (OSError, ValueError):
        return ""
    return str(config.get("architecture", "")) if isinstance(config, dict) else ""


def _load_joined(name: str, *, device: str, revision: str | None) -> ImageTextEncoder:
    """ "ENCODER+TEXTS": the photos of one model, and texts by another where it cannot read them; TEXTS as `_load_reader`."""
    from modiste.models.multilingual import joined

    first, second = name.split(JOIN, 1)
    if not first or not second:
        raise PretrainedError(f"{name}: write ENCODER{JOIN}TEXTS, such as {DEFAULT}{JOIN}runs/multilingual_text_small")
    try:
        return joined(load(first, device=device, revision=revision), _load_reader(second, device=device))
    except PretrainedError:
        raise
    except ValueError as error:
        raise PretrainedError(f"{name}: {error}") from error


def _load_reader(source: str, *, device: str) -> Any:
    """A text tower by itself: a student's folder, or a sentence-transformers model by folder or hub name."""
    from modiste.models.multilingual import ARCHITECTURE, load_student

    if source in TEXT_TOWERS:
        tower = load_student(WEIGHTS / source, device=device)
        check_registered(source, tower.sha256)
        return tower
    folder = model_folder(Path(source))
    if folder.is_dir() and _architecture(folder) == ARCHITECTURE:
        return load_student(folder, device=device)
    from modiste.models.sentence_tower import load_sentence_tower  # transformers takes seconds to import

    if not folder.is_dir() and (source.count("/") != 1 or source.startswith((".", "/", "~"))):
        raise PretrainedError(
            f"no text tower {source}: give {', '.join(TEXT_TOWERS)}, a folder, or a Hugging Face name such as {_A_TOWER}"
        )
    return load_sentence_tower(folder if folder.is_dir() else source, device=device)


def _load_published(source: str, *, name: str, device: str, revision: str | None) -> ImageTextEncoder:
    from modiste.models.hf_clip import load_published  # transformers takes seconds to import

    return load_published(source, name=name, device=device, revision=revision)
