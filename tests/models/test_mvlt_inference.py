"""MVLT in use: ranking at chance when nothing is known, pairs that do not depend on their neighbours, and odd items."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer

from modiste.data.atelier import Atelier
from modiste.data.images import ImageError, fit
from modiste.data.masking import FILL
from modiste.data.text import train_wordpiece
from modiste.evaluation.retrieval import evaluate_scorers
from modiste.models.inference import average_over_views, photo_tensor, token_tensors
from modiste.models.mvlt import SIZES, Mvlt, MvltConfig
from modiste.models.mvlt_inference import (
    Inpainter,
    MvltTowers,
    PairModel,
    Recogniser,
    Reranker,
    prepared_photos,
)
from modiste.models.mvlt_pairs import mvlt_scorers
from modiste.models.pretrained import judge_of, load, load_reranker, reranker_of
from modiste.models.query_bank import QueryBank
from modiste.registry import DEFAULT, JUDGE
from modiste.types import Item

LABELS = {"colour": ("blue", "red"), "kind": ("dress", "jeans", "shirt")}
WORDS = ["red dress", "blue jeans", "a warm shirt for cold days"]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_wordpiece(WORDS * 3, vocab_size=200)


def made(config: MvltConfig = SIZES["debug"], *, labels: dict[str, tuple[str, ...]] | None = None) -> Mvlt:
    torch.manual_seed(0)
    model = Mvlt(config, labels=LABELS if labels is None else labels).eval()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


def pixels(seed: int = 0, height: int = 40, width: int = 32) -> NDArray[np.uint8]:
    """A coarse pattern, so that scaling it loses little."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 4, 3), dtype=np.uint8)
    return fit(coarse, (width, height))


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


SHOP = [
    Item("both", "red dress", pixels(0)),
    Item("photo", "", pixels(1)),
    Item("words", "blue jeans"),
    Item("neither"),
    Item("blank", "  ", pixels(2), description=" "),
    Item("long", "red dress for cold days " * 60, pixels(3)),
]


# ---- Ranking ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn() -> list[Item]:
    return list(Atelier(seed=3, image_size=(32, 40)).items(120))


def constant(model: Mvlt, *, itc: bool = False) -> Mvlt:
    """The same answer for every pair: the matching head's, and if asked for the contrastive head's too."""
    with torch.no_grad():
        model.itm_classify.weight.zero_()
        if itc:
            model.itc_image.project.weight.zero_()
            model.itc_text.project.weight.zero_()
    return model


@pytest.mark.parametrize("joint_from", [1, 4])
def test_a_constant_matching_head_is_at_chance(drawn: list[Item], tokenizer: Tokenizer, joint_from: int) -> None:
    """The released code puts the positive at index 0 and lets a sort decide ties: a constant head scores 100 % or 0 %."""
    model = constant(made(replace(SIZES["debug"], joint_from=joint_from)), itc=True)
    ways = mvlt_scorers(model, tokenizer, drawn, batch_size=512)
    assert set(ways) == {"itc", "itm", "rerank"}
    for name, scorers in ways.items():
        report = evaluate_scorers(
            "retrieval-1of101", drawn, scorers, num_queries=20 if name == "itm" else 40, resamples=5
        )
        assert len(report.metrics) == 8
        assert report.gallery == 101
        for key, estimate in report.metrics.items():
            assert estimate.mean == pytest.approx(report.chance[key], abs=1e-9), f"{name} {key}"


def test_reranking_with_a_constant_head_leaves_the_first_order(drawn: list[Item], tokenizer: Tokenizer) -> None:
    ways = mvlt_scorers(constant(made(replace(SIZES["debug"], joint_from=4))), tokenizer, drawn[:50], shortlist=10)
    queries, candidates = np.arange(8), np.broadcast_to(np.arange(50), (8, 50))
    first, again = (np.asarray(ways[name]["t2i"](queries, candidates)) for name in ("itc", "rerank"))
    for row in range(8):
        assert np.argsort(-first[row], kind="stable").tolist() == np.argsort(-again[row], kind="stable").tolist()


