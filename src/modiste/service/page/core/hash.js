/**
 * The address after "#": the search and the board, so that a look can be sent as a link. Own photos never get into it.
 *
 *     #q=linen&f=colour%3D%22red%22&s=shoes*1*sku-7*white+sneakers&t=office&a=0.7
 *
 * s: one slot as kind * locked * id * wish, where "*" and "%" inside a part are percent-encoded; t: what the look is for;
 * a: alpha; q and f: what is searched for and the filters; view: the room.
 */

/** @typedef {{kind: string, locked: boolean, id: string, wish: string}} SharedSlot */
/** @typedef {{view: string, q: string, filters: string[], slots: SharedSlot[], text: string, alpha: number}} Shared */

const MOST_SLOTS = 12;
const MOST_LETTERS = 500;
const part = (/** @type {string} */ text) => text.replaceAll("%", "%25").replaceAll("*", "%2A");

const unpart = (/** @type {string} */ text) => text.replaceAll("%2A", "*").replaceAll("%25", "%").slice(0, MOST_LETTERS);

/** @param {import("../types.js").Board} board @returns {[string, string][]} */
function ofBoard(board) {
  /** @type {[string, string][]} */
  const found = board.slots.map((slot) => {
    const id = slot.item && !slot.item.own ? slot.item.id : "";
    return ["s", [part(slot.kind), slot.locked && id ? "1" : "0", part(id), part(slot.wish)].join("*")];
  });
  if (board.text) found.push(["t", board.text]);
  if (board.alpha !== 0.5) found.push(["a", String(board.alpha)]);
  return found;
}

/** @param {{view: string, q: string, filters: string[]}} find @param {import("../types.js").Board} board */
export function write(find, board) {
  const query = new URLSearchParams();
  if (find.view !== "find") query.append("view", find.view);
  if (find.q) query.append("q", find.q);
  find.filters.forEach((one) => query.append("f", one));
  const worn = board.slots.some((slot) => slot.item || slot.wish) || board.text;
  if (worn) ofBoard(board).forEach(([name, value]) => query.append(name, value));
  return query.toString();
}

/** What stands for the board alone. @param {import("../types.js").Board} board */
export const lookHash = (board) => write({ view: "board", q: "", filters: [] }, board);

/** A link to the board alone. @param {import("../types.js").Board} board */
export const link = (board) => `${location.origin}${location.pathname}#${lookHash(board)}`;

/** What a link says; whatever cannot be read is left out. @param {string} hash @returns {Shared} */
export function read(hash) {
  const query = new URLSearchParams(hash.replace(/^#/, ""));
  const slots = query.getAll("s").slice(0, MOST_SLOTS).map((text) => {
    const [kind = "", locked = "", id = "", wish = ""] = text.split("*");
    return { kind: unpart(kind), locked: locked === "1", id: unpart(id), wish: unpart(wish) };
  });
  const alpha = Number(query.get("a") ?? 0.5);
  return {
    view: query.get("view") ?? "find",
    q: (query.get("q") ?? "").slice(0, MOST_LETTERS),
    filters: query.getAll("f").slice(0, 20),
    slots: slots.filter((slot) => slot.kind || slot.id),
    text: (query.get("t") ?? "").slice(0, MOST_LETTERS),
    alpha: alpha >= 0 && alpha <= 1 ? alpha : 0.5,
  };
}
