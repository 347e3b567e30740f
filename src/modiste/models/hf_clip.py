"""Published CLIP and SigLIP checkpoints as Modiste encoders, with the preprocessing they were trained with.

Reads Hugging Face folders in `transformers` format and in open_clip format (`hf_keys.py`), by hub name or local path.
Nothing from a checkpoint is ever run: weights are safetensors, model classes are chosen here, `auto_map` is ignored.

Sources: Radford et al., ICML 2021 (arXiv 2103.00020); Zhai et al., "Sigmoid Loss for Language Image Pre-Training", ICCV
2023 (arXiv 2303.15343): its text tower attends to the padding, so texts are always padded to the trained length.
"""

from __future__ import annotations

import contextlib
import hashlib
import html
import re
import string
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor

from modiste.files import parse_json
from modiste.models.hf_keys import KeyMapError, convert_clip, convert_siglip, layout_of
from modiste.models.inference import ImageTextEncoder
from modiste.models.pretrained import PretrainedError, check_numbers
from modiste.models.reading import reading_of
from modiste.types import Reading

MODEL_TYPES = ("clip", "siglip", "chinese_clip", "altclip")
OPEN_CLIP_CONFIG = "open_clip_config.json"
# Everything beside the weights that a vector depends on; nothing else is downloaded or read.
SETTINGS = (
    "config.json", OPEN_CLIP_CONFIG, "preprocessor_config.json", "processor_config.json", "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt", "vocab.txt",
)  # fmt: skip
# Where a folder has both, open_clip's file is the one that its configuration describes.
WEIGHTS = ("open_clip_model.safetensors", "model.safetensors")
INDEX = "model.safetensors.index.json"
CARD = "README.md"  # says in which languages the texts were; no vector depends on it
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
MAX_ASPECT = 16  # a sliver resized by its short side would grow without bound


class PublishedTowers:
    """A CLIP or SigLIP with its tokenizer and image processor, as `modiste.models.inference.Towers`.

    Chinese-CLIP (Yang et al. 2022, arXiv 2211.01335) and AltCLIP (Chen et al. 2023, arXiv 2211.06679) are CLIPs whose texts a
    BERT of other languages reads.
    """

    draft_size: tuple[int, int] | None = None  # a published model's own preprocessing, to the pixel

    def __init__(
        self,
        model: Any,
        processor: Any,
        tokenizer: Tokenizer,
        *,
        clean: Callable[[str], str],
        device: str | torch.device = "cpu",
    ) -> None:
        self.device = torch.device(device)
        self.model = model.eval().to(self.device)
        self.processor = processor
        self.tokenizer = tokenizer  # truncates and pads as `_tokenizer` set it up
        self.clean = clean
        self.masks_padding = model.config.model_type != "siglip"
        self.vocab_size = model.config.text_config.vocab_size
        self.embed_dim = _embed_dim(model)

    @property
    def logit_scale(self) -> float:
        """What the model multiplies cosines with; ranking does not need it, probabilities do."""
        return float(self.model.logit_scale.detach().exp())

    @property
    def logit_bias(self) -> float:
        """What SigLIP adds to a logit; 0 for CLIP."""
        bias = getattr(self.model, "logit_bias", None)
        return 0.0 if bias is None else float(bias.detach())

    def prepare_image(self, pixels: np.ndarray) -> Tensor:
        return prepared_pixels(self.processor, pixels)

    def embed_images(self, prepared: Sequence[Tensor]) -> Tensor:
        pixel_values = torch.stack(list(prepared)).to(self.device)
        return unit_features(self.model.get_image_features(pixel_values=pixel_values))

    def reading(self, text: str, languages: Sequence[str]) -> Reading:
        return reading_of(text, self.tokenizer, languages=languages, clean=self.clean)

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        return unit_features(
            self.model.get_text_features(**{key: rows.to(self.device) for key, rows in token_rows(self, texts).items()})
        )


class ReadsTexts(Protocol):
    """What a published model's texts become token ids by."""

    tokenizer: Tokenizer
    clean: Callable[[str], str]
    masks_padding: bool
    vocab_size: int


