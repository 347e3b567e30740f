/** The outfit board: what one wears, slot by slot, and everything that can be asked about it. */

import { post } from "../core/api.js";
import { emptyBoard, ORDER, references, wearing, withSlot } from "../core/board.js";
import { fill, h, icon, iconButton } from "../core/dom.js";
import { expressions } from "../core/filters.js";
import { arrowKeys } from "../core/keys.js";
import { setting } from "../core/kept.js";
import { say, sayError } from "../core/say.js";
import { kindName, proof } from "../core/words.js";
import { mountActions } from "./actions.js";
import { createSlot } from "./slot.js";
import { alphaSlider } from "./sliders.js";
import { lock, takeOff } from "./slot-actions.js";
import { showSwaps } from "./swaps.js";
import { mountVerdict } from "./verdict.js";

const WAYS = 3; // to complete a look, of which one is shown

/** @param {import("../app.js").App} app @param {HTMLElement} root */
export function mountBoard(app, root) {
  /** @type {Map<string, ReturnType<typeof createSlot>>} */
  const views = new Map();
  const grid = h("ul", { class: "slots", role: "list", "aria-label": "Slots" }, adder(app));
  const tidy = arrowKeys(grid, ".slot-main", slotKeys(app));
  const undo = iconButton("undo", "Undo", app.undo);
  const redo = iconButton("redo", "Do again", app.redo);
  const ways = h("div", { class: "ways" });
  const verdict = mountVerdict(app);
  root.append(
    h("div", { class: "board-head" }, h("h2", {}, "The board"), undo, redo, ...mountActions(app)),
    h("div", { class: "board-body" }, occasion(app), grid, clearing(app), ways, verdict.why),
    h("div", { class: "board-bar" }, verdict.score, questions(app, ways)),
  );

  app.board.subscribe((board) => {
    undo.disabled = !app.board.canUndo();
    redo.disabled = !app.board.canRedo();
    const kept = new Set(board.slots.map((slot) => slot.key));
    for (const [key, view] of views) {
      if (kept.has(key)) continue;
      view.element.remove();
      views.delete(key);
    }
    board.slots.forEach((slot, at) => {
      const view = views.get(slot.key) ?? createSlot(app, slot.key);
      views.set(slot.key, view);
      view.update(slot);
      if (grid.children[at] !== view.element) grid.insertBefore(view.element, grid.children[at] ?? null);
    });
    tidy();
  });
}

/** @param {import("../app.js").App} app @returns {Record<string, (element: HTMLElement) => void>} */
function slotKeys(app) {
  /** @param {(slot: import("../types.js").Slot) => void} act @param {boolean} letter */
  const on = (act, letter) => (/** @type {HTMLElement} */ element) => {
    const slot = app.board.get().slots.find((one) => one.key === element.dataset.key);
    if (slot?.item && (!letter || setting("letters", "on") === "on")) act(slot);
  };
  return {
    l: on((slot) => lock(app, slot), true),
    s: on((slot) => showSwaps(app, slot), true),
    Delete: on((slot) => takeOff(app, slot), false),
    Backspace: on((slot) => takeOff(app, slot), false),
  };
}

/** What the look is for, and how much those words count. @param {import("../app.js").App} app */
function occasion(app) {
  const words = h("input", {
    id: "occasion",
    type: "text",
    placeholder: "What is it for? Office, garden party…",
    "aria-label": "What the look is for, in words",
    autocomplete: "off",
    maxlength: app.catalogue.limits?.max_wish ?? 500,
    oninput: () => app.board.push({ ...app.board.get(), text: words.value }, "change what it is for", "text"),
  });
  const slider = alphaSlider("board-alpha", (alpha) => app.board.push({ ...app.board.get(), alpha }, "move the slider", "alpha"));
  app.board.subscribe((board) => {
    if (words.value !== board.text) words.value = board.text;
    slider.show(board.alpha);
  });
  return h("div", { class: "occasion" }, words, slider.element);
}

/** @param {import("../app.js").App} app */
function adder(app) {
  const kinds = app.catalogue.slots.map((slot) => slot.name).sort((one, other) => ORDER.indexOf(one) - ORDER.indexOf(other));
  const select = h(
    "select",
    {
      "aria-label": "Add a slot",
      onchange: () => {
        const kind = select.value;
        select.value = "";
        if (kind) app.board.push(withSlot(app.board.get(), kind), `add a slot for ${kindName(kind).toLowerCase()}`);
      },
    },
    h("option", { value: "" }, "Add a slot"),
    ...kinds.map((kind) => h("option", { value: kind }, kindName(kind))),
  );
  return h("li", { class: "slot-adder" }, icon("add"), select);
}

