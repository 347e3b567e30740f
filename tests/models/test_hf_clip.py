"""Published checkpoints against transformers' own pipeline, and open_clip's naming against an inverse and a naive forward.

The checkpoints are tiny random ones made here. The open_clip names are written out in this file a second time, in the
other direction, so a mistake in the key map cannot hide behind itself.
"""

from __future__ import annotations

import json
import logging
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast, SiglipConfig, SiglipModel
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

from modiste.models import hf_keys
from modiste.models.hf_clip import PublishedTowers, canonicalise, load_published
from modiste.models.pretrained import PretrainedError

WIDTH, HEADS, LAYERS, SIZE, PATCH = 32, 4, 2, 32, 8
WORDS = ["red", "dress", "blue", "denim", "jacket", "womens", "t", "shirt"]
TEXTS = ["Red dress", "blue denim jacket", "", "womens t shirt " * 60]


def sizes(vocabulary: int, length: int, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    shared = dict(hidden_size=WIDTH, intermediate_size=48, num_hidden_layers=LAYERS, num_attention_heads=HEADS, **more)
    text = dict(
        shared, vocab_size=vocabulary, max_position_embeddings=length, bos_token_id=0, eos_token_id=vocabulary - 1
    )
    return text, dict(shared, image_size=SIZE, patch_size=PATCH)


def scramble(model: torch.nn.Module) -> None:
    """Weights of size one everywhere, biases and norms included: what is misplaced must be seen."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_scale = "norm" in name and name.endswith("weight")
            parameter.copy_(1 + 0.3 * noise if is_scale else noise * (0.3 if parameter.ndim > 1 else 0.5))


def clip_tokenizer(folder: Path, length: int = 77) -> None:
    """A byte-level BPE with CLIP's end-of-word marks, without merges: letters are tokens."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = ["<|startoftext|>", *letters, *(letter + "</w>" for letter in letters), "<|endoftext|>"]
    vocabulary = {token: n for n, token in enumerate(tokens)}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<|endoftext|>", end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    start, end = "<|startoftext|>", "<|endoftext|>"
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(start, 0), (end, len(tokens) - 1)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=start,
        eos_token=end,
        unk_token=end,
        pad_token=end,
        model_max_length=length,
    )
    fast.save_pretrained(folder)


CLIP_VOCABULARY = 2 * 256 + 2


def siglip_tokenizer(folder: Path, *, name: str = "SiglipTokenizer", length: int = 64) -> PreTrainedTokenizerFast:
    """Whole words, `</s>` as end and padding: what sentencepiece would make of a tiny vocabulary."""
    tokens = ["<pad>", "</s>", "<unk>", *WORDS]
    tokenizer = Tokenizer(models.WordLevel({token: n for n, token in enumerate(tokens)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="</s>", unk_token="<unk>", pad_token="</s>", model_max_length=length
    )
    fast.save_pretrained(folder)
    file = folder / "tokenizer_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"tokenizer_class": name}))
    return fast


SIGLIP_VOCABULARY = 3 + len(WORDS)


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    text, vision = sizes(CLIP_VOCABULARY, 77, hidden_act="quick_gelu")
    model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=24))
    scramble(model)
    model.save_pretrained(folder)
    clip_tokenizer(folder)
    CLIPImageProcessorPil(size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE}).save_pretrained(
        folder
    )
    return folder


@pytest.fixture(scope="module")
def siglip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("siglip")
    text, vision = sizes(SIGLIP_VOCABULARY, 64)
    model = SiglipModel(SiglipConfig(text_config=text, vision_config=vision))
    scramble(model)
    model.save_pretrained(folder)
    siglip_tokenizer(folder)
    SiglipImageProcessorPil(size={"height": SIZE, "width": SIZE}).save_pretrained(folder)
    return folder


def towers(folder: Path) -> PublishedTowers:
    loaded = load_published(str(folder), name="tiny", device="cpu", revision=None).towers
    assert isinstance(loaded, PublishedTowers)
    return loaded


def features(output: Any) -> Tensor:
    return F.normalize(output if isinstance(output, Tensor) else output.pooler_output, dim=1)


def photos() -> list[np.ndarray]:
    random = np.random.default_rng(3)
    return [random.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in ((40, 60), (91, 33), (3, 3), (32, 32))]


def pictures() -> list[Image.Image]:
    """The photos as transformers' users pass them; in arrays of (3, 3, 3) it would take the channels to be first."""
    return [Image.fromarray(photo) for photo in photos()]


