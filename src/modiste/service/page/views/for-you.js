/** What a person may like, learned from the looks she likes: stylists' looks, and looks made for her. */

import { post } from "../core/api.js";
import { boardOf } from "../core/board.js";
import { fill, h } from "../core/dom.js";
import { forgetLikes, likedLooks } from "../core/kept.js";
import { newest } from "../core/later.js";
import { say, state, whisper } from "../core/say.js";
import { counted, spoken } from "../core/words.js";
import { lookCard } from "./look-card.js";
import { tasteSlider } from "./sliders.js";

const STORED = 6;
const MADE = 3;
const SIZE = 4; // items, as the room of looks begins with
const BETA = 0.3;

/** @param {import("../app.js").App} app @returns {{element: HTMLElement, show: () => Promise<void>}} */
export function forYou(app) {
  let beta = BETA;
  const told = h("div", { class: "for-you-told" });
  const stored = h("ul", { class: "looks", role: "list", "aria-label": "Stylists’ looks for you" });
  const made = h("ul", { class: "looks", role: "list", "aria-label": "Looks made for you" });
  const notes = h("div", { class: "notes" });
  const words = h("input", { type: "text", class: "search-words", placeholder: "Weekend, office, a wedding… or leave it open", "aria-label": "What your looks are for, in words", autocomplete: "off", maxlength: app.catalogue.limits?.max_wish ?? 500 });
  const go = h("button", { type: "submit", class: "button" }, "Make looks for me");
  const slider = tasteSlider((value) => (beta = value));
  slider.show(beta);
  const form = h("form", { class: "sentence", onsubmit: (/** @type {Event} */ event) => (event.preventDefault(), make()) }, words, h("div", { class: "sentence-foot" }, slider.element, go)); // prettier-ignore
  const own = h("div", { class: "made-for-you" }, h("h3", {}, "Made for you"), form, notes, made);
  const place = h("div", {});
  const element = h("section", { class: "for-you", "aria-label": "For you" }, h("h2", {}, "For you"), told, stored, place);

  const asking = newest(element);
  /** @param {any} more @param {HTMLElement} [button] @returns {Promise<any>} the answer, null where a later question took over */
  const ask = (more, button) => asking((signal) => post("/recommend", { likes: likedLooks(), ...more }, signal), button);

  async function show() {
    const likes = likedLooks();
    fill(made);
    fill(notes);
    fill(place, likes.length ? own : "");
    if (!likes.length) {
      asking.cancel(); // or the answer to an earlier question would take this place
      fill(stored);
      fill(told, h("p", { class: "quiet" }, "Like a look or two (the heart), and looks in that manner come here."));
      return;
    }
    try {
      const found = await ask({ k: STORED });
      if (!found) return;
      fill(told, h("p", { class: "quiet" }, `From ${counted(likes.length, "look")} that you liked, kept in this browser only: ${found.method}. `, forget()), ...said(found.notes)); // prettier-ignore
      fill(stored, ...found.looks.map((/** @type {import("../types.js").Look} */ look, /** @type {number} */ at) => card(look, at)));
    } catch (error) {
      fill(place);
      fill(stored);
      fill(told, state("That did not work", /** @type {Error} */ (error).message, forget()));
    }
  }

  async function make() {
    fill(notes, h("p", { class: "quiet" }, "Trying things on…"));
    try {
      const text = words.value.trim();
      const found = await ask({ k: 1, generate: true, n: MADE, size: SIZE, beta, text }, go);
      if (!found) return;
      const looks = /** @type {import("../types.js").Look[]} */ (found.generated);
      fill(notes, ...said(found.notes), looks.length ? "" : state("No look was found", "Use other words."));
      fill(made, ...looks.map((look, at) => card(look, at, text)));
      whisper(`${counted(looks.length, "look")}: ${looks.map((look) => spoken(look.items)).join("; ")}`);
    } catch (error) {
      fill(made);
      fill(notes, state("That did not work", /** @type {Error} */ (error).message));
    }
  }

  /** @param {import("../types.js").Look} look @param {number} at */
  const card = (look, at, text = "") =>
    lookCard(app, look, { heading: `Look ${at + 1}`, take: () => app.takeBoard(boardOf(look, text, 0.5), "take a look to the board") }).element;

  /** @param {string[]} found */
  const said = (found) => found.map((note) => h("p", { class: "notice" }, note));

  function forget() {
    const all = () => {
      forgetLikes();
      show();
      say("Your likes are forgotten.");
    };
    return h("button", { type: "button", class: "text-button", onclick: all }, "Forget what I liked");
  }

  return { element, show };
}
