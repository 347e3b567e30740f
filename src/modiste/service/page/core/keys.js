/** Arrow keys in a grid of things: one of them is in the tab order, arrows move on. */

/**
 * @param {HTMLElement} grid
 * @param {string} selector  the things that take the focus
 * @param {Record<string, (element: HTMLElement) => void>} [letters]  what single keys do with the focused thing
 */
export function arrowKeys(grid, selector, letters = {}) {
  const all = () => /** @type {HTMLElement[]} */ ([...grid.querySelectorAll(selector)]);
  /** @param {HTMLElement} chosen */
  const only = (chosen) => all().forEach((one) => (one.tabIndex = one === chosen ? 0 : -1));
  grid.addEventListener("focusin", (event) => {
    const chosen = /** @type {HTMLElement} */ (event.target).closest(selector);
    if (chosen) only(/** @type {HTMLElement} */ (chosen));
  });
  grid.addEventListener("keydown", (event) => {
    const here = /** @type {HTMLElement} */ (event.target);
    if (!here.matches(selector) || event.ctrlKey || event.metaKey || event.altKey) return;
    const letter = letters[event.key];
    if (letter) {
      event.preventDefault();
      letter(here);
      return;
    }
    const goal = next(all(), here, event.key);
    if (!goal) return;
    event.preventDefault();
    goal.focus();
    goal.scrollIntoView({ block: "nearest" });
  });
  return () => {
    const things = all();
    if (things.length && !things.some((one) => one.tabIndex === 0)) only(things[0]);
  };
}

/** @param {HTMLElement[]} things @param {HTMLElement} here @param {string} key */
function next(things, here, key) {
  const at = things.indexOf(here);
  const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
  if (step) return things[at + step];
  if (key === "Home") return things[0];
  if (key === "End") return things.at(-1);
  if (key !== "ArrowDown" && key !== "ArrowUp") return undefined;
  const from = here.getBoundingClientRect();
  const down = key === "ArrowDown";
  const rows = things.filter((one) => {
    const box = one.getBoundingClientRect();
    return down ? box.top >= from.bottom - 1 : box.bottom <= from.top + 1;
  });
  const gap = (/** @type {HTMLElement} */ one) => {
    const box = one.getBoundingClientRect();
    return 4 * Math.abs(box.top - from.top) + Math.abs(box.left - from.left);
  };
  return rows.sort((one, other) => gap(one) - gap(other))[0];
}
