"""Google's XML feed (RSS `item`s or Atom `entry`s with `g:` tags), streamed; document types and entities are refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from modiste.data.feed.report import FeedError

_BLOCK = 1 << 16
_MAX_DEPTH = 32
_MAX_ROW = 1_000_000  # characters of one item


class _Items:
    """Collects the direct children of each item; deeper tags add their text to the child they are in."""

    def __init__(self) -> None:
        self.done: list[tuple[int, dict[str, object]]] = []
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse
        self.depth = 0
        self.item_depth = 0  # of the open item; 0 when none is
        self.cells: dict[str, object] = {}
        self.name = ""
        self.parts: list[str] = []
        self.size = 0

    def _refuse(self, *_: object) -> None:
        raise FeedError("a document type or entity is declared, which a feed has no need of")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise FeedError(f"tags nested more than {_MAX_DEPTH} deep")
        if not self.item_depth and name in ("item", "entry"):
            self.item_depth, self.cells, self.size = self.depth, {}, 0
        elif self.item_depth and self.depth == self.item_depth + 1:
            self.name, self.parts = name, []
            if name in ("link", "g:link") and "href" in attributes:  # Atom
                self.parts.append(attributes["href"])

    def _text(self, text: str) -> None:
        if self.item_depth and self.depth > self.item_depth:
            self.size += len(text)
            if self.size > _MAX_ROW:
                raise FeedError(f"an item of more than {_MAX_ROW:,} characters")
            self.parts.append(text)

    def _end(self, name: str) -> None:
        if self.item_depth and self.depth == self.item_depth + 1:
            value = "".join(self.parts).strip()
            if value and not self.cells.get(self.name):  # repeated tags: the first that is not empty counts
                self.cells[self.name] = value
        elif self.item_depth and self.depth == self.item_depth:
            self.done.append((self.parser.CurrentLineNumber, self.cells))
            self.item_depth = 0
        self.depth -= 1


def xml_rows(path: Path) -> Iterator[tuple[int, int, dict[str, object]]]:
    """(number from 1, line, cells) of each item.

    Raises `FeedError` when the file is not well-formed (an XML file cannot be read on from there), declares a document type
    or entities, or has tags nested absurdly deep.
    """
    items, number = _Items(), 0
    with path.open("rb") as stream:
        while True:
            block = stream.read(_BLOCK)
            failure: FeedError | None = None
            try:
                items.parser.Parse(block, not block)
            except expat.ExpatError as error:
                failure = FeedError(f"{path}: not well-formed XML: {error}")
            except FeedError as error:
                failure = FeedError(f"{path}: line {items.parser.CurrentLineNumber}: {error}")
            for line, cells in items.done:
                number += 1
                yield number, line, cells
            items.done.clear()
            if failure is not None:
                raise failure
            if not block:
                return