def token_rows(reader: ReadsTexts, texts: Sequence[str]) -> dict[str, Tensor]:
    """`input_ids` (B, L), and `attention_mask` (B, L) where the model masks its padding."""
    encodings = reader.tokenizer.encode_batch([reader.clean(text) for text in texts])
    # A word that only the tokenizer knows (<extra_id_0>) becomes token 0; a query must never break the lookup.
    found = {"input_ids": torch.tensor([[n if n < reader.vocab_size else 0 for n in one.ids] for one in encodings])}
    if reader.masks_padding:
        found["attention_mask"] = torch.tensor([one.attention_mask for one in encodings])
    return found


def prepared_pixels(processor: Any, pixels: np.ndarray) -> Tensor:
    """(H, W, 3) uint8 of any size -> (3, S, S) float32, by the checkpoint's own recipe."""
    if getattr(processor, "do_center_crop", None):
        pixels = _without_sliver(pixels)
    if (box := _resized_and_kept(processor, pixels)) is not None:
        return _prepared_at_once(processor, pixels, *box)
    prepared = processor(images=pixels, input_data_format="channels_last", return_tensors="np")
    return torch.from_numpy(np.ascontiguousarray(prepared["pixel_values"][0], dtype=np.float32))


Box = tuple[int, int, int, int]


def _resized_and_kept(processor: Any, pixels: np.ndarray) -> tuple[tuple[int, int], Box] | None:
    """(width, height) to resize to, and the box that is kept; None for a recipe other than CLIP's and SigLIP's usual ones."""
    if not (processor.do_resize and processor.do_rescale and processor.do_normalize):
        return None
    size = dict(processor.size)
    height, width = pixels.shape[:2]
    if not getattr(processor, "do_center_crop", None):
        if not (size.get("height") and size.get("width")):
            return None
        return (size["width"], size["height"]), (0, 0, size["width"], size["height"])
    short, crop = size.get("shortest_edge"), dict(processor.crop_size)
    if not short or max(crop["height"], crop["width"]) > short:
        return None
    longer = int(short * max(height, width) / min(height, width))
    new_width, new_height = (short, longer) if width <= height else (longer, short)
    left, top = (new_width - crop["width"]) // 2, (new_height - crop["height"]) // 2
    return (new_width, new_height), (left, top, left + crop["width"], top + crop["height"])


def _prepared_at_once(processor: Any, pixels: np.ndarray, size: tuple[int, int], kept: Box) -> Tensor:
    """What the processor does, bit for bit, with as little copying as it takes: a level becomes a number by a table."""
    from PIL import Image

    shown = np.asarray(Image.fromarray(pixels).resize(size, processor.resample).crop(kept))
    levels = (np.arange(256, dtype=np.float64) * processor.rescale_factor).astype(np.float32)
    made = np.empty((3, *shown.shape[:2]), np.float32)
    for channel, (mean, std) in enumerate(zip(processor.image_mean, processor.image_std, strict=True)):
        np.take((levels - np.float32(mean)) / np.float32(std), shown[:, :, channel], out=made[channel], mode="clip")
    return torch.from_numpy(made)


def load_published(source: str, *, name: str, device: str = "cpu", revision: str | None = None) -> ImageTextEncoder:
    """A published CLIP or SigLIP by hub name (`organisation/model`) or local folder.

    The encoder's sha256 covers the weights and every settings file read, so another revision is another encoder.

    Raises
    ------
    PretrainedError
        If it cannot be found, is pickled only, is not a CLIP or SigLIP, or its files do not fit each other.
    """
    folder = Path(source) if Path(source).is_dir() else _download(source, revision)
    files = _weights_in(folder)
    if not files:
        raise PretrainedError(_no_safetensors(source, folder))
    with quiet():
        model, open_clip = _model(folder, files)
        processor = _processor(folder, open_clip)
        towers = PublishedTowers(
            model,
            processor,
            _tokenizer(folder, model.config),
            clean=_cleaning(folder, model.config, open_clip),
            device=device,
        )
        _check_preprocessing(towers, folder)
    settings = [folder / file for file in SETTINGS if (folder / file).is_file()]
    return ImageTextEncoder(
        towers, name=name, sha256=files_sha256([*settings, *files]), languages=declared_languages(folder)
    )


# --- finding the files