@pytest.mark.parametrize("direction", ["t2i", "i2t"])
def test_the_shortlist_is_ordered_by_both_and_stands_before_the_rest(
    drawn: list[Item], tokenizer: Tokenizer, direction: str
) -> None:
    model = made(replace(SIZES["debug"], joint_from=4))
    ways = mvlt_scorers(model, tokenizer, drawn[:30], shortlist=7, itm_share=0.4)
    queries, candidates = np.arange(6), np.stack([np.random.default_rng(n).permutation(30)[:20] for n in range(6)])
    first, matched, found = (
        np.asarray(ways[name][direction](queries, candidates)) for name in ("itc", "itm", "rerank")
    )  # type: ignore[index]
    scale = float(model.logit_scale.detach())
    for row in range(6):
        order = np.argsort(-first[row], kind="stable")
        listed, rest = order[:7], order[7:]
        blend = 0.4 * matched[row] + 0.6 * scale * first[row]
        np.testing.assert_allclose(found[row, listed], blend[listed], rtol=1e-4, atol=1e-4)
        assert found[row, rest].max() < found[row, listed].min()
        assert np.argsort(-found[row, rest], kind="stable").tolist() == list(range(13))


@pytest.mark.parametrize("bank_share", [1.0, 0.25])
@pytest.mark.parametrize("direction", ["t2i", "i2t"])
def test_another_models_head_can_be_the_judge(
    drawn: list[Item], tokenizer: Tokenizer, direction: str, bank_share: float
) -> None:
    """Its log-odds, less a share of what its own query bank says of both sides, beside the first model's cosines."""
    model = made(replace(SIZES["debug"], joint_from=4))
    torch.manual_seed(8)
    other = Mvlt(
        replace(
            SIZES["debug"],
            joint_from=4,
            match_product=True,
            match_views=(1.0, -0.9),
            itm_share=0.3,
            judge_bank_share=bank_share,
        )
    ).eval()
    rows = np.random.default_rng(0).normal(size=(2, 12, 16)).astype(np.float32)
    bank = QueryBank.of(*(rows / np.linalg.norm(rows, axis=2, keepdims=True)))
    judge = Reranker(other, tokenizer, bank=bank, first_scale=5.0)
    assert judge.logit_scale == 5.0
    ways = mvlt_scorers(model, tokenizer, drawn[:12], shortlist=12, judge=judge)
    queries, candidates = np.arange(12), np.broadcast_to(np.arange(12), (12, 12))
    first, own, found = (np.asarray(ways[way][direction](queries, candidates)) for way in ("itc", "itm", "rerank"))  # type: ignore[index]
    photos = prepared_photos(drawn[:12], other.config)
    pairs = PairModel(other, tokenizer)
    plain = PairModel(other, tokenizer, bank=None)
    vectors = average_over_views(lambda x: other.embed_photos(other.begin(x)), photos, (1.0, -0.9)).detach()
    torch.testing.assert_close(pairs.begin_images(photos).vectors, vectors)
    texts = plain.begin_texts([item.text for item in drawn[:12]])
    at = torch.arange(12)
    offered, asked = at.repeat(12), at.repeat_interleave(12)
    image_rows, text_rows = (offered, asked) if direction == "t2i" else (asked, offered)
    odds = plain.score(plain.begin_images(photos), texts, image_rows, text_rows)
    scale = float(other.logit_scale.detach())
    bias = bank.image_bias(vectors.numpy())[image_rows] + bank.text_bias(texts.vectors.numpy())[text_rows]  # type: ignore[union-attr]
    expected = odds.numpy().reshape(12, 12) - bank_share * scale * bias.reshape(12, 12)
    blend = 0.3 * expected + 0.7 * float(model.logit_scale.detach()) * first
    np.testing.assert_allclose(found, blend, atol=2e-3)
    assert not np.allclose(own, expected, atol=1e-2)
    query = Item("q", drawn[0].text) if direction == "t2i" else Item("q", image=drawn[0].image)
    alone = judge.score(query, drawn[:12])  # as a search asks; and once more from what it kept
    np.testing.assert_allclose(alone, expected[0], atol=2e-3)
    np.testing.assert_allclose(judge.score(query, drawn[:12]), alone, atol=1e-6)


def test_a_bank_needs_a_head_that_reads_the_product(tokenizer: Tokenizer) -> None:
    rows = np.eye(4, 16, dtype=np.float32)
    with pytest.raises(ValueError, match="reads the embeddings' product"):
        PairModel(made(SIZES["debug"]), tokenizer, bank=QueryBank.of(rows, rows))
    with pytest.raises(ValueError, match=r"judge_bank_share must lie in \[0, 1\], not 1.5"):
        replace(SIZES["debug"], judge_bank_share=1.5)


