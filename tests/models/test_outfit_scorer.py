"""Trained outfit models as scorers: the contract of pools, vectors handed over, folders, and the encoder they need."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).parent))
from by_hand import by_hand
from outfit_toys import DIM, ENCODER, data, features

from modiste.data.outfit_features import known_tags
from modiste.data.text import train_wordpiece
from modiste.models import csa_net, type_aware
from modiste.models.clip import SIZES as TOWERS
from modiste.models.clip import DualEncoder
from modiste.models.csa_net import CsaNet
from modiste.models.inference import ImageTextEncoder
from modiste.models.outfit_inference import OutfitModelScorer, PairPool, TransformerPool, encoded_items
from modiste.models.outfit_pretrained import OutfitModel, load_outfit_model, load_outfit_scorer, save_outfit_model
from modiste.models.outfit_transformer import SIZES, OutfitTransformer
from modiste.models.pretrained import CARD, CONFIG, MODEL, PretrainedError, load, save_pretrained
from modiste.models.stylist import Stylist
from modiste.models.type_aware import TypeAware
from modiste.types import ComplementPool, EncoderMismatch, Item, JoinablePool, OutfitScorer, Slot

MODELS = ["outfit_transformer", "csa_net", "type_aware"]
TAGS = {"category": ("bag", "shirt", "shoe", "trouser")}  # as `known_tags` normalises them


def built(name: str, dim: int = DIM) -> OutfitModel:
    torch.manual_seed(0)
    change = {"image_dim": dim, "text_dim": dim, "tags": TAGS}
    if name == "outfit_transformer":
        return OutfitTransformer(replace(SIZES["debug"], **change)).eval()  # type: ignore[arg-type]
    if name == "csa_net":
        return CsaNet(replace(csa_net.SIZES["debug"], **change)).eval()  # type: ignore[arg-type]
    return TypeAware(replace(type_aware.SIZES["debug"], **change)).eval()  # type: ignore[arg-type]


def made_pool(name: str) -> TransformerPool | PairPool:
    model, given = built(name), features(data(), ("category",))
    return TransformerPool(model, given, None) if isinstance(model, OutfitTransformer) else PairPool(model, given)


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    tokenizer = train_wordpiece(["a shirt", "a bag", "shoes", "red trousers"] * 3, vocab_size=200)
    folder = tmp_path_factory.mktemp("encoder") / "model"
    return save_pretrained(folder, DualEncoder(TOWERS["debug"]), tokenizer, name=str(folder))


@pytest.fixture(scope="module")
def encoder(encoder_folder: Path) -> ImageTextEncoder:
    return load(encoder_folder)


def photo(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (20, 15, 3), dtype=np.uint8)


ITEMS = [
    Item("a", "a shirt", photo(0), category="shirt"),
    Item("b", "a bag", category="bag"),
    Item("c", image=photo(1), category="shoes"),
    Item("d", "red trousers", photo(2), category="trousers"),
    Item("e", category="shoes"),
    Item("f", "a hat", category="hat"),
]


@pytest.mark.parametrize("name", MODELS)
def test_a_pool_keeps_its_contract(name: str) -> None:
    pool = made_pool(name)
    sets = np.array([[0, 7, 13, 19], [13, 19, 7, 0], [6, 12, -1, -1], [-1, 12, -1, 6], [4, -1, -1, -1]])
    scores = pool.score(sets)
    assert scores.dtype == np.float32
    assert ((scores > 0) & (scores <= 1)).all()
    np.testing.assert_allclose(scores[[0, 2]], scores[[1, 3]], atol=1e-6)  # order and padding
    for row in range(len(sets)):  # the other sets of the call, and the width of the array
        alone = pool.score(sets[row : row + 1][:, sets[row] >= 0])
        np.testing.assert_allclose(alone, scores[row : row + 1], atol=1e-6)
    assert len(np.unique(pool.score(np.random.default_rng(0).integers(0, 24, (50, 3))))) > 10  # it tells sets apart
    assert pool.score(np.zeros((0, 3), np.int64)).shape == (0,)
    with pytest.raises(ValueError, match="set 1 has no item"):
        pool.score(np.array([[0, 1], [-1, -1]]))
    with pytest.raises(ValueError, match="set 0 names a position outside the pool of 24 items"):
        pool.score(np.array([[0, 24]]))
    with pytest.raises(ValueError, match="outside"):
        pool.score(np.array([[0, -2]]))
    with pytest.raises(ValueError, match=r"\(B, O\)"):
        pool.score(np.array([0, 1]))


@pytest.mark.parametrize("name", MODELS)
def test_a_joined_pool_is_the_pool_of_its_items(name: str, encoder: ImageTextEncoder) -> None:
    scorer = OutfitModelScorer(built(name, encoder.towers.embed_dim), encoder)
    vectors = encoded_items(ITEMS, encoder)
    rows = [4, 0, 5, 2, 0]  # of the first four items, then of the other two
    joined = scorer.pool(ITEMS[:4], vectors[:4])
    assert isinstance(joined, JoinablePool)
    joined = joined.joined(scorer.pool(ITEMS[4:], vectors[4:]), np.array(rows))
    whole = scorer.pool([ITEMS[row] for row in rows], vectors[rows])
    sets = np.array([[0, 1], [1, 2], [3, -1], [0, 3], [4, 2]])
    assert np.allclose(joined.score(sets), whole.score(sets), atol=1e-6)
    if isinstance(whole, TransformerPool):
        assert isinstance(joined, TransformerPool)
        assert np.allclose(joined.candidates, whole.candidates, atol=1e-6)
        asked = [Slot(frozenset({"shoe"}), wish="red")] * len(sets)
        assert np.allclose(joined.queries(sets, asked), whole.queries(sets, asked), atol=1e-6)
    else:
        assert isinstance(joined, PairPool)
        assert np.allclose(joined.pairs(np.arange(5), np.arange(5)), whole.pairs(np.arange(5), np.arange(5)), atol=1e-6)
    kept = joined.joined(None, np.array([1, 1, 3]))
    assert np.allclose(kept.score(np.array([[0, 2]])), whole.score(np.array([[1, 3]])), atol=1e-6)
    with pytest.raises(ValueError, match="positions"):
        joined.joined(None, np.array([5]))
    with pytest.raises(ValueError, match="cannot be joined"):
        joined.joined(Stylist().pool(ITEMS), np.array([0]))


def test_the_greatest_inner_product_is_the_smallest_distance() -> None:
    for unit_vectors in (True, False):
        torch.manual_seed(0)
        config = replace(SIZES["debug"], image_dim=DIM, text_dim=DIM, tags=TAGS, unit_vectors=unit_vectors)
        model = OutfitTransformer(config).eval()
        pool = TransformerPool(model, features(data(), ("category",)), None)
        assert isinstance(pool, ComplementPool)
        sets = np.array([[0, 7], [13, -1], [-1, -1]])
        queries = pool.queries(sets, [Slot(), Slot(), Slot()])
        assert queries.shape == (3, config.embed_dim + 1)
        assert pool.candidates.shape == (24, config.embed_dim + 1)
        products = queries @ pool.candidates.T
        distances = np.linalg.norm(queries[:, None, :-1] - pool.candidates[None, :, :-1], axis=2)
        norm = (queries[:, :-1] ** 2).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(products, (norm - distances**2) / 2, atol=1e-4)
        np.testing.assert_array_equal(products.argmax(axis=1), distances.argmin(axis=1))


def test_queries_hear_the_slot(encoder: ImageTextEncoder) -> None:
    scorer = OutfitModelScorer(built("outfit_transformer", encoder.tower_id.dim), encoder)
    pool = scorer.pool(ITEMS)
    assert isinstance(pool, TransformerPool)
    sets = np.array([[0, 1]] * 5)
    slots = [
        Slot(),
        Slot(frozenset({"shoes"})),
        Slot(frozenset({"shoes"}), "red shoes"),
        Slot(wish="red shoes"),
        Slot(),
    ]
    found = pool.queries(sets, slots)
    assert len({tuple(row) for row in np.round(found, 5).tolist()}) == 4
    np.testing.assert_allclose(found[0], found[4], atol=1e-6)
    alone = pool.queries(sets[:1, ::-1], slots[1:2])
    np.testing.assert_allclose(alone[0], found[1], atol=1e-5)
    with pytest.raises(ValueError, match="a slot each"):
        pool.queries(sets, slots[:2])
    deaf = OutfitModelScorer(built("outfit_transformer", encoder.tower_id.dim), None)
    with pytest.raises(ValueError, match="needs the scorer's encoder"):
        deaf.pool(ITEMS, scorer._vectors(ITEMS)).queries(sets, slots)  # type: ignore[attr-defined]


def test_looks_are_unit_vectors_of_whole_outfits() -> None:
    pool = made_pool("outfit_transformer")
    assert isinstance(pool, TransformerPool)
    looks = pool.looks(np.array([[0, 7, 13], [13, 0, 7], [1, 8, -1]]))
    np.testing.assert_allclose(np.linalg.norm(looks, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(looks[0], looks[1], atol=1e-5)
    assert abs(looks[0] @ looks[2]) < 0.9999


@pytest.mark.parametrize("name", MODELS)
def test_a_score_is_never_nought(name: str) -> None:
    pool = made_pool(name)
    bias = pool.model.offset if isinstance(pool, PairPool) else pool.model.compatibility_head[-1].bias
    with torch.no_grad():
        bias.fill_(-500.0)  # type: ignore[union-attr, operator]
    assert (pool.score(np.array([[0, 7], [1, 8]])) > 0).all()


@pytest.mark.parametrize("name", MODELS)
def test_vectors_handed_over_are_as_good_as_encoding(name: str, encoder: ImageTextEncoder) -> None:
    scorer = OutfitModelScorer(built(name, encoder.tower_id.dim), encoder)
    assert isinstance(scorer, OutfitScorer)
    outfits = [ITEMS[:4], [ITEMS[1], ITEMS[5]], [ITEMS[3], ITEMS[0]]]
    scores = scorer.score(outfits)
    assert scores.shape == (3,)
    seen = [item for item in ITEMS if item.id != "e"]
    vectors = encoder.encode(seen).vectors
    sets = np.array([[0, 1, 2, 3], [1, 4, -1, -1], [3, 0, -1, -1]])
    np.testing.assert_allclose(scorer.pool(seen, vectors).score(sets), scores, atol=1e-5)
    # as a store hands them over: vectors, and items without their photos
    stored = [replace(item, image=None) for item in seen]
    np.testing.assert_allclose(scorer.pool(stored, vectors).score(sets), scores, atol=1e-5)
    assert np.isfinite(scorer.score([[ITEMS[4], ITEMS[0]]])).all()  # neither photo nor words: its tags and the nulls
    with pytest.raises(ValueError, match="must come from"):
        scorer.pool(seen, np.zeros((5, 4), np.float32))
    with pytest.raises(ValueError, match="hand over vectors"):
        OutfitModelScorer(built(name, encoder.tower_id.dim), None, encoder_id=ENCODER).pool(seen)


@pytest.mark.parametrize("name", MODELS)
def test_a_folder_comes_back_whole(name: str, tmp_path: Path, encoder: ImageTextEncoder, encoder_folder: Path) -> None:
    model = built(name, encoder.tower_id.dim)
    folder = save_outfit_model(tmp_path / "model", model, name="toy.v1", encoder=encoder.id)
    assert sorted(path.name for path in folder.iterdir()) == sorted([CARD, CONFIG, MODEL])
    scorer = load_outfit_scorer(folder)  # the encoder by its name, which is a folder here
    assert scorer.name == "toy.v1"
    assert scorer.encoder is not None
    assert scorer.encoder.id == encoder.id
    outfits = [ITEMS[:4], ITEMS[3:]]
    expected = OutfitModelScorer(model, encoder).score(outfits)
    np.testing.assert_allclose(scorer.score(outfits), expected, atol=2e-3)  # matrices are kept in fp16
    again = save_outfit_model(tmp_path / "again", scorer.model, name="other name", encoder=encoder.id)
    other = load_outfit_scorer(again, encoder=encoder)
    assert other.sha256 == scorer.sha256
    np.testing.assert_array_equal(other.score(outfits), scorer.score(outfits))
    assert load_outfit_model(tmp_path).encoder == encoder.id  # a run's folder stands for the model in it


def test_the_wrong_encoder_is_refused(tmp_path: Path, encoder: ImageTextEncoder) -> None:
    wrong = replace(encoder.id, sha256="f" * 64)
    folder = save_outfit_model(tmp_path / "m", built("csa_net", encoder.tower_id.dim), name="x", encoder=wrong)
    with pytest.raises(EncoderMismatch, match="ffffffffffff"):
        load_outfit_scorer(folder, encoder=encoder)
    nowhere = save_outfit_model(tmp_path / "n", built("csa_net"), name="x", encoder=ENCODER)
    with pytest.raises(PretrainedError, match="hand it over"):
        load_outfit_scorer(nowhere)


def test_what_is_damaged_or_no_outfit_model_says_so(
    tmp_path: Path, encoder: ImageTextEncoder, encoder_folder: Path
) -> None:
    with pytest.raises(PretrainedError, match="no outfit model"):
        load_outfit_model(tmp_path / "absent")
    with pytest.raises(PretrainedError, match="is no outfit model"):
        load_outfit_model(encoder_folder)
    with pytest.raises(PretrainedError, match="holds an outfit model"):
        load(save_outfit_model(tmp_path / "outfits", built("csa_net"), name="x", encoder=ENCODER))

    def fresh(name: str) -> Path:
        return save_outfit_model(tmp_path / name, built("outfit_transformer"), name="x", encoder=ENCODER)

    folder = fresh("a")
    state = load_file(folder / MODEL)
    del state["outfit_token"]
    save_file(state, folder / MODEL)
    by_hand(folder)
    with pytest.raises(PretrainedError, match="missing outfit_token"):
        load_outfit_model(folder)
    folder = fresh("b")
    (folder / MODEL).write_bytes(b"rubbish")
    with pytest.raises(PretrainedError, match="damaged"):
        load_outfit_model(folder)
    (folder / MODEL).unlink()
    with pytest.raises(PretrainedError, match="missing"):
        load_outfit_model(folder)
    folder = fresh("c")
    by_hand(folder)
    config = json.loads((folder / CONFIG).read_text())
    config["model"]["wings"] = 2
    (folder / CONFIG).write_text(json.dumps(config))
    with pytest.raises(PretrainedError, match="wings"):
        load_outfit_model(folder)
    (folder / CONFIG).write_text("[]")
    with pytest.raises(PretrainedError, match="list instead of an object"):
        load_outfit_model(folder)


def test_towers_are_not_written(tmp_path: Path) -> None:
    config = replace(SIZES["debug"], image_dim=DIM, text_dim=DIM)
    tuned = OutfitTransformer(config, image_tower=torch.nn.Linear(3, DIM), text_tower=torch.nn.Linear(3, DIM))
    folder = save_outfit_model(tmp_path / "tuned", tuned, name="x", encoder=ENCODER)
    assert not [key for key in load_file(folder / MODEL) if "_tower" in key]
    assert isinstance(load_outfit_model(folder).model, OutfitTransformer)


def test_unknown_categories_and_ids_are_judged_by_the_rest(encoder: ImageTextEncoder) -> None:
    tags = known_tags(ITEMS[:3], ("id", "category"))
    config = replace(SIZES["debug"], image_dim=encoder.tower_id.dim, text_dim=encoder.tower_id.dim, tags=tags)
    torch.manual_seed(0)
    scorer = OutfitModelScorer(OutfitTransformer(config), encoder)
    known, unknown = scorer.score([[ITEMS[0], ITEMS[1]], [replace(ITEMS[0], id="z"), ITEMS[1]]])
    assert known != unknown
    assert np.isfinite(unknown)
