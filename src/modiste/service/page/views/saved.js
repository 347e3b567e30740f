/** The room of what one kept: saved looks, and what follows from those one liked. */

import { arrive } from "../arrive.js";
import { fill, h, iconButton } from "../core/dom.js";
import { forgetLook, savedLooks, saveLook } from "../core/kept.js";
import { say, sayError, state } from "../core/say.js";
import { score } from "../core/words.js";
import { forYou } from "./for-you.js";
import { flatLay } from "./look-card.js";

/** @param {import("../app.js").App} app @param {HTMLElement} main */
export function mountSaved(app, main) {
  const saved = h("ul", { class: "looks", role: "list", "aria-label": "Saved looks" });
  const none = h("div", {});
  const hers = forYou(app);
  const room = h("section", { class: "room-saved", "data-room-of": "saved", hidden: true, "aria-label": "Saved" }, h("h2", {}, "Saved looks"), none, saved, hers.element);
  main.append(room);

  function showSaved() {
    const looks = savedLooks();
    const start = h("button", { type: "button", class: "button", onclick: () => app.go("looks") }, "Make a look");
    fill(none, looks.length ? "" : state("Nothing saved yet", "Put a look on the board and press the bookmark. It is kept in this browser only.", start));
    fill(saved, ...looks.map(savedCard));
  }

  /** @param {import("../core/kept.js").Saved} look */
  function savedCard(look) {
    const open = () => arrive(app, look.hash).catch(sayError);
    const forget = () => {
      forgetLook(look.hash);
      showSaved();
      say("The look is gone.", { action: "Undo", onaction: () => (saveLook(look), showSaved()) });
    };
    const when = new Date(look.at);
    const day = Number.isNaN(when.getTime()) ? "" : when.toLocaleDateString("en-GB", { day: "numeric", month: "long" });
    return h(
      "li",
      { class: "look" },
      flatLay(app, look.items),
      h("div", { class: "look-head" }, h("h3", {}, look.name), look.score == null ? "" : h("span", { class: "score" }, score(look.score))),
      h("p", { class: "quiet" }, day),
      h("div", { class: "row" }, h("button", { type: "button", class: "button", onclick: open }, "Open on the board"), iconButton("close", `Forget ${look.name}`, forget)),
    );
  }

  app.view.subscribe(({ name }) => {
    if (name !== "saved") return;
    showSaved();
    hers.show();
  });
}
