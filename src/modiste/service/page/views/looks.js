/** The room where a sentence becomes three looks, side by side. */

import { post } from "../core/api.js";
import { boardOf, references } from "../core/board.js";
import { fill, h } from "../core/dom.js";
import { expressions } from "../core/filters.js";
import { newest } from "../core/later.js";
import { state, whisper } from "../core/say.js";
import { counted, spoken } from "../core/words.js";
import { lookCard } from "./look-card.js";
import { alphaSlider } from "./sliders.js";

const LOOKS = 3;
const EXAMPLES = ["navy and white office look", "summer wedding, pastel", "weekend in black, leather boots"];

/** @param {import("../app.js").App} app @param {HTMLElement} main */
export function mountLooks(app, main) {
  let alpha = 0.5;
  /** Items that stay when looks are made anew. @type {Map<string, import("../types.js").Item>} */
  const locked = new Map();
  const words = h("input", { id: "sentence", type: "text", class: "search-words", placeholder: "Wedding guest in summer, pastel…", "aria-label": "Describe a look in a sentence", autocomplete: "off", maxlength: app.catalogue.limits?.max_wish ?? 500 });
  const size = h("select", { id: "size", "aria-label": "How many items" }, ...["any", 2, 3, 4, 5, 6].map((value) => h("option", { value: value === "any" ? "" : value, selected: value === 4 }, value === "any" ? "Any number of items" : `${value} items`)));
  const slider = alphaSlider("looks-alpha", (value) => (alpha = value));
  slider.show(alpha);
  const go = h("button", { type: "submit", class: "button" }, "Make three looks");
  const kept = h("p", { class: "kept" });
  const within = h("label", { class: "check" }, h("input", { type: "checkbox" }), "Only what passes the filters chosen in Find");
  const notes = h("div", { class: "notes" });
  const shown = h("ul", { class: "looks", role: "list", "aria-label": "Looks" });
  const form = h(
    "form",
    { class: "sentence", onsubmit: (/** @type {Event} */ event) => (event.preventDefault(), make()) },
    words,
    h("div", { class: "sentence-foot" }, slider.element, size, go),
    within,
    kept,
  );
  const room = h("section", { class: "room-looks", "data-room-of": "looks", hidden: true, "aria-label": "Looks" }, form, notes, shown);
  main.append(room);
  fill(notes, examples());
  app.find.subscribe(({ choices }) => (within.hidden = !choices.length));

  function examples() {
    const use = (/** @type {string} */ text) => {
      words.value = text;
      make();
    };
    return state("A look from a sentence", "Say who it is for, where, in which colours. Three different looks come back; lock what you like and ask again.", ...EXAMPLES.map((text) => h("button", { type: "button", class: "pill", onclick: () => use(text) }, text))); // prettier-ignore
  }

  const asking = newest(room);
  async function make() {
    const text = words.value.trim();
    if (!text && !locked.size) {
      words.focus();
      fill(notes, h("p", { class: "problem", role: "alert" }, "Describe the look first, or lock an item to start from."));
      return;
    }
    fill(notes, h("p", { class: "quiet" }, "Trying things on…"));
    try {
      const have = references([...locked.values()]).refs;
      const filters = within.firstChild.checked ? app.find.get().choices.flatMap(expressions) : [];
      const chosenSize = size.value ? { size: Number(size.value) } : {};
      /** @type {import("../types.js").Answer|null} */
      const answer = await asking((signal) => post("/generate", { text, alpha, n: LOOKS, have, filters, ...chosenSize }, signal), go);
      if (!answer) return;
      fill(notes, ...answer.notes.map((note) => h("p", { class: "notice" }, note)), answer.looks.length ? "" : state("No look was found", "Ask for fewer items, other words, or fewer filters."));
      show(answer.looks, text);
      whisper(`${counted(answer.looks.length, "look")}: ${answer.looks.map((look) => spoken(look.items)).join("; ")}`);
    } catch (error) {
      fill(shown);
      fill(notes, state("That did not work", /** @type {Error} */ (error).message));
    }
  }

  /** @param {import("../types.js").Look[]} looks @param {string} text */
  function show(looks, text) {
    const cards = looks.map((look, at) =>
      lookCard(app, look, {
        heading: `Look ${at + 1}`,
        locked,
        onlock: () => tellLocked(),
        take: () => app.takeBoard(boardOf(look, text, alpha, new Set(locked.keys())), "take a look to the board"),
      }),
    );
    fill(shown, ...cards.map((one) => one.element));
    shown.refresh = () => cards.forEach((one) => one.refresh());
  }

  function tellLocked() {
    shown.refresh?.();
    go.textContent = locked.size ? "Make three looks anew" : "Make three looks";
    if (!locked.size) return fill(kept);
    const free = h("button", { type: "button", class: "text-button", onclick: () => (locked.clear(), tellLocked()) }, "Unlock all");
    return fill(kept, `These stay: ${spoken([...locked.values()])}. `, free);
  }
}
