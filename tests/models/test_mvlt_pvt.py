"""PVT's weights in MVLT's pyramid: the same hidden states as transformers' PVT, and every key accounted for."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from transformers import PvtConfig, PvtForImageClassification, PvtModel

from modiste.models.mvlt import SIZES, Mvlt, MvltConfig
from modiste.models.mvlt_pvt import copy_pvt, load_pvt

CONFIG = MvltConfig(
    vocab_size=64, context_length=8, image_size=(64, 64), word_dim=16, dims=(8, 16, 24, 32), depths=(1, 2, 1, 2),
    num_heads=(1, 2, 3, 4), mlp_ratios=(8, 8, 4, 4), sr_ratios=(8, 4, 2, 1), drop_path=0.0,
)  # fmt: skip
THEIRS = PvtConfig(
    image_size=64, hidden_sizes=list(CONFIG.dims), depths=list(CONFIG.depths), num_attention_heads=list(CONFIG.num_heads),
    mlp_ratios=list(CONFIG.mlp_ratios), sequence_reduction_ratios=list(CONFIG.sr_ratios), num_labels=7,
)  # fmt: skip


@pytest.fixture(scope="module")
def pvt() -> PvtModel:
    """Random weights, none of them 0 or 1 as fresh biases and norms are."""
    torch.manual_seed(0)
    model = PvtModel(THEIRS).eval()
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return model


@pytest.fixture
def mvlt() -> Mvlt:
    torch.manual_seed(1)
    return Mvlt(CONFIG).eval()


@torch.no_grad()
def test_hidden_states_are_those_of_transformers(pvt: PvtModel, mvlt: Mvlt) -> None:
    copy_pvt(mvlt, pvt.state_dict())
    images = torch.rand(2, 3, 64, 64)
    ours = mvlt.encode(images)
    hidden = pvt(images, output_hidden_states=True).hidden_states  # one after each block, then the norm
    after = [sum(CONFIG.depths[: k + 1]) - 1 for k in range(3)]
    for k in range(3):
        found = ours.image[k + 1].flatten(2).transpose(1, 2)
        torch.testing.assert_close(
            found, hidden[after[k]], atol=1e-4, rtol=1e-4, msg=lambda text, at=k: f"V^{at + 1} {text}"
        )
    # In the last stage theirs has a class token, which MVLT has not: their own blocks, without it.
    patches = pvt.encoder.patch_embeddings[3]
    z = (
        patches.layer_norm(patches.projection(ours.image[3]).flatten(2).transpose(1, 2))
        + patches.position_embeddings[:, 1:]
    )
    for block in pvt.encoder.block[3]:
        z = block(z, 2, 2)[0]
    torch.testing.assert_close(ours.image[4].flatten(2).transpose(1, 2), z, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_positions_are_interpolated_to_a_portrait_grid(pvt: PvtModel) -> None:
    """Photos are rarely square: the table of 16x16 patches serves 20x16."""
    portrait = Mvlt(replace(CONFIG, image_size=(64, 80))).eval()
    copy_pvt(portrait, pvt.state_dict())
    square = pvt.encoder.patch_embeddings[0].position_embeddings.reshape(1, 16, 16, 8).permute(0, 3, 1, 2)
    expected = torch.nn.functional.interpolate(square, (20, 16), mode="bilinear", align_corners=False)
    torch.testing.assert_close(portrait.stages[0].image_positions[0], expected[0].flatten(1).T)
    assert portrait.encode(torch.rand(1, 3, 80, 64)).image[4].shape == (1, 32, 3, 2)


@pytest.mark.parametrize("wrapped", [False, True])
def test_every_key_is_accounted_for(pvt: PvtModel, mvlt: Mvlt, wrapped: bool) -> None:
    """The image classifier is the same under the prefix `pvt.`, with a head."""
    theirs = pvt.state_dict()
    if wrapped:
        theirs = PvtForImageClassification(THEIRS).state_dict()
        assert "classifier.weight" in theirs
        assert all(key.startswith(("pvt.", "classifier.")) for key in theirs)
    before = {name: parameter.clone() for name, parameter in mvlt.named_parameters()}
    keys = copy_pvt(mvlt, theirs)
    assert keys.renamed.keys() | keys.dropped.keys() == theirs.keys()
    assert not keys.renamed.keys() & keys.dropped.keys()
    assert all(re.search(r"cls_token|layer_norm\.(weight|bias)|classifier", key) for key in keys.dropped)
    assert len(keys.dropped) == (5 if wrapped else 3)
    own = dict(mvlt.named_parameters())
    assert set(keys.renamed.values()) | set(keys.fresh) == own.keys()
    assert not set(keys.renamed.values()) & set(keys.fresh)
    pyramid = {name for name in own if re.match(r"stages\.\d\.(patches|image_positions|blocks)", name)}
    assert set(keys.renamed.values()) == pyramid
    for name in keys.fresh:
        assert torch.equal(own[name], before[name]), name
    for theirs_name, name in keys.renamed.items():
        value = theirs[theirs_name]
        if ".key." in theirs_name:
            value, found = value, own[name][: len(value)]
        elif ".value." in theirs_name:
            value, found = value, own[name][len(value) :]
        else:
            value, found = value[:, -own[name].shape[1] :] if value.ndim == 3 else value, own[name]
        assert torch.equal(found, value), name


def test_a_folder_with_a_checkpoint_is_loaded(pvt: PvtModel, tmp_path: Path) -> None:
    torch.manual_seed(1)
    by_folder, by_hand = Mvlt(CONFIG), Mvlt(CONFIG)
    by_hand.load_state_dict(by_folder.state_dict())
    save_file(
        {f"pvt.{key}": value.contiguous() for key, value in pvt.state_dict().items()}, tmp_path / "model.safetensors"
    )
    keys = load_pvt(by_folder, tmp_path)
    copy_pvt(by_hand, pvt.state_dict())
    assert all(key.startswith("pvt.") for key in keys.renamed)
    for name, tensor in by_hand.state_dict().items():
        assert torch.equal(by_folder.state_dict()[name], tensor), name


def without(pattern: str) -> Callable[[dict[str, Tensor]], dict[str, Tensor]]:
    return lambda theirs: {key: value for key, value in theirs.items() if not re.search(pattern, key)}


@pytest.mark.parametrize(
    ("change", "config", "message"),
    [
        (
            lambda theirs: theirs,
            {"dims": (8, 16, 24, 40)},
            r"block\.3\.0\.attention\.output\.dense\.bias has shape \(32,\), not \(40,\)",
        ),
        (lambda theirs: theirs, {"depths": (1, 1, 1, 2)}, r"encoder\.block\.1\.1.*fits nowhere"),
        (lambda theirs: theirs, {"depths": (1, 2, 2, 2)}, r"nothing for stages\.2\.blocks\.1"),
        (lambda theirs: theirs, {"sr_ratios": (4, 4, 2, 1)}, r"sequence_reduction\.weight has shape"),
        (lambda theirs: theirs, {"sr_ratios": (8, 4, 1, 1)}, r"sequence_reduction\.bias fits nowhere"),
        (lambda theirs: theirs | {"encoder.extra.weight": torch.zeros(1)}, {}, r"encoder\.extra\.weight fits nowhere"),
        (lambda theirs: theirs | {"mask_token": torch.zeros(1)}, {}, "mask_token fits nowhere"),
        (
            without(r"block\.2\.0\.mlp\.dense1\.bias"),
            {},
            r"nothing for stages\.2\.blocks\.0\.feed_forward\.expand\.bias",
        ),
        (without(r"block\.0\.0\.attention\.self\.key\.weight"), {}, "needs both key and value, found value"),
        (without(r"block\.0\.0\.attention\.self\.(key|value)\."), {}, r"nothing for stages\.0\.blocks\.0\.attention"),
        (lambda theirs: {}, {}, "nothing for stages"),
        (
            lambda theirs: theirs | {"encoder.patch_embeddings.0.position_embeddings": torch.zeros(1, 320, 8)},
            {},
            r"position_embeddings has 320 positions.*square",
        ),
    ],
)
def test_what_is_not_this_pyramid_is_refused_by_its_keys(
    pvt: PvtModel, change: Callable[[dict[str, Tensor]], dict[str, Tensor]], config: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        copy_pvt(Mvlt(replace(CONFIG, **config)), change(pvt.state_dict()))


def test_a_refused_checkpoint_leaves_the_model_alone(pvt: PvtModel, mvlt: Mvlt) -> None:
    before = {name: tensor.clone() for name, tensor in mvlt.state_dict().items()}
    with pytest.raises(ValueError, match="fits nowhere"):
        copy_pvt(mvlt, pvt.state_dict() | {"mask_token": torch.zeros(1)})
    assert all(torch.equal(tensor, before[name]) for name, tensor in mvlt.state_dict().items())


def test_where_there_is_no_checkpoint_it_is_said(mvlt: Mvlt, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no model\.safetensors there"):
        load_pvt(mvlt, tmp_path)
    with pytest.raises(ValueError, match="no such folder, and the hub does not give"):
        load_pvt(mvlt, "nobody/no-such-model")  # the tests are offline


def test_convolutional_stages_have_no_published_weights(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="set conv_stages=0"):
        load_pvt(Mvlt(replace(SIZES["debug"], conv_stages=1, joint_from=2)), tmp_path)
