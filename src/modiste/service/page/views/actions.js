/** What becomes of a board: kept, sent as a link, taken along as a picture or as JSON. */

import { post } from "../core/api.js";
import { references, worn } from "../core/board.js";
import { h, icon, iconButton } from "../core/dom.js";
import { asJson, asPng, download } from "../core/export.js";
import { link, lookHash } from "../core/hash.js";
import { saveLook } from "../core/kept.js";
import { say, sayError } from "../core/say.js";
import { score, spoken } from "../core/words.js";
import { dialog } from "./dialogs.js";

/** @param {import("../app.js").App} app @returns {HTMLElement[]} */
export function mountActions(app) {
  const save = iconButton("save", "Save this look", () => keep(app).catch(sayError));
  const share = iconButton("share", "Share or export", () => showShare(app));
  app.board.subscribe((board) => (save.disabled = share.disabled = !worn(board).length));
  return [save, share];
}

/** @param {import("../app.js").App} app */
async function judged(app) {
  const board = app.board.get();
  const items = worn(board);
  if (items.length < 2) return null;
  /** @type {Promise<import("../types.js").Verdict>} */
  const verdict = post("/score", { items: references(items).refs, text: board.text });
  return verdict;
}

/** @param {import("../app.js").App} app */
async function keep(app) {
  const board = app.board.get();
  const items = worn(board).filter((item) => !item.own);
  const verdict = await judged(app).catch(() => null);
  const look = {
    name: board.text || spoken(items) || "A look",
    at: new Date().toISOString(),
    hash: lookHash(board),
    score: verdict?.score ?? null,
    items: items.map((item) => ({ ...item, attributes: {} })),
  };
  const own = worn(board).length - items.length;
  const kept = saveLook(look);
  say(!kept ? "This browser keeps nothing here (private window, or full). Share the link instead." : own ? "Saved in this browser, without your own photos." : "Saved in this browser.", { bad: !kept, action: kept ? "See" : "", onaction: () => app.go("saved") }); // prettier-ignore
}

/** @param {import("../app.js").App} app */
function showShare(app) {
  const board = app.board.get();
  const items = worn(board);
  const address = link(board);
  const own = items.filter((item) => item.own).length;
  const field = h("input", { type: "text", id: "share-link", readonly: true, "aria-label": "Link to this look", onfocus: () => field.select(), value: address });
  const name = (/** @type {string} */ ending) => `${(board.text || "look").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "").slice(0, 40) || "look"}.${ending}`;
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(address);
      say("The link is copied.");
    } catch {
      field.focus();
      say("Press Ctrl C to copy the link.");
    }
  };
  const png = async () => {
    try {
      const verdict = await judged(app).catch(() => null);
      const { name: shop, scorer } = app.catalogue;
      const below = [shop, verdict ? `score ${score(verdict.score)} by ${scorer.label || scorer.name}` : ""].filter(Boolean).join(" · ");
      download(await asPng(items, board.text, below), name("png"));
    } catch (error) {
      sayError(error);
    }
  };
  const json = async () => download(asJson(board, app.catalogue, address, await judged(app).catch(() => null)), name("json"));
  dialog(
    "Share or export",
    "small",
    h("p", {}, "Whoever opens this link at this catalogue sees the same items, wishes and locks."),
    h("div", { class: "row" }, field, h("button", { type: "button", class: "button", onclick: copy }, "Copy link")),
    own ? h("p", { class: "notice" }, "Your own photos are in no link: they never leave this tab except with your questions.") : "",
    h("h3", {}, "As a file"),
    h("div", { class: "row" }, h("button", { type: "button", class: "button quiet-button", onclick: png }, icon("looks"), "Picture (PNG)"), h("button", { type: "button", class: "button quiet-button", onclick: json }, "Data (JSON)")),
  );
}
