"""Readers of texts that people write: filters, wishes and changes in words, rules, and small files of the house."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

from fuzz_inputs import as_json, by_json, mutated, mutated_lines, mutated_text
from fuzz_target import bytes_target, refused

FIELDS = ("colour", "price", "brand", "title", "category", "season", "in", "stock", "Grösse")
FILTERS = (
    *(
        "colour=Red|Blue",
        "price<50",
        'brand!="A|B"',
        "title ~ linen shirt",
        'colour in "Black, matt",Navy',
        "price>=19.99",
    ),
    *("season==Summer", "in=3", "stock=true", "Grösse=42", "price in 1,2,3", "colour != Red"),
)
SENTENCES = (
    *(
        "the same but in red with long sleeves, no stripes or dots, cheaper",
        "black leather ankle boots under 120 euros",
    ),
    *("like this, but shorter and without a collar and sleeves", "not only blue, also green; between 20 and 50"),
    *(
        "keep the colour and length, another neckline",
        "a dress, anything but polyester, max. $1,299.50",
        "без полосок, красное",
    ),
    *(
        "smart-casual office look without heels or a belt",
        "something darker, looser, more formal, higher heels",
        "红色连衣裙",
    ),
)
WORDS = (
    *(
        "without",
        "no",
        "not",
        "or",
        "and",
        "nor",
        "but",
        "under",
        "between",
        "50",
        "€",
        "1.299,00",
        "red",
        "navy blue",
        "stripes",
    ),
    *(
        "sleeves",
        "cheaper",
        "darker",
        "longer",
        "same",
        "keep",
        "another",
        "colour",
        "collar",
        "dress",
        "heels",
        "don't",
        "isn't",
    ),
    *(
        "rather than",
        "free of",
        "non",
        "-",
        ",",
        "'s",
        "linen",
        "cotton",
        "leather",
        "v-neck",
        "size 42",
        "more",
        "less",
        "anything",
    ),
)
RULES = """\
max_items = 6
granularity = "slot"
strict = true
one_per_product = true
budget = 250.0
price = "price"
stock = false
brand = ["Acme", "Nord"]
season = "Summer"
filters = ["price<100", "colour=Red|Blue"]
forbidden = ["a-1"]
required = ["a-2"]
together = [["a-3", "a-4", "a-5"]]
never = [["a-6", "a-7"]]

[excludes]
one_piece = ["top", "bottom"]

[[templates]]
name = "casual"
slots = ["top", "bottom", "shoes"]
optional = ["bag"]
"""


def _text(data: bytes) -> str:
    """What a text parser gets: any Unicode, with lone surrogates where bytes are none."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "surrogateescape")


def _words_of(words: tuple[str, ...]) -> Callable[[bytes, Random], bytes]:
    def mutate(data: bytes, luck: Random) -> bytes:
        if luck.random() < 0.2:
            return mutated(data, luck)
        return mutated_text(data.decode(), luck, words).encode("utf-8", "surrogatepass")

    return mutate


def _filter_reader(_: Path) -> Callable[[bytes], bool]:
    from modiste.engine.filters import column, filter_mask

    columns = {
        "colour": column(["Red", "Blue", None, "Black, matt"]),
        "price": column([10.0, None, 30, 1e300]),
        "brand": column(["A|B", "", "Ünï", "İ"]),
        "title": column(["linen shirt", "", "x" * 100, "ß"]),
        "category": column(["Dress"] * 4),
        "season": column(["1", "2", "3.5", None]),
        "in": column([1, 2, 3, 4]),
        "stock": column([True, False, None, True]),
        "Grösse": column(["42", "44", "XL", None]),
    }

    def read(data: bytes) -> bool:
        def one() -> None:
            mask = filter_mask([_text(data)], columns, 4)
            assert mask.shape == (4,)
            assert mask.dtype == bool

        return refused(("filter ",), one)

    return read


def _sentence_reader(_: Path) -> Callable[[bytes], bool]:
    from modiste.engine.filters import column
    from modiste.engine.modification import Known, Reference, modification
    from modiste.engine.sentence import read_sentence
    from modiste.engine.vocabulary import Vocabulary

    vocabulary = Vocabulary.of(
        {
            "colour": column(["Red", "Navy Blue", "Off White"]),
            "brand": column(["Acme", "No Name", "Nord & Co"]),
            "material": column(["cotton", "crepe", "leather"]),
            "category": column(["Dress", "T-Shirt", "Ankle Boots"]),
            "price": column([10.0, 20.0, 30.0]),
        }
    )
    values = {
        "colour": Known("blue", 1.0, "catalogue"),
        "category": Known("Dress", 1.0, "catalogue"),
        "material": Known("cotton", 0.8, "photo"),
    }
    reference = Reference("a-1", values, price=20.0)

    def read(data: bytes) -> bool:
        text = _text(data)
        sentence = read_sentence(text, vocabulary)
        ends = [end for _, end, _ in sentence.parts]
        assert not text or (sentence.parts[0][0] == 0 and ends[-1] == len(text)), "the parts do not cover the text"
        assert [start for start, _, _ in sentence.parts[1:]] == ends[:-1], "the parts do not join"
        for known in (None, reference):
            plan = modification(text, vocabulary, known)
            json.dumps(plan.as_dict(), allow_nan=False)
            plan.without([change.key for change in plan.changes[:1]])
        return plan.acts

    return read