def _download(source: str, revision: str | None) -> Path:
    """The folder of one commit in the hub's cache; only settings and one set of weights are fetched."""
    from huggingface_hub import hf_hub_download, snapshot_download

    try:
        folder = Path(snapshot_download(source, revision=revision, allow_patterns=[*SETTINGS, INDEX, CARD]))
        commit = folder.name  # both steps from the same commit, even if the branch moves in between
        if (folder / INDEX).is_file():
            for shard in sorted(set(_shards(folder))):
                hf_hub_download(source, shard, revision=commit)
        elif not _weights_in(folder):
            _fetch_first(source, _candidates(folder), commit)
    except Exception as error:  # the hub raises its own, httpx's and the operating system's errors
        reason = str(error).strip().splitlines()
        raise PretrainedError(
            f"{source}{f' at revision {revision}' if revision else ''} is neither a local folder nor a cached model, and it "
            f"could not be downloaded ({type(error).__name__}: {reason[0] if reason else 'no reason given'}). On a machine "
            f"with a network run `hf download {source} --local-dir FOLDER`, then give FOLDER instead of the name"
        ) from error
    return folder


def _fetch_first(source: str, files: Sequence[str], commit: str) -> None:
    """The first of the files that the repository has; none of them is an error only where nobody could be asked."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    offline = None
    for file in files:
        try:
            hf_hub_download(source, file, revision=commit)
            return
        except LocalEntryNotFoundError as error:
            offline = error
        except EntryNotFoundError:
            continue
    if offline:
        raise offline


def _weights_in(folder: Path) -> list[Path]:
    if (folder / INDEX).is_file():
        return [folder / shard for shard in sorted(set(_shards(folder)))]
    return next(([folder / file] for file in _candidates(folder) if (folder / file).is_file()), [])


def _candidates(folder: Path) -> tuple[str, ...]:
    return WEIGHTS if (folder / OPEN_CLIP_CONFIG).is_file() else tuple(reversed(WEIGHTS))


def _shards(folder: Path) -> list[str]:
    names = json_object(folder / INDEX).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise PretrainedError(f"{folder / INDEX} has no weight_map")
    for name in names.values():
        if not isinstance(name, str) or Path(name).name != name or not name.endswith(".safetensors"):
            raise PretrainedError(f"{folder / INDEX} names {name!r}, which is not a safetensors file in its folder")
    return list(names.values())


def _no_safetensors(source: str, folder: Path) -> str:
    pickled = sorted(file.name for pattern in PICKLED for file in folder.glob(pattern))
    found = f"only pickled weights ({', '.join(pickled)})" if pickled else "no model.safetensors"
    return (
        f"{source} has {found}. Pickled weights can run code when they are read, so they are refused. Many such models on "
        "the hub have a converted revision: pass revision='refs/pr/N' (see the model's pull requests). Or convert a "
        "checkpoint that you trust, in an isolated environment: safetensors.torch.save_file(torch.load(FILE, "
        "weights_only=True), 'model.safetensors')"
    )


# --- weights and architecture


def _model(folder: Path, files: list[Path]) -> tuple[Any, dict[str, Any] | None]:
    """The model, and open_clip's configuration where the weights are in its format."""
    import transformers as hf

    classes: dict[str, tuple[Any, Any]] = {
        "clip": (hf.CLIPConfig, hf.CLIPModel),
        "siglip": (hf.SiglipConfig, hf.SiglipModel),
        "chinese_clip": (hf.ChineseCLIPConfig, hf.ChineseCLIPModel),
        "altclip": (hf.AltCLIPConfig, hf.AltCLIPModel),
    }
    try:
        keys = []
        for file in files:
            with safe_open(file, framework="pt") as handle:
                keys += list(handle.keys())
        layout = layout_of(keys)
        state = {key: value for file in files for key, value in load_file(file).items()}
    except (SafetensorError, OSError, RuntimeError) as error:
        raise PretrainedError(f"{files[0]} is missing or damaged: {error}") from error
    except KeyMapError as error:
        raise PretrainedError(f"{files[0]}: {error}") from error
    state = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    open_clip = None
    if layout == "transformers":
        values = json_object(folder / "config.json")
        kind = values.get("model_type")
        if kind not in MODEL_TYPES:
            hint = ": NaFlex models take images as patch lists; use a fixed-size siglip2-*-patch16-224" * (
                kind == "siglip2"
            )
            raise PretrainedError(
                f"{folder / 'config.json'}: model type {kind!r} is not supported, only {' and '.join(MODEL_TYPES)}{hint}"
            )
        arguments = inert(values)
    else:
        kind = layout.removeprefix("open_clip_")
        open_clip = json_object(folder / OPEN_CLIP_CONFIG)
        convert = convert_clip if kind == "clip" else convert_siglip
        try:
            arguments, state = convert(state, open_clip.get("model_cfg") or {})
        except KeyMapError as error:
            raise PretrainedError(f"{folder}, weights in open_clip format: {error}") from error
    config_class, model_class = classes[kind]
    try:
        check_numbers(arguments, state)
        config = config_class(**arguments)
        model, report = model_class.from_pretrained(
            None,
            config=config,
            state_dict=state,
            dtype=torch.float32,
            attn_implementation="sdpa",
            output_loading_info=True,
        )
    except Exception as error:  # transformers checks settings and shapes with several exception types
        raise PretrainedError(f"{files[0]} does not fit {folder / 'config.json'}: {error}") from error
    unexpected = [key for key in report["unexpected_keys"] if not key.endswith("position_ids")]  # old versions' buffers
    problems = [f"missing {key}" for key in sorted(report["missing_keys"])]
    problems += [f"unexpected {key}" for key in sorted(unexpected)]
    problems += [f"wrong shape of {key}" for key in sorted(map(str, report.get("mismatched_keys", ())))]
    if problems:
        raise PretrainedError(f"{files[0]} does not fit {folder / 'config.json'}: {'; '.join(problems[:5])}")
    return model, open_clip


