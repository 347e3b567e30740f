"""Text towers in sentence-transformers' format, such as clip-ViT-B-32-multilingual-v1, read without running their code.

Such a folder lists its parts in modules.json: a transformer, pooling over its tokens, and dense layers into the space of the
encoder that it learned from (Reimers and Gurevych, EMNLP 2020, arXiv 2004.09813). The classes are chosen here by name; whatever
else a folder asks for is refused. Weights are safetensors.

    modiste index shop.csv --into shop --model openai/clip-vit-base-patch32+sentence-transformers/clip-ViT-B-32-multilingual-v1
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from modiste.files import parse_json
from modiste.models.hf_clip import declared_languages, files_sha256, inert, json_object, quiet
from modiste.models.pretrained import TOKENIZER, PretrainedError, read_tokenizer, require_room
from modiste.models.reading import reading_of
from modiste.types import Reading

MODULES = "modules.json"
LONGEST = 128  # tokens; queries and titles are shorter
BACKBONES = ("bert", "distilbert", "xlm-roberta")
POOLINGS = ("mean", "cls")
_ACTIVATIONS = {"Identity": nn.Identity, "Tanh": nn.Tanh, "GELU": nn.GELU, "ReLU": nn.ReLU}
_DOWNLOADED = ("*.json", "*/config.json", "model.safetensors", "*/model.safetensors", "README.md")


class SentenceTower:
    """A sentence-transformers model as `modiste.models.multilingual.TextReader`."""

    def __init__(
        self, backbone: nn.Module, pooling: str, layers: nn.Module, tokenizer: Tokenizer, *, name: str, sha256: str,
        embed_dim: int, languages: Sequence[str] = (), device: str | torch.device = "cpu",
    ) -> None:  # fmt: skip
        self.backbone, self.layers = backbone.eval().to(device), layers.eval().to(device)
        self.pooling, self.tokenizer, self.device = pooling, tokenizer, torch.device(device)
        self.name, self.sha256, self.embed_dim, self.languages = name, sha256, embed_dim, tuple(languages)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """(B, E) unit rows."""
        encodings = self.tokenizer.encode_batch(list(texts))
        ids, mask = (
            torch.tensor([getattr(one, name) for one in encodings]).to(self.device)
            for name in ("ids", "attention_mask")
        )
        tokens = self.backbone(input_ids=ids, attention_mask=mask).last_hidden_state  # (B, L, D)
        if self.pooling == "mean":
            weights = mask[:, :, None].to(tokens.dtype)
            pooled = (tokens * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)
        else:
            pooled = tokens[:, 0]
        return F.normalize(self.layers(pooled).float(), dim=1)

    def reading(self, text: str) -> Reading:
        return reading_of(text, self.tokenizer, languages=self.languages)


def load_sentence_tower(source: str | Path, *, device: str = "cpu") -> SentenceTower:
    """A text tower by folder or hub name. Raises `PretrainedError` naming the part that is missing or not understood."""
    folder = Path(source) if Path(source).is_dir() else _download(str(source))
    parts = _parts(folder)
    kinds = [kind for kind, _ in parts]
    if kinds[:2] != ["Transformer", "Pooling"] or set(kinds[2:]) - {"Dense", "Normalize"}:
        raise PretrainedError(
            f"{folder / MODULES}: {', '.join(kinds) or 'nothing'}: only a Transformer, Pooling, and Dense layers are supported"
        )
    with quiet():
        backbone = _backbone(parts[0][1])
    dim = int(backbone.config.hidden_size)
    layers: list[nn.Module] = []
    for kind, at in parts[2:]:
        if kind == "Dense":
            layer, dim = _dense(at)
            layers.append(layer)
    files = sorted({file for _, at in parts for file in at.glob("*") if file.suffix in (".json", ".safetensors")})
    return SentenceTower(
        backbone, _pooling(parts[1][1]), nn.Sequential(*layers), _tokenizer(parts[0][1], backbone.config), device=device,
        name=Path(source).name, sha256=files_sha256(files), embed_dim=dim, languages=declared_languages(folder),
    )  # fmt: skip


def _download(source: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source, allow_patterns=list(_DOWNLOADED)))
    except Exception as error:  # the hub raises its own, httpx's and the operating system's errors
        raise PretrainedError(
            f"{source} is neither a local folder nor a cached model, and it could not be downloaded ({type(error).__name__}). "
            f"On a machine with a network run `hf download {source} --local-dir FOLDER`, then give FOLDER instead"
        ) from error


def _parts(folder: Path) -> list[tuple[str, Path]]:
    """The kind and the folder of each part, in order; raises `PretrainedError` for a path that leaves the folder."""
    try:
        listed = parse_json((folder / MODULES).read_text(encoding="utf-8"))
        found = [(str(one["type"]).rsplit(".", 1)[-1], str(one["path"])) for one in listed]
    except FileNotFoundError:
        raise PretrainedError(
            f"{folder} has no {MODULES}: it is no text tower in sentence-transformers' format"
        ) from None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PretrainedError(f"{folder / MODULES} is not understood: {error!r}") from error
    for _, path in found:
        if path and (Path(path).name != path or path in (".", "..")):
            raise PretrainedError(f"{folder / MODULES} names {path!r}, which is not a folder beside it")
    if found and found[0][0] == "Transformer" and not found[0][1] and (folder / "0_Transformer").is_dir():
        found[0] = ("Transformer", "0_Transformer")
    return [(kind, folder / path) for kind, path in found]


def _backbone(at: Path) -> Any:
    from transformers import BertConfig, BertModel, DistilBertConfig, DistilBertModel, XLMRobertaConfig, XLMRobertaModel

    classes: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        "bert": (BertConfig, BertModel, {"add_pooling_layer": False}),
        "distilbert": (DistilBertConfig, DistilBertModel, {}),
        "xlm-roberta": (XLMRobertaConfig, XLMRobertaModel, {"add_pooling_layer": False}),
    }
    values = json_object(at / "config.json")
    kind = str(values.get("model_type"))
    if kind not in classes:
        raise PretrainedError(
            f"{at / 'config.json'}: model type {kind!r} is not supported, only {', '.join(BACKBONES)}"
        )
    config_class, model_class, more = classes[kind]
    state = _weights(at)
    try:
        model, report = model_class.from_pretrained(
            None, config=config_class(**inert(values)), state_dict=state, dtype=torch.float32,
            attn_implementation="sdpa", output_loading_info=True, **more,
        )  # fmt: skip
    except Exception as error:  # transformers checks settings and shapes with several exception types
        raise PretrainedError(f"{at / 'model.safetensors'} does not fit {at / 'config.json'}: {error}") from error
    if missing := sorted([*report["missing_keys"], *map(str, report.get("mismatched_keys", ()))]):
        raise PretrainedError(
            f"{at / 'model.safetensors'} does not fit {at / 'config.json'}: missing {', '.join(missing[:5])}"
        )
    return model


def _weights(at: Path) -> dict[str, Tensor]:
    file = at / "model.safetensors"
    try:
        return {key: value.float() if value.is_floating_point() else value for key, value in load_file(file).items()}
    except FileNotFoundError:
        raise PretrainedError(
            f"{file} is missing: pickled weights can run code when they are read, so they are refused"
        ) from None
    except (SafetensorError, OSError) as error:
        raise PretrainedError(f"{file} is damaged: {error}") from error


def _pooling(at: Path) -> str:
    values = json_object(at / "config.json")
    chosen = values.get("pooling_mode")
    if chosen is None:  # before version 6: one switch for each
        chosen = [name for name in ("mean", "cls") if values.get(f"pooling_mode_{name}_token{'s' * (name == 'mean')}")]
        others = [name for name, on in values.items() if name.startswith("pooling_mode_") and on]
        chosen = chosen[0] if len(others) == 1 and chosen else ", ".join(others)
    if chosen not in POOLINGS:
        raise PretrainedError(
            f"{at / 'config.json'}: pooling {chosen!r} is not supported, only {' and '.join(POOLINGS)}"
        )
    return str(chosen)


def _dense(at: Path) -> tuple[nn.Module, int]:
    """A layer into another space, and its width."""
    values, state = json_object(at / "config.json"), _weights(at)
    activation = str(values.get("activation_function", "")).rsplit(".", 1)[-1]
    if activation not in _ACTIVATIONS:
        raise PretrainedError(
            f"{at / 'config.json'}: activation {activation!r} is not one of {', '.join(_ACTIVATIONS)}"
        )
    try:
        layer = nn.Linear(int(values["in_features"]), int(values["out_features"]), bias=bool(values.get("bias", True)))
        layer.load_state_dict({key.removeprefix("linear."): value for key, value in state.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise PretrainedError(f"{at} does not describe a dense layer: {error}") from error
    return nn.Sequential(layer, _ACTIVATIONS[activation]()), layer.out_features


def _tokenizer(at: Path, config: Any) -> Tokenizer:
    tokenizer = read_tokenizer(at / TOKENIZER)
    require_room(at / TOKENIZER, tokenizer, config.vocab_size)
    longest = [LONGEST, config.max_position_embeddings - 2 * (config.model_type == "xlm-roberta")]
    for file, field in (("sentence_bert_config.json", "max_seq_length"), ("tokenizer_config.json", "model_max_length")):
        with contextlib.suppress(TypeError, ValueError, OverflowError):
            longest.append(int(json_object(at / file, missing_ok=True).get(field) or LONGEST))
    pad_id = int(getattr(config, "pad_token_id", None) or 0)
    tokenizer.enable_truncation(max_length=max(1, min(longest)))
    tokenizer.enable_padding(pad_id=pad_id, pad_token=tokenizer.id_to_token(pad_id) or "[PAD]")
    return tokenizer
