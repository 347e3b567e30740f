/** The room where one finds items: by words as they are typed, by a photo, by both, within filters. */

import { get, post, withQuery } from "../core/api.js";
import { fill, h, icon, iconButton } from "../core/dom.js";
import { expressions } from "../core/filters.js";
import { latest } from "../core/later.js";
import { asBlob, carriesFiles, fileOf, ownPhoto, photoOf } from "../core/photo.js";
import { sayError, state, whisper } from "../core/say.js";
import { counted } from "../core/words.js";
import { card, cardGrid } from "./card.js";
import { mountFilters } from "./filters.js";
import { droppedOf, planOf } from "./plan.js";

const TYPING = 220; // ms without a letter before the search goes out
const PAGE = 24;

/** @param {import("../app.js").App} app @param {HTMLElement} main */
export function mountFind(app, main) {
  const grid = cardGrid(app, "Items found");
  const line = h("p", { class: "found", role: "status" });
  const foot = h("div", { class: "foot" });
  const plan = planOf(app);
  const unread = h("p", { class: "quiet", role: "note", "data-part": "warnings", hidden: true });
  const results = h("section", { class: "results", "aria-label": "Results" }, line, grid.element, foot);
  const room = h("section", { class: "room-find", "data-room-of": "find", "aria-label": "Find" });
  room.append(searchBox(app), plan.element, unread, mountFilters(app), results);
  main.append(room);
  dropAnywhere(app, room);

  let shown = 0;
  /** @type {number|null} */
  let next = null;
  let busy = false;

  const first = latest(TYPING, async (signal) => {
    try {
      const page = await ask(app, 0, signal);
      fill(grid.element);
      shown = 0;
      plan.show(page.plan ?? null);
      warn(page.warnings ?? []);
      show(page);
      const { q, photo, like } = app.find.get();
      const items = counted(page.total, "item");
      const time = page.seconds ? h("span", { class: "quiet" }, ` · ${Math.max(1, Math.round(page.seconds * 1000))} ms`) : "";
      fill(line, q || photo || like ? `Best matches first, of ${items}` : items, time);
      if (!page.items.length) nothing(app, foot);
    } catch (error) {
      if (/** @type {Error} */ (error).name === "AbortError") throw error;
      fill(grid.element);
      fill(line);
      plan.show(null);
      warn([]);
      next = null;
      const again = h("button", { type: "button", class: "button", onclick: () => app.find.set({}) }, "Try again");
      fill(foot, state("That did not work", /** @type {Error} */ (error).message, again));
    } finally {
      if (!signal.aborted) room.removeAttribute("aria-busy");
    }
  });

  /** Words that the encoder cannot read. @param {string[]} sentences */
  function warn(sentences) {
    unread.hidden = !sentences.length;
    fill(unread, sentences.map((one) => `${one[0].toUpperCase()}${one.slice(1)}. `).join(""));
  }

  /** @param {Page} page */
  function show(page) {
    page.items.forEach((item) => grid.element.append(card(app, item)));
    grid.tidy();
    shown += page.items.length;
    next = page.next;
    const more = h("button", { type: "button", class: "button quiet-button", onclick: () => further(true) }, "Show more");
    fill(foot, next === null ? "" : more);
  }

  /** @param {boolean} asked  by the button: then the focus goes to the first of the new ones */
  async function further(asked) {
    if (next === null || busy) return;
    busy = true;
    const from = shown;
    const of = app.find.get();
    try {
      const page = await ask(app, next);
      if (app.find.get() !== of) return; // of another question
      show(page);
      whisper(`${shown} shown`);
      if (asked) /** @type {HTMLElement} */ (grid.element.children[from]?.querySelector(".card-main"))?.focus();
    } catch (error) {
      sayError(error);
    } finally {
      busy = false;
    }
  }

  new IntersectionObserver(([entry]) => entry.isIntersecting && shown && further(false), { rootMargin: "600px" }).observe(foot);
  app.find.subscribe(() => {
    room.setAttribute("aria-busy", "true"); // from the first letter on: what is shown answers another question
    first();
  });
}

/** @typedef {{items: import("../types.js").Item[], total: number, next: number|null, seconds?: number, plan?: import("../types.js").Plan|null, warnings?: string[]}} Page */

/** @param {import("../app.js").App} app @param {number} offset @param {AbortSignal} [signal] @returns {Promise<Page>} */
async function ask(app, offset, signal) {
  const { q, photo, like, choices } = app.find.get();
  const filter = choices.flatMap(expressions);
  const drop = droppedOf(app.find.get());
  if (!q.trim() && !photo && !like) return get(withQuery("/items", { filter, k: PAGE, offset }), signal);
  let found;
  if (photo || like) {
    const form = new FormData();
    if (photo) form.append("image", asBlob(photo), "photo.jpg");
    if (like) form.append("like", like.id);
    if (q.trim()) form.append("q", q.trim());
    else if (photo && app.catalogue?.exact) form.append("exact", "true"); // the very item, if it is here
    filter.forEach((one) => form.append("filter", one));
    drop.forEach((one) => form.append("drop", one));
    form.append("k", String(PAGE));
    form.append("offset", String(offset));
    found = await post("/search", form, signal);
  } else {
    found = await get(withQuery("/search", { q: q.trim(), filter, drop, k: PAGE, offset }), signal);
  }
  return { ...found, items: found.hits.map((/** @type {any} */ hit) => hit.item) };
}

