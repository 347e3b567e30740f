/** The head of the page: catalogue, rooms, theme, keyboard; and the keys that work everywhere. */

import { worn } from "../core/board.js";
import { fill, h, icon, iconButton, setAttribute } from "../core/dom.js";
import { setSetting, setting } from "../core/kept.js";
import { whisper } from "../core/say.js";
import { counted } from "../core/words.js";
import { showKeys } from "./dialogs.js";

const NAMES = { find: "Find", looks: "Looks", saved: "Saved", board: "Board" };
const ICONS = /** @type {const} */ ({ find: "search", looks: "looks", saved: "save", board: "hanger" });

/** @param {import("../app.js").App} app */
export function mountShell(app) {
  const { catalogue } = app;
  document.title = catalogue.name ? `${catalogue.name} · Modiste` : "Modiste";
  fill(byId("shop"), h("span", { class: "shop-name" }, catalogue.name), h("span", {}, counted(catalogue.items, "item")));

  const count = h("span", { class: "badge", "aria-hidden": "true" });
  const links = Object.entries(NAMES).map(([name, words]) =>
    h(
      "button",
      { type: "button", class: "room", "data-room": name, onclick: () => app.go(name) },
      icon(ICONS[/** @type {keyof typeof ICONS} */ (name)]),
      h("span", {}, words),
      name === "board" ? count : null,
    ),
  );
  fill(byId("rooms"), ...links);
  app.view.subscribe(({ name }) => {
    document.body.dataset.view = name;
    links.forEach((link) => setAttribute(link, "aria-current", link.dataset.room === name && "page"));
    document.querySelectorAll("[data-room-of]").forEach((room) => {
      room.toggleAttribute("hidden", /** @type {HTMLElement} */ (room).dataset.roomOf !== name);
    });
  });
  app.board.subscribe((board) => {
    const items = worn(board).length;
    count.textContent = items ? String(items) : "";
  });

  fill(
    byId("tools"),
    iconButton("keyboard", "Keyboard", showKeys, { class: "icon-button wide-only" }),
    iconButton("light", "Light or dark", switchTheme),
  );
  for (const link of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-skip]"))) {
    link.addEventListener("click", (event) => {
      event.preventDefault(); // the address holds the look, not a place
      if (link.dataset.skip === "board") app.go("board");
      byId(link.dataset.skip ?? "main").focus();
    });
  }
  document.addEventListener("keydown", (event) => shortcut(app, event));
}

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

function switchTheme() {
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const theme = (root.dataset.theme ?? system) === "dark" ? "light" : "dark";
  root.dataset.theme = theme;
  setSetting("theme", theme);
  whisper(`${theme === "dark" ? "Dark" : "Light"} colours`);
}

/** @param {import("../app.js").App} app @param {KeyboardEvent} event */
function shortcut(app, event) {
  const writing = /** @type {HTMLElement} */ (event.target).closest("input, textarea, select");
  if (writing || document.querySelector("dialog[open]")) return;
  const letter = event.key.toLowerCase();
  if ((event.ctrlKey || event.metaKey) && !event.altKey && (letter === "z" || letter === "y")) {
    event.preventDefault();
    if (letter === "y" || event.shiftKey) app.redo();
    else app.undo();
  } else if (!event.ctrlKey && !event.metaKey && !event.altKey && setting("letters", "on") === "on") {
    if (letter === "/") {
      event.preventDefault();
      app.go("find");
      byId("q").focus();
    } else if (event.key === "?") showKeys();
  }
}
