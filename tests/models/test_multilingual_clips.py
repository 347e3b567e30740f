"""Chinese-CLIP and AltCLIP, and SigLIP with a multilingual tokenizer, against transformers' own classes at toy size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import transformers as hf
from PIL import Image
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from modiste.models.export import export_encoder
from modiste.models.exported import load_exported
from modiste.models.hf_clip import load_published
from modiste.models.pretrained import PretrainedError

SIZE, WIDTH = 32, 32
TEXTS = ["红色连衣裙", "red dress", "красное платье", "红" * 90]
VISION = {
    "hidden_size": WIDTH, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": SIZE,
    "patch_size": 8,
}  # fmt: skip
CHARACTERS = sorted(set("红色连衣裙蓝牛仔裤"))


def scramble(model: torch.nn.Module) -> None:
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))


@pytest.fixture(scope="module")
def chinese(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Chinese-CLIP as it is published: BERT's vocab.txt, and no tokenizer.json."""
    folder = tmp_path_factory.mktemp("chinese")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *CHARACTERS, "red", "dress"]
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"do_lower_case": True, "tokenizer_class": "BertTokenizer"})
    )
    text = {
        "vocab_size": len(words), "hidden_size": WIDTH, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "max_position_embeddings": 64,
    }  # fmt: skip
    torch.manual_seed(1)
    model = hf.ChineseCLIPModel(hf.ChineseCLIPConfig(text_config=text, vision_config=VISION, projection_dim=24))
    scramble(model)
    model.save_pretrained(folder)
    hf.ChineseCLIPImageProcessor(
        size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE}
    ).save_pretrained(folder)
    (folder / "README.md").write_text("---\nlanguage: zh\nlicense: apache-2.0\n---\n# A model\n")
    return folder


@pytest.fixture(scope="module")
def alt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An AltCLIP: XLM-R's pieces, <pad> = 1."""
    folder = tmp_path_factory.mktemp("alt")
    words = ["<s>", "<pad>", "</s>", "<unk>", "▁red", "▁dress", "▁красное", "▁платье", "▁", *CHARACTERS]
    tokenizer = Tokenizer(models.Unigram([(word, -float(at)) for at, word in enumerate(words)], unk_id=3))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>",
        cls_token="<s>", sep_token="</s>", model_max_length=20,
    ).save_pretrained(folder)  # fmt: skip
    text = {
        "vocab_size": len(words), "hidden_size": WIDTH, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "max_position_embeddings": 40, "pad_token_id": 1, "project_dim": 24,
    }  # fmt: skip
    torch.manual_seed(2)
    model = hf.AltCLIPModel(hf.AltCLIPConfig(text_config=text, vision_config=VISION, projection_dim=24))
    scramble(model)
    model.save_pretrained(folder)
    hf.CLIPImageProcessor(size={"shortest_edge": SIZE}, crop_size={"height": SIZE, "width": SIZE}).save_pretrained(
        folder
    )
    return folder


def expected(folder: Path, model_class: Any, tokenizer: Any, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Texts (T, E) and one photo (1, E) by the true classes."""
    model = model_class.from_pretrained(folder).eval()
    processor = hf.AutoImageProcessor.from_pretrained(folder, backend="pil")
    inputs = tokenizer(TEXTS, padding=True, truncation=True, max_length=longest, return_tensors="pt")
    inputs.pop("token_type_ids", None)
    with torch.inference_mode():
        texts = model.get_text_features(**inputs)
        photo = model.get_image_features(**processor(images=Image.fromarray(PHOTO), return_tensors="pt"))
    return tuple(F.normalize(getattr(one, "pooler_output", one), dim=1).numpy() for one in (texts, photo))  # type: ignore[return-value]


PHOTO = np.random.default_rng(5).integers(0, 255, (50, 40, 3), dtype=np.uint8)


def test_chinese_clip_gives_the_vectors_of_transformers(chinese: Path) -> None:
    encoder = load_published(str(chinese), name="chinese")
    texts, photo = expected(chinese, hf.ChineseCLIPModel, hf.BertTokenizer.from_pretrained(chinese), 52)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS).vectors, texts, atol=2e-5)
    np.testing.assert_allclose(encoder.encode_images([PHOTO]).vectors, photo, atol=2e-5)
    assert encoder.languages == ("zh",)
    assert encoder.reading("红色连衣裙").read == ("红色连衣裙",)
    assert encoder.reading("绿色连衣裙").nothing, "a character that its vocabulary does not have"
    assert encoder.reading("платье").nothing, "no language of its card"


def test_altclip_gives_the_vectors_of_transformers(alt: Path) -> None:
    encoder = load_published(str(alt), name="alt")
    tokenizer = hf.PreTrainedTokenizerFast.from_pretrained(alt)
    texts, photo = expected(alt, hf.AltCLIPModel, tokenizer, 20)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS).vectors, texts, atol=2e-5)
    np.testing.assert_allclose(encoder.encode_images([PHOTO]).vectors, photo, atol=2e-5)
    assert encoder.languages == (), "its folder has no card"
    assert encoder.reading("красное платье red dress").unread == ()
    assert encoder.reading("юбка").unread == ("юбка",)


def test_a_card_that_cannot_be_read_costs_nothing_but_the_languages(chinese: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(chinese, folder)
    (folder / "README.md").write_text("---\nlanguage: [zh\n---\n")
    broken = load_published(str(folder), name="chinese")
    assert broken.languages == ()
    assert broken.id.sha256 == load_published(str(chinese), name="chinese").id.sha256, "no vector depends on the card"


def test_other_model_types_are_refused_by_name(chinese: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(chinese, folder)
    values = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(values | {"model_type": "blip"}))
    with pytest.raises(PretrainedError, match="chinese_clip"):
        load_published(str(folder), name="other")


def test_an_exported_chinese_clip_reads_photos_as_before(chinese: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime", reason="modiste[export] is not installed")
    pytest.importorskip("onnx", reason="modiste[export] is not installed")
    encoder = load_published(str(chinese), name="chinese")
    export_encoder(encoder, tmp_path / "chinese", num_items=12)
    assert load_exported(tmp_path / "chinese").id == encoder.id