/** @param {import("../app.js").App} app @param {HTMLElement} foot */
function nothing(app, foot) {
  const { choices, q } = app.find.get();
  const clear = h("button", { type: "button", class: "button", onclick: () => app.find.set({ choices: [] }) }, "Without filters");
  const empty = h("button", { type: "button", class: "button quiet-button", onclick: () => app.find.set({ q: "", photo: null, like: null }) }, "Show everything"); // prettier-ignore
  const words = choices.length
    ? "No item passes all these filters. Take one away."
    : "Other words may help: say what it is, its colour, its material.";
  fill(foot, state("Nothing found", words, ...(choices.length ? [clear] : []), ...(q ? [empty] : [])));
}

/** @param {import("../app.js").App} app */
function searchBox(app) {
  const input = h("input", {
    id: "q",
    type: "search",
    class: "search-words",
    placeholder: "A navy linen dress, white sneakers…",
    autocomplete: "off",
    spellcheck: "false",
    maxlength: app.catalogue.limits?.max_wish ?? 500,
    "aria-label": "Search the catalogue by words",
    oninput: () => app.find.set({ q: input.value }),
    onkeydown(/** @type {KeyboardEvent} */ event) {
      if (event.key === "Escape") {
        event.preventDefault();
        app.find.set({ q: "" });
      } else if (event.key === "ArrowDown") {
        const card = document.querySelector('.results .card-main[tabindex="0"]');
        if (card) {
          event.preventDefault();
          /** @type {HTMLElement} */ (card).focus();
        }
      }
    },
    async onpaste(/** @type {ClipboardEvent} */ event) {
      const file = fileOf(event.clipboardData);
      if (file) {
        event.preventDefault();
        await usePhoto(app, file);
      }
    },
  });
  const picker = h("input", {
    type: "file",
    id: "search-photo",
    class: "unseen",
    accept: "image/jpeg,image/png,image/webp",
    tabindex: "-1",
    "aria-label": "Photo to search by",
    onchange: async () => {
      const [file] = picker.files;
      picker.value = "";
      if (file) await usePhoto(app, file);
    },
  });
  const given = h("div", { class: "given" });
  /** @type {object|null|undefined} */
  let shown; // words alone change with every letter, and leave the photo as it is
  app.find.subscribe(({ q, photo, like }) => {
    if (input.value !== q) input.value = q;
    input.placeholder = photo || like ? "…and in words: the same, but red" : "A navy linen dress, white sneakers…";
    if ((photo ?? like) === shown) return;
    shown = photo ?? like;
    const drop = iconButton("close", "Search without the photo", () => app.find.set({ photo: null, like: null }));
    if (photo) fill(given, h("img", { src: photo.url, alt: "" }), h("span", {}, "Like this photo"), drop);
    else if (like) fill(given, photoOf(like, { small: true }), h("span", {}, `Like ${like.title || like.id}`), drop);
    else fill(given);
    given.hidden = !photo && !like;
  });
  return h(
    "form",
    { class: "search", role: "search", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
    icon("search"),
    given,
    input,
    picker,
    iconButton("camera", "Search by a photo: pick, drop or paste one", () => picker.click()),
  );
}

/** @param {import("../app.js").App} app @param {File} file */
async function usePhoto(app, file) {
  try {
    app.find.set({ photo: await ownPhoto(file), like: null });
    app.go("find");
  } catch (error) {
    sayError(Object.assign(/** @type {Error} */ (error), { name: "Problem" }));
  }
}

/** A photo dropped anywhere in the room is searched for. @param {import("../app.js").App} app @param {HTMLElement} room */
function dropAnywhere(app, room) {
  room.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    room.classList.add("drop-here");
  });
  room.addEventListener("dragleave", (event) => {
    if (!room.contains(/** @type {Node|null} */ (event.relatedTarget))) room.classList.remove("drop-here");
  });
  room.addEventListener("drop", async (event) => {
    room.classList.remove("drop-here");
    const file = carriesFiles(event) ? fileOf(event.dataTransfer) : null;
    if (!file) return;
    event.preventDefault();
    await usePhoto(app, file);
  });
  // Anywhere else a dropped file would replace the page.
  for (const name of ["dragover", "drop"]) {
    window.addEventListener(name, (event) => carriesFiles(/** @type {DragEvent} */ (event)) && event.preventDefault());
  }
}
