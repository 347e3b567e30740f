/** What could be worn instead of one item, best first. */

import { post } from "../core/api.js";
import { references, worn } from "../core/board.js";
import { fill, h } from "../core/dom.js";
import { photoOf } from "../core/photo.js";
import { state } from "../core/say.js";
import { kindName, score } from "../core/words.js";
import { arrowKeys } from "../core/keys.js";
import { dialog } from "./dialogs.js";
import { exchange } from "./slot-actions.js";

const OFFERS = 6;

/** @param {import("../app.js").App} app @param {import("../types.js").Slot} slot */
export async function showSwaps(app, slot) {
  const board = app.board.get();
  const items = worn(board);
  const at = items.findIndex((item) => item === slot.item);
  if (at < 0) return;
  const name = kindName(slot.kind).toLowerCase();
  const place = h("div", { class: "offers", "aria-busy": "true" }, h("p", { class: "quiet" }, "Trying things on…"));
  const wish = slot.wish ? h("p", { class: "quiet" }, `Wish: ${slot.wish}`) : "";
  const box = dialog(`Instead of ${slot.item?.title || `the ${name}`}`, "swaps", wish, place);
  try {
    /** @type {import("../types.js").Answer} */
    const answer = await post("/swap", { items: references(items).refs, which: at, wish: slot.wish || board.text, alpha: board.alpha, n: OFFERS });
    const list = h("ul", { class: "grid small", role: "list" }, ...answer.looks.map((look) => offer(look)));
    arrowKeys(list, ".card-main")();
    fill(place, ...answer.notes.map((note) => h("p", { class: "notice" }, note)), answer.looks.length ? list : state("Nothing else fits", "No other item of this kind goes with the rest. Add some to the catalogue, or wish for less."));
    /** @type {HTMLElement|null} */ (list.querySelector(".card-main"))?.focus();
  } catch (error) {
    fill(place, h("p", { class: "problem", role: "alert" }, /** @type {Error} */ (error).message));
  }
  place.removeAttribute("aria-busy");

  /** @param {import("../types.js").Look} look */
  function offer(look) {
    const [chosen] = look.chosen;
    const item = look.items.find((one) => one.id === chosen?.id);
    if (!item) return "";
    const take = () => {
      box.close();
      exchange(app, slot, item, name, chosen.match);
    };
    return h(
      "li",
      { class: "card" },
      h(
        "button",
        { type: "button", class: "card-main", tabindex: "-1", onclick: take },
        h("span", { class: "photo" }, photoOf(item, { small: true })),
        h("span", { class: "card-title" }, item.title || item.id),
        h("span", { class: "quiet" }, `look ${score(look.score)}`, chosen.match === null ? "" : `, match ${score(chosen.match)}`),
      ),
    );
  }
}