def inert(config: dict[str, Any]) -> dict[str, Any]:
    """Without what could name code or kernels to fetch, or change the numerics."""
    dangerous = {
        "auto_map", "_attn_implementation", "attn_implementation", "quantization_config", "torch_dtype", "dtype",
        "model_type", "transformers_version", "architectures", "_name_or_path",
    }  # fmt: skip
    return {
        key: inert(value) if isinstance(value, dict) else value for key, value in config.items() if key not in dangerous
    }


def _embed_dim(model: Any) -> int:
    if model.config.model_type != "siglip":
        return int(model.config.projection_dim)
    text, vision = model.text_model.head.out_features, model.config.vision_config.hidden_size
    if text != vision:
        raise PretrainedError(f"the towers' embeddings have different widths: {vision} for images, {text} for texts")
    return int(vision)


# --- preprocessing


def _processor(folder: Path, open_clip: dict[str, Any] | None) -> Any:
    """The checkpoint's image transform; always transformers' Pillow implementation, whose results we test."""
    if open_clip and (recipe := open_clip.get("preprocess_cfg")):
        return _open_clip_processor(folder, recipe, open_clip["model_cfg"]["vision_cfg"].get("image_size", 224))
    if (folder / "preprocessor_config.json").is_file():
        file = folder / "preprocessor_config.json"
        values = json_object(file)
    elif (folder / "processor_config.json").is_file():
        file = folder / "processor_config.json"
        values = json_object(file).get("image_processor") or {}
    else:
        raise PretrainedError(
            f"{folder / 'preprocessor_config.json'} is missing: it says how the model's images were made"
        )
    kind = str(values.get("image_processor_type") or values.get("feature_extractor_type") or "")
    known = image_processors()
    name = re.sub(r"(ImageProcessor(Fast|Pil)?|FeatureExtractor)$", "", kind) + "ImageProcessorPil"
    if name not in known:
        raise PretrainedError(f"{file}: image processor {kind!r} is not supported, only CLIP's and SigLIP's")
    settings = {key: value for key, value in values.items() if not key.endswith("_type") and key not in _NOT_SETTINGS}
    try:
        return known[name](**settings)
    except Exception as error:  # transformers checks settings with several exception types
        raise PretrainedError(f"{file} is not understood: {error}") from error


_NOT_SETTINGS = {"auto_map", "processor_class"}


def _open_clip_processor(folder: Path, recipe: dict[str, Any], size: int) -> Any:
    from PIL.Image import Resampling
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    try:
        mode = recipe.get("resize_mode") or "shortest"
        shared: dict[str, Any] = {
            "image_mean": list(recipe["mean"]),
            "image_std": list(recipe["std"]),
            "resample": Resampling[str(recipe.get("interpolation", "bicubic")).upper()],
        }
    except (KeyError, TypeError) as error:
        raise PretrainedError(f"{folder / OPEN_CLIP_CONFIG}: preprocess_cfg is not understood: {error!r}") from error
    square = {"height": size, "width": size}
    if mode == "squash":
        return SiglipImageProcessorPil(size=square, **shared)
    if mode == "shortest":
        return CLIPImageProcessorPil(size={"shortest_edge": size}, crop_size=square, **shared)
    raise PretrainedError(
        f"{folder / OPEN_CLIP_CONFIG}: resize_mode {mode!r} is not supported, only squash and shortest"
    )


