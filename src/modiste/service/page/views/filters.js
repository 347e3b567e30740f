/** Filters: a button for each field that opens its values, and a chip for each thing chosen. */

import { placeIn } from "../core/board.js";
import { fill, h, iconButton } from "../core/dom.js";
import { chips, toggled, withChoice } from "../core/filters.js";
import { kindName } from "../core/words.js";

const FIRST = ["category", "colour", "color", "pattern", "material", "brand", "price", "gender", "season", "formality"];
const SHOWN = 7; // before "More filters"

/** @param {import("../app.js").App} app */
export function mountFilters(app) {
  const fields = [...app.catalogue.filters].filter(useful).sort((one, other) => placeIn(FIRST, one.name) - placeIn(FIRST, other.name));
  const menus = fields.map((field) => menu(app, field));
  const more = h(
    "button",
    { type: "button", class: "pill", "aria-expanded": "false", onclick: () => showAll(more.getAttribute("aria-expanded") === "false") },
    "More filters",
  );
  /** @param {boolean} all */
  const showAll = (all) => {
    more.setAttribute("aria-expanded", String(all));
    more.textContent = all ? "Fewer filters" : "More filters";
    menus.forEach((one, at) => (one.hidden = !all && at >= SHOWN));
  };
  showAll(false);
  const chosen = h("ul", { class: "chips", role: "list", "aria-label": "Chosen filters" });
  app.find.subscribe(({ choices }) => {
    const all = chips(choices).map(({ words, left }) =>
      h("li", { class: "chip" }, words, iconButton("close", `Without ${words}`, () => app.find.set({ choices: left }))),
    );
    const none = h("li", {}, h("button", { type: "button", class: "text-button", onclick: () => app.find.set({ choices: [] }) }, "Clear all"));
    fill(chosen, ...all, all.length > 1 ? none : "");
    chosen.hidden = !all.length;
  });
  closeOthers(menus);
  return h("div", { class: "filters", role: "group", "aria-label": "Filters" }, h("div", { class: "pills" }, ...menus, menus.length > SHOWN ? more : ""), chosen);
}

/** A field that tells items apart. @param {import("../types.js").Field} field */
const useful = (field) => (field.kind === "number" ? (field.min ?? 0) < (field.max ?? 0) : (field.values?.length ?? 0) > 1);

/** @param {import("../app.js").App} app @param {import("../types.js").Field} field */
function menu(app, field) {
  const summary = h("summary", { class: "pill" }, kindName(field.name));
  const panel = field.kind === "number" ? range(app, field) : values(app, field);
  const details = h("details", { class: "menu" }, summary, h("div", { class: "panel" }, panel));
  app.find.subscribe(({ choices }) => {
    const choice = choices.find((one) => one.field === field.name);
    const count = choice ? choice.values.length || 1 : 0;
    summary.classList.toggle("on", count > 0);
    fill(summary, kindName(field.name), count ? h("span", { class: "count" }, String(count)) : "");
  });
  return details;
}

/** @param {import("../app.js").App} app @param {import("../types.js").Field} field */
function values(app, field) {
  const boxes = (field.values ?? []).map(({ value, count }) => {
    const box = h("input", { type: "checkbox", onchange: () => app.find.set({ choices: toggled(app.find.get().choices, field.name, value) }) });
    return { value, box, line: h("label", { class: "check" }, box, h("span", {}, value), h("span", { class: "quiet" }, String(count))) };
  });
  app.find.subscribe(({ choices }) => {
    const chosen = choices.find((one) => one.field === field.name)?.values ?? [];
    boxes.forEach(({ value, box }) => (box.checked = chosen.includes(value)));
  });
  return h("fieldset", {}, h("legend", { class: "unseen" }, kindName(field.name)), ...boxes.map((one) => one.line));
}

/** @param {import("../app.js").App} app @param {import("../types.js").Field} field */
function range(app, field) {
  const choiceNow = () => app.find.get().choices.find((one) => one.field === field.name) ?? { field: field.name, values: [], min: null, max: null };
  /** @param {"min"|"max"} end @param {string} words */
  const input = (end, words) => {
    const box = h("input", {
      type: "number",
      step: "any",
      placeholder: field[end],
      onchange: () => {
        const value = box.value === "" ? null : Number(box.value);
        app.find.set({ choices: withChoice(app.find.get().choices, { ...choiceNow(), [end]: value }) });
      },
    });
    app.find.subscribe(() => (box.value = choiceNow()[end] ?? ""));
    return h("label", { class: "field" }, words, box);
  };
  return h("fieldset", { class: "range" }, h("legend", { class: "unseen" }, kindName(field.name)), input("min", "From"), input("max", "To"));
}

/** One menu is open at a time; Escape and a click elsewhere close it. @param {HTMLDetailsElement[]} menus */
function closeOthers(menus) {
  for (const one of menus) {
    one.addEventListener("toggle", () => {
      if (one.open) menus.forEach((other) => other !== one && (other.open = false));
    });
    one.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || !one.open) return;
      one.open = false;
      one.querySelector("summary")?.focus();
    });
  }
  document.addEventListener("pointerdown", (event) => {
    menus.forEach((one) => one.open && !one.contains(/** @type {Node} */ (event.target)) && (one.open = false));
  });
}
