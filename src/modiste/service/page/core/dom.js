/** Elements from plain data. Text is always text: there is no way from here to markup, so a title cannot become a script. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * h("button", {class: "quiet", onclick: add}, "Add"): an element with its attributes, listeners and children.
 *
 * `on…` adds a listener; true and false set and leave out an attribute; null and false children are left out.
 * @param {string} tag
 * @param {Record<string, any>} [attributes]
 * @param {...(Node|string|number|null|false|undefined)} children
 * @returns {any}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else setAttribute(element, name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== false && child !== undefined).map(asNode));
  return element;
}

/** @param {Node|string|number|any} child */
const asNode = (child) => (child instanceof Node ? child : document.createTextNode(String(child)));

/**
 * @param {Element} element
 * @param {string} name
 * @param {any} value  null, undefined and false take the attribute away
 */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (name === "value") /** @type {any} */ (element).value = value;
  else element.setAttribute(name, value === true ? "" : String(value));
}

/** Put other children in an element, only if it shows something else. @param {Element} element @param {...any} children */
export function fill(element, ...children) {
  element.replaceChildren(...children.filter((child) => child !== null && child !== false).map(asNode));
  return element;
}

/** Lines of 24 × 24 icons, drawn for this page. */
const ICONS = {
  add: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  camera: "M4 8h3l1.5-2.5h7L17 8h3v11H4zM12 16.5a3.25 3.25 0 1 0 0-6.5 3.25 3.25 0 0 0 0 6.5z",
  lock: "M6.5 11h11v8.5h-11zM8.75 11V8a3.25 3.25 0 0 1 6.5 0v3",
  unlock: "M6.5 11h11v8.5h-11zM8.75 11V8a3.25 3.25 0 0 1 6.2-1.4",
  swap: "M5 9h13l-3.5-3.5M19 15H6l3.5 3.5",
  undo: "M9 7L5 11l4 4M5 11h9a5 5 0 0 1 0 10h-2",
  redo: "M15 7l4 4-4 4M19 11h-9a5 5 0 0 0 0 10h2",
  share: "M12 15V4M8.5 7.5L12 4l3.5 3.5M6 12v8h12v-8",
  save: "M7 4.5h10v15l-5-4-5 4z",
  heart: "M12 19.5S4.5 15 4.5 9.6A3.9 3.9 0 0 1 12 7.8a3.9 3.9 0 0 1 7.5 1.8C19.5 15 12 19.5 12 19.5z",
  more: "M6 12h.01M12 12h.01M18 12h.01",
  light: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6L7 7M17 17l1.4 1.4M5.6 18.4L7 17M17 7l1.4-1.4",
  search: "M11 17.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM16 16l4 4",
  hanger: "M12 9.5V8.3a2 2 0 1 0-2-2M12 9.5L3.5 16.4c-.8.7-.4 1.6.6 1.6h15.8c1 0 1.4-.9.6-1.6z",
  looks: "M4 5h7v14H4zM14 5h6v6h-6zM14 14h6v5h-6z",
  keyboard: "M3.5 7h17v10h-17zM7 10.5h.01M10.3 10.5h.01M13.7 10.5h.01M17 10.5h.01M8 14h8",
};

/** @param {keyof typeof ICONS} name */
export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [key, value] of Object.entries({ viewBox: "0 0 24 24", class: "icon", "aria-hidden": "true" })) {
    svg.setAttribute(key, value);
  }
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

/**
 * A round button that shows an icon and says its name.
 * @param {keyof typeof ICONS} name
 * @param {string} label
 * @param {(event: Event) => void} onclick
 * @param {Record<string, any>} [more]
 */
export const iconButton = (name, label, onclick, more = {}) =>
  h("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...more }, icon(name));