/** @param {import("../app.js").App} app */
function clearing(app) {
  const clear = h("button", { type: "button", class: "text-button", onclick: () => app.board.push(emptyBoard(app.catalogue.slots.map((slot) => slot.name)), "clear the board") }, "Clear the board"); // prettier-ignore
  app.board.subscribe((board) => (clear.hidden = !board.text && board.slots.every((slot) => !slot.item && !slot.wish)));
  return h("div", { class: "board-foot" }, clear);
}

/** Complete, and find anew what is not locked. @param {import("../app.js").App} app @param {HTMLElement} ways */
function questions(app, ways) {
  const complete = h("button", { type: "button", class: "button", onclick: () => ask(false) }, icon("hanger"), h("span", {}, "Complete the look"));
  const anew = h("button", { type: "button", class: "button", title: "Keeps what is locked and finds the rest anew", onclick: () => ask(true) }, "Find the rest anew");
  const hint = h("p", { class: "quiet" });
  const asked = h("label", { class: "check within" }, h("input", { type: "checkbox", id: "within" }), "within the filters of Find");

  /** @param {boolean} again */
  async function ask(again) {
    const board = app.board.get();
    const kept = board.slots.filter((slot) => slot.item && (!again || slot.locked));
    const open = board.slots.filter((slot) => !kept.includes(slot));
    const { refs } = references(kept.map((slot) => /** @type {import("../types.js").Item} */ (slot.item)));
    if (!open.length) {
      say(again ? "Everything is locked. Unlock what may change." : "Every slot is filled. Add a slot, or lock some and find the rest anew.");
      return;
    }
    const within = /** @type {HTMLInputElement} */ (asked.firstChild).checked;
    const filters = within ? app.find.get().choices.flatMap(expressions) : [];
    busy(true);
    try {
      /** @type {import("../types.js").Answer} */
      const answer = await post("/complete", {
        have: refs,
        want: open.map(({ kind, wish }) => ({ slot: kind, wish })),
        text: board.text,
        alpha: board.alpha,
        n: WAYS,
        filters,
        avoid: again ? open.flatMap((slot) => (slot.item && !slot.item.own ? [slot.item.id] : [])) : [],
      });
      const bare = { ...board, slots: board.slots.map((slot) => (kept.includes(slot) ? slot : { ...slot, item: null, locked: false, match: null })) };
      show(answer, answer.looks.map((look) => wearing(bare, look)));
    } catch (error) {
      fill(ways, h("p", { class: "problem", role: "alert" }, /** @type {Error} */ (error).message));
      if (/** @type {Error} */ (error).name !== "Problem") sayError(error);
    } finally {
      busy(false);
    }
  }

  /** @param {import("../types.js").Answer} answer @param {import("../types.js").Board[]} boards */
  function show(answer, boards) {
    let at = 0;
    /** @param {number} step */
    const turn = (step) => {
      at = (at + step + boards.length) % boards.length;
      app.board.push(boards[at], "complete the look", step ? "ways" : "");
      tell();
    };
    const tell = () => {
      const look = answer.looks[at];
      const pager = boards.length > 1 ? h("div", { class: "row pager" }, h("button", { type: "button", class: "text-button", onclick: () => turn(-1) }, "Previous"), h("span", {}, `Way ${at + 1} of ${boards.length}`), h("button", { type: "button", class: "text-button", onclick: () => turn(1) }, "Next")) : ""; // prettier-ignore
      fill(ways, pager, ...answer.notes.map((note) => h("p", { class: "notice" }, note)), h("p", { class: "quiet" }, `${proof(look)} ${answer.scored.toLocaleString("en-GB")} outfits looked at.`));
    };
    if (!boards.length) {
      fill(ways, ...answer.notes.map((note) => h("p", { class: "notice" }, note)), h("p", { class: "problem" }, "No outfit was found. Open another slot, or wish for less."));
      return;
    }
    turn(0);
    app.done("The look is complete.");
  }

  /** @param {boolean} yes */
  function busy(yes) {
    complete.disabled = anew.disabled = yes;
    complete.classList.toggle("busy", yes);
    if (yes) fill(ways, h("p", { class: "quiet" }, "Trying things on…"));
  }

  app.board.subscribe(({ slots }) => {
    const open = slots.some((slot) => !slot.item);
    complete.hidden = !open;
    anew.hidden = open || !slots.some((slot) => slot.locked) || slots.every((slot) => slot.locked);
    hint.hidden = open || !anew.hidden || !slots.length;
    hint.textContent = slots.every((slot) => slot.locked) ? "All locked." : "Lock what stays, and the rest is found anew.";
  });
  app.find.subscribe(({ choices }) => (asked.hidden = !choices.length));
  return h("div", { class: "questions" }, complete, anew, hint, asked);
}