def copy(folder: Path, target: Path) -> Path:
    target.mkdir()
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def edit(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


# --- the same numbers as transformers' pipeline


@torch.inference_mode()
def test_clip_equals_transformers(clip_folder: Path) -> None:
    ours, model = towers(clip_folder), CLIPModel.from_pretrained(clip_folder).eval()
    pixels = CLIPImageProcessorPil.from_pretrained(clip_folder)(images=pictures(), return_tensors="pt")
    got = ours.embed_images([ours.prepare_image(photo) for photo in photos()])
    torch.testing.assert_close(got, features(model.get_image_features(**pixels)), atol=1e-5, rtol=0)
    tokens = PreTrainedTokenizerFast.from_pretrained(clip_folder)(
        TEXTS, padding=True, truncation=True, max_length=77, return_tensors="pt"
    )
    assert tokens["input_ids"].shape == (4, 77)
    expected = model.get_text_features(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"])
    torch.testing.assert_close(ours.embed_texts(TEXTS), features(expected), atol=1e-5, rtol=0)
    assert ours.embed_dim == got.shape[1] == 24
    assert ours.logit_scale == pytest.approx(float(model.logit_scale.exp()))
    assert ours.logit_bias == 0


@pytest.mark.parametrize("shape", [(40, 60), (91, 33), (33, 32), (3, 3), (200, 17), (32, 32)])
def test_photos_are_prepared_as_the_processor_does(
    clip_folder: Path, siglip_folder: Path, shape: tuple[int, int]
) -> None:
    photo = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    for folder, kind in ((clip_folder, CLIPImageProcessorPil), (siglip_folder, SiglipImageProcessorPil)):
        expected = kind.from_pretrained(folder)(images=Image.fromarray(photo), return_tensors="pt")["pixel_values"][0]
        torch.testing.assert_close(towers(folder).prepare_image(photo), expected, atol=1e-5, rtol=0)


@torch.inference_mode()
def test_siglip_equals_transformers(siglip_folder: Path) -> None:
    ours, model = towers(siglip_folder), SiglipModel.from_pretrained(siglip_folder).eval()
    pixels = SiglipImageProcessorPil.from_pretrained(siglip_folder)(images=pictures(), return_tensors="pt")
    got = ours.embed_images([ours.prepare_image(photo) for photo in photos()])
    torch.testing.assert_close(got, features(model.get_image_features(**pixels)), atol=1e-5, rtol=0)
    tokens = PreTrainedTokenizerFast(tokenizer_file=str(siglip_folder / "tokenizer.json"), pad_token="</s>")(
        [text.lower() for text in TEXTS], padding="max_length", truncation=True, max_length=64, return_tensors="pt"
    )
    expected = features(model.get_text_features(input_ids=tokens["input_ids"]))
    torch.testing.assert_close(ours.embed_texts(TEXTS), expected, atol=1e-5, rtol=0)
    assert ours.logit_bias == pytest.approx(float(model.logit_bias))


@torch.inference_mode()
def test_siglip_texts_are_padded_as_trained(siglip_folder: Path) -> None:
    """Padded to the longest of the batch only, the vectors would be others: the classic mistake must be visible."""
    ours = towers(siglip_folder)
    assert [len(encoding.ids) for encoding in ours.tokenizer.encode_batch(["red", "red dress"])] == [64, 64]
    assert ours.tokenizer.encode("red").ids[-1] == 1  # padded with </s>, on the right
    short = torch.tensor([ours.tokenizer.encode("red").ids[:2]])
    wrong = features(ours.model.get_text_features(input_ids=short))
    assert (wrong - ours.embed_texts(["red"])).abs().max() > 0.01


@torch.inference_mode()
def test_siglip_ignores_case_and_punctuation(siglip_folder: Path, tmp_path: Path) -> None:
    first, second = towers(siglip_folder).embed_texts(["Women's T-shirt!", "womens tshirt"])
    assert torch.equal(first, second)
    newer = copy(siglip_folder, tmp_path / "siglip2")  # SigLIP 2 keeps punctuation
    siglip_tokenizer(newer, name="GemmaTokenizer")
    ours = towers(newer)
    one, two, three = ours.embed_texts(["RED dress", "red dress", "red dress!"])
    assert torch.equal(one, two)
    assert not torch.equal(two, three)


def test_words_that_only_the_tokenizer_knows(clip_folder: Path, tmp_path: Path) -> None:
    """T5 tokenizers have a hundred <extra_id_N> beyond the model's vocabulary; typing one must not break a search."""
    extra = copy(clip_folder, tmp_path / "extra")
    tokenizer = Tokenizer.from_file(str(extra / "tokenizer.json"))
    tokenizer.add_special_tokens(["<extra_id_0>"])
    assert tokenizer.encode("<extra_id_0>").ids[1] == CLIP_VOCABULARY
    tokenizer.save(str(extra / "tokenizer.json"))
    ours = towers(extra)
    with torch.inference_mode():
        assert torch.isfinite(ours.embed_texts(["red <extra_id_0>"])).all()
        assert torch.equal(ours.embed_texts(["red"]), towers(clip_folder).embed_texts(["red"]))


def test_results_do_not_depend_on_batching(clip_folder: Path, siglip_folder: Path) -> None:
    for folder in (clip_folder, siglip_folder):
        encoder = load_published(str(folder), name="tiny", device="cpu", revision=None)
        together, texts = encoder.encode_images(photos()).vectors, encoder.encode_texts(TEXTS).vectors
        for n, photo in enumerate(photos()):
            np.testing.assert_allclose(encoder.encode_images([photo]).vectors[0], together[n], atol=1e-5)
        for n, text in enumerate(TEXTS):
            np.testing.assert_allclose(encoder.encode_texts([text]).vectors[0], texts[n], atol=1e-5)
        np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70))
