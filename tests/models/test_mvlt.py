"""MVLT against its equations written out, its published size, and the mistakes of the released code that ours must not have."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

sys.path.insert(0, str(Path(__file__).parent))
from mvlt_oracle import MvltOracle

from modiste.data.batches import ImageTextBatch, LabelledBatch
from modiste.data.masking import FILL, IGNORED, MASK_STYLES, hide_pixels, hide_words, pixel_mask
from modiste.models.mvlt import SIZES, Mvlt, MvltConfig, MvltObjective, Pyramid, _draw_others, _other_products

DEBUG = SIZES["debug"]
PAPER = MvltObjective()


def batch(rows: int = 6, *, length: int = 7, seed: int = 0, size: tuple[int, int] = (40, 32)) -> ImageTextBatch:
    generator = torch.Generator().manual_seed(seed)
    token_ids = torch.randint(5, 512, (rows, length), generator=generator)
    token_ids[:, 0] = 2  # [CLS]
    token_ids[0, 3:] = 0
    return ImageTextBatch(
        images=torch.rand(rows, 3, *size, generator=generator),
        token_ids=token_ids,
        attention_mask=token_ids != 0,
        item_ids=torch.arange(rows) // 2,
    )


def stirred(config: MvltConfig, objective: MvltObjective | None = None, **more: Any) -> Mvlt:
    """A model none of whose weights is 0 or 1, as biases and norms are when fresh: no term can hide."""
    torch.manual_seed(1)
    model = Mvlt(config, objective, **more)
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    for name, buffer in model.named_buffers():
        if "running" in name:
            buffer.uniform_(0.5, 2.0)
    return model.eval()


def double(one: ImageTextBatch) -> ImageTextBatch:
    return replace(one, images=one.images.double())


@pytest.fixture
def model() -> Mvlt:
    return stirred(replace(DEBUG, embed_dim=0))


# ---- The paper's equations ---------------------------------------------------------------------------------------------


def agree(model: Mvlt, one: ImageTextBatch, *, photo: bool = True, text: bool = True, hidden: bool = False) -> None:
    """Fails with the name of the first stage, or else of the first head, that differs from the oracle's."""
    model = model.double()
    oracle = MvltOracle(model.config, model.state_dict())
    images = one.images.double() if photo else None
    words = (one.token_ids, one.attention_mask) if text else (None, None)
    ours, theirs = model.encode(images, *words, hidden=hidden), oracle.encode(images, *words, hidden=hidden)
    stages = len(model.config.dims) + 1
    assert (len(ours.image), len(theirs.image)) == (photo * stages,) * 2
    assert (len(ours.text), len(theirs.text)) == (text * stages,) * 2
    compared: list[tuple[str, Tensor, Tensor]] = []
    for k in range(stages):
        compared += [(f"V^{k}", ours.image[k], theirs.image[k])] if photo else []
        compared += [(f"T^{k}", ours.text[k], theirs.text[k])] if text else []
    if text:
        compared.append(("ITM", model.match_logits(ours), oracle.match_logits(theirs)))
        compared.append(("MLM", model.word_logits(ours.text[-1]), oracle.word_logits(theirs)))
    if photo:
        compared.append(("MIR", model.reconstruct(ours), oracle.reconstruct(theirs)))
    for name, found, expected in compared:
        tolerance = 1e-5 if name in ("ITM", "MIR") else 1e-9  # those two come back in float32
        torch.testing.assert_close(
            found.double(), expected, rtol=tolerance, atol=tolerance, msg=lambda text, at=name: f"{at}: {text}"
        )


@pytest.mark.parametrize("size", [(40, 32), (37, 29), (24, 64)], ids=["own grid", "odd", "wide"])
@pytest.mark.parametrize("pad_mask", [True, False])
@pytest.mark.parametrize("joint_from", [1, 2, 3, 4])
def test_equals_the_equations_written_out(joint_from: int, pad_mask: bool, size: tuple[int, int]) -> None:
    config = replace(DEBUG, embed_dim=0, joint_from=joint_from, pad_mask=pad_mask, depths=(1, 2, 1, 2))
    agree(stirred(config), batch(3, size=size))


