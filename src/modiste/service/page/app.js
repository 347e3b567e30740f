/** What every room shares: the catalogue, the board with its past, the search, and the few things that rooms ask of others. */

import { emptyBoard, placed } from "./core/board.js";
import { say } from "./core/say.js";
import { createHistory, createStore } from "./core/store.js";
import { kindName } from "./core/words.js";
import { showItem } from "./views/detail.js";

/**
 * @typedef {{q: string, photo: import("./types.js").OwnPhoto|null, like: import("./types.js").Item|null,
 *   choices: import("./core/filters.js").Choice[], dropped: import("./views/plan.js").Dropped}} Find
 * @typedef {ReturnType<typeof createApp>} App
 */

const ROOMS = ["find", "looks", "saved", "board"];
const WIDE = window.matchMedia("(min-width: 60rem)"); // the board has its own column; as in shell.css

/** @param {import("./types.js").Catalogue} catalogue */
export function createApp(catalogue) {
  const kinds = catalogue.slots.map((slot) => slot.name);
  const app = {
    catalogue,
    board: createHistory(emptyBoard(kinds)),
    find: createStore(/** @type {Find} */ ({ q: "", photo: null, like: null, choices: [], dropped: { of: "", parts: [] } })),
    view: createStore({ name: "find" }),
    /** Items seen so far, so that one that is dragged is known by its id. @type {Map<string, import("./types.js").Item>} */
    seen: new Map(),

    /** Say what was done to the board; it can be undone from there. @param {string} words */
    done: (words) => say(words, { action: "Undo", onaction: () => app.board.undo() }),

    /** Enter a room. @param {string} name */
    go(name) {
      const known = ROOMS.includes(name) ? name : "find";
      app.view.set({ name: WIDE.matches && known === "board" ? "find" : known });
    },

    /** @param {import("./types.js").Item} item */
    open: (item) => showItem(app, item),

    /** @param {import("./types.js").Item} item @param {string} [slotKey] */
    add(item, slotKey = "") {
      const { board, replaced } = placed(app.board.get(), item, slotKey);
      app.board.push(board, `add ${item.title || item.id}`);
      const where = kindName(item.slot).toLowerCase();
      app.done(`${item.title || item.id} is on the board as ${where}${replaced && replaced.id !== item.id ? ", in place of another" : ""}.`);
    },

    /** Search with an item's photo, and words. @param {import("./types.js").Item} item @param {string} words */
    moreLike(item, words) {
      app.find.set({ like: item, photo: null, q: words });
      app.go("find");
    },

    /** @param {import("./types.js").Board} board @param {string} label */
    takeBoard(board, label) {
      app.board.push(board, label);
      app.done("The look is on the board.");
    },

    undo() {
      const label = app.board.undo();
      say(label ? `Undone: ${label}.` : "There is nothing to undo.");
    },
    redo() {
      const label = app.board.redo();
      say(label ? `Done again: ${label}.` : "There is nothing to do again.");
    },
  };
  WIDE.addEventListener("change", () => app.go(app.view.get().name));
  return app;
}