def _check_preprocessing(towers: PublishedTowers, folder: Path) -> None:
    size = towers.model.config.vision_config.image_size
    made = tuple(towers.prepare_image(np.zeros((5, 9, 3), np.uint8)).shape)
    if made != (3, size, size):
        raise PretrainedError(f"{folder}: the image processor makes {made}, but the model takes {(3, size, size)}")


def _without_sliver(pixels: np.ndarray) -> np.ndarray:
    """The middle of an image with an extreme aspect ratio; the centre crop that follows would cut the ends off anyway."""
    height, width = pixels.shape[:2]
    longest = MAX_ASPECT * min(height, width)
    top, left = max(0, height - longest) // 2, max(0, width - longest) // 2
    return pixels[top : top + min(height, longest), left : left + min(width, longest)]


def _tokenizer(folder: Path, config: Any) -> Tokenizer:
    """The checkpoint's tokenizer, cutting at the trained length; SigLIP's also pads to it, on the trained side."""
    file = folder / "tokenizer.json"
    if file.is_file():
        try:
            tokenizer = Tokenizer.from_file(str(file))
        except Exception as error:  # the tokenizers library raises plain Exception
            raise PretrainedError(f"{file} is damaged: {error}") from error
    elif (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        from transformers import CLIPTokenizer

        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True).backend_tokenizer
    elif config.model_type == "chinese_clip" and (folder / "vocab.txt").is_file():
        from transformers import BertTokenizer

        tokenizer = BertTokenizer.from_pretrained(folder, local_files_only=True).backend_tokenizer
    else:
        raise PretrainedError(
            f"{file} is missing. Where a model has only a SentencePiece file (spiece.model), make it once, with "
            f"`sentencepiece` and `protobuf` installed: AutoTokenizer.from_pretrained(MODEL).save_pretrained({str(folder)!r})"
        )
    text = config.text_config
    # T5-style files have words beyond the model's vocabulary (<extra_id_0>...), so their number alone says nothing.
    if max(tokenizer.encode(string.printable).ids, default=0) >= text.vocab_size:
        raise PretrainedError(f"{file} makes token ids that the model's vocabulary of {text.vocab_size} does not have")
    settings = json_object(folder / "tokenizer_config.json", missing_ok=True)
    special = json_object(folder / "special_tokens_map.json", missing_ok=True)
    pad = settings.get("pad_token") or special.get("pad_token")
    pad = pad.get("content") if isinstance(pad, dict) else pad
    pad_id = tokenizer.token_to_id(pad) if isinstance(pad, str) else None
    siglip = config.model_type == "siglip"
    if pad_id is None:
        if siglip:  # attended to, so guessing it would change every vector
            raise PretrainedError(
                f"{folder / 'tokenizer_config.json'}: the padding token {pad!r} is not in {file.name}"
            )
        pad, pad_id = "", 0
    length = _longest_text(settings, config)
    side = settings.get("padding_side", "right")
    if side not in ("left", "right"):
        raise PretrainedError(f"{folder / 'tokenizer_config.json'}: padding_side {side!r} is neither left nor right")
    tokenizer.enable_truncation(max_length=length)
    tokenizer.enable_padding(
        direction=side if siglip else "right", pad_id=pad_id, pad_token=pad, length=length if siglip else None
    )
    return tokenizer


def _longest_text(settings: dict[str, Any], config: Any) -> int:
    """Tokens of the longest text: what the model has positions for; of BERT's kinds no more than it was trained with."""
    positions = int(config.text_config.max_position_embeddings)
    if config.model_type in ("clip", "siglip"):
        return positions
    positions -= 2 * (config.model_type == "altclip")  # XLM-R counts them from the padding's on
    trained = settings.get("model_max_length")
    return max(1, min(positions, trained if isinstance(trained, int) and trained > 0 else _TRAINED[config.model_type]))


