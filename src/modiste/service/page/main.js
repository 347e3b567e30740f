/** Starts the page: asks what catalogue this is, builds the rooms, and keeps the address up to date. */

import { createApp } from "./app.js";
import { arrive } from "./arrive.js";
import { get, onKeyNeeded } from "./core/api.js";
import { fill, h } from "./core/dom.js";
import { expressions } from "./core/filters.js";
import * as hash from "./core/hash.js";
import { keepFor } from "./core/kept.js";
import { state } from "./core/say.js";
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
  keepFor(catalogue.name);
  const app = createApp(catalogue);
  fill(main);
  mountShell(app);
  mountFind(app, main);
  mountLooks(app, main);
  mountSaved(app, main);
  mountBoard(app, /** @type {HTMLElement} */ (document.getElementById("board")));
  await arrive(app, location.hash);
  keepAddress(app);
}

const SETTLE = 200; // ms; browsers refuse an address that changes with every letter and every step of a slider

/** @param {import("./app.js").App} app */
function keepAddress(app) {
  let written = "";
  let timer = 0;
  const soon = () => {
    window.clearTimeout(timer);
    timer = window.setTimeout(write, SETTLE);
  };
  const write = () => {
    const { q, choices } = app.find.get();
    const found = hash.write({ view: app.view.get().name, q, filters: choices.flatMap(expressions) }, app.board.get());
    if (found === written) return;
    written = found;
    history.replaceState(null, "", found ? `#${found}` : location.pathname);
  };
  app.board.subscribe(soon);
  app.find.subscribe(soon);
  app.view.subscribe(soon);
  window.addEventListener("hashchange", () => {
    window.clearTimeout(timer); // what was about to be written would undo the link
    if (location.hash.replace(/^#/, "") !== written) arrive(app, location.hash);
  });
}

start();
