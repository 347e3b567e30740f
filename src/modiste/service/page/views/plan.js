/** What the words of a search were taken for: what changes, what is left out, what is kept; each can be taken away. */

import { fill, h, iconButton } from "../core/dom.js";
import { whisper } from "../core/say.js";

/** Parts of a plan that were taken away, and of which question. @typedef {{of: string, parts: import("../types.js").PlanPart[]}} Dropped */

const MOST = 16; // as many as the service takes

/** A name for the question, so that what was dropped from one is not missing from the next. @param {import("../app.js").Find} find */
const questionOf = ({ q, photo, like }) => JSON.stringify([q.trim(), like?.id ?? null, photo?.url ?? null]);

/** @param {import("../app.js").Find} find @returns {import("../types.js").PlanPart[]} */
const partsOf = (find) => (find.dropped.of === questionOf(find) ? find.dropped.parts : []);

/** The keys of what was dropped from the present question. @param {import("../app.js").Find} find */
export const droppedOf = (find) => partsOf(find).map((part) => part.key);

/** @param {import("../app.js").App} app */
export function planOf(app) {
  const element = h("section", { class: "plan", "aria-label": "What the words mean", hidden: true });
  let said = "";
  let focusOn = -1; // the button that takes the place of the one that was pressed

  /** @param {import("../types.js").PlanPart[]} parts */
  const drop = (parts) => app.find.set({ dropped: { of: questionOf(app.find.get()), parts } });

  /** @param {import("../types.js").PlanPart} part @param {string} kind @param {string} words */
  const chip = (part, kind, words) =>
    h(
      "li",
      { class: `chip ${kind}` },
      h("span", {}, words),
      iconButton("close", `Not this: ${words}`, (event) => {
        focusOn = [...element.querySelectorAll("button")].indexOf(/** @type {HTMLButtonElement} */ (event.currentTarget));
        drop([...partsOf(app.find.get()), part].slice(-MOST));
      }),
    );

  /** @param {import("../types.js").Plan|null} plan */
  const show = (plan) => {
    if (!plan) {
      element.hidden = true;
      return fill(element);
    }
    const gone = partsOf(app.find.get());
    const chips = [
      ...plan.changes.map((part) => chip(part, "change", arrowed(part.line))),
      ...(plan.price ? [chip(plan.price, "change", plan.price.line)] : []),
      ...plan.excluded.map((part) => chip(part, "without", part.line)),
      ...plan.kept.map((part) => chip(part, "kept", `kept ${part.line}`)),
    ];
    const back = gone.length ? h("li", {}, h("button", { type: "button", class: "text-button", onclick: () => drop([]) }, "All of it again")) : "";
    fill(
      element,
      h("ul", { class: "chips", role: "list" }, ...chips, back),
      plan.notes.length ? h("p", { class: "quiet" }, ...plan.notes.map((note) => `${note}. `)) : "",
    );
    element.hidden = !chips.length && !gone.length && !plan.notes.length;
    if (focusOn >= 0) {
      const buttons = element.querySelectorAll("button");
      (buttons[Math.min(focusOn, buttons.length - 1)] ?? document.getElementById("q"))?.focus();
      focusOn = -1;
    }
    if (plan.line !== said) whisper(plan.line ? `Understood as ${plan.line}` : "");
    said = plan.line;
  };
  return { element, show };
}

/** "colour: red <- blue" with a real arrow. @param {string} line */
const arrowed = (line) => line.replace(" <- ", " ← ");
