"""Model folders: what is saved is what is loaded, and what is damaged says so."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parent))
from by_hand import by_hand

from modiste.data.text import train_wordpiece
from modiste.models.clip import SIZES, DualEncoder
from modiste.models.inference import Fusion, ImageTextEncoder
from modiste.models.pretrained import (
    BANK,
    CARD,
    CONFIG,
    LINES,
    MODEL,
    TOKENIZER,
    PretrainedError,
    load,
    load_model,
    push_to_hub,
    save_pretrained,
)
from modiste.types import Item


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(1)
    tokenizer = train_wordpiece(["red dress", "blue jeans", "a red shirt"] * 3, vocab_size=200)
    return save_pretrained(
        tmp_path / "model",
        DualEncoder(SIZES["debug"]),
        tokenizer,
        name="dual_encoder_debug.test",
        fusion=Fusion(0.4, 1.0, 0.3),
    )


def test_a_folder_comes_back_whole(folder: Path) -> None:
    encoder = load(folder)
    assert encoder.id.name == "dual_encoder_debug.test"
    assert encoder.fusion == Fusion(0.4, 1.0, 0.3)
    assert sorted(path.name for path in folder.iterdir()) == sorted([CARD, CONFIG, MODEL, TOKENIZER])
    assert load(folder).id == encoder.id
    again = load(folder).encode_texts(["red dress"]).vectors
    np.testing.assert_array_equal(again, encoder.encode_texts(["red dress"]).vectors)


def test_saving_what_was_loaded_keeps_the_fingerprint(folder: Path, tmp_path: Path) -> None:
    encoder = load(folder)
    towers = encoder.towers
    other = save_pretrained(tmp_path / "copy", towers.model, towers.tokenizer, name="another name")  # type: ignore[attr-defined]
    assert load(other).id.sha256 == encoder.id.sha256


def test_eight_bits_take_fewer_bytes_and_say_nearly_the_same(folder: Path, tmp_path: Path) -> None:
    found = load_model(folder)
    small = save_pretrained(tmp_path / "small", found.model, found.tokenizer, name="in eight bits", eight_bits=True)
    assert (small / MODEL).stat().st_size < 0.75 * (folder / MODEL).stat().st_size
    for name, value in load_model(small).model.state_dict().items():
        before = found.model.state_dict()[name]
        if value.ndim < 2 or not value.is_floating_point():
            assert torch.equal(value, before)
        else:  # half of a step of each row
            largest = before.flatten(1).abs().amax(dim=1)
            assert ((value - before).flatten(1).abs().amax(dim=1) <= largest / 127 * 0.501 + 1e-12).all()
    assert load(small).id == load(small).id
    texts = ["red dress", "blue jeans"]
    cosines = (load(small).encode_texts(texts).vectors * load(folder).encode_texts(texts).vectors).sum(axis=1)
    assert (cosines > 0.999).all()


def test_another_weight_is_another_encoder(folder: Path, tmp_path: Path) -> None:
    first = load(folder)
    state = load_file(folder / MODEL)
    state["image_tower.project.bias"] = state["image_tower.project.bias"] + 1e-3
    save_file(state, folder / MODEL)
    with pytest.raises(PretrainedError, match=r"model\.safetensors is damaged"):
        load(folder)
    by_hand(folder)
    second = load(folder)
    assert second.id.sha256 != first.id.sha256
    item = Item("a", "red dress")
    with pytest.raises(ValueError, match="cannot be compared"):
        first.encode([item]).similarity(second.encode([item]))


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("file", [CONFIG, MODEL, TOKENIZER])
@pytest.mark.parametrize("damage", [Path.unlink, _truncate])
def test_a_damaged_file_is_named(folder: Path, file: str, damage) -> None:  # type: ignore[no-untyped-def]
    damage(folder / file)
    with pytest.raises(PretrainedError) as error:
        load_own(folder)
    assert file in str(error.value)


def load_own(folder: Path) -> ImageTextEncoder:
    from modiste.models.pretrained import from_pretrained

    return from_pretrained(folder)


@pytest.mark.parametrize("change", ["missing", "unexpected", "shape"])
def test_every_key_is_accounted_for(folder: Path, change: str) -> None:
    state = load_file(folder / MODEL)
    key = "text_tower.project.weight"
    if change == "missing":
        del state[key]
    elif change == "unexpected":
        state["another.weight"] = torch.zeros(2)
    else:
        state[key] = state[key][:, :-1].contiguous()
    save_file(state, folder / MODEL)
    by_hand(folder)
    with pytest.raises(PretrainedError, match="does not fit"):
        load(folder)


def test_sizes_that_do_not_exist_are_refused(folder: Path) -> None:
    by_hand(folder)
    config = json.loads((folder / CONFIG).read_text())
    config["model"]["wings"] = 2
    (folder / CONFIG).write_text(json.dumps(config))
    with pytest.raises(PretrainedError, match="wings"):
        load(folder)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(PretrainedError, match=r"mvlt_small\.products_v1"):
        load("dual_encoder_tiny")


def test_saving_over_a_model_replaces_it_whole(folder: Path) -> None:
    encoder = load(folder)
    torch.manual_seed(2)
    save_pretrained(folder, DualEncoder(SIZES["debug"]), encoder.towers.tokenizer, name="second")  # type: ignore[attr-defined]
    assert load(folder).id.name == "second"
    assert [path.name for path in folder.parent.iterdir()] == ["model"]  # no scratch folder left


def test_push_to_hub_sends_only_a_model_that_loads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    sent: dict[str, object] = {}

    class Hub:  # the hub itself is out of reach in tests; this records what would be sent
        def __init__(self, token: str | None = None) -> None: ...

        def create_repo(self, repo_id: str, **_: object) -> str:
            return f"hub/{repo_id}"

        def upload_folder(self, **arguments: object) -> None:
            sent.update(arguments)

    monkeypatch.setattr(huggingface_hub, "HfApi", Hub)
    assert push_to_hub(folder, "someone/encoder") == "hub/someone/encoder"
    assert sent["repo_id"] == "someone/encoder"
    assert sorted(sent["allow_patterns"]) == sorted([BANK, LINES, CARD, CONFIG, MODEL, TOKENIZER])  # type: ignore[call-overload]
    _truncate(folder / MODEL)
    sent.clear()
    with pytest.raises(PretrainedError):
        push_to_hub(folder, "someone/encoder")
    assert not sent