def test_the_shipped_encoder_has_its_own_judge() -> None:
    encoder = load()
    judge = reranker_of(encoder)
    assert judge is not None
    assert (judge.name, judge.share, judge.pairs.bank_share) == (JUDGE, 0.5, 0.25)
    own = load_reranker(DEFAULT)
    assert own.name == DEFAULT
    assert judge.logit_scale == pytest.approx(own.logit_scale)  # of the vectors that the first search compares
    again = judge_of(own)
    assert again is not None
    assert again.name == JUDGE
    assert judge_of(load_reranker(JUDGE)) is None


def test_both_directions_ask_the_same_of_a_pair(drawn: list[Item], tokenizer: Tokenizer) -> None:
    """Photo and text are handed over the right way round."""
    model = made(replace(SIZES["debug"], joint_from=4))
    scorers = mvlt_scorers(model, tokenizer, drawn[:20])["itm"]
    pairs = PairModel(model, tokenizer)
    images = pairs.begin_images(prepared_photos(drawn[:20], model.config))
    texts = pairs.begin_texts([item.text for item in drawn[:20]])
    every = torch.arange(20)
    table = torch.stack(
        [pairs.score(images, texts, every, torch.full((20,), n)) for n in range(20)]
    ).numpy()  # text, photo
    all_of_them = np.broadcast_to(np.arange(20), (20, 20))
    np.testing.assert_allclose(scorers["t2i"](np.arange(20), all_of_them), table, atol=1e-3)
    np.testing.assert_allclose(scorers["i2t"](np.arange(20), all_of_them), table.T, atol=1e-3)


def test_a_perfect_head_is_always_right(drawn: list[Item], tokenizer: Tokenizer) -> None:
    """The protocol's candidates reach the pair scorer in their own places."""
    model = made(replace(SIZES["debug"], joint_from=4))

    class Perfect(PairModel):
        def score(
            self, images: object, texts: object, image_rows: torch.Tensor, text_rows: torch.Tensor
        ) -> torch.Tensor:
            return (image_rows == text_rows).float()

    import modiste.models.mvlt_pairs as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "PairModel", Perfect)
        ways = mvlt_scorers(model, tokenizer, drawn)
        report = evaluate_scorers("retrieval-1of101", drawn, ways["itm"], num_queries=40, resamples=5)
    assert all(estimate.mean == 100 for estimate in report.metrics.values())


def test_without_a_contrastive_head_there_is_one_way(drawn: list[Item], tokenizer: Tokenizer) -> None:
    assert set(mvlt_scorers(made(replace(SIZES["debug"], embed_dim=0)), tokenizer, drawn[:3])) == {"itm"}


@pytest.mark.parametrize("changes", [{}, {"joint_from": 4, "match_product": True}, {"pad_mask": False}])
def test_a_pairs_score_does_not_depend_on_the_pairs_beside_it(changes: dict[str, object], tokenizer: Tokenizer) -> None:
    model = made(replace(SIZES["debug"], **changes))  # type: ignore[arg-type]
    photos = prepared_photos([Item(str(n), image=pixels(n)) for n in range(4)], model.config)
    texts = ["red", "a warm shirt for cold days", "", "blue jeans"]
    image_rows, text_rows = torch.arange(4).repeat(4), torch.arange(4).repeat_interleave(4)
    whole = PairModel(model, tokenizer)
    together = whole.score(whole.begin_images(photos), whole.begin_texts(texts), image_rows, text_rows)
    small = PairModel(model, tokenizer, batch_size=3)
    in_parts = small.score(small.begin_images(photos), small.begin_texts(texts), image_rows, text_rows)
    torch.testing.assert_close(in_parts, together, atol=1e-4, rtol=1e-4)
    for at in range(0, 16, 5):
        image, text = photos[image_rows[at]][None], [texts[text_rows[at]]]
        alone = whole.score(
            whole.begin_images(image), whole.begin_texts(text), torch.zeros(1).long(), torch.zeros(1).long()
        )
        torch.testing.assert_close(alone[0], together[at], atol=1e-4, rtol=1e-4)
    none = torch.zeros(0, dtype=torch.int64)
    assert whole.score(whole.begin_images(photos), whole.begin_texts(texts), none, none).shape == (0,)