def test_images_of_any_size(height: int, width: int, clip_folder: Path) -> None:
    processor = CLIPImageProcessorPil.from_pretrained(clip_folder)
    pixels = np.arange(height * width * 3, dtype=np.int64).reshape(height, width, 3).astype(np.uint8)
    ours = PublishedTowers.prepare_image(_Prepares(processor), pixels)  # type: ignore[arg-type]
    assert ours.shape == (3, SIZE, SIZE)
    if max(height, width) <= 16 * min(height, width):
        expected = processor(images=pixels, input_data_format="channels_last", return_tensors="pt")["pixel_values"][0]
        assert torch.equal(ours, expected)


class _Prepares:
    def __init__(self, processor: Any) -> None:
        self.processor = processor


def test_a_sliver_does_not_exhaust_memory(clip_folder: Path) -> None:
    """Resized by its short side this one would have 32 x 1,600,000 pixels."""
    assert towers(clip_folder).prepare_image(np.full((50_000, 1, 3), 255, np.uint8)).shape == (3, SIZE, SIZE)


def test_old_style_settings_and_half_precision(clip_folder: Path, tmp_path: Path) -> None:
    """CLIP's first published form: integer sizes, a feature extractor, a stored buffer; here also fp16 weights."""
    old = copy(clip_folder, tmp_path / "old")
    mean, std = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
    (old / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "feature_extractor_type": "CLIPFeatureExtractor", "size": SIZE, "crop_size": SIZE, "do_resize": True,
                "resample": 3, "do_center_crop": True, "do_normalize": True, "image_mean": mean, "image_std": std,
            }
        )
    )  # fmt: skip
    state = {key: value.half() for key, value in load_file(old / "model.safetensors").items()}
    state["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    save_file(state, old / "model.safetensors", metadata={"format": "pt"})
    ours, full = towers(old), towers(clip_folder)
    assert next(ours.model.parameters()).dtype == torch.float32
    for photo in photos():
        assert torch.equal(ours.prepare_image(photo), full.prepare_image(photo))
    with torch.inference_mode():
        torch.testing.assert_close(ours.embed_texts(TEXTS), full.embed_texts(TEXTS), atol=0.02, rtol=0)


def test_fast_image_processors_are_read_with_pillow(siglip_folder: Path, tmp_path: Path) -> None:
    fast = copy(siglip_folder, tmp_path / "fast")
    edit(fast / "preprocessor_config.json", image_processor_type="SiglipImageProcessorFast")
    ours, plain = towers(fast), towers(siglip_folder)
    assert torch.equal(ours.prepare_image(photos()[0]), plain.prepare_image(photos()[0]))


def test_sharded_weights(clip_folder: Path, tmp_path: Path) -> None:
    sharded = copy(clip_folder, tmp_path / "sharded")
    state = load_file(sharded / "model.safetensors")
    (sharded / "model.safetensors").unlink()
    names = {key: f"model-0000{1 + n % 2}-of-00002.safetensors" for n, key in enumerate(sorted(state))}
    for name in set(names.values()):
        save_file({key: state[key] for key in state if names[key] == name}, sharded / name)
    index = sharded / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": names}))
    with torch.inference_mode():
        assert torch.equal(towers(sharded).embed_texts(TEXTS), towers(clip_folder).embed_texts(TEXTS))
    index.write_text(json.dumps({"weight_map": dict.fromkeys(names, "../clip/model.safetensors")}))
    with pytest.raises(PretrainedError, match="not a safetensors file in its folder"):
        towers(sharded)


def test_loading_says_nothing(
    siglip_folder: Path, clip_folder: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        towers(siglip_folder)
        towers(clip_folder).prepare_image(photos()[0])
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


# --- identity


def test_sha256_follows_every_file(clip_folder: Path, tmp_path: Path) -> None:
    def identity(folder: Path) -> str:
        return load_published(str(folder), name="tiny", device="cpu", revision=None).id.sha256

    base = identity(clip_folder)
    same = copy(clip_folder, tmp_path / "same")
    (same / "README.md").write_text("not part of the model")
    assert identity(same) == base
    edit(same / "preprocessor_config.json", image_mean=[0.5, 0.5, 0.5])
    changed = identity(same)
    state = load_file(same / "model.safetensors")
    state["logit_scale"] += 1
    save_file(state, same / "model.safetensors")
    assert len({base, changed, identity(same)}) == 3


# --- nothing runs, everything wrong is named


def test_code_in_a_checkpoint_does_not_run(clip_folder: Path, tmp_path: Path) -> None:
    evil, canary = copy(clip_folder, tmp_path / "evil"), tmp_path / "canary"
    (evil / "evil.py").write_text(f"open({str(canary)!r}, 'w').write('ran')\nclass Evil: pass\n")
    (evil / "__init__.py").write_text(f"open({str(canary)!r}, 'w').write('ran')\n")
    kinds = ("AutoConfig", "AutoModel", "AutoProcessor", "AutoImageProcessor", "AutoTokenizer")
    auto_map = dict.fromkeys(kinds, "evil.Evil")
    edit(evil / "config.json", auto_map=auto_map, attn_implementation="evil/kernel", _attn_implementation="evil/kernel")
    edit(evil / "preprocessor_config.json", auto_map=auto_map)
    edit(evil / "tokenizer_config.json", auto_map=auto_map)
    with torch.inference_mode():
        assert torch.equal(towers(evil).embed_texts(TEXTS), towers(clip_folder).embed_texts(TEXTS))
    edit(evil / "config.json", model_type="evil")
    with pytest.raises(PretrainedError, match=r"'evil' is not supported, only clip and siglip"):
        towers(evil)
    assert not canary.exists()


class _Canary:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.file, "ran")


def test_pickled_weights_are_refused_unread(clip_folder: Path, tmp_path: Path) -> None:
    pickled, canary = copy(clip_folder, tmp_path / "pickled"), tmp_path / "canary"
    (pickled / "model.safetensors").unlink()
    (pickled / "pytorch_model.bin").write_bytes(pickle.dumps(_Canary(canary)))
    with pytest.raises(PretrainedError, match=r"pytorch_model.bin.*refused.*refs/pr/N.*save_file"):
        towers(pickled)
    (pickled / "model.safetensors").write_bytes(pickle.dumps(_Canary(canary)))
    with pytest.raises(PretrainedError, match="missing or damaged"):
        towers(pickled)
    assert not canary.exists()


def _without(key: str) -> Any:
    def change(folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        del state[key]
        save_file(state, folder / "model.safetensors")

    return change


def _with(key: str, value: Tensor) -> Any:
    def change(folder: Path) -> None:
        save_file(load_file(folder / "model.safetensors") | {key: value}, folder / "model.safetensors")

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without("vision_model.post_layernorm.bias"), r"missing vision_model\.post_layernorm\.bias"),
        (_with("text_model.surplus", torch.zeros(2)), r"unexpected text_model\.surplus"),
        (_with("logit_bias", torch.zeros(3)), "does not fit"),
        (lambda folder: edit(folder / "config.json", model_type="siglip2"), "siglip2.*NaFlex"),
        (lambda folder: edit(folder / "config.json", model_type=None), "only clip and siglip"),
        (lambda folder: (folder / "config.json").unlink(), r"config\.json is missing"),
        (lambda folder: (folder / "config.json").write_text("[1]"), "one JSON object"),
        (lambda folder: (folder / "preprocessor_config.json").unlink(), "says how the model's images were made"),
        (
            lambda folder: edit(folder / "preprocessor_config.json", image_processor_type="ViTImageProcessor"),
            "'ViTImageProcessor' is not supported",
        ),
        (
            lambda folder: edit(folder / "preprocessor_config.json", size={"height": 48, "width": 48}),
            r"makes \(3, 48, 48\), but the model takes \(3, 32, 32\)",
        ),
        (lambda folder: (folder / "tokenizer.json").unlink(), "sentencepiece.*save_pretrained"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), r"tokenizer\.json is damaged"),
        (lambda folder: clip_tokenizer(folder), r"tokenizer\.json makes token ids that the model's vocabulary of 11"),
        (lambda folder: edit(folder / "tokenizer_config.json", pad_token="<none>"), "padding token '<none>'"),
    ],
)
def test_damage_is_named(change: Any, message: str, siglip_folder: Path, tmp_path: Path) -> None:
    damaged = copy(siglip_folder, tmp_path / "damaged")
    change(damaged)
    with pytest.raises(PretrainedError, match=message):
        towers(damaged)


