"""A dual encoder as the start of an MVLT: the same vectors, every key accounted for, and towers that stay as they are."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from modiste.data.batches import LabelledBatch
from modiste.models.clip import SIZES as DUAL_SIZES
from modiste.models.clip import DualEncoder, DualEncoderConfig
from modiste.models.mvlt import SIZES, Mvlt, MvltConfig, MvltObjective
from modiste.models.mvlt_towers import copy_towers

DUAL = DualEncoderConfig(
    vocab_size=64, context_length=16, image_size=(30, 40), channels=(8, 16, 24), depths=(1, 1, 2), text_dim=32,
    text_depth=0, embed_dim=16, dropout=0.0, stem_stride=4,
)  # fmt: skip
CONFIG = MvltConfig(
    vocab_size=64, context_length=16, image_size=(30, 40), word_dim=32, dims=(8, 16, 24, 24), depths=(1, 1, 2, 1),
    num_heads=(1, 1, 1, 2), mlp_ratios=(2,) * 4, sr_ratios=(1,) * 4, strides=(4, 2, 2, 1), conv_stages=3, joint_from=4,
    embed_dim=16, match_product=True, drop_path=0.0,
)  # fmt: skip
FROZEN = MvltObjective(
    losses=("mir", "itm", "mlm", "tag"), one_pass=False, negative_hardness=0.5, num_negatives=2, rank_term=True,
    frozen_towers=True,
)  # fmt: skip


def trained_dual(config: DualEncoderConfig = DUAL) -> DualEncoder:
    """Random weights, and norms with statistics of their own."""
    torch.manual_seed(1)
    model = DualEncoder(config)
    for _ in range(3):
        width, height = config.image_size
        model.encode_image(torch.rand(8, 3, height, width))
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    return model


def batch(rows: int = 8) -> LabelledBatch:
    generator = torch.Generator().manual_seed(0)
    token_ids = torch.randint(5, 64, (rows, 7), generator=generator)
    token_ids[0, 4:] = 0
    return LabelledBatch(
        images=torch.rand(rows, 3, 40, 30, generator=generator),
        token_ids=token_ids,
        attention_mask=token_ids != 0,
        item_ids=torch.arange(rows),
        labels=torch.randint(0, 3, (rows, 1), generator=generator),
    )


def test_an_mvlt_begun_from_a_dual_encoder_gives_its_very_vectors() -> None:
    dual, model = trained_dual().eval(), Mvlt(CONFIG).eval()
    copy_towers(model, dual)
    one = batch()
    with torch.no_grad():
        begun = model.begin(one.images, one.token_ids, one.attention_mask)
        torch.testing.assert_close(model.embed_photos(begun), dual.encode_image(one.images))
        torch.testing.assert_close(model.embed_texts(begun), dual.encode_text(one.token_ids, one.attention_mask))
        hidden = model.begin(one.images, hidden=True)  # norms of hidden photos start as copies
        torch.testing.assert_close(hidden.image[-1], begun.image[-1])
    torch.testing.assert_close(model.logit_scale, dual.logit_scale)


def test_every_key_of_the_dual_encoder_finds_its_place() -> None:
    dual = trained_dual()
    assert copy_towers(Mvlt(CONFIG), dual).keys() == dual.state_dict().keys()


def test_the_small_sizes_fit_each_other() -> None:
    dual = DualEncoder(DUAL_SIZES["small"])
    model = Mvlt(SIZES["small"])
    copy_towers(model, dual)
    torch.testing.assert_close(model.words.weight, dual.text_tower.tokens.weight)


@pytest.mark.parametrize(
    ("dual", "message"),
    [
        (replace(DUAL, text_depth=1, num_heads=2), "bag of words"),
        (replace(DUAL, channels=(8, 16, 32)), r"image_tower.blocks.2.conv1.weight \(32, 16, 3, 3\) does not fit"),
        (replace(DUAL, depths=(1, 1, 1)), "the dual encoder has nothing for stages.2.image.blocks.1"),
        (replace(DUAL, stem_stride=2), "image_tower.stem.0.weight"),
    ],
)
def test_towers_of_another_shape_are_refused_by_name(dual: DualEncoderConfig, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        copy_towers(Mvlt(CONFIG), DualEncoder(dual))


def test_frozen_towers_stay_as_they_are_and_the_rest_learns() -> None:
    model = Mvlt(CONFIG, FROZEN, labels={"colour": "rgb"})
    copy_towers(model, trained_dual())
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    model.train()
    for _ in range(2):
        losses = model.losses(batch())
        optimizer.zero_grad()
        torch.stack([value for name, value in losses.items() if name.endswith("_loss")]).sum().backward()
        optimizer.step()
    after = model.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    towers = {name for name in before if ".image." in name or name.startswith(("itc_", "words.weight", "log_logit"))}
    assert {name for name in changed & towers if ".hidden." not in name} == set()
    assert any(".hidden.running_mean" in name for name in changed)
    assert any(".hidden.weight" in name for name in changed)
    assert {"itm_classify.weight", "itm_product.weight", "label_norm.weight", "decoder.to_rgb.weight"} <= changed
    one = batch()
    model.eval()
    with torch.no_grad():
        torch.testing.assert_close(
            model.embed_photos(model.begin(one.images)), trained_dual().eval().encode_image(one.images)
        )


def test_the_towers_at_full_resolution_can_start_the_judge() -> None:
    """clip.SIZES["fine"] and mvlt.SIZES["judge"] are the same towers, and the judge retrieves as the dual encoder did."""
    torch.manual_seed(0)
    dual = DualEncoder(replace(DUAL_SIZES["fine"], vocab_size=64, dropout=0.0)).eval()
    judge = Mvlt(replace(SIZES["judge"], vocab_size=64)).eval()
    copy_towers(judge, dual)
    photos = torch.randint(0, 256, (2, 3, 80, 60), dtype=torch.uint8)
    with torch.inference_mode():
        torch.testing.assert_close(
            judge.embed_photos(judge.begin(photos)), dual.encode_image(photos), atol=1e-5, rtol=0
        )
    assert judge.decoder is None
    with pytest.raises(ValueError, match="it paints no photos, and MIR needs one"):
        judge.reconstruct(judge.encode(photos))