def test_towers_are_unit_vectors_the_same_in_a_mirror(tokenizer: Tokenizer) -> None:
    towers = MvltTowers(made(), tokenizer)
    photos = [towers.prepare_image(pixels(n)) for n in range(3)]
    with torch.inference_mode():
        seen, mirrored = towers.embed_images(photos), towers.embed_images([photo.flip(2) for photo in photos])
        texts = towers.embed_texts(["red dress", "", "red dress"])
    torch.testing.assert_close(seen, mirrored)
    for vectors in (seen, texts):
        assert vectors.shape == (3, towers.embed_dim)
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(texts[0], texts[2])
    with pytest.raises(ValueError, match="no contrastive head"):
        MvltTowers(made(replace(SIZES["debug"], embed_dim=0)), tokenizer)


def test_texts_are_cut_to_the_context_and_to_the_longest(tokenizer: Tokenizer) -> None:
    config = SIZES["debug"]
    ids, mask = token_tensors(tokenizer, ["red dress", "", "blue"], config.context_length, "cpu")
    assert ids.shape == mask.shape == (3, 3)
    assert mask.sum(dim=1).tolist() == [3, 1, 2]  # [CLS] and the words
    ids, _ = token_tensors(tokenizer, ["red " * 100], config.context_length, "cpu")
    assert ids.shape == (1, config.context_length)


# ---- Re-ranking ------------------------------------------------------------------------------------------------------------


def test_an_item_without_the_counterpart_keeps_its_place_behind(tokenizer: Tokenizer) -> None:
    reranker = Reranker(made(), tokenizer, name="m", sha256="s")
    assert (reranker.name, reranker.sha256) == ("m", "s")
    by_text = reranker.score(Item("q", "red dress"), SHOP)
    assert by_text.dtype == np.float32
    assert np.isneginf(by_text).tolist() == [False, False, True, True, False, False]  # no photo
    by_photo = reranker.score(Item("q", image=pixels(7)), SHOP)
    assert np.isneginf(by_photo).tolist() == [False, True, False, True, True, False]  # no words
    by_both = reranker.score(Item("q", "red dress", pixels(7)), SHOP)
    assert np.isneginf(by_both).tolist() == [False, False, False, True, False, False]
    expected = [
        (by_text[0] + by_photo[0]) / 2,
        by_text[1],
        by_photo[2],
        -np.inf,
        by_text[4],
        (by_text[5] + by_photo[5]) / 2,
    ]
    np.testing.assert_allclose(by_both, expected, atol=1e-4)


def test_scores_do_not_depend_on_the_items_beside_or_their_order(tokenizer: Tokenizer) -> None:
    reranker = Reranker(made(replace(SIZES["debug"], joint_from=3)), tokenizer)
    query = Item("q", "a warm shirt", pixels(9))
    together = reranker.score(query, SHOP)
    np.testing.assert_allclose(reranker.score(query, SHOP[::-1])[::-1], together, atol=1e-4)
    np.testing.assert_allclose([reranker.score(query, [item])[0] for item in SHOP], together, atol=1e-4)
    np.testing.assert_allclose(reranker.score(query, [SHOP[0]] * 3), [together[0]] * 3, atol=1e-4)
    assert reranker.score(query, []).shape == (0,)


def test_a_query_of_nothing_is_refused_and_a_bad_photo_named(tokenizer: Tokenizer) -> None:
    reranker = Reranker(made(), tokenizer)
    with pytest.raises(ValueError, match="needs words, a photo, or both"):
        reranker.score(Item("q", "  "), SHOP)
    with pytest.raises(ImageError, match="item 'torn'"):
        reranker.score(Item("q", "red"), [SHOP[0], Item("torn", "red", b"\x89PNG\r\n\x1a\nnothing")])


# ---- Recognition -----------------------------------------------------------------------------------------------------------


