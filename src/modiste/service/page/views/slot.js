/** One slot of the board: what is in it, a wish, and what can be done. It takes items and photos that are dropped on it. */

import { changed, moved, withoutSlot } from "../core/board.js";
import { fill, h, icon, iconButton, setAttribute } from "../core/dom.js";
import { carriesFiles, fileOf, ownPhoto, photoOf } from "../core/photo.js";
import { say } from "../core/say.js";
import { kindName, score } from "../core/words.js";
import { DRAGGED } from "./card.js";
import { lock as lockSlot, takeOff } from "./slot-actions.js";
import { showSwaps } from "./swaps.js";

const SLOT = "application/x-modiste-slot";
/** @type {Record<string, string>} */
const WISHES = { top: "silk", bottom: "wide", outerwear: "short", shoes: "white", bag: "small", one_piece: "floral", hat: "straw", jewellery: "gold" };
let photos = 0;

/** @param {import("../app.js").App} app @param {string} key */
export function createSlot(app, key) {
  /** @type {import("../types.js").Slot} */
  let slot;
  const main = h("button", { type: "button", class: "slot-main", "data-key": key, tabindex: "-1", onclick: () => (slot.item ? app.open(slot.item) : toFind(app, slot)) });
  const photo = h("span", { class: "photo" });
  const kind = h("span", { class: "kind" });
  const title = h("span", { class: "slot-title" });
  main.append(photo, kind, title);
  const picker = h("input", {
    type: "file",
    class: "unseen",
    accept: "image/jpeg,image/png,image/webp",
    tabindex: "-1",
    onchange: async () => {
      const [file] = picker.files;
      picker.value = "";
      if (file) await usePhoto(file);
    },
  });
  const lock = iconButton("unlock", "Lock", () => lockSlot(app, slot));
  const swap = iconButton("swap", "Swap", () => showSwaps(app, slot));
  const off = iconButton("close", "Take off", () => takeOff(app, slot));
  const own = iconButton("camera", "Your own photo", () => picker.click());
  const drop = iconButton("close", "Remove the slot", () => app.board.push(withoutSlot(app.board.get(), key), `remove the slot for ${kindName(slot.kind).toLowerCase()}`));
  const tools = h("div", { class: "slot-tools" });
  const wish = h("input", {
    type: "text",
    class: "wish",
    autocomplete: "off",
    maxlength: app.catalogue.limits?.max_wish ?? 500,
    oninput: () => app.board.push(changed(app.board.get(), key, { wish: wish.value, match: null }), "change a wish", `wish ${key}`),
  });
  const match = h("span", { class: "match quiet" });
  const element = h("li", { class: "slot", draggable: "true" }, main, tools, h("div", { class: "wish-line" }, wish, match), picker);

  /** @param {File} file */
  async function usePhoto(file) {
    try {
      const photo = await ownPhoto(file);
      const title = photo.name.replace(/\.[a-z0-9]+$/i, "").slice(0, 80);
      const item = { id: `own-${++photos}`, title, category: slot.kind, slot: slot.kind, attributes: {}, image: null, own: true, photo };
      app.board.push(changed(app.board.get(), key, { item, locked: true, match: null }), "put an own photo in");
      say("Your photo is on the board. It stays in this tab and is kept nowhere.");
    } catch (error) {
      say(/** @type {Error} */ (error).message, { bad: true });
    }
  }

  element.addEventListener("dragstart", (/** @type {DragEvent} */ event) => {
    if (!slot.item) return event.preventDefault();
    event.dataTransfer?.setData(SLOT, key);
  });
  element.addEventListener("dragover", (/** @type {DragEvent} */ event) => {
    const types = event.dataTransfer?.types ?? [];
    if (!carriesFiles(event) && !types.includes(DRAGGED) && !types.includes(SLOT)) return;
    event.preventDefault();
    element.classList.add("drop-here");
  });
  element.addEventListener("dragleave", () => element.classList.remove("drop-here"));
  element.addEventListener("drop", async (/** @type {DragEvent} */ event) => {
    event.preventDefault();
    element.classList.remove("drop-here");
    if (carriesFiles(event)) {
      const file = fileOf(event.dataTransfer);
      if (file) await usePhoto(file);
      return;
    }
    const item = app.seen.get(event.dataTransfer?.getData(DRAGGED) ?? "");
    if (item) app.add(item, key);
    const from = event.dataTransfer?.getData(SLOT);
    if (from) app.board.push(moved(app.board.get(), from, key), "move an item");
  });

  /** @type {import("../types.js").Item|null|undefined} */
  let shown;
  return {
    element,
    /** @param {import("../types.js").Slot} next */
    update(next) {
      slot = next;
      const name = kindName(slot.kind);
      if (shown !== slot.item) {
        shown = slot.item;
        fill(photo, slot.item ? photoOf(slot.item, { small: true }) : h("span", { class: "empty-slot" }, icon("add")));
      }
      element.classList.toggle("filled", !!slot.item);
      element.classList.toggle("locked", slot.locked);
      kind.textContent = name;
      title.textContent = slot.item ? slot.item.title || slot.item.id : "Find one";
      main.setAttribute("aria-label", slot.item ? `${name}: ${slot.item.title || slot.item.id}${slot.locked ? ", locked" : ""}` : `${name}: empty. Find one`);
      fill(lock, icon(slot.locked ? "lock" : "unlock"));
      label(lock, slot.locked ? `Unlock the ${name.toLowerCase()}` : `Lock the ${name.toLowerCase()}`);
      setAttribute(lock, "aria-pressed", String(slot.locked));
      label(swap, `Swap the ${name.toLowerCase()}`);
      label(off, `Take the ${name.toLowerCase()} off`);
      label(own, `Your own photo as ${name.toLowerCase()}`);
      label(drop, `Remove the slot for ${name.toLowerCase()}`);
      setAttribute(picker, "aria-label", `Photo file for ${name.toLowerCase()}`);
      const wanted = slot.item ? [lock, swap, off] : [own, drop];
      if (tools.firstChild !== wanted[0]) {
        const here = tools.contains(document.activeElement);
        fill(tools, ...wanted);
        if (here) main.focus(); // the button that had the focus is gone
      }
      if (wish.value !== slot.wish) wish.value = slot.wish;
      setAttribute(wish, "aria-label", `Wish for the ${name.toLowerCase()}, in words`);
      setAttribute(wish, "placeholder", `wish: ${WISHES[slot.kind] ?? "plain"}…`);
      match.textContent = slot.match === null ? "" : `match ${score(slot.match)}`;
    },
  };
}

/** @param {Element} button @param {string} words */
function label(button, words) {
  setAttribute(button, "aria-label", words);
  setAttribute(button, "title", words);
}

/** An empty slot leads to where things of its kind are. @param {import("../app.js").App} app @param {import("../types.js").Slot} slot */
function toFind(app, slot) {
  const categories = app.catalogue.categories.filter((one) => one.slot === slot.kind).map((one) => one.name);
  const others = app.find.get().choices.filter((one) => one.field !== "category");
  const choices = categories.length ? [...others, { field: "category", values: categories, min: null, max: null }] : others;
  app.find.set({ q: slot.wish, photo: null, like: null, choices });
  app.go("find");
  document.getElementById("q")?.focus();
}
