"""Inputs that nobody would send on purpose: good ones, changed bit by bit, line by line, or value by value.

Everything is drawn from a `random.Random` that a case is given, so that a case is made again from its seed alone.
"""

from __future__ import annotations

import copy
import json
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

# What has broken readers of other projects: ends of number ranges, bytes that are no text, text that is no name.
NUMBERS = (0, -1, 1, 2**31 - 1, 2**31, -(2**63), 2**63, 2**64, 10**30, 0.5, -0.0, 1e-320, 1e308, 1e999, float("nan"))
TEXTS = (
    *(
        "",
        " ",
        "\x00",
        "null",
        "NaN",
        "-",
        "..",
        "../../../etc/passwd",
        "C:\\x",
        "file:///etc/passwd",
        "a" * 300,
        "9" * 400,
    ),
    *(
        "<script>alert(1)</script>",
        "=1+1",
        "%s%n",
        "${jndi:x}",
        "' OR 1=1 --",
        "\ud800",
        "\u202eabc",
        "e\u0301" * 40,
        "İ" * 30,
    ),
    *("\U0001f457", "ﷺ", "ſ", "ß", "\u2028", "\ufeff", "٣", "²", "½", "1e999", "0x10", "1_000", "true", "[]", "{}"),
)
MAGIC = (
    b"\0",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\0\0\0\x80",
    b"\r",
    b"\n",
    b"\r\n",
    b'"',
    b"'",
    b",",
    b"\t",
)
_DEEP = 2_500  # levels of nesting: more than Python's recursion limit


def mutated(data: bytes, luck: Random, words: Sequence[bytes] = ()) -> bytes:
    """The bytes with one to six changes: flips, cuts, copies, numbers at the end of their range, words of the format."""
    found = bytearray(data)
    for _ in range(luck.choice((1, 1, 1, 2, 3, 6))):
        size = len(found)
        at = luck.randrange(size + 1)
        match luck.randrange(10):
            case 0 if size:
                found[at % size] ^= 1 << luck.randrange(8)
            case 1 if size:
                found[at % size] = luck.randrange(256)
            case 2:
                del found[at:]
            case 3:
                del found[at : at + luck.choice((1, 2, 4, 16, 200))]
            case 4:
                piece = found[at : at + luck.randrange(1, 200)]
                found[at:at] = piece * luck.choice((1, 1, 2, 40))
            case 5:
                found[at:at] = luck.choice(MAGIC)
            case 6:
                found[at : at + 4] = struct.pack(
                    luck.choice("<>") + "I", luck.choice((0, 1, 2**31 - 1, 2**32 - 1, luck.getrandbits(32)))
                )
            case 7 if words:
                word = luck.choice(words)
                found[at : at + luck.choice((0, len(word)))] = word
            case 8 if size > 64:  # the head, where sizes and offsets are
                found[luck.randrange(64)] = luck.randrange(256)
            case _:
                found[at:at] = luck.randbytes(luck.choice((1, 3, 20)))
    return bytes(found)


def mutated_text(text: str, luck: Random, words: Sequence[str]) -> str:
    """The text with words of its language put in, taken out, doubled, or odd characters among them."""
    parts = text.split(" ")
    for _ in range(luck.choice((1, 1, 2, 3, 5))):
        at = luck.randrange(len(parts) + 1)
        match luck.randrange(6):
            case 0:
                parts.insert(at, luck.choice(words))
            case 1:
                parts.insert(at, luck.choice(TEXTS))
            case 2:
                del parts[at : at + luck.choice((1, 1, 3))]
            case 3:
                parts[at:at] = parts[:at][-5:] * luck.choice((1, 1, 8))
            case 4:
                parts.insert(at, str(luck.choice(NUMBERS)))
            case _:
                luck.shuffle(parts)
    joined = luck.choice((" ", " ", " ", "", ", ", "-", "\n")).join(parts)
    if luck.random() < 0.2 and joined:
        at = luck.randrange(len(joined))
        joined = (
            joined[:at]
            + chr(luck.choice((luck.randrange(128), luck.randrange(0x3000), luck.randrange(0x110000))))
            + joined[at:]
        )
    return joined