def test_items_are_told_by_what_they_have(tokenizer: Tokenizer) -> None:
    recogniser = Recogniser(made(), tokenizer)
    items = [item for item in SHOP if item.id != "neither"]
    counted: list[int] = []
    found = recogniser.recognise(items, batch_size=2, progress=counted.append)
    assert counted == [2, 2, 1]
    assert {name: classes for name, (classes, _) in found.items()} == LABELS
    for classes, probabilities in found.values():
        assert probabilities.shape == (5, len(classes))
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    for at, item in enumerate(items):  # alone, as beside the others
        for name, (_, probabilities) in recogniser.recognise([item]).items():
            np.testing.assert_allclose(probabilities[0], found[name][1][at], atol=1e-5)
    with pytest.raises(ValueError, match="item 'neither' has neither a photo nor a text"):
        recogniser.recognise(SHOP)
    with pytest.raises(ImageError, match="item 'empty': empty file"):
        recogniser.recognise([Item("empty", "red", b"")])
    assert {name: values.shape for name, (_, values) in recogniser.recognise([]).items()} == {
        "colour": (0, 2), "kind": (0, 3),
    }  # fmt: skip


def told(recogniser: Recogniser, item: Item) -> NDArray[np.float32]:
    return np.concatenate([values[0] for _, values in recogniser.recognise([item]).values()])


def test_a_garment_is_the_same_in_a_mirror(tokenizer: Tokenizer) -> None:
    recogniser = Recogniser(made(), tokenizer)
    photo = pixels(5)
    mirrored = told(recogniser, Item("m", "red", np.ascontiguousarray(photo[:, ::-1])))
    np.testing.assert_allclose(told(recogniser, Item("o", "red", photo)), mirrored, atol=1e-6)


def test_words_beyond_the_context_do_not_count(tokenizer: Tokenizer) -> None:
    recogniser = Recogniser(made(), tokenizer)
    long = "red " * 15
    expected = told(recogniser, Item("1", long))
    np.testing.assert_allclose(told(recogniser, Item("2", long + "blue " * 100)), expected, atol=1e-6)
    assert not np.allclose(told(recogniser, Item("3", "red " * 14 + "blue")), expected, atol=1e-6)


def test_files_of_every_kind_are_the_photo_they_show(tokenizer: Tokenizer) -> None:
    """Grey, transparent, turned, tiny and huge files, against the pixels they stand for."""
    recogniser = Recogniser(made(), tokenizer)
    photo = pixels(6)
    grey = Image.fromarray(photo).convert("L")
    opacity = np.full((40, 32), 255, np.uint8)
    opacity[:10] = 0
    on_white = photo.copy()
    on_white[:10] = 255
    turned = Image.fromarray(np.rot90(photo).copy())
    orientation = Image.Exif()
    orientation[0x0112] = 6  # turn clockwise to see it upright
    files: dict[str, tuple[bytes, NDArray[np.uint8]]] = {
        "plain": (encoded(Image.fromarray(photo), "PNG"), photo),
        "grey": (encoded(grey, "PNG"), np.repeat(np.asarray(grey)[:, :, None], 3, axis=2)),
        "transparent": (encoded(Image.fromarray(np.dstack([photo, opacity])), "PNG"), on_white),
        "turned": (encoded(turned, "PNG", exif=orientation), photo),
        "dot": (encoded(Image.new("RGB", (1, 1), (200, 10, 10)), "PNG"), np.full((1, 1, 3), (200, 10, 10), np.uint8)),
        "grey JPEG": (
            encoded(grey, "JPEG", quality=100, subsampling=0),
            np.repeat(np.asarray(grey)[:, :, None], 3, axis=2),
        ),
        "turned JPEG": (encoded(turned, "JPEG", quality=100, subsampling=0, exif=orientation), photo),
        "huge": (encoded(Image.fromarray(pixels(6, 2000, 1600)), "JPEG", quality=90), photo),
    }
    for name, (data, expected) in files.items():
        tolerance = 1e-6 if name in ("plain", "grey", "transparent", "turned", "dot") else 0.02
        np.testing.assert_allclose(
            told(recogniser, Item(name, "red", data)),
            told(recogniser, Item("x", "red", expected)),
            atol=tolerance,
            err_msg=name,
        )


