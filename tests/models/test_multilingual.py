"""A student of the shipped encoder's words, and text towers in sentence-transformers' format, joined to an encoder's photos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, processors

from modiste.data.text import train_wordpiece
from modiste.models.inference import ImageTextEncoder
from modiste.models.multilingual import SIZES, Student, StudentTower, joined, load_student, save_student
from modiste.models.pretrained import PretrainedError, load
from modiste.models.sentence_tower import load_sentence_tower
from modiste.types import EncoderId

SAID = ["красное платье", "синие джинсы", "红色连衣裙", "蓝色牛仔裤", "red dress", "blue jeans"]
PHOTO = np.full((80, 60, 3), 128, np.uint8)


@pytest.fixture(scope="module")
def base() -> ImageTextEncoder:
    return load()


@pytest.fixture(scope="module")
def student_folder(base: ImageTextEncoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student as it was born."""
    from dataclasses import replace

    torch.manual_seed(5)
    tokenizer = train_wordpiece(SAID * 3)
    model = StudentTower(replace(SIZES["debug"], vocab_size=tokenizer.get_vocab_size()))
    folder = tmp_path_factory.mktemp("student") / "born"
    return save_student(folder, model, tokenizer, name="born.v1", languages=["ru", "zh", "en"], teacher=base.id)


@pytest.fixture(scope="module")
def both(base: ImageTextEncoder, student_folder: Path) -> ImageTextEncoder:
    return load(f"mvlt_small.products_v1+{student_folder}")


def test_a_student_is_saved_and_read_back_to_the_bit(student_folder: Path) -> None:
    one, other = load_student(student_folder), load_student(student_folder)
    assert one.sha256 == other.sha256
    with torch.inference_mode():
        assert torch.equal(one.embed_texts(SAID), other.embed_texts(SAID))
        alone = torch.cat([one.embed_texts([text]) for text in SAID])
        torch.testing.assert_close(one.embed_texts(SAID), alone)


def test_english_and_photos_are_the_base_encoders_to_the_bit(base: ImageTextEncoder, both: ImageTextEncoder) -> None:
    for query in (("red dress", None), ("", PHOTO), ("navy jeans", PHOTO)):
        assert np.array_equal(both.encode_queries([query]).vectors, base.encode_queries([query]).vectors)
    assert both.id.sha256 != base.id.sha256
    assert both.id.name == "mvlt_small.products_v1+born.v1"
    assert set(both.languages) == {"en", "ru", "zh"}


def test_what_the_base_cannot_read_goes_to_the_reader(both: ImageTextEncoder, student_folder: Path) -> None:
    student = load_student(student_folder)
    with torch.inference_mode():
        expected = student.embed_texts(["красное платье"]).numpy()
    np.testing.assert_allclose(both.encode_texts(["красное платье"]).vectors, expected, atol=1e-6)
    assert both.reading("красное платье 红色连衣裙").unread == ()
    assert both.reading("зелёный фрак").unread == ("зелёный", "фрак"), "letters that the student has not seen together"


def test_a_mixed_text_that_neither_reads_alone_is_read_by_both(base: ImageTextEncoder, both: ImageTextEncoder) -> None:
    reading = both.reading("платье Reebok Zumba")
    assert reading.unread == ()
    assert set(reading.read) | set(reading.doubtful) == {"платье", "Reebok", "Zumba"}
    vectors = both.encode_texts(["платье Reebok Zumba", "платье", "Reebok Zumba"]).vectors
    mixed = 1 / 3 * vectors[1] + 2 / 3 * vectors[2]
    np.testing.assert_allclose(vectors[0], mixed / np.linalg.norm(mixed), atol=1e-5)


def test_batches_do_not_change_vectors(both: ImageTextEncoder) -> None:
    texts = ["red dress", "красное платье", "платье Reebok Zumba", "红色连衣裙"]
    alone = np.concatenate([both.encode_texts([text]).vectors for text in texts])
    np.testing.assert_allclose(both.encode_texts(texts).vectors, alone, atol=1e-5)


def test_a_student_of_another_encoder_is_refused(base: ImageTextEncoder, student_folder: Path) -> None:
    student = load_student(student_folder)
    other = Student(
        student.model, student.tokenizer, name="x", languages=["ru"], teacher=EncoderId("other.v1", "f" * 64, 386)
    )
    with pytest.raises(ValueError, match=r"learned the vectors of other\.v1"):
        joined(base, other)
    fame = load("fame_vil_small.products_v1")
    with pytest.raises(ValueError, match="photos and words together"):
        joined(fame, student)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("+{student}", "ENCODER[+]TEXTS"),
        ("mvlt_small.products_v1+", "ENCODER[+]TEXTS"),
        ("mvlt_small.products_v1+nowhere", "no text tower nowhere"),
        ("{student}", "knows no photos"),
        ("nowhere+{student}", "no model 'nowhere'"),
    ],
)
def test_names_that_join_nothing_say_what_to_write(student_folder: Path, name: str, reason: str) -> None:
    with pytest.raises(PretrainedError, match=reason):
        load(name.format(student=student_folder))


