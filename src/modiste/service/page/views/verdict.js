/** The live score of the board and why: which items and pairs help or hurt, and the best single exchange. */

import { post } from "../core/api.js";
import { references, worn } from "../core/board.js";
import { fill, h } from "../core/dom.js";
import { latest } from "../core/later.js";
import { photoOf } from "../core/photo.js";
import { betterThan, judgedBy, kindName, score, signed } from "../core/words.js";
import { exchange } from "./slot-actions.js";

const SETTLE = 300; // ms after a change before the score is asked for
const WORTH = 0.005; // a smaller gain is not worth a word
const PAIRS = 6;

/**
 * @param {import("../app.js").App} app
 * @returns {{score: HTMLElement, why: HTMLElement}} the number, always in sight, and what it is made of
 */
export function mountVerdict(app) {
  const number = h("div", { class: "total", role: "status", "aria-label": "Score" });
  const told = h("div", { class: "told" });
  const terms = h("div", {});
  const why = h("section", { class: "verdict", "aria-label": "Why this score" }, told, terms);

  const ask = latest(SETTLE, async (signal) => {
    const board = app.board.get();
    const { refs, named } = references(worn(board));
    try {
      const question = { items: refs, text: board.text };
      /** @type {import("../types.js").Verdict} */
      const verdict = await post("/score", question, signal);
      fill(number, ...big(verdict));
      fill(told, ...words(app, verdict));
      /** @type {import("../types.js").Explanation} */
      const found = await post("/explain", question, signal);
      fill(terms, ...explanation(app, found, named));
    } catch (error) {
      if (/** @type {Error} */ (error).name === "AbortError") throw error;
      fill(number);
      fill(terms);
      fill(told, h("p", { class: "problem" }, /** @type {Error} */ (error).message));
    } finally {
      if (!signal.aborted) why.removeAttribute("aria-busy");
    }
  });

  let asked = "";
  app.board.subscribe((board) => {
    const items = worn(board);
    const question = JSON.stringify([items.map((item) => item.id), board.text]);
    if (question === asked) return; // a lock or a wish changes no score
    asked = question;
    if (items.length > 1) {
      why.setAttribute("aria-busy", "true");
      return ask();
    }
    ask.cancel();
    why.removeAttribute("aria-busy");
    const start = "Drag items here, press + on them, or start from a sentence in Looks.";
    fill(number);
    fill(terms);
    fill(told, h("p", { class: "quiet" }, items.length ? "Add a second item to see whether the two go together." : start));
    return undefined;
  });
  return { score: number, why };
}

/** @param {import("../types.js").Verdict} verdict */
function big(verdict) {
  const meter = h("span", { class: "meter", "aria-hidden": "true" }, h("span", {}));
  const filled = /** @type {HTMLElement} */ (meter.firstChild);
  filled.style.setProperty("inline-size", `${Math.round(100 * Math.min(1, Math.max(0, verdict.score)))}%`);
  return [h("span", { class: "unseen" }, "Score "), h("span", { class: "score" }, score(verdict.score)), meter];
}

/** @param {import("../app.js").App} app @param {import("../types.js").Verdict} verdict */
function words(app, verdict) {
  const { scorer, calibrated } = app.catalogue;
  const { match, compatibility, percentile, problems, notes } = verdict;
  return [
    match === null ? "" : h("p", {}, `Goes together ${score(compatibility)}, matches the words ${score(match)}.`),
    percentile === null ? "" : h("p", {}, betterThan(percentile)),
    ...problems.map((problem) => h("p", { class: "problem" }, `Not an outfit: ${problem}`)),
    ...(notes ?? []).map((note) => h("p", { class: "notice" }, note)),
    h("p", { class: "quiet" }, judgedBy(scorer, calibrated)),
  ];
}

/**
 * @param {import("../app.js").App} app @param {import("../types.js").Explanation} found
 * @param {Map<string, import("../types.js").Item>} named
 */
function explanation(app, found, named) {
  const title = (/** @type {string} */ id) => named.get(id)?.title || id;
  const most = Math.max(0.01, ...found.items.map((one) => Math.abs(one.contribution)));
  const items = [...found.items]
    .sort((one, other) => other.contribution - one.contribution)
    .map((one) => h("li", {}, h("span", { class: "term-name" }, title(one.id)), bar(one.contribution / most), h("span", { class: "term" }, signed(one.contribution))));
  const pairs = [...found.pairs]
    .sort((one, other) => Math.abs(other.term) - Math.abs(one.term))
    .map((pair) =>
      h(
        "li",
        { class: pair.term < -WORTH ? "hurts" : "helps" },
        h("span", { class: "term" }, signed(pair.term)),
        h("div", {}, h("strong", {}, pair.ids.map(title).join(" + ")), h("span", { class: "reason" }, (pair.reasons ?? []).map(plain).join("; "))),
      ),
    );
  const rest = pairs.splice(PAIRS);
  return [
    found.swap ? better(app, found.swap, named) : "",
    h("h3", {}, "What each item adds"),
    h("ul", { class: "terms", role: "list" }, ...items),
    h("h3", {}, "How pairs go together"),
    h("ul", { class: "pairs", role: "list" }, ...pairs),
    rest.length ? h("details", {}, h("summary", {}, `${rest.length} more pairs`), h("ul", { class: "pairs", role: "list" }, ...rest)) : "",
  ];
}

/** A reason without its number: "harmony +0.9: both navy" → "both navy". @param {string} reason */
const plain = (reason) => reason.replace(/^\w+ [+-]?[\d.]+: /, "");

/** A bar that grows to the right for what helps, to the left for what hurts. @param {number} share in [-1, 1] */
function bar(share) {
  const inner = h("span", { class: share < 0 ? "hurts" : "helps" });
  inner.style.setProperty("inline-size", `${Math.round(50 * Math.abs(share))}%`);
  return h("span", { class: "bar", "aria-hidden": "true" }, inner);
}

/**
 * The exchange that would help most, one click away.
 * @param {import("../app.js").App} app @param {import("../types.js").BestSwap} swap
 * @param {Map<string, import("../types.js").Item>} named
 */
function better(app, swap, named) {
  const removed = named.get(swap.remove);
  if (swap.after - swap.before < WORTH || !removed) return h("p", { class: "quiet" }, "No exchange of a single item would help.");
  const kind = kindName(removed.slot).toLowerCase();
  const apply = () => {
    const slot = app.board.get().slots.find((one) => one.item === removed);
    if (slot) exchange(app, slot, swap.add, kind);
  };
  return h(
    "div",
    { class: "better" },
    photoOf(swap.add, { small: true }),
    h("div", {}, h("p", { class: "kind" }, `Replace the ${kind}`), h("p", {}, swap.add.title || swap.add.id), h("p", { class: "quiet" }, `${score(swap.before)} → ${score(swap.after)}`)),
    h("button", { type: "button", class: "button", onclick: apply, "aria-label": `Replace the ${kind} by ${swap.add.title || swap.add.id}` }, "Swap"),
  );
}
