"""The page's own logic, without its looks: undo, links, filters, and what goes into which slot."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page


@pytest.fixture
def run(visit: Any) -> Any:
    """Run JavaScript against the modules: `run("core/hash.js", "m => m.read('')")`."""
    page: Page = visit("page/icon.svg", expected=(404,))  # nothing runs in it, and it has no icon

    def call(module: str, function: str, argument: object = None) -> Any:
        script = f"async (given) => ({function})(await import('/page/{module}'), given)"
        return page.evaluate(script, argument)

    return call


def test_undo_goes_back_step_by_step_and_letters_in_a_row_are_one_step(run: Any) -> None:
    seen = run(
        "core/store.js",
        """({ createHistory }) => {
          const history = createHistory("");
          history.push("a", "type", "field"); history.push("ab", "type", "field"); history.push("abc", "add");
          const seen = [history.get()];
          history.undo(); seen.push(history.get());
          history.undo(); seen.push(history.get(), history.canUndo());
          history.redo(); seen.push(history.get());
          history.push("x", "other"); seen.push(history.canRedo(), history.undo(), history.undo(), history.undo());
          return seen;
        }""",
    )
    assert seen == ["abc", "ab", "", False, "ab", False, "other", "type", ""]


def test_a_link_says_what_is_on_the_board_and_never_an_own_photo(run: Any, probes: tuple[str, ...]) -> None:
    texts = [*probes, "*", "%", "%2A", "100 % silk * wool", "été ~ & = # +", "日本"]
    slots = [
        {"kind": "shoes", "locked": at % 2 == 0, "item": {"id": f"id {text}"}, "wish": text}
        for at, text in enumerate(texts)
    ]
    photo = {"kind": "top", "locked": True, "item": {"id": "own-1", "own": True, "title": "me"}, "wish": "silk"}
    for one in slots:
        board = {"slots": [one, photo], "text": one["wish"], "alpha": 0.75}
        read = run(
            "core/hash.js",
            "(m, board) => m.read('#' + m.write({view: 'looks', q: board.text, filters: []}, board))",
            board,
        )
        assert read["slots"] == [
            {"kind": "shoes", "locked": one["locked"], "id": one["item"]["id"], "wish": one["wish"]},  # type: ignore[index]
            {"kind": "top", "locked": False, "id": "", "wish": "silk"},
        ]
        assert (read["text"], read["alpha"], read["q"], read["view"]) == (one["wish"], 0.75, one["wish"], "looks")


@pytest.mark.parametrize(
    "hash_", ["", "#", "#s=", "#s=***", "#a=7&a=x", "#a=NaN", "#view=%E0%A4%A", "#%%%", "#s=a*b*c*d*e*f"]
)
def test_what_a_link_cannot_mean_is_left_out(run: Any, hash_: str) -> None:
    read = run("core/hash.js", "(m, hash) => m.read(hash)", hash_)
    assert read["alpha"] == 0.5
    assert len(read["slots"]) <= 1


def test_chosen_filters_are_what_the_engine_understands(run: Any) -> None:
    from modiste.engine.filters import parse_filter

    choices = [
        {"field": "colour", "values": ["red", "off white", "Black, matt"], "min": None, "max": None},
        {"field": "brand", "values": ["A|B", "<x>=1"], "min": None, "max": None},
        {"field": "price", "values": [], "min": 20, "max": 59.5},
    ]
    written = run("core/filters.js", "(m, choices) => choices.flatMap(m.expressions)", choices)
    read = [parse_filter(text) for text in written]
    assert [(one.field, one.operator, one.values) for one in read] == [
        ("colour", "=", ("red", "off white", "Black, matt")),
        ("brand", "=", ("A|B", "<x>=1")),
        ("price", ">=", ("20",)),
        ("price", "<=", ("59.5",)),
    ]
    assert run("core/filters.js", "(m, texts) => m.choicesOf(texts)", written) == choices


def test_an_item_goes_where_it_is_worn(run: Any) -> None:
    """Into the open slot of its kind, else in place of what is not locked, else into a slot of its own."""
    found = run(
        "core/board.js",
        """({ emptyBoard, placed, changed, worn }) => {
          const item = (id, slot) => ({ id, slot });
          const kinds = (board) => board.slots.map((slot) => slot.kind + (slot.item ? ":" + slot.item.id : ""));
          let board = emptyBoard(["top", "bottom", "shoes", "one_piece"]);
          const seen = [kinds(board)];
          const steps = [item("t1", "top"), item("t2", "top")];
          for (const step of steps) { board = placed(board, step).board; seen.push(kinds(board)); }
          board = changed(board, board.slots[0].key, { locked: true });
          board = placed(board, item("t3", "top")).board; seen.push(kinds(board));
          const dress = placed(emptyBoard(["top", "bottom", "shoes", "one_piece"]), item("d", "one_piece")).board;
          seen.push(kinds(dress));
          const onto = board.slots.find((slot) => slot.kind === "shoes");
          seen.push(kinds(placed(board, item("b", "bottom"), onto.key).board)); // dropped on the shoes
          return seen;
        }""",
    )
    assert found == [
        ["top", "bottom", "shoes"],
        ["top:t1", "bottom", "shoes"],
        ["top:t2", "bottom", "shoes"],
        ["top:t2", "top:t3", "bottom", "shoes"],
        ["one_piece:d", "shoes"],
        ["top:t2", "top:t3", "bottom:b", "shoes"],
    ]


def test_a_completed_look_keeps_what_was_there_and_fills_the_slots_it_was_asked_for(run: Any) -> None:
    found = run(
        "core/board.js",
        """({ newSlot, wearing }) => {
          const own = { id: "own-3", slot: "top", own: true, photo: {} };
          const board = { text: "", alpha: 0.5, slots: [
            newSlot("top", { item: own, locked: true }), newSlot("shoes", { wish: "red" }), newSlot("shoes", { wish: "white" }),
            newSlot("bag", { item: { id: "old", slot: "bag" } }) ] };
          const items = [["photo-1", "top"], ["w", "shoes"], ["r", "shoes"], ["h", "hat"]].map(([id, slot]) => ({ id, slot }));
          const chosen = [["w", "shoes", "white", 0.8], ["r", "shoes", "red", 0.7], ["h", "hat", "", null]]
            .map(([id, slot, wish, match]) => ({ id, slot, wish, match }));
          return wearing(board, { items, chosen }).slots.map((slot) => [slot.kind, slot.item?.id ?? "", slot.match]);
        }""",
    )
    assert found == [
        ["top", "own-3", None],
        ["shoes", "r", 0.7],
        ["shoes", "w", 0.8],
        ["bag", "", None],
        ["hat", "h", None],
    ]


def test_own_photos_are_sent_as_pictures_and_recognised_in_the_answer(run: Any) -> None:
    refs, names = run(
        "core/board.js",
        """({ references }) => {
          const photo = (id) => ({ id, slot: "top", title: id, photo: { data: "AA" + id } });
          const { refs, named } = references([{ id: "a", slot: "bag" }, photo("own-4"), photo("own-9")]);
          return [refs, [...named].map(([name, item]) => [name, item.id])];
        }""",
    )
    assert refs == [
        {"id": "a"},
        {"image": "AAown-4", "kind": "top", "title": "own-4"},
        {"image": "AAown-9", "kind": "top", "title": "own-9"},
    ]
    assert names == [["a", "a"], ["photo-1", "own-4"], ["photo-2", "own-9"]]


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.123, "+0.12"), (-0.035, "−0.04"), (0.004, "0.00"), (-0.004, "0.00"), (0, "0.00"), (1, "+1.00")],
)
def test_signed_numbers(run: Any, value: float, words: str) -> None:
    assert run("core/words.js", "(m, value) => m.signed(value)", value) == words


def test_a_newer_question_takes_over_and_the_button_of_the_older_one_rests(run: Any) -> None:
    seen = run(
        "core/later.js",
        """async ({ newest }) => {
          const [place, one, other] = ["div", "button", "button"].map((tag) => document.createElement(tag));
          const busy = () => [place.hasAttribute("aria-busy"), ...[one, other].map((it) => it.classList.contains("busy"))];
          const until = (signal, answer) => new Promise((resolve, reject) => {
            signal.addEventListener("abort", () => reject(signal.reason));
            answer.then(resolve);
          });
          const ask = newest(place);
          const older = ask((signal) => until(signal, new Promise(() => {})), one);
          const seen = [busy()];
          let answer;
          const newer = ask((signal) => until(signal, new Promise((resolve) => (answer = resolve))), other);
          seen.push(await older, busy());
          answer("new");
          seen.push(await newer, busy());
          const failed = await ask(() => Promise.reject(new Error("no")), one).catch((error) => error.message);
          const cancelled = ask((signal) => until(signal, new Promise(() => {})), one);
          ask.cancel();
          return [...seen, failed, await cancelled, busy()];
        }""",
    )
    idle = [False, False, False]
    assert seen == [[True, True, False], None, [True, False, True], "new", idle, "no", None, idle]
