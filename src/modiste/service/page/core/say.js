/** A word to the person: seen as a note at the foot of the page, heard by screen readers. */

import { fill, h } from "./dom.js";

const SECONDS = 6;
let timer = 0;

/**
 * @param {string} words
 * @param {{action?: string, onaction?: () => void, bad?: boolean}} [more]
 */
export function say(words, { action = "", onaction = () => {}, bad = false } = {}) {
  const place = /** @type {HTMLElement} */ (document.getElementById("note"));
  window.clearTimeout(timer);
  const close = () => place.classList.remove("shown");
  const act = () => {
    close();
    onaction();
  };
  fill(place, h("span", {}, words), action ? h("button", { type: "button", class: "text-button", onclick: act }, action) : "");
  place.classList.toggle("bad", bad);
  place.classList.add("shown");
  timer = window.setTimeout(close, SECONDS * 1000);
}

/** Only for screen readers: what changed somewhere else on the page. @param {string} words */
export function whisper(words) {
  /** @type {HTMLElement} */ (document.getElementById("whisper")).textContent = words;
}

/** What went wrong, and what to do. @param {unknown} error */
export function sayError(error) {
  const { name, message } = /** @type {Error} */ (error);
  if (name === "AbortError") return;
  if (name !== "Problem") console.error(error);
  say(message, { bad: true });
}

/**
 * A state in place of content: nothing there yet, nothing found, or an error.
 * @param {string} heading @param {string} words @param {...any} actions
 */
export const state = (heading, words, ...actions) =>
  h("div", { class: "state" }, h("h3", {}, heading), h("p", {}, words), actions.length ? h("div", { class: "row" }, ...actions) : "");
