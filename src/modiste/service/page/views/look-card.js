/** A look: its photos as a flat lay, its worth, what is proven about it, and what can be done with it. */

import { h, icon, iconButton, setAttribute } from "../core/dom.js";
import { headToFoot } from "../core/board.js";
import { isLiked, toggleLike } from "../core/kept.js";
import { photoOf } from "../core/photo.js";
import { say } from "../core/say.js";
import { betterThan, kindName, proof, score } from "../core/words.js";

/**
 * @param {import("../app.js").App} app @param {import("../types.js").Look} look
 * @param {{heading: string, take: () => void, locked?: Map<string, import("../types.js").Item>, onlock?: () => void}} how
 * @returns {{element: HTMLElement, refresh: () => void}}
 */
export function lookCard(app, look, { heading, take, locked, onlock }) {
  const items = headToFoot(look.items, (item) => item.slot);
  const matches = new Map(look.chosen?.map((one) => [one.id, one.match]));
  const locks = items.map((item) => {
    if (!locked) return null;
    return iconButton("unlock", "Keep", () => {
      if (!locked.delete(item.id)) locked.set(item.id, item);
      onlock?.();
    });
  });
  const refresh = () =>
    locks.forEach((button, at) => {
      if (!button) return;
      const on = locked?.has(items[at].id) ?? false;
      button.replaceChildren(icon(on ? "lock" : "unlock"));
      setAttribute(button, "aria-pressed", String(on));
      const words = `${on ? "Let go" : "Keep"} ${items[at].title || items[at].id}`;
      setAttribute(button, "aria-label", words);
      setAttribute(button, "title", words);
    });
  refresh();
  const element = h(
    "li",
    { class: "look" },
    flatLay(app, items),
    h("div", { class: "look-head" }, h("h3", {}, heading), look.score == null ? "" : h("span", { class: "score" }, score(look.score))),
    h("p", { class: "quiet" }, ...facts(look)),
    h(
      "ul",
      { class: "look-items", role: "list" },
      ...items.map((item, at) =>
        h("li", {}, h("span", { class: "kind" }, kindName(item.slot)), h("span", {}, item.title || item.id, matches.get(item.id) == null ? "" : h("span", { class: "quiet match" }, `match ${score(Number(matches.get(item.id)))}`)), locks[at]),
      ),
    ),
    h("div", { class: "row" }, h("button", { type: "button", class: "button", onclick: take }, "Take to the board"), likeButton(items)),
  );
  return { element, refresh };
}

/** @param {import("../types.js").Look} look */
function facts(look) {
  const found = [];
  if (look.taste != null) found.push(look.score == null ? `More to your taste than ${Math.round(100 * look.taste)} % of these looks. ` : `To your taste ${score(look.taste)}. `);
  else if (look.similarity != null) found.push(`Similarity ${score(look.similarity)}. `);
  if (look.compatibility != null) found.push(`Goes together ${score(look.compatibility)}. `);
  if (betterThan(look.percentile)) found.push(`${betterThan(look.percentile)} `);
  found.push(proof(look));
  for (const reason of look.reasons ?? []) found.push(` ${reason.words[0].toUpperCase()}${reason.words.slice(1)}.`);
  return found;
}

/** Photos as one picture: big clothes left, small things right. @param {import("../app.js").App} app @param {import("../types.js").Item[]} items */
export function flatLay(app, items) {
  const big = items.filter((item) => ["top", "bottom", "one_piece", "outerwear"].includes(item.slot));
  const small = items.filter((item) => !big.includes(item));
  /** @param {import("../types.js").Item} item */
  const tile = (item) => {
    app.seen.set(item.id, item);
    return h("button", { type: "button", class: "tile", title: item.title, "aria-label": `Open ${item.title || item.id}`, onclick: () => app.open(item) }, photoOf(item, { small: true }));
  };
  const columns = [big, small].filter((column) => column.length);
  return h("div", { class: "flat-lay", "data-columns": columns.length }, ...columns.map((column) => h("div", { class: "lay-column" }, ...column.map(tile))));
}

/** @param {import("../types.js").Item[]} items */
function likeButton(items) {
  const ids = items.filter((item) => !item.own).map((item) => item.id);
  const button = iconButton("heart", "Like", () => {
    const liked = toggleLike(ids);
    show(liked);
    say(liked ? "Liked. Saved has more in this manner." : "No longer liked.");
  });
  /** @param {boolean} liked */
  const show = (liked) => {
    setAttribute(button, "aria-pressed", String(liked));
    button.classList.toggle("on", liked);
  };
  show(isLiked(ids));
  return button;
}
