"""The store through its front door: indexing, reading, searching, refusing."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from engine_fakes import DIM, FakeEncoder, item, items
from filelock import FileLock

from modiste.data.images import decode, encode_jpeg
from modiste.engine import catalogue as module
from modiste.engine.catalogue import Catalogue
from modiste.engine.errors import CatalogueError, CatalogueLocked, UnknownItem
from modiste.engine.filters import FilterError
from modiste.engine.ingest import IngestProgress
from modiste.types import Embeddings, EncoderId, EncoderMismatch, Item

ENCODER = FakeEncoder()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    """200 items, only read by the tests that share it."""
    made = Catalogue.create(tmp_path_factory.mktemp("shop"), ENCODER.id)
    made.ingest(items(200), ENCODER, batch_size=64, commit_rows=70)
    return made


@pytest.fixture
def empty(tmp_path: Path) -> Catalogue:
    return Catalogue.create(tmp_path / "shop", ENCODER.id)


def test_what_went_in_comes_out(shop: Catalogue) -> None:
    assert len(shop) == shop.verify() == 200
    for number in (0, 63, 64, 199):
        wanted, found = item(number), shop.get(f"sku-{number:05d}", image=True)
        for name in ("id", "title", "description", "category", "group", "attributes"):
            assert getattr(found, name) == getattr(wanted, name)
        assert isinstance(found.image, bytes)
        assert np.abs(decode(found.image).astype(int) - np.asarray(wanted.image)).mean() < 40
        row = shop.snapshot().row(wanted.id)
        assert np.allclose(shop.snapshot().vectors[row], ENCODER.encode([wanted]).vectors[0])


def test_search_equals_a_sort(shop: Catalogue) -> None:
    query = ENCODER.encode_query("red dress")
    scores = {one.id: float(ENCODER.encode([one]).vectors[0] @ query.vectors[0]) for one in items(200)}
    result = shop.search(query, 200)
    assert len(result) == 200
    assert [hit.score for hit in result] == pytest.approx(sorted(scores.values(), reverse=True), abs=1e-5)
    assert all(scores[hit.item.id] == pytest.approx(hit.score, abs=1e-5) for hit in result)
    assert {hit.item.title for hit in shop.search(query, 5)} == {"red dress"}
    assert shop.search(query, 1).hits[0].item.image is None
    assert shop.search(query, 1, images=True).hits[0].item.image is not None


def test_filters_exclusions_and_products(shop: Catalogue) -> None:
    query = ENCODER.encode_query("red dress")
    passing = [one for one in items(200) if one.attributes["price"] < 20 and one.attributes["colour"] == "blue"]
    result = shop.search(query, 500, ["price<20", "colour=BLUE"])
    assert {hit.item.id for hit in result} == {one.id for one in passing}
    assert result.total_candidates == len(passing)
    left_out = passing[0].id
    assert left_out not in shop.search(query, 500, ["price<20", "colour=blue"], exclude=[left_out, "unknown"]).ids
    assert shop.search(query, 500, exclude=[left_out]).total_candidates == 199
    assert set(shop.search(query, 5, ["slot=shoes"], collapse="group").ids) <= {
        o.id for o in items(200) if "boot" in o.title
    }
    products = shop.search(query, 50, collapse="group")
    assert len({hit.item.group for hit in products}) == len(products) == 50
    assert products.hits[0].item.id == shop.search(query, 1).hits[0].item.id
    assert shop.search(query, 3, ["price>1000"]).hits == ()
    with pytest.raises(FilterError, match="did you mean 'colour'"):
        shop.search(query, 3, ["color=red"])


def test_many_excluded_ids_go_through_the_mask(shop: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    query, out = ENCODER.encode_query("green bag"), [one.id for one in items(50)]
    by_overfetch = shop.search(query, 20, exclude=out)
    monkeypatch.setattr(module, "_OVERFETCH_EXCLUDED", 10)
    by_mask = shop.search(query, 20, exclude=out)
    assert by_mask.ids == by_overfetch.ids
    assert by_mask.total_candidates == by_overfetch.total_candidates == 150


def test_many_queries_are_single_queries(shop: Catalogue) -> None:
    words = ["red dress", "black boot", "blue bag"]
    vectors = np.concatenate([ENCODER.encode_query(text).vectors for text in words])
    for one, text in zip(shop.search_many(Embeddings(vectors, ENCODER.id), 7), words, strict=True):
        alone = shop.search(ENCODER.encode_query(text), 7)
        assert [(hit.item.id, hit.score) for hit in one] == [(hit.item.id, hit.score) for hit in alone]
    with pytest.raises(ValueError, match="search_many"):
        shop.search(Embeddings(vectors, ENCODER.id))


@pytest.mark.parametrize("arguments", [{"k": 0}, {"collapse": "colour"}])
def test_search_refuses(shop: Catalogue, arguments: dict) -> None:
    with pytest.raises(ValueError, match="must be"):
        shop.search(ENCODER.encode_query("x"), **arguments)


def test_unknown_ids_suggest_near_ones(shop: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    for pool in (5_000, 20):
        monkeypatch.setattr("modiste.engine.snapshot._SUGGESTION_POOL", pool)
        with pytest.raises(UnknownItem, match=r"no item 'sku-0007'; did you mean 'sku-0"):
            shop.get("sku-0007")
    with pytest.raises(UnknownItem, match="among 200 items"):
        shop.image("?")


def test_another_encoder_is_refused(shop: Catalogue) -> None:
    other = FakeEncoder("other")
    with pytest.raises(EncoderMismatch, match="index again into a new folder"):
        Catalogue.open(shop.folder, other.id)
    with pytest.raises(EncoderMismatch, match="indexed with fake"):
        shop.ingest(items(1), other)
    with pytest.raises(EncoderMismatch):
        shop.search(other.encode_query("red"))
    assert len(Catalogue.open_or_create(shop.folder, ENCODER.id)) == 200


def test_a_second_run_encodes_nothing_and_a_new_price_neither(empty: Catalogue) -> None:
    encoder = FakeEncoder()
    assert empty.ingest(iter(items(60)), encoder).added == 60
    encoder.num_items = 0
    again = empty.ingest(iter(items(60)), encoder)
    assert (again.added, again.updated, again.unchanged, again.encoded) == (0, 0, 60, 0)
    picture, vectors = empty.image("sku-00003"), empty.snapshot().vectors.copy()
    report = empty.ingest([item(number, price=1000.0 + number) for number in range(30)], encoder)
    assert (report.updated, report.encoded, encoder.num_items) == (30, 0, 0)
    assert empty.get("sku-00003").attributes["price"] == 1003.0
    assert empty.image("sku-00003") == picture
    assert np.array_equal(empty.snapshot().vectors, vectors)
    assert empty.search(encoder.encode_query("red"), 99, ["price>=1000"]).total_candidates == 30
    changed = empty.ingest([item(3, version=2)], encoder)
    assert (changed.updated, changed.encoded, encoder.num_items) == (1, 1, 1)
    assert empty.get("sku-00003").title.endswith("v2")
    assert empty.verify() == 60


def test_vectors_of_items_that_are_stored_just_so_are_not_made_again(empty: Catalogue) -> None:
    empty.ingest(items(20), ENCODER)
    asked = [
        item(3),
        item(50),
        item(7, version=1),
        item(9, price=3.0),
    ]  # as stored, a stranger, another photo, another price
    fresh = FakeEncoder()
    found = empty.vectors_of(asked, fresh)
    assert fresh.num_items == 2
    assert np.allclose(found, ENCODER.encode(asked).vectors)
    assert empty.vectors_of([], fresh).shape == (0, DIM)
    with pytest.raises(EncoderMismatch):
        empty.vectors_of(asked, FakeEncoder("other"))


def test_prune_deletes_what_the_feed_lost_but_not_what_it_spoilt(empty: Catalogue) -> None:
    empty.ingest(items(20), ENCODER)
    feed = [*items(10, start=10), Item("sku-00000", title="\ud800"), Item("new", title="red shirt")]
    reasons: dict[str, str] = {}
    report = empty.ingest(feed, ENCODER, prune=True, on_error=lambda one, why: reasons.update({one.id: why}))
    assert (report.added, report.unchanged, report.deleted, report.rejected) == (1, 10, 9, 1)
    assert "Unicode" in reasons["sku-00000"]
    assert empty.get("sku-00000").title == item(0).title
    with pytest.raises(ValueError, match="the feed is empty"):
        empty.ingest([], ENCODER, prune=True)
    assert len(empty) == 12


def test_a_failing_feed_keeps_what_came_before_and_prunes_nothing(empty: Catalogue) -> None:
    empty.ingest(items(5, start=500), ENCODER)

    def feed() -> Iterator[Item]:
        yield from items(40)
        raise OSError("the network is down")

    with pytest.raises(OSError, match="network"):
        empty.ingest(feed(), ENCODER, batch_size=10, prune=True)
    assert len(empty) == empty.verify() == 45


def test_refused_items_are_isolated(empty: Catalogue) -> None:
    bad = [
        Item("nothing"),
        Item("broken", title="x", image=b"\xff\xd8\xff not a picture"),
        Item("no-picture", title="x", image=b"GIF? no"),
        Item("list", title="x", attributes={"sizes": ["S"]}),  # type: ignore[dict-item]
        Item("infinite", title="x", attributes={"price": float("inf")}),
        item(7),
    ]
    feed = [*items(10), *bad, *items(10, start=10)]
    reasons: dict[str, str] = {}
    report = empty.ingest(feed, ENCODER, batch_size=8, on_error=lambda one, why: reasons.update({one.id: why}))
    assert (report.added, report.rejected) == (20, 6)
    assert set(reasons) == {one.id for one in bad}
    assert "neither image nor text" in reasons["nothing"]
    assert "duplicate id" in reasons["sku-00007"]
    assert empty.ingest(feed, ENCODER).rejected == 6
    assert len(empty) == 20
    with pytest.raises(ValueError, match=r"item 'nothing': .*neither"):
        empty.upsert([bad[0], item(77)], ENCODER)
    assert empty.get("sku-00077").title == item(77).title


class Broken(FakeEncoder):
    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def encode(self, given: list) -> Embeddings:
        good = super().encode(given)
        if any(one.id == "sku-00005" for one in given):
            if self.how == "nan":
                return Embeddings(np.full_like(good.vectors, np.nan), self.id)
            if self.how == "short":
                return Embeddings(good.vectors[1:], self.id)
            raise {"crash": RuntimeError("out of memory"), "interrupt": KeyboardInterrupt()}[self.how]
        return good


def test_vectors_that_are_not_finite_are_refused(empty: Catalogue) -> None:
    assert empty.ingest(items(10), Broken("nan")).rejected == 1
    assert len(empty) == 9


@pytest.mark.parametrize(
    ("how", "error"), [("crash", RuntimeError), ("short", RuntimeError), ("interrupt", KeyboardInterrupt)]
)
def test_a_crash_of_the_encoder_keeps_earlier_batches(empty: Catalogue, how: str, error: type[BaseException]) -> None:
    with pytest.raises(error):
        empty.ingest(iter(items(10)), Broken(how), batch_size=4)
    assert len(empty) == 4
    assert empty.ingest(iter(items(10)), ENCODER).added == 6
    assert not [one for one in threading.enumerate() if one.name.startswith("modiste-")]


def test_a_failing_commit_is_raised_and_frees_the_lock(empty: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(rows: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(empty._table, "commit", refuse)
        with pytest.raises(OSError, match="No space"):
            empty.ingest(iter(items(500)), ENCODER, batch_size=5, commit_rows=5)
    assert empty.ingest(items(5), ENCODER).added == 5


def test_commit_conflicts_are_retried(empty: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = []
    monkeypatch.setattr("modiste.engine.table.time.sleep", lambda seconds: None)

    def commit() -> str:
        attempts.append(1)
        if len(attempts) < 3:
            raise RuntimeError("lance error: Commit conflict for version 7")
        return "done"

    assert empty._table._retried(commit) == "done"

    def hopeless() -> None:
        raise RuntimeError("Too many concurrent writers")

    with pytest.raises(CatalogueError, match="another program keeps writing"):
        empty._table._retried(hopeless)
    with pytest.raises(CatalogueError, match="modiste index TABLE --into"):
        empty._table._retried(lambda: 1 / 0)


def test_progress_adds_up_and_names_what_is_durable(empty: Catalogue) -> None:
    told: list[IngestProgress] = []
    empty.ingest(iter(items(100)), ENCODER, batch_size=16, commit_rows=16, progress=told.append)
    committed = [item_id for one in told for item_id in one.committed]
    assert sorted(committed) == [one.id for one in items(100)]
    assert (told[-1].read, told[-1].added) == (100, 100)
    reads = [one.read for one in told]
    assert reads == sorted(reads)


def test_slow_feeds_commit_by_time(empty: Catalogue) -> None:
    told: list[IngestProgress] = []
    more = threading.Event()

    def feed() -> Iterator[Item]:
        yield from items(8)
        assert more.wait(20)
        yield from items(8, start=8)

    def progress(one: IngestProgress) -> None:
        told.append(one)
        while len(told) == 1 and len(empty) < 4:  # the first rows appear although no full commit is ready
            pass
        more.set()

    empty.ingest(feed(), ENCODER, batch_size=4, commit_rows=1000, commit_seconds=0.1, progress=progress)
    assert len(empty) == 16


def test_one_writer_at_a_time(empty: Catalogue) -> None:
    def feed() -> Iterator[Item]:
        yield from items(4)
        with pytest.raises(CatalogueLocked, match=r"another process is indexing into .* \(pid \d+\)"):
            Catalogue.open(empty.folder).ingest(items(4), ENCODER)
        with pytest.raises(CatalogueLocked):
            empty.delete(["sku-00001"])
        assert Catalogue.open(empty.folder).search(ENCODER.encode_query("red")).hits == ()
        yield item(9)

    assert empty.ingest(feed(), ENCODER).added == 5
    with FileLock(str(empty.folder / ".modiste.lock")):
        (empty.folder / ".modiste.writer").unlink()
        with pytest.raises(CatalogueLocked, match="pid unknown"):
            empty.compact()


def test_delete_and_hostile_ids(empty: Catalogue) -> None:
    ids = ["it's", "' OR 1=1 --", 'a"b', "ü", "a\\b", "x\ny", "%"]
    empty.ingest([Item(one, title=f"red {number}") for number, one in enumerate(ids)], ENCODER)
    assert sorted(empty.get(one).id for one in ids) == sorted(ids)
    assert empty.delete(["it's", "unknown"]) == 1
    assert empty.delete(["' OR 1=1 --"]) == 1
    assert len(empty) == 5
    assert empty.upsert([Item("ü", title="blue")], ENCODER).updated == 1
    assert empty.get("ü").title == "blue"
    assert empty.image("ü") is None


def test_readers_follow_and_survive_compaction(empty: Catalogue) -> None:
    empty.ingest(items(300), ENCODER, batch_size=10, commit_rows=10, keep_versions=timedelta(0))
    assert empty._table.num_fragments() <= 16  # merged at the end of the job
    reader = Catalogue.open(empty.folder)
    before = reader.snapshot()
    empty.ingest(items(300, start=300), ENCODER, batch_size=10, commit_rows=10)
    empty.compact(keep_versions=timedelta(0))
    assert len(before) == 300
    assert reader._image(before, 5) == empty.image("sku-00005")  # its version is gone: read from the latest
    assert len(reader) == 600
    assert reader.verify() == 600


@pytest.mark.parametrize("store", ["original", "thumbnail", "none"])
def test_what_is_kept_of_pictures(tmp_path: Path, store: str) -> None:
    kept = Catalogue.create(tmp_path, ENCODER.id, store_images=store)  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 255, (700, 900, 3), dtype=np.uint8)
    large, small = encode_jpeg(pixels), encode_jpeg(pixels[:40, :30])
    feed = [Item("large", "x", large), Item("small", "x", small), Item("array", "x", pixels), Item("none", "x")]
    kept.ingest(feed, ENCODER)
    if store == "none":
        assert kept.image("large") is None
        return
    sizes = {one.id: decode(kept.image(one.id) or b"").shape for one in feed[:3]}
    assert kept.image("small") == small
    assert kept.image("none") is None
    if store == "original":
        assert kept.image("large") == large
        assert np.array_equal(decode(kept.image("array") or b""), pixels)
    else:
        assert sizes["large"] == sizes["array"] == (398, 512, 3)
    assert Catalogue.open(tmp_path).store_images == store


def test_private_metadata_is_not_kept_in_thumbnails(empty: Catalogue) -> None:
    import io

    from PIL import Image

    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    buffer = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(buffer, "JPEG", exif=exif)
    assert b"taken at home" in buffer.getvalue()
    empty.ingest([Item("photo", image=buffer.getvalue())], ENCODER)
    assert b"taken at home" not in (empty.image("photo") or b"")


def test_an_empty_catalogue_answers(empty: Catalogue) -> None:
    assert len(empty) == empty.verify() == 0
    assert empty.search(ENCODER.encode_query("red"), 3).hits == ()
    assert empty.search(ENCODER.encode_query("red"), 3, ["id=x"], collapse="group").hits == ()


def test_creation(tmp_path: Path) -> None:
    made = Catalogue.open_or_create(tmp_path / "a" / "b", ENCODER.id)
    with pytest.raises(CatalogueError, match="already holds a catalogue"):
        Catalogue.create(made.folder, ENCODER.id)
    with pytest.raises(CatalogueError, match=r"no catalogue at .*modiste index TABLE"):
        Catalogue.open(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="store_images"):
        Catalogue.create(tmp_path / "c", ENCODER.id, store_images="big")  # type: ignore[arg-type]
    (tmp_path / "file").write_text("x")
    with pytest.raises(CatalogueError, match="cannot be made"):
        Catalogue.create(tmp_path / "file", ENCODER.id)
    (made.folder / "modiste.json").unlink()  # as after a crash in the middle of a creation
    assert len(Catalogue.open_or_create(made.folder, ENCODER.id)) == 0


@pytest.fixture
def victim(empty: Catalogue) -> Path:
    empty.ingest(items(40), ENCODER)
    return empty.folder


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"format": 1}',
        '{"format": 2}',
        '{"format": 99}',
        '{"format": 1, "encoder": 5, "store_images": "none"}',
        "\0",
    ],
)
def test_a_garbled_description_is_named(victim: Path, text: str) -> None:
    (victim / "modiste.json").write_text(text)
    with pytest.raises(CatalogueError, match=r"modiste\.json .*modiste index TABLE --into"):
        Catalogue.open(victim)


def test_missing_parts_are_named(victim: Path) -> None:
    description = victim / "modiste.json"
    data = json.loads(description.read_text())
    data["encoder"]["dim"] = DIM + 1
    description.write_text(json.dumps(data))
    with pytest.raises(CatalogueError, match=r"modiste\.json is damaged .*not those that were written"):
        Catalogue.open(victim)
    del data["sum"]  # as whoever changes it by hand does
    description.write_text(json.dumps(data))
    with pytest.raises(CatalogueError, match=r"items\.lance does not have the columns of a \d+-d"):
        Catalogue.open(victim)
    description.unlink()
    with pytest.raises(CatalogueError, match=r"modiste\.json is missing"):
        Catalogue.open(victim)
    with pytest.raises(CatalogueError, match="no usable description"):
        Catalogue.open_or_create(victim, ENCODER.id)


def test_damaged_files_are_found(victim: Path) -> None:
    """Every file cut short or with one changed byte: an answer that is right, or an error that names the store."""
    wanted = Catalogue.open(victim).search(ENCODER.encode_query("red dress"), 40)
    rng, errors = np.random.default_rng(0), list[str]()
    for path in sorted(victim.glob("items.lance/data/*")) + sorted(victim.glob("items.lance/_versions/*.manifest"))[:1]:
        whole = path.read_bytes()
        for attempt in range(10):
            data = bytearray(whole)
            if attempt < 4:
                data = data[: len(data) * attempt // 4]
            else:
                data[rng.integers(len(data))] ^= 0xFF
            path.write_bytes(bytes(data))
            try:
                catalogue = Catalogue.open(victim)
                catalogue.verify()
                found = catalogue.search(ENCODER.encode_query("red dress"), 40)
                assert [(hit.item.id, hit.score) for hit in found] == [(hit.item.id, hit.score) for hit in wanted]
            except CatalogueError as error:
                errors.append(str(error))
        path.write_bytes(whole)
    assert len(errors) >= 8
    assert all(str(victim) in message for message in errors)
    assert Catalogue.open(victim).verify() == 40


def test_a_wrong_vector_is_not_served(victim: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = Catalogue.open(victim)
    monkeypatch.setattr("modiste.engine.rows.row_sum", lambda values: 1)
    monkeypatch.setattr("modiste.engine.rows.vector_sums", lambda vectors: np.ones(len(vectors), np.uint64))
    catalogue.ingest([item(1, version=9)], ENCODER)  # written with sums that do not fit
    for call in (
        catalogue.verify,
        catalogue.snapshot,
        lambda: catalogue.ingest([item(1, version=9, price=1)], ENCODER),
    ):
        with pytest.raises(CatalogueError, match="checksum"):
            call()


def test_the_engine_imports_no_torch() -> None:
    code = "import sys, modiste.engine.catalogue, modiste.engine.ivf; sys.exit('torch' in sys.modules)"
    path = str(Path(module.__file__).parents[2])
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": path}, check=False).returncode == 0


def test_ivf_serves_a_large_catalogue(empty: Catalogue) -> None:
    empty.ingest(items(1500), ENCODER)
    approximate = Catalogue.open(empty.folder, EncoderId("renamed", ENCODER.id.sha256, DIM), exact_limit=200)
    for text in ("red dress", "blue bag model"):
        query = ENCODER.encode_query(text)
        exact = empty.search(query, 10, exclude=["sku-00000"])
        near = approximate.search(query, 10, exclude=["sku-00000"])
        assert len(near) == 10
        assert min(hit.score for hit in near) >= exact.hits[-1].score - 0.02
        assert approximate.search(query, 10, ["price<5"]).ids == empty.search(query, 10, ["price<5"]).ids
