/** Show what a link says: the room, the search, the board. */

import { get, itemPath } from "./core/api.js";
import { emptyBoard, newSlot, worn } from "./core/board.js";
import { choicesOf } from "./core/filters.js";
import { read } from "./core/hash.js";
import { say } from "./core/say.js";

/** @param {import("./app.js").App} app @param {string} hash */
export async function arrive(app, hash) {
  const said = read(hash);
  if (said.q || said.filters.length) app.find.set({ q: said.q, choices: choicesOf(said.filters), photo: null, like: null });
  app.go(said.view);
  if (!said.slots.length && !said.text) return;
  /** @type {string[]} */
  const gone = [];
  const slots = await Promise.all(
    said.slots.map(async ({ kind, locked, id, wish }) => {
      const item = id ? await get(itemPath(id)).catch(() => void gone.push(id)) : null;
      return newSlot(item?.slot ?? kind, { item: item ?? null, locked: locked && !!item, wish });
    }),
  );
  const kinds = app.catalogue.slots.map((slot) => slot.name);
  const board = { slots: slots.length ? slots : emptyBoard(kinds).slots, text: said.text, alpha: said.alpha };
  if (worn(app.board.get()).length) app.board.push(board, "open a link");
  else app.board.replace(board);
  if (gone.length) say(`Not in this catalogue any more: ${gone.join(", ")}.`, { bad: true });
}