def _file_reader(name: str, load: Callable[[Path], object]) -> Callable[[Path], Callable[[bytes], bool]]:
    """A reader of one file that has to name it."""

    def reader(folder: Path) -> Callable[[bytes], bool]:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)

        def read(data: bytes) -> bool:
            path.write_bytes(data)
            return refused((str(path),), lambda: load(path))

        return read

    return reader


def _rules(path: Path) -> None:
    from modiste.engine.rules import Rules

    rules = Rules.load(path)
    rules.split()
    for template in rules.templates:
        list(template.shapes(None, min(rules.max_items, 8)))


def _manifest(path: Path) -> None:
    from modiste.engine.manifest import Manifest
    from modiste.engine.place import Folder

    Manifest.read(Folder(path.parent))


def _keys(path: Path) -> None:
    from modiste.service.keys import KeyFile, KeyRing

    KeyFile(path).read()
    ring = KeyRing(path)
    ring.find("mk_x")
    ring.sign("a-1")


def _calibration(path: Path) -> None:
    from modiste.engine.calibration import Calibration

    found = Calibration.load(path)
    for curve in (found.compatibility, found.match, found.nearness):
        if curve is not None:
            curve([-3.0, 0.0, 0.5, 1e6])
    found.percentile(0.5) if found.reference else None


MANIFEST = {
    "format": 1,
    "encoder": {"name": "mvlt_small.products_v1", "sha256": "ab" * 32, "dim": 256},
    "store_images": "original",
    "model": "",
}
KEYS = {
    "photo_secret": "00" * 32,
    "keys": [
        {
            "name": "shop",
            "scope": "read",
            "sha256": "cd" * 32,
            "rate": 20.0,
            "burst": 40,
            "quota": 0,
            "created": "2026-11-27T00:00:00Z",
        },
        {"name": "boss", "scope": "admin", "sha256": "ef" * 32, "rate": 1.5, "burst": 4, "quota": 100, "created": ""},
    ],
}


def _calibrations() -> list[bytes]:
    from modiste.engine.calibration import Calibration, Calibrator

    scores, labels = [-2.0, -1.0, 0.0, 1.0, 2.0, 3.0], [0, 0, 1, 0, 1, 1]
    kinds = [
        Calibration(
            Calibrator.fit(scores, labels, method),
            Calibrator.fit(scores, labels),
            reference=(0.1, 0.4, 0.9),
            scorer="rules",
        )
        for method in ("logistic", "isotonic")
    ]
    return [as_json(one.as_dict()) for one in kinds]


def _toml(data: bytes, luck: Random) -> bytes:
    if luck.random() < 0.02:
        return data + b"x = " + luck.choice((b"[", b"{a=")) * 3_000
    words = (
        b"true",
        b"[",
        b"]",
        b"{",
        b"}",
        b'"',
        b"'''",
        b"inf",
        b"nan",
        b"1e400",
        b"9" * 30,
        b"=",
        b"1979-05-27",
        b"[[excludes]]",
        b"a.b.c=1",
    )
    return mutated_lines(data, luck, words)


PARSERS = (
    bytes_target(
        "filters",
        5000,
        lambda: [one.encode() for one in FILTERS],
        _words_of((*FIELDS, *["=", "!=", "<", "<=", ">", ">=", "~", "in", "|", ",", '"'])),
        _filter_reader,
    ),
    bytes_target("sentences", 800, lambda: [one.encode() for one in SENTENCES], _words_of(WORDS), _sentence_reader),
    bytes_target("rules", 800, lambda: [RULES.encode()], _toml, _file_reader("rules.toml", _rules)),
    bytes_target("manifest", 500, lambda: [as_json(MANIFEST)], by_json, _file_reader("modiste.json", _manifest)),
    bytes_target("keys", 400, lambda: [as_json(KEYS)], by_json, _file_reader("keys.json", _keys)),
    bytes_target("calibration", 400, _calibrations, by_json, _file_reader("calibration.json", _calibration)),
)
