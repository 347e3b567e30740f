/** One item in full: photo, attributes, what a model sees in it, what is like it, and "more like this, but…". */

import { get, itemPath, post } from "../core/api.js";
import { fill, h, icon } from "../core/dom.js";
import { photoOf } from "../core/photo.js";
import { kindName } from "../core/words.js";
import { card } from "./card.js";
import { dialog } from "./dialogs.js";
import { arrowKeys } from "../core/keys.js";

const SIMILAR = 8;

/** @param {import("../app.js").App} app @param {import("../types.js").Item} item */
export function showItem(app, item) {
  const title = item.title || item.id;
  document.querySelector("dialog.detail")?.remove(); // an item opened from another's similar ones takes its place
  const stop = new AbortController();
  const about = h("div", { class: "about" });
  const tags = h("div", {});
  const rows = h("div", { class: "rows" });
  const words = h("input", { type: "text", id: "but", placeholder: "in red, with long sleeves…", autocomplete: "off", maxlength: app.catalogue.limits?.max_wish ?? 500 });
  const box = dialog(
    title,
    "detail",
    h(
      "div",
      { class: "sheet" },
      h("div", { class: "facts" }, h("div", { class: "photo big" }, photoOf(item, { alt: `Photo of ${title}` })), tags),
      h(
        "div",
        { class: "facts" },
        h("p", { class: "kind" }, [kindName(item.slot), item.category].filter(Boolean).join(" · ")),
        h("div", { class: "row" }, h("button", { type: "button", class: "button", onclick: () => app.add(item) }, icon("add"), "Add to the board")),
        item.own
          ? h("p", { class: "quiet" }, "Your own photo. It stays in this tab and is sent only with your questions.")
          : h(
              "form",
              {
                class: "but",
                onsubmit(/** @type {Event} */ event) {
                  event.preventDefault();
                  box.close();
                  app.moreLike(item, words.value.trim());
                },
              },
              h("label", { for: "but" }, "More like this, but"),
              h("div", { class: "row" }, words, h("button", { type: "submit", class: "button quiet-button" }, "Find")),
            ),
        about,
      ),
    ),
    rows,
  );
  box.addEventListener("close", () => stop.abort());
  if (!item.own) more(app, item, about, tags, rows, stop.signal);
}

/** What takes a question: it comes in as it is answered. */
async function more(
  /** @type {import("../app.js").App} */ app,
  /** @type {import("../types.js").Item} */ item,
  /** @type {HTMLElement} */ about,
  /** @type {HTMLElement} */ tags,
  /** @type {HTMLElement} */ rows,
  /** @type {AbortSignal} */ signal,
) {
  const attributes = h("div", {});
  const similar = h("div", {});
  const siblings = h("div", {});
  fill(about, attributes);
  fill(rows, siblings, similar);
  fill(attributes, attributeList(item));
  const whole = get(itemPath(item.id), signal).then((found) => {
    fill(attributes, found.description ? h("p", { class: "description" }, found.description) : "", attributeList(found));
    if (found.product_siblings?.length) fill(siblings, strip(app, "The same in other versions", found.product_siblings));
  });
  const alike = get(`${itemPath(item.id)}/similar?k=${SIMILAR}`, signal).then(({ hits }) => {
    const items = hits.map((/** @type {any} */ hit) => hit.item).filter((/** @type {any} */ one) => one.id !== item.id);
    if (items.length) fill(similar, strip(app, "Similar items", items));
  });
  const seen = app.catalogue.taggable ? post("/tag", { id: item.id }, signal).then(({ labels }) => fill(tags, tagList(labels))) : null;
  for (const part of await Promise.allSettled([whole, alike, seen])) {
    if (part.status === "rejected" && part.reason.name !== "AbortError") {
      about.append(h("p", { class: "problem" }, part.reason.message));
    }
  }
}

/** @param {import("../types.js").Item} item */
function attributeList(item) {
  const known = Object.entries(item.attributes ?? {}).filter(([, value]) => value !== "" && value !== null);
  return h("dl", { class: "attributes" }, ...known.flatMap(([name, value]) => [h("dt", {}, kindName(name)), h("dd", {}, String(value))]), h("dt", {}, "Id"), h("dd", {}, item.id));
}

/** @param {Record<string, {value: string, probability: number}[]>} labels */
function tagList(labels) {
  const found = Object.entries(labels).filter(([, values]) => values.length);
  if (!found.length) return "";
  return h(
    "section",
    { class: "tags", "aria-label": "Recognised on the photo" },
    h("h3", {}, "Recognised"),
    h(
      "dl",
      { class: "attributes" },
      ...found.flatMap(([name, [best]]) => [
        h("dt", {}, kindName(name)),
        h("dd", {}, best.value, h("span", { class: "quiet" }, ` ${Math.round(100 * best.probability)} %`)),
      ]),
    ),
  );
}

/** @param {import("../app.js").App} app @param {string} heading @param {import("../types.js").Item[]} items */
function strip(app, heading, items) {
  const list = h("ul", { class: "strip", role: "list" }, ...items.map((item) => card(app, item, "")));
  arrowKeys(list, ".card-main")();
  return h("section", { "aria-label": heading }, h("h3", {}, heading), list);
}
