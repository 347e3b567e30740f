"""`modiste caption`, and descriptions written on the way into a catalogue."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest


def test_photos_are_described_and_bad_ones_skipped(
    modiste, fame: Path, shop: Path, photo: Path, tmp_path: Path
) -> None:  # type: ignore[no-untyped-def]
    from modiste.models.pretrained import load_captioner

    (tmp_path / "torn.jpg").write_bytes(photo.read_bytes()[:400])
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "one.jpg").write_bytes(photo.read_bytes())
    (tmp_path / "notes.txt").write_text("no photo", encoding="utf-8")
    done = modiste(
        "caption", tmp_path, photo, "--model", fame, "--beams", 2, "--html", tmp_path / "page.html", "--json"
    )
    assert done.code == 0
    found = done.json
    assert [Path(one["photo"]).name for one in found["photos"]] == ["one.jpg", "photo.jpg"]
    right = load_captioner(fame).caption([photo.read_bytes()], beams=2)[0]
    assert found["photos"][1]["caption"] == right.text
    assert found["photos"][1]["log_prob"] == pytest.approx(right.log_prob, abs=1e-3)
    assert [Path(one["photo"]).name for one in found["rejected"]] == ["torn.jpg"]
    assert "torn.jpg" in done.err
    assert "skipped" in done.err
    assert "data:image/jpeg;base64" in (tmp_path / "page.html").read_text(encoding="utf-8")
    lines = modiste("caption", photo, "--model", fame, "--beams", 2).out.splitlines()
    assert lines == [f"{photo}: {right.text}"]


def test_what_cannot_be_described_is_said(modiste, mvlt: Path, fame: Path, photo: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    torn = tmp_path / "torn.jpg"
    torn.write_bytes(b"\xff\xd8\xff\xe0 nothing")
    for arguments, told in (
        ([tmp_path / "nowhere.jpg", "--model", fame], "nowhere.jpg: no such file"),
        ([photo, "--model", mvlt], "describes no photos"),
        ([torn, "--model", fame], "torn.jpg"),
        ([fame, "--model", fame], "holds no photos"),
    ):
        done = modiste("caption", *arguments)
        assert done.code == 1
        assert told in done.err


def test_without_a_model_the_error_says_how_to_come_by_one(
    modiste, photo: Path, shop: Path, tmp_path: Path, monkeypatch
) -> None:  # type: ignore[no-untyped-def]
    from modiste import registry

    monkeypatch.delitem(registry.PRETRAINED, registry.FAME_VIL, raising=False)
    for arguments in (["caption", photo], ["index", shop, "--into", tmp_path / "into", "--caption-missing"]):
        done = modiste(*arguments)
        assert done.code == 1
        assert "no model that describes photos is installed" in done.err


@pytest.fixture
def bare(shop: Path, tmp_path: Path) -> Path:
    """The shop's table beside its photos, the descriptions of the first 40 rows empty."""
    table = tmp_path / "bare.csv"
    with shop.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    with table.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(row | ({"description": ""} if at < 40 else {}) for at, row in enumerate(rows))
    return table


def test_empty_descriptions_are_filled_marked_and_written_once(  # type: ignore[no-untyped-def]
    modiste, fame: Path, shop: Path, bare: Path, tmp_path: Path, monkeypatch
) -> None:
    from modiste.engine.catalogue import Catalogue
    from modiste.models.fame_vil_inference import FameVilCaptioner

    asked: list[int] = []
    write = FameVilCaptioner.caption

    def counted(self, images, **more):  # type: ignore[no-untyped-def]
        asked.append(len(images))
        return write(self, images, **more)

    monkeypatch.setattr(FameVilCaptioner, "caption", counted)
    into = tmp_path / "into"
    options = ["--images", shop.parent, "--into", into, "--caption-missing", "--caption-model", fame, "--json"]
    first = modiste("index", bare, *options).json
    assert first["captioned"] == sum(asked) == 40
    store = Catalogue.open(into)
    with shop.open(newline="", encoding="utf-8") as stream:
        own = {row["id"]: row["description"] for row in csv.DictReader(stream)}
    items = [store.get(f"atelier-{at:06d}") for at in range(60)]
    assert [item.attributes.get("description_source") for item in items] == ["generated"] * 40 + [None] * 20
    assert all(item.description for item in items)
    assert [item.description for item in items[40:]] == [own[item.id] for item in items[40:]]  # a retailer's own words

    again = modiste("index", bare, *options).json  # tomorrow's table: nothing is written anew
    assert (again["captioned"], again["unchanged"], sum(asked)) == (0, 60, 40)
    with bare.open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    rows[0]["price"], rows[1]["image"], rows[2]["description"] = "1.5", rows[5]["image"], "By hand"
    with bare.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    changed = modiste("index", bare, *options).json
    assert changed["captioned"] == 1  # another photo
    assert changed["updated"] == 3
    assert changed["encoded"] == 2  # another price needs no encoder
    assert store.get("atelier-000002").description == "By hand"
    assert "description_source" not in store.get("atelier-000002").attributes


def test_a_job_that_died_goes_on_with_the_descriptions_it_has(  # type: ignore[no-untyped-def]
    modiste, fame: Path, shop: Path, bare: Path, tmp_path: Path, monkeypatch
) -> None:
    from modiste.models.fame_vil_inference import FameVilCaptioner

    into = tmp_path / "into"
    few = tmp_path / "few.csv"
    few.write_text("".join(bare.read_text(encoding="utf-8").splitlines(keepends=True)[:26]), encoding="utf-8")
    options = ["--images", shop.parent, "--into", into, "--caption-missing", "--caption-model", fame, "--json"]
    assert modiste("index", few, *options).json["captioned"] == 25  # as far as it came
    write, asked = FameVilCaptioner.caption, []

    def counted(self, images, **more):  # type: ignore[no-untyped-def]
        asked.append(len(images))
        return write(self, images, **more)

    monkeypatch.setattr(FameVilCaptioner, "caption", counted)
    done = modiste("index", bare, *options).json
    assert (done["captioned"], sum(asked), done["unchanged"], done["added"]) == (15, 15, 25, 35)


def test_a_torn_photo_is_refused_as_ever(modiste, fame: Path, shop: Path, bare: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "photos"
    (folder / "images").mkdir(parents=True)
    for path in (shop.parent / "images").iterdir():
        data = path.read_bytes()
        (folder / "images" / path.name).write_bytes(data[:300] if path.name.endswith("000003.jpg") else data)
    into = tmp_path / "into"
    done = modiste(
        "index", bare, "--images", folder, "--into", into, "--caption-missing", "--caption-model", fame, "--json"
    ).json
    assert (done["captioned"], done["rejected"]) == (39, 1)
    [told] = [json.loads(line) for line in (into / "rejected.jsonl").read_text(encoding="utf-8").splitlines()]
    assert told["id"] == "atelier-000003"
