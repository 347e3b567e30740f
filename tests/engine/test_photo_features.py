"""Features of a catalogue's photos: kept up to date, never of another photo, whole after a crash, refused when damaged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from engine_fakes import FakeEncoder, item, items

from modiste.data.images import decode
from modiste.engine.catalogue import Catalogue
from modiste.engine.errors import CatalogueError, CatalogueLocked
from modiste.engine.photo_features import MAX_PARTS, ExactJudge, PhotoFeatures
from modiste.engine.rerank import look_again
from modiste.types import EncoderId, EncoderMismatch, ImageLike, Item, PairScorer, PhotoComparer

DIM = 6


class MeanColours:
    """Describes a photo by its mean colour, and compares by distance."""

    def __init__(self, name: str = "means") -> None:
        self.id = EncoderId(name, f"{name:0<64}", DIM)
        self.photos = 0

    def features(self, photos: Sequence[ImageLike]) -> np.ndarray:
        self.photos += len(photos)
        means = [decode(photo).mean(axis=(0, 1)) for photo in photos]
        corner = [decode(photo)[0, 0] for photo in photos]
        return np.concatenate([np.array(means), np.array(corner)], axis=1).reshape(-1, DIM).astype(np.float16)

    def compare(self, query: np.ndarray, features: np.ndarray) -> np.ndarray:
        return -np.abs(features.astype(np.float32) - query.astype(np.float32)).sum(axis=1)


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    store = Catalogue.create(tmp_path / "shop", FakeEncoder().id, store_images="original")
    store.ingest(items(30), FakeEncoder())
    return store


def parts_of(features: PhotoFeatures) -> list[str]:
    """The names of the files that count."""
    return list(json.loads((features.folder / "exact.json").read_text(encoding="utf-8"))["parts"])


def expected(store: Catalogue, item_id: str) -> np.ndarray:
    return MeanColours().features([store.image(item_id)])[0]  # type: ignore[list-item]


def test_every_photo_is_described_once_and_only_changes_are_described_again(catalogue: Catalogue) -> None:
    comparer = MeanColours()
    assert isinstance(comparer, PhotoComparer)
    features = PhotoFeatures.create(catalogue, comparer.id, "somewhere")
    told: list[tuple[int, int]] = []
    report = features.update(catalogue, comparer, batch_size=7, progress=lambda *state: told.append(state))
    assert (report.described, report.dropped, report.refused, comparer.photos) == (30, 0, 0, 30)
    assert told[-1] == (30, 30)
    assert features.update(catalogue, comparer).described == 0

    catalogue.ingest([item(3, version=1), item(4, price=5.0), item(40)], FakeEncoder())  # a photo, a price, a new item
    catalogue.delete(["sku-00007"])
    snapshot = catalogue.snapshot()
    known, rows = features.find(snapshot, ["sku-00003", "sku-00004", "sku-00040", "sku-00007", "sku-00005"])
    assert known.tolist() == [False, True, False, False, True]  # never of an earlier photo
    assert np.array_equal(rows, np.stack([expected(catalogue, one) for one in ("sku-00004", "sku-00005")]))
    report = features.update(catalogue, comparer)
    assert (report.described, report.dropped, comparer.photos) == (2, 2, 32)
    again = PhotoFeatures.open(catalogue.folder)
    known, rows = again.find(catalogue.snapshot(), ["sku-00003", "sku-00040"])
    assert known.all()
    assert np.array_equal(rows, np.stack([expected(catalogue, one) for one in ("sku-00003", "sku-00040")]))
    assert (again.model, again.maker) == ("somewhere", comparer.id)


def test_items_without_a_photo_are_passed_over(catalogue: Catalogue) -> None:
    catalogue.ingest([Item("words", "only words")], FakeEncoder())
    features = PhotoFeatures.create(catalogue, MeanColours().id, "")
    assert features.update(catalogue, MeanColours()).described == 30
    assert not features.find(catalogue.snapshot(), ["words"])[0].any()


def test_a_killed_job_goes_on_behind_what_it_committed(catalogue: Catalogue) -> None:
    comparer = MeanColours()
    features = PhotoFeatures.create(catalogue, comparer.id, "")

    def killed(done: int, _: int) -> None:
        if done >= 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        features.update(catalogue, comparer, batch_size=5, commit_rows=10, progress=killed)
    kept = PhotoFeatures.open(catalogue.folder)
    assert len(kept) == 10  # whole parts only
    assert kept.find(catalogue.snapshot(), [item(n).id for n in range(30)])[0].sum() == 10
    assert kept.update(catalogue, comparer).described == 20


def test_many_parts_are_merged_and_readers_do_not_notice(catalogue: Catalogue) -> None:
    comparer = MeanColours()
    features = PhotoFeatures.create(catalogue, comparer.id, "")
    features.update(catalogue, comparer, batch_size=5, commit_rows=5)
    reader = PhotoFeatures.open(catalogue.folder)
    ids = [item(n).id for n in range(30)]
    before = reader.find(catalogue.snapshot(), ids)[1]
    assert len(parts_of(features)) == 6
    for number in range(MAX_PARTS):
        catalogue.ingest([item(number % 3, version=1 + number)], FakeEncoder())
        features.update(catalogue, comparer)
    assert len(parts_of(features)) < 10
    files = {file.name for file in (catalogue.folder / "exact").iterdir()}
    assert files == {"exact.json", *parts_of(features)}
    known, after = reader.find(catalogue.snapshot(), ids)
    assert known.all()
    assert np.array_equal(after[3:], before[3:])
    assert np.array_equal(after[0], expected(catalogue, "sku-00000"))


def test_who_else_writes_keeps_the_job_out(catalogue: Catalogue) -> None:
    features = PhotoFeatures.create(catalogue, MeanColours().id, "")
    with catalogue.writing(), pytest.raises(CatalogueLocked):
        features.update(catalogue, MeanColours())


def test_features_of_another_model_are_not_compared(catalogue: Catalogue) -> None:
    features = PhotoFeatures.create(catalogue, MeanColours().id, "")
    other = MeanColours("other")
    with pytest.raises(EncoderMismatch, match="--exact MODEL"):
        features.update(catalogue, other)
    with pytest.raises(EncoderMismatch):
        ExactJudge(catalogue, features, other)
    features.update(catalogue, MeanColours())
    assert len(PhotoFeatures.create(catalogue, other.id, "")) == 0  # those of the other are gone
    with pytest.raises(CatalogueError, match="made anew by another model"):
        features.find(catalogue.snapshot(), ["sku-00000"])


@pytest.mark.parametrize("what", ["bit", "torn", "header", "missing", "index", "path", "ids"])
def test_damage_is_found_and_said(catalogue: Catalogue, what: str) -> None:
    features = PhotoFeatures.create(catalogue, MeanColours().id, "")
    features.update(catalogue, MeanColours())
    folder = catalogue.folder / "exact"
    (part,) = parts_of(features)
    data = bytearray((folder / part).read_bytes())
    index = folder / "exact.json"
    if what == "bit":
        place = bytes(data).find(features.find(catalogue.snapshot(), ["sku-00000"])[1].tobytes())
        data[place] ^= 1
        (folder / part).write_bytes(data)
    elif what == "torn":
        (folder / part).write_bytes(data[: len(data) // 2])
    elif what == "header":
        (folder / part).write_bytes((2**60).to_bytes(8, "little") + bytes(data[8:]))
    elif what == "missing":
        (folder / part).unlink()
    elif what == "index":
        index.write_text("{}")
    elif what == "path":
        values = json.loads(index.read_text())
        index.write_text(json.dumps({**values, "parts": ["part-../../../etc/passwd.safetensors"]}))
    else:
        (folder / part).write_bytes(bytes(data).replace(b"sku-00001", b'sku","001'))
    with pytest.raises(CatalogueError, match=r"is damaged .*Delete .*exact"):
        PhotoFeatures.open(catalogue.folder).find(catalogue.snapshot(), ["sku-00000"])


def test_no_features_no_exact_search(catalogue: Catalogue) -> None:
    assert not PhotoFeatures.is_at(catalogue.folder)
    with pytest.raises(CatalogueError, match="keeps no features"):
        PhotoFeatures.open(catalogue.folder)


def test_the_judge_reorders_by_features_alone(catalogue: Catalogue) -> None:
    comparer, encoder = MeanColours(), FakeEncoder()
    features = PhotoFeatures.create(catalogue, comparer.id, "")
    features.update(catalogue, comparer)
    catalogue.ingest([item(50)], encoder)  # of which no features are kept yet
    judge = ExactJudge(catalogue, features, comparer)
    assert isinstance(judge, PairScorer)
    wanted = item(13)
    found = catalogue.search(encoder.encode_query("dress", wanted.image), k=31)
    assert all(hit.item.image is None for hit in found.hits)  # no picture is read
    before = comparer.photos
    seen = look_again(Item("query", image=wanted.image), found.hits, judge, shortlist=31, share=judge.share)
    assert comparer.photos == before + 1  # the query's
    assert seen.hits[0].item.id == wanted.id
    assert seen.hits[-1].item.id == "sku-00050"  # not judged: last
    slow = sorted(
        (one for one in range(30)),
        key=lambda n: (
            -float(comparer.compare(comparer.features([wanted.image])[0], comparer.features([item(n).image]))[0])
        ),
    )
    distances = [seen.log_odds[hit.item.id] for hit in seen.hits[:-1]]
    assert distances == sorted(distances, reverse=True)
    assert seen.log_odds[item(slow[0]).id] == distances[0]
    with pytest.raises(ValueError, match="query has none"):
        judge.score(Item("q", "words"), [wanted])
    assert np.isnan(judge.score(replace(wanted, id="q"), [Item("nobody")])).all()
