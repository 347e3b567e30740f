/** The small dialogs: the API key, and what the keys do. */

import { Problem } from "../core/api.js";
import { h, iconButton } from "../core/dom.js";
import { setSetting, setting } from "../core/kept.js";

/**
 * A dialog over the page; Escape and a click beside it close it.
 * @param {string} heading @param {string} kind  its class @param {...any} children @returns {HTMLDialogElement}
 */
export function dialog(heading, kind, ...children) {
  const close = () => box.close();
  const box = h(
    "dialog",
    { class: `dialog ${kind}`, "aria-label": heading },
    h("div", { class: "dialog-head" }, h("h2", {}, heading), iconButton("close", "Close", close)),
    ...children,
  );
  box.addEventListener("click", (/** @type {MouseEvent} */ event) => {
    if (event.target === box) close();
  });
  box.addEventListener("close", () => box.remove());
  document.body.append(box);
  box.showModal();
  return box;
}

/** @returns {Promise<string>} the key that a person gives; rejected when they would rather not */
export function askKey() {
  return new Promise((resolve, reject) => {
    let given = "";
    const field = h("input", { id: "api-key", type: "password", autocomplete: "off", required: true, spellcheck: "false" });
    const form = h(
      "form",
      {
        onsubmit(/** @type {Event} */ event) {
          event.preventDefault();
          given = field.value.trim();
          box.close();
        },
      },
      h("p", {}, "This server answers only to those who have a key. Ask whoever runs it, or make one: modiste keys add NAME."),
      h("label", { class: "field", for: "api-key" }, "API key", field),
      h("p", { class: "quiet" }, "It is kept until this tab closes."),
      h("div", { class: "row" }, h("button", { class: "button", type: "submit" }, "Use this key")),
    );
    const box = dialog("A key is needed", "small", form);
    box.addEventListener("close", () => {
      if (given) resolve(given);
      else reject(new Problem(401, "A key is needed", "Without a key this server does not answer."));
    });
    field.focus();
  });
}

const KEYS = [
  ["/", "to the search box"],
  ["Tab, Shift Tab", "from part to part"],
  ["Arrows, Home, End", "among results, slots and looks"],
  ["Enter", "open an item"],
  ["a", "put the item with the focus on the board"],
  ["l", "lock or unlock the slot with the focus"],
  ["s", "swap what is in the slot with the focus"],
  ["Delete", "take an item off the board"],
  ["Ctrl Z, Ctrl Shift Z", "undo, redo"],
  ["Escape", "close; in the search box: clear"],
  ["?", "this list"],
];

export function showKeys() {
  const letters = h("input", {
    type: "checkbox",
    checked: setting("letters", "on") === "on",
    onchange: () => setSetting("letters", letters.checked ? "on" : "off"),
  });
  dialog(
    "Keyboard",
    "small",
    h("dl", { class: "keys" }, ...KEYS.flatMap(([keys, does]) => [h("dt", {}, h("kbd", {}, keys)), h("dd", {}, does)])),
    h("label", { class: "check" }, letters, "Single letters and signs (/ ? a l s) do something"),
  );
}
