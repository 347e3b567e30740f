/** The room of what one kept: saved looks, and looks for you where the catalogue holds any. */

import { arrive } from "../arrive.js";
import { post } from "../core/api.js";
import { boardOf } from "../core/board.js";
import { fill, h, iconButton } from "../core/dom.js";
import { forgetLikes, forgetLook, likedLooks, savedLooks, saveLook } from "../core/kept.js";
import { say, sayError, state } from "../core/say.js";
import { score } from "../core/words.js";
import { flatLay, lookCard } from "./look-card.js";

const FOR_YOU = 6;

/** @param {import("../app.js").App} app @param {HTMLElement} main */
export function mountSaved(app, main) {
  const saved = h("ul", { class: "looks", role: "list", "aria-label": "Saved looks" });
  const none = h("div", {});
  const forYou = h("section", { class: "for-you", "aria-label": "For you" });
  const room = h("section", { class: "room-saved", "data-room-of": "saved", hidden: true, "aria-label": "Saved" }, h("h2", {}, "Saved looks"), none, saved, forYou);
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

  async function showForYou() {
    if (!app.catalogue.looks) return fill(forYou); // nothing to recommend from
    const likes = likedLooks();
    const heading = h("h2", {}, "For you");
    if (!likes.length) return fill(forYou, heading, h("p", { class: "quiet" }, "Like a look or two (the heart), and stylists’ looks in that manner come here."));
    try {
      const { looks, method } = await post("/recommend", { likes, k: FOR_YOU });
      const cards = looks.map((/** @type {import("../types.js").Look} */ look, /** @type {number} */ at) =>
        lookCard(app, look, { heading: `Look ${at + 1}`, take: () => app.takeBoard(boardOf(look, "", 0.5), "take a look to the board") }).element,
      );
      fill(forYou, heading, h("p", { class: "quiet" }, method), h("ul", { class: "looks", role: "list" }, ...cards));
    } catch (error) {
      const again = () => {
        forgetLikes();
        showForYou();
      };
      const forget = h("button", { type: "button", class: "button quiet-button", onclick: again }, "Forget what I liked");
      fill(forYou, heading, state("That did not work", /** @type {Error} */ (error).message, forget));
    }
    return undefined;
  }

  app.view.subscribe(({ name }) => {
    if (name !== "saved") return;
    showSaved();
    showForYou();
  });
}
