/** What can be done to a slot; shared by its buttons and its keys. */

import { changed, emptied } from "../core/board.js";
import { say } from "../core/say.js";
import { kindName } from "../core/words.js";

/** @param {import("../app.js").App} app @param {import("../types.js").Slot} slot */
export function lock(app, slot) {
  app.board.push(changed(app.board.get(), slot.key, { locked: !slot.locked }), slot.locked ? "unlock" : "lock");
  say(`${slot.item?.title || kindName(slot.kind)} is ${slot.locked ? "free to change" : "locked: it stays"}.`);
}

/** @param {import("../app.js").App} app @param {import("../types.js").Slot} slot */
export function takeOff(app, slot) {
  const name = slot.item?.title || kindName(slot.kind);
  app.board.push(emptied(app.board.get(), slot.key), `take ${name} off`);
  say(`${name} is off the board.`, { action: "Undo", onaction: () => app.board.undo() });
}