def test_a_model_that_is_not_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(PretrainedError, match=r"could not be downloaded.*hf download nobody/nothing --local-dir"):
        load_published("nobody/nothing", name="n", device="cpu", revision="refs/pr/1")


def test_a_model_in_the_hubs_cache(siglip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    repository, commit = tmp_path / "models--maker--tiny", "0123456789abcdef0123456789abcdef01234567"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(commit)
    (repository / "snapshots").mkdir()
    snapshot = copy(siglip_folder, repository / "snapshots" / commit)
    cached = load_published("maker/tiny", name="tiny", device="cpu", revision=None)
    local = load_published(str(siglip_folder), name="tiny", device="cpu", revision=None)
    assert cached.id == local.id
    (snapshot / "model.safetensors").unlink()  # settings cached, weights not: offline nobody can tell what there is
    with pytest.raises(PretrainedError, match="hf download maker/tiny"):
        load_published("maker/tiny", name="tiny", device="cpu", revision=None)


def test_importing_pretrained_does_not_import_transformers() -> None:
    code = "import sys, modiste.models.pretrained; sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- open_clip's format


def fuse(state: dict[str, Tensor], prefix: str, kind: str) -> Tensor:
    return torch.cat([state[f"{prefix}self_attn.{name}_proj.{kind}"] for name in ("q", "k", "v")])


def to_open_clip_blocks(state: dict[str, Tensor], tower: str, prefix: str) -> dict[str, Tensor]:
    out = {}
    for n in range(LAYERS):
        old, new = f"{tower}.encoder.layers.{n}.", f"{prefix}transformer.resblocks.{n}."
        for kind in ("weight", "bias"):
            out[f"{new}attn.in_proj_{kind}"] = fuse(state, old, kind)
            out[f"{new}attn.out_proj.{kind}"] = state[f"{old}self_attn.out_proj.{kind}"]
            out[f"{new}ln_1.{kind}"] = state[f"{old}layer_norm1.{kind}"]
            out[f"{new}ln_2.{kind}"] = state[f"{old}layer_norm2.{kind}"]
            out[f"{new}mlp.c_fc.{kind}"] = state[f"{old}mlp.fc1.{kind}"]
            out[f"{new}mlp.c_proj.{kind}"] = state[f"{old}mlp.fc2.{kind}"]
    return out


def to_open_clip_text(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return to_open_clip_blocks(state, "text_model", prefix) | {
        prefix + "token_embedding.weight": state["text_model.embeddings.token_embedding.weight"],
        prefix + "positional_embedding": state["text_model.embeddings.position_embedding.weight"],
        prefix + "ln_final.weight": state["text_model.final_layer_norm.weight"],
        prefix + "ln_final.bias": state["text_model.final_layer_norm.bias"],
    }


def siglip_to_open_clip(state: dict[str, Tensor]) -> dict[str, Tensor]:
    out = to_open_clip_text(state, "text.")
    out["logit_scale"], out["logit_bias"] = state["logit_scale"].squeeze(), state["logit_bias"].squeeze()
    out["visual.trunk.pos_embed"] = state["vision_model.embeddings.position_embedding.weight"][None]
    out["visual.trunk.attn_pool.latent"] = state["vision_model.head.probe"]
    for kind in ("weight", "bias"):
        out[f"text.text_projection.{kind}"] = state[f"text_model.head.{kind}"]
        out[f"visual.trunk.patch_embed.proj.{kind}"] = state[f"vision_model.embeddings.patch_embedding.{kind}"]
        out[f"visual.trunk.norm.{kind}"] = state[f"vision_model.post_layernorm.{kind}"]
        fused = state[f"vision_model.head.attention.in_proj_{kind}"]
        out[f"visual.trunk.attn_pool.q.{kind}"] = fused[:WIDTH].clone()
        out[f"visual.trunk.attn_pool.kv.{kind}"] = fused[WIDTH:].clone()
        out[f"visual.trunk.attn_pool.proj.{kind}"] = state[f"vision_model.head.attention.out_proj.{kind}"]
        out[f"visual.trunk.attn_pool.norm.{kind}"] = state[f"vision_model.head.layernorm.{kind}"]
        out[f"visual.trunk.attn_pool.mlp.fc1.{kind}"] = state[f"vision_model.head.mlp.fc1.{kind}"]
        out[f"visual.trunk.attn_pool.mlp.fc2.{kind}"] = state[f"vision_model.head.mlp.fc2.{kind}"]
        for n in range(LAYERS):
            old, new = f"vision_model.encoder.layers.{n}.", f"visual.trunk.blocks.{n}."
            out[f"{new}norm1.{kind}"] = state[f"{old}layer_norm1.{kind}"]
            out[f"{new}attn.qkv.{kind}"] = fuse(state, old, kind)
            out[f"{new}attn.proj.{kind}"] = state[f"{old}self_attn.out_proj.{kind}"]
            out[f"{new}norm2.{kind}"] = state[f"{old}layer_norm2.{kind}"]
            out[f"{new}mlp.fc1.{kind}"] = state[f"{old}mlp.fc1.{kind}"]
            out[f"{new}mlp.fc2.{kind}"] = state[f"{old}mlp.fc2.{kind}"]
    return out


def clip_to_open_clip(state: dict[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
    out = to_open_clip_text(state, prefix) | to_open_clip_blocks(state, "vision_model", "visual.")
    out[prefix + "text_projection"] = state["text_projection.weight"].T.contiguous()
    out["visual.proj"] = state["visual_projection.weight"].T.contiguous()
    out["visual.class_embedding"] = state["vision_model.embeddings.class_embedding"]
    out["visual.positional_embedding"] = state["vision_model.embeddings.position_embedding.weight"]
    out["visual.conv1.weight"] = state["vision_model.embeddings.patch_embedding.weight"]
    for kind in ("weight", "bias"):
        out[f"visual.ln_pre.{kind}"] = state[f"vision_model.pre_layrnorm.{kind}"]
        out[f"visual.ln_post.{kind}"] = state[f"vision_model.post_layernorm.{kind}"]
    out["logit_scale"] = state["logit_scale"]
    return out


HALF = [0.5, 0.5, 0.5]


def siglip_settings(**text: Any) -> dict[str, Any]:
    """As open_clip's ViT-B-16-SigLIP.json, in miniature."""
    return {
        "model_cfg": {
            "embed_dim": WIDTH,
            "init_logit_bias": -10,
            "custom_text": True,
            "vision_cfg": {
                "image_size": SIZE, "timm_model_name": "vit_toy", "timm_model_pretrained": False, "timm_pool": "map",
                "timm_proj": "none",
            },
            "text_cfg": {
                "context_length": 64, "vocab_size": SIGLIP_VOCABULARY, "hf_tokenizer_name": "maker/toy",
                "tokenizer_kwargs": {"clean": "canonicalize"}, "width": WIDTH, "heads": HEADS, "layers": LAYERS,
                "no_causal_mask": True, "proj_bias": True, "pool_type": "last", "norm_kwargs": {"eps": 1e-6}, **text,
            },
        },
        "preprocess_cfg": {"mean": HALF, "std": HALF, "interpolation": "bicubic", "resize_mode": "squash"},
    }  # fmt: skip


def write_marqo_like(
    siglip_folder: Path,
    target: Path,
    configuration: dict[str, Any],
    *,
    prefix: str = "",
    file: str = "model.safetensors",
) -> Path:
    """Laid out as Marqo-FashionSigLIP: remote-code config.json, open_clip weights and configuration."""
    folder = copy(siglip_folder, target)
    state = siglip_to_open_clip(load_file(folder / "model.safetensors"))
    (folder / "model.safetensors").unlink()
    save_file({prefix + key: value.contiguous() for key, value in state.items()}, folder / file)
    auto_map = {"AutoConfig": "marqo.Config", "AutoModel": "marqo.Model", "AutoProcessor": "marqo.Processor"}
    (folder / "config.json").write_text(json.dumps({"auto_map": auto_map, "open_clip_model_name": "hf-hub:maker/toy"}))
    (folder / "open_clip_config.json").write_text(json.dumps(configuration))
    siglip_tokenizer(folder, name="T5Tokenizer")
    return folder


@pytest.mark.parametrize(
    ("prefix", "file"),
    [("", "open_clip_model.safetensors"), ("model.", "model.safetensors"), ("", "model.safetensors")],
)
@pytest.mark.parametrize("activation", ["gelu", "gelu_pytorch_tanh"])
@torch.inference_mode()
def test_open_clip_siglip(
    prefix: str, file: str, activation: str, siglip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(hf_keys.TIMM_TOWERS, "vit_toy", (HEADS, activation))
    act = {"act_kwargs": {"approximate": "tanh"}} if activation != "gelu" else {}
    folder = write_marqo_like(siglip_folder, tmp_path / "toy", siglip_settings(**act), prefix=prefix, file=file)
    ours = towers(folder)
    original = SiglipModel.from_pretrained(siglip_folder)
    text, vision = sizes(SIGLIP_VOCABULARY, 64, hidden_act=activation)
    expected = SiglipModel(SiglipConfig(text_config=text, vision_config=vision)).eval()
    expected.load_state_dict(original.state_dict())
    pixels = torch.stack([ours.prepare_image(photo) for photo in photos()])
    reference = SiglipImageProcessorPil(size={"height": SIZE, "width": SIZE})(images=pictures(), return_tensors="pt")
    assert torch.equal(pixels, reference["pixel_values"])
    assert torch.equal(ours.embed_images(list(pixels)), features(expected.get_image_features(pixel_values=pixels)))
    ids = torch.tensor([encoding.ids for encoding in ours.tokenizer.encode_batch([text.lower() for text in TEXTS])])
    assert torch.equal(ours.embed_texts(TEXTS), features(expected.get_text_features(input_ids=ids)))


@pytest.mark.parametrize("activation", ["gelu", "gelu_pytorch_tanh"])
@torch.inference_mode()
def test_timm_tower_written_out(
    activation: str, siglip_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The forward pass of the open_clip-named tensors in plain operations, in float64: q, k, v order, eps, activation."""
    monkeypatch.setitem(hf_keys.TIMM_TOWERS, "vit_toy", (HEADS, activation))
    act = {"act_kwargs": {"approximate": "tanh"}} if activation != "gelu" else {}
    ours = towers(write_marqo_like(siglip_folder, tmp_path / "toy", siglip_settings(**act)))
    state = load_file(tmp_path / "toy" / "model.safetensors")
    w = {key: value.double() for key, value in state.items()}

    def linear(x: Tensor, name: str) -> Tensor:
        return x @ w[name + ".weight"].T + w[name + ".bias"]

    def norm(x: Tensor, name: str) -> Tensor:
        centred = x - x.mean(-1, keepdim=True)
        spread = (centred.square().mean(-1, keepdim=True) + 1e-6).sqrt()
        return centred / spread * w[name + ".weight"] + w[name + ".bias"]

    def gelu(x: Tensor) -> Tensor:
        if activation == "gelu":
            return x / 2 * (1 + torch.erf(x / 2**0.5))
        return x / 2 * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        one, out = WIDTH // HEADS, []
        for head in range(HEADS):
            part = slice(head * one, (head + 1) * one)
            scores = torch.softmax(q[:, part] @ k[:, part].T / one**0.5, dim=-1)
            out.append(scores @ v[:, part])
        return torch.cat(out, dim=-1)

    def image(pixels: Tensor) -> Tensor:
        kernel, rows = w["visual.trunk.patch_embed.proj.weight"].reshape(WIDTH, -1), []
        for top in range(0, SIZE, PATCH):
            for left in range(0, SIZE, PATCH):
                rows.append(kernel @ pixels[:, top : top + PATCH, left : left + PATCH].reshape(-1))
        x = torch.stack(rows) + w["visual.trunk.patch_embed.proj.bias"] + w["visual.trunk.pos_embed"][0]
        for n in range(LAYERS):
            block = f"visual.trunk.blocks.{n}."
            qkv = linear(norm(x, block + "norm1"), block + "attn.qkv")
            x = x + linear(attend(*qkv.split(WIDTH, dim=-1)), block + "attn.proj")
            x = x + linear(gelu(linear(norm(x, block + "norm2"), block + "mlp.fc1")), block + "mlp.fc2")
        x = norm(x, "visual.trunk.norm")
        pool = "visual.trunk.attn_pool."
        k, v = linear(x, pool + "kv").split(WIDTH, dim=-1)
        x = linear(attend(linear(w[pool + "latent"][0], pool + "q"), k, v), pool + "proj")
        x = x + linear(gelu(linear(norm(x, pool + "norm"), pool + "mlp.fc1")), pool + "mlp.fc2")
        return x[0]

    def words(ids: list[int]) -> Tensor:
        x = w["text.token_embedding.weight"][ids] + w["text.positional_embedding"]
        for n in range(LAYERS):
            block = f"text.transformer.resblocks.{n}."
            qkv = norm(x, block + "ln_1") @ w[block + "attn.in_proj_weight"].T + w[block + "attn.in_proj_bias"]
            x = x + linear(attend(*qkv.split(WIDTH, dim=-1)), block + "attn.out_proj")
            x = x + linear(gelu(linear(norm(x, block + "ln_2"), block + "mlp.c_fc")), block + "mlp.c_proj")
        return linear(norm(x, "text.ln_final")[-1], "text.text_projection")

    pixels = [ours.prepare_image(photo) for photo in photos()]
    naive = F.normalize(torch.stack([image(one.double()) for one in pixels]), dim=1)
    torch.testing.assert_close(ours.embed_images(pixels).double(), naive, atol=2e-6, rtol=0)
    ids = [ours.tokenizer.encode(text.lower()).ids for text in TEXTS]
    naive = F.normalize(torch.stack([words(one) for one in ids]), dim=1)
    torch.testing.assert_close(ours.embed_texts(TEXTS).double(), naive, atol=2e-6, rtol=0)


def clip_settings(**model: Any) -> dict[str, Any]:
    return {
        "model_cfg": {
            "embed_dim": 24,
            "vision_cfg": {
                "image_size": SIZE, "layers": LAYERS, "width": WIDTH, "patch_size": PATCH, "head_width": WIDTH // HEADS,
            },
            "text_cfg": {
                "context_length": 77, "vocab_size": CLIP_VOCABULARY, "width": WIDTH, "heads": HEADS, "layers": LAYERS,
            },
            **model,
        },
        "preprocess_cfg": {
            "mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711],
        },
    }  # fmt: skip


@pytest.mark.parametrize("prefix", ["", "text."])
@torch.inference_mode()
def test_open_clip_clip_respects_the_activation(prefix: str, clip_folder: Path, tmp_path: Path) -> None:
    folder = copy(clip_folder, tmp_path / "toy")
    state = clip_to_open_clip(load_file(folder / "model.safetensors"), prefix)
    save_file({key: value.contiguous() for key, value in state.items()}, folder / "model.safetensors")
    (folder / "open_clip_config.json").write_text(json.dumps(clip_settings(quick_gelu=True)))
    ours, theirs = towers(folder), towers(clip_folder)
    pixels = [ours.prepare_image(photo) for photo in photos()]
    assert all(torch.equal(a, theirs.prepare_image(b)) for a, b in zip(pixels, photos(), strict=True))
    assert torch.equal(ours.embed_images(pixels), theirs.embed_images(pixels))
    assert torch.equal(ours.embed_texts(TEXTS), theirs.embed_texts(TEXTS))
    (folder / "open_clip_config.json").write_text(json.dumps(clip_settings()))
    exact = towers(folder)
    assert exact.model.config.vision_config.hidden_act == exact.model.config.text_config.hidden_act == "gelu"
    assert (exact.embed_images(pixels) - theirs.embed_images(pixels)).abs().max() > 1e-3


def test_marqo_tower_has_the_exact_gelu() -> None:
    """timm's base model at 224 pixels has nn.GELU; the tanh approximation belongs to Google's checkpoints."""
    assert hf_keys.TIMM_TOWERS["vit_base_patch16_siglip_224"] == (12, "gelu")


@pytest.mark.parametrize(
    ("vision", "text", "message"),
    [
        ({"timm_model_name": "vit_other"}, {}, "unknown image tower 'vit_other'"),
        ({"timm_pool": "avg"}, {}, "timm_pool 'avg' is not supported"),
        ({"surprise": 3}, {}, "vision_cfg.surprise 3 is not understood"),
        ({"image_size": 64}, {}, "does not make 16 positions"),
        ({}, {"heads": 5}, "heads 5 does not divide"),
        ({}, {"no_causal_mask": False}, "no_causal_mask False is not supported"),
        ({}, {"pool_type": "argmax"}, "pool_type 'argmax' is not supported"),
        ({}, {"act_kwargs": {"approximate": "sinh"}}, "act_kwargs"),
        ({}, {"tokenizer_kwargs": {"clean": "soap"}}, "text cleaning 'soap'"),
    ],
)
def test_settings_that_are_not_understood(
    vision: dict[str, Any],
    text: dict[str, Any],
    message: str,
    siglip_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(hf_keys.TIMM_TOWERS, "vit_toy", (HEADS, "gelu"))
    configuration = siglip_settings(**text)
    configuration["model_cfg"]["vision_cfg"] |= vision
    folder = write_marqo_like(siglip_folder, tmp_path / "toy", configuration)
    with pytest.raises(PretrainedError, match=message):
        towers(folder)


def test_every_tensor_is_accounted_for(siglip_folder: Path, clip_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(hf_keys.TIMM_TOWERS, "vit_toy", (HEADS, "gelu"))
    both = [
        (
            hf_keys.convert_siglip,
            siglip_to_open_clip(load_file(siglip_folder / "model.safetensors")),
            siglip_settings(),
        ),
        (hf_keys.convert_clip, clip_to_open_clip(load_file(clip_folder / "model.safetensors")), clip_settings()),
    ]
    for convert, state, configuration in both:
        convert(state | {"attn_mask": torch.zeros(2, 2)}, configuration["model_cfg"])
        with pytest.raises(hf_keys.KeyMapError, match=r"1 tensors are not understood: visual\.extra"):
            convert(state | {"visual.extra": torch.zeros(2)}, configuration["model_cfg"])
        for key in state:
            with pytest.raises(hf_keys.KeyMapError):
                convert({name: value for name, value in state.items() if name != key}, configuration["model_cfg"])


def test_open_clip_weights_without_their_configuration(siglip_folder: Path, tmp_path: Path) -> None:
    folder = write_marqo_like(siglip_folder, tmp_path / "toy", siglip_settings())
    (folder / "open_clip_config.json").unlink()
    with pytest.raises(PretrainedError, match=r"open_clip_config\.json is missing"):
        towers(folder)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Women’s  T_Shirt &amp;amp; co!", "womens t shirt co"),
        ("  ", ""),
        ("ＦＵＬＬ ﬁt", "full fit"),
        ("Café\tNoir (50%)", "café noir 50"),
    ],
)
def test_canonicalise(text: str, expected: str) -> None:
    assert canonicalise(text) == expected


@given(st.text(max_size=60))
@settings(max_examples=60, deadline=None)
def test_canonicalise_leaves_nothing_to_do(text: str) -> None:
    once = canonicalise(text)
    assert once == " ".join(once.split())
    assert not set(once) & set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
