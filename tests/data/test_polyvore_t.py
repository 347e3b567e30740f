"""Polyvore-T: looks of names and slots."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from modiste.data.outfits import Look
from modiste.data.polyvore_t import read_polyvore_t
from modiste.taxonomy import unknown_labels


def look(set_id: str, **names: str) -> dict[str, object]:
    items = [
        {"item": f"{set_id}_{number}", "slot": slot, "name": name}
        for number, (slot, name) in enumerate(names.items(), 1)
    ]
    return {"set_id": set_id, "items": items}


GOOD = look("1", upper="silk  shirt", shoe="")


def written(root: Path, *lines: object, split: str = "test") -> Path:
    folder = root / "polyvore_t"
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / f"polyvore_t_{split}.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    return folder


def test_names_and_slots(tmp_path: Path) -> None:
    folder = written(tmp_path, GOOD, "", look("2", bag="silk shirt"))
    for root in (tmp_path, folder):
        data = read_polyvore_t(root)
        assert data.looks == {
            "test": (Look("1", ("1_1", "1_2"), slots=("upper", "shoe")), Look("2", ("2_1",), slots=("bag",)))
        }
    shirt, shoe, bag = (data.items[one] for one in ("1_1", "1_2", "2_1"))
    assert (shirt.title, shirt.category, dict(shirt.attributes)) == ("silk shirt", "upper", {"named": True})
    assert (shoe.title, dict(shoe.attributes)) == ("shoe", {"named": False})
    assert bag.product == shirt.product  # the same name: nothing tells them apart


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: .* is needed"),
        ("[]", "line 2: .* is needed"),
        ({"set_id": "2"}, "line 2: .* is needed"),
        ({"set_id": "2", "items": [{"item": "2_1", "slot": "bag"}]}, "line 2: .*KeyError"),
        ({"set_id": "2", "items": []}, "line 2: no items"),
        ({"set_id": "", "items": GOOD["items"]}, "line 2: no items, or an id that is empty"),
        ({"set_id": "2", "items": [{"item": 21, "slot": "bag", "name": "x"}]}, "line 2: .*no text"),
        (
            {"set_id": "2", "items": [{"item": "21", "slot": "bag", "name": None}]},
            "line 2: a slot or a name that is no text",
        ),
        (look("2", hat="x"), "line 2: unknown slot 'hat' of item '2_1'; known: upper"),
        (GOOD, "line 2: look '1' is there already"),
        ({"set_id": "2", "items": GOOD["items"]}, "line 2: item '1_1' is there already"),
        ("x" * 1_000_001, "line 2 is longer than 1,000,000 bytes"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: object, message: str) -> None:
    written(tmp_path, GOOD, line)
    with pytest.raises(ValueError, match=rf"polyvore_t_test\.jsonl\.gz: {message}"):
        read_polyvore_t(tmp_path)


def test_damaged_and_absent_files(tmp_path: Path) -> None:
    with pytest.raises(
        FileNotFoundError, match=r"no polyvore_t/polyvore_t_\{train,valid,test\}\.jsonl\.gz there; .*MODISTE_DATA"
    ):
        read_polyvore_t(tmp_path)
    file = (
        written(tmp_path, *(look(str(number), upper=f"name {number}") for number in range(200)))
        / "polyvore_t_test.jsonl.gz"
    )
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], b"no gzip", whole[:40] + b"\x00" * 40 + whole[80:]):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=r"polyvore_t_test\.jsonl\.gz"):
            read_polyvore_t(tmp_path)
    file.write_bytes(gzip.compress(b"\xff\xfe\n"))
    with pytest.raises(ValueError, match="line 1 is not UTF-8"):
        read_polyvore_t(tmp_path)


@pytest.mark.data
def test_the_real_files(real_data: Path) -> None:
    data = read_polyvore_t(real_data)
    assert {split: len(looks) for split, looks in data.looks.items()} == {"valid": 1_196, "test": 2_463}
    assert len(data.items) == 15_082
    assert sum(not item.attributes["named"] for item in data.items.values()) == 140
    assert unknown_labels({item.category for item in data.items.values()}) == []
