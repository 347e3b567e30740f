"""The backbones: GoogLeNet against the paper's table and torchvision's names, towers taken over, stages that do not learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from modiste.models import pretrained
from modiste.models.clip import SIZES as CLIP_SIZES
from modiste.models.clip import DualEncoder
from modiste.models.grnet import SIZES, Grnet, on_mvlt
from modiste.models.grnet_backbone import GoogLeNet, MvltPyramid, Residual, build_backbone
from modiste.models.grnet_pretrained import load_torchvision_googlenet
from modiste.models.mvlt import SIZES as MVLT_SIZES
from modiste.models.mvlt import Mvlt


def test_googlenet_is_the_table_of_the_paper() -> None:
    # Table 1: output size and number of channels of each row, for a photo of 224 pixels.
    network = GoogLeNet("5b").eval()
    found = {}
    for name in network.names:
        getattr(network, f"inception{name}").register_forward_hook(
            lambda _, __, out, name=name: found.update({name: tuple(out.shape[1:])})
        )
    with torch.inference_mode():
        network(torch.rand(1, 3, 224, 224))
    assert found == {
        "3a": (256, 28, 28), "3b": (480, 28, 28), "4a": (512, 14, 14), "4b": (512, 14, 14), "4c": (512, 14, 14),
        "4d": (528, 14, 14), "4e": (832, 14, 14), "5a": (832, 7, 7), "5b": (1024, 7, 7),
    }  # fmt: skip
    # torchvision's model card: 6,624,904 parameters, of which the classifier has 1,025,000.
    count = sum(one.numel() for one in GoogLeNet("5b", published_kernels=False).parameters())
    assert count == 6_624_904 - 1_025_000


def test_googlenet_takes_torchvisions_names(tmp_path: Path) -> None:
    torch.manual_seed(0)
    published = GoogLeNet("5b", published_kernels=False)
    state = {
        key: torch.randn_like(value) if value.is_floating_point() else value
        for key, value in published.state_dict().items()
    }
    # Names as torchvision 0.x writes them, spelled out where a mistake would be ours.
    for key in (
        "conv1.conv.weight", "conv1.bn.running_var", "inception3a.branch1.conv.weight", "inception3a.branch2.1.bn.bias",
        "inception4e.branch3.1.conv.weight", "inception5b.branch4.1.conv.weight",
    ):  # fmt: skip
        assert key in state
    more = {"fc.weight": torch.zeros(2, 2), "aux1.conv.conv.weight": torch.zeros(2), "aux2.fc1.bias": torch.zeros(2)}
    save_file({key: value.contiguous() for key, value in {**state, **more}.items()}, tmp_path / "googlenet.safetensors")
    config = replace(SIZES["paper"], backbone_sizes={"last": "4e", "published_kernels": False})
    model = Grnet(config)
    dropped = load_torchvision_googlenet(model, tmp_path / "googlenet.safetensors")
    assert {key for key in dropped if "classifier" in dropped[key]} == set(more)
    assert all(key.startswith(("inception5a.", "inception5b.")) for key in dropped.keys() - set(more))
    assert torch.equal(
        model.backbone.state_dict()["inception4e.branch3.1.conv.weight"], state["inception4e.branch3.1.conv.weight"]
    )
    with pytest.raises(ValueError, match="published_kernels=False"):
        load_torchvision_googlenet(Grnet(SIZES["paper"]), tmp_path / "googlenet.safetensors")
    save_file({"resnet.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="no part of GoogLeNet"):
        load_torchvision_googlenet(model, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="backbone is googlenet"):
        load_torchvision_googlenet(Grnet(SIZES["debug"]), tmp_path / "googlenet.safetensors")


def test_a_residual_backbone_takes_over_a_dual_encoders_tower_and_a_mvlts_stages() -> None:
    torch.manual_seed(0)
    dual = DualEncoder(CLIP_SIZES["small"]).eval()
    for module in dual.modules():  # statistics and scales of a trained network
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.weight.data.uniform_(0.5, 1.5)
    backbone = Residual((32, 64, 128, 256), (1, 1, 1, 2)).eval()
    backbone.copy_tower(dual)
    photos = torch.rand(2, 3, 80, 60)
    with torch.inference_mode():
        map_ = backbone(photos)
        tower = dual.image_tower
        last = tower.blocks(tower.stem((photos - 0.5) / 0.25))
    assert map_.shape == (2, 384, 10, 8)
    enlarged = nn.functional.interpolate(last, (10, 8), mode="bilinear", align_corners=False)
    assert torch.allclose(map_[:, 128:], enlarged, atol=1e-5)

    shipped = pretrained.load_model(pretrained.WEIGHTS / "mvlt_small.products_v1").model.eval()
    backbone.copy_tower(shipped)
    with torch.inference_mode():
        maps = shipped.begin(photos).image
        assert torch.allclose(backbone(photos)[:, :128], maps[3], atol=1e-4)
    with pytest.raises(ValueError, match="do not fit"):
        Residual((16, 64), (1, 1)).copy_tower(shipped)


@pytest.mark.parametrize("name", ["debug", "small"])
def test_the_pyramid_of_an_mvlt_gives_its_maps(name: str) -> None:
    torch.manual_seed(0)
    start = Mvlt(MVLT_SIZES[name]).eval()
    model = Grnet(on_mvlt(start.config, pyramid=(1, 2))).eval()
    assert isinstance(model.backbone, MvltPyramid)
    model.backbone.copy_stages(start)
    photos = torch.rand(2, 3, *start.config.image_size[::-1])
    with torch.inference_mode():
        found = model.backbone(photos)
        maps = start.encode(photos).image if start.config.joint_from == 1 else start.begin(photos).image
    assert found.shape[1] == maps[-2].shape[1] + maps[-1].shape[1] == model.backbone.channels
    assert torch.allclose(found[:, : maps[-2].shape[1]], maps[-2], atol=1e-5)
    with pytest.raises(ValueError, match="not the pyramid"):
        model.backbone.copy_stages(Mvlt(replace(MVLT_SIZES["debug"], dims=(8, 16, 24, 40), num_heads=(1, 2, 3, 4))))


def test_frozen_parts_learn_nothing_not_even_their_statistics() -> None:
    model = Grnet(SIZES["debug"])
    model.backbone.freeze(2)
    model.train()
    before = {key: value.clone() for key, value in model.backbone.state_dict().items()}
    model.describe(torch.rand(4, 3, 40, 30)).windows.sum().backward()
    after = model.backbone.state_dict()
    changed = {
        key.split(".")[0] + key.split(".")[1] for key, value in after.items() if not torch.equal(value, before[key])
    }
    assert not any(key.startswith(("stem", "stages0")) for key in changed)
    assert any(key.startswith("stages1") for key in changed)
    assert all(one.grad is None for part in model.backbone.parts()[:2] for one in part.parameters())
    with pytest.raises(ValueError, match="frozen must lie"):
        model.backbone.freeze(9)


def test_what_is_no_backbone_says_so() -> None:
    with pytest.raises(ValueError, match="unknown backbone"):
        build_backbone("vgg", {})
    with pytest.raises(ValueError, match="two stages"):
        Residual((8,), (1,))
    with pytest.raises(ValueError, match="last must be"):
        GoogLeNet("6a")