def test_a_damaged_student_names_its_file(student_folder: Path, tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "broken"
    shutil.copytree(student_folder, folder)
    (folder / "config.json").write_text(
        json.dumps(json.loads((folder / "config.json").read_text()) | {"model": {"x": 1}})
    )
    with pytest.raises(PretrainedError, match=r"config\.json"):
        load_student(folder)
    shutil.copy(student_folder / "config.json", folder)
    (folder / "model.safetensors").write_bytes(b"x" * 100)
    with pytest.raises(PretrainedError, match=r"model\.safetensors"):
        load_student(folder)
    shutil.copytree(student_folder, folder, dirs_exist_ok=True)
    config = json.loads((folder / "config.json").read_text())
    del config["files"], config["sum"]
    (folder / "config.json").write_text(json.dumps(config))
    words = json.loads((folder / "tokenizer.json").read_text())
    words["model"]["vocab"]["boots"] = 2**31  # would be written down as so many holes
    (folder / "tokenizer.json").write_text(json.dumps(words))
    with pytest.raises(PretrainedError, match="has more words"):
        load_student(folder)
    config["model"]["text_dim"] = 2**16  # gigabytes, if anybody believed it
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(PretrainedError, match="text_dim: 65536 does not go with"):
        load_student(folder)


# --- sentence-transformers' format, against sentence-transformers itself


def sentence_folder(folder: Path, kind: str, pooling: str) -> Any:
    """A tiny text tower, made and saved by the true classes; returns the model that made it."""
    import transformers as hf
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling, Transformer

    torch.manual_seed(3)
    tokenizer = train_wordpiece(SAID * 3)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    special = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    inner = folder / "transformer"
    hf.PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=32, **special).save_pretrained(inner)
    words = tokenizer.get_vocab_size()
    shared = {
        "vocab_size": words,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "hidden_size": 32,
        "pad_token_id": 0,
    }
    if kind == "distilbert":
        config = hf.DistilBertConfig(
            vocab_size=words, dim=32, hidden_dim=48, n_heads=4, n_layers=2, max_position_embeddings=64
        )
        backbone: Any = hf.DistilBertModel(config)
    else:
        classes = {"bert": (hf.BertConfig, hf.BertModel), "xlm-roberta": (hf.XLMRobertaConfig, hf.XLMRobertaModel)}
        config_class, model_class = classes[kind]
        backbone = model_class(config_class(intermediate_size=48, max_position_embeddings=64, **shared))
    backbone.save_pretrained(inner)
    dense = Dense(32, 24, bias=False, activation_function=torch.nn.Identity())
    made = SentenceTransformer(modules=[Transformer(str(inner)), Pooling(32, pooling), dense], device="cpu")
    made.save(str(folder / "tower"))
    return made


@pytest.mark.parametrize(("kind", "pooling"), [("distilbert", "mean"), ("bert", "cls"), ("xlm-roberta", "mean")])
def test_text_towers_in_sentence_transformers_format_give_its_vectors(tmp_path: Path, kind: str, pooling: str) -> None:
    made = sentence_folder(tmp_path, kind, pooling)
    tower = load_sentence_tower(tmp_path / "tower")
    texts = [*SAID, "x", "красное " * 60]
    expected = made.encode(texts, normalize_embeddings=True)
    with torch.inference_mode():
        np.testing.assert_allclose(tower.embed_texts(texts).numpy(), expected, atol=1e-5)
    assert tower.embed_dim == 24
    assert tower.reading("красное платье").unread == ()
    assert tower.reading("ワンピース").unread == ("ワンピース",)


def test_a_tower_of_another_width_does_not_join(base: ImageTextEncoder, tmp_path: Path) -> None:
    sentence_folder(tmp_path, "distilbert", "mean")
    with pytest.raises(PretrainedError, match="24-d vectors"):
        load(f"mvlt_small.products_v1+{tmp_path / 'tower'}")


def test_towers_that_are_not_understood_are_refused(tmp_path: Path) -> None:
    sentence_folder(tmp_path, "distilbert", "mean")
    tower = tmp_path / "tower"

    def expect(file: str, change: dict[str, Any] | list[Any], reason: str) -> None:
        before = (tower / file).read_text()
        values = change if isinstance(change, list) else json.loads(before) | change
        (tower / file).write_text(json.dumps(values))
        with pytest.raises(PretrainedError, match=reason):
            load_sentence_tower(tower)
        (tower / file).write_text(before)

    parts = json.loads((tower / "modules.json").read_text())
    expect("modules.json", [parts[0], {**parts[1], "type": "evil.Module"}], "only a Transformer, Pooling")
    expect("modules.json", [parts[0], {**parts[1], "path": "../.."}], "not a folder beside it")
    expect("modules.json", [1], "not understood")
    expect("config.json", {"model_type": "gpt2"}, "gpt2")
    expect("1_Pooling/config.json", {"pooling_mode": "max"}, "max")
    expect("2_Dense/config.json", {"activation_function": "evil.Run"}, "Run")
    save_file({"a": torch.zeros(1)}, tower / "model.safetensors")
    with pytest.raises(PretrainedError, match="missing"):
        load_sentence_tower(tower)
    (tower / "model.safetensors").unlink()
    with pytest.raises(PretrainedError, match="pickled"):
        load_sentence_tower(tower)


def test_tokens_of_the_tower_are_those_of_its_file(tmp_path: Path) -> None:
    sentence_folder(tmp_path, "distilbert", "mean")
    assert isinstance(Tokenizer.from_file(str(tmp_path / "tower" / "tokenizer.json")), Tokenizer)
    (tmp_path / "tower" / "tokenizer.json").write_text("{")
    with pytest.raises(PretrainedError, match=r"tokenizer\.json"):
        load_sentence_tower(tmp_path / "tower")