@pytest.mark.parametrize("size", [(40, 32), (37, 29)])
@pytest.mark.parametrize("decoder", ["unet4", "cpd3"])
def test_both_decoders_equal_theirs_written_out(decoder: Any, size: tuple[int, int]) -> None:
    agree(stirred(replace(DEBUG, embed_dim=0, decoder=decoder)), batch(3, size=size))


@pytest.mark.parametrize("hidden", [True, False])
@pytest.mark.parametrize(("conv_stages", "joint_from"), [(1, 2), (1, 3), (2, 3), (3, 4)])
def test_a_convolutional_start_equals_its_own(conv_stages: int, joint_from: int, hidden: bool) -> None:
    config = replace(
        DEBUG, embed_dim=0, conv_stages=conv_stages, joint_from=joint_from, strides=(4, 2, 2, 1), decoder="cpd3"
    )
    agree(stirred(config), batch(3, size=(37, 29)), hidden=hidden)


def test_five_stages_equal_theirs_written_out() -> None:
    """The small size: convolutions in all stages but the last, which has no spatial reduction."""
    small = SIZES["small"]
    config = replace(
        small, vocab_size=512, word_dim=24, dims=(8, 8, 12, 16, 24), num_heads=(1, 1, 2, 2, 3), image_size=(32, 40),
        embed_dim=0, match_product=False,
    )  # fmt: skip
    agree(stirred(config), batch(3))


@pytest.mark.parametrize(("photo", "text"), [(True, False), (False, True)])
@pytest.mark.parametrize("joint_from", [1, 3])
def test_one_side_alone_equals_it_too(joint_from: int, photo: bool, text: bool) -> None:
    agree(stirred(replace(DEBUG, embed_dim=0, joint_from=joint_from)), batch(3), photo=photo, text=text)


def test_a_photo_smaller_than_every_stride_still_has_a_token_at_each_stage() -> None:
    model = stirred(replace(DEBUG, embed_dim=0))
    agree(model, batch(2, size=(3, 5)))
    assert [one.shape[-2:] for one in model.encode(batch(2, size=(3, 5)).images.double()).image[1:]] == [
        (1, 2), (1, 1), (1, 1), (1, 1),
    ]  # fmt: skip


def test_the_papers_reductions_are_those_of_its_table() -> None:
    tiny = SIZES["tiny"]
    assert [tiny.grid(k) for k in range(4)] == [(64, 64), (32, 32), (16, 16), (8, 8)]
    for k in range(4):
        height, width = tiny.grid(k)
        assert height * width // tiny.sr_ratios[k] ** 2 + tiny.context_length == 64 + 128  # keys at every stage


def test_the_parameters_of_the_tiny_size_are_the_published_ones() -> None:
    """Specification 2.2, in millions; two of its rows count more positions than ours (below)."""
    tiny = SIZES["tiny"]
    counts = {"pyramid": 0, "text stages": 0, "embeddings": 0, "mlm": 0, "itm": 0, "decoder": 0}
    for name, parameter in Mvlt(tiny).named_parameters():
        if name.startswith("stages."):
            part = "text stages" if name.split(".")[2] in ("words", "words_norm", "text_positions") else "pyramid"
        elif name.startswith("word"):
            part = "embeddings"
        else:
            part = name.split("_")[0].split(".")[0]
        counts[part] += parameter.numel()
    # BERT's embedding module has 512 positions and two segments; ours has the 128 positions of the context and one segment.
    # PVT's last stage has a position for its class token, which MVLT has no use for.
    assert counts["embeddings"] == (tiny.vocab_size + 128 + 1 + 2) * 768
    counts["embeddings"] += (512 - 128 + 2 - 1) * 768
    counts["pyramid"] += tiny.dims[-1]
    found = {part: round(count / 1e6, 1) for part, count in counts.items()}
    assert found == {"pyramid": 12.8, "text stages": 0.4, "embeddings": 23.8, "mlm": 1.0, "itm": 0.4, "decoder": 1.7}
    assert sum(counts.values()) / 1e6 == pytest.approx(40.1, abs=0.05)


# ---- Rows and padding ----------------------------------------------------------------------------------------------------


