"""What people took: kept, in order, once each, through kills and by several writers, and forgotten when they wish."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from modiste.engine import clicks
from modiste.engine.clicks import Click, ClickBook
from modiste.engine.errors import CatalogueError

_CHILD = """
import sys
from pathlib import Path
from modiste.engine.clicks import ClickBook
book = ClickBook(Path(sys.argv[1]))
for number in range(100_000):
    book.add("anna", look=f"look-{number}")
    print(number, flush=True)  # acknowledged
"""


def test_clicks_are_kept_in_order_and_once(tmp_path: Path) -> None:
    book = ClickBook(tmp_path)
    assert book.of("anna") == ()
    assert (book.counts(), book.last, book.most_taken(3)) == ((0, 0), 0, ())
    assert not book.path.exists()  # reading makes nothing
    first = book.add("anna", look="l-2")
    second = book.add("anna", item="i-1")
    book.add("eve", look="l-2")
    assert book.add("anna", look="l-2") == first < second
    assert book.of("anna") == (Click(first, "anna", "l-2"), Click(second, "anna", item="i-1"))
    assert book.add_all([("eve", "l-1", ""), ("eve", "l-2", ""), ("kim", "l-1", "")]) == 2
    assert ClickBook(tmp_path).counts() == (3, 5)
    assert book.most_taken(2) == (("l-1", 2), ("l-2", 2))
    assert book.last == max(one.number for one in book.of("kim"))
    assert stat.S_IMODE(book.path.stat().st_mode) == 0o600


def test_a_table_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    book = ClickBook(tmp_path)
    book.add("anna", look="l-1")
    with pytest.raises(ValueError, match="a click is of a person"):
        book.add_all([("eve", "l-1", ""), ("eve", "", "")])
    assert book.counts() == (1, 1)


@pytest.mark.parametrize("bad", [("", "l", ""), ("u", "", ""), ("u", "l", "i"), ("u", "x" * 201, ""), ("u\n", "l", "")])
def test_what_is_no_click_is_refused(tmp_path: Path, bad: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match=r"a click is|an id has"):
        ClickBook(tmp_path).add(bad[0], look=bad[1], item=bad[2])


def test_who_asks_to_be_forgotten_is(tmp_path: Path) -> None:
    book = ClickBook(tmp_path)
    for number in range(30):
        book.add("anna-who-goes", look=f"look-{number}")
    book.add("eve", look="l")
    assert book.forget("anna-who-goes") == 30
    assert book.counts() == (1, 1)
    assert b"anna-who-goes" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert ClickBook(tmp_path / "elsewhere").forget("anna") == 0


def test_the_oldest_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clicks, "MAX_OF_PERSON", 3)
    book = ClickBook(tmp_path)
    book.add("eve", look="l-0")
    for number in range(5):
        book.add("anna", look=f"l-{number}")
    assert [one.look for one in book.of("anna")] == ["l-2", "l-3", "l-4"]
    assert len(book.of("eve")) == 1


def test_a_killed_writer_loses_no_acknowledged_click(tmp_path: Path) -> None:
    for _ in range(2):
        child = subprocess.Popen([sys.executable, "-c", _CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        told = [int(child.stdout.readline()) for _ in range(7)]
        os.kill(child.pid, signal.SIGKILL)
        told += [int(line) for line in child.stdout.read().split()]
        child.wait()
        book = ClickBook(tmp_path)
        assert {f"look-{number}" for number in told} <= {one.look for one in book.of("anna")}
        book.add("anna", look=f"after-{child.pid}")  # and it can be written to
        book.close()


def test_several_writers_take_turns(tmp_path: Path) -> None:
    books = [ClickBook(tmp_path) for _ in range(2)]  # as of two processes

    def write(at: int) -> None:
        for number in range(8):
            books[at % 2].add(f"user-{at}", look=f"l-{number}")

    threads = [threading.Thread(target=write, args=(at,)) for at in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert books[0].counts() == (4, 32)
    assert len({one.number for at in range(4) for one in books[1].of(f"user-{at}")}) == 32


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / clicks.FILE_NAME).write_bytes(b"no database" * 200)
    with pytest.raises(CatalogueError, match=r"clicks\.sqlite is damaged .*modiste restore"):
        ClickBook(tmp_path).of("anna")
