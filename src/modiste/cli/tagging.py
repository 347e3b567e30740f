"""Items into labels, one batch after the other, and into a file: what `modiste tag` does between its options and its words.

Nothing here holds more than a batch (Parquet: `ROW_GROUP` rows of labels), so a table may be as long as it likes.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from modiste.files import writing_atomically

if TYPE_CHECKING:
    from modiste.models.mvlt_inference import Recogniser
    from modiste.types import Item

SUFFIXES = (".jsonl", ".csv", ".parquet")
BATCH = 64
ROW_GROUP = 4096

# What M-CR and S-CR call the two granularities that fashion_products calls sub_category (coarse) and article_type (fine).
_FRIENDLY = {"sub_category": "category", "article_type": "sub-category"}

Guess = tuple[str, float]  # a value and its probability
Refuse = Callable[[int, "Item", str], None]


@dataclass(frozen=True, slots=True)
class Tagged:
    """An item and, for each label, its most likely values with their probabilities, best first."""

    item: Item
    labels: Mapping[str, tuple[Guess, ...]]

    def as_dict(self) -> dict[str, list[dict[str, Any]]]:
        """The labels as JSON values."""
        return {
            name: [{"value": value, "probability": round(probability, 4)} for value, probability in guesses]
            for name, guesses in self.labels.items()
        }


@dataclass
class Tally:
    """How often each value was the best one, and how sure the model was on the whole."""

    num_items: int = 0
    values: dict[str, Counter[str]] = field(default_factory=dict)
    _probabilities: dict[str, float] = field(default_factory=dict)  # sums, by label

    def add(self, tagged: Tagged) -> None:
        self.num_items += 1
        for name, guesses in tagged.labels.items():
            self.values.setdefault(name, Counter())[guesses[0][0]] += 1
            self._probabilities[name] = self._probabilities.get(name, 0.0) + guesses[0][1]

    def mean_probability(self, label: str) -> float:
        """Of the best values."""
        return self._probabilities[label] / self.num_items

    def as_dict(self) -> dict[str, Any]:
        """JSON values: label -> how often each value was the best, and the mean probability of the best."""
        return {
            name: {
                "values": dict(counts.most_common()),
                "mean_probability": round(self.mean_probability(name), 4),
            }
            for name, counts in self.values.items()
        }


def friendly(label: str) -> str:
    """A label as people are told it: "category" for the coarse one, "sub-category" for the fine one, else its name."""
    return _FRIENDLY.get(label, label.replace("_", " "))


def in_order(labels: Iterable[str]) -> list[str]:
    """Labels as they are shown: category, sub-category, and then the model's own order."""
    names = list(labels)
    return [name for name in _FRIENDLY if name in names] + [name for name in names if name not in _FRIENDLY]


def tag_items(
    numbered: Iterable[tuple[int, Item]], recogniser: Recogniser, *, top: int, refuse: Refuse, batch_size: int = BATCH
) -> Iterator[list[Tagged]]:
    """Batches of tagged items in the order they came; `refuse` hears of each that could not be, with its row and why."""
    waiting = iter(numbered)
    while batch := list(islice(waiting, batch_size)):
        yield _tag(batch, recogniser, top, refuse)


def _tag(batch: list[tuple[int, Item]], recogniser: Recogniser, top: int, refuse: Refuse) -> list[Tagged]:
    """A batch that the recogniser refuses is halved until the culprits are alone."""
    items = [item for _, item in batch]
    try:
        found = recogniser.recognise(items, batch_size=len(items))
    except ValueError as error:
        if len(batch) == 1:
            row, item = batch[0]
            refuse(row, item, str(error).removeprefix(f"item {item.id!r}: "))
            return []
        middle = len(batch) // 2
        return _tag(batch[:middle], recogniser, top, refuse) + _tag(batch[middle:], recogniser, top, refuse)
    best = {name: (-rows).argsort(axis=1, kind="stable")[:, :top] for name, (_, rows) in found.items()}
    return [
        Tagged(
            item,
            {
                name: tuple((found[name][0][at], float(found[name][1][number, at])) for at in best[name][number])
                for name in in_order(found)
            },
        )
        for number, item in enumerate(items)
    ]


Write = Callable[[Sequence[Tagged]], None]


def require_suffix(path: Path) -> None:
    """Raise `ValueError` for a file that `tag_writer` cannot write."""
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(f"--out {path}: the ending must be one of {', '.join(SUFFIXES)}")


@contextlib.contextmanager
def tag_writer(path: Path, labels: Mapping[str, Sequence[str]], top: int) -> Iterator[Write]:
    """A function that writes batches to `path`, which appears whole when the block ends, or not at all.

    JSON lines: `{"id": ..., "labels": {label: [{"value", "probability"}, ...]}}`. CSV and Parquet: columns `id`, and for
    each label `label`, `label_probability`, then `label_2`, `label_2_probability` and so on, as many as `top` and the
    label's classes allow.
    """
    require_suffix(path)
    columns = {name: min(top, len(labels[name])) for name in in_order(labels)}
    opened = {".jsonl": _json_lines, ".csv": _csv, ".parquet": _parquet}[path.suffix.lower()]
    with writing_atomically(path) as file, opened(file, columns) as write:
        yield write


@contextlib.contextmanager
def _json_lines(file: IO[bytes], columns: Mapping[str, int]) -> Iterator[Write]:
    def write(batch: Sequence[Tagged]) -> None:
        for one in batch:
            line = {"id": one.item.id, "labels": one.as_dict()}
            file.write(json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n")

    yield write


@contextlib.contextmanager
def _csv(file: IO[bytes], columns: Mapping[str, int]) -> Iterator[Write]:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    writer = csv.DictWriter(text, ["id", *_flat_names(columns)])
    writer.writeheader()
    yield lambda batch: writer.writerows({**_flat(one), "id": _plain(one.item.id)} for one in batch)
    text.detach()


def _plain(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula: what begins like one gets an apostrophe."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


@contextlib.contextmanager
def _parquet(file: IO[bytes], columns: Mapping[str, int]) -> Iterator[Write]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {name: pa.float32() if name.endswith("_probability") else pa.string() for name in _flat_names(columns)}
    schema = pa.schema({"id": pa.string(), **types})
    waiting: list[dict[str, Any]] = []
    with pq.ParquetWriter(file, schema) as writer:

        def write(batch: Sequence[Tagged], at_least: int = ROW_GROUP) -> None:
            waiting.extend(_flat(one) for one in batch)
            if len(waiting) >= at_least:
                writer.write_table(pa.Table.from_pylist(waiting, schema))
                waiting.clear()

        yield write
        write([], 1)


def _flat_names(columns: Mapping[str, int]) -> list[str]:
    return [
        f"{name}{_place(place)}{kind}"
        for name, count in columns.items()
        for place in range(count)
        for kind in ("", "_probability")
    ]


def _flat(tagged: Tagged) -> dict[str, Any]:
    row: dict[str, Any] = {"id": tagged.item.id}
    for name, guesses in tagged.labels.items():
        for place, (value, probability) in enumerate(guesses):
            row[f"{name}{_place(place)}"] = value
            row[f"{name}{_place(place)}_probability"] = round(probability, 4)
    return row


def _place(place: int) -> str:
    """Nothing for the best value, "_2" for the second and so on."""
    return f"_{place + 1}" if place else ""