def mutated_value(value: Any, luck: Random) -> Any:
    """A JSON value with one to four places changed: other kinds of values, missing and strange keys, long lists."""
    holder = [copy.deepcopy(value)]
    for _ in range(luck.choice((1, 1, 1, 2, 4))):
        places = list(_places(holder))
        box, key = luck.choice(places)
        old = box[key]
        match luck.randrange(9):
            case 0 if box is not holder:
                del box[key]
            case 1 if isinstance(box, dict):
                box[luck.choice(TEXTS)] = box.pop(key)
            case 2 if isinstance(old, list) and old:
                box[key] = old * luck.choice((2, 3, 300))
            case 3 if isinstance(old, str):
                box[key] = mutated_text(old, luck, TEXTS)
            case 4:
                box[key] = luck.choice(NUMBERS)
            case 5:
                box[key] = luck.choice(TEXTS)
            case 6:
                other, name = luck.choice(places)
                box[key] = (
                    copy.deepcopy(other[name])
                    if name in (other if isinstance(other, dict) else range(len(other)))
                    else None
                )
            case 7 if isinstance(old, int | float) and not isinstance(old, bool):
                box[key] = luck.choice((-old, old + 1, old - 1, old * 2, old / 2, old * 1000, float(old), str(old)))
            case _:
                box[key] = luck.choice((None, True, False, [], {}, [None], {"": None}, [[]], 0, 0.1, "x"))
    return holder[0]


def _places(holder: Any) -> list[tuple[Any, Any]]:
    """(container, key) of every value in a list or an object, nested ones too."""
    found: list[tuple[Any, Any]] = []
    todo = [holder]
    while todo and len(found) < 400:
        box = todo.pop()
        for key in list(box) if isinstance(box, dict) else range(len(box)):
            found.append((box, key))
            if isinstance(box[key], dict | list):
                todo.append(box[key])
    return found


def mutated_json(value: Any, luck: Random) -> bytes:
    """A JSON text: of a changed value mostly, and in one of eight cases with changed bytes, or nested without end."""
    kind = luck.randrange(16)
    if kind == 0:
        opening, closing = luck.choice((("[", "]"), ('{"a":', "}")))
        deep = opening * _DEEP + "1" + closing * luck.choice((0, _DEEP))
        return (luck.choice(("", '{"items":', "[")) + deep).encode()
    text = as_json(mutated_value(value, luck))
    return (
        mutated(text, luck, (b"{", b"}", b"[", b"]", b":", b"null", b"1e999", b"-", b"\\ud800", b'""'))
        if kind == 1
        else text
    )


def as_json(value: Any) -> bytes:
    """JSON with what its readers also take (NaN, lone surrogates as escapes)."""
    return json.dumps(value).encode()


def mutated_lines(text: bytes, luck: Random, words: Sequence[bytes] = ()) -> bytes:
    """Lines doubled, swapped, cut and changed; or any bytes changed."""
    if luck.random() < 0.5:
        return mutated(text, luck, words)
    lines = text.split(b"\n")
    for _ in range(luck.choice((1, 2, 4))):
        at = luck.randrange(len(lines))
        match luck.randrange(5):
            case 0:
                lines.insert(at, luck.choice(lines))
            case 1 if len(lines) > 1:
                del lines[at]
            case 2:
                lines[at] = mutated(lines[at], luck, words)
            case 3:
                lines[at] = lines[at] * luck.choice((2, 50))
            case _:
                luck.shuffle(lines)
    return b"\n".join(lines)


Mutate = Callable[[bytes, Random], bytes]


def by_lines(*words: bytes) -> Mutate:
    """How inputs of a line-based format are changed, knowing some words of it."""
    return lambda data, luck: mutated_lines(data, luck, words)


def by_json(data: bytes, luck: Random) -> bytes:
    """How a JSON file is changed."""
    return mutated_json(json.loads(data), luck)


def by_json_lines(data: bytes, luck: Random) -> bytes:
    """How a file of JSON lines is changed: a value in some of its lines, or the lines themselves."""
    if luck.random() < 0.3:
        return mutated_lines(data, luck, (b"{", b"}", b"[", b"]", b"\\ud800", b"null", b"NaN"))
    lines = data.splitlines()
    for _ in range(luck.choice((1, 1, 3))):
        at = luck.randrange(len(lines))
        try:
            lines[at] = mutated_json(json.loads(lines[at]), luck)
        except (ValueError, RecursionError):
            lines[at] = mutated(lines[at], luck)
    return b"\n".join(lines) + b"\n"


def safetensors_head(data: bytes, luck: Random) -> bytes:
    """A safetensors file with another header: names, types, shapes, offsets, its own length; or any bytes changed."""
    size = int.from_bytes(data[:8], "little")
    match luck.randrange(4):
        case 0:
            return mutated(data, luck)
        case 1:
            claimed = luck.choice((0, 1, 7, size + 1, size * 2, 2**31, 2**63, 2**64 - 1))
            return claimed.to_bytes(8, "little") + data[8:]
        case _:
            head = as_json(mutated_value(json.loads(data[8 : 8 + size]), luck))
            return len(head).to_bytes(8, "little") + head + data[8 + size :]
