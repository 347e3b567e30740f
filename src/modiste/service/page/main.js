/** Starts the page: asks what catalogue this is, builds the rooms, and keeps the address up to date. */

import { get, itemPath, onKeyNeeded } from "./core/api.js";
import { emptyBoard, newSlot, worn } from "./core/board.js";
import { createApp } from "./app.js";
import { fill, h } from "./core/dom.js";
import { choicesOf, expressions } from "./core/filters.js";
import * as hash from "./core/hash.js";
import { say, state } from "./core/say.js";
import { askKey } from "./views/dialogs.js";
import { mountBoard } from "./views/board.js";
import { mountFind } from "./views/find.js";
import { mountLooks } from "./views/looks.js";
import { mountSaved } from "./views/saved.js";
import { mountShell } from "./views/shell.js";

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
onKeyNeeded(askKey);

async function start() {
  fill(main, h("div", { class: "state", "aria-busy": "true" }, h("p", {}, "Opening the catalogue…")));
  let catalogue;
  try {
    catalogue = await get("/catalogue");
  } catch (error) {
    const again = h("button", { type: "button", class: "button", onclick: start }, "Try again");
    fill(main, state("The catalogue did not open", /** @type {Error} */ (error).message, again));
    return;
  }
  const app = createApp(catalogue);
  fill(main);
  mountShell(app);
  mountFind(app, main);
  mountLooks(app, main);
  mountSaved(app, main);
  mountBoard(app, /** @type {HTMLElement} */ (document.getElementById("board")));
  await arrive(app);
  keepAddress(app);
}

/** Show what the address says. @param {import("./app.js").App} app */
async function arrive(app) {
  const said = hash.read(location.hash);
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

/** @param {import("./app.js").App} app */
function keepAddress(app) {
  let written = "";
  const write = () => {
    const { q, choices } = app.find.get();
    const found = hash.write({ view: app.view.get().name, q, filters: choices.flatMap(expressions) }, app.board.get());
    if (found === written) return;
    written = found;
    history.replaceState(null, "", found ? `#${found}` : location.pathname);
  };
  app.board.subscribe(write);
  app.find.subscribe(write);
  app.view.subscribe(write);
  window.addEventListener("hashchange", () => {
    if (location.hash.replace(/^#/, "") !== written) arrive(app);
  });
}

start();
