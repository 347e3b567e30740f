/** Sliders between two things that are wanted at once. */

import { h } from "../core/dom.js";
import { balance } from "../core/words.js";

/**
 * Between "matches the words" and "goes together".
 * @param {string} id @param {(alpha: number) => void} onchange
 */
export const alphaSlider = (id, onchange) =>
  slider({ id, max: "1", step: "0.05", "aria-label": "From “matches the words” to “goes together”" }, ["matches the words", "goes together"], balance, onchange); // prettier-ignore

/** How much her taste counts. @param {(beta: number) => void} onchange */
export const tasteSlider = (onchange) =>
  slider({ id: "for-you-beta", max: "0.9", step: "0.1", "aria-label": "How much your taste counts" }, ["anybody’s look", "my taste"], tasteCounts, onchange); // prettier-ignore

/** @param {number} beta */
const tasteCounts = (beta) => `your taste counts ${Math.round(100 * beta)} %`;

/**
 * @param {Record<string, string>} range @param {[string, string]} ends @param {(value: number) => string} told
 * @param {(value: number) => void} onchange
 */
function slider(range, [from, to], told, onchange) {
  const tell = () => input.setAttribute("aria-valuetext", told(Number(input.value)));
  const input = h("input", {
    type: "range", min: "0", ...range,
    oninput: () => {
      tell();
      onchange(Number(input.value));
    },
  }); // prettier-ignore
  return {
    element: h("div", { class: "alpha" }, h("span", {}, from), input, h("span", {}, to)),
    /** @param {number} value */
    show(value) {
      if (Number(input.value) !== value) input.value = String(value);
      tell();
    },
  };
}
