/** One item as a card: the photo leads, a button puts it on the board, the whole can be dragged there. */

import { h, iconButton } from "../core/dom.js";
import { photoOf } from "../core/photo.js";
import { setting } from "../core/kept.js";
import { arrowKeys } from "../core/keys.js";

export const DRAGGED = "application/x-modiste-item";

/** @param {import("../app.js").App} app @param {import("../types.js").Item} item @param {string} [fact] a small line below the title */
export function card(app, item, fact = under(item)) {
  app.seen.set(item.id, item);
  const title = item.title || item.id;
  return h(
    "li",
    {
      class: "card",
      draggable: "true",
      ondragstart(/** @type {DragEvent} */ event) {
        event.dataTransfer?.setData(DRAGGED, item.id);
        if (event.dataTransfer) event.dataTransfer.effectAllowed = "copy";
      },
    },
    h(
      "button",
      { type: "button", class: "card-main", tabindex: "-1", "data-id": item.id, onclick: () => app.open(item) },
      h("span", { class: "photo" }, photoOf(item, { small: true })),
      h("span", { class: "card-title" }, title),
      fact ? h("span", { class: "quiet" }, fact) : null,
    ),
    iconButton("add", `Add ${title} to the board`, () => app.add(item), { class: "icon-button card-add", tabindex: "-1" }),
  );
}

/** Brand and price, where the catalogue has them. @param {import("../types.js").Item} item */
export function under(item) {
  const { brand, price } = item.attributes ?? {};
  return [brand, price === undefined ? "" : String(price)].filter(Boolean).join(" · ");
}

/**
 * A grid of cards that arrow keys walk.
 * @param {import("../app.js").App} app @param {string} label
 * @returns {{element: HTMLElement, tidy: () => void}} `tidy` after cards were put in
 */
export function cardGrid(app, label) {
  const element = h("ul", { class: "grid", role: "list", "aria-label": label });
  const tidy = arrowKeys(element, ".card-main", {
    a: (/** @type {HTMLElement} */ card) => {
      const item = app.seen.get(card.dataset.id ?? "");
      if (item && setting("letters", "on") === "on") app.add(item);
    },
  });
  return { element, tidy };
}
