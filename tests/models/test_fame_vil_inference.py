"""FAME-ViL's vectors and captions in use: what each query asks for, what a missing half means, folders and names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from modiste.data.images import ImageError
from modiste.data.text import train_wordpiece
from modiste.models.fame_vil import SIZES, FameVil, FameVilConfig
from modiste.models.fame_vil_inference import (
    FameVilCaptioner,
    FameVilEncoder,
    FameVilRecogniser,
    FameVilTowers,
    tidied,
    words,
)
from modiste.models.inference import Fusion, ImageTextEncoder
from modiste.models.pretrained import PretrainedError, captioner_of, from_pretrained, load_captioner, save_pretrained
from modiste.types import Captioner, Item, ItemEncoder

TITLES = ["red dress", "blue denim jeans", "black leather shoes", "green bag with a strap"]
TOKENIZER = train_wordpiece(TITLES * 3, vocab_size=200)


def model_of(seed: int = 0, **changes: object) -> FameVil:
    torch.manual_seed(seed)
    config: FameVilConfig = replace(
        SIZES["debug"], vocab_size=TOKENIZER.get_vocab_size(), classes=("bag", "dress"), views=(1.0, -1.0), **changes
    )  # type: ignore[arg-type]
    model = FameVil(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model.eval()


def photos(count: int) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    return [random.integers(0, 256, (40 + n, 30, 3), dtype=np.uint8) for n in range(count)]


@pytest.fixture(scope="module")
def encoder() -> FameVilEncoder:
    return FameVilEncoder(
        FameVilTowers(model_of(), TOKENIZER), name="fame_vil_debug.toy", sha256="0" * 64, batch_size=3
    )


def test_an_item_is_three_embeddings_and_each_query_asks_for_its_own(encoder: FameVilEncoder) -> None:
    assert isinstance(encoder, ItemEncoder)
    pictures, model, dim = photos(4), encoder.towers.model, encoder.tower_id.dim
    items = [Item(str(n), title, photo) for n, (title, photo) in enumerate(zip(TITLES, pictures, strict=True))]
    vectors = encoder.encode(items).vectors
    parts = vectors.reshape(4, 3, dim) * np.sqrt(3)
    assert np.allclose(np.linalg.norm(parts, axis=2), 1, atol=1e-5)
    pixels = torch.stack([encoder.towers.prepare_image(photo) for photo in pictures])
    both_ways = [pixels.float() / 255, pixels.flip(3).float() / 255]
    ids, mask = words(encoder.towers, TITLES)
    with torch.inference_mode():
        for place, task in ((0, "xmr"), (2, "tgir")):
            seen = sum(F.normalize(model.encode_image(view, task), dim=1) for view in both_ways)
            assert np.allclose(parts[:, place], F.normalize(seen, dim=1).numpy(), atol=1e-5)
        assert np.allclose(parts[:, 1], F.normalize(model.encode_text(ids, mask, "xmr"), dim=1).numpy(), atol=1e-5)
        fused = sum(F.normalize(model.fuse(view, ids, mask, "tgir"), dim=1) for view in both_ways)
    asked = encoder.encode_queries(
        [("red dress", None), ("", pictures[1]), *zip(TITLES, pictures, strict=True)]
    ).vectors
    assert np.allclose(np.linalg.norm(asked, axis=1), 1, atol=1e-5)
    rows = asked.reshape(6, 3, dim)
    assert np.allclose(rows[:2, 2], 0)
    assert np.allclose(rows[2:, :2], 0)
    assert np.allclose(rows[2:, 2], F.normalize(fused, dim=1).numpy(), atol=1e-5)
    weigh = Fusion().words_on_image
    expected = np.stack([weigh * parts[0, 1], (1 - weigh) * parts[0, 1]])
    assert np.allclose(rows[0, :2], expected / np.linalg.norm(expected), atol=1e-5)
    with pytest.raises(ValueError, match="empty query"):
        encoder.encode_queries([("", None)])
    assert encoder.encode_queries([]).vectors.shape == (0, 3 * dim)
    assert encoder.encode([]).vectors.shape == (0, 3 * dim)


def test_batches_and_order_do_not_matter_and_missing_halves_are_filled(encoder: FameVilEncoder) -> None:
    pictures, dim = photos(7), encoder.tower_id.dim
    items = [Item(str(n), TITLES[n % 4] if n != 3 else "", pictures[n] if n != 5 else None) for n in range(7)]
    together = encoder.encode(items).vectors
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    for n, item in enumerate(items):
        assert np.allclose(encoder.encode([item]).vectors[0], together[n], atol=1e-5)
    silent, unseen = together[3].reshape(3, dim), together[5].reshape(3, dim)
    assert np.allclose(silent[0], silent[1])
    assert np.allclose(unseen[0], unseen[1])
    queries = [(TITLES[n % 4], pictures[n]) for n in range(7)]
    asked = encoder.encode_queries(queries).vectors
    for n, query in enumerate(queries):
        assert np.allclose(encoder.encode_query(*query).vectors[0], asked[n], atol=1e-5)
    with pytest.raises(ValueError, match="'x' has neither"):
        encoder.encode([Item("x")])
    with pytest.raises(ImageError, match="'y'"):
        encoder.encode([items[0], Item("y", "red", b"no photo")])


def test_captions_and_categories_through_their_folder(tmp_path: Path) -> None:
    model = model_of()
    folder = save_pretrained(tmp_path / "model", model, TOKENIZER, name="fame_vil_debug.toy")
    loaded = from_pretrained(folder)
    assert isinstance(loaded, FameVilEncoder)
    captioner, shared = load_captioner(folder), captioner_of(loaded)
    assert shared is not None
    assert isinstance(captioner, Captioner)
    pictures = photos(3)
    captions = captioner.caption(pictures, beams=3, max_words=5, batch_size=2)
    assert captions == shared.caption(pictures, beams=3, max_words=5)
    assert all(one.log_prob < 0 and one.text == one.text.strip() for one in captions)
    known = set(TOKENIZER.get_vocab())
    assert all("[" not in one.text for one in captions)
    assert known
    assert captioner.caption([]) == []
    with pytest.raises(ImageError, match="photo 1"):
        captioner.caption([pictures[0], b"no photo"])
    items = [Item("a", "red dress", pictures[0]), Item("b", "", pictures[1])]
    classes, probabilities = FameVilRecogniser(model, TOKENIZER).recognise(items)["article_type"]
    assert classes == ("bag", "dress")
    assert np.allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    with pytest.raises(ValueError, match="'c' has no photo"):
        FameVilRecogniser(model, TOKENIZER).recognise([Item("c", "words")])


def test_a_model_of_other_tasks_offers_what_it_has(tmp_path: Path) -> None:
    alone = model_of(tasks=("xmr",), tsa=False, xaa=False)
    folder = save_pretrained(tmp_path / "alone", alone, TOKENIZER, name="fame_vil_clip_debug.toy")
    plain = from_pretrained(folder)
    assert type(plain) is ImageTextEncoder
    assert plain.id.dim == 2 * alone.config.embed_dim
    assert captioner_of(plain) is None
    with pytest.raises(PretrainedError, match="captions"):
        load_captioner(folder)
    with pytest.raises(PretrainedError, match="describes no photos"):
        load_captioner("mvlt_small.products_v1")
    with pytest.raises(ValueError, match="tgir"):
        FameVilEncoder(FameVilTowers(alone, TOKENIZER), name="x", sha256="")
    with pytest.raises(ValueError, match="fic"):
        FameVilCaptioner(alone, TOKENIZER)


def test_captions_read_as_people_write() -> None:
    for pieces, written in {
        "nike men ' s black t - shirt": "nike men's black t-shirt",
        "socks ( pack of 3 )": "socks (pack of 3)",
        "black & white 1 . 5 cm heel": "black & white 1. 5 cm heel",
        "men's t-shirt": "men's t-shirt",
        "red / blue": "red/blue",
        "": "",
    }.items():
        assert tidied(pieces) == written
        assert tidied(written) == written