def outputs(model: Mvlt, images: Tensor, token_ids: Tensor, mask: Tensor) -> list[Tensor]:
    encoded = model.encode(images, token_ids, mask)
    length = int(mask.sum(dim=1).max())
    return [
        model.match_logits(encoded),
        model.word_logits(encoded.text[-1])[:, :length],
        model.reconstruct(encoded),
        *encoded.image,
    ]


@pytest.mark.parametrize("changes", [{}, {"joint_from": 4, "conv_stages": 3}, {"pad_mask": False}])
def test_no_row_of_a_batch_affects_another(changes: dict[str, Any]) -> None:
    model, one = stirred(replace(DEBUG, **changes)), batch()
    together = outputs(model, one.images, one.token_ids, one.attention_mask)
    for row in range(len(one)):
        chosen = one.rows(slice(row, row + 1))
        alone = outputs(model, chosen.images, chosen.token_ids, chosen.attention_mask)
        for found, expected in zip(alone, together, strict=True):
            shape = (1, min(found.shape[1], expected.shape[1]))
            torch.testing.assert_close(found[:, : shape[1]], expected[row : row + 1, : shape[1]], atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("joint_from", [1, 3])
def test_padding_columns_change_nothing(joint_from: int) -> None:
    model, one = stirred(replace(DEBUG, joint_from=joint_from)), batch()
    padded = F.pad(one.token_ids, (0, 6)), F.pad(one.attention_mask, (0, 6))
    for short, long in zip(
        outputs(model, one.images, one.token_ids, one.attention_mask), outputs(model, one.images, *padded), strict=True
    ):
        torch.testing.assert_close(short, long, atol=1e-4, rtol=1e-4)
    ours, theirs = (
        model.embed_texts(model.begin(None, *words)) for words in (padded, (one.token_ids, padded[1][:, :7]))
    )
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@pytest.mark.parametrize("pad_mask", [True, False])
def test_padding_is_attended_to_only_where_the_released_code_is_followed(pad_mask: bool) -> None:
    model, one = stirred(replace(DEBUG, pad_mask=pad_mask)), batch()
    before = model.match_logits(model.encode(one.images, one.token_ids, one.attention_mask))
    with torch.no_grad():
        model.words.weight[0] += 1.0  # [PAD]
    after = model.match_logits(model.encode(one.images, one.token_ids, one.attention_mask))
    assert torch.equal(before, after) == pad_mask


def test_attended_padding_makes_no_answer_depend_on_how_far_the_caller_padded() -> None:
    model, one = stirred(replace(DEBUG, pad_mask=False)), batch()
    short = model.encode(one.images, one.token_ids, one.attention_mask)
    long = model.encode(one.images, F.pad(one.token_ids, (0, 5)), F.pad(one.attention_mask, (0, 5)))
    assert short.text[-1].shape == (6, DEBUG.context_length, DEBUG.dims[-1])
    torch.testing.assert_close(short.text[-1], long.text[-1])
    torch.testing.assert_close(short.image[-1], long.image[-1])


def test_uint8_pixels_are_the_same_photo(model: Mvlt) -> None:
    pixels = (batch().images * 255).round().to(torch.uint8)
    torch.testing.assert_close(model.encode(pixels).image[-1], model.encode(pixels.float() / 255).image[-1])


def test_a_longer_text_than_the_context_is_refused(model: Mvlt) -> None:
    with pytest.raises(ValueError, match="17 tokens, but the model's context has 16"):
        model.encode(None, torch.full((1, 17), 7))


def test_what_was_begun_apart_ends_as_what_was_encoded_at_once() -> None:
    """Photos and texts begun once, then paired: what the re-ranker saves time by."""
    model, one = stirred(replace(DEBUG, joint_from=3)), batch()
    begun = model.begin(one.images, one.token_ids, one.attention_mask)
    photos, texts = torch.tensor([0, 5, 5, 2]), torch.tensor([0, 0, 3, 1])
    paired = model.match_logits(model.finish(model.pair(begun, photos, texts)))
    at_once = model.match_logits(model.encode(one.images[photos], one.token_ids[texts], one.attention_mask[texts]))
    torch.testing.assert_close(paired, at_once, atol=1e-5, rtol=1e-5)


def test_a_matching_head_that_asks_for_the_product_says_so() -> None:
    model, one = stirred(replace(DEBUG, match_product=True)), batch()
    begun = model.begin(one.images, one.token_ids, one.attention_mask)
    with pytest.raises(ValueError, match="embeddings' product"):
        model.match_logits(model.finish(begun))
    vectors = model.embed_photos(begun), model.embed_texts(begun)
    rows = torch.arange(6)
    with_it = model.match_logits(model.finish(model.pair(begun, rows, rows, vectors)))
    without = model.itm_classify(model.itm_project(model.finish(begun).text[-1][:, 0]))
    product = vectors[0] * vectors[1] * DEBUG.embed_dim
    expected = without + product @ model.itm_product.weight.T @ model.itm_classify.weight.T
    torch.testing.assert_close(with_it, expected, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(with_it, without)


# ---- Objectives ------------------------------------------------------------------------------------------------------------


def redrawn(model: Mvlt, one: ImageTextBatch, seed: int) -> tuple[Tensor, ...]:
    """What `Mvlt.losses` of the paper draws with this seed, by the functions that have tests of their own."""
    torch.manual_seed(seed)
    other = _other_products(one.item_ids)
    matches = torch.rand(len(one)) < 0.5
    chosen = torch.where(matches, torch.arange(len(one)), other)
    ids, mask = one.token_ids[chosen], one.attention_mask[chosen]
    shown = hide_pixels(one.images, pixel_mask(len(one), *one.images.shape[-2:]))
    words, labels = hide_words(ids, mask, rate=0.15, mask_id=4, vocab_size=model.config.vocab_size, num_special=5)
    return shown, one.images, words, mask, labels, matches


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("decoder", ["unet4", "cpd3"])
def test_the_papers_loss_and_its_gradient_equal_those_of_the_equations(decoder: Any, training: bool) -> None:
    model = stirred(replace(DEBUG, embed_dim=0, decoder=decoder), PAPER).double().train(training)
    one = double(batch(8, length=12))
    state = {name: value.detach().clone().requires_grad_() for name, value in model.named_parameters()}
    state |= {name: value.clone() for name, value in model.named_buffers()}
    torch.manual_seed(5)
    losses = model.losses(one)
    total = 10 * losses["mir_loss"] + losses["itm_loss"] + losses["mlm_loss"]
    total.backward()
    drawn = redrawn(model, one, 5)
    expected = MvltOracle(model.config, state, training=training).loss(*drawn)
    expected.backward()
    torch.testing.assert_close(total.double(), expected, rtol=1e-5, atol=1e-5)
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        expected_gradient = state[name].grad
        assert expected_gradient is not None, name
        torch.testing.assert_close(
            parameter.grad, expected_gradient, rtol=1e-3, atol=1e-5, msg=lambda text, at=name: f"{at}: {text}"
        )
    torch.manual_seed(5)
    accuracy = (model.eval().match_logits(model.encode(drawn[0], drawn[2], drawn[3])).argmax(1) == drawn[5]).double()
    if not training:
        assert float(losses["itm_accuracy"]) == pytest.approx(float(accuracy.mean()))


def spied(model: Mvlt, monkeypatch: pytest.MonkeyPatch) -> list[tuple[Tensor, Tensor]]:
    """What the model is shown: (photos, token ids) of each call of `encode`."""
    seen: list[tuple[Tensor, Tensor]] = []
    real = model.encode

    def encode(images: Tensor, token_ids: Tensor, mask: Tensor, **more: Any) -> Pyramid:
        seen.append((images, token_ids))
        return real(images, token_ids, mask, **more)

    monkeypatch.setattr(model, "encode", encode)
    return seen


def labels_of(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """The labels that the matching head is trained with, call by call."""
    import modiste.models.mvlt as module

    found: list[Tensor] = []
    real = module.itm_loss

    def itm_loss(logits: Tensor, matches: Tensor) -> Tensor:
        found.append(matches)
        return real(logits, matches)

    monkeypatch.setattr(module, "itm_loss", itm_loss)
    return found


@pytest.mark.parametrize("ratio", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_exactly_the_share_of_units_is_hidden_and_the_whole_photo_is_asked_for(
    ratio: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The released sampler slices overlapping windows of its list of units, and misses the share."""
    objective = MvltObjective(losses=("mir",), mask_ratio=ratio, mask_unit=8)
    model, one = stirred(replace(DEBUG, embed_dim=0), objective), batch()
    seen = spied(model, monkeypatch)
    loss = model.losses(one)["mir_loss"]
    shown = seen[0][0]
    hidden = (shown == FILL).all(dim=1)
    assert FILL > 0  # "not exactly zero"
    assert (hidden.sum(dim=(1, 2)) == 64 * round(ratio * 20)).all()  # 5 x 4 units
    torch.testing.assert_close(shown[~hidden[:, None].expand_as(shown)], one.images[~hidden[:, None].expand_as(shown)])
    made = model.reconstruct(model.encode(shown, one.token_ids, one.attention_mask))
    size = (made - one.images).abs()
    everywhere = torch.where(size < 1, size**2 / 2, size - 0.5)
    torch.testing.assert_close(loss, everywhere.mean())
    assert not torch.isclose(loss, everywhere[hidden[:, None].expand_as(size)].mean(), rtol=1e-4)


@pytest.mark.parametrize("style", MASK_STYLES)
def test_every_mask_style_trains(style: Any) -> None:
    model = stirred(replace(DEBUG, embed_dim=0), MvltObjective(losses=("mir",), mask_style=style, alternate=True))
    model.losses(batch())["mir_loss"].backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_alternation_shows_every_other_photo_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    model, one = stirred(replace(DEBUG, embed_dim=0), MvltObjective(alternate=True)), batch()
    seen = spied(model, monkeypatch)
    model.losses(one)
    whole = (seen[0][0] == one.images).flatten(1).all(dim=1)
    assert whole.tolist() == [True, False] * 3


def test_a_mismatched_caption_is_of_another_product_and_half_are_mismatched(monkeypatch: pytest.MonkeyPatch) -> None:
    """The released code shifts by a random number of rows and only asserts that the product differs."""
    model, one = stirred(replace(DEBUG, embed_dim=0), MvltObjective(losses=("itm",))), batch(8)
    seen, labels = spied(model, monkeypatch), labels_of(monkeypatch)
    with torch.inference_mode():
        for seed in range(100):
            torch.manual_seed(seed)
            model.losses(one)
    for (_, token_ids), matches in zip(seen, labels, strict=True):
        for row in range(8):
            source = [n for n in range(8) if torch.equal(token_ids[row], one.token_ids[n])]
            if matches[row]:
                assert source == [row]
            else:
                assert one.item_ids[source].tolist() != [int(one.item_ids[row])]
    share = torch.stack(labels).float().mean().item()
    assert share == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(800))


def test_a_batch_of_one_product_has_no_mismatch(monkeypatch: pytest.MonkeyPatch) -> None:
    one = replace(batch(), item_ids=torch.zeros(6, dtype=torch.int64))
    assert _other_products(one.item_ids).tolist() == [-1] * 6
    model = stirred(replace(DEBUG, embed_dim=0), MvltObjective(losses=("itm",)))
    seen, labels = spied(model, monkeypatch), labels_of(monkeypatch)
    assert torch.isfinite(model.losses(one)["itm_loss"])
    assert labels[0].all()
    assert torch.equal(seen[0][1], one.token_ids)


def test_other_products_are_drawn_uniformly() -> None:
    torch.manual_seed(0)
    products = torch.tensor([1, 1, 2, 3, 3, 3])
    drawn = torch.stack([_other_products(products) for _ in range(3000)])
    for row in range(6):
        others = [n for n in range(6) if products[n] != products[row]]
        counts = torch.bincount(drawn[:, row], minlength=6)
        assert counts[[n for n in range(6) if n not in others]].sum() == 0
        expected = 3000 / len(others)
        assert all(abs(int(counts[n]) - expected) < 5 * math.sqrt(expected) for n in others)


def test_negatives_of_the_own_pass_are_other_products_without_repetition() -> None:
    torch.manual_seed(0)
    products = torch.tensor([1, 1, 2, 3, 4, 5])
    same = products[:, None] == products[None, :]
    for _ in range(200):
        drawn = _draw_others(torch.randn(6, 6), same, 3)
        assert drawn.shape == (6, 3)
        assert not same.gather(1, drawn).any()
        assert all(len(set(row)) == 3 for row in drawn.tolist())


def test_hard_negatives_are_drawn_as_often_as_their_softmax_says() -> None:
    torch.manual_seed(0)
    weights = torch.tensor([[0.0, 1.0, 2.0, 0.5]]).expand(4, 4)
    same = torch.eye(4, dtype=torch.bool)
    drawn = torch.cat([_draw_others(weights, same, 1)[:1, 0] for _ in range(4000)])
    shares = torch.bincount(drawn, minlength=4) / 4000
    expected = torch.tensor([-math.inf, 1.0, 2.0, 0.5]).softmax(0)
    torch.testing.assert_close(shares, expected, atol=0.03, rtol=0)


def test_too_few_other_products_leave_the_place_empty() -> None:
    """A row of the same product would be a match with the label "no match"."""
    products = torch.tensor([1, 1, 2])
    same = products[:, None] == products[None, :]
    drawn = _draw_others(torch.zeros(3, 3), same, 4)
    assert drawn.shape == (3, 4)
    assert drawn[:2].tolist() == [[2, -1, -1, -1]] * 2
    assert sorted(drawn[2].tolist()) == [-1, -1, 0, 1]


OWN_PASS = MvltObjective(losses=("itm",), one_pass=False, num_negatives=3, rank_term=True)


@pytest.mark.parametrize("products", [[0, 0, 1, 1, 2, 2], [0, 0, 0, 0, 0, 1], [0] * 6])
def test_the_own_pass_equals_loops_over_its_pairs(products: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Positives weigh as much as all negatives; a pair is ranked before its negatives; no negative is of its product."""
    model = stirred(replace(DEBUG, embed_dim=0), OWN_PASS)
    one = replace(batch(), item_ids=torch.tensor(products))
    pairs: list[tuple[list[int], list[int]]] = []
    real = model.pair

    def pair(begun: Pyramid, photo_rows: Tensor, text_rows: Tensor, vectors: Any = None) -> Pyramid:
        pairs.append((photo_rows.tolist(), text_rows.tolist()))
        return real(begun, photo_rows, text_rows, vectors)

    monkeypatch.setattr(model, "pair", pair)
    losses = model.losses(one)
    photos, texts = pairs[0]

    def logits(photo: int, text: int) -> Tensor:
        chosen = slice(text, text + 1)
        encoded = model.encode(one.images[photo : photo + 1], one.token_ids[chosen], one.attention_mask[chosen])
        return model.match_logits(encoded)[0]

    assert (photos[:6], texts[:6]) == ([*range(6)], [*range(6)])
    positives = [-F.log_softmax(logits(row, row), 0)[1] for row in range(6)]
    negatives, ranks = [], []
    told_apart: list[bool] = []  # negatives that the head tells from matches
    odds = [logits(row, row)[1] - logits(row, row)[0] for row in range(6)]
    for direction, owners in ((0, photos), (1, texts)):
        for row in range(6):
            at = [6 + 18 * direction + 3 * row + k for k in range(3)]
            assert all(owners[n] == row or products[photos[n]] == products[texts[n]] for n in at)
            real_ones = [n for n in at if products[photos[n]] != products[texts[n]]]
            assert len(real_ones) == min(3, sum(product != products[row] for product in products))
            found = [logits(photos[n], texts[n]) for n in real_ones]
            negatives += [-F.log_softmax(value, 0)[0] for value in found]
            told_apart += [bool(value[0] >= value[1]) for value in found]
            candidates = torch.stack([odds[row], *[value[1] - value[0] for value in found]])
            ranks.append(-F.log_softmax(candidates, 0)[0])
    expected = torch.stack(positives).mean()
    expected = (expected + (torch.stack(negatives).mean() if negatives else 0)) / 2
    torch.testing.assert_close(losses["itm_loss"], expected, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(losses["itm_rank_loss"], torch.stack(ranks).mean(), atol=1e-4, rtol=1e-4)
    right = [bool(value > 0) for value in odds] + told_apart
    assert float(losses["itm_accuracy"]) == pytest.approx(sum(right) / len(right))


def test_the_own_pass_works_in_a_batch_smaller_than_its_negatives() -> None:
    model = stirred(replace(DEBUG, embed_dim=0), OWN_PASS)
    losses = model.losses(batch(2))  # one product, and fewer rows than negatives
    (losses["itm_loss"] + losses["itm_rank_loss"]).backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert float(losses["itm_rank_loss"].detach()) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("one_pass", [True, False])
@pytest.mark.parametrize("pad_mask", [True, False])
def test_words_are_asked_for_where_they_were_hidden_and_nowhere_else(
    one_pass: bool, pad_mask: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import modiste.models.mvlt as module

    objective = MvltObjective(losses=("mlm",), one_pass=one_pass, word_rate=0.5)
    model, one = stirred(replace(DEBUG, embed_dim=0, pad_mask=pad_mask), objective), batch()
    asked: list[tuple[Tensor, Tensor]] = []
    real = module.masked_cross_entropy

    def masked_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
        asked.append((logits, labels))
        return real(logits, labels)

    monkeypatch.setattr(module, "masked_cross_entropy", masked_cross_entropy)
    torch.manual_seed(2)
    loss = model.losses(one)["mlm_loss"]
    torch.manual_seed(2)
    words, labels = hide_words(one.token_ids, one.attention_mask, rate=0.5, mask_id=4, vocab_size=512, num_special=5)
    encoded = model.encode(one.images, words, one.attention_mask)
    terms = []
    for row in range(6):
        for column in range(7):
            if labels[row, column] != IGNORED:
                logits = model.word_logits(encoded.text[-1][row, column])
                terms.append(-F.log_softmax(logits, 0)[labels[row, column]])
    torch.testing.assert_close(loss, torch.stack(terms).mean(), atol=1e-4, rtol=1e-4)
    assert asked[0][1].tolist() == labels[labels != IGNORED].tolist()


def test_a_batch_without_a_hidden_word_has_no_mlm_loss() -> None:
    model = stirred(replace(DEBUG, embed_dim=0), MvltObjective(losses=("mlm",), word_rate=0.0))
    loss = model.losses(batch())["mlm_loss"]
    loss.backward()
    assert float(loss.detach()) == 0
    assert all(p.grad is None or not p.grad.any() for p in model.parameters())


def test_labels_are_learned_from_clean_words_at_every_step() -> None:
    """The released fine-tuning hides words, and leaves odd steps without a pass when reconstruction is off."""
    labels = {"colour": ("blue", "red"), "kind": ("dress", "jeans", "shirt")}
    model = stirred(DEBUG, MvltObjective(losses=("tag",), one_pass=False), labels=labels)
    one = batch()
    numbers = torch.tensor([[0, 2], [1, 1], [IGNORED, 0], [1, IGNORED], [0, 0], [0, 1]])
    labelled = LabelledBatch(one.images, one.token_ids, one.attention_mask, one.item_ids, numbers)
    first, second = (model.losses(labelled)["tag_loss"] for _ in range(2))
    assert torch.equal(first, second)
    terms = []
    for ids, mask in (
        (one.token_ids, one.attention_mask),
        (one.token_ids[:, :1], one.attention_mask[:, :1]),  # the photo with an empty text
    ):
        logits = model.label_logits(model.encode(one.images, ids, mask))
        for column, name in enumerate(labels):
            rows = [n for n in range(6) if numbers[n, column] != IGNORED]
            terms.append(torch.stack([-F.log_softmax(logits[name][n], 0)[numbers[n, column]] for n in rows]).mean())
    torch.testing.assert_close(first, torch.stack(terms).mean(), atol=1e-5, rtol=1e-5)
    with pytest.raises(ValueError, match="batch with labels"):
        model.losses(one)


@pytest.mark.parametrize("joint_from", [1, 3])
def test_the_contrastive_head_reads_each_side_alone(joint_from: int) -> None:
    model = stirred(replace(DEBUG, joint_from=joint_from), MvltObjective(losses=("itc",), one_pass=False))
    one = batch()
    begun = model.begin(one.images, one.token_ids, one.attention_mask)
    images, texts = model.embed_photos(begun), model.embed_texts(begun)
    torch.testing.assert_close(images, model.embed_photos(model.begin(one.images)))
    torch.testing.assert_close(texts, model.embed_texts(model.begin(None, one.token_ids, one.attention_mask)))
    for embeddings in (images, texts):
        assert embeddings.shape == (6, DEBUG.embed_dim)
        torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(6))
    losses = model.losses(one)
    assert set(losses) == {"itc_loss", "logit_scale"}


EVERYTHING = MvltObjective(
    losses=("mir", "itm", "mlm", "itc"), one_pass=False, negative_hardness=0.5, num_negatives=2, rank_term=True
)


@pytest.mark.parametrize("changes", [{}, {"joint_from": 4, "conv_stages": 3, "match_product": True}])
def test_recomputing_blocks_changes_no_gradient(changes: dict[str, Any]) -> None:
    gradients = []
    for again in (False, True):
        config = replace(DEBUG, drop_path=0.3, activation_checkpointing=again, **changes)
        model = stirred(config, EVERYTHING).train()
        torch.manual_seed(3)
        losses = model.losses(batch(8))
        sum(value for name, value in losses.items() if name.endswith("_loss")).backward()  # type: ignore[union-attr]
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    assert set(losses) == {
        "mir_loss", "itm_loss", "mlm_loss", "itc_loss", "itm_rank_loss", "itm_accuracy", "logit_scale",
    }  # fmt: skip
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, msg=lambda text, at=name: f"{at}: {text}")


@pytest.mark.parametrize(
    ("changes", "losses", "steps", "reached"),
    [
        ({"embed_dim": 0}, ("itm",), 60, 1.1),  # joint from the first stage, as in the paper: slow, but it does
        ({"joint_from": 4, "match_product": True}, ("itm", "itc"), 40, 0.2),
    ],
)
def test_it_learns_what_goes_together(
    changes: dict[str, Any], losses: tuple[str, ...], steps: int, reached: float
) -> None:
    """Photos of one colour each, among three wrong captions: log 4 before anything is learned."""
    torch.manual_seed(0)
    model = Mvlt(replace(DEBUG, **changes), replace(OWN_PASS, losses=losses))
    plain = torch.rand(8, 3, 1, 1).expand(8, 3, 40, 32).contiguous()
    one = replace(batch(8), item_ids=torch.arange(8), images=plain)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    ranked = []
    for _ in range(steps):
        optimizer.zero_grad()
        found = model.losses(one)
        torch.stack([value for name, value in found.items() if name.endswith("_loss")]).sum().backward()
        optimizer.step()
        ranked.append(float(found["itm_rank_loss"].detach()))
    assert ranked[0] == pytest.approx(math.log(4), abs=0.1)
    assert sum(ranked[-5:]) / 5 < reached


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: MvltConfig(dims=(8, 16)), "one entry per stage"),
        (lambda: MvltConfig(num_heads=(3, 2, 5, 8)), "width 64 cannot have 3 heads"),
        (lambda: MvltConfig(joint_from=5), "one of the 4 stages, not 5"),
        (lambda: MvltConfig(conv_stages=1), "conv_stages < joint_from"),
        (lambda: MvltConfig(match_product=True), "set embed_dim"),
        (lambda: MvltObjective(losses=("mir", "mim")), "unknown objective mim"),
        (lambda: MvltObjective(losses=()), "at least one objective"),
        (lambda: MvltObjective(num_negatives=2), "need one_pass=False"),
        (lambda: Mvlt(replace(DEBUG, embed_dim=0), EVERYTHING), "need embed_dim"),
        (lambda: Mvlt(replace(DEBUG, decoder="unet5")), "unknown decoder 'unet5'"),
        (lambda: Mvlt(replace(SIZES["small"], decoder="cpd3")), "of 4, not of 5"),
        (lambda: Mvlt(replace(DEBUG, strides=(3, 2, 2, 2), conv_stages=1, joint_from=2)), "stride 1, 2 or 4, not 3"),
    ],
)
def test_what_cannot_be_is_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
