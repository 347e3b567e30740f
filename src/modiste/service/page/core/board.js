/** The outfit board as a value: every function takes a board and gives another. */

/** @typedef {import("../types.js").Board} Board */
/** @typedef {import("../types.js").Slot} Slot */
/** @typedef {import("../types.js").Item} Item */
/** @typedef {import("../types.js").Look} Look */

const FIRST = ["top", "bottom", "outerwear", "shoes", "bag"]; // what an empty board asks for
export const ORDER = ["outerwear", "top", "one_piece", "bottom", "hosiery", "shoes", "bag", "hat", "accessory", "jewellery"];
/** A dress takes the places of a top and a bottom. */
const INSTEAD = { one_piece: ["top", "bottom"], top: ["one_piece"], bottom: ["one_piece"] };

let made = 0;
/** @param {string} kind @param {Partial<Slot>} [more] @returns {Slot} */
export const newSlot = (kind, more = {}) => ({
  key: `slot-${++made}`, kind, item: null, locked: false, wish: "", match: null, ...more,
}); // prettier-ignore

/** @param {string[]} kinds  slots that the catalogue can fill @returns {Board} */
export function emptyBoard(kinds) {
  const first = FIRST.filter((kind) => kinds.includes(kind));
  return { slots: (first.length ? first : kinds.slice(0, 5)).map((kind) => newSlot(kind)), text: "", alpha: 0.5 };
}

/** @param {Board} board */
export const worn = (board) => board.slots.flatMap((slot) => (slot.item ? [slot.item] : []));

/** @param {Board} board @param {string} key @param {Partial<Slot>} change @returns {Board} */
export const changed = (board, key, change) => ({
  ...board,
  slots: board.slots.map((slot) => (slot.key === key ? { ...slot, ...change } : slot)),
});

/** @param {Board} board @param {string} kind @returns {Board} */
export const withSlot = (board, kind) => ({ ...board, slots: [...board.slots, newSlot(kind)] });

/** @param {Board} board @param {string} key @returns {Board} */
export const withoutSlot = (board, key) => ({ ...board, slots: board.slots.filter((slot) => slot.key !== key) });

/** @param {Board} board @param {string} key @returns {Board} */
export const emptied = (board, key) => changed(board, key, { item: null, locked: false, match: null });

/**
 * Put an item on the board: into the slot named, else the first of its kind that is open, else the first of its kind that
 * is not locked, else a slot of its own. Open slots that it makes needless go.
 * @param {Board} board @param {Item} item @param {string} [key] @returns {{board: Board, key: string, replaced: Item|null}}
 */
export function placed(board, item, key = "") {
  const same = board.slots.filter((slot) => slot.kind === item.slot);
  const goal =
    board.slots.find((slot) => slot.key === key && (slot.kind === item.slot || !item.slot)) ??
    same.find((slot) => slot.item?.id === item.id) ??
    same.find((slot) => !slot.item) ??
    same.find((slot) => !slot.locked);
  if (goal) {
    const locked = goal.item?.id === item.id && goal.locked;
    return { board: changed(board, goal.key, { item, locked, match: null }), key: goal.key, replaced: goal.item };
  }
  const slot = newSlot(item.slot || "other", { item });
  const needless = INSTEAD[/** @type {keyof typeof INSTEAD} */ (item.slot)] ?? [];
  const kept = board.slots.filter((one) => one.item || one.wish || !needless.includes(one.kind));
  return { board: { ...board, slots: sorted([...kept, slot]) }, key: slot.key, replaced: null };
}

/** Where a name stands in an order; behind it when it is in none. @param {string[]} order @param {string} name */
export const placeIn = (order, name) => (order.indexOf(name) + order.length + 1) % (order.length + 1);

/** Things by kind from head to foot, else as they are. @template T @param {T[]} things @param {(thing: T) => string} kindOf */
export const headToFoot = (things, kindOf) =>
  [...things].sort((one, other) => placeIn(ORDER, kindOf(one)) - placeIn(ORDER, kindOf(other)));

/** @param {Slot[]} slots */
const sorted = (slots) => headToFoot(slots, (slot) => slot.kind);

/** Exchange what two slots hold, where both take it. @param {Board} board @param {string} from @param {string} to */
export function moved(board, from, to) {
  const one = board.slots.find((slot) => slot.key === from);
  const other = board.slots.find((slot) => slot.key === to);
  if (!one?.item || !other || one === other || one.kind !== other.kind) return board;
  const taken = changed(board, to, { item: one.item, locked: one.locked, match: null });
  return changed(taken, from, { item: other.item, locked: other.locked, match: null });
}

/**
 * A completed look on the board: items the board already holds stay where they are, chosen ones fill the slots they were
 * found for, and whatever else was there and is not locked goes.
 * @param {Board} board @param {Look} look @returns {Board}
 */
export function wearing(board, look) {
  const chosen = new Map(look.chosen.map((one) => [one.id, one]));
  const stays = new Set(look.items.filter((item) => !chosen.has(item.id)).map((item) => item.id));
  const slots = board.slots.map((slot) =>
    slot.item && (slot.locked || stays.has(slot.item.id) || slot.item.own) ? slot : { ...slot, item: null, match: null },
  );
  for (const one of look.chosen) {
    const item = look.items.find((other) => other.id === one.id);
    if (!item) continue;
    const fits = (/** @type {Slot} */ slot) => !slot.item && (slot.kind === one.slot || slot.kind === item.slot);
    let at = slots.findIndex((slot) => fits(slot) && slot.wish === one.wish);
    if (at < 0) at = slots.findIndex(fits);
    if (at < 0) slots.push(newSlot(item.slot, { item, wish: "", match: one.match }));
    else slots[at] = { ...slots[at], item, match: one.match };
  }
  return { ...board, slots };
}

/** A look as a board of its own. @param {Look} look @param {string} text @param {number} alpha @param {Set<string>} locked */
export function boardOf(look, text, alpha, locked = new Set()) {
  const slots = look.items.map((item) => newSlot(item.slot, { item, locked: locked.has(item.id) }));
  return { slots: sorted(slots), text, alpha };
}

/**
 * Items as the service wants them, and which of them an id in its answer means: it calls own photos photo-1, photo-2...
 * @param {Item[]} items
 */
export function references(items) {
  let own = 0;
  /** @type {Map<string, Item>} */
  const named = new Map();
  const refs = items.map((item) => {
    named.set(item.photo ? `photo-${++own}` : item.id, item);
    return item.photo ? { image: item.photo.data, kind: item.slot, title: item.title } : { id: item.id };
  });
  return { refs, named };
}
