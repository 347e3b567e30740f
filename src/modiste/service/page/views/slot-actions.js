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
  app.done(`${name} is off the board.`);
}

/**
 * Put another item into a slot.
 * @param {import("../app.js").App} app @param {import("../types.js").Slot} slot @param {import("../types.js").Item} item
 * @param {string} kind  as it is called @param {number|null} [match]
 */
export function exchange(app, slot, item, kind, match = null) {
  app.board.push(changed(app.board.get(), slot.key, { item, locked: false, match }), `swap the ${kind}`);
  app.done(`${item.title || item.id} is on the board instead.`);
}