_TRAINED = {"chinese_clip": 52, "altclip": 77}


def _cleaning(folder: Path, config: Any, open_clip: dict[str, Any] | None) -> Callable[[str], str]:
    """What training did to a text before the tokenizer saw it."""
    siglip = config.model_type == "siglip"
    if open_clip:
        text = open_clip["model_cfg"]["text_cfg"]
        clean = (text.get("tokenizer_kwargs") or {}).get("clean") or ("canonicalize" if siglip else "lower")
        known = {"canonicalize": canonicalise, "lower": _lowered, "whitespace": _tidied}
        if clean not in known:
            raise PretrainedError(
                f"{folder / OPEN_CLIP_CONFIG}: text cleaning {clean!r} is not one of {', '.join(known)}"
            )
        return known[clean]
    if not siglip:
        return str  # the tokenizers of CLIP and BERT do themselves what was done
    kind = str(json_object(folder / "tokenizer_config.json", missing_ok=True).get("tokenizer_class", ""))
    # SigLIP removes punctuation in its Python tokenizer class, which tokenizer.json alone need not do; SigLIP 2 only
    # lower-cases. Both are harmless where tokenizer.json does them too.
    return _stripped if kind.startswith(("Siglip", "T5")) and not kind.startswith("Siglip2") else str.lower


# What open_clip's cleaning (ftfy) does to well-formed text: straight quotes, no ligatures, no full-width letters.
_PLAIN = (
    str.maketrans("‘’‚‛“”„‟", "''''\"\"\"\"")
    | {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}
    | {code: unicodedata.normalize("NFKC", chr(code)) for code in range(0xFB00, 0xFB07)}
)
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def _tidied(text: str) -> str:
    text = html.unescape(html.unescape(unicodedata.normalize("NFC", text).translate(_PLAIN)))
    return " ".join(text.split())


def _lowered(text: str) -> str:
    return _tidied(text).lower()


def _stripped(text: str) -> str:
    return " ".join(text.translate(_NO_PUNCTUATION).lower().split())


def canonicalise(text: str) -> str:
    """Lower case, no punctuation, single spaces, as SigLIP was trained (big_vision's `canonicalize`)."""
    return _stripped(_tidied(text).replace("_", " "))


CLEANINGS: dict[str, Callable[[str], str]] = {
    "none": str, "lower_case": str.lower, "stripped": _stripped, "whitespace": _tidied, "lower": _lowered,
    "canonicalize": canonicalise,
}  # fmt: skip
"""By the names that an export calls them."""


def image_processors() -> dict[str, Any]:
    """The image transforms that there are, by class name; importing them takes a second."""
    from transformers.models.chinese_clip.image_processing_pil_chinese_clip import ChineseCLIPImageProcessorPil
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    return {one.__name__: one for one in (CLIPImageProcessorPil, ChineseCLIPImageProcessorPil, SiglipImageProcessorPil)}


# --- small things


def declared_languages(folder: Path) -> tuple[str, ...]:
    """The codes that the model's card declares; () for a card that says nothing, or that cannot be read."""
    from huggingface_hub import metadata_load

    try:
        found = (metadata_load(folder / CARD) or {}).get("language")
    except Exception:  # a card is for people: whatever is wrong with it, the model is none the worse
        return ()
    found = [found] if isinstance(found, str) else found
    return tuple(one for one in found if isinstance(one, str)) if isinstance(found, list) else ()


def json_object(file: Path, *, missing_ok: bool = False) -> dict[str, Any]:
    try:
        values = parse_json(file.read_bytes())
    except FileNotFoundError:
        if missing_ok:
            return {}
        raise PretrainedError(f"{file} is missing") from None
    except (OSError, ValueError) as error:
        raise PretrainedError(f"{file} cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise PretrainedError(f"{file} must hold one JSON object")
    return values


def files_sha256(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda path: path.name):
        digest.update(f"{file.name} {file.stat().st_size}\n".encode())
        with file.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def unit_features(features: Any) -> Tensor:
    """Unit rows; transformers returns the features bare or, from version 5, as an output's pooled field."""
    tensor = features if isinstance(features, Tensor) else features.pooler_output
    return torch.nn.functional.normalize(tensor.float(), dim=1)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """No progress bars or advice from transformers while loading; what is wrong becomes a PretrainedError."""
    from transformers.utils import logging

    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
