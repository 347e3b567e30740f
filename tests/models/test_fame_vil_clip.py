"""FAME-ViL's towers against transformers' CLIP, random weights at toy size: the same numbers through our key map."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import CLIPConfig, CLIPModel, PreTrainedTokenizerFast
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from modiste.models.fame_vil import FameVil, FameVilConfig
from modiste.models.fame_vil_clip import DROPPED, copy_clip, from_clip
from modiste.models.fame_vil_inference import FameVilEncoder, FameVilTowers, words
from modiste.models.pretrained import PretrainedError, from_pretrained, save_pretrained
from modiste.types import Item

LETTERS = sorted(pre_tokenizers.ByteLevel.alphabet())
VOCABULARY = 2 * len(LETTERS) + 2
BASE = FameVilConfig(bottleneck=4, xaa_bottleneck=4, classes=("bag", "dress"))


def tokenizer(folder: Path, length: int) -> None:
    """CLIP's byte-level BPE without merges: letters are tokens, the last id ends a text and pads it."""
    tokens = ["<|startoftext|>", *LETTERS, *(letter + "</w>" for letter in LETTERS), "<|endoftext|>"]
    made = Tokenizer(
        models.BPE(
            {token: n for n, token in enumerate(tokens)}, [], unk_token="<|endoftext|>", end_of_word_suffix="</w>"
        )
    )
    made.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    made.post_processor = processors.TemplateProcessing(
        single="<|startoftext|> $A <|endoftext|>",
        special_tokens=[("<|startoftext|>", 0), ("<|endoftext|>", VOCABULARY - 1)],
    )
    made.decoder = decoders.ByteLevel()
    ends = dict.fromkeys(("eos_token", "unk_token", "pad_token"), "<|endoftext|>")
    PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<|startoftext|>", model_max_length=length, **ends
    ).save_pretrained(folder)


@pytest.fixture(scope="module", params=["quick_gelu", "gelu"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("clip")
    shared: dict[str, Any] = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_act": request.param}
    config = CLIPConfig(
        text_config=dict(
            shared, hidden_size=24, intermediate_size=48, vocab_size=VOCABULARY, max_position_embeddings=20,
            bos_token_id=0, eos_token_id=VOCABULARY - 1,
        ),
        vision_config=dict(shared, hidden_size=32, intermediate_size=64, image_size=32, patch_size=8),
        projection_dim=16,
    )  # fmt: skip
    model = CLIPModel(config)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1 + 0.3 * noise if "norm" in name and name.endswith("weight") else 0.3 * noise)
    model.save_pretrained(at)
    tokenizer(at, 20)
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(at)
    return at


def features(output: Any) -> torch.Tensor:
    return output if isinstance(output, torch.Tensor) else output.pooler_output


@torch.inference_mode()
def test_towers_equal_transformers(folder: Path) -> None:
    ours, tok = from_clip(str(folder), BASE)
    theirs = CLIPModel.from_pretrained(folder).eval()
    images = torch.rand(3, 3, 32, 32)
    pixels = (images - ours.image_mean) / ours.image_std
    for task in ("xmr", "fic", None):  # fresh adapters add nothing
        torch.testing.assert_close(
            ours.encode_image(images, task),
            features(theirs.get_image_features(pixel_values=pixels)),
            atol=2e-5,
            rtol=1e-4,
        )
    texts = ["Red dress", "a", "", "womens t shirt " * 9]
    asked = PreTrainedTokenizerFast.from_pretrained(folder)(
        texts, padding=True, truncation=True, max_length=20, return_tensors="pt"
    )
    ids, mask = words(FameVilTowers(ours, tok), texts)
    assert torch.equal(mask, asked["attention_mask"].bool())
    assert torch.equal(ids[mask], asked["input_ids"][mask])
    expected = features(theirs.get_text_features(**{key: asked[key] for key in ("input_ids", "attention_mask")}))
    torch.testing.assert_close(ours.encode_text(ids, mask, "xmr"), expected, atol=2e-5, rtol=1e-4)


def test_every_key_is_accounted_for(folder: Path) -> None:
    ours, _ = from_clip(str(folder), BASE)
    state = CLIPModel.from_pretrained(folder).state_dict()
    report = copy_clip(FameVil(ours.config), state)
    theirs = [key for keys in report.renamed.values() for key in keys]
    assert sorted([*theirs, *report.dropped]) == sorted(state)
    assert report.dropped == {"logit_scale": DROPPED["logit_scale"]}
    assert sorted([*report.renamed, *report.fresh]) == sorted(ours.state_dict())
    fresh = [name for name in report.fresh if ".tsa." not in name and ".xaa." not in name]
    assert {name.split(".")[0] for name in fresh} == {"scale", "classify", "caption"}


def test_what_does_not_fit_is_named(folder: Path, tmp_path: Path) -> None:
    ours, _ = from_clip(str(folder), BASE)
    state = CLIPModel.from_pretrained(folder).state_dict()
    for change, message in (
        ({key: value for key, value in state.items() if "fc1" not in key}, "mlp.fc1.weight is missing"),
        (state | {"text_model.more.weight": torch.zeros(1)}, "text_model.more.weight is not understood"),
        (state | {"visual_projection.weight": torch.zeros(2, 2)}, "visual_projection.weight .* does not fit"),
    ):
        with pytest.raises(ValueError, match=message):
            copy_clip(FameVil(ours.config), change)
    for file in folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    weights.pop("text_projection.weight")
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PretrainedError, match="text_projection"):
        from_clip(str(tmp_path))


def test_a_clip_with_adapters_is_saved_and_encodes(folder: Path, tmp_path: Path) -> None:
    ours, tok = from_clip(str(folder), replace(BASE, tasks=("xmr", "tgir", "scr", "fic")))
    saved = save_pretrained(tmp_path / "model", ours, tok, name="fame_vil_b16.toy")
    encoder = from_pretrained(saved)
    assert isinstance(encoder, FameVilEncoder)
    assert encoder.id.dim == 48
    photo = np.random.default_rng(0).integers(0, 256, (50, 40, 3), dtype=np.uint8)
    vectors = encoder.encode([Item("a", "Red dress", photo), Item("b", "Blue bag")]).vectors
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