def test_photos_of_any_shape_become_the_models(tokenizer: Tokenizer) -> None:
    config = SIZES["debug"]
    for shape in ((1, 1), (1, 500), (900, 7), (41, 33)):
        prepared = photo_tensor(np.zeros((*shape, 3), np.uint8), config.image_size)
        assert prepared.shape == (3, 40, 32)
        assert prepared.dtype == torch.uint8
        assert (prepared == 0).any()  # all of it is there, on white
    with pytest.raises(ImageError, match="item 'words' has no photo"):
        prepared_photos(SHOP[2:3], config)


def test_a_model_without_label_heads_recognises_nothing(tokenizer: Tokenizer) -> None:
    with pytest.raises(ValueError, match="no label heads"):
        Recogniser(made(labels={}), tokenizer)


# ---- Inpainting ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["random_grid", "grid", "stroke", "center"])
def test_what_was_hidden_is_filled_in(style: str, tokenizer: Tokenizer) -> None:
    items = [SHOP[0], SHOP[1], SHOP[5]]
    original, masked, filled, hidden = Inpainter(made(), tokenizer).reconstruct(items, 0.4, style=style, unit=8)  # type: ignore[arg-type]
    assert original.shape == masked.shape == filled.shape == (3, 40, 32, 3)
    assert hidden.shape == (3, 40, 32)
    np.testing.assert_allclose(original[0], pixels(0) / 255, atol=1e-6)
    np.testing.assert_array_equal(masked[~hidden], original[~hidden])
    np.testing.assert_allclose(masked[hidden], FILL)
    if style in ("random_grid", "grid"):
        assert hidden.sum(axis=(1, 2)).tolist() == [8 * 64] * 3
    assert 0 <= filled.min() <= filled.max() <= 1


def test_an_items_mask_is_a_function_of_its_id_and_the_seed(tokenizer: Tokenizer) -> None:
    inpainter = Inpainter(made(), tokenizer)
    items = [SHOP[0], SHOP[1], SHOP[5]]
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    together = inpainter.reconstruct(items, unit=8)
    assert torch.equal(torch.rand(1), expected)  # the global generator is left alone
    for at, item in enumerate(items):
        for one, all_of_them in zip(inpainter.reconstruct([item], unit=8), together, strict=True):
            np.testing.assert_allclose(one[0], all_of_them[at], atol=1e-4)
    assert not np.array_equal(together[3][0], together[3][1])
    assert not np.array_equal(inpainter.reconstruct(items, unit=8, seed=1)[3], together[3])


def test_nothing_hidden_everything_hidden_nothing_given(tokenizer: Tokenizer) -> None:
    inpainter = Inpainter(made(), tokenizer)
    assert not inpainter.reconstruct(SHOP[:1], 0.0)[3].any()
    assert inpainter.reconstruct(SHOP[:1], 1.0)[3].all()
    assert [part.shape for part in inpainter.reconstruct([])] == [(0, 40, 32, 3)] * 3 + [(0, 40, 32)]
    with pytest.raises(ImageError, match="item 'words' has no photo"):
        inpainter.reconstruct(SHOP[:3])
    with pytest.raises(ValueError, match="mask ratio"):
        inpainter.reconstruct(SHOP[:1], 1.5)


def test_a_saved_model_is_what_was_saved(tokenizer: Tokenizer, tmp_path: Path) -> None:
    from modiste.models.clip import SIZES as CLIP_SIZES
    from modiste.models.clip import DualEncoder
    from modiste.models.pretrained import (
        PretrainedError,
        load_inpainter,
        load_recogniser,
        load_reranker,
        save_pretrained,
    )

    model = made(replace(SIZES["debug"], joint_from=4, conv_stages=3, match_product=True, decoder="cpd3"))
    folder = save_pretrained(tmp_path / "model", model, tokenizer, name="toy")
    item = SHOP[0]
    before, after = told(Recogniser(model, tokenizer), item), told(load_recogniser(folder), item)
    np.testing.assert_allclose(after, before, atol=2e-2)  # matrices are kept in fp16
    query = Item("q", "blue jeans")
    np.testing.assert_allclose(
        load_reranker(folder).score(query, SHOP[:2]), Reranker(model, tokenizer).score(query, SHOP[:2]), atol=5e-2
    )
    assert load_inpainter(folder).model.config == model.config
    other = save_pretrained(tmp_path / "other", DualEncoder(CLIP_SIZES["debug"]), tokenizer, name="other")
    with pytest.raises(PretrainedError, match="which only encodes"):
        load_recogniser(other)
